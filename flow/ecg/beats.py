"""Beats of an ECG: R peaks from all leads, the beats that go together, the heart cycle that starts at the R peak.

    beats = find_beats(signal_mv, fs_hz)        # InputError: no R peaks, noise, fewer than three beats
    weights = beats.cycle_weights(token_times_s, frames=50)   # (50, token): one cycle from R to R, averaged

Of an irregular record the beats of one shape whose RR lies near the median are used, and `Beats.description` says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy

from gen.records import InputError
from gen.signals import bandpass, fill_gaps, highpass
from metrics.measurement.missing import crossed

#: Shape of a beat: window round the R peak, in which two beats are compared.
SHAPE_S = (-0.08, 0.14)
#: The averaged beat: window round the R peak.
BEAT_S = (-0.25, 0.55)
#: Rate and length of the ECG that the networks read, and what they have of both.
ECG_HZ, ECG_S = 200.0, 10.0
ECG_SAMPLES, BEAT_SAMPLES = round(ECG_HZ * ECG_S), round((BEAT_S[1] - BEAT_S[0]) * ECG_HZ)
SAME_SHAPE = 0.80
#: RR of the chosen cycles lies within this share of their median; the second value is tried where the first keeps few.
NEAR_MEDIAN = (0.15, 0.35)
SHORTEST_RR_S, LONGEST_RR_S = 0.25, 2.6
#: Correlation with the average of the *other* beats below which nothing repeats.
REPEATS = 0.45
IRREGULAR, WIDE_QRS_S = 0.12, 0.12
#: What `Beats.rhythm` says, in this order.
RHYTHM = ("rr_s", "rr_spread", "rr_change", "rr_shortest", "rr_longest", "other_beats", "qrs_s")
#: So near to missing signal a peak may be the step into it.
EDGE_S = 0.06
#: Share of the strong votes that a broad (ventricular) beat reaches; T waves stay below.
_BROAD = 0.16


@dataclass(frozen=True, eq=False)
class Beats:
    """The beats of one record.

    Attributes:
        peaks_s: (beat,) R peaks in seconds, all of them.
        dominant: (beat,) bool, the beats of the most frequent shape.
        cycles: (cycle, 2) start and end in seconds of the chosen heart cycles, from R to R.
        rr_s: median of all RR intervals without a gap.
        qrs_s: width of the dominant QRS.
        description: one line that names the beats that were chosen.
    """

    peaks_s: np.ndarray
    dominant: np.ndarray
    cycles: np.ndarray
    rr_s: float
    qrs_s: float
    description: str

    def cycle_weights(self, times_s: np.ndarray, frames: int) -> np.ndarray:
        """(frame, token) float32 weights that average the chosen cycles on ``frames`` even phases, phase 0 = R peak.

        Each phase of each cycle is interpolated linearly between the two tokens around it (vectorised "ROI align").

        Args:
            times_s: (token,) ascending times of the tokens.
            frames: phases k / frames, k = 0 ... frames - 1.
        """
        phase = np.arange(frames) / frames
        wanted = self.cycles[:, :1] + phase * np.diff(self.cycles, axis=1)
        right = np.clip(np.searchsorted(times_s, wanted), 1, len(times_s) - 1)
        gap = times_s[right] - times_s[right - 1]
        share = np.clip((wanted - times_s[right - 1]) / gap, 0.0, 1.0)
        weights = np.zeros((*wanted.shape, len(times_s)))
        np.put_along_axis(weights, right[..., None], share[..., None], axis=-1)
        np.put_along_axis(weights, right[..., None] - 1, 1.0 - share[..., None], axis=-1)
        return weights.mean(axis=0).astype(np.float32)

    @property
    def rhythm(self) -> np.ndarray:
        """(7,) float32, see `RHYTHM`: median RR and QRS width in s, the rest as shares.

        Spread of RR, change from one to the next (root mean square), shortest and longest are shares of the median;
        ``other_beats`` is the share of the beats of another shape than the dominant one.
        """
        rr = np.diff(self.peaks_s)
        rr = rr[(rr >= SHORTEST_RR_S) & (rr <= LONGEST_RR_S)] / self.rr_s
        if not len(rr):
            rr = np.ones(1)
        change = float(np.sqrt((np.diff(rr) ** 2).mean())) if len(rr) > 1 else 0.0
        shares = float(rr.std()), change, float(rr.min()), float(rr.max()), float(1.0 - self.dominant.mean())
        return np.array([self.rr_s, *shares, self.qrs_s], dtype=np.float32)

    def average(self, signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
        """(lead, time) float32 mV: median of the chosen beats over `BEAT_S`, zero before the QRS."""
        starts = self.cycles[:, 0]
        windows = _windows(fill_gaps(signal_mv), np.rint(starts * fs_hz).astype(int), fs_hz, BEAT_S)
        beat = np.median(windows, axis=0)
        pr = slice(round((-0.09 - BEAT_S[0]) * fs_hz), round((-0.06 - BEAT_S[0]) * fs_hz) + 1)
        return (beat - np.median(beat[:, pr], axis=1, keepdims=True)).astype(np.float32)


def find_r_peaks(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """(beat,) positions of the R peaks in samples; empty where there are none.

    Each lead votes with its slope between 5 and 30 Hz, scaled by its own strong slopes and clipped, so that polarity
    does not matter and neither a large lead nor a noisy one rules. The peak is the largest deflection of all leads
    together near the largest vote.

    Args:
        signal_mv: (lead, time), any leads; NaN is bridged.
        fs_hz: sampling rate, at least 80 Hz.
    """
    length = signal_mv.shape[1]
    if length < 0.6 * fs_hz:
        return np.empty(0, dtype=int)
    clean = fill_gaps(np.asarray(signal_mv, dtype=np.float64))
    clean = _without_spikes(clean, fs_hz)
    band = bandpass(clean, fs_hz, 5.0, 30.0, order=2)
    slope = np.abs(np.gradient(band, axis=1))
    strong = np.quantile(slope, 0.985, axis=1, keepdims=True)
    usable = (strong[:, 0] > 1e-5) & (np.ptp(clean, axis=1) > 0.02)
    if not usable.any():
        return np.empty(0, dtype=int)
    vote = np.minimum(slope[usable] / strong[usable], 1.5)
    energy = np.sqrt((vote**2).mean(axis=0))
    width = max(3, int(0.10 * fs_hz))
    energy = np.convolve(energy, np.hanning(width + 2)[1:-1] / width, mode="same")
    peaks = _above(energy, fs_hz)
    reach = max(1, round(0.06 * fs_hz))
    size = np.sqrt((highpass(clean[usable], fs_hz, 1.0) ** 2).sum(axis=0))
    found = [max(0, p - reach) + int(np.argmax(size[max(0, p - reach) : p + reach + 1])) for p in peaks]
    return np.unique(found).astype(int)


def _without_spikes(signal: np.ndarray, fs_hz: float) -> np.ndarray:
    """Takes out pacing spikes, which are shorter than 10 ms; a rate that cannot show them is left alone."""
    width = 2 * (int(0.012 * fs_hz) // 2) + 1
    if width < 5:
        return signal
    smooth = scipy.ndimage.median_filter(signal, size=(1, width), mode="nearest")
    rest = np.abs(signal - smooth)
    level = 12.0 * (np.median(rest, axis=1, keepdims=True) + 0.01)
    return np.where(rest > level, smooth, signal)


def _above(energy: np.ndarray, fs_hz: float) -> np.ndarray:
    """Peaks of the vote; gaps of more than 1.4 median RR are searched again for broad beats, whose slopes are low."""
    level = np.quantile(energy, 0.98)
    distance = max(1, int(SHORTEST_RR_S * fs_hz))
    peaks, _ = scipy.signal.find_peaks(energy, height=0.30 * level, distance=distance, prominence=0.22 * level)
    if len(peaks) < 3:
        return peaks
    weak, _ = scipy.signal.find_peaks(energy, height=_BROAD * level, distance=distance)
    rr = np.median(np.diff(peaks))
    edges = np.concatenate([[peaks[0] - rr], peaks, [peaks[-1] + rr]])
    found = list(peaks)
    for left, right in pairwise(edges):
        inside = weak[(weak > left + 1.2 * distance) & (weak < right - distance)]
        if right - left > 1.4 * rr and len(inside):
            found.append(int(inside[energy[inside].argmax()]))
    return np.sort(np.array(found, dtype=int))


def phase_labels(peaks_s: np.ndarray, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phase (time,) in rad, 0 at each R peak rising to 2 pi at the next, and where it is valid (time,) bool.

    Not valid before the first and after the last R peak, and in gaps that are no heart cycle: there the phase is 0
    and must not be trained on.
    """
    phase, valid = np.zeros(len(times_s)), np.zeros(len(times_s), dtype=bool)
    if len(peaks_s) < 2:
        return phase, valid
    beat = np.searchsorted(peaks_s, times_s, side="right") - 1
    inside = (beat >= 0) & (beat < len(peaks_s) - 1)
    start = peaks_s[np.clip(beat, 0, len(peaks_s) - 2)]
    rr = np.diff(peaks_s)[np.clip(beat, 0, len(peaks_s) - 2)]
    valid = inside & (rr >= SHORTEST_RR_S) & (rr <= LONGEST_RR_S)
    phase[valid] = 2 * np.pi * ((times_s - start) / rr)[valid]
    return phase, valid


def find_beats(
    signal_mv: np.ndarray, fs_hz: float, *, name: str = "ECG", gaps: Sequence[tuple[float, float]] = ()
) -> Beats:
    """The beats of a record and the cycles to use.

    Args:
        signal_mv: (lead, time).
        fs_hz: sampling rate.
        name: of the record, for the error.
        gaps: stretches in seconds in which nothing was recorded, whatever stands there now: what was found in them is
            no beat, and an interval across one is no heart cycle.

    Raises:
        InputError: no R peaks, fewer than three beats, nothing that repeats (noise), or a gap between any two beats.
    """
    peaks = find_r_peaks(signal_mv, fs_hz)
    for start, end in gaps:
        peaks = peaks[(peaks < (start - EDGE_S) * fs_hz) | (peaks >= (end + EDGE_S) * fs_hz)]
    if len(peaks) == 0:
        raise InputError(f"{name}: no R peaks found (flat or no ECG); accepted: at least three heartbeats")
    if len(peaks) < 3:
        raise InputError(f"{name}: {len(peaks)} heartbeats in {signal_mv.shape[1] / fs_hz:.1f} s; accepted: at least 3")
    clean = bandpass(fill_gaps(np.asarray(signal_mv, dtype=np.float64)), fs_hz, 0.7, 40.0)
    shapes = _windows(clean, peaks, fs_hz, SHAPE_S).reshape(len(peaks), -1)
    dominant = _largest_group(shapes)
    if dominant.sum() < 3:
        raise InputError(f"{name}: no three beats of one shape (noise?); accepted: at least three alike")
    likeness = _leave_one_out(shapes[dominant])
    if likeness < REPEATS:
        raise InputError(
            f"{name}: noise: the beats found do not resemble each other (correlation {likeness:.2f}, "
            f"needed {REPEATS:.2f})"
        )
    peaks_s = peaks / fs_hz
    whole = ~crossed(peaks_s[:-1], peaks_s[1:], list(gaps))
    if not whole.any():
        raise InputError(f"{name}: nothing was recorded between any two heartbeats; accepted: one whole heart cycle")
    cycles, rule = _choose_cycles(peaks_s, dominant, whole, name)
    rr = np.diff(peaks_s)[whole]
    qrs_s = _qrs_width(_windows(clean, peaks[dominant], fs_hz, (-0.15, 0.25)), fs_hz)
    text = _describe(dominant, rr, rule, len(cycles), qrs_s)
    return Beats(peaks_s, dominant, cycles, float(np.median(rr)), qrs_s, text)


def _windows(signal: np.ndarray, centres: np.ndarray, fs_hz: float, span_s: tuple[float, float]) -> np.ndarray:
    """(beat, lead, time) cut round samples; what lies outside the record repeats its edge."""
    offsets = np.arange(round(span_s[0] * fs_hz), round(span_s[1] * fs_hz))
    places = np.clip(centres[:, None] + offsets, 0, signal.shape[1] - 1)
    return np.moveaxis(signal[:, places], 0, 1)


def _largest_group(shapes: np.ndarray) -> np.ndarray:
    """(beat,) bool: the beat with most others of its shape, and these; of two equally large ones the first."""
    centred = shapes - shapes.mean(axis=1, keepdims=True)
    scaled = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    alike = scaled @ scaled.T >= SAME_SHAPE
    mean = scaled[alike[alike.sum(axis=1).argmax()]].mean(axis=0)
    return scaled @ mean / max(float(np.linalg.norm(mean)), 1e-9) >= SAME_SHAPE


def _leave_one_out(shapes: np.ndarray) -> float:
    """Median correlation of each beat with the mean of the others; about 0 for noise."""
    centred = shapes - shapes.mean(axis=1, keepdims=True)
    others = (centred.sum(axis=0) - centred) / (len(centred) - 1)
    size = np.linalg.norm(centred, axis=1) * np.linalg.norm(others, axis=1)
    return float(np.median((centred * others).sum(axis=1) / np.maximum(size, 1e-12)))


def _choose_cycles(peaks_s: np.ndarray, dominant: np.ndarray, whole: np.ndarray, name: str) -> tuple[np.ndarray, float]:
    """Cycles (n, 2) that start with a dominant beat and have an RR near the median, and how near that was.

    ``whole``: (beat - 1,) intervals without a gap.
    """
    cycles = np.stack([peaks_s[:-1], peaks_s[1:]], axis=1)[dominant[:-1] & whole]
    rr = np.diff(cycles, axis=1)[:, 0]
    real = (rr >= SHORTEST_RR_S) & (rr <= LONGEST_RR_S)
    if not real.any():
        raise InputError(f"{name}: no heart cycle between {SHORTEST_RR_S} and {LONGEST_RR_S} s long")
    cycles, rr = cycles[real], rr[real]
    middle = np.median(rr)
    for rule in NEAR_MEDIAN:
        near = np.abs(rr - middle) <= rule * middle
        if near.sum() >= 3:
            return cycles[near], rule
    nearest = np.argsort(np.abs(rr - middle), kind="stable")[:3]
    return cycles[np.sort(nearest)], float("inf")


def _qrs_width(windows: np.ndarray, fs_hz: float) -> float:
    """Rough width of the median QRS in seconds, from where the spatial velocity stands out."""
    beat = np.median(windows, axis=0)
    speed = np.sqrt((np.gradient(beat, axis=1) ** 2).sum(axis=0))
    centre = round(0.15 * fs_hz)
    low, high = max(0, centre - int(0.1 * fs_hz)), centre + int(0.12 * fs_hz)
    inside = np.flatnonzero(speed[low:high] > 0.12 * speed[low:high].max())
    return float((inside[-1] - inside[0] + 1) / fs_hz)


def _describe(dominant: np.ndarray, rr: np.ndarray, rule: float, used: int, qrs_s: float) -> str:
    irregular = len(rr) > 2 and float(rr.std() / rr.mean()) > IRREGULAR
    parts = [f"{used} of {len(dominant)} beats averaged"]
    others = int((~dominant).sum())
    if others:
        parts.append(f"{others} of another shape (ectopic or disturbed) left out")
    if irregular:
        near = f"within {100 * rule:.0f} % of the median" if np.isfinite(rule) else "nearest to the median"
        parts.append(f"irregular rhythm: cycles {near} RR used")
    if qrs_s > WIDE_QRS_S:
        parts.append(f"wide QRS ({1e3 * qrs_s:.0f} ms)")
    return "; ".join(parts)
