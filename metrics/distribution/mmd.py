"""Maximum mean discrepancy: a distance between distributions that has an unbiased estimate at any sample count.

MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)   (Gretton et al. 2012, lemma 6), estimated without the diagonals.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.statistics.arrays import Array, feature_pair
from metrics.statistics.distances import block_rows, squared_distance_blocks

Kernel = Callable[[Array, Array], Array]


def kid(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """Kernel (Inception) distance: unbiased MMD^2 with the cubic kernel (x.y/d + 1)^3 (Binkowski et al. 2018).

    All pairs of samples enter, not random subsets, so the value depends on nothing but the data. It can be slightly
    negative for equal distributions: that is what unbiased means.

    Raises:
        InputError: fewer than two samples in a set, other widths, or values that are not finite.
    """
    first, second = feature_pair(reference, generated, minimum=2)
    return _unbiased(first, second, _cubic)


@dataclass(frozen=True)
class KidSubsets:
    """KID as papers print it: mean and standard deviation over random subsets."""

    mean: float
    std: float
    subsets: int
    size: int


def kid_subsets(
    *, reference: npt.ArrayLike, generated: npt.ArrayLike, subsets: int = 100, size: int = 1000, seed: int = 0
) -> KidSubsets:
    """KID over ``subsets`` random subsets of ``size`` samples (or of all, where there are fewer).

    Raises:
        InputError: as `kid`, or fewer than two subsets.
    """
    first, second = feature_pair(reference, generated, minimum=2)
    if subsets < 2 or size < 2:
        raise InputError(f"subsets={subsets}, size={size}; accepted: at least 2 each")
    size = min(size, len(first), len(second))
    values = []
    for k in range(subsets):
        rng = np.random.default_rng(np.random.SeedSequence((seed, k)))
        parts = [rows[rng.choice(len(rows), size, replace=False)] for rows in (first, second)]
        values.append(_unbiased(parts[0], parts[1], _cubic))
    return KidSubsets(float(np.mean(values)), float(np.std(values, ddof=1)), subsets, size)


def rbf_mmd(
    *, reference: npt.ArrayLike, generated: npt.ArrayLike, bandwidth: float | None = None, seed: int = 0
) -> float:
    """Unbiased MMD^2 with the kernel exp(-|x - y|^2 / (2 h^2)); lies in about [0, 2], 0 is best.

    Args:
        reference, generated: features (n, d), (m, d).
        bandwidth: h in feature units; None takes the median distance of the pooled samples (`median_distance`).
        seed: of the subset the median is taken over.

    Raises:
        InputError: as `kid`, or a bandwidth that is not above 0.
    """
    first, second = feature_pair(reference, generated, minimum=2)
    h = median_distance(np.concatenate([first, second]), seed=seed) if bandwidth is None else bandwidth
    if not h > 0:
        raise InputError(f"bandwidth={h}; accepted: above 0 (all samples equal?)")

    def kernel(x: Array, y: Array) -> Array:
        squared = np.concatenate([block for _, block in squared_distance_blocks(x, y)])
        return np.exp(squared / (-2 * h * h))

    return _unbiased(first, second, kernel)


def median_distance(points: Array, *, limit: int = 1000, seed: int = 0) -> float:
    """Median distance of pairs among at most ``limit`` randomly chosen points (n, d)."""
    if len(points) > limit:
        points = points[np.random.default_rng(seed).choice(len(points), limit, replace=False)]
    squared = np.concatenate([block for _, block in squared_distance_blocks(points, points)])
    return float(np.sqrt(np.median(squared[np.triu_indices(len(points), 1)])))


def _cubic(x: Array, y: Array) -> Array:
    kernel = x @ y.T
    kernel /= x.shape[1]
    kernel += 1
    cube = kernel * kernel
    cube *= kernel
    return cube


def _unbiased(first: Array, second: Array, kernel: Kernel) -> float:
    within = sum(_sum_of_pairs(x, kernel) / (len(x) * (len(x) - 1)) for x in (first, second))
    step = block_rows(len(second))
    blocks = (kernel(first[start : start + step], second) for start in range(0, len(first), step))
    across = sum(float(block.sum()) for block in blocks) / (len(first) * len(second))
    return within - 2 * across


def _sum_of_pairs(x: Array, kernel: Kernel) -> float:
    """Sum of the kernel over ordered pairs of different samples; each unordered pair is computed about once."""
    total = 0.0
    step = block_rows(len(x))
    for start in range(0, len(x), step):
        block = kernel(x[start : start + step], x[start:])
        rows = len(block)
        total += 2 * float(block[:, rows:].sum()) + float(block[:, :rows].sum() - np.trace(block))
    return total
