"""The default model of lead reconstruction: a conditional VAE over eight leads, for any observed subset.

It follows arbitrary conditioning (Ivanov et al. 2019, "Variational Autoencoder with Arbitrary Conditioning"): a
*prior* p(z | observed samples) and a *posterior* q(z | all samples) over one latent vector per record, and a decoder
p(x | z, observed samples). The latent holds what the observed leads leave open about the whole record (how the heart
lies, how the chest conducts); the posterior is used in training only. Reconstruction decodes the prior's mean, or K
draws from the prior.

The record is scaled to unit power over its observed samples, missing samples are filled with the linear conditional
mean (`vae.networks.spatial`), and a convolutional U-Net over patches of 20 ms predicts the correction and its scale.
"""

from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gen.layers import attend, zero
from gen.network import Network, register_to_config
from vae.networks.baseline import DriftPrior, Split, split
from vae.networks.objective import Decoded, Encoded, LossWeights, reconstruction_loss
from vae.networks.spatial import conditional_mean

Layer = TypeVar("Layer", bound=nn.Module)
#: Records weaker than this (mV RMS) are not amplified further.
MIN_SCALE_MV = 0.02
#: Log of the mV RMS of a typical record's deviations, for `LeadVAE`'s ``level``; chosen on fold 9.
TYPICAL_LEVEL = -1.6
LOG_VAR_RANGE = (-8.0, 4.0)
LOG_SCALE_RANGE = (-6.0, 4.0)


class LeadVAE(Network):
    """Conditional VAE that rebuilds eight leads from any observed samples of them.

    Args:
        fs_hz: rate of the signals.
        widths: channels of the U-Net's stages; each stage halves the token rate.
        kernel: tokens that a convolution spans.
        patch: samples per token.
        blocks: residual blocks per stage, on the way down and up.
        condition_width: size of the conditioning vector.
        latent: size of z.
        heads: attention heads at the coarsest stage.
        dropout: share of channels dropped in training.
        posterior_width: channels of the posterior's reader.
        covariance: (8, 8) covariance between leads of training records scaled to unit power; identity if unknown.
        band_factors: level in percent -> factor per lead that turns the predicted scale into a band's half-width;
            measured on validation records by ``physiogen train vae/bands``.
        residual: spectrum (``hz``, ``amplitude``) and ``gain`` per lead of what draws of the latent leave open, in
            units of the predicted scale; measured like the bands.
        drift_covariance: (8, 8) mV^2 covariance of slow parts (`vae.networks.baseline`) of training records. With it
            `forward` takes the slow part of every lead away before the network and gives missing leads one of their
            own; without it the network reads signals as they are.
        level: log of the mV RMS that the network is told in place of the record's own, so that it answers a
            recording at another gain with the same leads at that gain; None: the record's own.
        pipeline: name under which `gen.load` finds the pipeline of a checkpoint.
    """

    @register_to_config
    def __init__(
        self,
        fs_hz: float = 500.0,
        widths: tuple[int, ...] = (128, 208, 320),
        kernel: int = 3,
        patch: int = 10,
        blocks: int = 2,
        condition_width: int = 128,
        latent: int = 32,
        heads: int = 4,
        dropout: float = 0.1,
        posterior_width: int = 192,
        covariance: tuple[tuple[float, ...], ...] | None = None,
        band_factors: dict[str, list[float]] | None = None,
        residual: dict[str, list[float]] | None = None,
        drift_covariance: tuple[tuple[float, ...], ...] | None = None,
        level: float | None = None,
        pipeline: str = "reconstruct",
    ) -> None:
        super().__init__()
        covariance_array = np.eye(8) if covariance is None else np.asarray(covariance, dtype=np.float64)
        self.register_buffer(
            "lead_covariance", torch.as_tensor(covariance_array, dtype=torch.float32), persistent=False
        )
        self.drift = None if drift_covariance is None else DriftPrior(torch.tensor(drift_covariance))
        self.loss_weights = LossWeights()
        self.fs_hz, self.patch, self.level = fs_hz, patch, level
        #: Time is padded to a multiple of this many samples.
        self.multiple = patch * 2 ** (len(widths) - 1)
        self.stem = _conv(16 * patch, widths[0], kernel)
        self.condition = _mlp(9, condition_width, condition_width)
        self.encoder = nn.ModuleList(
            Stage(ResidualBlock(w, w, condition_width, dropout, kernel) for _ in range(blocks)) for w in widths
        )
        self.down = nn.ModuleList(_conv(a, b, 3, 2) for a, b in pairwise(widths))
        self.attention_in = SelfAttention(widths[-1], heads)
        self.prior = _mlp(2 * widths[-1], widths[-1], 2 * latent)
        self.posterior = Posterior(4 * patch, posterior_width, latent)
        self.latent_condition = _mlp(latent, condition_width, condition_width)
        self.attention_out = SelfAttention(widths[-1], heads)
        up = widths[::-1]
        self.up = nn.ModuleList(_conv(a, b, 3) for a, b in pairwise(up))
        self.decoder = nn.ModuleList(
            Stage(
                ResidualBlock(2 * w if stage and not block else w, w, condition_width, dropout, kernel)
                for block in range(blocks)
            )
            for stage, w in enumerate(up)
        )
        last = zero(_conv(widths[0], 16 * patch, 3))
        self.head = nn.Sequential(_norm(widths[0]), nn.SiLU(), last)
        # oneDNN's bf16 convolutions are 2-8 times faster on this layout than on PyTorch's default one.
        self.to(memory_format=torch.channels_last)

    def encode(
        self, signal_mv: torch.Tensor, observed: torch.Tensor, augmented_mv: torch.Tensor | None = None
    ) -> Encoded:
        """Read the observed samples.

        Args:
            signal_mv: (batch, 8, time) mV, ``LEADS_8``, at ``fs_hz``, time a multiple of ``multiple``. Values where
                ``observed`` is False have no influence (they may be NaN).
            observed: (batch, 8, time) bool.
            augmented_mv: see `vae.networks.spatial.conditional_mean`.
        """
        signal = torch.where(observed, signal_mv, 0.0)
        # In double precision: the order of summation depends on the batch size, and its last bit, rounded to bfloat16
        # later, would be worth microvolts.
        power, count = signal.double().square().sum((1, 2)), observed.sum((1, 2))
        if augmented_mv is not None:
            power = power + torch.nan_to_num(augmented_mv).double().square().sum((1, 2))
            count = count + (~torch.isnan(augmented_mv)).sum((1, 2))
        scale = (power / count.clamp_min(1)).sqrt().clamp_min(MIN_SCALE_MV).float()[:, None, None]
        augmented = None if augmented_mv is None else augmented_mv / scale
        filled = conditional_mean(signal / scale, observed, self.lead_covariance, augmented)
        return self.read(filled, observed, scale)

    def read(self, filled: torch.Tensor, observed: torch.Tensor, scale_mv: torch.Tensor) -> Encoded:
        """The network's own part of `encode`: no branch depends on a value, so that it can be exported as a graph.

        Args:
            filled: (batch, 8, time) in units of the scale, unobserved samples estimated (`vae.networks.spatial`).
            observed: (batch, 8, time) bool.
            scale_mv: (batch, 1, 1) RMS of the observed samples.
        """
        share = observed.float().mean(dim=2)
        level = scale_mv.log()[:, :, 0]
        if self.level is not None:
            level = torch.full_like(level, self.level)
        condition = self.condition(torch.cat([share, level], dim=1))
        h = self.stem(self._to_patches(torch.cat([filled, observed.to(filled.dtype)], dim=1)))
        skips = []
        for stage, blocks in enumerate(self.encoder):
            h = blocks(h, condition)
            if stage < len(self.down):
                skips.append(h)
                h = self.down[stage](h)
        h = self.attention_in(h)
        pooled = torch.cat([h.mean((2, 3)), h.amax((2, 3))], dim=1)
        mean, log_var = self.prior(pooled).float().chunk(2, dim=1)
        return Encoded(scale_mv, filled, condition, h, skips, mean, log_var.clamp(*LOG_VAR_RANGE))

    def posterior_of(self, signal_mv: torch.Tensor, scale_mv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance (batch, latent) of q(z | all samples) for complete signals (batch, 8, time) mV."""
        mean, log_var = self.posterior(signal_mv / scale_mv)
        return mean, log_var.clamp(*LOG_VAR_RANGE)

    def decode(self, encoded: Encoded, z: torch.Tensor) -> Decoded:
        """Rebuild all eight leads from what was observed and a latent (batch, latent)."""
        condition = encoded.condition + self.latent_condition(z)
        h = encoded.bottleneck
        for stage, blocks in enumerate(self.decoder):
            if stage:
                skip = encoded.skips[-stage]
                h = F.interpolate(self.up[stage - 1](h), size=skip.shape[-2:], mode="nearest")
                h = torch.cat([h, skip], dim=1)
            h = blocks(h, condition)
            if stage == 0:
                h = self.attention_out(h)
        out = self._from_patches(self.head(h).float())
        correction, log_scale = out.chunk(2, dim=1)
        return Decoded(
            (encoded.filled + correction) * encoded.scale_mv,
            log_scale.clamp(*LOG_SCALE_RANGE).exp() * encoded.scale_mv,
        )

    def forward(
        self, signal_mv: torch.Tensor, observed: torch.Tensor, augmented_mv: torch.Tensor | None = None
    ) -> Decoded:
        """Reconstruct with the prior's mean; see `encode` for the arguments, here with their slow parts."""
        parts = self.split(signal_mv, observed, augmented_mv)
        encoded = self.encode(parts.deviation_mv, observed, parts.augmented_mv)
        decoded = self.decode(encoded, encoded.mean)
        return Decoded(decoded.mean_mv + parts.slow_mv, decoded.scale_mv)

    def split(self, signal_mv: torch.Tensor, observed: torch.Tensor, augmented_mv: torch.Tensor | None = None) -> Split:
        """What the network reads, and the slow parts of all leads; see `encode` for the arguments."""
        return split(self.drift, signal_mv, observed, augmented_mv, self.fs_hz)

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Training loss, see `vae.networks.objective.reconstruction_loss`; with a drift prior on deviations alone."""
        if self.drift is not None:
            truth, observed = batch["signal_mv"], batch["observed"]
            everywhere = torch.ones_like(observed)
            batch = {
                **batch,
                "signal_mv": self.split(truth, everywhere).deviation_mv,
                "input_mv": self.split(batch["input_mv"], observed).deviation_mv,
            }
        return reconstruction_loss(self, batch, self.loss_weights)

    def _to_patches(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, C, time) -> (batch, C * patch, 1, time / patch)."""
        batch, channels, time = x.shape
        x = x.view(batch, channels, time // self.patch, self.patch).transpose(2, 3)
        x = x.reshape(batch, channels * self.patch, 1, -1)
        return x.contiguous(memory_format=torch.channels_last)

    def _from_patches(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, _, tokens = x.shape
        x = x.view(batch, channels // self.patch, self.patch, tokens).transpose(2, 3)
        return x.reshape(batch, channels // self.patch, tokens * self.patch)


class Stage(nn.ModuleList):
    """Blocks of one resolution, one after the other."""

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """(batch, width_in, 1, tokens), (batch, condition_width) -> (batch, width, 1, tokens)."""
        for block in self:
            x = block(x, condition)
        return x


class ResidualBlock(nn.Module):
    """Two convolutions over time with a skip, scaled and shifted by the condition (FiLM, Perez et al. 2018)."""

    def __init__(self, width_in: int, width: int, condition_width: int, dropout: float, kernel: int = 3) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = _norm(width_in), _norm(width)
        # The block starts as its skip, unconditioned.
        self.conv_1, self.conv_2 = _conv(width_in, width, kernel), zero(_conv(width, width, kernel))
        self.film = zero(nn.Linear(condition_width, 2 * width))
        # Whole channels: cheap on a CPU, where drawing a random number per activation costs as much as the block.
        self.dropout = nn.Dropout2d(dropout)
        self.skip = nn.Identity() if width_in == width else _conv(width_in, width, 1)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """(batch, width_in, 1, tokens), (batch, condition_width) -> (batch, width, 1, tokens)."""
        h = self.conv_1(F.silu(self.norm_1(x)))
        gain, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        h = self.norm_2(h) * (1 + gain) + shift
        return self.skip(x) + self.conv_2(self.dropout(F.silu(h)))


class SelfAttention(nn.Module):
    """Attention between all tokens of a record, without positions: what matters is the shape, not the time."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = _norm(width), nn.Linear(width, 3 * width), zero(nn.Linear(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width, 1, tokens) -> the same shape."""
        batch, width, _, tokens = x.shape
        h = self.norm(x)[:, :, 0].transpose(1, 2)
        q, k, v = self.qkv(h).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        h = attend(q, k, v, scale=(width // self.heads) ** -0.5).transpose(1, 2).reshape(batch, tokens, width)
        return x + self.out(h).transpose(1, 2)[:, :, None]


class Posterior(nn.Module):
    """q(z | all samples): a small convolutional reader of complete records, used in training only."""

    def __init__(self, patch: int, width: int, latent: int) -> None:
        super().__init__()
        self.patch = patch
        self.body = nn.Sequential(
            _conv(8 * patch, width, 3),
            nn.SiLU(),
            _conv(width, width, 5, 2),
            nn.SiLU(),
            _conv(width, width, 5),
            nn.SiLU(),
        )
        self.out = nn.Linear(2 * width, 2 * latent)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, 8, time), time a multiple of the patch -> mean and log-variance (batch, latent)."""
        batch, leads, time = x.shape
        x = x.view(batch, leads, time // self.patch, self.patch).transpose(2, 3)
        x = x.reshape(batch, leads * self.patch, 1, -1).contiguous(memory_format=torch.channels_last)
        h = self.body(x)
        mean, log_var = self.out(torch.cat([h.mean((2, 3)), h.amax((2, 3))], dim=1)).float().chunk(2, dim=1)
        return mean, log_var


def _conv(width_in: int, width: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    # Two-dimensional with a height of one: only 4-D tensors have the fast channels-last layout.
    return nn.Conv2d(width_in, width, (1, kernel), stride=(1, stride), padding=(0, kernel // 2))


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(8, width)


def _mlp(width_in: int, hidden: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width_in, hidden), nn.SiLU(), nn.Linear(hidden, width))
