"""The verdict on a record, with reasons and warnings."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gen.leads import LIMB_LEADS
from gen.quality.electrodes import arms_reversed, breaks_law, limb_law
from gen.quality.lead import (
    FLAT_SHARE,
    UNIT_MICROVOLT_MV,
    UNIT_VOLT_MV,
    LeadQuality,
    lead_qualities,
    without_amplitude_problems,
)
from gen.records import EcgRecord

SHORTEST_S = 1.0
#: A lead that is missing for more than half the time says little about the heart.
MOSTLY_MISSING = 0.5
MAINS_WARNING_MV = 0.03  #: RMS; the line becomes visibly thick
DRIFT_WARNING_MV = 2.0  #: peak to peak below 0.5 Hz; the trace leaves its row on paper (20 mm)
NOISE_WARNING_MV = 0.05  #: standard deviation of broadband noise; P waves (0.1 mV) drown in it


@dataclass(frozen=True)
class QualityReport:
    """What was found in a record; ``ok`` is False exactly when there is a reason."""

    record_id: str
    duration_s: float
    leads: Mapping[str, LeadQuality]
    limb_residual_mv: float | None  #: RMS; None where the limb leads do not overdetermine each other
    exchanged_leads: tuple[str, str] | None  #: the two lead names whose exchange would restore Einthoven's law
    arms_reversed: bool  #: the electrodes of the left and right arm look exchanged
    unit_suspected: str | None  #: the unit the values seem to be in, if not mV
    record_reasons: tuple[str, ...]  #: what is wrong with the record as a whole
    warnings: tuple[str, ...]

    @property
    def lead_reasons(self) -> dict[str, str]:
        """Lead -> what is wrong with it, of the leads that cannot be used."""
        return {name: lead.problem for name, lead in self.leads.items() if lead.problem}

    @property
    def reasons(self) -> tuple[str, ...]:
        """Everything that makes the verdict bad, one line each: single leads first, then the record as a whole."""
        return (*(f"lead {name} {problem}" for name, problem in self.lead_reasons.items()), *self.record_reasons)

    @property
    def ok(self) -> bool:
        """Whether the record can be used as it is."""
        return not self.reasons

    @property
    def verdict(self) -> str:
        """'ok' or 'bad'."""
        return "ok" if self.ok else "bad"

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {**asdict(self), "reasons": self.reasons, "verdict": self.verdict}


def quality_report(record: EcgRecord, most_missing: float = MOSTLY_MISSING) -> QualityReport:
    """Measure a record of any leads, rate and length; never raises on poor signals.

    Args:
        record: what was recorded.
        most_missing: share of missing samples that a usable lead may have.
    """
    leads = lead_qualities(record, most_missing)
    unit = _unit(leads)
    if unit is not None:
        leads = without_amplitude_problems(leads)
    limb = [name for name in record.leads if name in LIMB_LEADS and leads[name].problem is None]
    signal = record.select(limb).signal_mv.astype(np.float64)
    signal = signal[:, np.isfinite(signal).all(axis=0)]  # the law says nothing where a lead is missing
    residual, exchanged = limb_law(signal, limb) if unit is None and signal.size else (None, None)
    usable = all(lead.problem is None for lead in leads.values())
    reversed_arms = usable and unit is None and exchanged is None and arms_reversed(record)
    reasons: list[str] = []
    if record.duration_s < SHORTEST_S:
        reasons.append(f"only {record.duration_s:.2f} s long, at least {SHORTEST_S:g} s needed")
    if unit is not None:
        reasons.append(f"values look like {unit}, not mV")
    if exchanged is not None:
        reasons.append(f"leads {exchanged[0]} and {exchanged[1]} look exchanged")
    elif residual is not None and breaks_law(residual, signal):
        reasons.append(f"limb leads break Einthoven's law by {residual:.3f} mV RMS")
    warnings = _warnings(leads)
    if reversed_arms:
        warnings.append("left and right arm electrodes look exchanged")
    return QualityReport(
        record_id=record.record_id,
        duration_s=record.duration_s,
        leads=leads,
        limb_residual_mv=residual,
        exchanged_leads=exchanged,
        arms_reversed=reversed_arms,
        unit_suspected=unit,
        record_reasons=tuple(reasons),
        warnings=tuple(warnings),
    )


def bad_leads(record: EcgRecord, *, max_nan_share: float = 0.0) -> dict[str, str]:
    """Leads that must not be taken as observed, with the reason (missing samples, flat, saturated, out of range).

    Args:
        record: what was recorded.
        max_nan_share: share of missing samples a lead may have (paper layouts have holes on purpose).
    """
    return {name: lead.problem for name, lead in lead_qualities(record, max_nan_share).items() if lead.problem}


def _unit(leads: Mapping[str, LeadQuality]) -> str | None:
    ranges = [lead.range_mv for lead in leads.values() if lead.flat_share < FLAT_SHARE and lead.range_mv > 0]
    median = float(np.median(ranges)) if ranges else 1.0
    if median > UNIT_MICROVOLT_MV:
        return "uV"
    return "V" if UNIT_VOLT_MV[0] < median < UNIT_VOLT_MV[1] else None


def _warnings(leads: Mapping[str, LeadQuality]) -> list[str]:
    def named(title: str, found: list[str]) -> list[str]:
        return [f"{title} in {', '.join(found)}"] if found else []

    good = {name: lead for name, lead in leads.items() if lead.problem is None}
    mains = {n for n, lead in good.items() if max(lead.mains_50_mv, lead.mains_60_mv) > MAINS_WARNING_MV}
    return [
        *named("missing samples", [n for n, lead in good.items() if lead.nan_share > 0]),
        *named("flat stretches", [n for n, lead in good.items() if lead.flat_share > 0]),
        *named("50 Hz mains", [n for n, lead in good.items() if lead.mains_50_mv > MAINS_WARNING_MV]),
        *named("60 Hz mains", [n for n, lead in good.items() if lead.mains_60_mv > MAINS_WARNING_MV]),
        *named("baseline drift", [n for n, lead in good.items() if lead.drift_mv > DRIFT_WARNING_MV]),
        *named("noise", [n for n, lead in good.items() if lead.noise_mv > NOISE_WARNING_MV and n not in mains]),
    ]
