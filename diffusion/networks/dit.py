"""The default denoiser: a transformer over latent positions (DiT, Peebles & Xie 2023) with two ways for conditions.

As in AdaX (ECGTwin, Lai et al. 2025), what is global (noise angle, numbers, an identity embedding) scales, shifts and
gates every block (adaLN-Zero), and what is said (statement tokens, numbers again) is attended to. Unlike there,
cross-attention is gated, padding is excluded by a boolean mask, and rotary positions (Su et al. 2021) turn queries
and keys inside every self-attention.
"""

from collections.abc import Mapping
from math import pi

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from diffusion.conditions.batch import ConditionBatch
from diffusion.networks.embedding import AngleEmbedding, ConditionEncoder, RateClock, checked_digest
from diffusion.process.objective import Objective, denoising_loss
from gen.layers import attend, merge_heads, split_heads
from gen.network import Network, register_to_config


class LatentDiT(Network):
    """Predicts v = cos(phi) n - sin(phi) z from x = cos(phi) z + sin(phi) n and a condition.

    Args:
        latent_channels: channels C of a latent.
        width: of the tokens; a multiple of ``2 heads``.
        depth: blocks.
        heads: attention heads.
        mlp_ratio: hidden width of a block's MLP in units of the width.
        text_path: way of the text, "attention", "adaln" or "both".
        numbers_path: way of numbers, sex and source.
        base_width: size of an identity embedding; 0 for the population model.
        base_path: way of the identity embedding.
        registers: learned tokens before the positions (Darcet et al. 2024). Three make 125 positions 128 tokens, and
            attention over a multiple of 16 is up to twice as fast on a CPU.
        patch: positions taken as one token; a length that it does not divide is padded at the end.
        clock_harmonics: sines of the requested rate that every position is given; 0 for none.
        position_s: seconds of signal per position, for the clock.
        vocabulary_digest: of the text vocabulary; None takes the running one's.

    Raises:
        InputError: trained with another vocabulary.
        ValueError: an unknown path, or a width that the heads do not divide.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 32,
        width: int = 256,
        depth: int = 8,
        heads: int = 8,
        mlp_ratio: float = 4.0,
        text_path: str = "attention",
        numbers_path: str = "both",
        base_width: int = 0,
        base_path: str = "adaln",
        registers: int = 3,
        patch: int = 1,
        clock_harmonics: int = 4,
        position_s: float = 0.08,
        vocabulary_digest: str | None = None,
    ) -> None:
        super().__init__()
        self.objective = Objective()
        self.register_to_config(vocabulary_digest=checked_digest(vocabulary_digest))
        if width % (2 * heads):
            raise ValueError(f"width {width}: expected a multiple of {2 * heads}, twice the heads")
        self.encoder = ConditionEncoder(
            width, text_path=text_path, numbers_path=numbers_path, base_width=base_width, base_path=base_path
        )
        self.angle = AngleEmbedding(width)
        self.clock = RateClock(width, clock_harmonics, patch * position_s) if clock_harmonics else None
        self.head_width, self.patch = width // heads, patch
        self.stem = nn.Linear(patch * latent_channels, width)
        self.register_tokens = nn.Parameter(0.02 * torch.randn(registers, width))
        attends = self.encoder.has_memory
        hidden = round(mlp_ratio * width)
        self.blocks = nn.ModuleList(DiTBlock(width, heads, hidden, attends) for _ in range(depth))
        #: Signals of adaLN for all blocks and the head at once: cheaper than one small product per block.
        self.modulation = nn.Linear(width, depth * DiTBlock.SIGNALS * width + 2 * width)
        self.head = nn.Linear(width, patch * latent_channels)
        # Every block starts as the identity and the prediction as zero.
        for parameter in (*self.modulation.parameters(), *self.head.parameters()):
            nn.init.zeros_(parameter)

    def forward(
        self, x: torch.Tensor, phi: torch.Tensor, condition: ConditionBatch, base: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Predict v.

        Args:
            x: (batch, C, length) noisy latents.
            phi: (batch,) noise angle in radians, 0 (clean) to pi / 2 (noise).
            condition: of the batch.
            base: (batch, base_width) or None; rows that hold a NaN count as absent.

        Returns:
            (batch, C, length) float32.
        """
        encoded = self.encoder(condition, base)
        signals = self.modulation(F.silu(self.angle(phi) + encoded.vector))[:, None]
        sizes = [DiTBlock.SIGNALS * self.stem.out_features] * len(self.blocks) + [2 * self.stem.out_features]
        *block_signals, last = signals.split(sizes, dim=-1)
        padded = F.pad(x, (0, -x.shape[2] % self.patch))
        h = self.stem(rearrange(padded, "batch channel (token patch) -> batch token (patch channel)", patch=self.patch))
        if self.clock is not None:
            h = h + self.clock(condition, h.shape[1])
        h = torch.cat([self.register_tokens.to(h.dtype).expand(len(h), -1, -1), h], dim=1)
        rotation = rotary_table(h.shape[1], self.head_width, h)
        exclusion = encoded.exclusion()
        for block, signal in zip(self.blocks, block_signals, strict=True):
            h = block(h, signal, rotation, encoded.memory, exclusion)
        shift, scale = last.chunk(2, dim=-1)
        h = h[:, len(self.register_tokens) :]
        v = self.head(modulated(h, shift, scale))
        v = rearrange(v, "batch token (patch channel) -> batch channel (token patch)", patch=self.patch)
        return v[..., : x.shape[2]].float()

    def loss(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Training loss, see `diffusion.process.objective.denoising_loss`."""
        return denoising_loss(self, dict(batch), self.objective)


class DiTBlock(nn.Module):
    """Self-attention, cross-attention and MLP, each added through a gate that starts closed."""

    #: adaLN signals per block: shift, scale, gate for self-attention and MLP, and a gate for cross-attention.
    SIGNALS = 7

    def __init__(self, width: int, heads: int, hidden: int, attends: bool) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.cross = CrossAttention(width, heads, width) if attends else None
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(
        self, x: torch.Tensor, signal: torch.Tensor, rotation: "Rotation", memory: torch.Tensor, exclusion: torch.Tensor
    ) -> torch.Tensor:
        """(batch, length, width), signal (batch, 1, 7 width) -> (batch, length, width)."""
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2, gate_cross = signal.chunk(self.SIGNALS, dim=-1)
        x = torch.addcmul(x, gate_1, self.attention(modulated(x, shift_1, scale_1), rotation))
        if self.cross is not None:
            x = torch.addcmul(x, gate_cross, self.cross(x, memory, exclusion))
        return torch.addcmul(x, gate_2, self.mlp(modulated(x, shift_2, scale_2)))


#: Cosines and signed sines (length, 2, 1, head) that turn queries (index 0, with attention's scale) and keys (index 1).
Rotation = tuple[torch.Tensor, torch.Tensor]


def rotary_table(length: int, head_width: int, like: torch.Tensor) -> Rotation:
    """Rotations of positions 0 .. length - 1, from half a turn per position to one turn in a thousand positions."""
    pairs = head_width // 2
    exponent = torch.arange(pairs, device=like.device, dtype=torch.float32) / max(1, pairs - 1)
    angle = torch.arange(length, device=like.device)[:, None] * (pi * 500.0**-exponent)
    scale = torch.tensor([head_width**-0.5, 1.0], device=like.device)[:, None, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return (torch.cat([cos, cos], -1) * scale).to(like.dtype), (torch.cat([-sin, sin], -1) * scale).to(like.dtype)


def rotated(x: torch.Tensor, rotation: Rotation) -> torch.Tensor:
    """Queries and keys (batch, length, 2, heads, head), turned; the halves of a head are its two coordinates."""
    cos, sin = (r.to(x.dtype) for r in rotation)
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


class SelfAttention(nn.Module):
    """Attention among positions, with rotary positions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor, rotation: Rotation) -> torch.Tensor:
        """(batch, length, width) -> the same shape."""
        qkv = rearrange(
            self.qkv(x), "batch length (part head width) -> batch length part head width", part=3, head=self.heads
        )
        query, key = rearrange(
            rotated(qkv[:, :, :2], rotation), "batch length part head width -> part batch head length width"
        )
        value = rearrange(qkv[:, :, 2], "batch length head width -> batch head length width")
        return self.out(merge_heads(attend(query, key, value)))  # the rotation has scaled the queries


class CrossAttention(nn.Module):
    """Attention of positions to memory tokens, which are a set; excluded ones have no influence at all."""

    def __init__(self, width: int, heads: int, memory_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.kv = nn.Linear(width, width), nn.Linear(memory_width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, exclusion: torch.Tensor) -> torch.Tensor:
        """(batch, length, width), memory and exclusion as of `EncodedCondition` -> (batch, length, width)."""
        query = split_heads(self.q(F.layer_norm(x, x.shape[-1:])), self.heads)
        key, value = (split_heads(part, self.heads) for part in self.kv(memory).chunk(2, dim=-1))
        # The memory is shorter than the signal: cheaper to scale than the scores.
        return self.out(merge_heads(attend(query, key * key.shape[-1] ** -0.5, value, bias=exclusion)))


def modulated(x: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Normalised tokens (batch, length, width), scaled and shifted per sample (batch, 1, width)."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), 1 + scale)
