"""The verdict on a record, with reasons and warnings."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gen.leads import LIMB_LEADS
from gen.quality.acceptance import judge, shipped
from gen.quality.electrodes import arms_reversed, breaks_law, limb_law
from gen.quality.lead import (
    FLAT_SHARE,
    UNIT_MICROVOLT_MV,
    UNIT_VOLT_MV,
    LeadQuality,
    lead_qualities,
    with_verdicts,
    without_amplitude_problems,
)
from gen.records import EcgRecord
from gen.signals import fill_gaps, highpass

SHORTEST_S = 1.0
#: A lead that is missing for more than half the time says little about the heart.
MOSTLY_MISSING = 0.5
MAINS_WARNING_MV = 0.03  #: RMS; the line becomes visibly thick
BASELINE_HZ = 0.5  #: below, the limb-lead law is not asked for
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
    acceptance: float = float("nan")  #: probability that readers accept the recording; NaN where too short to judge

    @property
    def lead_reasons(self) -> dict[str, str]:
        """Lead -> what is wrong with it, of the leads that cannot be used."""
        return {name: lead.problem for name, lead in self.leads.items() if lead.problem}

    @property
    def reasons(self) -> tuple[str, ...]:
        """Everything that makes the verdict bad, one line each: single leads first, then the record as a whole."""
        return (*(f"lead {name} {problem}" for name, problem in self.lead_reasons.items()), *self.record_reasons)

    @property
    def accepted(self) -> bool:
        """Whether readers would sooner accept the recording than not; True where it is too short to judge."""
        return not self.acceptance < shipped().accepted_from

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
    judged = judge(_finite(record), record.fs_hz) if unit is None else None
    if judged is not None:
        leads = with_verdicts(leads, judged)
    if unit is not None:
        leads = without_amplitude_problems(leads)
    limb = [name for name in record.leads if name in LIMB_LEADS and leads[name].problem is None]
    signal = _limb_signal(record.select(limb), record.fs_hz)
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
    probability = judged.probability if judged is not None else float("nan")
    if probability < shipped().accepted_from:
        warnings.append(f"readers would hardly accept this recording (probability {probability:.2f})")
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
        acceptance=probability,
    )


def bad_leads(record: EcgRecord, *, max_nan_share: float = 0.0) -> dict[str, str]:
    """Leads that must not be taken as observed, with the reason (missing samples, flat, off, saturated, movement, ...).

    Args:
        record: what was recorded.
        max_nan_share: share of missing samples a lead may have (paper layouts have holes on purpose).
    """
    leads = with_verdicts(lead_qualities(record, max_nan_share), judge(_finite(record), record.fs_hz))
    return {name: lead.problem for name, lead in leads.items() if lead.problem}


def _limb_signal(record: EcgRecord, fs_hz: float) -> np.ndarray:
    """Limb leads (lead, time) where all were recorded: the law says nothing where one is missing.

    Each without its baseline: amplifiers without a high-pass have an offset and a drift of their own in every channel,
    which no other shares.
    """
    signal = _finite(record).astype(np.float64)
    known = np.isfinite(signal).all(axis=0)
    return highpass(fill_gaps(signal), fs_hz, BASELINE_HZ)[:, known] if known.any() else signal[:, known]


def _finite(record: EcgRecord) -> np.ndarray:
    """Signal with NaN for infinite samples."""
    return np.where(np.isfinite(record.signal_mv), record.signal_mv, np.nan)


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
    noisy = {n for n, lead in good.items() if lead.noise_mv > NOISE_WARNING_MV} - mains
    return [
        *named("missing samples", [n for n, lead in good.items() if lead.nan_share > 0]),
        *named("flat stretches", [n for n, lead in good.items() if lead.flat_share > 0]),
        *named("50 Hz mains", [n for n, lead in good.items() if lead.mains_50_mv > MAINS_WARNING_MV]),
        *named("60 Hz mains", [n for n, lead in good.items() if lead.mains_60_mv > MAINS_WARNING_MV]),
        *named("baseline drift", [n for n, lead in good.items() if lead.drift_mv > DRIFT_WARNING_MV]),
        *named("noise", [n for n in good if n in noisy]),
        *(f"lead {n} {lead.doubt}" for n, lead in good.items() if lead.doubt and n not in mains | noisy),
    ]
