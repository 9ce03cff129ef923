"""Power by band from drift to 250 Hz, the noise floor between beats, and the lines of the mains, for each lead."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy

if TYPE_CHECKING:
    from metrics.statistics.arrays import Array

#: Bands in Hz. The first, drift, is of the line that beats stand on, see `baseline`. Those above 40 Hz spare the mains
#: and their harmonics, which have descriptors of their own.
BANDS = (
    (0.05, 0.5), (0.5, 2), (2, 5), (5, 10), (10, 15), (15, 20), (20, 30), (30, 40), (40, 48), (52, 58), (62, 75),
    (75, 98), (102, 118), (122, 148), (152, 178), (182, 198), (202, 238),
)  # fmt: skip
#: Bands of the noise floor: the quietest stretches between beats.
FLOORS = ((20.0, 40.0), (62.0, 98.0), (102.0, 148.0))
MAINS = (50.0, 60.0)
#: Least density told apart, mV^2/Hz: that of rounding to 1 uV at 500 Hz. Signals are kept no finer, and a band that
#: a recorder left empty must not read as minus infinity.
LEAST_DENSITY = (1e-3) ** 2 / 12 / 250
#: Bands up to this share of the Nyquist frequency can be read; beyond it is the roll-off of resampling filters.
NYQUIST_SHARE = 0.96
_DRIFT_HZ, _SLOW_HZ = 0.5, 2.0
_LINE_HZ = 50.0
_SEGMENT_S, _TILE_S, _QUIET = 2.0, 0.1, 0.2


def names(leads: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns, lead by lead."""
    kinds = [f"power_{low:g}_{high:g}hz_db" for low, high in BANDS]
    kinds += [f"noise_floor_{low:g}_{high:g}hz_db" for low, high in FLOORS]
    kinds += [f"mains_{line:g}hz_db" for line in MAINS]
    return tuple(f"{kind}_{lead}" for lead in leads for kind in kinds)


def spectrum(signal_mv: npt.NDArray[np.float32], fs_hz: float, highest_hz: float | None = None) -> "Array":
    """Densities in dB (10 log10 of mV^2/Hz) and, for the mains, dB above the surroundings.

    Args:
        signal_mv: (n, lead, time) mV; NaN where nothing was recorded.
        fs_hz: sampling rate.
        highest_hz: bands that reach higher are not read; None: `NYQUIST_SHARE` of the Nyquist frequency.

    Returns:
        (n, d) as `names`; NaN above ``highest_hz``, and for a lead without two seconds of signal on end.
    """
    top = NYQUIST_SHARE * fs_hz / 2 if highest_hz is None else highest_hz
    missing = ~np.isfinite(signal_mv)
    filled = np.where(missing, 0.0, signal_mv)
    if missing.any():
        from gen.signals import fill_gaps

        filled = fill_gaps(np.where(missing, np.nan, signal_mv).astype(np.float64))
    filled = filled - filled.mean(axis=-1, keepdims=True)
    segment = min(signal_mv.shape[-1], round(_SEGMENT_S * fs_hz))
    fast_hz, fast = _segments(filled, missing, fs_hz, segment)
    spectra = {_SLOW_HZ: (filled, fs_hz), _DRIFT_HZ: baseline(filled, fs_hz)}
    slow: dict[float, tuple[Array, Array]] = {}
    for below, (signal, rate) in spectra.items():
        slow[below] = scipy.signal.periodogram(signal, fs=rate, window="hann", detrend="constant", axis=-1)
        # Interpolated stretches hold no slow signal of their own.
        slow[below][1][missing.mean(axis=-1) > 0.05] = np.nan
    found = []
    for low, high in BANDS:
        below = _DRIFT_HZ if high <= _DRIFT_HZ else _SLOW_HZ
        frequency, density = slow[below] if high <= _SLOW_HZ else (fast_hz, fast)
        found.append(_level(frequency, density, low, high) if high <= top else None)
    found += [_floor(filled, missing, fs_hz, low, high) if high <= top else None for low, high in FLOORS]
    found += [_line(fast_hz, fast, line) if line + 6 <= top else None for line in MAINS]
    empty = np.full(signal_mv.shape[:2], np.nan)
    return np.stack([empty if each is None else each for each in found], axis=-1).reshape(len(signal_mv), -1)


def baseline(signal: npt.NDArray[np.floating], fs_hz: float) -> "tuple[Array, float]":
    """The line that beats stand on, (..., time), and its rate near 50 Hz: running medians of .2 and .6 s.

    The signal's own spectrum below .5 Hz also holds beats that differ from their neighbours; drift is what this line
    does.
    """
    step = max(1, round(fs_hz / _LINE_HZ))
    count = signal.shape[-1] // step
    coarse = signal[..., : count * step].reshape(*signal.shape[:-1], count, step).mean(axis=-1)
    rate = fs_hz / step
    for seconds in (0.2, 0.6):
        size = [1] * (signal.ndim - 1) + [2 * int(seconds * rate / 2) + 1]
        coarse = scipy.ndimage.median_filter(coarse, size=size, mode="nearest")
    return coarse, rate


def _segments(
    signal: npt.NDArray[np.floating], missing: npt.NDArray[np.bool_], fs_hz: float, length: int
) -> "tuple[Array, Array]":
    """Welch's density from half-overlapping segments that lack no sample; frequency and (n, lead, frequency)."""
    starts = np.arange(0, signal.shape[-1] - length + 1, max(1, length // 2))
    window = scipy.signal.get_window("hann", length)
    total = np.zeros((*signal.shape[:2], length // 2 + 1))
    count = np.zeros(signal.shape[:2])
    for start in starts:
        part = signal[..., start : start + length]
        whole = np.asarray(~missing[..., start : start + length].any(axis=-1))
        power = np.abs(np.fft.rfft((part - part.mean(axis=-1, keepdims=True)) * window, axis=-1)) ** 2
        total += np.where(whole[..., None], power, 0.0)
        count += whole
    total[..., 1:-1] *= 2
    scale = fs_hz * (window**2).sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        hz = np.asarray(np.fft.rfftfreq(length, 1 / fs_hz), dtype=np.float64)
        return hz, np.asarray(total / (scale * count[..., None]), dtype=np.float64)


def _level(frequency: "Array", density: "Array", low: float, high: float) -> "Array":
    inside = (frequency >= low - 1e-9) & (frequency <= high + 1e-9)
    if not inside.any():
        return np.full(density.shape[:-1], np.nan)
    return _db(density[..., inside].mean(axis=-1))


def _line(frequency: "Array", density: "Array", line: float) -> "Array":
    """Highest density within .6 Hz of the line over the median around it, in dB."""
    near = np.abs(frequency - line)
    peak = density[..., near <= 0.6].max(axis=-1)
    return _db(peak) - _db(np.median(density[..., (near >= 2) & (near <= 6)], axis=-1))


def _floor(
    signal: npt.NDArray[np.floating], missing: npt.NDArray[np.bool_], fs_hz: float, low: float, high: float
) -> "Array":
    """Density of the band in the quietest fifth of stretches of .1 s; what lies under the beats."""
    tile = max(2, round(_TILE_S * fs_hz))
    count = signal.shape[-1] // tile
    if count < 5:
        return np.full(signal.shape[:2], np.nan)
    spectrum = np.fft.rfft(signal, axis=-1)
    frequency = np.fft.rfftfreq(signal.shape[-1], 1 / fs_hz)
    band = np.fft.irfft(np.where((frequency >= low) & (frequency <= high), spectrum, 0), signal.shape[-1], axis=-1)
    shape = (*signal.shape[:2], count, tile)
    energy = (band[..., : count * tile] ** 2).reshape(shape).mean(axis=-1)
    energy[missing[..., : count * tile].reshape(shape).any(axis=-1)] = np.nan
    few = np.isfinite(energy).sum(axis=-1) < 5
    energy[few] = 0.0
    quiet = np.nanquantile(energy, _QUIET, axis=-1) / (high - low)
    return np.where(few, np.nan, _db(quiet))


def _db(density: npt.NDArray[np.floating]) -> "Array":
    return 10 * np.log10(np.maximum(density, LEAST_DENSITY))
