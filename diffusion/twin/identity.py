"""Individual Base Extractor: an ECG with its own condition in, a vector that names the person out.

Each ECG is encoded together with what is known about it (statements, rate, intervals), so that the network can take
away what the condition explains and keep what is personal (ECGTwin, Lai et al. 2025). Two configurations of one class:
the default, and the published one (`reference_settings`: three layers of width 256, cross-attention subtracted behind
a ReLU, rotary positions applied once to the embedded sequence).
"""

from collections.abc import Mapping
from math import log
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from diffusion.conditions.batch import ConditionBatch, drop_at_random
from diffusion.networks.dit import CrossAttention, SelfAttention, rotary_table
from diffusion.networks.embedding import ConditionEncoder, checked_digest
from gen.network import Network, register_to_config
from gen.quantities import QUANTITIES
from gen.randomness import Stream, seeded_uniform
from metrics.identity import identity_scores

#: Numbers that an identity embedding must not give away.
LEAKS = ("heart_rate",)


def reference_settings() -> dict[str, Any]:
    """Arguments of `IdentityEncoder` for the published configuration."""
    return {"width": 256, "depth": 3, "heads": 8, "mlp_ratio": 4.0, "patch": 1, "base_width": 256, "published": True}


class IdentityEncoder(Network):
    """Latents and their conditions -> unit vectors; ECGs of one person lie near each other.

    Args:
        latent_channels: channels of a latent.
        width: of the tokens; a multiple of ``2 heads``.
        depth: layers.
        heads: attention heads.
        mlp_ratio: hidden width of the feed-forward networks in units of the width.
        patch: positions taken as one token.
        base_width: size of the vector; a small one holds less that could be traced back to a person.
        published: subtractive cross-attention, rotation of the embedded sequence and mean pooling, as published.
        memory: vectors of earlier batches kept as further negatives (Wang et al. 2020, "Cross-batch memory"); not
            saved, so it fills anew after a resume. From the first step on, they make the vectors of all persons
            collapse into one: a large batch instead is the better way.
        drop: probability that a group of the conditions, and that all of them, are left out in training.
        leak_weight: weight of the share of `LEAKS`' variance that a linear probe finds in the vectors of a batch.
        crop: share of a latent's positions seen in training, from a random one on: fewer persons are learned by heart.
        vocabulary_digest: of the text vocabulary; None takes the running one's.

    Raises:
        InputError: trained with another vocabulary.
        ValueError: a width that the heads do not divide, or a crop outside (0, 1].
    """

    queue: torch.Tensor
    queue_person: torch.Tensor

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 16,
        width: int = 192,
        depth: int = 3,
        heads: int = 6,
        mlp_ratio: float = 2.0,
        patch: int = 2,
        base_width: int = 128,
        published: bool = False,
        memory: int = 0,
        drop: float = 0.15,
        leak_weight: float = 0.5,
        crop: float = 1.0,
        vocabulary_digest: str | None = None,
    ) -> None:
        super().__init__()
        self.register_to_config(vocabulary_digest=checked_digest(vocabulary_digest))
        if width % (2 * heads):
            raise ValueError(f"width {width}: expected a multiple of {2 * heads}, twice the heads")
        if not 0 < crop <= 1:
            raise ValueError(f"crop {crop}: expected a share above 0, at most 1")
        self.patch, self.base_width, self.published = patch, base_width, published
        self.drop, self.leak_weight, self.crop, self.head_width = drop, leak_weight, crop, width // heads
        self.encoder = ConditionEncoder(width, numbers_path="attention")
        self.stem = nn.Linear(patch * latent_channels, width)
        hidden = round(mlp_ratio * width)
        self.layers = nn.ModuleList(IdentityLayer(width, heads, hidden, published) for _ in range(depth))
        self.pool = None if published else nn.Linear(width, heads)
        self.head = nn.Identity() if published and base_width == width else nn.Linear(width, base_width)
        self.log_scale = nn.Parameter(torch.tensor([log(1 / 0.07)]))
        self.register_buffer("queue", torch.zeros(memory, base_width), persistent=False)
        self.register_buffer("queue_person", torch.full((memory,), -1), persistent=False)

    def forward(self, latent: torch.Tensor, condition: ConditionBatch) -> torch.Tensor:
        """(batch, channel, position) and what is known of each -> (batch, base_width) float32 of length one.

        Where an ECG comes from (recorded or simulated) is not looked at.
        """
        condition = ConditionBatch(**{**condition.as_dict(), "source": torch.zeros_like(condition.source)})
        encoded = self.encoder(condition)
        exclusion = encoded.exclusion()
        batch, channels, length = latent.shape
        padded = F.pad(latent, (0, -length % self.patch))
        h = self.stem(padded.transpose(1, 2).reshape(batch, -1, self.patch * channels))
        cos, sin = rotary_table(h.shape[1], self.head_width, h)
        if self.published:  # once, over heads of the embedded sequence
            heads = h.view(batch, h.shape[1], -1, self.head_width)
            scale = self.head_width**0.5
            turned = heads * (cos[:, 0] * scale) + heads.roll(self.head_width // 2, -1) * (sin[:, 0] * scale)
            h = turned.reshape(h.shape)
            still = torch.tensor([self.head_width**-0.5, 1.0], dtype=h.dtype, device=h.device)[:, None, None]
            cos, sin = still.expand_as(cos), torch.zeros_like(sin)
        for layer in self.layers:
            h = layer(h, (cos, sin), encoded.memory, exclusion)
        return F.normalize(self.head(self._pooled(h)).float(), dim=-1)

    def _pooled(self, h: torch.Tensor) -> torch.Tensor:
        if self.pool is None:
            return h.mean(dim=1)
        h = F.layer_norm(h, h.shape[-1:])
        weight = self.pool(h).softmax(dim=1)
        parts = h.unflatten(-1, (weight.shape[-1], -1))
        return (weight[..., None] * parts).sum(dim=1).flatten(1)

    def loss(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Contrastive loss on ``latent``, ``person`` (batch,) int64, ``sample_seed`` and a `ConditionBatch`."""
        whole = ConditionBatch.from_dict(batch)
        shown = drop_at_random(whole, batch["sample_seed"], each=self.drop, everything=self.drop, within=self.drop)
        latent = cropped(batch["latent"], batch["sample_seed"], self.crop) if self.training else batch["latent"]
        base, person = self.forward(latent, shown), batch["person"]
        scale = self.log_scale.exp().clamp(max=100.0)
        with torch.autocast(base.device.type, enabled=False):
            contrast = contrastive_loss(base, person, scale, self.queue, self.queue_person)
            leak = leakage(base, whole.numbers[:, [list(QUANTITIES).index(name) for name in LEAKS]])
        if self.training and len(self.queue):
            self._remember(base.detach(), person)
        return {"loss": contrast + self.leak_weight * leak, "contrast": contrast.detach(), "leak": leak.detach()}

    def _remember(self, base: torch.Tensor, person: torch.Tensor) -> None:
        size = len(self.queue)
        self.queue = torch.cat([base, self.queue])[:size]
        self.queue_person = torch.cat([person, self.queue_person])[:size]


class IdentityLayer(nn.Module):
    """Self-attention, attention to the condition and a feed-forward network, each behind a layer norm."""

    def __init__(self, width: int, heads: int, hidden: int, published: bool) -> None:
        super().__init__()
        self.published = published
        self.attention, self.cross = SelfAttention(width, heads), CrossAttention(width, heads, width)
        activation = nn.ReLU() if published else nn.GELU()
        self.mlp = nn.Sequential(nn.Linear(width, hidden), activation, nn.Linear(hidden, width))

    def forward(
        self,
        x: torch.Tensor,
        rotation: tuple[torch.Tensor, torch.Tensor],
        memory: torch.Tensor,
        exclusion: torch.Tensor,
    ) -> torch.Tensor:
        """(batch, length, width) -> the same shape."""
        width = x.shape[-1:]
        x = x + self.attention(F.layer_norm(x, width), rotation)
        explained = self.cross(x, memory, exclusion)
        x = x - F.relu(explained) if self.published else x - explained
        return x + self.mlp(F.layer_norm(x, width))


def contrastive_loss(
    base: torch.Tensor,
    person: torch.Tensor,
    scale: torch.Tensor | float,
    memory: torch.Tensor | None = None,
    memory_person: torch.Tensor | None = None,
) -> torch.Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, L_out) with other ECGs of a person masked out of the negatives.

    For anchor i and each positive p: -log exp(s_ip) / (exp(s_ip) + sum over strangers exp(s_ia)). With one positive
    each it is InfoNCE. Samples whose person is there once only serve as negatives.

    Args:
        base: (batch, width) unit vectors.
        person: (batch,) int64.
        scale: inverse temperature.
        memory: (m, width) further vectors without gradient.
        memory_person: (m,) whose; negative where the place is empty.
    """
    others, who = base, person
    if memory is not None and memory_person is not None and len(memory):
        others, who = torch.cat([base, memory.to(base.dtype)]), torch.cat([person, memory_person])
    score = scale * base @ others.T
    same = person[:, None] == who[None]
    itself = torch.eye(len(base), len(others), dtype=torch.bool, device=base.device)
    stranger = ~same & (who >= 0)[None]
    against = torch.where(stranger, score, -torch.inf).logsumexp(dim=1, keepdim=True)
    positive = same & ~itself
    each = torch.where(positive, torch.logaddexp(score, against) - score, 0.0).sum(dim=1)
    count = positive.sum(dim=1)
    return (each / count.clamp_min(1)).sum() / (count > 0).sum().clamp_min(1)


def cropped(latent: torch.Tensor, sample_seed: torch.Tensor, share: float) -> torch.Tensor:
    """A stretch of each latent, equally long for all, from a position that the sample's seed decides.

    Args:
        latent: (batch, channel, position).
        sample_seed: (batch,) int64.
        share: of the positions that is kept.
    """
    length = latent.shape[-1]
    kept = max(1, round(share * length))
    start = (seeded_uniform((1,), sample_seed, latent.device, stream=Stream.CROP) * (length - kept + 1)).long()
    where = start + torch.arange(kept, device=latent.device)
    return latent.gather(2, where[:, None].expand(-1, latent.shape[1], -1))


def leakage(base: torch.Tensor, numbers: torch.Tensor, ridge: float = 0.1) -> torch.Tensor:
    """Share of the variance of numbers that a linear probe finds in the vectors it is fitted on, mean over numbers.

    About one where the vectors decide a number linearly; about width / batch, the chance of a fit, where they say
    nothing. The gradient turns the vectors away from the number along the probe; their own covariance is held fixed.

    Args:
        base: (batch, width) unit vectors.
        numbers: (batch, number), NaN where unknown.
        ridge: penalty relative to the mean variance of the vectors.
    """
    known = ~numbers.isnan()
    count = known.sum(dim=0).clamp_min(2)
    filled = torch.where(known, numbers, 0.0)
    centred = torch.where(known, filled - filled.sum(dim=0) / count, 0.0)
    standard = centred / (centred.square().sum(dim=0) / count).sqrt().clamp_min(1e-6)
    vectors = base - base.mean(dim=0)
    covariance = vectors.T @ standard / count
    own = (vectors.T @ vectors / len(base)).detach()
    penalty = ridge * own.diagonal().mean().clamp_min(1e-12) * torch.eye(len(own), dtype=own.dtype, device=own.device)
    return (covariance * torch.linalg.solve(own + penalty, covariance)).sum(dim=0).mean()


def retrieval(gallery: torch.Tensor, query: torch.Tensor, owner: torch.Tensor | None = None) -> dict[str, float]:
    """How well queries find their own entry of a gallery, see `metrics.identity.IdentityScores`.

    Args:
        gallery: (m, width) unit vectors, one per person.
        query: (n, width) unit vectors.
        owner: (n,) row of the gallery that each query belongs to; 0, 1, 2, ... where not given.
    """
    owner = torch.arange(len(query)) if owner is None else owner
    found = identity_scores(
        reference=gallery.detach().cpu().double().numpy(),
        generated=query.detach().cpu().double().numpy(),
        reference_persons=np.arange(len(gallery)),
        generated_persons=owner.cpu().numpy(),
    )
    return {name: getattr(found, name) for name in ("rank_1", "rank_5", "eer", "same", "other", "threshold")}


def probe_r2(base: torch.Tensor, values: torch.Tensor, ridge: float = 1e-2) -> float:
    """Share of the variance of a number that a linear probe finds in vectors, fitted on one half, tested on the other.

    Args:
        base: (n, width).
        values: (n,), NaN where unknown.
        ridge: penalty relative to the mean variance of the vectors.
    """
    known = ~values.isnan()
    x, y = base[known].double(), values[known].double()
    half = torch.arange(len(y)) % 2 == 0
    if min(half.sum(), (~half).sum()) < 2:
        return float("nan")
    centre, level = x[half].mean(dim=0), y[half].mean()
    x, y = x - centre, y - level
    gram = x[half].T @ x[half]
    penalty = ridge * gram.diagonal().mean().clamp_min(1e-12) * torch.eye(len(gram), dtype=gram.dtype)
    weight = torch.linalg.solve(gram + penalty, x[half].T @ y[half])
    error = (y[~half] - x[~half] @ weight).square().mean()
    return float(1 - error / y[~half].var(correction=0).clamp_min(1e-12))
