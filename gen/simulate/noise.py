"""What electrodes, muscles and the mains add to an ECG.

Noise arises at the nine electrodes, not in the leads: the eight leads are differences of electrodes, so disturbances
of one arm show in I, in II and, through Wilson's terminal, in all chest leads, as they do in real recordings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

#: (8, 9): electrodes RA, LA, LL, V1..V6 -> leads I, II, V1..V6.
ELECTRODES_TO_LEADS = np.zeros((8, 9), dtype=np.float32)
ELECTRODES_TO_LEADS[0, [0, 1]] = (-1, 1)
ELECTRODES_TO_LEADS[1, [0, 2]] = (-1, 1)
ELECTRODES_TO_LEADS[2:, :3] = -1.0 / 3.0
ELECTRODES_TO_LEADS[2:, 3:] = np.eye(6)


# Arms and legs move and tense more than the chest wall; breathing moves the chest electrodes.
_CHEST_MUSCLE = np.array([1, 1, 1] + [0.45] * 6, dtype=np.float32)[:, None]
_CHEST_DRIFT = np.array([1, 1, 1] + [1.5] * 6, dtype=np.float32)[:, None]


@dataclass(frozen=True)
class NoiseLevel:
    """Typical amplitudes in mV; each recording draws its own around them."""

    drift_mv: float = 0.0  #: baseline wander under 0.7 Hz
    muscle_mv: float = 0.0  #: wide-band RMS
    mains_mv: float = 0.0
    mains_hz: float = 50.0  #: 50 or 60
    motion_per_min: float = 0.0  #: electrode movement artefacts
    pop_per_min: float = 0.0  #: sudden steps of contact potential


LEVELS = {
    "none": NoiseLevel(),
    "light": NoiseLevel(drift_mv=0.013, muscle_mv=0.0028, mains_mv=0.0015, motion_per_min=0.4),
    "wearable": NoiseLevel(drift_mv=0.12, muscle_mv=0.020, mains_mv=0.008, motion_per_min=4.0, pop_per_min=0.8),
}


def noise_level(noise: str | Mapping[str, float]) -> NoiseLevel:
    """The level of a name or of the fields of `NoiseLevel`.

    Raises:
        ValueError: unknown name or field.
    """
    if isinstance(noise, str):
        if noise not in LEVELS:
            raise ValueError(f"noise must be one of {', '.join(LEVELS)} or a mapping, got {noise!r}")
        return LEVELS[noise]
    try:
        return NoiseLevel(**noise)
    except TypeError as error:
        raise ValueError(f"noise fields are {', '.join(NoiseLevel.__dataclass_fields__)}: {error}") from None


@lru_cache(maxsize=8)
def _drift_basis(samples: int, fs_hz: float) -> np.ndarray:
    """Raised-cosine interpolation from knots every 0.7 s; (knots, samples) float32."""
    step = 0.7 * fs_hz
    knots = int(samples / step) + 3
    distance = (np.arange(samples)[None] / step - np.arange(knots)[:, None] + 1.0) / 1.5
    return np.where(np.abs(distance) < 1, 0.5 + 0.5 * np.cos(np.pi * np.clip(distance, -1, 1)), 0).astype(np.float32)


def draw_noise(rng: np.random.Generator, level: NoiseLevel, samples: int, fs_hz: float) -> np.ndarray:
    """Noise of one recording in the eight leads, (8, samples) mV float32."""
    field = np.zeros((9, samples), dtype=np.float32)
    strength = np.exp(np.array([0.85, 0.65, 0.8]) * rng.standard_normal(3))
    contact = np.exp(0.45 * rng.standard_normal(9)).astype(np.float32)[:, None]
    if level.drift_mv:
        basis = _drift_basis(samples, fs_hz)
        walk = np.cumsum(rng.standard_normal((9, len(basis)), dtype=np.float32), axis=1) * 0.45
        walk += rng.standard_normal((9, len(basis)), dtype=np.float32) * 0.5
        walk = (walk - walk.mean(axis=1, keepdims=True)) * contact * _CHEST_DRIFT
        field += (np.float32(level.drift_mv * strength[0]) * walk) @ basis
    if level.muscle_mv:
        white = rng.standard_normal((9, samples), dtype=np.float32)
        white[:, 1:] -= np.float32(0.55) * white[:, :-1]
        time = np.linspace(0, 1, samples, dtype=np.float32)
        turns = np.float32(2 * np.pi * rng.random() * 2) * time + np.float32(2 * np.pi * rng.random())
        swell = np.float32(1.0) + np.float32(0.5) * np.sin(turns)
        # Half of the leads' noise comes from each electrode of a pair.
        white *= np.float32(level.muscle_mv * strength[1] * 0.62) * contact * _CHEST_MUSCLE
        white *= swell
        field += white
    if level.mains_mv:
        time = np.arange(samples, dtype=np.float32) / np.float32(fs_hz)
        phase = np.float32(2 * np.pi * rng.random())
        hum = np.sin(np.float32(2 * np.pi * level.mains_hz) * time + phase)
        gain = (rng.standard_normal(9) * level.mains_mv * strength[2]).astype(np.float32)
        field += gain[:, None] * hum
    for _ in range(rng.poisson(level.motion_per_min * samples / fs_hz / 60.0)):
        _add_motion(rng, field, fs_hz)
    for _ in range(rng.poisson(level.pop_per_min * samples / fs_hz / 60.0)):
        _add_pop(rng, field, fs_hz)
    return ELECTRODES_TO_LEADS @ field


def _add_motion(rng: np.random.Generator, field: np.ndarray, fs_hz: float) -> None:
    """A swing of one electrode over 0.3-1.2 s."""
    samples = field.shape[1]
    centre, width = rng.random() * samples, (0.08 + 0.25 * rng.random()) * fs_hz
    time = (np.arange(samples) - centre) / width
    shape = np.exp(-0.5 * time * time) * np.cos(1.3 * time + 2 * np.pi * rng.random())
    field[rng.integers(9)] += (rng.normal(0, 0.25) * shape).astype(np.float32)


def _add_pop(rng: np.random.Generator, field: np.ndarray, fs_hz: float) -> None:
    """A step of contact potential that decays within a second or two."""
    samples = field.shape[1]
    start = int(rng.random() * samples)
    time = np.arange(samples - start) / fs_hz
    field[rng.integers(9), start:] += (rng.normal(0, 0.35) * np.exp(-time / (0.4 + rng.random()))).astype(np.float32)
