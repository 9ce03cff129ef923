"""Randomness that belongs to a sample: equal whatever batch, process or device the sample is in.

Every draw has a name. `Stream` tells the draws for one training or generated sample apart, `Purpose` the generators of
a run; a number is never given twice, and never changed: with it, everything drawn from it would change.

*Sample k of seed s* has two rules, one for each kind of sample:

- numbered ones (a generated set, a batch of training): `sample_seeds`, then `seeded_normal` with a stream;
- draws for a recording (``num_samples`` of a reconstruction, of a heart): `record_generator`, by the record's name.

Evaluation uses the same functions as the pipelines, so that it scores what they draw.
"""

import zlib
from collections.abc import Iterable, Sequence
from enum import IntEnum, unique
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@unique
class Stream(IntEnum):
    """What is drawn for a sample: the second word of a Philox key whose first is the sample's seed."""

    NOISE = 0
    """Noise of a training objective, that of a reparameterised latent included."""
    NOISE_CHOICE = 1
    """How much of that noise, or whether it comes from the posterior or the prior."""
    TIME = 3
    """Time of a diffusion objective."""
    CONDITIONS = 11
    """Which groups of conditions are left out in training."""
    NUMBERS = 12
    """Which single numbers are left out."""
    BASE = 13
    """Whether an identity embedding is left out."""
    CROP = 14
    """Where a latent is cut."""
    GENERATION = 21
    """The state that generation starts from."""
    WHOLE = 22
    """Whether an encoder sees a batch unmasked."""
    IMPUTED = 23
    """Numbers that findings imply."""
    MASK = 24
    """Which patches are masked."""
    ANATOMY = 31
    """Noise of a cine codec's anatomy latent."""
    MOTION = 32
    """Noise of its motion latents."""
    FLOW_NOISE = 41
    """Noise of a flow objective."""
    FLOW_TIME = 42
    """Its time."""
    FLOW_DROP = 43
    """What its conditions lose."""
    BEAT = 45
    """The vector that a beat's form is drawn from; other tries, forms and candidates add 1000, 100 and 10."""
    CRITERIA = 46
    """Which criteria of its findings a generated beat is held to."""
    FINDINGS = 47
    """Which of several beats is taken; other tries take numbers 1000 further on."""


@unique
class Purpose(IntEnum):
    """What a generator is for: the spawn key of its seed sequence."""

    SAMPLE = 0
    """Draws and augmentation of a sample in a source."""
    SAMPLE_SEED = 1
    """The seed of a sample."""
    ORDER = 2
    """The order of an epoch."""
    STEP = 3
    """Dropout and the like in a step; noise of a validation."""
    NOISE_BANK = 4
    """Recorded-like noise that is made before training."""
    WEIGHTS = 5
    """The first weights of a run."""
    VISIT = 8
    """A simulated person's visit."""
    LIKE = 31
    """What a set made like another one asks for."""
    PAIRS = 32
    """Which pairs of a person's ECGs are kept."""
    TEACHING = 41
    """The order of a quiz."""


def sample_seeds(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Seeds (batch,) int64, not negative, of samples by their global numbers in a run of seed ``seed``."""
    return np.array(
        [_sequence(seed, n, Purpose.SAMPLE_SEED).generate_state(1, np.uint64)[0] >> 1 for n in numbers], dtype=np.int64
    )


def sample_generator(seed: int, number: int) -> np.random.Generator:
    """NumPy generator of sample ``number`` in a run of seed ``seed``, for draws and augmentation in a source."""
    return np.random.default_rng(_sequence(seed, number, Purpose.SAMPLE))


def record_generator(seed: int, name: str, k: int) -> np.random.Generator:
    """NumPy generator of draw ``k`` for the recording of this name, in a run of seed ``seed``.

    It depends on nothing else: not on the other recordings, their order, or how many draws are made.
    """
    return np.random.default_rng((seed, name_number(name), k))


def name_number(name: str) -> int:
    """A number below 2**32 that stands for a name in a seed."""
    return zlib.crc32(name.encode())


def _sequence(seed: int, number: int, purpose: Purpose) -> np.random.SeedSequence:
    return np.random.SeedSequence((int(seed), int(number)), spawn_key=(int(purpose),))


def seeded_normal(
    shape: Sequence[int],
    sample_seeds: "torch.Tensor",
    device: "torch.device | str | None" = None,
    *,
    stream: int = Stream.NOISE,
) -> "torch.Tensor":
    """Standard normal noise, drawn sample by sample.

    Args:
        shape: shape of one sample, without the batch.
        sample_seeds: (batch,) int64, a batch's ``sample_seed``.
        device: where the result goes; the seeds' own device by default. It is drawn on the CPU, so every device
            gets the same values.
        stream: what it is for; draws of other streams for the same sample are independent.

    Returns:
        (batch, *shape) float32.
    """
    draws = [g.standard_normal(tuple(shape), dtype=np.float32) for g in _generators(sample_seeds, stream)]
    return _stack(draws, shape, sample_seeds, device)


def seeded_uniform(
    shape: Sequence[int],
    sample_seeds: "torch.Tensor",
    device: "torch.device | str | None" = None,
    *,
    stream: int = Stream.NOISE,
) -> "torch.Tensor":
    """Uniform values in [0, 1), drawn sample by sample; see `seeded_normal`."""
    draws = [g.random(tuple(shape), dtype=np.float32) for g in _generators(sample_seeds, stream)]
    return _stack(draws, shape, sample_seeds, device)


def _generators(seeds: "torch.Tensor", stream: int) -> Iterable[np.random.Generator]:
    # Philox takes all 128 bits of its key; torch's CPU generator would keep 32 bits of the seed.
    for seed in seeds.tolist():
        yield np.random.Generator(np.random.Philox(key=np.array([seed, int(stream)], dtype=np.uint64)))


def _stack(
    draws: list[np.ndarray], shape: Sequence[int], seeds: "torch.Tensor", device: "torch.device | str | None"
) -> "torch.Tensor":
    import torch

    values = np.stack(draws) if draws else np.zeros((0, *shape), dtype=np.float32)
    return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(seeds.device if device is None else device)
