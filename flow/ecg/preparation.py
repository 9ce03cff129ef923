"""From any ECG record to what the encoder reads: checks, missing leads, ten seconds, beats."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from flow.ecg.beats import Beats, find_beats
from flow.networks.conditions import FRAMES
from flow.networks.pamae import PhaseAwareMAE
from gen import registry
from gen.leads import LEADS_8, LEADS_12, derivable
from gen.quality import quality_report
from gen.records import EcgRecord, InputError
from gen.signals import fill_gaps


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the encoder reads.

    Attributes:
        ecg: twelve leads, as long as recorded.
        signal_mv: (8, samples) at the encoder's rate.
        beat_mv: (8, beat_samples) averaged beat.
        weights: (50, token) that average the chosen cycles.
        beats: what was found within ``signal_mv``.
        warnings: what a reader should know.
    """

    ecg: EcgRecord
    signal_mv: np.ndarray
    beat_mv: np.ndarray
    weights: np.ndarray
    beats: Beats
    warnings: tuple[str, ...]


def prepare(record: EcgRecord, encoder: PhaseAwareMAE, *, allow_bad_leads: bool = False) -> Prepared:
    """Check a record, complete its leads and find its beats.

    Args:
        record: any leads, rate and length.
        encoder: names rate and length.
        allow_bad_leads: rebuild unusable leads from the others instead of refusing the record.

    Raises:
        InputError: a lead is unusable, leads or unit are wrong, no beats, or noise.
    """
    name = str(record.metadata.get("source_file", record.record_id))
    finite = np.where(np.isfinite(record.signal_mv), record.signal_mv, np.nan)
    record, warnings = _checked(replace(record, signal_mv=finite), name, allow_bad_leads)
    full, more = _twelve(record)
    fs, samples = float(encoder.config["fs_hz"]), int(encoder.config["samples"])
    signal, start = _window(full.to_8().at(fs).signal_mv, samples)
    beats = find_beats(signal, fs, name=name)
    padded = np.zeros((len(LEADS_8), samples), np.float32)
    padded[:, : signal.shape[1]] = fill_gaps(signal)
    # Behind a short record the last value goes on: a step down to zero would look like a beat.
    padded[:, signal.shape[1] :] = padded[:, signal.shape[1] - 1 : signal.shape[1]]
    if start:
        more = (*more, f"only {samples / fs:.0f} s from {start / fs:.1f} s on are used")
    weights = beats.cycle_weights(encoder.token_times_s.numpy().astype(np.float64), FRAMES)
    return Prepared(full, padded, beats.average(signal, fs), weights, beats, (*warnings, *more))


def _checked(record: EcgRecord, name: str, allow_bad_leads: bool) -> tuple[EcgRecord, tuple[str, ...]]:
    report = quality_report(record)
    if report.ok:
        return record, tuple(report.warnings)
    bad = [lead for lead, quality in report.leads.items() if quality.problem]
    others = [reason for reason in report.reasons if not any(reason.startswith(f"lead {lead} ") for lead in bad)]
    if others or not allow_bad_leads or len(bad) == len(record.leads):
        hint = "" if others or len(bad) == len(record.leads) else " (--allow-bad-leads rebuilds them)"
        raise InputError(f"{name}: {'; '.join(report.reasons)}{hint}")
    kept = tuple(lead for lead in record.leads if lead not in bad)
    return record.select(kept), (*report.warnings, *(f"lead {lead} was rebuilt" for lead in bad))


def _twelve(record: EcgRecord) -> tuple[EcgRecord, tuple[str, ...]]:
    """All twelve leads: derived where that is exact, reconstructed by the installed model where not."""
    if set(derivable(record.leads)) >= set(LEADS_12):
        return record.to_12(), ()
    if "reconstruct" not in registry.names("gen.pipelines"):
        raise InputError(f"{record.record_id}: has {', '.join(record.leads)} only; accepted: the twelve leads")
    rebuilt = registry.load("reconstruct")(record).record
    missing = _missing(record.leads)
    return replace(rebuilt, record_id=record.record_id), (f"reconstructed leads: {', '.join(missing)}",)


def _missing(leads: Sequence[str]) -> list[str]:
    there = derivable(leads)
    return [lead for lead in LEADS_12 if lead not in there]


def _window(signal: np.ndarray, samples: int) -> tuple[np.ndarray, int]:
    """At most ``samples`` from the middle of a record, and where they start."""
    start = max(0, (signal.shape[1] - samples) // 2)
    return signal[:, start : start + samples], start
