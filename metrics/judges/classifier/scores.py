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
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import Difference, Groups, Interval, bootstrap
from metrics.statistics.ranking import weighted_auroc

Labels = npt.NDArray[np.bool_]

#: (scores of a class, its labels, weights (replicates, n)) -> (replicates,)
ClassStatistic = Callable[[Array, Labels, Array], Array]


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class, AUROC with its 95 % interval; NaN where the scored records lack positives or negatives."""

    name: str
    positives: int
    auroc: float
    auroc_low: float
    auroc_high: float
    auprc: float
    f1: float
    threshold: float


@dataclass(frozen=True)
class Scores:
    """Scores of all classes.

    Attributes:
        auroc, auprc, f1: macro means over the classes that have a score, with intervals over patients; of several
            runs, the mean of the runs.
        ece: expected calibration error, mean over those classes.
        auroc_runs: macro AUROC of each run (training seed).
        classes: each class.
        scored: how many classes entered the means.
    """

    auroc: Interval
    auprc: Interval
    f1: Interval
    ece: float
    auroc_runs: tuple[float, ...]
    classes: tuple[ClassScores, ...]
    scored: int

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values; NaN becomes None."""
        return without_nan(asdict(self))


def score(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    thresholds: npt.ArrayLike,
    classes: Sequence[str],
    groups: Groups = None,
    min_positives: int = 1,
    replicates: int = 1000,
    seed: int = 0,
) -> Scores:
    """Score predictions.

    Args:
        probabilities: (n, class) in [0, 1], or (run, n, class) for several trainings of one method.
        labels: (n, class) bool.
        thresholds: (class,) or (run, class) from `choose_thresholds` on other records.
        classes: names.
        groups: (n,) patients; None: each record its own.
        min_positives: classes with fewer positives are listed, but stay out of the means. A class with one or two
            has no interval worth the name: a draw repeats its positives or loses them.
        replicates: bootstrap draws.
        seed: of the draws.

    Raises:
        InputError: shapes do not fit, values are not finite, or no class has positives and negatives.
    """
    y = np.asarray(labels, dtype=bool)
    p = as_runs(probabilities, y, classes)
    cuts = np.asarray(thresholds, dtype=np.float64)
    if cuts.shape not in ((len(classes),), (len(p), len(classes))):
        raise InputError(
            f"thresholds: shape {cuts.shape}; accepted: one per class ({len(classes)}), or one per run too"
        )
    cuts = np.broadcast_to(cuts, (len(p), len(classes)))
    known = scorable(y)
    scored = known & (y.sum(axis=0) >= min_positives)
    if not scored.any():
        raise InputError("labels: no class has both positive and negative records; accepted: at least one such class")
    decided = (p >= cuts[:, None]).astype(np.float64)

    def macro(statistic: ClassStatistic, runs: Array, columns: Labels) -> Interval:
        return bootstrap(
            lambda weights: mean_of_runs(statistic, runs[:, :, columns], y[:, columns], weights),
            len(y),
            groups=groups,
            replicates=replicates,
            method="percentile",
            seed=seed,
        )

    one = np.ones((1, len(y)))
    rows = []
    for i, name in enumerate(classes):
        only = np.arange(len(classes)) == i
        area, steps, harmonic = (
            float(mean_of_runs(statistic, runs[:, :, only], y[:, only], one)[0]) if known[i] else float("nan")
            for statistic, runs in ((weighted_auroc, p), (average_precision, p), (f1, decided))
        )
        low, high = (float("nan"),) * 2
        if known[i]:
            interval = macro(weighted_auroc, p, only)
            low, high = interval.low, interval.high
        rows.append(ClassScores(name, int(y[:, i].sum()), area, low, high, steps, harmonic, float(cuts[:, i].mean())))
    return Scores(
        auroc=macro(weighted_auroc, p, scored),
        auprc=macro(average_precision, p, scored),
        f1=macro(f1, decided, scored),
        ece=float(np.mean([calibration_error(run[:, i], y[:, i]) for run in p for i in np.flatnonzero(scored)])),
        auroc_runs=tuple(float(macro_mean(weighted_auroc, run[:, scored], y[:, scored], one)[0]) for run in p),
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
        statistic: `metrics.statistics.ranking.weighted_auroc`, `average_precision` or `f1` (of decisions).

    Raises:
        InputError: as `score`.
    """
    y = np.asarray(labels, dtype=bool)
    sides = [as_runs(side, y)[:, :, scorable(y)] for side in (first, second)]
    labels_scored = y[:, scorable(y)]
    if not labels_scored.size:
        raise InputError("labels: no class has both positive and negative records; accepted: at least one such class")

    def change(weights: Array) -> Array:
        means = [mean_of_runs(statistic, side, labels_scored, weights) for side in sides]
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
    y = np.asarray(labels, dtype=bool)
    p = as_runs(probabilities, y)[0]
    return np.array([_best_cut(p[:, i], y[:, i]) if s else 0.5 for i, s in enumerate(scorable(y))])


def scorable(labels: Labels) -> Labels:
    """(class,) whether both positives and negatives are there."""
    return np.asarray(labels.any(axis=0) & ~labels.all(axis=0))


def macro_mean(statistic: ClassStatistic, values: Array, labels: Labels, weights: Array) -> Array:
    """(replicates,) mean of a statistic over classes; a class that a replicate lost stays out of its mean."""
    total, count = np.zeros(len(weights)), np.zeros(len(weights))
    for i in range(values.shape[1]):
        found = statistic(values[:, i], labels[:, i], weights)
        good = np.isfinite(found)
        total += np.where(good, found, 0)
        count += good
    return np.divide(total, count, out=np.full(len(weights), np.nan), where=count > 0)


def mean_of_runs(statistic: ClassStatistic, runs: Array, labels: Labels, weights: Array) -> Array:
    """(replicates,) `macro_mean` of runs (run, n, class), averaged over the runs."""
    return np.mean([macro_mean(statistic, run, labels, weights) for run in runs], axis=0)


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


def as_runs(probabilities: npt.ArrayLike, labels: Labels, classes: Sequence[str] | None = None) -> Array:
    """Predictions as float64 (run, n, class); raises `InputError` where they do not fit the labels (n, class)."""
    p = np.asarray(probabilities, dtype=np.float64)
    p = p[None] if p.ndim == 2 else p
    width = labels.shape[-1] if classes is None else len(classes)
    if labels.ndim != 2 or labels.shape[1] != width or p.shape[1:] != labels.shape:
        raise InputError(f"probabilities {p.shape[1:]} and labels {labels.shape}; accepted: both (n, {width})")
    if not p.size or not np.isfinite(p).all():
        raise InputError("probabilities: none, NaN or infinity; accepted: finite values of at least one record")
    return p


def _best_cut(probabilities: Array, labels: Labels) -> float:
    order = np.argsort(-probabilities, kind="stable")
    p = probabilities[order]
    ends = np.flatnonzero(np.diff(p, append=-1.0) != 0)
    hits = np.cumsum(labels[order])[ends]
    best = int(np.argmax(2 * hits / (ends + 1 + labels.sum())))
    below = p[ends[best] + 1] if ends[best] + 1 < len(p) else 0.0
    return float((p[ends[best]] + below) / 2)


def without_nan(value: Any) -> Any:
    """JSON values with None in place of NaN and infinity."""
    if isinstance(value, dict):
        return {key: without_nan(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


__all__ = [
    "ClassScores", "Scores", "average_precision", "calibration_error", "choose_thresholds", "f1", "macro_difference",
    "macro_mean", "mean_of_runs", "paired_difference", "scorable", "score", "without_nan",
]  # fmt: skip
