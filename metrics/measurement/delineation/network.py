"""The delineation network: which samples belong to P, QRS and T, in each lead and in all leads together."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from gen.network import Network, register_to_config
from metrics.measurement.delineation.waves import WAVES


def _conv(inputs: int, outputs: int, taps: int, *, stride: int = 1, dilation: int = 1, bias: bool = False) -> nn.Conv2d:
    """Convolution along time (axis W); the leads lie along H and do not mix."""
    pad = dilation * (taps - 1) // 2 if stride == 1 else (taps - stride) // 2
    return nn.Conv2d(inputs, outputs, (1, taps), (1, stride), (0, pad), (1, dilation), bias=bias)


class Block(nn.Module):
    """Two convolutions with batch norm around a shortcut."""

    def __init__(self, width: int, taps: int, dilation: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.first, self.norm_1 = _conv(width, width, taps, dilation=dilation), nn.BatchNorm2d(width)
        self.second, self.norm_2 = _conv(width, width, taps, dilation=dilation), nn.BatchNorm2d(width)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width, lead, time) -> the same shape."""
        y = F.relu(self.norm_1(self.first(x)), inplace=True)
        return F.relu(self.norm_2(self.second(self.dropout(y))) + x, inplace=True)


class Step(nn.Module):
    """Convolution, batch norm, ReLU: changes width or rate."""

    def __init__(self, inputs: int, outputs: int, taps: int, stride: int = 1) -> None:
        super().__init__()
        self.conv, self.norm = _conv(inputs, outputs, taps, stride=stride), nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, inputs, lead, time) -> (batch, outputs, lead, time / stride)."""
        return F.relu(self.norm(self.conv(x)), inplace=True)


class Delineator(Network):
    """Segments ECGs at 250 Hz into P, QRS and T.

    The leads share all weights and meet where the network sees whole beats: there their features are pooled (mean and
    maximum over leads), read by a deep stack with a reach of seconds, and handed back to every lead. Any number of
    leads in any order is therefore accepted. A second head reads the pooled fine features: the multi-lead consensus.

    Args:
        widths: channels at 62.5, 31.25 and 15.6 Hz.
        deep_width: channels of the stack over pooled leads.
        dilations: of its blocks.
        amplitude_mv: amplitudes above it are compressed, asinh(x / amplitude).
        dropout: share of channels dropped in training.
    """

    fs_hz = 250.0
    #: The number of samples must be a multiple of this.
    stride = 16

    @register_to_config
    def __init__(
        self,
        widths: Sequence[int] = (48, 64, 96),
        deep_width: int = 112,
        dilations: Sequence[int] = (1, 2, 4, 8),
        amplitude_mv: float = 0.1,
        dropout: float = 0.05,
    ) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.amplitude_mv = amplitude_mv
        self.stem = Step(1, fine, 16, stride=4)
        self.fine_in, self.to_middle = Block(fine, 3, dropout=dropout), Step(fine, middle, 4, stride=2)
        self.middle_in, self.to_coarse = Block(middle, 3, dropout=dropout), Step(middle, coarse, 4, stride=2)
        self.pooled = Step(2 * coarse, deep_width, 1)
        self.deep = nn.Sequential(*[Block(deep_width, 5, d, dropout) for d in dilations])
        self.spread = _conv(deep_width, coarse, 1)
        self.coarse_out, self.up_middle = Block(coarse, 3, dropout=dropout), _conv(coarse, middle, 1)
        self.middle_out, self.up_fine = Block(middle, 3, dropout=dropout), _conv(middle, fine, 1)
        self.fine_out = Block(fine, 3)
        self.lead_head = _conv(fine, 4 * len(WAVES), 3, bias=True)
        self.consensus = nn.Sequential(Step(2 * fine, 64, 3), Block(64, 3), Block(64, 3))
        self.consensus_head = _conv(64, 4 * len(WAVES), 3, bias=True)
        self.to(memory_format=torch.channels_last)

    def forward(
        self, signal_mv: torch.Tensor, pool: torch.Tensor, per_lead: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of every sample.

        Args:
            signal_mv: (batch, lead, time) at 250 Hz without baseline drift; time a multiple of 16.
            pool: (batch, lead) 1 for leads that the others and the consensus learn from, 0 for leads that only listen.
            per_lead: also read every lead by itself; without it there are no leads in the first result.

        Returns:
            (batch, lead, 3, time) of the leads and (batch, 3, time) of the consensus.
        """
        x = torch.asinh(signal_mv / self.amplitude_mv)[:, None].contiguous(memory_format=torch.channels_last)
        fine = self.fine_in(self.stem(x))
        middle = self.middle_in(self.to_middle(fine))
        coarse = self.to_coarse(middle)
        deep = self.spread(self.deep(self.pooled(pool_leads(coarse, pool))))
        coarse = self.coarse_out(F.relu(coarse + deep))
        middle = self.middle_out(middle + _twice(self.up_middle(coarse)))
        fine = self.fine_out(fine + _twice(self.up_fine(middle)))
        together = _samples(self.consensus_head(self.consensus(pool_leads(fine, pool))))[:, 0]
        leads = _samples(self.lead_head(fine)) if per_lead else together.new_empty(len(fine), 0, *together.shape[1:])
        return leads, together

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Cross-entropy over the samples whose label is known.

        Args:
            batch: ``signal_mv`` (batch, lead, time), ``pool`` (batch, lead), ``lead_label`` and ``lead_weight``
                (batch, lead, 3, time), ``label`` and ``weight`` (batch, 3, time); labels 0 or 1, weights 0 or more.
        """
        lead_logits, logits = self(batch["signal_mv"], batch["pool"])
        weight = batch["lead_weight"] * batch["pool"][:, :, None, None]
        per_lead = _cross_entropy(lead_logits, batch["lead_label"], weight)
        consensus = _cross_entropy(logits, batch["label"], batch["weight"])
        return {"loss": per_lead + consensus, "per_lead": per_lead.detach(), "consensus": consensus.detach()}


def _cross_entropy(logits: torch.Tensor, label: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    value = F.binary_cross_entropy_with_logits(logits.float(), label.float(), reduction="none")
    return (value * weight).sum() / weight.sum().clamp(min=1.0)


def pool_leads(x: torch.Tensor, pool: torch.Tensor) -> torch.Tensor:
    """Mean and maximum over pooled leads: (batch, width, lead, time), (batch, lead) -> (batch, 2 width, 1, time)."""
    taken = pool[:, None, :, None].to(x.dtype)
    mean = (x * taken).sum(dim=2, keepdim=True) / taken.sum(dim=2, keepdim=True).clamp(min=1)
    # The features are past a ReLU, so a lead set to zero never is the maximum by mistake.
    return torch.cat([mean, (x * taken).amax(dim=2, keepdim=True)], dim=1)


def _twice(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=(1.0, 2.0), mode="nearest")


def _samples(logits: torch.Tensor) -> torch.Tensor:
    """(batch, 4 * 3, lead, time / 4) -> (batch, lead, 3, time)."""
    batch, _, leads, steps = logits.shape
    return logits.view(batch, len(WAVES), 4, leads, steps).permute(0, 3, 1, 4, 2).reshape(batch, leads, len(WAVES), -1)


def fold_norms(model: Delineator) -> Delineator:
    """The same function with every batch norm folded into its convolution, for inference only; changes the model."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    pairs: list[tuple[Any, str, str]] = []
    for module in model.modules():
        if isinstance(module, Block):
            pairs += [(module, "first", "norm_1"), (module, "second", "norm_2")]
        elif isinstance(module, Step):
            pairs.append((module, "conv", "norm"))
    for module, conv, norm in pairs:
        setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
        setattr(module, norm, nn.Identity())
    return model
