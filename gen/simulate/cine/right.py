"""The right ventricle: an ellipse that leans on the left one, less the left ventricle; stroke volumes agree."""

from dataclasses import dataclass

import numpy as np

from gen.simulate.cine.motion import ANGLES
from gen.simulate.cine.ventricle import LeftVentricle

#: Height share -> centre distance and its direction (deg), semi-axes long and short, direction of the long axis (deg),
#: each (end-diastole, end-systole); lengths in units of the current epicardial radius, angles counter-clockwise from
#: the right of the image. The long axis runs from the outflow tract above the septum to the acute margin below.
_LEVELS = np.array([0.15, 0.45, 0.78])
_SHAPE = np.array(
    [
        [[1.10, 1.12], [170, 171], [1.36, 1.22], [0.84, 0.72], [80, 79]],
        [[1.06, 0.98], [175, 175], [1.30, 1.20], [0.80, 0.68], [77, 76]],
        [[0.88, 0.95], [181, 181], [1.12, 0.86], [0.74, 0.54], [74, 72]],
    ]
)
_GRID = np.linspace(0.02, 0.94, 9)
#: Trial sizes between which the one with the wanted volume is interpolated.
_SIZES = np.linspace(0.35, 1.65, 14)


@dataclass(frozen=True, eq=False)
class RightVentricle:
    """Right-ventricular cavity of one heartbeat.

    Attributes:
        size: (frame,) factor on the ellipse's axes by which the volume holds.
        volume_ml: (frame,) cavity volume.
        contraction: (frame,) 0 at end-diastole, 1 at end-systole.
    """

    size: np.ndarray
    volume_ml: np.ndarray
    contraction: np.ndarray

    def ellipse(self, s: np.ndarray, outer_mm: np.ndarray) -> np.ndarray:
        """(frame, 5): centre x, y (mm from the left ventricle's centre, y up), semi-axes in mm, direction in rad.

        Args:
            s: (frame,) height share of the cut.
            outer_mm: (frame,) mean epicardial radius there.
        """
        return _ellipse(s, self.contraction, outer_mm, self.size)


def build_right(left: LeftVentricle) -> RightVentricle:
    """The right ventricle of a heart: its own end-diastolic volume, the left one's stroke volume."""
    anatomy = left.anatomy
    c = (anatomy.edv_ml - left.volume_ml) / max(anatomy.sv_ml, 1e-6)
    volume = anatomy.rv_edv_ml - (anatomy.edv_ml - left.volume_ml)
    trial = np.zeros((len(_SIZES), len(c)))
    for s in _GRID:
        height = np.full(len(c), s)
        _, outer = left.cut(height)
        mean = outer.mean(axis=1)
        for k, size in enumerate(_SIZES):
            trial[k] += _area(_ellipse(height, c, mean, np.full(len(c), size)), outer)
    trial *= left.length_mm / (len(_GRID) * 1e3) * 0.96
    trial = np.maximum.accumulate(trial, axis=0) + np.arange(len(_SIZES))[:, None] * 1e-9
    size = np.array([np.interp(v, trial[:, k], _SIZES) for k, v in enumerate(volume)])
    return RightVentricle(size, volume, c)


def _ellipse(s: np.ndarray, c: np.ndarray, outer: np.ndarray, size: np.ndarray) -> np.ndarray:
    level = np.clip(s, _LEVELS[0], _LEVELS[-1])
    at = np.interp(level, _LEVELS, np.arange(len(_LEVELS)))
    low = np.minimum(at.astype(int), len(_LEVELS) - 2)
    share = (at - low)[:, None, None]
    shape = _SHAPE[low] * (1.0 - share) + _SHAPE[low + 1] * share  # (frame, quantity, ED/ES)
    distance, towards, long, short, axis = (shape[..., 0] * (1.0 - c[:, None]) + shape[..., 1] * c[:, None]).T
    # Towards the apex the cavity closes.
    close = np.sqrt(np.clip((0.97 - s) / 0.25, 0.0, 1.0)) * size * outer
    direction = np.deg2rad(towards)
    # A small cavity stays on the septum, a large one grows away from it.
    away = outer * (distance + 0.5 * (size - 1.0) * short)
    return np.stack(
        [away * np.cos(direction), away * np.sin(direction), long * close, short * close, np.deg2rad(axis)], axis=1
    )


def ellipse_distance(x: np.ndarray, y: np.ndarray, ellipse: np.ndarray) -> np.ndarray:
    """Signed distance in mm to ellipses, to first order, negative inside.

    Args:
        x, y: coordinates that broadcast against (frame, ...), mm from the left ventricle's centre, y up.
        ellipse: (frame, 5) of `RightVentricle.ellipse`.
    """
    shape = (-1,) + (1,) * (np.ndim(x) - 1)
    cx, cy, a, b, turn = (ellipse[:, k].reshape(shape).astype(x.dtype) for k in range(5))
    a, b = np.maximum(a, 1.0), np.maximum(b, 1.0)
    u, v = x - cx, y - cy
    cos, sin = np.cos(turn), np.sin(turn)
    u, v = (u * cos + v * sin) / a, (v * cos - u * sin) / b
    f = np.sqrt(u * u + v * v)
    slope = np.sqrt((u / a) ** 2 + (v / b) ** 2)
    return (f - 1.0) * f / np.maximum(slope, 1e-4)


def _area(ellipse: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """(frame,) mm² of the ellipse outside the left ventricle, by rays from the left ventricle's centre."""
    cx, cy, a, b, turn = (ellipse[:, k, None] for k in range(5))
    a, b = np.maximum(a, 1e-3), np.maximum(b, 1e-3)
    cos, sin = np.cos(turn), np.sin(turn)
    ex, ey = (cx * cos + cy * sin) / a, (cy * cos - cx * sin) / b
    direction = ANGLES[None, :] - turn
    dx, dy = np.cos(direction) / a, np.sin(direction) / b
    # |r d - e| = 1
    dd, de, ee = dx * dx + dy * dy, dx * ex + dy * ey, ex * ex + ey * ey - 1.0
    inside = de * de - dd * ee
    root = np.sqrt(np.clip(inside, 0.0, None))
    far = np.where(inside > 0, (de + root) / dd, 0.0)
    near = np.where(inside > 0, (de - root) / dd, 0.0)
    near = np.maximum(np.maximum(near, outer), 0.0)
    return 0.5 * np.clip(far**2 - near**2, 0.0, None).mean(axis=1) * 2.0 * np.pi
