"""Image and volume measures of cine cardiac MRI, ``(frame, row, col)`` per loop and one heartbeat per loop."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gen.records import InputError
from metrics.statistics.arrays import Array

_SIGMA, _RADIUS = 1.5, 5  # the Gaussian window of 11 pixels (Wang et al. 2004)
_K1, _K2 = 0.01, 0.03


def psnr(
    *, reference: npt.ArrayLike, generated: npt.ArrayLike, data_range: float, known: npt.ArrayLike | None = None
) -> Array:
    """Peak signal-to-noise ratio of each frame, (...) dB: 10 log10(range^2 / MSE); infinite for equal frames.

    Args:
        reference, generated: (..., row, col).
        data_range: largest minus smallest possible value; state it with the figure.
        known: (..., row, col) bool, pixels that both hold and that count; None for all. A frame without any is NaN.
    """
    x, y = _frames(reference, generated, data_range)
    if known is None:
        error = ((x - y) ** 2).mean(axis=(-2, -1))
    else:
        error = _mean_where((x - y) ** 2, np.broadcast_to(np.asarray(known, dtype=bool), x.shape))
    return 10 * np.log10(np.divide(data_range**2, error, out=np.full(error.shape, np.inf), where=error > 0))


def ssim(
    *, reference: npt.ArrayLike, generated: npt.ArrayLike, data_range: float, known: npt.ArrayLike | None = None
) -> Array:
    """Structural similarity of each frame, (...) in [-1, 1]; Gaussian window 11, sigma 1.5, K1 .01, K2 .03.

    Averaged where the window lies wholly inside the image (Wang et al. 2004).

    Args:
        reference, generated: (..., row, col), at least 11 x 11.
        data_range: largest minus smallest possible value; state it with the figure.
        known: (..., row, col) bool, pixels that both hold; windows around others do not count, and a pixel that one of
            them lacks is the same in both for the windows that see it. None for all. A frame without any is NaN.
    """
    x, y = _frames(reference, generated, data_range)
    if known is not None:
        known = np.broadcast_to(np.asarray(known, dtype=bool), x.shape)
        y = np.where(known, y, x)
    if min(x.shape[-2:]) < 2 * _RADIUS + 1:
        raise InputError(f"frames of {x.shape[-2]} x {x.shape[-1]}; accepted: at least 11 x 11 for SSIM")
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    mean_x, mean_y = _smooth(x), _smooth(y)
    var_x, var_y = _smooth(x * x) - mean_x**2, _smooth(y * y) - mean_y**2
    joint = _smooth(x * y) - mean_x * mean_y
    local = (2 * mean_x * mean_y + c1) * (2 * joint + c2)
    local /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    inside = (..., slice(_RADIUS, -_RADIUS), slice(_RADIUS, -_RADIUS))
    return local[inside].mean(axis=(-2, -1)) if known is None else _mean_where(local[inside], known[inside])


def periodicity_gap(*, generated: npt.ArrayLike) -> Array:
    """Step from the last frame back to the first over the mean step between neighbours, (...); 1 is a smooth loop.

    Args:
        generated: (..., frame, row, col) one heartbeat; a still loop gives 0.
    """
    x = np.asarray(generated, dtype=np.float64)
    if x.ndim < 3 or x.shape[-3] < 3:
        raise InputError(f"cine of shape {x.shape}; accepted: (..., frame, row, col) with at least 3 frames")
    steps = np.sqrt((np.diff(x, axis=-3) ** 2).mean(axis=(-2, -1))).mean(axis=-1)
    back = np.sqrt(((x[..., 0, :, :] - x[..., -1, :, :]) ** 2).mean(axis=(-2, -1)))
    return np.divide(back, steps, out=np.zeros(back.shape), where=steps > 0)


def dice(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> Array:
    """Overlap 2|A and B| / (|A| + |B|) of boolean masks, (...) over the last two axes; NaN where both are empty."""
    a, b = np.asarray(reference, dtype=bool), np.asarray(generated, dtype=bool)
    if a.shape != b.shape or a.ndim < 2:
        raise InputError(f"masks of shapes {a.shape} and {b.shape}; accepted: two equal (..., row, col)")
    size = a.sum(axis=(-2, -1)) + b.sum(axis=(-2, -1))
    both = 2.0 * (a & b).sum(axis=(-2, -1))
    return np.divide(both, size, out=np.full(size.shape, np.nan), where=size > 0)


@dataclass(frozen=True, eq=False)
class VentricleVolumes:
    """End-diastolic and end-systolic volume of each loop, (n,) each.

    Attributes:
        edv_ml, esv_ml: largest and smallest volume.
        ef_percent: ejection fraction 100 (EDV - ESV) / EDV; NaN for an empty ventricle.
        es_frame: frame of the smallest volume.
    """

    edv_ml: Array
    esv_ml: Array
    ef_percent: Array
    es_frame: npt.NDArray[np.int64]

    @property
    def sv_ml(self) -> Array:
        """Stroke volume."""
        return self.edv_ml - self.esv_ml


def ventricle_volumes(curve: npt.ArrayLike) -> VentricleVolumes:
    """Read the volumes off volume curves (n, frame) in ml."""
    volume = _curves(curve, "curve")
    high, low = volume.max(axis=1), volume.min(axis=1)
    fraction = np.divide(100 * (high - low), high, out=np.full(len(high), np.nan), where=high > 0)
    return VentricleVolumes(high, low, fraction, volume.argmin(axis=1).astype(np.int64))


def circular_frame_error(first: npt.ArrayLike, second: npt.ArrayLike, frames: int) -> Array:
    """Distance of two frames around a loop of ``frames``, as a share of it (0 to 0.5)."""
    gap = np.abs(np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)) % frames
    return np.minimum(gap, frames - gap) / frames


def _curves(values: npt.ArrayLike, name: str) -> Array:
    curve = np.asarray(values, dtype=np.float64)
    if curve.ndim != 2 or not curve.size or not np.isfinite(curve).all() or (curve < 0).any():
        raise InputError(f"{name}: accepted: volumes (n, frame) in ml, finite and not negative")
    return curve


def _frames(reference: npt.ArrayLike, generated: npt.ArrayLike, data_range: float) -> tuple[Array, Array]:
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(generated, dtype=np.float64)
    if x.shape != y.shape or x.ndim < 2 or not x.size:
        raise InputError(f"frames of shapes {x.shape} and {y.shape}; accepted: two equal (..., row, col)")
    if not data_range > 0 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError(f"data_range={data_range}; accepted: above 0, with finite frames")
    return x, y


def _mean_where(values: Array, known: npt.NDArray[np.bool_]) -> Array:
    count = known.sum(axis=(-2, -1))
    total = np.where(known, values, 0.0).sum(axis=(-2, -1))
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _smooth(x: Array) -> Array:
    offset = np.arange(-_RADIUS, _RADIUS + 1)
    kernel = np.exp(-(offset**2) / (2 * _SIGMA**2))
    kernel /= kernel.sum()
    return ndimage.correlate1d(ndimage.correlate1d(x, kernel, axis=-1, mode="reflect"), kernel, axis=-2, mode="reflect")
