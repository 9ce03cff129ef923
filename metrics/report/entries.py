"""One line of the report, and the report as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from metrics.definitions import ALL, DEFINITIONS
from metrics.statistics.bootstrap import Interval

Direction = Literal["lower", "higher"]

#: Figures of the judges that look at the waveform itself: their sets are records, not arrays of one kind.
WAVEFORM = (
    "waveform_auroc",
    "waveform_auroc_spectrum",
    "waveform_auroc_rhythm",
    "waveform_auroc_beats",
    "waveform_auroc_coherence",
    "waveform_auroc_amplitude",
    "waveform_auroc_quantisation",
    "waveform_auroc_raw",
    "waveform_precision",
    "waveform_recall",
)
#: Measures whose ideal is what the real set has: crowding, excess variety and too clean a signal are faults, too.
AS_IN_REAL = frozenset({"density", "spread_ratio", "vendi_score", "drift_power_mv2", "mains_power_mv2"})
#: Names that every report.json holds, computed or skipped.
_DEFINED = tuple(DEFINITIONS)
_SECOND = _DEFINED.index("two_sample_auroc") + 1
CONTRACT = (*_DEFINED[:_SECOND], *WAVEFORM, *_DEFINED[_SECOND:])


@dataclass(frozen=True, eq=False)
class Entry:
    """One figure.

    Attributes:
        name: key in report.json; ``name@extractor`` for features other than the first ones.
        value: on all records; None if skipped.
        ci: 95 % interval.
        n: records that entered.
        unit, better: of the value.
        ideal: value of a perfect generator, where there is one.
        floor: what two halves of the real set give, or the real set itself.
        floor_ci: spread of the floor over splits, or its interval.
        at_floor_n: the value at the floor's number of records; only this one may be compared with the floor.
        floor_n: records a side at the floor.
        baseline, baseline_name: what a trivial generator gets (noise; mean beat).
        section: heading of the report it stands under.
        summary: one sentence.
        skipped: why there is no value.
        extra: further facts, such as the extractor.
        records: (n,) values per record, for comparing two reports.
    """

    name: str
    value: float | None = None
    ci: tuple[float, float] | None = None
    n: int | None = None
    unit: str = ""
    better: Direction = "lower"
    ideal: float | None = None
    floor: float | None = None
    floor_ci: tuple[float, float] | None = None
    at_floor_n: float | None = None
    floor_n: int | None = None
    baseline: float | None = None
    baseline_name: str = ""
    section: str = ""
    summary: str = ""
    skipped: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    records: npt.NDArray[np.float64] | None = None

    @property
    def goal(self) -> float | None:
        """Value that a perfect generator has where neither less nor more is better; None elsewhere."""
        if self.as_in_real:
            return self.floor
        return self.ideal if self.ideal == 0.5 else None

    @property
    def as_in_real(self) -> bool:
        """Whether the ideal is what the real set has, on neither side of it."""
        return self.name.split("@")[0] in AS_IN_REAL

    def as_dict(self) -> dict[str, Any]:
        """As in report.json: numbers or null, nothing that JSON cannot hold."""
        out: dict[str, Any] = {
            "value": _number(self.value),
            "ci": None if self.ci is None else [_number(bound) for bound in self.ci],
            "n": self.n,
            "unit": self.unit,
            "better": self.better,
            "ideal": _number(self.ideal),
            "floor": _number(self.floor),
            "section": self.section,
            "summary": self.summary,
        }
        optional = {
            "floor_ci": None if self.floor_ci is None else [_number(bound) for bound in self.floor_ci],
            "floor_n": self.floor_n,
            "value_at_floor_n": _number(self.at_floor_n),
            "baseline": _number(self.baseline),
            "baseline_name": self.baseline_name or None,
            "goal": _number(self.goal),
            "skipped": self.skipped,
        }
        out |= {key: value for key, value in optional.items() if value is not None}
        return out | dict(self.extra)


def entry(name: str, **given: Any) -> Entry:
    """An `Entry` that takes unit, direction, ideal and summary from `metrics.definitions` where the name is there."""
    known = ALL.get(name.split("@")[0])
    if known is not None:
        stated = {"unit": known.unit, "better": known.better, "ideal": known.ideal, "summary": known.summary}
        given = {**stated, **given}
    return Entry(name=name, **given)


def skip(name: str, reason: str, section: str = "") -> Entry:
    """A measure that has no value here, with the reason."""
    return entry(name, skipped=reason, section=section)


def from_interval(name: str, interval: Interval, **given: Any) -> Entry:
    """An entry from a bootstrapped value."""
    return entry(name, value=interval.value, ci=(interval.low, interval.high), n=interval.n, **given)


@dataclass(frozen=True)
class Picture:
    """A picture of the page: where it stands, what it shows, its PNG bytes, and as SVG and PDF where it is a plot."""

    section: str
    caption: str
    png: bytes
    width: str | None = None
    drawing: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class BenchmarkReport:
    """All figures of one benchmark.

        report = benchmark(real="REAL", generated="GEN")
        report["fid"].value

    Attributes:
        headline: the first line of the report.
        entries: by name.
        settings: what was compared and how (sets, seed, versions, extractor digests, wall times).
        warnings: what a reader must know.
        record_ids: of the generated records that per-record values belong to, in their order.
        record_patients: patient number of each.
        pictures: what the page draws, not stored in report.json.
        out: folder it was written to, if any.
    """

    headline: str
    entries: Mapping[str, Entry]
    settings: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    record_ids: tuple[str, ...] = ()
    record_patients: tuple[int, ...] = ()
    pictures: tuple[Picture, ...] = ()
    out: Path | None = None

    def __getitem__(self, name: str) -> Entry:
        return self.entries[name]

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Every figure as in report.json."""
        return {name: each.as_dict() for name, each in self.entries.items()}

    def as_dict(self) -> dict[str, Any]:
        """The whole of report.json."""
        values = {
            name: [_number(value) for value in each.records]
            for name, each in self.entries.items()
            if each.records is not None and len(each.records) == len(self.record_ids)
        }
        return {
            "headline": self.headline,
            "metrics": self.metrics,
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
            "records": {"ids": list(self.record_ids), "patients": list(self.record_patients), "values": values},
        }

    def written_to(self, out: Path) -> "BenchmarkReport":
        """The same report, knowing its folder."""
        return replace(self, out=out)


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
