"""PA-MAE, the phase-aware masked autoencoder: an ECG encoder that knows where in the heart cycle it is.

Time patches are dropped *before* the encoder (He et al. 2022), so it has to infer; the published code masks the
encoder's output. Heads: the missing patches, the phase as (sin, cos) where beats are, and what an ECG tells about the
heart (figures of the simulated cohort, as mean and spread), which the velocity network is conditioned on.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from gen.layers import Attention, mlp, sinusoid
from gen.network import Network, register_to_config
from gen.randomness import Stream, seeded_uniform

#: Figures of a heart that the summary is trained to tell, in this order; see `targets_of`.
TARGETS = ("log_edv", "log_mass", "logit_ef", "es_share")
LOG_SPREAD_RANGE = (-4.0, 1.5)
_SMALLEST_SCALE_MV = 0.02


@dataclass(frozen=True)
class EcgFeatures:
    """What the encoder says about a record.

    Attributes:
        tokens: (batch, token, width).
        summary: (batch, summary_width).
        mean, log_spread: (batch, len(TARGETS)) standardised figures of the heart.
    """

    tokens: torch.Tensor
    summary: torch.Tensor
    mean: torch.Tensor
    log_spread: torch.Tensor


class PhaseAwareMAE(Network):
    """Transformer over time patches of eight leads.

    Args:
        fs_hz, samples: rate and length of the input.
        patch: samples of a token; ``phases`` phases are predicted within each.
        width, depth, heads: of the encoder.
        decoder_width, decoder_depth: of the part that fills in what was dropped.
        dropout: share of values that are dropped in training.
        beat_samples: length of the averaged beat.
        summary_width: of the summary.
        mask_ratio: share of the patches that is dropped in training.
        full_share: share of the training batches without dropping, as the encoder is used later.
        weights: of reconstruction, phase and figures in the loss.
        target_mean, target_spread: standardise `TARGETS`.
    """

    @register_to_config
    def __init__(
        self,
        fs_hz: float = 200.0,
        samples: int = 2000,
        patch: int = 10,
        phases: int = 2,
        width: int = 192,
        depth: int = 5,
        heads: int = 6,
        decoder_width: int = 96,
        decoder_depth: int = 2,
        beat_samples: int = 160,
        summary_width: int = 128,
        mask_ratio: float = 0.5,
        full_share: float = 0.25,
        dropout: float = 0.1,
        weights: tuple[float, ...] = (1.0, 1.0, 0.5),
        target_mean: tuple[float, ...] = (4.85, 4.5, 0.3, 0.37),
        target_spread: tuple[float, ...] = (0.28, 0.35, 0.45, 0.06),
    ) -> None:
        super().__init__()
        if samples % patch or patch % phases or not 0 <= mask_ratio < 1:
            raise ValueError("samples must be a multiple of patch, patch of phases, and mask_ratio within [0, 1)")
        self.patch, self.phases, self.mask_ratio, self.full_share = patch, phases, mask_ratio, full_share
        self.loss_weights = tuple(weights)
        tokens = samples // patch
        self.embed = nn.Linear(8 * patch, width)
        self.register_buffer("places", sinusoid(torch.arange(tokens), width), persistent=False)
        self.blocks = nn.ModuleList(EncoderBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.phase_head = nn.Linear(width, 2 * phases)
        self.to_decoder = nn.Linear(width, decoder_width)
        self.missing = nn.Parameter(torch.zeros(decoder_width))
        self.register_buffer("decoder_places", sinusoid(torch.arange(tokens), decoder_width), persistent=False)
        self.decoder = nn.ModuleList(EncoderBlock(decoder_width, 4) for _ in range(decoder_depth))
        self.rebuild = nn.Sequential(nn.LayerNorm(decoder_width), nn.Linear(decoder_width, 8 * patch))
        self.pool = nn.Linear(width, 1)
        self.beat = nn.Sequential(nn.Linear(8 * beat_samples + 1, 2 * summary_width), nn.SiLU(), nn.Dropout(dropout))
        self.summarise = nn.Sequential(
            nn.Linear(width + 2 * summary_width, 2 * summary_width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * summary_width, summary_width),
        )
        self.tell = nn.Linear(summary_width, 2 * len(TARGETS))

    @property
    def num_tokens(self) -> int:
        """Tokens of a record."""
        return self.places.shape[0]

    @property
    def token_times_s(self) -> torch.Tensor:
        """(token,) middle of each patch in seconds."""
        return (torch.arange(self.num_tokens) + 0.5) * (self.patch / self.config["fs_hz"]) - 0.5 / self.config["fs_hz"]

    def phase_times_s(self) -> torch.Tensor:
        """(token * phases,) times at which the phase is predicted."""
        step = self.patch / self.phases / self.config["fs_hz"]
        return (torch.arange(self.num_tokens * self.phases) + 0.5) * step - 0.5 / self.config["fs_hz"]

    def patches(self, signal_mv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, 8, samples) mV -> tokens (batch, token, 8 * patch) of unit power, and that power (batch, 1, 1) mV."""
        x = signal_mv - signal_mv.median(dim=2, keepdim=True).values
        scale = x.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(_SMALLEST_SCALE_MV)
        return rearrange(x / scale, "batch lead (token sample) -> batch token (lead sample)", sample=self.patch), scale

    def encode_visible(self, patches: torch.Tensor, keep: torch.Tensor | None = None) -> torch.Tensor:
        """Encode patches; those not in ``keep`` (batch, kept) never enter the encoder.

        Returns:
            (batch, kept or token, width).
        """
        x = self.embed(patches) + self.places
        if keep is not None:
            x = x.gather(1, keep[:, :, None].expand(-1, -1, x.shape[2]))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def features(self, signal_mv: torch.Tensor, beat_mv: torch.Tensor, rr_s: torch.Tensor) -> EcgFeatures:
        """Features of complete records.

        Args:
            signal_mv: (batch, 8, samples).
            beat_mv: (batch, 8, beat_samples) averaged beat, see `flow.ecg.beats.Beats.average`.
            rr_s: (batch,).
        """
        patches, _ = self.patches(signal_mv)
        return self._summary(self.encode_visible(patches), beat_mv, rr_s)

    def _summary(self, tokens: torch.Tensor, beat_mv: torch.Tensor, rr_s: torch.Tensor) -> EcgFeatures:
        share = torch.softmax(self.pool(tokens).float(), dim=1)
        pooled = (share * tokens).sum(dim=1)
        # Millivolts, not unit power: voltage is what tells mass.
        beat = self.beat(torch.cat([beat_mv.flatten(1), rr_s[:, None] - 0.9], dim=1))
        summary = self.summarise(torch.cat([pooled.to(beat.dtype), beat], dim=1))
        mean, log_spread = self.tell(F.silu(summary)).float().chunk(2, dim=1)
        return EcgFeatures(tokens, summary.float(), mean, log_spread.clamp(*LOG_SPREAD_RANGE))

    def phase(self, tokens: torch.Tensor) -> torch.Tensor:
        """(batch, token, width) -> (batch, token * phases, 2) sine and cosine of the phase."""
        return self.phase_head(tokens).unflatten(2, (self.phases, 2)).flatten(1, 2)

    def reconstruct(self, tokens: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """Encoded visible tokens (batch, kept, width) -> all patches (batch, token, 8 * patch)."""
        x = self.to_decoder(tokens)
        full = self.missing.to(x.dtype).expand(len(x), self.num_tokens, -1).clone()
        full = full.scatter(1, keep[:, :, None].expand(-1, -1, x.shape[2]), x) + self.decoder_places
        for block in self.decoder:
            full = block(full)
        return self.rebuild(full)

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Masked reconstruction, phase where valid, and the heart's figures where known.

        Args:
            batch: ``signal_mv`` (batch, 8, samples), ``beat_mv``, ``rr_s``, ``phase`` and ``phase_valid``
                (batch, token * phases), ``targets`` (batch, 4) raw with NaN where unknown, ``sample_seed``.
        """
        patches, _ = self.patches(batch["signal_mv"])
        seeds = batch["sample_seed"]
        whole = bool(seeded_uniform((1,), seeds[:1], stream=Stream.WHOLE)[0, 0] < self.full_share)
        kept = self.num_tokens if whole else self.num_tokens - round(self.mask_ratio * self.num_tokens)
        order = seeded_uniform((self.num_tokens,), seeds, patches.device, stream=Stream.MASK).argsort(dim=1)
        keep = order[:, :kept].sort(dim=1).values
        tokens = self.encode_visible(patches, keep)
        missing = torch.ones(patches.shape[:2], device=patches.device).scatter(1, keep, 0.0)
        rebuilt = self.reconstruct(tokens, keep).float()
        error = (rebuilt - patches).square().mean(dim=2)
        reconstruction = (error * missing).sum() / missing.sum().clamp_min(1.0)
        phase = self._phase_loss(tokens, keep, batch)
        told = self._summary(tokens, batch["beat_mv"], batch["rr_s"])
        figures = volumes_loss(told, self.standardise(batch["targets"]))
        a, b, c = self.loss_weights
        total = a * reconstruction + b * phase + c * figures
        return {"loss": total, "reconstruction": reconstruction, "phase": phase, "figures": figures}

    def standardise(self, targets: torch.Tensor) -> torch.Tensor:
        """Raw `TARGETS` (batch, 4) -> zero mean and unit spread over the cohort."""
        mean = torch.tensor(self.config["target_mean"], device=targets.device)
        return (targets - mean) / torch.tensor(self.config["target_spread"], device=targets.device)

    def _phase_loss(self, tokens: torch.Tensor, keep: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        def kept(values: torch.Tensor) -> torch.Tensor:
            values = values.unflatten(1, (self.num_tokens, self.phases))
            return values.gather(1, keep[:, :, None].expand(-1, -1, self.phases)).flatten(1)

        angle, valid = kept(batch["phase"]), kept(batch["phase_valid"].float())
        wanted = torch.stack([angle.sin(), angle.cos()], dim=2)
        error = (self.phase(tokens).float() - wanted).square().mean(dim=2)
        return (error * valid).sum() / valid.sum().clamp_min(1.0)


class EncoderBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.mlp = Attention(width, heads), mlp(width, 4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, token, width) -> the same shape."""
        h = self.norm_1(x)
        x = x + self.attention(h, h)
        return x + self.mlp(self.norm_2(x))


def volumes_loss(told: EcgFeatures, wanted: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of a normal distribution per known figure; ``wanted`` (batch, 4), NaN where unknown."""
    known = torch.isfinite(wanted)
    error = torch.where(known, told.mean - torch.nan_to_num(wanted), torch.zeros_like(told.mean))
    each = 0.5 * error.square() * (-2 * told.log_spread).exp() + told.log_spread
    return (each * known).sum() / known.sum().clamp_min(1)


def circular_error_deg(predicted: torch.Tensor, phase: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """(n,) absolute circular error in degrees where valid.

    Args:
        predicted: (..., 2) sine and cosine, any length.
        phase: (...) rad.
        valid: (...) bool.
    """
    found = torch.atan2(predicted[..., 0].float(), predicted[..., 1].float())
    gap = torch.remainder(found - phase + math.pi, 2 * math.pi) - math.pi
    return torch.rad2deg(gap.abs())[valid]


def targets_of(edv_ml: torch.Tensor, mass_g: torch.Tensor, ef: torch.Tensor, es_share: torch.Tensor) -> torch.Tensor:
    """`TARGETS` (n, 4) of hearts: log ml, log g, logit of the ejection fraction, end-systole as a share of RR."""
    return torch.stack([edv_ml.log(), mass_g.log(), torch.logit(ef), es_share], dim=1)


def cycle_tokens(features: EcgFeatures, weights: torch.Tensor) -> torch.Tensor:
    """Features of one heart cycle: (batch, token, width) by weights (batch, 50, token) -> (batch, 50, width)."""
    return weights @ features.tokens.float()


def summary_of(features: EcgFeatures) -> torch.Tensor:
    """(batch, summary_width + 8): the summary and the figures it tells."""
    return torch.cat([features.summary, features.mean, features.log_spread], dim=1)
