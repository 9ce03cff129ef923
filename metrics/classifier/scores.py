"""How well probabilities predict labels: AUROC, AUPRC, F1 and calibration per class and as macro means, over patients.

Decisions need thresholds, and those come from validation records (`choose_thresholds`), never from the records scored.
A class of which the scored records hold no positive or no negative has no score (NaN) and stays out of the means.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.arrays import Array
from metrics.bootstrap import Difference, Groups, Interval, bootstrap, resample_counts
from metrics.ranking import weighted_auroc

Labels = npt.NDArray[np.bool_]

#: (scores of a class, its labels, weights (replicates, n)) -> (replicates,)
ClassStatistic = Callable[[Array, Labels, Array], Array]


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class; NaN where the scored records lack positives or negatives."""

    name: str
    positives: int
    auroc: float
    auprc: float
    f1: float
    threshold: float


@dataclass(frozen=True)
class Scores:
    """Scores of all classes.

    Attributes:
        auroc, auprc, f1: macro means over the classes that have a score, with intervals over patients.
        ece: expected calibration error, mean over those classes.
        classes: each class.
        scored: how many classes entered the means.
    """

    auroc: Interval
    auprc: Interval
    f1: Interval
    ece: float
    classes: tuple[ClassScores, ...]
    scored: int

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values; NaN becomes None."""
        return _without_nan(asdict(self))


def score(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    thresholds: npt.ArrayLike,
    classes: Sequence[str],
    groups: Groups = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Scores:
    """Score predictions.

    Args:
        probabilities: (n, class) in [0, 1].
        labels: (n, class) bool.
        thresholds: (class,) from `choose_thresholds` on other records.
        classes: names.
        groups: (n,) patients; None: each record its own.
        replicates: bootstrap draws.
        seed: of the draws.

    Raises:
        InputError: shapes do not fit, values are not finite, or no class has positives and negatives.
    """
    p, y = checked(probabilities, labels, classes)
    cuts = np.asarray(thresholds, dtype=np.float64)
    if cuts.shape != (len(classes),):
        raise InputError(f"thresholds: shape {cuts.shape}; accepted: ({len(classes)},), one per class")
    scored = scorable(y)
    if not scored.any():
        raise InputError("labels: no class has both positive and negative records; accepted: at least one such class")
    decided = (p >= cuts).astype(np.float64)

    def macro(statistic: ClassStatistic, values: Array) -> Interval:
        return bootstrap(
            lambda weights: macro_mean(statistic, values[:, scored], y[:, scored], weights),
            len(y), groups=groups, replicates=replicates, method="percentile", seed=seed,
        )  # fmt: skip

    one = np.ones((1, len(y)))
    rows = []
    for i, name in enumerate(classes):
        single = [
            float(statistic(values[:, i], y[:, i], one)[0]) if scored[i] else float("nan")
            for statistic, values in ((weighted_auroc, p), (average_precision, p), (f1, decided))
        ]
        rows.append(ClassScores(name, int(y[:, i].sum()), *single, threshold=float(cuts[i])))
    return Scores(
        auroc=macro(weighted_auroc, p),
        auprc=macro(average_precision, p),
        f1=macro(f1, decided),
        ece=float(np.mean([calibration_error(p[:, i], y[:, i]) for i in np.flatnonzero(scored)])),
        classes=tuple(rows),
        scored=int(scored.sum()),
    )


def macro_difference(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    groups: Groups = None,
    statistic: ClassStatistic = weighted_auroc,
    replicates: int = 1000,
    seed: int = 0,
) -> Difference:
    """How much higher the macro score of the ``second`` predictions is than of the ``first``, on the same records.

    Args:
        first, second: (n, class) predictions, or (run, n, class): then the mean over runs is compared.
        labels: (n, class) bool.
        groups, replicates, seed: as `score`; both sides see the same draws of patients.
        statistic: `metrics.ranking.weighted_auroc`, `average_precision` or `f1` (of decisions).

    Raises:
        InputError: as `score`.
    """
    y = np.asarray(labels, dtype=bool)
    runs = [np.asarray(side, dtype=np.float64).reshape(-1, *y.shape) for side in (first, second)]
    scored = scorable(y)
    if not scored.any():
        raise InputError("labels: no class has both positive and negative records; accepted: at least one such class")

    def change(weights: Array) -> Array:
        means = [
            np.mean([macro_mean(statistic, run[:, scored], y[:, scored], weights) for run in side], axis=0)
            for side in runs
        ]
        return means[1] - means[0]

    return paired_difference(change, len(y), groups=groups, replicates=replicates, seed=seed)


def paired_difference(
    change: Callable[[Array], Array], count: int, *, groups: Groups = None, replicates: int = 1000, seed: int = 0
) -> Difference:
    """Interval and two-sided p-value of a difference that takes sample weights (replicates, n)."""
    draws: list[Array] = []

    def kept(weights: Array) -> Array:
        draws.append(change(weights))
        return draws[-1]

    interval = bootstrap(kept, count, groups=groups, replicates=replicates, method="percentile", seed=seed)
    values = np.concatenate(draws[1:])  # the first call is the value on all records
    values = values[np.isfinite(values)]
    tail = min((values <= 0).sum(), (values >= 0).sum())
    return Difference(interval, min(1.0, float(2 * (tail + 1) / (len(values) + 1))))


def choose_thresholds(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> Array:
    """(class,) probability from which each class counts as stated: the one with the best F1 on these records.

    It lies half-way between two predictions; 0.5 for a class that has no positive or no negative here.
    """
    p, y = checked(probabilities, labels)
    return np.array([_best_cut(p[:, i], y[:, i]) if s else 0.5 for i, s in enumerate(scorable(y))])


def scorable(labels: Labels) -> Labels:
    """(class,) whether both positives and negatives are there."""
    return labels.any(axis=0) & ~labels.all(axis=0)


def macro_mean(statistic: ClassStatistic, values: Array, labels: Labels, weights: Array) -> Array:
    """(replicates,) mean of a statistic over classes; a class that a replicate lost stays out of its mean."""
    total, count = np.zeros(len(weights)), np.zeros(len(weights))
    for i in range(values.shape[1]):
        found = statistic(values[:, i], labels[:, i], weights)
        good = np.isfinite(found)
        total += np.where(good, found, 0)
        count += good
    return np.divide(total, count, out=np.full(len(weights), np.nan), where=count > 0)


def average_precision(scores: Array, labels: Labels, weights: Array) -> Array:
    """Area under the precision-recall curve (replicates,) as a sum of steps, ties taken together."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
    ordered = weights[:, order]
    hits = np.cumsum(ordered * labels[order], axis=1)[:, ends]
    shown = np.cumsum(ordered, axis=1)[:, ends]
    precision = np.divide(hits, shown, out=np.zeros_like(hits), where=shown > 0)
    gained = np.diff(hits, axis=1, prepend=0)
    total = hits[:, -1]
    area = (gained * precision).sum(axis=1)
    return np.divide(area, total, out=np.full(len(weights), np.nan), where=(total > 0) & (total < shown[:, -1]))


def f1(decisions: Array, labels: Labels, weights: Array) -> Array:
    """Harmonic mean of precision and recall (replicates,) of decisions 0/1; NaN without positives."""
    hits = weights @ (decisions * labels)
    total = weights @ decisions + weights @ labels.astype(np.float64)
    positive = weights @ labels.astype(np.float64)
    return np.divide(2 * hits, total, out=np.full(len(weights), np.nan), where=positive > 0)


def calibration_error(probabilities: Array, labels: Labels, bins: int = 15) -> float:
    """Expected calibration error: mean distance of stated and true frequency over equally wide bins (Naeini 2015)."""
    cell = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    gap = np.bincount(cell, probabilities - labels, minlength=bins)
    return float(np.abs(gap).sum() / len(labels))


def checked(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, classes: Sequence[str] | None = None
) -> tuple[Array, Labels]:
    """Both as arrays (n, class) that fit each other; raises `InputError` otherwise."""
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=bool)
    wanted = (len(y), p.shape[-1] if classes is None else len(classes))
    if p.ndim != 2 or p.shape != wanted or y.shape != wanted:
        raise InputError(f"probabilities {p.shape} and labels {y.shape}; accepted: both (n, class)")
    if not len(p) or not np.isfinite(p).all():
        raise InputError("probabilities: none, NaN or infinity; accepted: finite values of at least one record")
    return p, y


def _best_cut(probabilities: Array, labels: Labels) -> float:
    order = np.argsort(-probabilities, kind="stable")
    p = probabilities[order]
    ends = np.flatnonzero(np.diff(p, append=-1.0) != 0)
    hits = np.cumsum(labels[order])[ends]
    best = int(np.argmax(2 * hits / (ends + 1 + labels.sum())))
    below = p[ends[best] + 1] if ends[best] + 1 < len(p) else 0.0
    return float((p[ends[best]] + below) / 2)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


__all__ = [
    "ClassScores", "Scores", "average_precision", "calibration_error", "choose_thresholds", "f1", "macro_difference",
    "macro_mean", "paired_difference", "resample_counts", "scorable", "score",
]  # fmt: skip
