"""Scores of many draws for one truth: whether the predicted bands are as wide as the errors."""

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.statistics.arrays import Array


def crps(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> Array:
    """Continuous ranked probability score of samples, in the reference's unit; 0 is best.

    Fair estimator E|X - y| - E|X - X'| / 2 over distinct draws (Ferro 2014), unbiased in the number of draws; one draw
    gives the absolute error.

    Args:
        reference: truth (...).
        generated: draws (k, ...).

    Returns:
        (...) score of each value; average as wanted.

    Raises:
        InputError: shapes do not fit.
    """
    y, x = _draws(reference, generated)
    k = len(x)
    error = np.abs(x - y).mean(axis=0)
    if k == 1:
        return error
    # With sorted draws, the sum over pairs of |x_i - x_j| is sum_i (2i - k + 1) x_(i), i = 0..k-1.
    rank = (2 * np.arange(k) - k + 1).reshape(-1, *[1] * y.ndim)
    return error - (rank * np.sort(x, axis=0)).sum(axis=0) / (k * (k - 1))


def band_coverage(*, reference: npt.ArrayLike, generated: npt.ArrayLike, level: float) -> Array:
    """Whether each true value lies in the central band of its draws: (...) of bool, average as wanted.

    The band reaches between the order statistics whose expected coverage is ``level``: quantiles at the plotting
    positions i/(k+1), which do not shrink with few draws as the usual sample quantiles do.

    Args:
        reference: truth (...).
        generated: draws (k, ...).
        level: of the band, such as 0.5 or 0.9.

    Raises:
        InputError: shapes do not fit, a level not between 0 and 1, or too few draws for it (19 for 0.9).
    """
    y, x = _draws(reference, generated)
    if not 0 < level < 1 or (1 - level) / 2 * (len(x) + 1) < 1 - 1e-9:
        need = int(np.ceil(2 / (1 - level) - 1 - 1e-9)) if 0 < level < 1 else 0
        raise InputError(f"level={level} of {len(x)} draws; accepted: 0 to 1, at least {need} draws for this one")
    low, high = np.quantile(x, [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull")
    return (y >= low) & (y <= high)


def energy_score(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> Array:
    """CRPS of whole vectors: E|X - y| - E|X - X'| / 2 with Euclidean norms, over the last axis; 0 is best.

    Args:
        reference: (..., d).
        generated: (k, ..., d).

    Returns:
        (...) in the reference's unit.
    """
    y, x = _draws(reference, generated)
    k = len(x)
    error = np.linalg.norm(x - y, axis=-1).mean(axis=0)
    if k == 1:
        return error
    pairs = sum(np.linalg.norm(x[i + 1 :] - x[i], axis=-1).sum(axis=0) for i in range(k - 1))
    return error - pairs / (k * (k - 1))


def _draws(reference: npt.ArrayLike, generated: npt.ArrayLike) -> tuple[Array, Array]:
    y, x = np.asarray(reference, dtype=np.float64), np.asarray(generated, dtype=np.float64)
    if x.ndim != y.ndim + 1 or x.shape[1:] != y.shape or len(x) == 0:
        raise InputError(f"draws of shape {x.shape} for truth of shape {y.shape}; accepted: (k, *truth)")
    return y, x
