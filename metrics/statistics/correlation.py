"""Pearson's correlation under sample weights, as the bootstrap draws them."""

import numpy as np

from metrics.statistics.arrays import Array


def weighted_pearson(a: Array, b: Array, weights: Array) -> Array:
    """Pearson's r (replicates,) of pairs that count as often as their weights (replicates, n) say.

    Args:
        a, b: (n,).
        weights: not negative.

    Returns:
        NaN where fewer than three pairs count, or either does not move.
    """
    # Centred over all samples first: the difference of large sums would drown small movements.
    x, y = (np.asarray(v, dtype=np.float64) - np.mean(v, dtype=np.float64) for v in (a, b))
    total = np.maximum(weights.sum(axis=1), 1e-12)
    mean_x, mean_y = weights @ x / total, weights @ y / total
    var_x, var_y = weights @ (x * x) / total - mean_x**2, weights @ (y * y) / total - mean_y**2
    scale = np.sqrt(np.maximum(var_x, 0) * np.maximum(var_y, 0))
    moves = (var_x > 1e-12 * np.mean(x * x)) & (var_y > 1e-12 * np.mean(y * y)) & (total >= 3)
    covariance = weights @ (x * y) / total - mean_x * mean_y
    return np.divide(covariance, scale, out=np.full(len(weights), np.nan), where=moves & (scale > 0))
