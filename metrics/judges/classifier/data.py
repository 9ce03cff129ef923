"""Training samples of the classifier: recorded ECGs at 100 Hz, varied as recordings vary, and mixed in pairs."""

from dataclasses import dataclass

import numpy as np
import torch

from gen.leads import LEADS_8
from gen.randomness import sample_generator
from gen.signals import resample
from gen.training.data import Batch, shuffled_indices

#: The network's rate.
FS_HZ = 100.0


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Strength of each variation; 0 switches it off (1 for the window)."""

    window: float = 0.8
    """Share of the record that a sample shows, from a random place."""
    rate: float = 0.1
    """Largest relative change of the time scale."""
    amplitude: float = 0.12
    """Standard deviation of the log gain of the whole record; hypertrophy is read from millivolts, so it is small."""
    lead_gain: float = 0.08
    """Standard deviation of the log gain of each lead (the place of an electrode)."""
    noise_mv: float = 0.02
    """Largest RMS of white noise."""
    drift_mv: float = 0.1
    """Largest amplitude of slow drift in each lead."""
    lead_dropout: float = 0.3
    """Share of records that lose leads (one to three, set to zero)."""
    mixup: float = 0.5
    """Share of records mixed with another one."""


@dataclass(frozen=True)
class Examples:
    """Records with targets.

    Attributes:
        signal_uv: (record, 8, time) int16 microvolt at `FS_HZ`.
        superclasses, statements: (record, class) float32 in [0, 1].
        demographics: (record, 2) float32, NaN where unknown, see `metrics.judges.classifier.labels`.
    """

    signal_uv: np.ndarray
    superclasses: np.ndarray
    statements: np.ndarray
    demographics: np.ndarray

    def __len__(self) -> int:
        return len(self.signal_uv)


class ExampleSource:
    """Draws varied and mixed examples; sample g of run seed s is always the same."""

    def __init__(self, examples: Examples, augmentation: Augmentation) -> None:
        self.examples, self.augmentation = examples, augmentation

    def batch(self, numbers: np.ndarray, seed: int) -> Batch:
        """Tensors ``signal_mv`` (batch, 8, time) and the targets; see `gen.training.BatchSource`."""
        chosen = shuffled_indices(numbers, len(self.examples), seed)
        samples = [self._sample(int(i), seed, int(n)) for i, n in zip(chosen, numbers, strict=True)]
        return {name: torch.from_numpy(np.stack([sample[name] for sample in samples])) for name in samples[0]}

    def _sample(self, index: int, seed: int, number: int) -> dict[str, np.ndarray]:
        rng = sample_generator(seed, number)
        first = self._varied(index, rng)
        if rng.random() >= self.augmentation.mixup:
            return first
        second = self._varied(int(rng.integers(len(self.examples))), rng)
        share = np.float32(rng.beta(0.4, 0.4))
        return {name: share * first[name] + (1 - share) * second[name] for name in first}

    def _varied(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        examples = self.examples
        signal = examples.signal_uv[index].astype(np.float32) / 1000
        return {
            "signal_mv": vary(signal, rng, self.augmentation),
            "superclasses": examples.superclasses[index],
            "statements": examples.statements[index],
            "demographics": examples.demographics[index],
        }


def vary(signal: np.ndarray, rng: np.random.Generator, settings: Augmentation) -> np.ndarray:
    """A random variation of an ECG (8, time) in mV: (8, round(window * time)) float32."""
    speed = 1 + rng.uniform(-settings.rate, settings.rate)
    signal = stretch(signal, round(settings.window * signal.shape[1]), speed, rng.random())
    leads, length = signal.shape
    gain = rng.normal(0, settings.amplitude) + rng.normal(0, settings.lead_gain, leads)
    signal = signal * np.exp(gain)[:, None].astype(np.float32)
    signal = signal + rng.uniform(0, settings.noise_mv) * rng.standard_normal(signal.shape, dtype=np.float32)
    time_s = np.arange(length, dtype=np.float32) / FS_HZ
    phase = 2 * np.pi * rng.random((leads, 1)) + 2 * np.pi * rng.uniform(0.05, 0.5) * time_s
    signal = signal + rng.uniform(0, settings.drift_mv, (leads, 1)) * np.sin(phase)
    if rng.random() < settings.lead_dropout:
        signal[rng.choice(leads, rng.integers(1, 4), replace=False)] = 0
    return signal.astype(np.float32)


def stretch(signal: np.ndarray, window: int, speed: float, start: float) -> np.ndarray:
    """Play a part of a signal at another speed, by linear interpolation.

    Args:
        signal: (lead, time).
        window: samples to return, at most those there are.
        speed: of the time scale; reduced where the signal is too short for it.
        start: 0 to 1, from the earliest to the latest place of the window.

    Returns:
        (lead, window).
    """
    last = signal.shape[1] - 1
    speed = min(speed, last / max(1, window - 1))
    position = start * (last - speed * (window - 1)) + speed * np.arange(window)
    low = np.clip(position.astype(np.int64), 0, last - 1)
    part = (position - low).astype(signal.dtype)
    return signal[:, low] * (1 - part) + signal[:, low + 1] * part


def to_network(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """ECGs (n, 8, time) in mV at any rate -> float32 at `FS_HZ`; NaN becomes the lead's mean."""
    signal = np.asarray(signal_mv, dtype=np.float32)
    if signal.ndim != 3 or signal.shape[1] != len(LEADS_8):
        raise ValueError(f"signal of shape {signal.shape}; expected (n, 8, time)")
    missing = np.isnan(signal)
    if missing.any():
        known = np.where(missing, 0, signal).sum(axis=2) / np.maximum(1, (~missing).sum(axis=2))
        signal = np.where(missing, known[:, :, None], signal)
    return resample(signal, fs_hz, FS_HZ)
