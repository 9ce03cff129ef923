"""Do generated ECGs show the statement that was asked for.

``physiogen evaluate adherence GENERATED [--real REAL]``

Each statement has a criterion that a reader would apply (`metrics.measurement.criteria`), read off the delineated
ECG; and the shipped
classifier's AUROC for the statement among all records of the set. The same figures of real ECGs with that statement
stand beside them, since criteria are not met by every real one either.

``--criteria AFIB,CLBBB,LVH`` asks another question: how many of ALL records meet a criterion, whatever they were asked
for. After "no atrial fibrillation" that share should be near 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gen.evaluations import Progress, data_at
from gen.records import EcgRecord, InputError
from gen.results import Node, Results, Value
from metrics.conditioning import RequestError, request_error
from metrics.evaluation.settings import Adherence as Settings
from metrics.measurement.criteria import CRITERIA
from metrics.measurement.parameters import Parameters
from metrics.measurement.records import measure_records
from metrics.statistics.proportion import bootstrap_share, wilson
from metrics.suite.sets import open_set


@dataclass(frozen=True)
class StatementRow:
    """Figures of one statement.

    Attributes:
        n: generated ECGs that were asked for it.
        met, low, high: share of them that meet its criterion, with its 95 % interval.
        others_n, others_met: ECGs that were not asked for it, and the share that meets the criterion all the same.
        auroc: of the classifier's probability, among all.
        real_n, real_met, real_auroc: the same of recordings.
    """

    code: str
    n: int
    met: float | None
    low: float | None
    high: float | None
    others_n: int
    others_met: float | None
    auroc: float | None
    real_n: int
    real_met: float | None
    real_auroc: float | None


@dataclass(frozen=True)
class CriterionRow:
    """Share of all records that meet a criterion (95 % interval); ``measured`` of the n could be measured at all."""

    code: str
    n: int
    measured: int
    met: float
    low: float
    high: float
    real_n: int
    real_met: float | None


@dataclass(frozen=True, eq=False)
class Judged:
    """A record set as the judges see it; a record without a patient counts as a patient of its own."""

    patients: list[str]
    codes: list[frozenset[str]]
    sexes: list[str | None]
    asked_bpm: npt.NDArray[np.float64]
    parameters: list[Parameters]
    probabilities: npt.NDArray[np.float64]
    classes: tuple[str, ...]

    @property
    def rates_bpm(self) -> npt.NDArray[np.float64]:
        """(n,) measured heart rates; NaN where not measurable."""
        return np.array([p.hr_bpm for p in self.parameters])


def judge(records: Sequence[EcgRecord]) -> Judged:
    """Measure and classify 12-lead (or 8-lead) records.

    Raises:
        InputError: there is none.
    """
    from metrics.judges.classifier.model import shipped
    from metrics.suite.sections.conditioning import requested_rate

    if not records:
        raise InputError("no record to judge; accepted: a record set with statements")
    classifier = shipped()
    eight = [record.to_8() for record in records]
    blocks = []
    for start in range(0, len(eight), 64):
        part = eight[start : start + 64]
        if len({(r.fs_hz, r.num_samples) for r in part}) > 1:
            raise InputError("records of different rates or lengths; accepted: one rate and length in a set")
        blocks.append(classifier.probabilities(np.stack([r.signal_mv for r in part]), part[0].fs_hz)["all"])
    asked = [requested_rate(record) for record in records]
    return Judged(
        patients=[f"record {k}" if r.patient.id is None else r.patient.id for k, r in enumerate(records)],
        codes=[frozenset(record.statements) for record in records],
        sexes=[record.patient.sex for record in records],
        asked_bpm=np.array([np.nan if rate is None else rate for rate in asked]),
        parameters=measure_records(list(records)),
        probabilities=np.concatenate(blocks),
        classes=classifier.classes["all"],
    )


def statement_rows(generated: Judged, real: Judged | None, least: int = 5) -> list[StatementRow]:
    """A row for each statement that at least ``least`` generated records were asked for and that can be judged."""
    rows = []
    for code in dict.fromkeys((*CRITERIA, *generated.classes)):
        wanted = np.array([code in codes for codes in generated.codes])
        if wanted.sum() < least:
            continue
        met = _met(generated, code)
        interval = None if met is None else bootstrap_share(met, replicates=1000, seed=0)
        real_met = _met(real, code) if real is not None else None
        rows.append(
            StatementRow(
                code,
                int(wanted.sum()),
                None if met is None else float(met.mean()),
                None if interval is None else float(interval.low),
                None if interval is None else float(interval.high),
                len(wanted) - int(wanted.sum()),
                None if met is None or wanted.all() else float(_met_by_all(generated, code)[~wanted].mean()),
                _auroc(generated, code),
                0 if real is None else sum(code in codes for codes in real.codes),
                None if real_met is None or not len(real_met) else float(real_met.mean()),
                None if real is None else _auroc(real, code),
            )
        )
    return [row for row in rows if row.met is not None or row.auroc is not None]


def known_criteria(codes: Sequence[str]) -> list[str]:
    """The codes in capitals, each once.

    Raises:
        InputError: none is given, or one without a criterion.
    """
    asked = list(dict.fromkeys(code.strip().upper() for code in codes if code.strip()))
    unknown = [code for code in asked if code not in CRITERIA]
    if unknown or not asked:
        raise InputError(f"criteria: no criterion of {(unknown or ['nothing'])[0]}; accepted: {', '.join(CRITERIA)}")
    return asked


def criterion_rows(generated: Judged, real: Judged | None, codes: Sequence[str]) -> list[CriterionRow]:
    """A row for each criterion, over all records of the set.

    Raises:
        InputError: a statement without a criterion.
    """
    rows = []
    for code in known_criteria(codes):
        met = _met_by_all(generated, code)
        interval = wilson(met, groups=generated.patients)
        rows.append(
            CriterionRow(
                code=code,
                n=len(met),
                measured=sum(p.failure is None for p in generated.parameters),
                met=interval.value,
                low=interval.low,
                high=interval.high,
                real_n=0 if real is None else len(real.codes),
                real_met=None if real is None else float(_met_by_all(real, code).mean()),
            )
        )
    return rows


def _met_by_all(judged: Judged, code: str) -> npt.NDArray[np.float64]:
    """(n,) 1 where the criterion is met."""
    pairs = zip(judged.parameters, judged.sexes, strict=True)
    return np.array([float(CRITERIA[code].met(p, sex)) for p, sex in pairs])


def _met(judged: Judged, code: str) -> npt.NDArray[np.float64] | None:
    """(n with the statement,) 1 where its criterion is met; None without a criterion."""
    if code not in CRITERIA:
        return None
    return _met_by_all(judged, code)[[code in codes for codes in judged.codes]]


def _auroc(judged: Judged, code: str) -> float | None:
    """AUROC of the classifier's probability of a statement among all records; None if it has no such class."""
    from sklearn.metrics import roc_auc_score

    if code not in judged.classes:
        return None
    wanted = np.array([code in codes for codes in judged.codes])
    if not 0 < wanted.sum() < len(wanted):
        return None
    return float(roc_auc_score(wanted, judged.probabilities[:, judged.classes.index(code)]))


def run(settings: Settings, progress: Progress) -> Results:
    """Heart rate, and the table of statements or of criteria."""
    # Before the long part.
    codes = None if settings.criteria is None else known_criteria(settings.criteria.split(","))
    sets = [open_set(location) for location in (settings.generated, settings.real) if location]
    generated = judge(list(sets[0]))
    progress(f"{settings.generated}: {len(generated.codes)} records judged")
    real = judge(list(sets[1])) if settings.real else None
    values: dict[str, Node] = {}
    stated = np.isfinite(generated.asked_bpm)
    if stated.sum() > 1:
        rate = request_error(reference=generated.asked_bpm[stated], generated=generated.rates_bpm[stated])
        values["heart rate"] = _rate_values(rate)
    if codes is None:
        rows = statement_rows(generated, real)
        values |= {"statements": {row.code: _statement_values(row) for row in rows}} if rows else {}
        values |= _macro(rows)
    else:
        found = criterion_rows(generated, real, codes)
        values["criteria, met by all records"] = {row.code: _criterion_values(row) for row in found}
    if not values:
        raise InputError(f"{settings.generated}: no request for a heart rate and no statement often enough to judge")
    data = [data_at(location) for location in (settings.generated, settings.real) if location]
    return settings.results(values, data=data, n=len(generated.codes))


def _macro(rows: Sequence[StatementRow]) -> dict[str, Node]:
    """Mean AUROC over the statements that have one, of both sets over the same statements where real ones are given."""
    pairs = [(row.auroc, row.real_auroc) for row in rows if row.auroc is not None]
    both = [(a, b) for a, b in pairs if b is not None]
    if not pairs:
        return {}
    found: dict[str, Value | str] = {}
    if both:
        found["generated"] = Value(float(np.mean([a for a, _ in both])), n=len(both), better="higher")
        found["real"] = Value(float(np.mean([b for _, b in both])), n=len(both), better="reference")
    else:
        found["generated"] = Value(float(np.mean([a for a, _ in pairs])), n=len(pairs), better="higher")
    return {"statements, mean AUROC": found}


def _rate_values(rate: RequestError) -> dict[str, Value]:
    return {
        "MAE": Value.of(rate.mae, n=rate.n, unit="bpm", better="lower"),
        "bias": Value.of(rate.bias, n=rate.n, unit="bpm"),
        "slope": Value.of(rate.slope, n=rate.n),
        "within 5 bpm": Value(rate.within_5, n=rate.n, better="higher"),
        "within 10 bpm": Value(rate.within_10, n=rate.n, better="higher"),
        "measured": Value(rate.coverage, n=rate.n, better="higher"),
    }


def _statement_values(row: StatementRow) -> dict[str, Value | str]:
    met = {"value": row.met, "low": row.low, "high": row.high}
    return {
        "criterion met": Value.of(met, n=row.n, better="higher"),
        "others, met": Value.of(row.others_met, n=row.others_n),
        "AUROC": Value.of(row.auroc, n=row.n, better="higher"),
        "real, met": Value.of(row.real_met, n=row.real_n, better="reference"),
        "real, AUROC": Value.of(row.real_auroc, n=row.real_n, better="reference"),
        "criterion": CRITERIA[row.code].words if row.code in CRITERIA else "",
    }


def _criterion_values(row: CriterionRow) -> dict[str, Value | str]:
    return {
        "met": Value(row.met, row.low, row.high, row.n),
        "measurable": Value(row.measured, n=row.n),
        "real": Value.of(row.real_met, n=row.real_n, better="reference"),
        "criterion": CRITERIA[row.code].words,
    }
