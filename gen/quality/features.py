"""Numbers that tell a usable lead from an unusable one, of every lead and of the leads together.

Signal quality indices of the literature on ECG quality: kurtosis and spectral shares (Li, Mark and Clifford, Physiol
Meas 29, 2008; Clifford et al., Physiol Meas 33, 2012), agreement of beat detection (Behar et al., IEEE TBME 60, 2013),
resemblance to the template of beats (Orphanidou et al., IEEE JBHI 19, 2015). Sizes enter as logarithms, and relative to
the beats where a gain must not matter.
"""

import numpy as np
import numpy.typing as npt
from scipy import signal as sps
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from gen.signals import resample

Array = npt.NDArray[np.float64]

#: Rate at which everything is measured.
FS_HZ = 250.0
#: What `lead_features` gives, in this order.
LEAD_FEATURES = (
    "log_range",  #: 0.5 to 99.5 percentile without drift, mV
    "log_peak",  #: largest to smallest value, mV
    "still",  #: share of half seconds that move less than 20 uV
    "wild",  #: share of half seconds that move more than 3 mV without drift
    "log_unsteady",  #: range of the half seconds' ranges: 95 percentile over median
    "log_drift",  #: below 0.5 Hz, peak to peak, mV
    "log_step",  #: largest change of the baseline within 0.4 s, mV
    "log_noise",  #: above 40 Hz, mV
    "log_noise_share",  #: the same over the height of the beats
    "log_mains_share",  #: 50 or 60 Hz over the height of the beats
    "qrs_share",  #: power of 5-15 Hz in 5-40 Hz
    "low_share",  #: power below 1 Hz in 0-40 Hz
    "log_kurtosis",  #: of 5-30 Hz: beats are rare and high
    "alike",  #: median correlation of beats with the median beat
    "log_residual",  #: what beats leave over of the median beat, in powers
    "agrees",  #: F1 of this lead's beats against those of all leads
)
#: Beats are looked at from so long before the complex until so long after it, seconds.
BEFORE_S, AFTER_S = 0.25, 0.40
_SMALL = 1e-4


def lead_features(signal_mv: Array, fs_hz: float) -> tuple[Array, Array]:
    """Features of every lead.

    Args:
        signal_mv: (lead, time) without holes.
        fs_hz: its rate.

    Returns:
        (lead, feature) by `LEAD_FEATURES`, and the complexes of all leads together in seconds.
    """
    x = resample(signal_mv, fs_hz, FS_HZ).astype(np.float64) if fs_hz != FS_HZ else signal_mv
    if x.shape[1] < FS_HZ:
        x = np.pad(x, ((0, 0), (0, int(FS_HZ) - x.shape[1])), mode="edge")
    x = x - _median(x)[:, None]
    steady, fast, band = _bands(x)
    half = round(0.5 * FS_HZ)
    moves, raw_moves = (np.ptp(_cut(rows, half), axis=2) for rows in (steady, x))
    low, high = np.percentile(steady[:, ::2], [0.5, 99.5], axis=1)
    usual, most = np.percentile(moves, [50, 95], axis=1)
    coarse = uniform_filter1d(x, 5, axis=1, mode="nearest")[:, ::5]  # 50 Hz
    slow = _median_of_11(coarse)
    drift = uniform_filter1d(x, round(FS_HZ), axis=1, mode="nearest")[:, :: round(FS_HZ / 2)]
    noise = _median(np.abs(fast)) / 0.6745
    density, frequency = _density(x)

    def power(first: float, last: float) -> Array:
        return density[:, (frequency >= first) & (frequency < last)].sum(axis=1)

    steep = envelope(band)
    own = [complexes(row) for row in steep]
    moving = steep[~np.isnan(steep[:, 0])]
    # Where half of the leads are steep at once, so that one lead's artefacts make no beats.
    beats = complexes(_median(moving.T)) if len(moving) else np.zeros(0)
    alike, residual, height = _templates(steady, beats)
    mains = np.maximum(_line(density, frequency, 50.0), _line(density, frequency, 60.0))
    columns = {
        "log_range": np.log(high - low + _SMALL),
        "log_peak": np.log(np.ptp(x, axis=1) + _SMALL),
        "still": (raw_moves < 0.02).mean(axis=1),
        "wild": (moves > 3.0).mean(axis=1),
        "log_unsteady": np.log((most + _SMALL) / (usual + _SMALL)),
        "log_drift": np.log(np.ptp(drift, axis=1) + 1e-2),
        "log_step": np.log(np.abs(slow[:, 20:] - slow[:, :-20]).max(axis=1) + 1e-2),
        "log_noise": np.log(noise + 1e-3),
        "log_noise_share": np.log((noise + 1e-3) / (height + 0.02)),
        "log_mains_share": np.log((mains + 1e-3) / (height + 0.02)),
        "qrs_share": power(5, 15) / (power(5, 40) + 1e-12),
        "low_share": power(0, 1) / (power(0, 40) + 1e-12),
        "log_kurtosis": np.log(_kurtosis(band)),
        "alike": alike,
        "log_residual": residual,
        "agrees": np.array([agreement(beats, found) for found in own]),
    }
    return np.stack([columns[name] for name in LEAD_FEATURES], axis=1), beats


def envelope(band: Array) -> Array:
    """Steepness of (lead, time) from 5 to 30 Hz, 1 at a complex; NaN in a lead where nothing moves."""
    energy = uniform_filter1d(band**2, round(0.1 * FS_HZ), axis=1)
    scale = np.percentile(energy[:, ::5], 98, axis=1, keepdims=True)
    return np.where(scale > 1e-7, np.clip(energy / np.maximum(scale, 1e-7), 0, 1.5), np.nan)


def complexes(steepness: Array) -> Array:
    """Complexes in seconds, of one envelope (time,)."""
    if np.isnan(steepness).any():
        return np.zeros(0)
    # What is high within two seconds counts, so that one artefact does not hide the beats around it.
    window = round(2.0 * FS_HZ)
    local = uniform_filter1d(maximum_filter1d(steepness, window), window)
    peaks, _ = sps.find_peaks(steepness, distance=round(0.25 * FS_HZ))
    found = peaks[(steepness[peaks] > 0.35 * local[peaks]) & (steepness[peaks] > 0.05)]
    return found / FS_HZ


def agreement(first: Array, second: Array, within_s: float = 0.1) -> float:
    """F1 of two lists of beats in seconds."""
    if not len(first) or not len(second):
        return 0.0
    near = np.abs(first[:, None] - second[None]) <= within_s
    hits = min(int(near.any(axis=1).sum()), int(near.any(axis=0).sum()))
    return 2 * hits / (len(first) + len(second))


def _cut(x: Array, size: int) -> Array:
    """(lead, part, size): parts without the rest."""
    return x[:, : x.shape[1] // size * size].reshape(len(x), -1, size)


def _median(x: Array) -> Array:
    """Over the last axis, of finite numbers; to the bit what NumPy gives, in a fifth of its time."""
    size = x.shape[-1]
    if size < 64:  # too short for a partition to pay
        part = np.sort(x, axis=-1)
        return part[..., size // 2] if size % 2 else (part[..., size // 2 - 1] + part[..., size // 2]) / 2
    part = np.partition(x, size // 2, axis=-1)
    middle = part[..., size // 2]
    return middle if size % 2 else (part[..., : size // 2].max(axis=-1) + middle) / 2


def _median_of_11(x: Array) -> Array:
    """Running median of (lead, time); beyond the ends their values go on."""
    padded = np.pad(x, ((0, 0), (5, 5)), mode="edge")
    return _median(np.lib.stride_tricks.sliding_window_view(padded, 11, axis=1))


def _bands(x: Array) -> tuple[Array, Array, Array]:
    """Without drift below 0.5 Hz; above 40 Hz; 5 to 30 Hz. Butterworth gains without phase, by one transform."""
    margin = min(x.shape[1] - 1, round(FS_HZ))
    padded = np.pad(x, ((0, 0), (margin, margin)), mode="reflect", reflect_type="odd")
    size = next_fast_len(padded.shape[1], real=True)
    spectrum = rfft(padded, size, axis=1)
    frequency = rfftfreq(size, 1 / FS_HZ)

    def high(corner_hz: float, order: int) -> Array:
        return 1 / (1 + (corner_hz / np.maximum(frequency, 1e-9)) ** (2 * order))

    def back(gain: Array) -> Array:
        return irfft(spectrum * gain, size, axis=1)[:, margin : margin + x.shape[1]]

    return back(high(0.5, 2)), back(high(40.0, 2)), back(high(5.0, 3) * (1 - high(30.0, 3)))


def _density(x: Array) -> tuple[Array, Array]:
    """Power (lead, frequency) by a Hann window, the sum of which is the variance, and the frequencies."""
    time = x.shape[1]
    line = np.linspace(0, 1, time)
    straight = x - (x[:, :1] + (x[:, -1:] - x[:, :1]) * line)
    window = np.hanning(time)
    power = np.abs(rfft((straight - straight.mean(axis=1, keepdims=True)) * window, axis=1)) ** 2
    return 2 * power / (time * np.sum(window**2)), rfftfreq(time, 1 / FS_HZ)


def _line(density: Array, frequency: Array, at_hz: float) -> Array:
    inside = np.abs(frequency - at_hz) <= 0.5
    around = (np.abs(frequency - at_hz) > 1.0) & (np.abs(frequency - at_hz) < 4.0)
    floor = _median(density[:, around])[:, None]
    return np.sqrt(np.maximum(density[:, inside] - floor, 0).sum(axis=1))


def _kurtosis(x: Array) -> Array:
    """Fourth moment over the squared second, 1 to 100; 3 for noise, and 1 where nothing moves."""
    square = (x - x.mean(axis=1, keepdims=True)) ** 2
    return np.clip((square**2).mean(axis=1) / np.maximum(square.mean(axis=1) ** 2, 1e-20), 1.0, 100.0)


def _templates(x: Array, beats: Array) -> tuple[Array, Array, Array]:
    """Median correlation, log of residual over template power, and height in mV, each (lead,)."""
    before, after = round(BEFORE_S * FS_HZ), round(AFTER_S * FS_HZ)
    at = np.rint(beats * FS_HZ).astype(int)
    at = at[(at >= before) & (at < x.shape[1] - after)]
    leads = len(x)
    if len(at) < 3:
        return np.zeros(leads), np.full(leads, 3.0), np.zeros(leads)
    parts = x[:, at[:, None] + np.arange(-before, after)]
    parts = parts - parts.mean(axis=2, keepdims=True)
    template = _median(np.moveaxis(parts, 1, 2))
    norm = np.sqrt((parts**2).sum(axis=2) * (template**2).sum(axis=1)[:, None])
    like = (parts * template[:, None]).sum(axis=2) / np.maximum(norm, 1e-9)
    left = ((parts - template[:, None]) ** 2).mean(axis=(1, 2))
    ratio = np.log((left + 1e-5) / ((template**2).mean(axis=1) + 1e-5))
    return np.median(like, axis=1), np.clip(ratio, -6, 6), np.ptp(template, axis=1)
