"""Whether a signal behaves like an ECG recording: limb-lead law, amplitudes, spectrum, agreement of the leads.

Per-record measures take signals ``(n, lead, time)`` in mV and give ``(n,)`` or ``(n, lead)``; distances between two
sets give one number. Nothing here needs the sets to be paired.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import signal as sps

from gen.leads import LEADS_12, limb_lead_residual
from gen.records import InputError
from metrics.statistics.arrays import Array, signal_pair, signals

LARGEST_MV = 10.0
_QUIET_MV = 1e-3  # 1 uV: below the resolution of any recorder
_FLOOR = 1e-9  # mV^2/Hz added before the logarithm, the noise floor of a good amplifier


def limb_lead_residual_mv(*, generated: npt.ArrayLike, leads: Sequence[str] = LEADS_12) -> float:
    """Mean over records of the RMS deviation from Einthoven's and Goldberger's laws, mV; 0 is exact.

    Real recordings are near their resolution (about .005 mV). See `gen.leads.limb_lead_residual` for what is raised.
    """
    return float(limb_lead_residual(signals(generated, name="generated"), leads).mean())


def above_share(*, generated: npt.ArrayLike, limit_mv: float = LARGEST_MV) -> float:
    """Share of records with a sample beyond +-``limit_mv``."""
    x = signals(generated, name="generated")
    return float((np.abs(x).max(axis=(1, 2)) > limit_mv).mean())


def flat_leads(*, generated: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """(n, lead): the lead's standard deviation is below 1 uV."""
    return signals(generated, name="generated").std(axis=-1) < _QUIET_MV


def clipped_leads(*, generated: npt.ArrayLike, fs_hz: float, hold_s: float = 0.02) -> npt.NDArray[np.bool_]:
    """(n, lead): the lead stays within 1 uV of its extreme for ``hold_s`` on end, at a level of 0.5 mV or more.

    A saturated amplifier does that; a wave's rounded top does not.
    """
    x = signals(generated, name="generated")
    run = max(2, round(hold_s * fs_hz))
    clipped = np.zeros(x.shape[:2], dtype=bool)
    for sign in (1, -1):
        level = (sign * x).max(axis=-1, keepdims=True)
        held = (sign * x >= level - _QUIET_MV) & (level >= 0.5)
        total = np.cumsum(np.pad(held, [(0, 0), (0, 0), (1, 0)]), axis=-1)
        clipped |= ((total[..., run:] - total[..., :-run]) == run).any(axis=-1)
    return clipped & ~flat_leads(generated=x)


def drift_power(*, generated: npt.ArrayLike, fs_hz: float, below_hz: float = 0.5) -> Array:
    """Mean over leads (n,) of the power below ``below_hz`` without the offset, mV^2."""
    frequency, density = _power(generated, fs_hz)
    return _band(frequency, density, 0, below_hz).mean(axis=-1)


def mains_power(*, generated: npt.ArrayLike, fs_hz: float, mains_hz: float = 50.0) -> Array:
    """Mean over leads (n,) of the power within 1 Hz of the mains that rises above its surroundings, mV^2.

    Raises:
        InputError: the sampling rate is too low to hold the mains.
    """
    if fs_hz < 2 * (mains_hz + 5):
        raise InputError(f"fs_hz={fs_hz}; accepted: at least {2 * (mains_hz + 5):g} Hz to see mains at {mains_hz:g} Hz")
    frequency, density = _power(generated, fs_hz)
    line = _band(frequency, density, mains_hz - 1, mains_hz + 1)
    beside = _band(frequency, density, mains_hz - 5, mains_hz - 2) + _band(
        frequency, density, mains_hz + 2, mains_hz + 5
    )
    return np.clip(line - beside / 3, 0, None).mean(axis=-1)  # 2 Hz of line beside 6 Hz of surroundings


def log_psd_distance(
    *, reference: npt.ArrayLike, generated: npt.ArrayLike, fs_hz: float, low_hz: float = 0.5, high_hz: float = 40.0
) -> float:
    """RMS difference in dB of the two sets' mean power spectra, over leads and frequencies; 0 is best."""
    first, second = signal_pair(reference, generated)
    spectra = []
    for x in (first, second):
        frequency, density = _welch(x, fs_hz)
        spectra.append(10 * np.log10(density.mean(axis=0) + _FLOOR))
    band = (frequency >= low_hz) & (frequency <= high_hz)
    return float(np.sqrt(np.mean((spectra[0] - spectra[1])[:, band] ** 2)))


def lead_correlation_distance(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """Frobenius norm of the difference of the mean lead-by-lead correlation matrices; 0 is best."""
    first, second = signal_pair(reference, generated)
    return float(np.linalg.norm(_lead_correlation(first) - _lead_correlation(second)))


def amplitude_wasserstein(*, reference: npt.ArrayLike, generated: npt.ArrayLike, points: int = 2000) -> Array:
    """Wasserstein-1 distance (lead,) of the two sets' distributions of sample values, mV; 0 is best.

    It is the mean difference of the quantile functions, taken at ``points`` levels.
    """
    first, second = signal_pair(reference, generated)
    level = (np.arange(points) + 0.5) / points
    quantiles = [np.quantile(np.swapaxes(x, 0, 1).reshape(x.shape[1], -1), level, axis=1) for x in (first, second)]
    return np.abs(quantiles[0] - quantiles[1]).mean(axis=0)


def autocorrelation_distance(
    *, reference: npt.ArrayLike, generated: npt.ArrayLike, fs_hz: float, max_lag_s: float = 2.0
) -> float:
    """RMS difference of the mean autocorrelation functions over lags up to ``max_lag_s`` and leads; 0 is best."""
    first, second = signal_pair(reference, generated)
    reach = min(int(max_lag_s * fs_hz), first.shape[-1] - 1)
    return float(np.sqrt(np.mean((_autocorrelation(first, reach) - _autocorrelation(second, reach)) ** 2)))


def _power(generated: npt.ArrayLike, fs_hz: float) -> tuple[Array, Array]:
    x = signals(generated, name="generated")
    # One window as long as the record: drift below 0.5 Hz must not smear into the heart rate.
    return sps.periodogram(x, fs=fs_hz, window="hann", detrend="constant", axis=-1)


def _welch(x: Array, fs_hz: float) -> tuple[Array, Array]:
    length = min(x.shape[-1], int(2 * fs_hz))
    return sps.welch(x, fs=fs_hz, nperseg=length, axis=-1)


def _band(frequency: Array, density: Array, low_hz: float, high_hz: float) -> Array:
    inside = (
        (frequency > low_hz) & (frequency < high_hz) if low_hz == 0 else (frequency >= low_hz) & (frequency <= high_hz)
    )
    return density[..., inside].sum(axis=-1) * (frequency[1] - frequency[0])


def _lead_correlation(x: Array) -> Array:
    """Mean over records (lead, lead); a flat lead correlates with nothing."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for record in x:
        centred = record - record.mean(axis=-1, keepdims=True)
        norm = np.linalg.norm(centred, axis=-1)
        unit = centred / np.where(norm > _QUIET_MV * np.sqrt(x.shape[-1]), norm, np.inf)[:, None]
        total += unit @ unit.T
    return total / len(x)


def _autocorrelation(x: Array, reach: int) -> Array:
    """Mean over records (lead, reach) of the normalised autocorrelation at lags 1..reach; biased, so it fades."""
    length = 1 << int(np.ceil(np.log2(x.shape[-1] + reach)))
    total = np.zeros((x.shape[1], reach))
    for record in x:
        centred = record - record.mean(axis=-1, keepdims=True)
        power = np.abs(np.fft.rfft(centred, length)) ** 2
        correlation = np.fft.irfft(power, length)[:, : reach + 1]
        quiet = correlation[:, :1] <= _QUIET_MV**2 * x.shape[-1]
        total += np.where(quiet, 0.0, correlation / np.where(quiet, 1.0, correlation[:, :1]))[:, 1:]
    return total / len(x)
