"""Closed forms of reader studies: sensitivity index d' and agreement beyond chance."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from gen.records import InputError
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import Interval, bootstrap


@dataclass(frozen=True)
class Detection:
    """How a reader tells synthetic from real (Green & Swets 1966).

    Attributes:
        d_prime: distance of the two groups in the reader's eye, in standard deviations; 0 is chance.
        criterion: bias; above 0 says "real" too often.
        hit_rate: share of synthetic cases called synthetic.
        false_alarm_rate: share of real cases called synthetic.
    """

    d_prime: float
    criterion: float
    hit_rate: float
    false_alarm_rate: float


def detection(*, hits: int, synthetic: int, alarms: int, real: int) -> Detection:
    """Sensitivity of one reader; half a case is added to each cell (Hautus 1995), so that no rate is 0 or 1.

    Args:
        hits: synthetic cases called synthetic, of ``synthetic``.
        alarms: real cases called synthetic, of ``real``.

    Raises:
        InputError: no case of a group, or more verdicts than cases.
    """
    if not (0 <= hits <= synthetic and 0 <= alarms <= real and synthetic > 0 and real > 0):
        raise InputError(
            f"{hits} of {synthetic} synthetic and {alarms} of {real} real; accepted: at least one case of each group"
        )
    hit, alarm = ndtri((hits + 0.5) / (synthetic + 1)), ndtri((alarms + 0.5) / (real + 1))
    return Detection(float(hit - alarm), float((hit + alarm) / -2) + 0.0, hits / synthetic, alarms / real)


def cohen_kappa(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Agreement of two readers beyond chance (Cohen 1960): 1 is full, 0 is chance; NaN if both give one verdict only.

    Args:
        first, second: (n,) verdicts on the same cases.

    Raises:
        InputError: not equally many, or none.
    """
    from sklearn.metrics import cohen_kappa_score

    one, two = np.asarray(first), np.asarray(second)
    if one.shape != two.shape or one.ndim != 1 or not len(one):
        raise InputError(f"verdicts of shapes {one.shape} and {two.shape}; accepted: two equal (n,)")
    if len(set(one.tolist()) | set(two.tolist())) < 2:
        return float("nan")
    return float(cohen_kappa_score(one, two))


def fleiss_kappa(counts: npt.ArrayLike) -> float:
    """Agreement of several readers beyond chance (Fleiss 1971); NaN if all verdicts are the same.

    Args:
        counts: (case, verdict) readers who gave it; the same number of readers, two or more, for every case.

    Raises:
        InputError: not a table of counts with equal row sums.
    """
    table = _counts(counts)
    return float(_fleiss(table, np.ones((1, len(table))))[0])


def fleiss_interval(counts: npt.ArrayLike, *, replicates: int = 1000, level: float = 0.95, seed: int = 0) -> Interval:
    """`fleiss_kappa` with a percentile interval over the cases.

    Raises:
        InputError: as `fleiss_kappa`, or fewer than two cases.
    """
    table = _counts(counts)
    return bootstrap(
        lambda weights: _fleiss(table, weights),
        len(table),
        replicates=replicates,
        level=level,
        method="percentile",
        seed=seed,
    )


def _counts(counts: npt.ArrayLike) -> Array:
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2 or not table.size or (table < 0).any() or len(set(table.sum(axis=1).tolist())) != 1:
        raise InputError(f"counts of shape {table.shape}; accepted: (case, verdict), as many readers for every case")
    if table[0].sum() < 2:
        raise InputError(f"counts of {table[0].sum():g} readers; accepted: at least 2")
    return table


def _fleiss(table: Array, weights: Array) -> Array:
    """Kappa (replicates,) under weights (replicates, case)."""
    readers, total = table[0].sum(), weights.sum(axis=1)
    pairs = ((table**2).sum(axis=1) - readers) / (readers * (readers - 1))
    observed = weights @ pairs / total
    chance = ((weights @ table / (readers * total[:, None])) ** 2).sum(axis=1)
    room = 1 - chance
    return np.divide(observed - chance, room, out=np.full(len(weights), np.nan), where=room > 1e-12)
