"""From any ECG record to what the encoder reads: checks, missing leads, ten seconds, beats."""

from dataclasses import dataclass, replace

import numpy as np

from flow.ecg.beats import Beats, find_beats, find_r_peaks
from flow.networks.conditions import FRAMES
from flow.networks.pamae import PhaseAwareMAE
from gen.completion import Policy, Reconstructor, complete
from gen.leads import LEADS_8
from gen.records import EcgRecord
from gen.signals import fill_gaps
from metrics.measurement.missing import filled_in, holes

#: Of a longer record, so much on both sides of what is read is completed as well, seconds.
AROUND_S = 30.0


@dataclass(frozen=True, eq=False, kw_only=True)
class ReadBeats:
    """What is read of an ECG.

    Attributes:
        ecg: twelve leads; of a record of minutes the part around what is read.
        signal_mv: (8, samples) at the networks' rate.
        beat_mv: (8, beat_samples) averaged beat.
        beats: what was found within ``signal_mv``.
        warnings: what a reader should know.
        read_from_s: where ``signal_mv`` begins in ``ecg``.
        rebuilt: leads that were not recorded and do not follow from others.
    """

    ecg: EcgRecord
    signal_mv: np.ndarray
    beat_mv: np.ndarray
    beats: Beats
    warnings: tuple[str, ...]
    read_from_s: float = 0.0
    rebuilt: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared(ReadBeats):
    """What the encoder reads.

    Attributes:
        weights: (50, token) that average the chosen cycles.
    """

    weights: np.ndarray


def prepare(
    record: EcgRecord,
    encoder: PhaseAwareMAE,
    *,
    allow_bad_leads: bool = False,
    rebuild: Reconstructor | None = None,
) -> Prepared:
    """`read_beats` at the rate and of the length that the encoder names, with the weights of its tokens."""
    fs, samples = float(encoder.config["fs_hz"]), int(encoder.config["samples"])
    found = read_beats(record, fs, samples, allow_bad_leads=allow_bad_leads, rebuild=rebuild)
    weights = found.beats.cycle_weights(encoder.token_times_s.numpy().astype(np.float64), FRAMES)
    return Prepared(**vars(found), weights=weights)


def read_beats(
    record: EcgRecord,
    fs: float,
    samples: int,
    *,
    allow_bad_leads: bool = False,
    rebuild: Reconstructor | None = None,
) -> ReadBeats:
    """Check a record, complete its leads and find its beats.

    Args:
        record: any leads, rate and length.
        fs, samples: rate and length that the networks read.
        allow_bad_leads: rebuild unusable leads from the others instead of refusing the record.
        rebuild: rebuilds missing leads; the installed reconstruction where not given.

    Raises:
        InputError: a lead is unusable, leads or unit are wrong, no beats, or noise.
    """
    name = record.source_name
    read_s = samples / fs
    start_s = _start_s(record, read_s)
    part, cut_s = _around(record, start_s, start_s + read_s)
    completed = complete(part, Policy(purpose="an ECG for cardiac images", drop_bad=allow_bad_leads), rebuild)
    full, warnings = completed.record, completed.quality.warnings if completed.quality else ()
    warnings = (*warnings, *(f"lead {lead} was rebuilt" for lead in completed.dropped))
    more = (f"reconstructed leads: {', '.join(completed.rebuilt)}",) if completed.rebuilt else ()
    signal = full.to_8().at(fs).signal_mv
    start = min(round((start_s - cut_s) * fs), max(0, signal.shape[1] - samples))
    signal = signal[:, start : start + samples]
    seen = part.select(completed.kept).signal_mv if completed.kept else part.signal_mv
    peaks_s = (start + find_r_peaks(signal, fs)) / fs
    missing = holes(seen, record.fs_hz) + filled_in(seen, record.fs_hz, peaks_s)
    gaps = [(first - start / fs, last - start / fs) for first, last in missing]
    beats = find_beats(signal, fs, name=name, gaps=gaps)
    padded = np.zeros((len(LEADS_8), samples), np.float32)
    padded[:, : signal.shape[1]] = fill_gaps(signal)
    # Behind a short record the last value goes on: a step down to zero would look like a beat.
    padded[:, signal.shape[1] :] = padded[:, signal.shape[1] - 1 : signal.shape[1]]
    if start or cut_s:
        more = (*more, f"only {read_s:.0f} s from {cut_s + start / fs:.1f} s on are used")
    return ReadBeats(
        ecg=full,
        signal_mv=padded,
        beat_mv=beats.average(signal, fs),
        beats=beats,
        warnings=(*warnings, *more),
        read_from_s=start / fs,
        rebuilt=tuple(completed.rebuilt),
    )


def _start_s(record: EcgRecord, read_s: float) -> float:
    """Where the part that is read begins: in the middle, or as near to it as the least is missing."""
    size = round(read_s * record.fs_hz)
    if record.num_samples <= size:
        return 0.0
    gone = ~np.isfinite(record.signal_mv).any(axis=0)
    middle = (record.num_samples - size) // 2
    if not gone.any():
        return middle / record.fs_hz
    sums = np.concatenate([[0], np.cumsum(gone)])
    starts = np.unique([*range(0, record.num_samples - size + 1, max(1, round(record.fs_hz))), middle])
    missing = sums[starts + size] - sums[starts]
    return float(starts[np.lexsort([np.abs(starts - middle), missing])[0]] / record.fs_hz)


def _around(record: EcgRecord, start_s: float, end_s: float) -> tuple[EcgRecord, float]:
    """A stretch with `AROUND_S` on both sides, and where it begins: the rest of a long record is not completed."""
    first = max(0, round((start_s - AROUND_S) * record.fs_hz))
    last = min(record.num_samples, round((end_s + AROUND_S) * record.fs_hz))
    if last - first == record.num_samples:
        return record, 0.0
    return replace(record, signal_mv=record.signal_mv[:, first:last]), first / record.fs_hz
