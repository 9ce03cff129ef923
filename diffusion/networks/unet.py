"""A convolutional denoiser with the same conditioning as `diffusion.networks.dit`: residual blocks, attention where
it is cheap.

All convolutions are two-dimensional with a height of one: only 4-D tensors have the layout that makes them fast in
bf16 on a CPU. What is global scales and shifts every block (FiLM, Perez et al. 2018); the two coarsest stages attend to
themselves, with rotary positions, and to the memory tokens.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from diffusion.conditions.batch import ConditionBatch
from diffusion.networks.dit import CrossAttention, Rotation, SelfAttention, modulated, rotary_table
from diffusion.networks.embedding import AngleEmbedding, ConditionEncoder, EncodedCondition, RateClock, checked_digest
from diffusion.process.objective import Objective, denoising_loss
from gen.layers import zero
from gen.network import Network, register_to_config


class LatentUNet(Network):
    """Predicts v = cos(phi) n - sin(phi) z from x = cos(phi) z + sin(phi) n and a condition.

    Args:
        latent_channels: channels C of a latent.
        widths: channels of the stages; each halves the positions.
        condition_width: of vector and memory tokens; a multiple of twice the heads. Stages that attend are, too.
        blocks: residual blocks per stage, on the way down and up.
        attending: number of stages, from the coarsest, that attend.
        heads: attention heads.
        kernel: positions that a convolution spans.
        text_path, numbers_path, base_width, base_path: see `diffusion.networks.embedding.ConditionEncoder`.
        clock_harmonics, position_s: see `diffusion.networks.embedding.RateClock`.
        vocabulary_digest: of the text vocabulary; None takes the running one's.

    Raises:
        InputError: trained with another vocabulary.
        ValueError: an unknown path, or a width that the heads do not divide.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 32,
        widths: tuple[int, ...] = (128, 192, 224),
        condition_width: int = 256,
        blocks: int = 2,
        attending: int = 2,
        heads: int = 8,
        kernel: int = 3,
        text_path: str = "attention",
        numbers_path: str = "both",
        base_width: int = 0,
        base_path: str = "adaln",
        clock_harmonics: int = 4,
        position_s: float = 0.08,
        vocabulary_digest: str | None = None,
    ) -> None:
        super().__init__()
        self.objective = Objective()
        self.register_to_config(vocabulary_digest=checked_digest(vocabulary_digest))
        widths = tuple(widths)
        attends = [stage >= len(widths) - attending for stage in range(len(widths))]
        for width in (condition_width, *(w for w, a in zip(widths, attends, strict=True) if a)):
            if width % (2 * heads):
                raise ValueError(f"width {width}: expected a multiple of {2 * heads}, twice the heads")
        self.encoder = ConditionEncoder(
            condition_width, text_path=text_path, numbers_path=numbers_path, base_width=base_width, base_path=base_path
        )
        self.angle = AngleEmbedding(condition_width)
        self.clock = RateClock(widths[0], clock_harmonics, position_s) if clock_harmonics else None
        self.stem = conv(latent_channels, widths[0], kernel)

        def stage(width_in: int, width: int, attend: bool) -> Stage:
            memory = condition_width if self.encoder.has_memory else 0
            return Stage(width_in, width, condition_width, blocks, kernel, heads if attend else 0, memory)

        self.encoder_stages = nn.ModuleList(stage(w, w, a) for w, a in zip(widths, attends, strict=True))
        self.down = nn.ModuleList(conv(a, b, 3, stride=2) for a, b in pairwise(widths))
        last = len(widths) - 1
        self.decoder_stages = nn.ModuleList(
            stage(widths[k] if k == last else 2 * widths[k], widths[k], attends[k]) for k in range(last, -1, -1)
        )
        self.up = nn.ModuleList(conv(a, b, 3) for a, b in pairwise(widths[::-1]))
        self.head_norm = nn.GroupNorm(8, widths[0])
        self.head = conv(widths[0], latent_channels, kernel)
        zero(self.head)
        # oneDNN's bf16 convolutions are 2-8 times faster on this layout than on PyTorch's default one.
        self.to(memory_format=torch.channels_last)

    def forward(
        self, x: torch.Tensor, phi: torch.Tensor, condition: ConditionBatch, base: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Predict v; arguments and result as of `diffusion.networks.dit.LatentDiT.forward`."""
        encoded = self.encoder(condition, base)
        signal = F.silu(self.angle(phi) + encoded.vector)
        h = self.stem(x[:, :, None].contiguous(memory_format=torch.channels_last))
        if self.clock is not None:
            h = h + self.clock(condition, x.shape[2]).transpose(1, 2)[:, :, None]
        skips = []
        for k, stage in enumerate(self.encoder_stages):
            h = stage(h, signal, encoded)
            if k < len(self.down):
                skips.append(h)
                h = self.down[k](h)
        for k, stage in enumerate(self.decoder_stages):
            if k:
                skip = skips.pop()
                h = F.interpolate(self.up[k - 1](h), size=skip.shape[-2:], mode="nearest")
                h = torch.cat([h, skip], dim=1)
            h = stage(h, signal, encoded)
        return self.head(F.silu(self.head_norm(h)))[:, :, 0].float()

    def loss(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Training loss, see `diffusion.process.objective.denoising_loss`."""
        return denoising_loss(self, dict(batch), self.objective)


class Stage(nn.Module):
    """Residual blocks of one resolution, and attention after them where ``heads`` is not 0."""

    def __init__(
        self, width_in: int, width: int, condition_width: int, blocks: int, kernel: int, heads: int, memory_width: int
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(width if k else width_in, width, condition_width, kernel) for k in range(blocks)
        )
        self.attention = AttentionBlock(width, condition_width, heads, memory_width) if heads else None

    def forward(self, x: torch.Tensor, signal: torch.Tensor, encoded: EncodedCondition) -> torch.Tensor:
        """(batch, width_in, 1, length), signal (batch, condition_width) -> (batch, width, 1, length)."""
        for block in self.blocks:
            x = block(x, signal)
        if self.attention is None:
            return x
        tokens = x[:, :, 0].transpose(1, 2)
        rotation = rotary_table(tokens.shape[1], self.attention.head_width, tokens)
        return self.attention(tokens, signal, rotation, encoded).transpose(1, 2)[:, :, None]


class ResidualBlock(nn.Module):
    """Two convolutions with a skip, scaled and shifted by the condition; starts as its skip."""

    def __init__(self, width_in: int, width: int, condition_width: int, kernel: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.GroupNorm(8, width_in), nn.GroupNorm(8, width)
        self.conv_1, self.conv_2 = conv(width_in, width, kernel), conv(width, width, kernel)
        self.film = nn.Linear(condition_width, 2 * width)
        zero(self.conv_2)
        zero(self.film)
        self.skip = nn.Identity() if width_in == width else conv(width_in, width, 1)

    def forward(self, x: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
        """(batch, width_in, 1, length), (batch, condition_width) -> (batch, width, 1, length)."""
        h = self.conv_1(F.silu(self.norm_1(x)))
        gain, shift = self.film(signal)[:, :, None, None].chunk(2, dim=1)
        h = torch.addcmul(shift, self.norm_2(h), 1 + gain)
        return self.skip(x) + self.conv_2(F.silu(h))


class AttentionBlock(nn.Module):
    """Self-attention and cross-attention, each added through an adaLN gate that starts closed."""

    def __init__(self, width: int, condition_width: int, heads: int, memory_width: int) -> None:
        super().__init__()
        self.head_width = width // heads
        self.modulation = nn.Linear(condition_width, 4 * width)
        zero(self.modulation)
        self.attention = SelfAttention(width, heads)
        self.cross = CrossAttention(width, heads, memory_width) if memory_width else None

    def forward(
        self, x: torch.Tensor, signal: torch.Tensor, rotation: Rotation, encoded: EncodedCondition
    ) -> torch.Tensor:
        """(batch, length, width) -> the same shape."""
        shift, scale, gate, gate_cross = self.modulation(signal)[:, None].chunk(4, dim=-1)
        x = torch.addcmul(x, gate, self.attention(modulated(x, shift, scale), rotation))
        if self.cross is None:
            return x
        return torch.addcmul(x, gate_cross, self.cross(x, encoded.memory, encoded.exclusion()))


def conv(width_in: int, width: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Convolution over time, as a 2-D one with a height of one."""
    return nn.Conv2d(width_in, width, (1, kernel), stride=(1, stride), padding=(0, kernel // 2))
