"""Rank statistics of scores for two classes: AUROC with weights, sensitivity at a false-positive rate, equal error."""

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.statistics.arrays import Array, vector
from metrics.statistics.bootstrap import Groups, Interval, bootstrap


def auroc(*, positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Chance that a positive scores above a negative, ties counting half (Mann-Whitney U / (n m)).

    Args:
        positive, negative: scores (n,), (m,); higher means positive.

    Raises:
        InputError: no score in a class, or NaN.
    """
    scores, labels = _joined(positive, negative)
    return float(weighted_auroc(scores, labels, np.ones((1, len(scores))))[0])


def weighted_auroc(scores: Array, labels: npt.NDArray[np.bool_], weights: Array) -> Array:
    """AUROC (replicates,) under sample weights (replicates, n); NaN where a class has no weight."""
    order = np.argsort(scores, kind="stable")
    tied = np.unique(scores[order], return_inverse=True)[1]
    starts = np.flatnonzero(np.diff(tied, prepend=-1))
    positive = np.add.reduceat(weights[:, order] * labels[order], starts, axis=1)
    negative = np.add.reduceat(weights[:, order] * ~labels[order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + negative / 2)).sum(axis=1)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def auroc_interval(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    groups: Groups = None,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """AUROC with a percentile interval over patients.

    Raises:
        InputError: a class is missing, NaN among the scores, or fewer than two patients.
    """
    values, classes = _classes(scores, labels)
    return bootstrap(
        lambda weights: weighted_auroc(values, classes, weights),
        len(values),
        groups=groups,
        replicates=replicates,
        level=level,
        method="percentile",
        seed=seed,
    )


def true_positive_rate(*, positive: npt.ArrayLike, negative: npt.ArrayLike, false_positive_rate: float) -> float:
    """Largest share of positives above a threshold that at most this share of negatives is above."""
    scores, labels = _joined(positive, negative)
    return float(weighted_true_positive_rate(scores, labels, np.ones((1, len(scores))), false_positive_rate)[0])


def weighted_true_positive_rate(
    scores: Array, labels: npt.NDArray[np.bool_], weights: Array, false_positive_rate: float
) -> Array:
    """`true_positive_rate` (replicates,) under sample weights (replicates, n); NaN where a class has no weight."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
    hits = np.cumsum(weights[:, order] * labels[order], axis=1)[:, ends]
    alarms = np.cumsum(weights[:, order] * ~labels[order], axis=1)[:, ends]
    # Both rise from the highest threshold to the lowest, so the last one allowed holds most hits.
    allowed = alarms <= (false_positive_rate + 1e-12) * alarms[:, -1:]
    found = np.where(allowed, hits, 0.0).max(axis=1)
    known = (hits[:, -1] > 0) & (alarms[:, -1] > 0)
    return np.divide(found, hits[:, -1], out=np.full(len(weights), np.nan), where=known)


def true_positive_rate_interval(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    false_positive_rate: float,
    groups: Groups = None,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`true_positive_rate` with a percentile interval over patients.

    Raises:
        InputError: as `auroc_interval`.
    """
    values, classes = _classes(scores, labels)
    return bootstrap(
        lambda weights: weighted_true_positive_rate(values, classes, weights, false_positive_rate),
        len(values),
        groups=groups,
        replicates=replicates,
        level=level,
        method="percentile",
        seed=seed,
    )


def equal_error_rate(*, positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Error where false rejections and false acceptances are equally frequent; 0 is best, 0.5 is chance.

    Between thresholds the ROC curve is taken as straight.
    """
    hits, alarms, _ = _roc(*_joined(positive, negative))
    return float(error_where_equal(1 - hits[None], alarms[None])[0])


def equal_error_threshold(*, positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """The score from which on a sample is called positive at the equal error rate."""
    hits, alarms, thresholds = _roc(*_joined(positive, negative))
    return float(thresholds[np.abs(1 - hits - alarms).argmin()])


def error_where_equal(misses: Array, alarms: Array) -> Array:
    """Where two error rates along falling thresholds meet, (replicates,).

    Args:
        misses, alarms: (replicates, threshold) share of positives below, and of negatives at or above a threshold.
            NaN rows give NaN.
    """
    start = np.ones((len(misses), 1)), np.zeros((len(misses), 1))
    misses, alarms = np.hstack([start[0], misses]), np.hstack([start[1], alarms])
    gap = np.hstack([misses - alarms, np.full((len(misses), 1), -1.0)])  # falls from 1 to -1
    alarms = np.hstack([alarms, np.ones((len(misses), 1))])
    i = np.argmax(gap <= 0, axis=1)
    rows = np.arange(len(misses))
    before, after = gap[rows, i - 1], gap[rows, i]
    share = before / (before - after)
    return alarms[rows, i - 1] + share * (alarms[rows, i] - alarms[rows, i - 1])


def _roc(scores: Array, labels: npt.NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """True- and false-positive rate of 'at least the threshold', and the thresholds, from high to low."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
    hits = np.cumsum(labels[order])[ends] / labels.sum()
    alarms = np.cumsum(~labels[order])[ends] / (~labels).sum()
    return hits, alarms, scores[order][ends]


def _classes(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.bool_]]:
    values, classes = vector(scores, name="scores", minimum=2), np.asarray(labels, dtype=bool)
    if classes.shape != values.shape or classes.all() or not classes.any() or not np.isfinite(values).all():
        raise InputError("labels: accepted: one per finite score, with both classes present")
    return values, classes


def _joined(positive: npt.ArrayLike, negative: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.bool_]]:
    high = vector(positive, name="positive", minimum=1)
    low = vector(negative, name="negative", minimum=1)
    scores = np.concatenate([high, low])
    if not np.isfinite(scores).all():
        raise InputError("scores: NaN or infinity; accepted: finite values")
    return scores, np.arange(len(scores)) < len(high)
