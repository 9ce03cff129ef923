"""Quick multi-lead measurement of ECGs: representative beat, fiducials, intervals and amplitudes.

Serves the calibration (`gen.simulate.fit`) and the comparison (`gen.evaluation.cohort`) of the simulated cohort. The
same rule measures real and simulated records, so that differences between the two are differences of the signals.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal as sps
from scipy.ndimage import median_filter

from gen.signals import highpass, lowpass

#: Window of the representative beat around the QRS reference point, seconds.
BEFORE_S, AFTER_S = 0.40, 0.62


@dataclass(frozen=True, eq=False)
class Measured:
    """Representative beat of one ECG and what was measured on it.

    Attributes:
        beat_mv: (8, time) median beat, 0 at the PR segment; NaN when fewer than three beats were found.
        rr_s: RR intervals in seconds.
        p_on, p_off, qrs_on, qrs_off, t_peak, t_off: seconds relative to the start of ``beat_mv``; NaN when absent.
        noise_mv: spread of the single beats around the median beat.
    """

    beat_mv: np.ndarray
    rr_s: np.ndarray
    p_on: float
    p_off: float
    qrs_on: float
    qrs_off: float
    t_peak: float
    t_off: float
    noise_mv: float


def find_beats(signal_8: np.ndarray, fs_hz: float) -> np.ndarray:
    """Sample positions of QRS complexes from the summed squared slope of all leads; (beat,)."""
    band = sps.sosfiltfilt(sps.butter(2, [5, 30], btype="bandpass", fs=fs_hz, output="sos"), signal_8, axis=-1)
    slope = np.abs(np.diff(band, axis=-1, append=band[:, -1:]))
    slope /= np.quantile(slope, 0.98, axis=-1, keepdims=True) + 1e-6
    energy = np.sqrt(np.mean(np.minimum(slope, 3.0) ** 2, axis=0))
    width = max(3, int(0.10 * fs_hz))
    energy = np.convolve(energy, np.hanning(width + 2)[1:-1], mode="same")
    level = np.quantile(energy, 0.98)
    peaks, _ = sps.find_peaks(energy, height=0.35 * level, distance=int(0.25 * fs_hz), prominence=0.25 * level)
    return peaks


def representative_beat(signal_8: np.ndarray, fs_hz: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Median beat of the dominant morphology, RR intervals and noise; ((8, time) mV, (beat - 1,) s, mV)."""
    clean = highpass(signal_8.astype(np.float64), fs_hz, 0.4)
    beats = find_beats(clean, fs_hz)
    before, after = int(BEFORE_S * fs_hz), int(AFTER_S * fs_hz)
    inside = beats[(beats > before + 10) & (beats < clean.shape[1] - after - 10)]
    rr = np.diff(beats) / fs_hz
    if len(inside) < 3:
        return np.full((len(signal_8), before + after), np.nan), rr, np.nan
    core = slice(before - int(0.08 * fs_hz), before + int(0.08 * fs_hz))
    stack = np.stack([clean[:, b - before : b + after] for b in inside])
    template = np.median(stack, axis=0)
    for _ in range(2):
        inside = _aligned(clean, inside, template[:, core], core.start - before)
        inside = inside[(inside >= before) & (inside <= clean.shape[1] - after)]
        if len(inside) < 3:
            return np.full((len(signal_8), before + after), np.nan), rr, np.nan
        stack = np.stack([clean[:, b - before : b + after] for b in inside])
        flat = stack[:, :, core].reshape(len(stack), -1)
        like = (flat @ template[:, core].ravel()) / (
            np.linalg.norm(flat, axis=1) * np.linalg.norm(template[:, core]) + 1e-9
        )
        keep = like > min(0.9, np.median(like))
        template = np.median(stack[keep], axis=0) if keep.sum() >= 3 else np.median(stack, axis=0)
    noise = float(np.median(np.abs(stack - template)))
    return template, rr, noise


def _aligned(clean: np.ndarray, beats: np.ndarray, core: np.ndarray, offset: int, reach: int = 10) -> np.ndarray:
    """Shift every beat by the lag (within ``reach`` samples) at which it is most like the template's core."""
    width = core.shape[1]
    out = []
    for beat in beats:
        start = beat + offset - reach
        if start < 0 or start + width + 2 * reach > clean.shape[1]:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(clean[:, start : start + width + 2 * reach], width, axis=1)
        score = np.einsum("clw,cw->l", windows, core) - 0.5 * np.einsum("clw,clw->l", windows, windows)
        out.append(beat + int(np.argmax(score)) - reach)
    return np.array(out, dtype=int)


def measure(signal_8: np.ndarray, fs_hz: float) -> Measured:
    """Measure one record.

    Args:
        signal_8: (8, time) mV in the order ``LEADS_8``.
        fs_hz: sampling rate in Hz.

    Returns:
        `Measured`; every field NaN where no beat could be built.
    """
    beat, rr, noise = representative_beat(signal_8, fs_hz)
    nan = float("nan")
    if np.isnan(beat).any():
        return Measured(beat, rr, nan, nan, nan, nan, nan, nan, noise)
    fine, beat = lowpass(beat, fs_hz, 100.0), lowpass(beat, fs_hz, 45.0)
    centre = int(BEFORE_S * fs_hz)
    qrs_on, qrs_off = _qrs_bounds(beat, centre, fs_hz)
    beat = beat - np.median(beat[:, max(0, qrs_on - int(0.02 * fs_hz)) : qrs_on], axis=1, keepdims=True)
    t_peak, t_off = _t_bounds(beat, qrs_off, np.median(rr), fs_hz)
    p_on, p_off = _p_bounds(beat, qrs_on, np.median(rr), noise, fs_hz)
    return Measured(
        fine, rr, p_on / fs_hz, p_off / fs_hz, qrs_on / fs_hz, qrs_off / fs_hz, t_peak / fs_hz, t_off / fs_hz, noise
    )


def _smooth(x: np.ndarray, fs_hz: float, width_s: float) -> np.ndarray:
    width = max(3, int(width_s * fs_hz) | 1)
    window = np.hanning(width + 2)[1:-1]
    return sps.fftconvolve(x, (window / window.sum())[None], mode="same", axes=-1)


def _qrs_bounds(beat: np.ndarray, centre: int, fs_hz: float) -> tuple[int, int]:
    """Where the spatial velocity leaves the level of the PR segment, and where it falls to that of the ST segment."""
    speed = np.linalg.norm(np.gradient(_smooth(beat, fs_hz, 0.010), axis=-1), axis=0) * fs_hz
    lo, hi = centre - int(0.10 * fs_hz), centre + int(0.12 * fs_hz)
    top = lo + int(np.argmax(speed[lo:hi]))
    peak = speed[top]
    pre = np.quantile(speed[max(0, centre - int(0.14 * fs_hz)) : centre - int(0.02 * fs_hz)], 0.15)
    post = np.quantile(speed[centre + int(0.05 * fs_hz) : centre + int(0.22 * fs_hz)], 0.2)
    quiet = int(0.010 * fs_hz)
    on = _edge(speed, top, -1, max(0.045 * peak, 1.7 * pre), quiet, int(0.14 * fs_hz))
    off = _edge(speed, top, 1, max(0.055 * peak, 1.5 * post), quiet, int(0.18 * fs_hz))
    return on, off


def _edge(speed: np.ndarray, start: int, step: int, level: float, quiet: int, reach: int) -> int:
    """First position from ``start`` in direction ``step`` after which the speed stays below ``level``."""
    run = 0
    for i in range(reach):
        at = start + step * i
        if not 0 <= at < len(speed):
            return int(np.clip(at, 0, len(speed) - 1))
        run = run + 1 if speed[at] < level else 0
        if run >= quiet:
            return at - step * (quiet - 1)
    return start + step * reach


def _t_bounds(beat: np.ndarray, qrs_off: int, rr: float, fs_hz: float) -> tuple[float, float]:
    """Peak and end of T on the spatial magnitude: the end by the tangent at the steepest descent (Lepeschkin)."""
    smooth = _smooth(beat, fs_hz, 0.030)
    last = min(beat.shape[1] - 1, qrs_off + int(min(0.50, 0.72 * rr - 0.05) * fs_hz))
    lo = qrs_off + int(0.06 * fs_hz)
    if last - lo < int(0.08 * fs_hz):
        return float("nan"), float("nan")
    end = np.median(smooth[:, last - 5 : last + 1], axis=1, keepdims=True)
    size = np.linalg.norm(smooth - end, axis=0)
    speed = -np.gradient(size)
    weight = size[lo:last] * np.hanning(2 * (last - lo))[: last - lo] ** 0.3
    peak = lo + int(np.argmax(weight))
    tail = slice(peak, min(last, peak + int(0.16 * fs_hz)))
    if tail.stop - tail.start < 4:
        return float("nan"), float("nan")
    steep = peak + int(np.argmax(speed[tail]))
    off = steep + size[steep] / max(speed[steep], 1e-9) + 0.014 * fs_hz  # annotators mark the foot, not the tangent
    return float(peak), float(min(off, last))


def _p_bounds(beat: np.ndarray, qrs_on: int, rr: float, noise: float, fs_hz: float) -> tuple[float, float]:
    """Onset and offset of P on the spatial magnitude above the line that joins its two feet."""
    smooth = _smooth(beat, fs_hz, 0.024)
    first = max(2, qrs_on - int(min(0.29, 0.42 * rr) * fs_hz))
    hi = qrs_on - int(0.012 * fs_hz)
    if hi - first < int(0.06 * fs_hz):
        return float("nan"), float("nan")
    on, off, top = first, hi, 0.0
    for _ in range(3):
        position = np.clip((np.arange(first, hi) - on) / max(off - on, 1), 0, 1)
        line = smooth[:, [on]] * (1 - position) + smooth[:, [min(off, qrs_on)]] * position
        size = median_filter(np.linalg.norm(smooth[:, first:hi] - line, axis=0), 5)
        inner = size * ((np.arange(first, hi) >= on) & (np.arange(first, hi) <= off))
        peak = int(np.argmax(inner))
        top = size[peak]
        on, off = first + _foot(size, peak, -1), first + _foot(size, peak, 1)
    if top < max(0.045, 2.0 * noise):
        return float("nan"), float("nan")
    return float(on), float(off)


def _foot(size: np.ndarray, peak: int, step: int) -> int:
    """Where the magnitude, walking from ``peak``, falls under a tenth or reaches a valley under half of its top."""
    lowest, at = size[peak], peak
    i = peak
    while 0 <= i + step < len(size):
        i += step
        if size[i] < lowest:
            lowest, at = size[i], i
        if size[i] < 0.13 * size[peak]:
            return i
        if lowest < 0.5 * size[peak] and size[i] > lowest + 0.08 * size[peak]:
            return at
    return at
