"""Where a point of the clean sheet lies in the picture: folds of the sheet, then a camera's perspective.

Both are stated in closed form, so that every point of the truth goes through exactly what the pixels go through.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fold:
    """A crease across the sheet at ``x`` pixels: its sides rise by ``lift`` pixels within ``reach`` pixels of it.

    A raised side is seen shortened and shifted: ``y`` moves by the lift, falling off linearly, on both sides.
    """

    x: float
    lift: float
    reach: float

    def shift(self, x: Points) -> Points:
        """How far points at ``x`` move down."""
        moved: Points = self.lift * np.maximum(0.0, 1.0 - np.abs(x - self.x) / self.reach)
        return moved


@dataclass(frozen=True)
class Warp:
    """Clean sheet -> picture.

    Attributes:
        homography: (3, 3), applied after the folds.
        folds: creases.
    """

    homography: npt.NDArray[np.float64]
    folds: tuple[Fold, ...] = ()

    @property
    def still(self) -> bool:
        """Whether nothing moves."""
        return not self.folds and np.array_equal(self.homography, np.eye(3))

    def forward(self, points: Points) -> Points:
        """Where points (n, 2) of the sheet lie in the picture."""
        if self.still:
            return np.asarray(points, dtype=np.float64)
        x, y = np.asarray(points, dtype=np.float64).T
        for fold in self.folds:
            y = y + fold.shift(x)
        return _project(self.homography, np.stack([x, y], axis=1))

    def backward(self, points: Points) -> Points:
        """Where points (n, 2) of the picture lie on the sheet; undoes `forward`."""
        x, y = _project(
            np.asarray(np.linalg.inv(self.homography), dtype=np.float64), np.asarray(points, dtype=np.float64)
        ).T
        for fold in self.folds:
            y = y - fold.shift(x)
        return np.stack([x, y], axis=1)


IDENTITY = Warp(np.eye(3))


def perspective(corners: Points, width: int, height: int) -> npt.NDArray[np.float64]:
    """The homography that takes the sheet's corners (clockwise from the upper left) to these (4, 2)."""
    import cv2

    sheet = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    return np.asarray(cv2.getPerspectiveTransform(sheet, corners.astype(np.float32)), dtype=np.float64)


def _project(matrix: npt.NDArray[np.float64], points: Points) -> Points:
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return moved[:, :2] / moved[:, 2:]
