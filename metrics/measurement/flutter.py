"""Flutter of the atria: waves of one steady rate between the complexes, whatever the ventricles do.

Between complexes a flutter is periodic from end to end: one frequency of 240 to 360 per minute and its harmonic explain
most of what is there, at the same phase throughout. Fibrillation keeps no phase, and a P wave before each complex is
one bump in a quiet stretch. Where complexes come with every second wave, waves, P and T look alike.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

from gen.signals import resample
from metrics.measurement.beats import Beats

Array = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]

#: Leads that flutter waves are looked for in.
LEADS = ("I", "II", "III", "aVF", "V1")
#: Rate of the analysis, and the band that is kept, Hz.
_FS_HZ, _BAND_HZ = 125.0, (1.5, 20.0)
#: Rates that are compared, and those of flutter, Hz.
_SCANNED_HZ, FLUTTER_HZ = (3.3, 6.2), (4.0, 6.0)
_STEP_HZ = 0.02
_HARMONICS = 2
#: Taken out around a complex, seconds before and after.
_BEFORE_S, _AFTER_S = 0.03, 0.06
#: Longest stretch in which waves have to keep their phase, seconds.
_WINDOW_S = 10.0
#: Least share of the time that lies between complexes, and the shortest record in seconds.
_LEAST, _SHORTEST_S = 0.3, 4.0
#: All leads and the clearest one agree within this, Hz.
_AGREE_HZ = 0.1


@dataclass(frozen=True)
class FlutterWaves:
    """The steadiest waves between complexes.

    Attributes:
        hz: their rate.
        share: of the power of the clearest lead, that they explain; 0 to 1.
    """

    hz: float
    share: float


def flutter_waves(signal_mv: Signal, fs_hz: float, leads: tuple[str, ...], beats: Beats) -> FlutterWaves | None:
    """Waves of flutter's rate; None where there are none, no lead that would show them, or too little between beats.

    Args:
        signal_mv: (lead, time) without holes.
        fs_hz: its rate.
        leads: their names.
        beats: complexes, which are left out.
    """
    rows = [leads.index(lead) for lead in LEADS if lead in leads]
    if not rows or signal_mv.shape[1] < _SHORTEST_S * fs_hz:
        return None
    slow = resample(signal_mv[None, rows], fs_hz, _FS_HZ)[0].astype(np.float64)
    slow = sosfiltfilt(butter(2, _BAND_HZ, btype="band", fs=_FS_HZ, output="sos"), slow, axis=1)
    time = np.arange(slow.shape[1]) / _FS_HZ
    kept = np.ones(len(time), dtype=bool)
    for on, off in zip(beats.qrs_on.tolist(), beats.qrs_off.tolist(), strict=True):
        kept[(time > on - _BEFORE_S) & (time < off + _AFTER_S)] = False
    length = min(round(_WINDOW_S * _FS_HZ), len(time))
    found = [
        explained(slow[:, first : first + length], kept[first : first + length])
        for first in range(0, len(time) - length + 1, length)
        if kept[first : first + length].mean() >= _LEAST
    ]
    if not found:
        return None
    shares = np.mean(found, axis=0)
    together, clearest = shares.mean(axis=1), int(shares.max(axis=0).argmax())
    hz, own_hz = (float(_frequencies()[k]) for k in (together.argmax(), shares[:, clearest].argmax()))
    if not FLUTTER_HZ[0] <= hz <= FLUTTER_HZ[1] or abs(hz - own_hz) > _AGREE_HZ:
        return None
    return FlutterWaves(own_hz, float(shares[:, clearest].max()))


def explained(signal: Array, kept: npt.NDArray[np.bool_]) -> Array:
    """(frequency, lead) share of the power of (lead, time) that each frequency and its harmonic explain.

    Least squares with a constant, on the kept samples alone; sums of products of sines are sums of sines of other
    frequencies, so that all frequencies are solved together.
    """
    waves = _waves(signal.shape[1])  # (2 * harmonics, frequency, time)
    count = float(kept.sum())
    y = np.where(kept, signal, 0.0)
    y = np.where(kept, y - y.sum(axis=1, keepdims=True) / count, 0.0)
    power = (y**2).sum(axis=1) + 1e-12
    over = waves[: 2 * _HARMONICS] @ kept.astype(np.float64)  # sums of exp(i k w t) over what is kept
    right = waves[:_HARMONICS] @ y.T  # (harmonic, frequency, lead)
    size = 1 + 2 * _HARMONICS
    normal = np.zeros((over.shape[1], size, size))
    normal[:, 0, 0] = count
    for j in range(_HARMONICS):
        cos_j, sin_j = 1 + 2 * j, 2 + 2 * j
        normal[:, 0, cos_j] = normal[:, cos_j, 0] = over[j].real
        normal[:, 0, sin_j] = normal[:, sin_j, 0] = over[j].imag
        for k in range(_HARMONICS):
            cos_k, sin_k = 1 + 2 * k, 2 + 2 * k
            total = over[j + k + 1]
            apart = over[abs(j - k) - 1] if j != k else np.full(over.shape[1], count, dtype=complex)
            sign = 1.0 if j >= k else -1.0  # of sin((j - k) w t)
            normal[:, cos_j, cos_k] = 0.5 * (apart.real + total.real)
            normal[:, sin_j, sin_k] = 0.5 * (apart.real - total.real)
            normal[:, sin_j, cos_k] = 0.5 * (total.imag + sign * apart.imag * (j != k))
            normal[:, cos_k, sin_j] = normal[:, sin_j, cos_k]
    sums = np.zeros((over.shape[1], size, len(signal)))
    for j in range(_HARMONICS):
        sums[:, 1 + 2 * j], sums[:, 2 + 2 * j] = right[j].real, right[j].imag
    fit = np.linalg.solve(normal + 1e-6 * count * np.eye(size), sums)
    return np.asarray((fit * sums).sum(axis=1) / power)


def _frequencies() -> Array:
    return np.arange(*_SCANNED_HZ, _STEP_HZ)


@lru_cache(maxsize=4)
def _waves(length: int) -> npt.NDArray[np.complex128]:
    """(2 * harmonics, frequency, time) of exp(i k w t)."""
    time = np.arange(length) / _FS_HZ
    base = np.exp(2j * np.pi * _frequencies()[:, None] * time)
    return np.stack([base**k for k in range(1, 2 * _HARMONICS + 1)])
