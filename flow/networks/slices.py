"""Other slices of a heart, from its mid one: a flow to the anatomy at a height, told the mid anatomy and the figures.

What lies around the heart, its shape and its brightness go on from slice to slice, so the anatomy of the mid slice
says most of what another one shows; where that one cuts the heart, and how large the heart is, say the rest. Slices of
one heart share the mid one's motion (`flow.networks.slice_codec`) and their noise, so neighbours are alike. Start
point, path and time are those of `flow.networks.objective`.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from flow.networks.objective import draw_time, start_point
from flow.networks.velocity import patches, unpatched
from gen.layers import Attention, mlp, modulate, sinusoid, zero
from gen.network import Network, register_to_config
from gen.randomness import Stream, seeded_normal

_TIME_WIDTH, _LEVEL_WIDTH = 128, 32
#: Heights from base to apex as positions of a `sinusoid`: its longest waves are far longer than that.
_LEVEL_SCALE = 200.0


@dataclass(frozen=True)
class SliceContext:
    """What a slice belongs to.

    Attributes:
        mid: (batch, channels, rows, columns) standardised anatomy of the mid slice, of `flow.networks.cine_codec`.
        figures: (batch, figures) standardised, see `flow.networks.pamae.TARGETS`.
        level: (batch,) height of the slice, 0 base to 1 apex.
    """

    mid: torch.Tensor
    figures: torch.Tensor
    level: torch.Tensor


class SliceFlow(Network):
    """Predicts the velocity of the anatomy of a slice.

    Args:
        anatomy_shape: (channels, rows, columns) of a latent of `flow.networks.slice_codec`.
        mid_channels: channels of the mid slice's latent, of as many rows and columns.
        figures: numbers of the heart.
        patch: side of a token in latent pixels.
        width, depth, heads: of the transformer.
        slice_codec_digest: names the codec whose latents these are.
    """

    alpha, time_shape = 1.0, "uniform"

    @register_to_config
    def __init__(
        self,
        anatomy_shape: tuple[int, ...] = (12, 12, 12),
        mid_channels: int = 8,
        figures: int = 4,
        patch: int = 2,
        width: int = 192,
        depth: int = 5,
        heads: int = 6,
        slice_codec_digest: str = "",
    ) -> None:
        super().__init__()
        channels, rows, columns = anatomy_shape
        if rows % patch or columns % patch or width % 8:
            raise ValueError("anatomy must be a multiple of patch, and width of 8")
        self.anatomy_shape, self.patch = tuple(anatomy_shape), patch
        self.into = nn.Linear((channels + mid_channels) * patch**2, width)
        self.place = nn.Parameter(0.02 * torch.randn(rows * columns // patch**2, width))
        self.about = mlp(_TIME_WIDTH + _LEVEL_WIDTH + figures, width, width)
        self.modulation = nn.Sequential(nn.SiLU(), zero(nn.Linear(width, 6 * width)))
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.last = nn.Sequential(nn.SiLU(), zero(nn.Linear(width, 2 * width)))
        self.out = zero(nn.Linear(width, channels * patch**2))
        self.register_buffer("template", torch.zeros(self.size), persistent=False)

    @property
    def size(self) -> int:
        """Numbers of an anatomy."""
        return math.prod(self.anatomy_shape)

    def forward(self, packed: torch.Tensor, time: torch.Tensor, context: SliceContext) -> torch.Tensor:
        """Velocity (batch, size) towards the start point.

        Args:
            packed: (batch, size) anatomies at ``time``.
            time: (batch,) 1 at the start point, 0 at the slice.
            context: what the slices belong to.
        """
        both = torch.cat([packed.unflatten(1, self.anatomy_shape), context.mid], dim=1)
        tokens = self.into(patches(both, self.patch)) + self.place
        told = [
            sinusoid(1000.0 * time, _TIME_WIDTH),
            sinusoid(_LEVEL_SCALE * context.level, _LEVEL_WIDTH),
            context.figures,
        ]
        about = self.about(torch.cat(told, dim=1))
        modulation = self.modulation(about).unflatten(1, (6, -1))
        for block in self.blocks:
            tokens = block(tokens, modulation)
        shift, scale = self.last(about).chunk(2, dim=1)
        out = self.out(modulate(self.norm(tokens), shift, scale))
        return unpatched(out, self.patch, self.anatomy_shape).flatten(1).float()

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Mean squared error of the velocity.

        Args:
            batch: ``anatomy`` (batch, channels, rows, columns) and ``mid`` (batch, mid_channels, rows, columns)
                standardised, ``figures``, ``level``, ``sample_seed``.
        """
        wanted, seeds = batch["anatomy"].flatten(1), batch["sample_seed"]
        start = start_point(self, seeded_normal(wanted.shape[1:], seeds, wanted.device, stream=Stream.FLOW_NOISE))
        time = draw_time(seeds, wanted.device, self.time_shape)
        between = (1 - time[:, None]) * wanted + time[:, None] * start
        context = SliceContext(batch["mid"], batch["figures"], batch["level"])
        return {"loss": (self(between, time, context) - (start - wanted)).square().mean()}


class _Block(nn.Module):
    """Self-attention and MLP, modulated by time, height and figures."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, elementwise_affine=False)
        self.norm_2 = nn.LayerNorm(width, elementwise_affine=False)
        self.attention, self.mlp = Attention(width, heads), mlp(width, 4 * width, width)
        self.offset = nn.Parameter(torch.zeros(6, width))

    def forward(self, x: torch.Tensor, modulation: torch.Tensor) -> torch.Tensor:
        """(batch, token, width), (batch, 6, width) -> (batch, token, width)."""
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = (modulation + self.offset).unbind(1)
        h = modulate(self.norm_1(x), shift_1, scale_1)
        x = x + gate_1[:, None] * self.attention(h, h)
        return x + gate_2[:, None] * self.mlp(modulate(self.norm_2(x), shift_2, scale_2))
