"""Confidence intervals by resampling patients, not records: two ECGs of one person are not two observations.

A replicate is a vector of counts, how often each patient was drawn. All replicates are evaluated at once as matrix
products with those counts, so thousands cost milliseconds. (Efron & Tibshirani 1993; BCa: chapter 14.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from gen.records import InputError
from metrics.statistics.arrays import Array, group_codes, vector

Method = Literal["percentile", "bca"]
Few = Literal["refuse", "unknown"]
Groups = Sequence[object] | npt.NDArray | None

#: Takes weights (replicates, n) of the samples, gives the statistic (replicates,); NaN where it does not exist.
Statistic = Callable[[Array], Array]


@dataclass(frozen=True)
class Interval:
    """A value with its confidence interval.

    Attributes:
        value: on all samples.
        low, high: bounds at ``level``.
        level: confidence, 0 to 1.
        n: samples that entered.
        groups: patients among them.
        replicates: bootstrap draws that gave a number.
        failed: values that could not be measured and did not enter.
    """

    value: float
    low: float
    high: float
    level: float
    n: int
    groups: int
    replicates: int
    failed: int = 0

    def __str__(self) -> str:
        """``value [low, high]`` with three digits."""
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True)
class Difference:
    """How much better or worse one of two paired results is.

    Attributes:
        interval: of the mean difference (second minus first).
        p_value: two-sided bootstrap p-value of 'no difference'; at least 2 / (replicates + 1).
    """

    interval: Interval
    p_value: float


def bootstrap_mean(
    values: npt.ArrayLike,
    *,
    groups: Groups = None,
    replicates: int = 2000,
    level: float = 0.95,
    method: Method = "bca",
    seed: int = 0,
    few: Few = "refuse",
) -> Interval:
    """Mean of one value per record with a confidence interval over patients.

    Args:
        values: (n,), or (n, m) where a record has several; NaN (not measurable) is left out and not counted in ``n``.
        groups: (n,) patient of each record; None: each its own.
        replicates: bootstrap draws.
        level: confidence.
        method: ``percentile``, or ``bca`` (bias-corrected and accelerated), better for skewed values.
        seed: of the draws.
        few: fewer than two patients with a value are refused, or have bounds that are NaN.

    Raises:
        InputError: fewer than two patients with a value, and ``few`` is ``refuse``.
    """

    def mean(array: Array, weights: Array) -> Array:
        total = weights.sum(axis=1)
        return np.divide(weights @ array, total, out=np.full(len(weights), np.nan), where=total > 0)

    return _of_values(mean, values, groups, replicates, level, method, seed, few)


def bootstrap_median(
    values: npt.ArrayLike, *, groups: Groups = None, replicates: int = 2000, seed: int = 0, few: Few = "refuse"
) -> Interval:
    """Median with a 95 % percentile interval over patients.

    A median moves in steps, which the acceleration of BCa does not foresee: the jackknife is inconsistent for it
    (Efron & Tibshirani 1993, section 11.6).

    Args:
        values, groups, replicates, seed, few: as `bootstrap_mean`.

    Raises:
        InputError: as `bootstrap_mean`.
    """
    return _of_values(weighted_median, values, groups, replicates, 0.95, "percentile", seed, few)


def weighted_median(array: Array, weights: Array) -> Array:
    """Median (replicates,) of values (n,) of which each counts as often as its weight (replicates, n) says."""
    order = np.argsort(array)
    ordered, upto = array[order], np.cumsum(weights[:, order], axis=1)
    half = upto[:, -1:] / 2
    # The values on both sides of the middle; they are two where it falls between them.
    below = np.minimum((upto < half).sum(axis=1), len(array) - 1)
    above = np.minimum((upto <= half).sum(axis=1), len(array) - 1)
    middle = (ordered[below] + ordered[above]) / 2
    return np.where(half[:, 0] > 0, middle, np.nan)


def _of_values(
    statistic: Callable[[Array, Array], Array],
    values: npt.ArrayLike,
    groups: Groups,
    replicates: int,
    level: float,
    method: Method,
    seed: int,
    few: Few,
) -> Interval:
    table = np.asarray(values, dtype=np.float64)
    records = vector(table.reshape(len(table), -1)[:, 0] if table.ndim == 2 else table, name="values", minimum=1)
    codes = group_codes(groups, len(records))
    if table.ndim == 2:
        codes = np.repeat(codes, table.shape[1])
    array = table.ravel()
    kept = np.isfinite(array)
    failed = len(records) - int(kept.reshape(len(records), -1).any(axis=1).sum())
    array, codes = array[kept], codes[kept]
    found = bootstrap(
        lambda weights: statistic(array, weights),
        len(array),
        groups=codes,
        replicates=replicates,
        level=level,
        method=method,
        seed=seed,
        few=few,
    )
    return replace(found, n=len(records) - failed, failed=failed)


def bootstrap_difference(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    groups: Groups = None,
    replicates: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Mean of ``second - first`` for two results on the same records, patients drawn together.

    Args:
        first, second: (n,) one value per record; a record with NaN in either is left out.
        groups, replicates, level, seed: as `bootstrap_mean`.

    Raises:
        InputError: the two are not equally long, or fewer than two patients are left.
    """
    one, two = vector(first, name="first"), vector(second, name="second")
    if len(one) != len(two):
        raise InputError(f"second: {len(two)} values; accepted: {len(one)}, one per record of first")
    change = two - one
    interval = bootstrap_mean(change, groups=groups, replicates=replicates, level=level, method="percentile", seed=seed)
    kept = np.isfinite(change)
    codes = np.unique(group_codes(groups, len(change))[kept], return_inverse=True)[1]
    sums, sizes = np.bincount(codes, change[kept]), np.bincount(codes)
    counts = resample_counts(len(sums), replicates, seed)
    draws = (counts @ sums) / (counts @ sizes)
    tail = min((draws <= 0).sum(), (draws >= 0).sum())
    return Difference(interval, min(1.0, float(2 * (tail + 1) / (replicates + 1))))


def bootstrap(
    statistic: Statistic,
    count: int,
    *,
    groups: Groups = None,
    replicates: int = 2000,
    level: float = 0.95,
    method: Method = "bca",
    seed: int = 0,
    few: Few = "refuse",
) -> Interval:
    """Any statistic that takes sample weights, with a confidence interval over groups.

    Args:
        statistic: maps weights (replicates, n) to values (replicates,).
        count: n.
        groups, replicates, level, method, seed, few: as `bootstrap_mean`.

    Raises:
        InputError: fewer than two groups (unless ``few`` allows them) or 100 replicates, a level not in 0 to 1.
    """
    codes = np.unique(group_codes(groups, count), return_inverse=True)[1]
    number = int(codes.max(initial=-1)) + 1
    if number < 2 and few == "unknown":
        alone = float(statistic(np.ones((1, count)))[0]) if count else np.nan
        return Interval(alone, np.nan, np.nan, level, count, number, 0)
    if number < 2:
        raise InputError(f"bootstrap: {number} patients with a value; accepted: at least 2")
    if replicates < 100 or not 0 < level < 1:
        raise InputError(f"bootstrap: replicates={replicates}, level={level}; accepted: at least 100, and 0 to 1")
    value = float(statistic(np.ones((1, count)))[0])
    draws = _in_blocks(statistic, resample_counts(number, replicates, seed), codes)
    draws = np.sort(draws[np.isfinite(draws)])
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca":
        jackknife = _in_blocks(statistic, 1.0 - np.eye(number), codes) if number <= 5000 else np.zeros(1)
        tails = _bca_tails(tails, value, draws, jackknife)
    low, high = np.quantile(draws, tails) if len(draws) else (np.nan, np.nan)
    return Interval(value, float(low), float(high), level, count, number, len(draws))


def resample_counts(number: int, replicates: int, seed: int) -> Array:
    """How often each of ``number`` groups is drawn: (replicates, number), each row adding up to ``number``."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, number)))
    draws = rng.integers(0, number, size=(replicates, number))
    offset = draws + number * np.arange(replicates)[:, None]
    return np.bincount(offset.ravel(), minlength=replicates * number).reshape(replicates, number).astype(np.float64)


def _in_blocks(statistic: Statistic, counts: Array, codes: npt.NDArray[np.int64]) -> Array:
    step = max(1, 8_000_000 // len(codes))  # 64 MB of sample weights at a time
    return np.concatenate([statistic(counts[i : i + step][:, codes]) for i in range(0, len(counts), step)])


def _bca_tails(tails: Array, value: float, draws: Array, jackknife: Array) -> Array:
    """Quantiles that correct the percentile interval for bias and for a spread that grows with the value."""
    below = (np.count_nonzero(draws < value) + 0.5 * np.count_nonzero(draws == value)) / max(1, len(draws))
    bias = ndtri(np.clip(below, 1e-4, 1 - 1e-4))
    jackknife = jackknife[np.isfinite(jackknife)]
    centred = jackknife.mean() - jackknife if len(jackknife) else np.zeros(1)
    scale = (centred**2).sum() ** 1.5
    acceleration = (centred**3).sum() / (6 * scale) if scale > 0 else 0.0
    shifted = bias + ndtri(tails)
    return ndtr(bias + shifted / (1 - acceleration * shifted))
