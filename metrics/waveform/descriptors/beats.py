"""The beats of records below 40 Hz: found, aligned on each other, cut out, and how much those of one record differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gen.signals import fill_gaps, lowpass, resample
from metrics.measurement.delineation import delineate
from metrics.measurement.delineation.preprocess import FS_HZ, remove_drift
from metrics.waveform.descriptors.rhythm import autocorrelation

Array = npt.NDArray[np.float64]

#: What lies above is the spectrum's affair: a filter or a noise there must not change what beats look like.
HIGHEST_HZ = 40.0
#: A beat is cut out from so long before the middle of QRS to so long after it, seconds.
BEFORE_S, AFTER_S = 0.30, 0.50
#: The stretch of QRS that beats are aligned on, and how far it may move, seconds.
_ALIGN_S, _REACH_S = 0.08, 0.06
_FEWEST = 4
#: P, QRS and T in a cut-out beat, seconds from the middle of QRS; fixed, so that no wave must be found for them.
WINDOWS_S = {"p": (-0.25, -0.07), "qrs": (-0.07, 0.07), "t": (0.10, 0.42)}
NAMES = (
    *(f"{wave}_variability_{kind}_log" for wave in WINDOWS_S for kind in ("median", "upper")),
    "beat_gain_sd_log",
    "beat_gain_lag1",
    "different_beat_share",
)
#: A beat whose QRS correlates with the median beat by less has another form.
_ANOTHER = 0.85
_LEAST = 1e-4


@dataclass(frozen=True, eq=False)
class BeatSet:
    """Beats of one record.

    Attributes:
        times_s: (beat,) seconds, the middle of QRS; all that were found.
        beats: (whole beat, lead, time) mV at 250 Hz, `BEFORE_S` before to `AFTER_S` after; those inside the record,
            each without its level before QRS.
        median: (lead, time), NaN with fewer than four whole beats.
        rr_s: (whole beat,) interval to the next beat, NaN for the last.
        width_s: median duration of QRS.
    """

    times_s: Array
    beats: Array
    median: Array
    rr_s: Array
    width_s: float

    @property
    def enough(self) -> bool:
        """Whether there are beats enough to compare."""
        return len(self.beats) >= _FEWEST


def slow_signal(signal_mv: npt.NDArray[np.floating], fs_hz: float) -> npt.NDArray[np.float32]:
    """(n, lead, time) at 250 Hz between .4 and 40 Hz, gaps bridged."""
    signal = np.asarray(signal_mv, dtype=np.float32)
    if not np.isfinite(signal).all():
        signal = fill_gaps(np.where(np.isfinite(signal), signal, np.nan).astype(np.float32))
    return remove_drift(lowpass(resample(signal, fs_hz, FS_HZ), FS_HZ, HIGHEST_HZ, order=8))


def find_beats(slow_mv: npt.NDArray[np.float32], leads: Sequence[str]) -> list[BeatSet]:
    """Beats of records (n, lead, time) from `slow_signal`."""
    out = []
    for signal, found in zip(slow_mv, delineate(slow_mv, FS_HZ, leads), strict=True):
        qrs = found.consensus[1]
        out.append(_cut(signal.astype(np.float64), np.asarray(qrs.centre), np.asarray(qrs.offset - qrs.onset)))
    return out


def _cut(signal: Array, middle_s: Array, width_s: Array) -> BeatSet:
    length = signal.shape[-1]
    size = round((BEFORE_S + AFTER_S) * FS_HZ)
    empty = BeatSet(
        middle_s, np.empty((0, len(signal), size)), np.full((len(signal), size), np.nan), middle_s[:0], np.nan
    )
    at = middle_s * FS_HZ
    edge = (_ALIGN_S + _REACH_S) * FS_HZ + 3
    at = at[(at >= edge) & (at < length - edge)]
    if len(at) < _FEWEST:
        return empty
    at = align(signal, at)
    inside = (at >= BEFORE_S * FS_HZ + 2) & (at < length - AFTER_S * FS_HZ - 2)
    beats = windows(signal, at[inside] - BEFORE_S * FS_HZ, size)
    level = slice(round((BEFORE_S - 0.09) * FS_HZ), round((BEFORE_S - 0.06) * FS_HZ))
    beats -= beats[..., level].mean(axis=-1, keepdims=True)
    median = np.median(beats, axis=0) if len(beats) >= _FEWEST else empty.median
    times = at / FS_HZ
    return BeatSet(times, beats, median, np.append(np.diff(times), np.nan)[inside], float(np.median(width_s)))


def align(signal: Array, at: Array, rounds: int = 3) -> Array:
    """Positions (beat,) in samples, moved so that every QRS lies best on the median QRS of all.

    Each beat moves to where its correlation with the median is largest, to fractions of a sample.
    """
    half, reach = round(_ALIGN_S * FS_HZ), round(_REACH_S * FS_HZ)
    for _ in range(rounds):
        wide = windows(signal, at - half - reach, 2 * (half + reach) + 1)
        core = np.median(wide[..., reach : reach + 2 * half + 1], axis=0)
        core = core - core.mean(axis=-1, keepdims=True)
        steps = np.arange(2 * reach + 1)
        moved = np.stack([wide[..., k : k + 2 * half + 1] for k in steps], axis=1)  # (beat, step, lead, time)
        moved = moved - moved.mean(axis=-1, keepdims=True)
        score = np.einsum("bslt,lt->bs", moved, core)
        score /= np.sqrt(np.maximum((moved**2).sum(axis=(2, 3)), 1e-12))
        best = np.clip(score.argmax(axis=1), 1, 2 * reach - 1)
        left, top, right = (np.take_along_axis(score, best[:, None] + k, axis=1)[:, 0] for k in (-1, 0, 1))
        curve = left - 2 * top + right
        part = np.where(curve < -1e-12, 0.5 * (left - right) / np.minimum(curve, -1e-12), 0.0)
        at = np.clip(at + best - reach + np.clip(part, -1, 1), half + reach + 2, signal.shape[-1] - half - reach - 3)
    return np.sort(at)


def windows(signal: Array, start: Array, size: int) -> Array:
    """(beat, lead, size) cut at fractional ``start`` by cubic interpolation; the ends of the record are repeated."""
    first = np.floor(start).astype(int)
    u = (start - first)[:, None, None]
    index = first[:, None] + np.arange(-1, size + 2)
    part = signal[:, np.clip(index, 0, signal.shape[-1] - 1)].transpose(1, 0, 2)
    a, b, c, d = part[..., :-3], part[..., 1:-2], part[..., 2:-1], part[..., 3:]
    return (
        a * (-u * (u - 1) * (u - 2) / 6) + b * ((u + 1) * (u - 1) * (u - 2) / 2)
        + c * (-(u + 1) * u * (u - 2) / 2) + d * ((u + 1) * u * (u - 1) / 6)
    )  # fmt: skip


def part(wave: str) -> slice:
    """Samples of a wave's window in a cut-out beat."""
    first, last = WINDOWS_S[wave]
    return slice(round((BEFORE_S + first) * FS_HZ), round((BEFORE_S + last) * FS_HZ))


def variability(found: Sequence[BeatSet]) -> Array:
    """How much beats differ from the median beat of their record, (n, d) as `NAMES`.

    For P, QRS and T: log10 of the share of a beat's energy (without straight line, over all leads) that differs from
    the median beat; the median over beats and the mean of the upper third. Then the spread of the beats' size (log10 of
    the standard deviation of the gain that fits the median QRS best), its autocorrelation at lag 1, and the share of
    beats of another form.
    """
    return np.array([_variability(each) for each in found]).reshape(len(found), len(NAMES))


def _variability(found: BeatSet) -> list[float]:
    if not found.enough:
        return [np.nan] * len(NAMES)
    out: list[float] = []
    for wave in WINDOWS_S:
        beats, middle = _straightened(found.beats[..., part(wave)]), _straightened(found.median[:, part(wave)])
        energy = max(float((middle**2).sum()), 1e-12)
        shares = np.sort(((beats - middle) ** 2).sum(axis=(1, 2)) / energy)
        upper = shares[-max(1, len(shares) // 3) :].mean()
        out += [float(np.log10(max(value, _LEAST))) for value in (np.median(shares), upper)]
    beats, middle = _straightened(found.beats[..., part("qrs")]), _straightened(found.median[:, part("qrs")])
    power = max(float((middle**2).sum()), 1e-12)
    product = np.einsum("blt,lt->b", beats, middle)
    gain = product / power
    like = product / np.sqrt(np.maximum((beats**2).sum(axis=(1, 2)) * power, 1e-24))
    spread = float(np.log10(max(1.4826 * float(np.median(np.abs(gain - np.median(gain)))), _LEAST)))
    return [*out, spread, autocorrelation(gain, 1), float((like < _ANOTHER).mean())]


def _straightened(part_mv: Array) -> Array:
    """(..., time) without its straight line."""
    time = np.linspace(-1, 1, part_mv.shape[-1])
    centred = part_mv - part_mv.mean(axis=-1, keepdims=True)
    return centred - (centred @ time / (time**2).sum())[..., None] * time
