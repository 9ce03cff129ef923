"""Training samples for lead reconstruction: recorded and simulated ECGs, varied and masked."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from gen.datasets.cache import SignalCache
from gen.leads import LEADS_8
from gen.progress import Progress
from gen.signals import resample
from gen.training import Batch, sample_generator, shuffled_indices
from vae.training.augment import Augmentation, disturb, spatial_matrix, window
from vae.training.masks import random_mask


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """How samples are drawn."""

    window_s: float = 8.0
    """Length of a training window in seconds."""
    main_share: float = 0.5
    """Share of samples with WearECG's leads II, V1, V5 observed; the rest see other subsets."""
    simulated_share: float = 0.0
    """Share of samples drawn from the simulated cohort instead of the recordings."""
    augmentation: Augmentation = field(default_factory=Augmentation)


class LeadSource:
    """Draws (truth, noisy input, mask) triples; sample g of run seed s is always the same.

    Args:
        cache: recordings.
        indices: which records to train on.
        settings: how samples are drawn.
        fs_hz: rate of the samples.
        simulated: (n, 8, time) int16 microvolt of simulated ECGs at the cache's rate, where some are wanted.
    """

    def __init__(
        self,
        cache: SignalCache,
        indices: np.ndarray,
        settings: SourceSettings,
        fs_hz: float,
        simulated: np.ndarray | None = None,
    ) -> None:
        if settings.simulated_share > 0 and simulated is None:
            raise ValueError("simulated_share is above 0, but no simulated signals were given")
        self.cache, self.indices, self.settings, self.simulated = cache, np.asarray(indices), settings, simulated
        self.fs_hz = fs_hz

    def batch(self, numbers: np.ndarray, seed: int) -> Batch:
        """Tensors ``signal_mv``, ``input_mv`` (batch, 8, window) and ``observed`` bool; see `BatchSource`."""
        chosen = self.indices[shuffled_indices(numbers, len(self.indices), seed)]
        recorded = self.cache.batch(chosen)
        rngs = [sample_generator(seed, int(n)) for n in numbers]
        windows = np.stack([self._window(x, rng) for x, rng in zip(recorded, rngs, strict=True)])
        signal = resample(windows, self.cache.fs_hz, self.fs_hz)
        settings = self.settings
        masks = [random_mask(rng, signal.shape[2], settings.main_share) for rng in rngs]
        noisy = [disturb(x, self.fs_hz, rng, settings.augmentation) for x, rng in zip(signal, rngs, strict=True)]
        return {
            "signal_mv": torch.from_numpy(signal),
            "input_mv": torch.from_numpy(np.stack(noisy).astype(np.float32)),
            "observed": torch.from_numpy(np.stack(masks)),
        }

    def _window(self, recorded: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        settings = self.settings
        signal = recorded
        if rng.random() < settings.simulated_share and self.simulated is not None:
            signal = self.simulated[rng.integers(len(self.simulated))].astype(np.float32) / 1000
        signal = window(signal, round(settings.window_s * self.cache.fs_hz), rng, settings.augmentation)
        return spatial_matrix(rng, settings.augmentation).astype(np.float32) @ signal


class PlainSource:
    """Whole records as they are, resampled to the network's rate, with the same leads observed every time."""

    def __init__(self, cache: SignalCache, indices: np.ndarray, leads: Sequence[str], fs_hz: float) -> None:
        self.cache, self.indices, self.fs_hz = cache, np.asarray(indices), fs_hz
        self.rows = [LEADS_8.index(lead) for lead in leads]

    def batch(self, numbers: np.ndarray, seed: int) -> Batch:
        """Tensors ``signal_mv`` (batch, 8, time) and ``observed`` bool; see `BatchSource`."""
        chosen = self.indices[shuffled_indices(numbers, len(self.indices), seed)]
        signal = resample(np.nan_to_num(self.cache.batch(chosen)), self.cache.fs_hz, self.fs_hz)
        observed = np.zeros(signal.shape, dtype=bool)
        observed[:, self.rows] = True
        return {"signal_mv": torch.from_numpy(signal), "observed": torch.from_numpy(observed)}


def unit_power_covariance(cache: SignalCache, indices: np.ndarray, block: int = 256) -> np.ndarray:
    """(8, 8) covariance between leads, mean over records each scaled to unit power."""
    total = np.zeros((8, 8))
    for start in range(0, len(indices), block):
        x = cache.batch(indices[start : start + block]).astype(np.float64)
        power = np.sqrt((x**2).mean(axis=(1, 2), keepdims=True))
        x /= np.maximum(power, 0.02)
        total += np.einsum("nat,nbt->ab", x, x) / x.shape[2]
    return total / len(indices)


def simulated_uv(records: int, fs_hz: float, seed: int = 1_000_003) -> np.ndarray:
    """(records, 8, time) int16 microvolt from the simulated cohort."""
    from gen.simulate import simulate

    blocks = []
    with Progress("simulating ECGs", records) as bar:
        for start in range(0, records, 64):
            indices = range(start, min(start + 64, records))
            signal = simulate(indices, seed=seed, fs_hz=fs_hz, noise="light").signal_mv
            blocks.append(np.clip(np.rint(1000 * signal), -32767, 32767).astype(np.int16))
            bar.update(indices.stop)
    return np.concatenate(blocks)
