"""The score of many draws for one truth: near it, and as wide as the errors are."""

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


def _draws(reference: npt.ArrayLike, generated: npt.ArrayLike) -> tuple[Array, Array]:
    y, x = np.asarray(reference, dtype=np.float64), np.asarray(generated, dtype=np.float64)
    if x.ndim != y.ndim + 1 or x.shape[1:] != y.shape or len(x) == 0:
        raise InputError(f"draws of shape {x.shape} for truth of shape {y.shape}; accepted: (k, *truth)")
    return y, x
