"""Is a reconstruction plausible where nobody knows the truth? ``physiogen evaluate plausibility OUT``.

OUT is what ``physiogen reconstruct`` has written; its records say which leads were recorded. Looked at are physics
(the limb-lead law, amplitudes), the heart rate in rebuilt leads against that in the recorded ones, and what
`gen.quality` says of the recorded leads and of the twelve.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gen.evaluations import Progress
from gen.io import read_set
from gen.leads import LEADS_8, LEADS_12, derivable, limb_lead_residual
from gen.quality import quality_report
from gen.records import EcgRecord, InputError
from gen.results import Better, Data, Results, Value
from metrics.measurement.records import measure_records
from vae.evaluation.settings import Plausibility as Settings

#: No ECG reaches this.
LARGEST_MV = 10.0
#: Heart rates agree within 5 /min or 10 %, whichever is more: what ANSI/AAMI EC13 asks of a monitor.
AGREE_BPM, AGREE_SHARE = 5.0, 0.1


@dataclass(frozen=True)
class Plausibility:
    """What was found in one rebuilt record.

    Attributes:
        record_id: its name.
        limb_residual_mv: RMS distance from Einthoven's and Goldberger's laws.
        above_10_mv_share: share of rebuilt samples beyond 10 mV.
        recorded_bpm: heart rate in the recorded leads together; None where it cannot be measured.
        rebuilt_bpm: rebuilt independent lead -> heart rate in it alone; None as above.
        recorded_faults, output_faults: why `gen.quality` refuses the recorded leads, and the twelve-lead output.
        recorded_warnings, output_warnings: what it warns of in them.
    """

    record_id: str
    limb_residual_mv: float
    above_10_mv_share: float
    recorded_bpm: float | None
    rebuilt_bpm: dict[str, float | None]
    recorded_faults: tuple[str, ...]
    output_faults: tuple[str, ...]
    recorded_warnings: tuple[str, ...]
    output_warnings: tuple[str, ...]


def plausibility(record: EcgRecord) -> Plausibility:
    """Look at one rebuilt twelve-lead record.

    Raises:
        InputError: it does not say which leads were observed, or none of the independent leads was rebuilt.
    """
    observed = record.metadata.get("observed_leads")
    if not observed or set(record.leads) != set(LEADS_12):
        raise InputError(f"{record.record_id}: not rebuilt; accepted: what `physiogen reconstruct` has written")
    rebuilt = [lead for lead in LEADS_8 if lead not in derivable(observed)]
    if not rebuilt:
        raise InputError(f"{record.record_id}: all leads were recorded; accepted: a record with rebuilt leads")
    parts = [record.select(observed), *(record.select([lead]) for lead in rebuilt)]
    recorded_bpm, *rebuilt_bpm = heart_rates(parts)
    given, made = quality_report(record.select(observed)), quality_report(record)
    return Plausibility(
        record.record_id,
        float(limb_lead_residual(record.signal_mv, record.leads)),
        float((np.abs(record.select(rebuilt).signal_mv) > LARGEST_MV).mean()),
        recorded_bpm,
        dict(zip(rebuilt, rebuilt_bpm, strict=True)),
        given.reasons,
        made.reasons,
        given.warnings,
        made.warnings,
    )


def heart_rates(records: Sequence[EcgRecord]) -> list[float | None]:
    """Beats per minute of records by the suite's delineation; None where it cannot be measured."""
    found = measure_records(records)
    return [None if np.isnan(each.hr_bpm) else float(each.hr_bpm) for each in found]


def agree(rate: float | None, other: float) -> bool:
    """Whether a heart rate is the other one by the standard above; one that cannot be measured is not."""
    return rate is not None and abs(rate - other) <= max(AGREE_BPM, AGREE_SHARE * other)


def summary(found: Sequence[Plausibility]) -> dict[str, float | int | None]:
    """Figures of a set: counts, shares and medians."""
    pairs = [
        (rate, each.recorded_bpm)
        for each in found
        if each.recorded_bpm is not None
        for rate in each.rebuilt_bpm.values()
    ]
    differences = [np.inf if rate is None else abs(rate - other) for rate, other in pairs]

    def share(values: Iterable[object]) -> float:
        return float(np.mean([bool(value) for value in values]))

    return {
        "records": len(found),
        "limb_residual_mv_largest": max(each.limb_residual_mv for each in found),
        "above_10_mv_share": float(np.mean([each.above_10_mv_share for each in found])),
        "rate_pairs": len(pairs),
        "rate_difference_bpm_median": float(np.median(differences)) if differences else None,
        "rate_agrees_share": share(agree(*pair) for pair in pairs) if pairs else None,
        "recorded_refused_share": share(each.recorded_faults for each in found),
        "output_refused_share": share(each.output_faults for each in found),
        "recorded_warned_share": share(each.recorded_warnings for each in found),
        "output_warned_share": share(each.output_warnings for each in found),
    }


def tables(figures: Mapping[str, float | int | None]) -> dict[str, dict[str, Value]]:
    """`summary` as results."""
    n, pairs = int(figures["records"] or 0), int(figures["rate_pairs"] or 0)
    return {
        "physics": {
            "limb-lead law, largest RMS residual": Value.of(
                figures["limb_residual_mv_largest"], n=n, unit="mV", better="lower"
            ),
            f"rebuilt samples above {LARGEST_MV:g} mV": Value.of(figures["above_10_mv_share"], n=n, better="lower"),
        },
        "heart rate in a rebuilt lead": {
            "median difference": Value.of(figures["rate_difference_bpm_median"], n=pairs, unit="bpm", better="lower"),
            "share that agrees (5 bpm or 10 %)": Value.of(figures["rate_agrees_share"], n=pairs, better="higher"),
        },
        "quality (gen.quality)": {
            name: Value.of(figures[f"{side}_{kind}_share"], n=n, better=better)
            for kind, word in (("refused", "refused"), ("warned", "warned of"))
            for side, name, better in _sides(word)
        },
    }


def _sides(word: str) -> tuple[tuple[str, str, Better], ...]:
    return ("recorded", f"recorded leads, share {word}", "reference"), ("output", f"output, share {word}", "lower")


def run(settings: Settings, progress: Progress) -> Results:
    """Physics, heart rate and quality of a rebuilt set."""
    found = [plausibility(record) for record in read_set(settings.rebuilt)]
    if not found:
        raise InputError(f"{settings.rebuilt}: no record in it")
    for each in found:
        if each.output_faults:
            progress(f"{each.record_id}: {'; '.join(each.output_faults)}")
    return settings.results(tables(summary(found)), data=[Data(settings.rebuilt.name)], n=len(found))
