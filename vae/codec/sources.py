"""What the ECG codec learns from: windows of recorded and simulated ECGs; its linear start and latent statistics."""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from gen.datasets.cache import SignalCache
from gen.leads import LEADS_8
from gen.randomness import sample_generator
from gen.training.data import Batch, shuffled_indices
from vae.codec.network import EcgCodec, to_patches
from vae.training.augment import Augmentation, spatial_matrix, window

#: Larger values (mV) are artefacts of the electrode; training signals are cut there.
LARGEST_MV = 8.0
#: Added to a record's RMS (mV) before records are weighted by its inverse.
FLOOR_MV = 0.05
RIDGE = 1e-6


@dataclass(frozen=True, kw_only=True)
class CodecSettings:
    """How samples are drawn."""

    window_s: float = 4.0
    """Length of a training window in seconds; a multiple of 80 ms."""
    varied_share: float = 0.5
    """Share of samples whose heart axis, electrode places and amplitude are varied; the rest is as it is."""
    simulated_share: float = 0.3
    """Share of samples drawn from the simulated cohort instead of the recordings."""
    # The time scale stays: interpolation would blunt slopes. Noise stays out: the codec would learn to keep it.
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(amplitude=0.3, rate=0.0, noise_mv=0.0, drift_mv=0.0)
    )


class CodecSource:
    """Draws windows of eight leads; sample g of run seed s is always the same.

    Args:
        cache: recordings.
        indices: which records to train on.
        settings: how samples are drawn.
        simulated: (n, 8, time) int16 microvolt of simulated ECGs at the cache's rate, where some are wanted.
    """

    def __init__(
        self, cache: SignalCache, indices: np.ndarray, settings: CodecSettings, simulated: np.ndarray | None = None
    ) -> None:
        if settings.simulated_share > 0 and simulated is None:
            raise ValueError("simulated_share is above 0, but no simulated signals were given")
        self.cache, self.indices, self.settings, self.simulated = cache, np.asarray(indices), settings, simulated

    def batch(self, numbers: np.ndarray, seed: int) -> Batch:
        """Tensor ``signal_mv`` (batch, 8, window) float32; see `BatchSource`."""
        chosen = self.indices[shuffled_indices(numbers, len(self.indices), seed)]
        recorded = np.nan_to_num(self.cache.batch(chosen))
        rngs = [sample_generator(seed, int(n)) for n in numbers]
        windows = [self._window(x, rng) for x, rng in zip(recorded, rngs, strict=True)]
        return {"signal_mv": torch.from_numpy(np.stack(windows).clip(-LARGEST_MV, LARGEST_MV))}

    def _window(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        settings = self.settings
        if rng.random() < settings.simulated_share and self.simulated is not None:
            signal = self.simulated[rng.integers(len(self.simulated))].astype(np.float32) / 1000
        signal = window(signal, round(settings.window_s * self.cache.fs_hz), rng, settings.augmentation)
        if rng.random() < settings.varied_share:
            signal = spatial_matrix(rng, settings.augmentation).astype(np.float32) @ signal
        return signal.astype(np.float32)


@torch.no_grad()
def linear_start(model: EcgCodec, signal_mv: np.ndarray) -> None:
    """Set the codec's linear paths in closed form, and its companded scale; changes the model in place.

    Analysis: principal components of one token's samples, (8 leads x 40), records weighted by their inverse power so
    that weak ones count. Synthesis: ridge regression of a token's samples on the coefficients of it and its
    neighbours.

    Args:
        model: a new codec.
        signal_mv: (n, 8, time) mV of training records, time a multiple of the codec's ``downsample``.
    """
    signal = torch.from_numpy(np.nan_to_num(signal_mv).clip(-LARGEST_MV, LARGEST_MV))
    power = signal.square().mean(dim=(1, 2), keepdim=True).sqrt()
    tokens = to_patches(signal, model.downsample)[:, :, 0].double()
    weighted = tokens / (power + FLOOR_MV)
    second = torch.einsum("nat,nbt->ab", weighted, weighted) / (tokens.shape[0] * tokens.shape[2])
    basis = torch.linalg.eigh(second).eigenvectors.flip(1)[:, : model.latent_channels]
    coefficients = torch.einsum("nat,ac->nct", weighted, basis)
    design = torch.cat([F.pad(coefficients, pad)[:, :, 1:-1] for pad in ((2, 0), (1, 1), (0, 2))], dim=1)
    gram = torch.einsum("nat,nbt->ab", design, design)
    gram = gram + RIDGE * gram.trace() / len(gram) * torch.eye(len(gram), dtype=gram.dtype)
    solution = torch.linalg.solve(gram, torch.einsum("nat,nbt->ab", design, weighted))
    channels = model.latent_channels
    model.analysis.weight.zero_()
    model.analysis.weight[:, :, 0, 1] = basis.T.float()
    model.synthesis.weight.copy_(solution.view(3, channels, -1).permute(2, 1, 0)[:, :, None].float())
    spread = torch.einsum("nat,ac->nct", tokens, basis).square().mean(dim=(0, 2)).sqrt()
    model.coefficient_scale.copy_(spread.clamp_min(1e-6).float())


@torch.no_grad()
def latent_statistics(model: EcgCodec, signal_mv: np.ndarray, batch: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and SD (channels,) of the codec's latents as they are before standardisation.

    Args:
        model: whose ``latent_mean`` and ``latent_std`` say what its standardised latents stand for now.
        signal_mv: (n, 8, time) mV of training records.
        batch: records encoded at once.
    """
    parts = [model.encode(torch.from_numpy(signal_mv[i : i + batch])) for i in range(0, len(signal_mv), batch)]
    latent = torch.cat(parts) * model.latent_std[:, None] + model.latent_mean[:, None]
    return latent.mean(dim=(0, 2)), latent.std(dim=(0, 2))


def record_errors(predicted: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """``mae`` (record,) in mV and ``pearson`` (record, lead) of (record, 8, time) mV."""
    from gen.signals import pearson

    assert predicted.shape[1] == len(LEADS_8)
    return {"mae": np.abs(predicted - truth).mean(axis=(1, 2)), "pearson": pearson(predicted, truth)}


@torch.no_grad()
def reconstruct(model: EcgCodec, signal_mv: np.ndarray, batch: int = 32) -> np.ndarray:
    """Decode of encode of (n, 8, time) mV, time a multiple of the codec's ``downsample``."""
    parts = [model.forward(torch.from_numpy(signal_mv[i : i + batch])).numpy() for i in range(0, len(signal_mv), batch)]
    return np.concatenate(parts)
