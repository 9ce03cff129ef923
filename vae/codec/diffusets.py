"""DiffuSETS' own autoencoder as a reference configuration (Lai et al. 2025, arXiv 2501.05932).

Twelve leads of 1,024 samples in 10 s (102.4 Hz) to a latent of 4 x 128 and back. The encoder is WearECG's; the decoder
is narrower at full rate. Encoder 12.22 M, decoder 17.33 M parameters. Mended here, as in `vae.networks.wearecg`:
attention applies its norm, and scaling the latent changes no tensor in place.
"""

from pathlib import Path

import torch
from torch import nn

from gen.checkpoint import load_model
from gen.network import Network, register_to_config
from gen.randomness import seeded_normal
from gen.records import InputError
from vae.networks.losses import kl_standard
from vae.networks.wearecg import (
    LATENT_CHANNELS,
    LATENT_SCALE,
    LOG_VAR_RANGE,
    Double,
    Residual,
    published_decoder_start,
    published_encoder,
)

NUM_LEADS = 12


class DiffusetsVAE(Network):
    """The published VAE.

    Args:
        fs_hz: rate of the signals.
        kl_weight: final weight of the Kullback-Leibler term; the published one rises to 1 over ten epochs.
    """

    latent_channels = LATENT_CHANNELS
    #: Three halvings of the time axis.
    downsample = 8
    #: Where the weights are from, once loaded.
    folder: Path | None = None

    @register_to_config
    def __init__(self, fs_hz: float = 102.4, kl_weight: float = 1.0) -> None:
        super().__init__()
        self.fs_hz, self.kl_weight = fs_hz, kl_weight
        self.encoder = published_encoder()
        self.decoder = nn.Sequential(
            *published_decoder_start(),
            *_stage(512, 256, 3),
            Double(256),
            *_stage(256, 128, 3),
            nn.GroupNorm(32, 128),
            nn.SiLU(),
            nn.Conv1d(128, NUM_LEADS, 3, padding=1),
        )

    def encode_distribution(self, signal_mv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance (batch, 4, time / 8) float32, not scaled, of (batch, 12, time) mV.

        Raises:
            InputError: the leads are not twelve, or time is not a multiple of 8.
        """
        if signal_mv.ndim != 3 or signal_mv.shape[1] != NUM_LEADS or signal_mv.shape[2] % self.downsample:
            raise InputError(
                f"signal of shape {tuple(signal_mv.shape)}: the published codec takes (batch, {NUM_LEADS}, time), "
                f"time a multiple of {self.downsample}"
            )
        mean, log_var = self.encoder(signal_mv).float().chunk(2, dim=1)
        return mean, log_var.clamp(*LOG_VAR_RANGE)

    def encode(self, signal_mv: torch.Tensor) -> torch.Tensor:
        """Scaled posterior mean (batch, 4, time / 8) float32 of (batch, 12, time) mV."""
        return self.encode_distribution(signal_mv)[0] * LATENT_SCALE

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Signals (batch, 12, time) mV float32 of scaled latents (batch, 4, time / 8)."""
        return self.decoder(latent / LATENT_SCALE).float()

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Squared error summed over a record plus the weighted KL term, as published; ``signal_mv`` has 12 leads."""
        truth = batch["signal_mv"]
        mean, log_var = self.encode_distribution(truth)
        noise = seeded_normal(mean.shape[1:], batch["sample_seed"], mean.device)
        rebuilt = self.decode((mean + (0.5 * log_var).exp() * noise) * LATENT_SCALE)
        sse, kl = (rebuilt - truth).square().sum() / len(truth), kl_standard(mean, log_var)
        return {"loss": sse + self.kl_weight * kl, "sse": sse, "kl": kl}


def load(folder: str | Path | None = None, *, untrained: bool = False) -> DiffusetsVAE:
    """The published codec from a checkpoint folder; the suite ships no weights of it.

    Args:
        folder: of a checkpoint.
        untrained: with its first weights, which say nothing; to time it or count its parameters.

    Raises:
        InputError: no folder, or its weights do not fit exactly.
    """
    if untrained:
        return DiffusetsVAE()
    if folder is None:
        raise InputError("codec 'diffusets': no weights are shipped; accepted: the folder of a checkpoint")
    codec = load_model(DiffusetsVAE, folder)
    codec.folder = Path(folder)
    return codec


def _stage(width_in: int, width: int, blocks: int) -> list[nn.Module]:
    """Residual blocks, the first of which changes the width."""
    return [Residual(width_in if k == 0 else width, width) for k in range(blocks)]
