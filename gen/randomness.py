"""Randomness that belongs to a sample: equal whatever batch, process or device the sample is in."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch


def sample_seeds(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Seeds (batch,) int64, not negative, of samples by their global numbers in a run of seed ``seed``."""
    return np.array([_sequence(seed, n, 1).generate_state(1, np.uint64)[0] >> 1 for n in numbers], dtype=np.int64)


def sample_generator(seed: int, number: int) -> np.random.Generator:
    """NumPy generator of sample ``number`` in a run of seed ``seed``, for draws and augmentation in a source."""
    return np.random.default_rng(_sequence(seed, number, 0))


def _sequence(seed: int, number: int, purpose: int) -> np.random.SeedSequence:
    return np.random.SeedSequence((int(seed), int(number)), spawn_key=(purpose,))


def seeded_normal(
    shape: Sequence[int], sample_seeds: torch.Tensor, device: torch.device | str | None = None, *, stream: int = 0
) -> torch.Tensor:
    """Standard normal noise, drawn sample by sample.

    Args:
        shape: shape of one sample, without the batch.
        sample_seeds: (batch,) int64, a batch's ``sample_seed``.
        device: where the result goes; the seeds' own device by default. It is drawn on the CPU, so every device
            gets the same values.
        stream: a number that tells several draws for one sample apart (noise, time, dropping, ...).

    Returns:
        (batch, *shape) float32.
    """
    draws = [g.standard_normal(tuple(shape), dtype=np.float32) for g in _generators(sample_seeds, stream)]
    return _stack(draws, shape, sample_seeds, device)


def seeded_uniform(
    shape: Sequence[int], sample_seeds: torch.Tensor, device: torch.device | str | None = None, *, stream: int = 0
) -> torch.Tensor:
    """Uniform values in [0, 1), drawn sample by sample; see `seeded_normal`."""
    draws = [g.random(tuple(shape), dtype=np.float32) for g in _generators(sample_seeds, stream)]
    return _stack(draws, shape, sample_seeds, device)


def _generators(seeds: torch.Tensor, stream: int) -> Iterable[np.random.Generator]:
    # Philox takes all 128 bits of its key; torch's CPU generator would keep 32 bits of the seed.
    for seed in seeds.tolist():
        yield np.random.Generator(np.random.Philox(key=np.array([seed, stream], dtype=np.uint64)))


def _stack(
    draws: list[np.ndarray], shape: Sequence[int], seeds: torch.Tensor, device: torch.device | str | None
) -> torch.Tensor:
    values = np.stack(draws) if draws else np.zeros((0, *shape), dtype=np.float32)
    return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(seeds.device if device is None else device)
