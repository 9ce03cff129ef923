"""The published velocity network (72.8 M parameters) as a reference configuration.

Every latent pixel of every frame is a token: 50 x 144 of them, attention over time, to the ECG, over space (arXiv
2601.20904, public code). Here keys carry positions, which the public code forgot, and time is scaled by 1000 before
its sinusoid, without which most of its frequencies are constant; neither has parameters.
"""

import torch
import torch.nn.functional as F
from torch import nn

from gen.layers import Attention, circular, mlp, modulate, sinusoid, zero
from gen.network import Network, register_to_config
from gen.randomness import Stream, seeded_normal, seeded_uniform


class ReferenceDiT(Network):
    """Factorised space-time transformer over (batch, channels, frame, row, column) latents.

    Args:
        channels, frames, size: of the latent.
        width, depth, heads: of the transformer.
        token_width: of the ECG features.
        alpha: spread of the start point around the template.
        drop: chance that the ECG is withheld from a training sample.
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 4,
        frames: int = 50,
        size: int = 12,
        width: int = 512,
        depth: int = 8,
        heads: int = 8,
        token_width: int = 768,
        alpha: float = 1.0,
        drop: float = 0.1,
    ) -> None:
        super().__init__()
        self.alpha, self.drop = alpha, drop
        self.embed = nn.Linear(channels, width)
        self.place = nn.Parameter(0.02 * torch.randn(frames, size * size, width))
        self.time_in = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.ecg_in = nn.Linear(token_width, width)
        self.mean_in = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(ReferenceBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.last = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, channels)
        self.register_buffer("template", torch.zeros(channels, 1, size, size))
        zero(self.last)
        zero(self.out)

    def forward(self, x: torch.Tensor, time: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Velocity of the same shape as ``x`` (batch, channels, frame, row, column).

        Args:
            x: latents.
            time: (batch,) 1 at the start point.
            tokens: (batch, frame, token_width) features of one heart cycle.
        """
        shape = x.shape
        h = self.embed(x.flatten(3).permute(0, 2, 3, 1)) + self.place
        keys = self.ecg_in(tokens)
        c = self.time_in(sinusoid(1000.0 * time, 256)) + self.mean_in(keys.mean(dim=1))
        keys = keys + circular(torch.arange(keys.shape[1], device=x.device) / keys.shape[1], keys.shape[2])
        for block in self.blocks:
            h = block(h, keys, c)
        shift, scale = self.last(F.silu(c)).chunk(2, dim=1)
        h = self.out(modulate(self.norm(h.flatten(1, 2)), shift, scale))
        return h.unflatten(1, (shape[2], -1)).permute(0, 3, 1, 2).reshape(shape)

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Velocity error; ``latent`` (batch, channels, frame, row, column), ``tokens``, ``sample_seed``."""
        heart, seeds = batch["latent"], batch["sample_seed"]
        start = self.template + self.alpha * seeded_normal(
            heart.shape[1:], seeds, heart.device, stream=Stream.FLOW_NOISE
        )
        time = seeded_uniform((1,), seeds, heart.device, stream=Stream.FLOW_TIME)[:, 0]
        kept = seeded_uniform((1,), seeds, heart.device, stream=Stream.FLOW_DROP) >= self.drop
        t = time[:, None, None, None, None]
        velocity = self.forward((1 - t) * heart + t * start, time, batch["tokens"] * kept[:, None])
        return {"loss": (velocity - (start - heart)).float().square().mean()}


class ReferenceBlock(nn.Module):
    """Attention over time, to the ECG, over space, and an MLP, each with adaLN-Zero (twelve chunks)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(4))
        self.time, self.cross, self.space = (Attention(width, heads) for _ in range(3))
        self.mlp = mlp(width, 4 * width, width)
        self.modulation = nn.Sequential(nn.SiLU(), zero(nn.Linear(width, 12 * width)))

    def forward(self, x: torch.Tensor, keys: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        """(batch, frame, pixel, width), (batch, key, width), (batch, width) -> the first's shape."""
        batch, frames, pixels, _ = x.shape
        parts = self.modulation(c).chunk(12, dim=1)

        def branch(number: int, layer: nn.Module, view: str, context: torch.Tensor | None) -> torch.Tensor:
            shift, scale, gate = parts[3 * number : 3 * number + 3]
            h = modulate(self.norms[number](x.flatten(1, 2)), shift, scale).unflatten(1, (frames, pixels))
            if view == "time":
                h = h.transpose(1, 2).flatten(0, 1)
                keys_ = h if context is None else context.repeat_interleave(pixels, dim=0)
                h = layer(h, keys_).unflatten(0, (batch, pixels)).transpose(1, 2)
            elif view == "space":
                h = h.flatten(0, 1)
                h = layer(h, h).unflatten(0, (batch, frames))
            else:
                h = layer(h)
            return gate[:, None, None] * h

        x = x + branch(0, self.time, "time", None)
        x = x + branch(1, self.cross, "time", keys)
        x = x + branch(2, self.space, "space", None)
        return x + branch(3, self.mlp, "token", None)
