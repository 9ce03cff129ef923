"""Small parts that the networks of this package share."""

import math
from typing import TypeVar

import torch
from torch import nn

Layer = TypeVar("Layer", bound=nn.Module)


class Attention(nn.Module):
    """Multi-head attention of queries to a context; ``context_width`` defaults to ``width``."""

    def __init__(self, width: int, heads: int, context_width: int | None = None) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} must be a multiple of heads {heads}")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(context_width or width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """(batch, token, width), (batch, other, context_width) -> (batch, token, width)."""

        def split(h: torch.Tensor) -> torch.Tensor:
            return h.unflatten(2, (self.heads, -1)).transpose(1, 2)

        q, (k, v) = split(self.query(x)), map(split, self.key_value(context).chunk(2, dim=2))
        # Plain attention trains about twice as fast as the fused call on a CPU at a few hundred tokens.
        weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, dim=-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


def mlp(width_in: int, hidden: int, width: int) -> nn.Sequential:
    """Two linear layers with GELU between."""
    return nn.Sequential(nn.Linear(width_in, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width))


def zero(layer: Layer) -> Layer:
    """The layer with all parameters set to zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def sinusoid(positions: torch.Tensor, width: int, longest: float = 10_000.0) -> torch.Tensor:
    """Sinusoidal embedding (n, width) of positions (n,) (Vaswani et al. 2017)."""
    half = width // 2
    rate = torch.exp(-math.log(longest) * torch.arange(half) / half).to(positions.device)
    angle = positions.float()[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def circular(phase: torch.Tensor, width: int) -> torch.Tensor:
    """Embedding (n, width) of phases (n,) in [0, 1) by harmonics: phase 0 and phase 1 are the same place."""
    harmonics = torch.arange(1, width // 2 + 1, device=phase.device)
    angle = 2 * math.pi * phase.float()[:, None] * harmonics
    decay = 1.0 / harmonics.sqrt()
    return torch.cat([angle.sin() * decay, angle.cos() * decay], dim=1)


def modulate(x: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Scale and shift (batch, token, width) by (batch, width)."""
    return x * (1 + scale[:, None]) + shift[:, None]
