"""Precision, recall, density and coverage: whether generated samples look real, and whether they are all of it.

Each set's support is the union of balls around its points, with the distance to the k-th nearest other point of the
same set as radius (Kynkäänniemi et al. 2019 for precision and recall, Naeem et al. 2020 for density and coverage).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metrics.statistics.arrays import feature_pair
from metrics.statistics.distances import neighbour_radii, squared_distance_blocks


@dataclass(frozen=True)
class ManifoldScores:
    """The four shares at one k.

    Attributes:
        precision: share of generated points in the ball of any real point; 1 is best.
        recall: share of real points in the ball of any generated point; 1 is best.
        density: mean number of real balls that hold a generated point, divided by k; about 1 for equal
            distributions, above 1 where the generated points crowd in the dense part of the real ones.
        coverage: share of real points with a generated point in their ball; 1 - 2^-k for equal distributions.
        k: neighbour that sets the radius.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    k: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def manifold_scores(*, reference: npt.ArrayLike, generated: npt.ArrayLike, k: int = 5) -> ManifoldScores:
    """All four in three passes over blocks of distances.

    Args:
        reference, generated: features (n, d), (m, d).
        k: neighbour that sets the radius; the family's papers use 3, Naeem et al. 5.

    Raises:
        InputError: a set has no more than k points, widths differ, or values are not finite.
    """
    real, fake = feature_pair(reference, generated, minimum=k + 1)
    real_radii, fake_radii = neighbour_radii(real, k), neighbour_radii(fake, k)
    balls = 0
    precise = 0
    covered = np.zeros(len(real), dtype=bool)
    recalled = np.zeros(len(real), dtype=bool)
    for rows, squared in squared_distance_blocks(fake, real):
        inside = squared <= real_radii
        balls += int(np.count_nonzero(inside))
        precise += int(inside.any(axis=1).sum())
        covered |= inside.any(axis=0)
        recalled |= (squared <= fake_radii[rows, None]).any(axis=0)
    return ManifoldScores(
        precision=precise / len(fake),
        recall=float(recalled.mean()),
        density=balls / (k * len(fake)),
        coverage=float(covered.mean()),
        k=k,
    )


def zero_radii(values: npt.ArrayLike, k: int = 5) -> int:
    """Points with at least k exact copies, whose ball has radius 0: only copies can lie in it."""
    array = np.asarray(values, dtype=np.float64)
    _, place, count = np.unique(array, axis=0, return_inverse=True, return_counts=True)
    return int((count[place.reshape(-1)] > k).sum())


def precision(*, reference: npt.ArrayLike, generated: npt.ArrayLike, k: int = 5) -> float:
    """Share of generated points inside the real support; see `manifold_scores`."""
    return manifold_scores(reference=reference, generated=generated, k=k).precision


def recall(*, reference: npt.ArrayLike, generated: npt.ArrayLike, k: int = 5) -> float:
    """Share of real points inside the generated support; see `manifold_scores`."""
    return manifold_scores(reference=reference, generated=generated, k=k).recall


def density(*, reference: npt.ArrayLike, generated: npt.ArrayLike, k: int = 5) -> float:
    """Real balls around a generated point, divided by k; see `manifold_scores`."""
    return manifold_scores(reference=reference, generated=generated, k=k).density


def coverage(*, reference: npt.ArrayLike, generated: npt.ArrayLike, k: int = 5) -> float:
    """Share of real points that have a generated one in their ball; see `manifold_scores`."""
    return manifold_scores(reference=reference, generated=generated, k=k).coverage


def precision_k3(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """`precision` with three neighbours, as the papers on generated ECGs use it."""
    return precision(reference=reference, generated=generated, k=3)


def recall_k3(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """`recall` with three neighbours, as the papers on generated ECGs use it."""
    return recall(reference=reference, generated=generated, k=3)
