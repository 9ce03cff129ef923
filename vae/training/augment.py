"""Variations of a recorded ECG that physics allows: another heart axis, other electrode places, other rate and size.

With about two thousand training records it is prior knowledge that keeps a network from learning patients by heart.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from gen.leads import DOWER, LEADS_8

_TO_DIPOLE = np.linalg.pinv(DOWER)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Strength of each variation; 0 switches it off.

    Turning the heart or shifting electrodes much more than this widens what the missing leads can be, given the
    observed ones, beyond what patients show, and the network then predicts a mean over it.
    """

    rotation_deg: float = 8.0
    """Standard deviation (three axes together) of a rotation of the dipole."""
    stretch: float = 0.05
    """Standard deviation of the log gain along each axis of the dipole."""
    electrode_shift: float = 0.04
    """Standard deviation of a chest electrode's shift towards its neighbour, 1 being the neighbour's place."""
    amplitude: float = 0.2
    """Standard deviation of the log gain of the whole record."""
    rate: float = 0.15
    """Largest relative change of the time scale."""
    noise_mv: float = 0.005
    """Largest RMS of white noise added to the observed samples alone."""
    drift_mv: float = 0.01
    """Largest amplitude of slow drift added to each observed lead alone."""


def spatial_matrix(rng: np.random.Generator, settings: Augmentation) -> np.ndarray:
    """(8, 8) matrix that turns and stretches the dipolar part of a record and shifts the chest electrodes.

    The part of the signal outside the dipole's reach is left as it is.
    """
    axis = rng.normal(0, np.deg2rad(settings.rotation_deg) / np.sqrt(3), 3)
    gain = np.exp(rng.normal(0, settings.stretch, 3))
    turned = Rotation.from_rotvec(axis).as_matrix() * gain
    matrix = np.eye(len(LEADS_8)) + DOWER @ (turned - np.eye(3)) @ _TO_DIPOLE
    return _electrode_matrix(rng, settings.electrode_shift) @ matrix * np.exp(rng.normal(0, settings.amplitude))


def _electrode_matrix(rng: np.random.Generator, strength: float) -> np.ndarray:
    matrix = np.eye(len(LEADS_8))
    first, last = LEADS_8.index("V1"), LEADS_8.index("V6")
    shifts = np.clip(rng.normal(0, strength, last - first + 1), -0.6, 0.6)
    for lead, shift in zip(range(first, last + 1), shifts, strict=True):
        neighbour = int(np.clip(lead + np.sign(shift), first, last))
        matrix[lead, lead] -= abs(shift)
        matrix[lead, neighbour] += abs(shift)
    return matrix


def window(signal: np.ndarray, num_samples: int, rng: np.random.Generator, settings: Augmentation) -> np.ndarray:
    """A random window of (8, time) with a changed time scale, by linear interpolation; (8, num_samples) float32."""
    length = signal.shape[1]
    speed = min(1 + rng.uniform(-settings.rate, settings.rate), (length - 1) / max(1, num_samples - 1))
    start = rng.uniform(0, max(0.0, length - 1 - speed * (num_samples - 1)))
    if settings.rate == 0:
        start = np.floor(start)  # recorded samples as they are
    position = start + speed * np.arange(num_samples)
    low = np.minimum(position.astype(np.int64), length - 2)
    part = (position - low).astype(np.float32)
    return signal[:, low] * (1 - part) + signal[:, low + 1] * part


def disturb(signal: np.ndarray, fs_hz: float, rng: np.random.Generator, settings: Augmentation) -> np.ndarray:
    """What an electrode adds: white noise and slow drift, independently in each lead of (8, time) mV."""
    leads, num_samples = signal.shape
    noise = rng.standard_normal(signal.shape, dtype=np.float32) * rng.uniform(0, settings.noise_mv)
    time_s = np.arange(num_samples, dtype=np.float32) / fs_hz
    frequency = rng.uniform(0.05, 0.5, (leads, 1)).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, (leads, 1)).astype(np.float32)
    drift = np.sin(2 * np.pi * frequency * time_s + phase) * rng.uniform(0, settings.drift_mv, (leads, 1))
    return signal + noise + drift.astype(np.float32)
