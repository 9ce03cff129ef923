"""What the generated ECGs do to, and for, a classifier: diagnostic retention and training on synthetic records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_8
from gen.records import InputError
from metrics.report.entries import Entry, entry, from_interval, skip
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import Difference
from metrics.suite.aligned import AlignedSet, blocks
from metrics.suite.job import Job, draw
from metrics.suite.sections.conditioning import label_matrix

if TYPE_CHECKING:
    from metrics.utility.fit import LabelledSet

RETENTION, UTILITY = "Diagnostic retention", "Downstream utility"
_RETAINED = ("retention_auroc_change", "retention_flip_rate", "retention_kappa")
_USED = ("tstr_auroc", "trtr_auroc", "augmentation_gain")
_CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
#: Training a classifier on more records than this would not fit the time of a benchmark.
_TRAIN_RECORDS = 4000


@dataclass(frozen=True, eq=False)
class _Reader:
    """A classifier that is handed positions instead of signals, so that no set is ever in memory as a whole.

    Positions below ``len(job.real)`` are real records, those from there on generated ones.
    """

    classifier: Any
    job: Job

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return self.classifier.classes

    def thresholds(self, level: str) -> Array:
        return self.classifier.thresholds(level)

    def probabilities(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> dict[str, Array]:
        rows = np.asarray(signal_8_mv, dtype=np.int64)
        real = rows.max(initial=0) < len(self.job.real)
        each = self.job.real if real else self.job.generated
        rows = rows if real else rows - len(self.job.real)
        parts = [
            self.classifier.probabilities(each.block(rows[part], LEADS_8), fs_hz)["super"] for part in blocks(len(rows))
        ]
        return {"super": np.concatenate(parts)}


def retention_section(job: Job) -> list[Entry]:
    """The same frozen classifier on each real record and the one made for it."""
    if job.pairs is None:
        return [skip(name, "the sets are not paired", RETENTION) for name in _RETAINED]
    if not job.real.has_8:
        return [skip(name, "the classifier needs the 8 independent leads", RETENTION) for name in _RETAINED]
    try:
        from metrics.judges.classifier.model import shipped
        from metrics.utility.retention import retention

        reader = _Reader(shipped(), job)
        classes = reader.classes["super"]
        labels = label_matrix(job.real, classes)[job.pairs.real] > 0
        found = retention(
            job.pairs.real,
            job.pairs.generated + len(job.real),
            reader,
            fs_hz=job.real.fs_hz,
            labels=labels if labels.any() else None,
            patients=[job.real.patients[i] for i in job.pairs.real],
            seed=job.seed,
        )
    except (InputError, ImportError) as error:
        return [skip(name, f"no classifier: {' '.join(str(error).split())}", RETENTION) for name in _RETAINED]
    per_class = {each.name: {"flip_rate": each.flip_rate, "kappa": each.kappa} for each in found.classes}
    extra = {"classifier": reader.classifier.digest, "per_class": per_class}
    given = {"section": RETENTION, "extra": extra}
    change = found.auroc_change
    out = [skip(_RETAINED[0], "the real records carry no labels", RETENTION)]
    if change is not None:
        out = [
            from_interval(
                _RETAINED[0],
                change.interval,
                better="higher",
                ideal=0.0,
                summary="Macro AUROC on the rebuilt minus on the real records; 0 loses nothing.",
                section=RETENTION,
                extra={**extra, "p_value": change.p_value},
            )
        ]
    flips = from_interval(
        _RETAINED[1],
        found.flip_rate,
        better="lower",
        ideal=0.0,
        summary="Share of the classifier's decisions that change between the real and the rebuilt record.",
        **given,
    )
    kappa = entry(
        _RETAINED[2],
        value=found.kappa,
        n=len(job.pairs),
        better="higher",
        ideal=1.0,
        summary="Cohen's kappa of the decisions on real and rebuilt records, mean over classes.",
        **given,
    )
    return [*out, flips, kappa]


def utility_section(job: Job) -> list[Entry]:
    """Train on synthetic records, test on real ones; and whether adding synthetic records helps. Needs --train."""
    reason = _no_utility(job)
    if reason is not None or job.train is None:
        return [skip(name, reason or "no training set was given (--train)", UTILITY) for name in _USED]
    from metrics.utility.downstream import Setting, utility

    learn, check = _train_and_validation(job, job.train)
    test = _labelled(job, "real", np.arange(len(job.real)))
    # No more than there are real ones: what stands beside each other has learned from equally many.
    synthetic = _labelled(job, "generated", draw(len(job.generated), len(learn), (job.seed, 43)))
    ratio = min(1.0, len(synthetic) / len(learn))
    settings = (
        Setting("TRTR", "real"),
        Setting("TRTR of equal size", "real", real_share=ratio),
        Setting("TSTR", "synthetic"),
        Setting("real+synthetic", "both", ratio=ratio),
    )
    try:
        found = utility(
            train=learn,
            validation=check,
            test=test,
            synthetic=synthetic,
            classes=_CLASSES,
            settings=settings,
            seeds=(job.seed, job.seed + 1, job.seed + 2),
            progress=lambda line: job.progress.advance(1 / 12),
        )
    except InputError as error:
        return [skip(name, str(error), UTILITY) for name in _USED]
    counts = {"real_training_records": len(learn), "synthetic_records": len(synthetic), "seeds": 3}
    ceiling, equal = (found[name].scores.auroc for name in ("TRTR", "TRTR of equal size"))
    gain: Difference = found["real+synthetic"].differences["TRTR"]["auroc"]
    given = {"better": "higher", "section": UTILITY, "extra": counts}
    return [
        from_interval(
            _USED[0],
            found["TSTR"].scores.auroc,
            ideal=1.0,
            floor=equal.value,
            floor_ci=(equal.low, equal.high),
            baseline=0.5,
            baseline_name="chance",
            summary="Macro AUROC on real records of a classifier trained on generated; floor: on as many real ones.",
            **given,
        ),
        from_interval(_USED[1], ceiling, summary="The same, trained on all real training records (ceiling).", **given),
        from_interval(
            _USED[2],
            gain.interval,
            ideal=None,
            summary="Macro AUROC gained by adding the generated records; counts if its interval is above 0.",
            better="higher",
            section=UTILITY,
            extra={**counts, "ratio": ratio, "p_value": gain.p_value},
        ),
    ]


def _two(job: Job) -> tuple[tuple[str, AlignedSet], tuple[str, AlignedSet]]:
    return ("real", job.real), ("generated", job.generated)


def _no_utility(job: Job) -> str | None:
    if not job.real.has_8:
        return "the classifier needs the 8 independent leads"
    for name, each in (*_two(job), ("training", job.train)):
        if each is None:
            return "no training set was given (--train)"
        if not any(record.statements for record in each.facts):
            return f"labels missing: no record of the {name} set carries statements"
    return None


def _labelled(job: Job, which: str, rows: npt.NDArray[np.int64]) -> "LabelledSet":
    from metrics.utility.fit import LabelledSet

    each = {"real": job.real, "generated": job.generated, "train": job.train}[which]
    assert each is not None
    slow = job.slow(which, rows).astype(np.float32)
    labels = label_matrix(each, _CLASSES)[rows] > 0
    return LabelledSet(slow, job.slow_hz, labels, [each.patients[i] for i in rows])


def _train_and_validation(job: Job, train: AlignedSet) -> "tuple[LabelledSet, LabelledSet]":
    """Nine tenths and one tenth of the training patients; thresholds come from the latter."""
    rows = draw(len(train), _TRAIN_RECORDS, (job.seed, 51))
    people = sorted({train.patients[i] for i in rows})
    chosen = draw(len(people), max(1, len(people) // 10), (job.seed, 52))
    held = {people[i] for i in chosen}
    mask = np.array([train.patients[i] in held for i in rows])
    return _labelled(job, "train", rows[~mask]), _labelled(job, "train", rows[mask])
