"""Bringing two ECGs to a common time, and the two baselines that any paired figure must be read against.

A generated ECG has its own beats: sample-by-sample errors then measure luck with the phase. `align` removes one
common circular lag, and the flat line and the mean beat show how good "nothing" and "the average" look.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import signal as sps

from gen.records import InputError
from gen.signals import bandpass
from metrics.statistics.arrays import Array


def align(
    *, reference: npt.ArrayLike, generated: npt.ArrayLike, fs_hz: float, max_lag_s: float = 1.0
) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Centre each lead and turn the generated ECG by the one circular lag that correlates best over all leads.

    Args:
        reference, generated: (n, lead, time) in mV.
        fs_hz: sampling rate.
        max_lag_s: largest lag tried, either way.

    Returns:
        Centred reference, centred and shifted generated, and the lags (n,) in samples the latter was moved later by.

    Raises:
        InputError: shapes differ.
    """
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(generated, dtype=np.float64)
    if x.ndim != 3 or x.shape != y.shape:
        raise InputError(f"paired signals of shapes {x.shape} and {y.shape}; accepted: two equal (n, lead, time)")
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    time = x.shape[-1]
    reach = min(round(max_lag_s * fs_hz), (time - 1) // 2)
    lags = np.arange(-reach, reach + 1)
    best = np.empty(len(x), dtype=np.int64)
    shifted = np.empty_like(y)
    for i in range(len(x)):
        spectrum = np.fft.rfft(x[i]) * np.fft.rfft(y[i]).conj()
        best[i] = lags[np.argmax(np.fft.irfft(spectrum.sum(axis=0), time)[lags])]
        shifted[i] = np.roll(y[i], best[i], axis=-1)
    return x, shifted, best


def r_peaks(signal: npt.ArrayLike, fs_hz: float) -> npt.NDArray[np.int64]:
    """Rough R positions of one ECG (lead, time): peaks of the QRS-band slope energy over all leads.

    Good enough to align beats; rates and intervals need a real delineation.

    Returns:
        Sample indices; empty for a flat signal or one shorter than half a second.
    """
    x = np.asarray(signal, dtype=np.float64)
    if x.shape[-1] < fs_hz / 2:
        return np.zeros(0, dtype=np.int64)
    slope = np.diff(bandpass(x, fs_hz, 8.0, 25.0), axis=-1, prepend=0)
    width = max(1, int(0.1 * fs_hz))
    energy = np.convolve((slope**2).sum(axis=0), np.ones(width) / width, mode="same")
    top = np.quantile(energy, 0.98)
    if not top > 1e-12:
        return np.zeros(0, dtype=np.int64)
    found = sps.find_peaks(energy, height=0.3 * top, distance=max(1, int(0.25 * fs_hz)))[0]
    # The slope is steepest beside R, not on it: move to the largest deflection nearby, or averaged beats blur.
    size = (bandpass(x, fs_hz, 2.0, 40.0) ** 2).sum(axis=0)
    near = max(1, int(0.06 * fs_hz))
    starts = np.maximum(found - near, 0)
    moved = [start + int(np.argmax(size[start : start + 2 * near + 1])) for start in starts]
    return np.unique(np.asarray(moved, dtype=np.int64))


def mean_beat(signals: npt.ArrayLike, fs_hz: float, *, before_s: float = 0.3, after_s: float = 0.5) -> Array:
    """Average beat (lead, samples) of a set of ECGs (n, lead, time), around their R peaks; 0 where no beat is found."""
    x = np.asarray(signals, dtype=np.float64)
    before, after = int(before_s * fs_hz), int(after_s * fs_hz)
    total, count = np.zeros((x.shape[1], before + after)), 0
    for record in x:
        for peak in r_peaks(record, fs_hz):
            if peak >= before and peak + after <= x.shape[-1]:
                total += record[:, peak - before : peak + after]
                count += 1
    return total / max(1, count)


def mean_beat_baseline(
    reference: npt.ArrayLike,
    beat: npt.ArrayLike,
    fs_hz: float,
    *,
    before_s: float = 0.3,
    peaks: Sequence[npt.NDArray[np.int64]] | None = None,
) -> Array:
    """One average beat at every true R position: knows the rhythm, knows nothing of the person.

    Args:
        reference: (n, lead, time), gives the R positions.
        beat: (lead, samples) from `mean_beat` on other (training) records.
        fs_hz: sampling rate.
        before_s: time before R in ``beat``.
        peaks: R positions per record where they are known; None finds them.
    """
    x, shape = np.asarray(reference, dtype=np.float64), np.asarray(beat, dtype=np.float64)
    out = np.zeros_like(x)
    before, time = int(before_s * fs_hz), x.shape[-1]
    for i, record in enumerate(x):
        for peak in r_peaks(record, fs_hz) if peaks is None else peaks[i]:
            start = int(peak) - before
            first, last = max(0, start), min(time, start + shape.shape[1])
            if first < last:
                out[i, :, first:last] = shape[:, first - start : last - start]
    return out
