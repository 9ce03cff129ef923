"""Small parts that networks share: attention, layers that start at zero, embeddings of places and phases."""

import math
from typing import TypeVar

import torch
from einops import rearrange
from torch import nn

Layer = TypeVar("Layer", bound=nn.Module)


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(batch, token, width) -> (batch, head, token, width / heads)."""
    return rearrange(x, "batch token (head width) -> batch head token width", head=heads)


def merge_heads(x: torch.Tensor) -> torch.Tensor:
    """Inverse of `split_heads`."""
    return rearrange(x, "batch head token width -> batch token (head width)")


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    scale: float | None = None,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Values weighed by softmax(scale query key^T + bias) (Vaswani et al. 2017).

    Plain attention: on a CPU it trains about twice as fast as torch's fused call at a few hundred tokens.

    Args:
        query: (batch, head, token, width).
        key: (batch, head, other, width).
        value: (batch, head, other, width).
        scale: width^-0.5 as published; None where query or key carry it.
        bias: added to the scores, such as minus infinity where a key is not to be seen.

    Returns:
        (batch, head, token, width).
    """
    scores = query @ key.transpose(-1, -2)
    if scale is not None:
        scores = scores * scale
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    return torch.softmax(scores, dim=-1) @ value


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
        query = split_heads(self.query(x), self.heads)
        key, value = (split_heads(part, self.heads) for part in self.key_value(context).chunk(2, dim=2))
        return self.out(merge_heads(attend(query, key, value, scale=query.shape[-1] ** -0.5)))


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
