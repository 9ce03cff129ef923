"""WearECG's own network as a reference configuration (Guan et al. 2025, arXiv 2510.11442).

A Stable-Diffusion-style VAE in one dimension over a canvas of twelve leads, of which the observed ones are filled:
widths 128-256-512, three halvings of the time axis, latent 4 x time/8. Encoder 12.22 M, decoder 22.28 M parameters.
Two slips of the published code are mended here: the input is really masked, and attention applies its norm.
"""

import torch
import torch.nn.functional as F
from torch import nn

from gen.leads import LEADS_8, LEADS_12
from gen.network import Network, register_to_config
from gen.randomness import seeded_normal
from vae.networks.losses import kl_standard
from vae.networks.objective import Decoded

#: The published latent scale, inherited from image models.
LATENT_SCALE = 0.18215
LATENT_CHANNELS = 4
LOG_VAR_RANGE = (-30.0, 20.0)


class WearECG(Network):
    """The published VAE.

    Args:
        fs_hz: rate that the network works at; the published "100" model reads 100 Hz, its last configuration 500 Hz.
        kl_weight: weight of the Kullback-Leibler term.
    """

    #: Three halvings of the time axis.
    multiple = 8

    @register_to_config
    def __init__(self, fs_hz: float = 100.0, kl_weight: float = 1e-4, pipeline: str = "reconstruct") -> None:
        super().__init__()
        self.fs_hz, self.kl_weight = fs_hz, kl_weight
        self.encoder = published_encoder()
        self.decoder = nn.Sequential(
            *published_decoder_start(),
            *(Residual(512, 512) for _ in range(3)),
            Double(512),
            Residual(512, 256),
            Residual(256, 256),
            Residual(256, 256),
            nn.GroupNorm(32, 256),
            nn.SiLU(),
            nn.Conv1d(256, 12, 3, padding=1),
        )

    def encode(self, canvas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Canvas (batch, 12, time) mV, zero where not observed -> mean and log-variance (batch, 4, time / 8)."""
        mean, log_var = self.encoder(canvas).float().chunk(2, dim=1)
        return mean, log_var.clamp(*LOG_VAR_RANGE)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Scaled latent (batch, 4, time / 8) -> (batch, 12, time) mV."""
        return self.decoder(z / LATENT_SCALE).float()

    def forward(
        self, signal_mv: torch.Tensor, observed: torch.Tensor, augmented_mv: torch.Tensor | None = None
    ) -> Decoded:
        """Reconstruct from the posterior's mean; (batch, 8, time) in and out as in `vae.networks.lead_vae.LeadVAE`.

        The published network states no uncertainty: the scale is NaN.
        """
        del augmented_mv  # it reads the eight leads of the canvas that are there
        mean, _ = self.encode(canvas_of(signal_mv, observed))
        rebuilt = self.decode(mean * LATENT_SCALE)[:, _EIGHT]
        return Decoded(rebuilt, torch.full_like(rebuilt, torch.nan))

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Mean squared error over all twelve leads plus the weighted KL term, as published."""
        truth = batch["signal_mv"]
        mean, log_var = self.encode(canvas_of(truth, batch["observed"]))
        noise = seeded_normal(mean.shape[1:], batch["sample_seed"], mean.device)
        rebuilt = self.decode((mean + (0.5 * log_var).exp() * noise) * LATENT_SCALE)
        everything = canvas_of(truth, torch.ones_like(batch["observed"]))
        mse, kl = F.mse_loss(rebuilt, everything), kl_standard(mean, log_var)
        return {"loss": mse + self.kl_weight * kl, "mse": mse, "kl": kl}


_EIGHT = [LEADS_12.index(lead) for lead in LEADS_8]


def canvas_of(signal_mv: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """Twelve-lead canvas (batch, 12, time) of eight leads: zero where unobserved, limb leads where both are there."""
    from gen.leads import LEADS_8_TO_12

    matrix = torch.as_tensor(LEADS_8_TO_12, dtype=torch.float32, device=signal_mv.device)
    values = torch.where(observed, signal_mv, 0.0)
    # A computed lead is there only where all the leads it needs are.
    known = torch.einsum("wl,blt->bwt", (matrix != 0).float(), (~observed).float()) == 0
    return torch.einsum("wl,blt->bwt", matrix, values) * known


class Residual(nn.Module):
    """GroupNorm, SiLU, convolution, twice, and a skip (1 x 1 where the width changes)."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(32, width_in),
            nn.SiLU(),
            nn.Conv1d(width_in, width, 3, padding=1),
            nn.GroupNorm(32, width),
            nn.SiLU(),
            nn.Conv1d(width, width, 3, padding=1),
        )
        self.skip = nn.Identity() if width_in == width else nn.Conv1d(width_in, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width_in, time) -> (batch, width, time)."""
        return self.skip(x) + self.body(x)


class Attention(nn.Module):
    """Single-head self-attention over time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width, time) -> the same shape."""
        q, k, v = self.qkv(self.norm(x).transpose(1, 2)).chunk(3, dim=-1)
        weights = torch.softmax(q @ k.transpose(1, 2) * q.shape[-1] ** -0.5, dim=-1)
        return x + self.out(weights @ v).transpose(1, 2)


class Halve(nn.Module):
    """Convolution with stride 2 and one zero padded on the right."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width, time) -> (batch, width, time / 2)."""
        return self.conv(F.pad(x, (0, 1)))


class Double(nn.Module):
    """Nearest-neighbour upsampling by 2 and a convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width, time) -> (batch, width, 2 time)."""
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


def published_encoder() -> nn.Sequential:
    """(batch, 12, time) mV -> (batch, 2 x 4, time / 8), the encoder of WearECG and of DiffuSETS."""
    return nn.Sequential(
        nn.Conv1d(12, 128, 3, padding=1),
        Residual(128, 128),
        Residual(128, 128),
        Halve(128),
        Residual(128, 256),
        Residual(256, 256),
        Halve(256),
        Residual(256, 512),
        Residual(512, 512),
        Halve(512),
        *(Residual(512, 512) for _ in range(3)),
        Attention(512),
        Residual(512, 512),
        nn.GroupNorm(32, 512),
        nn.SiLU(),
        nn.Conv1d(512, 2 * LATENT_CHANNELS, 3, padding=1),
        nn.Conv1d(2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1),
    )


def published_decoder_start() -> list[nn.Module]:
    """(batch, 4, time / 8) -> (batch, 512, time / 2), where the decoders of WearECG and DiffuSETS are alike."""
    return [
        nn.Conv1d(LATENT_CHANNELS, LATENT_CHANNELS, 1),
        nn.Conv1d(LATENT_CHANNELS, 512, 3, padding=1),
        Residual(512, 512),
        Attention(512),
        *(Residual(512, 512) for _ in range(4)),
        Double(512),
        *(Residual(512, 512) for _ in range(3)),
        Double(512),
    ]
