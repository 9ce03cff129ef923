"""Windows of long records: cut with an overlap, rebuilt in batches of equal length, joined without steps."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gen.records import EcgRecord
from gen.signals import resample
from vae.observation import Observation

#: Longer records are cut into windows that overlap and are blended.
WINDOW_S, OVERLAP_S = 10.0, 2.0


def resampled(signal: np.ndarray, fs_hz: float, new_fs_hz: float, num_samples: int) -> np.ndarray:
    """Signal (..., time) at another rate with exactly so many samples."""
    out = resample(signal, fs_hz, new_fs_hz)
    short = num_samples - out.shape[-1]
    if short > 0:
        out = np.concatenate([out, np.repeat(out[..., -1:], short, axis=-1)], axis=-1)
    return out[..., :num_samples]


@dataclass(frozen=True)
class Piece:
    """A window of one of several records, at the network's rate.

    Attributes:
        record: number of the record.
        start: first sample.
        signal, observed, augmented: see `prepare`.
        seed: of its draws.
    """

    record: int
    start: int
    signal: np.ndarray
    observed: np.ndarray
    augmented: np.ndarray
    seed: tuple[int, str]


def prepare(record: EcgRecord, seen: Observation, fs_hz: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signal (leads, time) mV, what was observed of it, and lone limb leads, at the network's rate."""
    signal = resample(np.where(seen.observed, seen.signal_mv, np.nan), record.fs_hz, fs_hz)
    augmented = resample(seen.augmented_mv, record.fs_hz, fs_hz)
    observed = ~np.isnan(signal)
    return np.where(observed, signal, 0).astype(np.float32), observed, augmented


def cut(arrays: tuple[np.ndarray, ...], fs_hz: float) -> Iterator[tuple[int, tuple[np.ndarray, ...]]]:
    """Windows of ten seconds that overlap by two; a record of up to ten seconds is one window."""
    length, size = arrays[0].shape[1], round(WINDOW_S * fs_hz)
    if length <= size + round(fs_hz):  # a last second more is cheaper in one piece than as a window of its own
        yield 0, arrays
        return
    hop = size - round(OVERLAP_S * fs_hz)
    starts = [*range(0, length - size, hop), length - size]
    for start in starts:
        yield start, tuple(a[:, start : start + size] for a in arrays)


def blend(starts: list[int], parts: list[np.ndarray], overlap: int) -> np.ndarray:
    """Join windows (..., time) by weights that rise and fall linearly over the overlap."""
    if len(parts) == 1:
        return parts[0]
    size = parts[0].shape[-1]
    total = np.zeros((*parts[0].shape[:-1], starts[-1] + size))
    weight = np.zeros(starts[-1] + size)
    ramp = np.minimum(np.arange(1, size + 1), overlap) / overlap
    ramp = np.minimum(ramp, ramp[::-1])
    for start, part in zip(starts, parts, strict=True):
        total[..., start : start + size] += part * ramp
        weight[start : start + size] += ramp
    return (total / weight).astype(np.float32)


def equal_length(pieces: list[Piece], batch_size: int) -> Iterator[list[int]]:
    """Numbers of pieces of one length, up to ``batch_size`` at a time."""
    by_length: dict[int, list[int]] = {}
    for i, piece in enumerate(pieces):
        by_length.setdefault(piece.signal.shape[1], []).append(i)
    for members in by_length.values():
        yield from (members[k : k + batch_size] for k in range(0, len(members), batch_size))
