"""From any ECG record to what the encoder reads: checks, missing leads, ten seconds, beats."""

from dataclasses import dataclass

import numpy as np

from flow.ecg.beats import Beats, find_beats
from flow.networks.conditions import FRAMES
from flow.networks.pamae import PhaseAwareMAE
from gen.completion import Policy, Reconstructor, complete
from gen.leads import LEADS_8
from gen.records import EcgRecord
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


def prepare(
    record: EcgRecord,
    encoder: PhaseAwareMAE,
    *,
    allow_bad_leads: bool = False,
    rebuild: Reconstructor | None = None,
) -> Prepared:
    """Check a record, complete its leads and find its beats.

    Args:
        record: any leads, rate and length.
        encoder: names rate and length.
        allow_bad_leads: rebuild unusable leads from the others instead of refusing the record.
        rebuild: rebuilds missing leads; the installed reconstruction where not given.

    Raises:
        InputError: a lead is unusable, leads or unit are wrong, no beats, or noise.
    """
    name = record.source_name
    completed = complete(record, Policy(purpose="an ECG for cardiac images", drop_bad=allow_bad_leads), rebuild)
    full, warnings = completed.record, completed.quality.warnings if completed.quality else ()
    warnings = (*warnings, *(f"lead {lead} was rebuilt" for lead in completed.dropped))
    more = (f"reconstructed leads: {', '.join(completed.rebuilt)}",) if completed.rebuilt else ()
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


def _window(signal: np.ndarray, samples: int) -> tuple[np.ndarray, int]:
    """At most ``samples`` from the middle of a record, and where they start."""
    start = max(0, (signal.shape[1] - samples) // 2)
    return signal[:, start : start + samples], start
