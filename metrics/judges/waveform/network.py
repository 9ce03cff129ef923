"""The network: four strided convolutions over the whole record, statistics over time, one answer."""

import torch
from torch import Tensor, nn

#: Differences are compressed around this, mV: noise of some uV then counts as much as a QRS complex.
_FINE_MV = 0.005
_WIDTHS, _KERNELS, _STRIDES = (32, 48, 64, 96), (16, 9, 9, 9), (4, 4, 4, 2)


class WaveformNetwork(nn.Module):
    """From ECGs (n, lead, time) in mV to logits (n,), positive for generated.

    It sees each lead three times: as it is, and its first and second differences, compressed, so that what lies in the
    noise is not lost beside the beats. 0.1 M parameters for eight leads.
    """

    def __init__(self, leads: int, dropout: float = 0.3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3 * leads
        for width, kernel, stride in zip(_WIDTHS, _KERNELS, _STRIDES, strict=True):
            layers += [
                nn.Conv1d(channels, width, kernel, stride, kernel // 2, bias=False),
                nn.BatchNorm1d(width),
                nn.GELU(),
            ]
            channels = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(3 * channels, 1))

    def forward(self, signal_mv: Tensor) -> Tensor:
        """Logits (n,)."""
        first = torch.diff(signal_mv, dim=-1, prepend=signal_mv[..., :1])
        second = torch.diff(first, dim=-1, prepend=first[..., :1])
        views = torch.cat([signal_mv, *(torch.asinh(each / _FINE_MV) / 4 for each in (first, second))], dim=1)
        found = self.body(views)
        pooled = torch.cat([found.mean(dim=-1), found.std(dim=-1), found.amax(dim=-1)], dim=1)
        return self.head(pooled)[:, 0]
