"""The network of DiffuSETS (Lai et al. 2025, arXiv 2501.05932), as a reference to compare with.

`DiffuSETSUNet` is the published noise predictor in its own terms: latents of 4 x 128, a step of 0..999, one embedding
of the whole text, and age, sex and rate. Its "cross-attention" attends to one vector repeated over the positions. All
keys and values of a sample are then equal, every weight is the same, and what is added does not depend on the query:
it is a bias per block. One key gives the same result as many equal ones, so the repetition is left out here; the
parameters of that attention's queries and keys never receive a gradient, here as there.

Published are 14.18 million parameters: 13,017,436 that take part, 13 copies of a fixed table of sines (832,000) and 12
convolutions that are never called (328,356). Only the first are built.

`DiffuSETSDenoiser` trains the same network on our latents, conditions and angles, for comparison at equal cost.
"""

from collections.abc import Mapping
from itertools import pairwise
from math import pi

import torch
import torch.nn.functional as F
from torch import nn

from diffusion.conditions.batch import ConditionBatch
from diffusion.networks.embedding import ConditionEncoder, checked_digest
from diffusion.networks.unet import conv
from diffusion.process.objective import Objective, denoising_loss
from gen.network import Network, register_to_config
from gen.quantities import QUANTITIES

PUBLISHED_WIDTHS = (4, 8, 16, 32, 64, 128, 256)
TEXT_WIDTH = 1536
STEPS = 1000
_SINES = 64


class DiffuSETSUNet(Network):
    """Predicts the noise in a latent from a step, a text embedding and patient data.

    Args:
        widths: channels of the latent, then after each of the stages; each stage halves the positions.
        text_width: size of the text embedding.
        kernel: positions that a convolution of a block spans.
    """

    @register_to_config
    def __init__(
        self, widths: tuple[int, ...] = PUBLISHED_WIDTHS, text_width: int = TEXT_WIDTH, kernel: int = 7
    ) -> None:
        super().__init__()
        widths = tuple(widths)
        condition = text_width + 3

        def block(width_in: int, width: int) -> Block:
            middle = (width_in + width) // 2
            return Block(width_in, middle, width, condition, (kernel, 1), hidden=2 * width_in, heads=8)

        self.down_blocks = nn.ModuleList(block(a, b) for a, b in pairwise(widths))
        self.down = nn.ModuleList(conv(w, w, 3, stride=2) for w in widths[1:])
        deepest = widths[-1]
        self.bottleneck = Block(deepest, deepest, deepest, condition, (3, 3), hidden=32, heads=4)
        #: Channels that arrive from below; all but the deepest are joined by a skip of the same width.
        arriving = widths[:0:-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(w, w, (1, 4), stride=(1, 2), padding=(0, 1)) for w in arriving)
        self.up_blocks = nn.ModuleList(
            block(2 * w if k else w, out) for k, (w, out) in enumerate(zip(arriving, widths[-2::-1], strict=True))
        )
        self.head = nn.Sequential(conv(widths[0], widths[0], 3), nn.Mish(), conv(widths[0], widths[0], 1))
        self.to(memory_format=torch.channels_last)

    @property
    def multiple(self) -> int:
        """Number that positions must be a multiple of."""
        return 2 ** len(self.down)

    def forward(
        self, x: torch.Tensor, t: torch.Tensor, text_embedding: torch.Tensor, patient: torch.Tensor
    ) -> torch.Tensor:
        """Predict the noise.

        Args:
            x: (batch, channel, length) noisy latents; the length is a multiple of ``multiple``.
            t: (batch,) step, 0 to 999; values between are allowed.
            text_embedding: (batch, text_width).
            patient: (batch, 3): sex, age, rate.

        Returns:
            (batch, channel, length) float32.

        Raises:
            ValueError: the length is no such multiple.
        """
        if x.shape[-1] % self.multiple:
            raise ValueError(f"{x.shape[-1]} positions: expected a multiple of {self.multiple}")
        condition = torch.cat([text_embedding, patient], dim=1)
        sines = _sines(t)
        h = x[:, :, None].contiguous(memory_format=torch.channels_last)
        skips = []
        for block, down in zip(self.down_blocks, self.down, strict=True):
            skips.append(block(h, sines, condition))
            h = down(skips[-1])
        skips.pop()
        h = self.bottleneck(h, sines, condition)
        for k, (up, block) in enumerate(zip(self.up, self.up_blocks, strict=True)):
            h = up(h)
            h = block(torch.cat([h, skips.pop()], dim=1) if k else h, sines, condition)
        return self.head(h)[:, :, 0].float()


class Block(nn.Module):
    """Convolution, self-attention, condition, convolution, and a skip around all of it."""

    def __init__(
        self,
        width_in: int,
        middle: int,
        width: int,
        condition: int,
        kernels: tuple[int, int],
        *,
        hidden: int,
        heads: int,
    ) -> None:
        super().__init__()
        outer, inner = kernels
        self.time = nn.Sequential(nn.Linear(_SINES, 128), nn.Mish(), nn.Linear(128, width_in))
        self.before, self.between = conv(width_in, middle, outer), conv(middle, middle, inner)
        self.norm_1, self.norm_2 = nn.GroupNorm(1, middle), nn.GroupNorm(1, width)
        self.self_attention = Attention(middle, hidden, heads)
        self.condition, self.condition_norm = nn.Linear(condition, middle), nn.LayerNorm(middle)
        self.cross_attention = Attention(middle, hidden, heads)
        self.norm = nn.LayerNorm(middle)
        self.after = conv(middle, width, outer)
        self.skip = nn.Identity() if width_in == width else conv(width_in, width, 1)

    def forward(self, x: torch.Tensor, sines: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """(batch, width_in, 1, length) -> (batch, width, 1, length)."""
        h = self.before(x + self.time(sines)[:, :, None, None])
        h = self.between(F.mish(self.norm_1(h)))[:, :, 0].transpose(1, 2)
        h = h + self.self_attention(h)
        h = h + self.cross_attention(h, self.condition_norm(self.condition(condition))[:, None])
        h = self.norm(h).transpose(1, 2)[:, :, None]
        return F.mish(self.norm_2(self.after(h))) + self.skip(x)


class Attention(nn.Module):
    """Attention in a hidden width of its own; keys and values from the normalised input unless given."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.q, self.k, self.v = (nn.Linear(width, hidden) for _ in range(3))
        self.attention = nn.MultiheadAttention(hidden, heads, batch_first=True)
        self.out = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor, memory: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, length, width), memory (batch, key, width) -> (batch, length, width)."""
        h = self.norm(x)
        memory = h if memory is None else memory
        return self.out(self.attention(self.q(h), self.k(memory), self.v(memory), need_weights=False)[0])


class DiffuSETSDenoiser(Network):
    """The published network on our terms: predicts v from x, an angle and our conditions.

    Everything said goes into one vector, as published: tokens are pooled, numbers added, the sum projected to the size
    of the published text embedding. Positions are padded to a multiple of 64.

    Args:
        latent_channels: channels C of a latent.
        widths: channels of the stages, for as many parameters as published (doubling from 32 would end at 2,048).
        width: of the condition encoder.
        text_width: size of the text embedding.
        vocabulary_digest: of the text vocabulary; None takes the running one's.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 32,
        widths: tuple[int, ...] = (32, 64, 64, 96, 128, 160),
        width: int = 256,
        text_width: int = TEXT_WIDTH,
        vocabulary_digest: str | None = None,
    ) -> None:
        super().__init__()
        self.objective = Objective()
        self.register_to_config(vocabulary_digest=checked_digest(vocabulary_digest))
        self.encoder = ConditionEncoder(width, text_path="adaln", numbers_path="adaln")
        self.text = nn.Linear(width, text_width)
        self.unet = DiffuSETSUNet((latent_channels, *widths), text_width)

    def forward(
        self, x: torch.Tensor, phi: torch.Tensor, condition: ConditionBatch, base: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Predict v; arguments and result as of `diffusion.networks.dit.LatentDiT.forward`."""
        length = x.shape[2]
        steps = phi / (0.5 * pi) * (STEPS - 1)
        text = self.text(self.encoder(condition, base).vector)
        padded = F.pad(x, (0, -length % self.unet.multiple))
        return self.unet(padded, steps, text, _patient(condition).to(text.dtype))[:, :, :length]

    def loss(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Training loss, see `diffusion.process.objective.denoising_loss`."""
        return denoising_loss(self, dict(batch), self.objective)


def _patient(condition: ConditionBatch) -> torch.Tensor:
    """Sex (-1, 1), scaled age and rate (batch, 3); 0 where absent."""
    names, asked = list(QUANTITIES), ("age", "heart_rate")
    sex = torch.where(condition.sex == 0, 0.0, 2.0 * condition.sex - 3.0)
    columns = [condition.numbers[:, names.index(name)] for name in asked]
    scaled = [(c - QUANTITIES[n].mean) / QUANTITIES[n].scale for n, c in zip(asked, columns, strict=True)]
    return torch.nan_to_num(torch.stack([sex, *scaled], dim=1))


def _sines(t: torch.Tensor) -> torch.Tensor:
    """The published table of sines and cosines, at steps (batch,) counted from 0 -> (batch, 64)."""
    half = _SINES // 2
    frequencies = torch.exp(torch.arange(half, device=t.device) * (-10.0 / (half - 1)))
    angle = (t.float() + 1)[:, None] * frequencies
    return torch.cat([angle.sin(), angle.cos()], dim=1)
