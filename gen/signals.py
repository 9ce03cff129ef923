"""Resampling, filters and unit conversion on arrays whose last axis is time."""

import re
from fractions import Fraction
from functools import lru_cache

import numpy as np
import scipy  # its parts load on first use: scipy.signal alone takes half a second

_MILLIVOLT_PER = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3, "nv": 1e-6}


@lru_cache(maxsize=256)
def millivolt_factor(unit: str) -> float:
    """What a value in ``unit`` is multiplied by to give millivolt.

    Raises:
        ValueError: the unit is no unit of voltage known here.
    """
    word = unit.strip().lower().replace(" ", "")
    for prefix, short in (("micro", "u"), ("milli", "m"), ("nano", "n")):
        word = word.replace(f"{prefix}v", f"{short}v")
    factor = _MILLIVOLT_PER.get(re.sub(r"(?<=v)olts?$", "", word))
    if factor is None:
        raise ValueError(f"unit {unit!r} cannot be converted to mV; accepted: V, mV, uV, nV")
    return factor


def resample(signal: np.ndarray, fs_hz: float, new_fs_hz: float) -> np.ndarray:
    """Polyphase resampling with an anti-alias filter; any rate, any length.

    The ends are continued with their own values instead of zeros, so an offset causes no ringing there. NaN stay
    NaN where the new samples touch them: gaps are filled by interpolation for the filter and cut out again.

    Args:
        signal: (..., time).
        fs_hz, new_fs_hz: old and new rate in Hz.

    Returns:
        (..., round(time * new / old)) of the same dtype.
    """
    if fs_hz == new_fs_hz:
        return signal
    if fs_hz <= 0 or new_fs_hz <= 0:
        raise ValueError(f"sampling rates must be above 0 Hz, got {fs_hz} and {new_fs_hz}")
    length = signal.shape[-1]
    new_length = max(1, round(length * new_fs_hz / fs_hz))
    ratio = Fraction(new_fs_hz / fs_hz).limit_denominator(1000)
    missing = np.isnan(signal)
    if missing.any():
        filled = fill_gaps(signal)
        out = resample(filled, fs_hz, new_fs_hz)
        position = np.clip(np.rint((np.arange(new_length) + 0.5) * length / new_length - 0.5), 0, length - 1)
        out[missing[..., position.astype(int)]] = np.nan
        return out
    out = scipy.signal.resample_poly(signal, ratio.numerator, ratio.denominator, axis=-1, padtype="edge")
    if out.shape[-1] < new_length:
        width = [(0, 0)] * (signal.ndim - 1) + [(0, new_length - out.shape[-1])]
        out = np.pad(out, width, mode="edge")
    return np.ascontiguousarray(out[..., :new_length].astype(signal.dtype, copy=False))


def fill_gaps(signal: np.ndarray) -> np.ndarray:
    """Replace NaN by linear interpolation along time; a lead without any value becomes 0."""
    flat = signal.reshape(-1, signal.shape[-1]).copy()
    if not np.isnan(flat).any():
        return flat.reshape(signal.shape)
    for row in flat:
        bad = np.isnan(row)
        if bad.all():
            row[:] = 0
        elif bad.any():
            row[bad] = np.interp(np.flatnonzero(bad), np.flatnonzero(~bad), row[~bad])
    return flat.reshape(signal.shape)


def bandpass(signal: np.ndarray, fs_hz: float, low_hz: float, high_hz: float, order: int = 3) -> np.ndarray:
    """Zero-phase Butterworth band-pass along the last axis."""
    return _zero_phase(_butterworth("bandpass", order, (low_hz, min(high_hz, 0.49 * fs_hz)), fs_hz), signal, fs_hz)


def highpass(signal: np.ndarray, fs_hz: float, cutoff_hz: float = 0.5, order: int = 2) -> np.ndarray:
    """Zero-phase Butterworth high-pass, which removes baseline drift."""
    return _zero_phase(_butterworth("highpass", order, (cutoff_hz,), fs_hz), signal, fs_hz)


def lowpass(signal: np.ndarray, fs_hz: float, cutoff_hz: float = 40.0, order: int = 4) -> np.ndarray:
    """Zero-phase Butterworth low-pass; a signal sampled too slowly to hold the cutoff is returned as it is."""
    if cutoff_hz >= 0.5 * fs_hz:
        return signal
    return _zero_phase(_butterworth("lowpass", order, (cutoff_hz,), fs_hz), signal, fs_hz)


def notch(signal: np.ndarray, fs_hz: float, mains_hz: float = 50.0, quality: float = 30.0) -> np.ndarray:
    """Zero-phase notch at the mains frequency; a signal sampled too slowly to hold it is returned as it is."""
    if mains_hz >= 0.5 * fs_hz:
        return signal
    sos = scipy.signal.tf2sos(*scipy.signal.iirnotch(mains_hz, quality, fs=fs_hz))
    return _zero_phase((sos, scipy.signal.sosfilt_zi(sos)), signal, fs_hz)


@lru_cache(maxsize=64)
def _butterworth(kind: str, order: int, edges_hz: tuple[float, ...], fs_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Sections of a Butterworth filter and their steady state; designing one takes longer than filtering a record."""
    edges = edges_hz[0] if len(edges_hz) == 1 else list(edges_hz)
    sos = scipy.signal.butter(order, edges, btype=kind, fs=fs_hz, output="sos")
    return sos, scipy.signal.sosfilt_zi(sos)


def _zero_phase(design: tuple[np.ndarray, np.ndarray], signal: np.ndarray, fs_hz: float) -> np.ndarray:
    """Forwards and backwards from the steady state of the ends, which are continued by their odd reflection.

    The same numbers as `scipy.signal.sosfiltfilt`, which works out the steady state anew each time.
    """
    sos, steady = design
    # scipy's default padding is a few samples; a 0.5 Hz filter rings for seconds.
    pad = min(signal.shape[-1] - 1, int(2 * fs_hz))
    start = steady.reshape(len(steady), *(1,) * (signal.ndim - 1), 2)
    x = _reflected(signal, pad)
    for _ in range(2):
        x, _ = scipy.signal.sosfilt(sos, x, axis=-1, zi=start * x[..., :1])
        x = x[..., ::-1]
    return x[..., pad : x.shape[-1] - pad].astype(signal.dtype, copy=False)


def _reflected(signal: np.ndarray, pad: int) -> np.ndarray:
    """The signal with ``pad`` samples of its point reflection at either end."""
    if pad < 1:
        return signal
    left = 2 * signal[..., :1] - signal[..., pad:0:-1]
    right = 2 * signal[..., -1:] - signal[..., -2 : -(pad + 2) : -1]
    return np.concatenate([left, signal, right], axis=-1)


def rms_mv(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """(n,) root mean square over leads and time of (n, 8, time) without drift below 0.5 Hz."""
    from gen.signals import highpass

    steady = highpass(fill_gaps(signal_mv), fs_hz, 0.5)
    return np.sqrt((steady.astype(np.float64) ** 2).mean(axis=(1, 2)))


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's r along the last axis, (...) float64; NaN where either does not move.

    Args:
        a, b: (..., time), alike in shape.
    """
    deviations = []
    still = np.zeros(np.shape(a)[:-1], dtype=bool)
    for x in (np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)):
        centred = x - x.mean(axis=-1, keepdims=True)
        # What rounding leaves of a constant is no movement.
        still |= np.abs(centred).max(axis=-1) <= 1e-12 * np.abs(x).max(axis=-1)
        deviations.append(centred)
    one, two = deviations
    power = np.sqrt((one * one).sum(axis=-1) * (two * two).sum(axis=-1))
    return np.divide((one * two).sum(axis=-1), power, out=np.full(power.shape, np.nan), where=~still & (power > 0))
