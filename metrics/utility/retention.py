"""Does a reconstruction keep the diagnosis? The same frozen classifier reads the real and the rebuilt ECG."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.judges.classifier.scores import macro_difference, scorable
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import Difference, Groups, Interval, bootstrap_mean
from metrics.statistics.ranking import weighted_auroc


class Judge(Protocol):
    """A trained classifier, such as `metrics.judges.classifier.model.Classifier`."""

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Level -> class names."""
        ...

    def thresholds(self, level: str) -> Array:
        """(class,) probability from which a class counts as stated, chosen on validation records."""
        ...

    def probabilities(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> Mapping[str, Array]:
        """Level -> (n, class)."""
        ...


@dataclass(frozen=True)
class ClassRetention:
    """One class; AUROC values are None without labels, or where a class is missing among them.

    Attributes:
        name: of the class.
        auroc_real, auroc_rebuilt: against the labels.
        auroc_change: rebuilt minus real, with an interval over patients.
        flip_rate: share of records whose decision changes.
        kappa: Cohen's kappa of the two decisions; NaN where neither signal is ever given this class.
    """

    name: str
    auroc_real: float | None
    auroc_rebuilt: float | None
    auroc_change: Difference | None
    flip_rate: float
    kappa: float


@dataclass(frozen=True)
class Retention:
    """What a reconstruction does to a classifier's reading.

    Attributes:
        auroc_change: of the macro AUROC, rebuilt minus real; None without labels.
        flip_rate: share of all decisions that change, interval over patients.
        record_flip_rate: share of records with at least one changed decision.
        kappa: mean over classes where it exists.
        probability_mae: mean absolute change of the probabilities.
        classes: each class.
    """

    auroc_change: Difference | None
    flip_rate: Interval
    record_flip_rate: Interval
    kappa: float
    probability_mae: Interval
    classes: tuple[ClassRetention, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values; NaN becomes None."""
        from metrics.judges.classifier.scores import without_nan

        return without_nan(asdict(self))


def retention(
    real: npt.ArrayLike,
    rebuilt: npt.ArrayLike,
    classifier: Judge,
    *,
    fs_hz: float,
    labels: npt.ArrayLike | None = None,
    level: str = "super",
    patients: Groups = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Retention:
    """Compare a classifier's reading of real and rebuilt ECGs, record by record.

    Args:
        real, rebuilt: (n, 8, time) in mV, `gen.leads.LEADS_8`, the same records in the same order.
        classifier: judges both; its thresholds must not come from these records.
        fs_hz: rate of both.
        labels: (n, class) bool, in the order of ``classifier.classes[level]``; None: decisions alone are compared.
        level: 'super' or 'all'.
        patients: (n,); None: each record its own.
        replicates, seed: of the bootstrap.

    Raises:
        InputError: shapes do not fit each other, or fewer than two patients.
    """
    if np.shape(real) != np.shape(rebuilt):
        raise InputError(f"rebuilt: shape {np.shape(rebuilt)}; accepted: {np.shape(real)} as real")
    before, after = (classifier.probabilities(signal, fs_hz)[level] for signal in (real, rebuilt))
    names, cuts = classifier.classes[level], classifier.thresholds(level)
    said_before, said_after = before >= cuts, after >= cuts
    flips = said_before != said_after
    truth = None if labels is None else np.asarray(labels, dtype=bool)
    if truth is not None and truth.shape != before.shape:
        raise InputError(f"labels: shape {truth.shape}; accepted: {before.shape}, one column per class of {level!r}")
    change = None
    if truth is not None and scorable(truth).any():
        change = macro_difference(before, after, truth, groups=patients, replicates=replicates, seed=seed)
    kappas = [cohen_kappa(said_before[:, i], said_after[:, i]) for i in range(len(names))]
    defined = [kappa for kappa in kappas if np.isfinite(kappa)]

    def mean(values: Array) -> Interval:
        return bootstrap_mean(values, groups=patients, replicates=replicates, method="percentile", seed=seed)

    def aurocs(i: int) -> tuple[float | None, float | None, Difference | None]:
        if truth is None or not scorable(truth[:, i : i + 1]).all():
            return None, None, None
        one, column = np.ones((1, len(truth))), slice(i, i + 1)
        first, second = (float(weighted_auroc(p[:, i], truth[:, i], one)[0]) for p in (before, after))
        change = macro_difference(
            before[:, column], after[:, column], truth[:, column], groups=patients, replicates=replicates, seed=seed
        )
        return first, second, change

    return Retention(
        auroc_change=change,
        flip_rate=mean(flips.mean(axis=1)),
        record_flip_rate=mean(flips.any(axis=1).astype(np.float64)),
        kappa=float(np.mean(defined)) if defined else float("nan"),
        probability_mae=mean(np.abs(after - before).mean(axis=1)),
        classes=tuple(
            ClassRetention(name, *aurocs(i), float(flips[:, i].mean()), kappas[i]) for i, name in enumerate(names)
        ),
    )


def cohen_kappa(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """Agreement of two readings beyond chance (Cohen 1960): 1 is perfect, NaN where both never change their answer."""
    observed = float((first == second).mean())
    p, q = float(first.mean()), float(second.mean())
    expected = p * q + (1 - p) * (1 - q)
    return (observed - expected) / (1 - expected) if expected < 1 else float("nan")
