"""The classifier: a residual network over the eight leads at 100 Hz with a head for each level of labels.

It is of the xresnet1d kind (He et al. 2019, arXiv 1812.01187; Strodthoff et al. 2021 for ECG): a stem of three small
convolutions, four residual stages whose shortcuts pool before they widen, and pooling by mean and maximum over time.
Its 256 penultimate values are the default features of the distribution measures.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from gen.datasets.scp import SUPERCLASSES, labels_at
from gen.network import Network, register_to_config

#: Largest value behind the input scale: beyond 20 mV it is an artefact, whatever its size.
INPUT_LIMIT = 80.0


class Predicted(NamedTuple):
    """What the network says about a batch.

    Shapes: ``features`` (batch, feature_width); the rest are logits: ``superclasses`` (batch, 5), ``statements``
    (batch, statement), ``demographics`` (batch, 2), which is the log-odds of a woman and the age in units of 50 years.
    """

    features: torch.Tensor
    superclasses: torch.Tensor
    statements: torch.Tensor
    demographics: torch.Tensor


class EcgClassifier(Network):
    """Residual network over eight leads that names superclasses and statements.

    Args:
        widths: channels of the stages; each but the first halves the time axis, after a stem that quarters it.
        blocks: residual blocks in each stage.
        kernel: taps of a convolution in the stages (at the stage's own rate).
        feature_width: penultimate values.
        dropout: share of channels dropped in training.
        scale_mv: millivolt that are 1 inside the network.
        superclasses, statements: names of the outputs, in order.
        thresholds: name of an output -> probability from which it counts as stated, chosen on validation records;
            None before that.
    """

    fs_hz = 100.0

    @register_to_config
    def __init__(
        self,
        widths: tuple[int, ...] = (64, 128, 192, 256),
        blocks: int = 2,
        kernel: int = 5,
        feature_width: int = 256,
        dropout: float = 0.1,
        scale_mv: float = 0.25,
        superclasses: tuple[str, ...] = SUPERCLASSES,
        statements: tuple[str, ...] = labels_at("all"),
        thresholds: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(widths, blocks, kernel, feature_width, dropout, scale_mv)
        self.heads = nn.ModuleDict(
            {
                "superclasses": nn.Linear(feature_width, len(superclasses)),
                "statements": nn.Linear(feature_width, len(statements)),
                "demographics": nn.Linear(feature_width, 2),
            }
        )

    def forward(self, signal_mv: torch.Tensor) -> Predicted:
        """Classify ECGs (batch, 8, time) in mV at 100 Hz, `gen.leads.LEADS_8`; NaN counts as the lead's mean."""
        features = self.backbone(signal_mv)
        hidden = F.silu(features)
        return Predicted(features, *(head(hidden) for head in self.heads.values()))

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Binary cross-entropy of both heads, and a little of sex and age, which are known for nearly every record.

        Args:
            batch: ``signal_mv``; targets in [0, 1] ``superclasses``, ``statements``; ``demographics`` (batch, 2),
                NaN where unknown.
        """
        predicted = self.forward(batch["signal_mv"])
        superclasses = _cross_entropy(predicted.superclasses, batch["superclasses"]).mean()
        # The mean over 71 mostly absent statements would be drowned by five frequent classes.
        statements = _cross_entropy(predicted.statements, batch["statements"]).sum(dim=1).mean() / 10
        demographics = _demographic_loss(predicted.demographics.float(), batch["demographics"])
        loss = superclasses + statements + 0.2 * demographics
        return {"loss": loss, "super": superclasses, "all": statements, "demographics": demographics}


class Backbone(nn.Module):
    """Features (batch, feature_width) of ECGs (batch, 8, time); see `EcgClassifier` for the arguments."""

    def __init__(
        self, widths: Sequence[int], blocks: int, kernel: int, feature_width: int, dropout: float, scale_mv: float
    ) -> None:
        super().__init__()
        self.scale_mv = scale_mv
        half = max(8, widths[0] // 2)
        self.stem = nn.Sequential(
            _conv(8, half, 5, 2), _norm_relu(half), _conv(half, half, 5), _norm_relu(half), _conv(half, widths[0], 5),
            _norm_relu(widths[0]), nn.MaxPool2d((1, 3), (1, 2), (0, 1)),
        )  # fmt: skip
        stages: list[nn.Module] = []
        before = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                stages.append(ResidualBlock(before, width, kernel, stride, dropout))
                before = width
        self.stages = nn.Sequential(*stages)
        self.pooled = nn.Sequential(nn.BatchNorm1d(2 * before, momentum=0.05), nn.Dropout(min(0.5, 4 * dropout)))
        self.feature = nn.Linear(2 * before, feature_width)
        # oneDNN's bf16 convolutions are 2-8 times faster on this layout than on PyTorch's default one.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, signal_mv: torch.Tensor) -> torch.Tensor:
        """Read ECGs (batch, 8, time) in mV at 100 Hz, `gen.leads.LEADS_8`; NaN counts as the lead's mean."""
        x = signal_mv - torch.nanmean(signal_mv, dim=2, keepdim=True)  # the electrodes' offset means nothing
        x = (torch.nan_to_num(x) / self.scale_mv).clamp(-INPUT_LIMIT, INPUT_LIMIT)
        h = self.stages(self.stem(x[:, :, None].contiguous(memory_format=torch.channels_last)))
        return self.feature(self.pooled(torch.cat([h.mean((2, 3)), h.amax((2, 3))], dim=1)))


class ResidualBlock(nn.Module):
    """Two convolutions over time with a shortcut that pools and widens where the block does."""

    def __init__(self, width_in: int, width: int, kernel: int, stride: int, dropout: float) -> None:
        super().__init__()
        last = nn.BatchNorm2d(width, momentum=0.05)
        nn.init.zeros_(last.weight)  # every block starts as its shortcut
        self.body = nn.Sequential(
            _conv(width_in, width, kernel, stride), _norm_relu(width),
            # Whole channels: a random number per activation costs as much as the block on a CPU.
            nn.Dropout2d(dropout),
            _conv(width, width, kernel), last,
        )  # fmt: skip
        shortcut: list[nn.Module] = []
        if stride > 1:
            shortcut.append(nn.AvgPool2d((1, stride), (1, stride), ceil_mode=True))
        if width_in != width:
            shortcut += [nn.Conv2d(width_in, width, 1, bias=False), nn.BatchNorm2d(width, momentum=0.05)]
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width_in, 1, time) -> (batch, width, 1, ceil(time / stride))."""
        return F.relu(self.body(x) + self.shortcut(x))


def _conv(width_in: int, width: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(width_in, width, (1, kernel), (1, stride), (0, kernel // 2), bias=False)


def _norm_relu(width: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(width, momentum=0.05), nn.ReLU())


def _cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")


def _demographic_loss(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    known = ~torch.isnan(target)
    target = torch.nan_to_num(target)
    sex = _cross_entropy(predicted[:, 0], target[:, 0])
    age = (predicted[:, 1] - target[:, 1]).square()
    return (torch.stack([sex, age], dim=1) * known).sum() / known.sum().clamp_min(1)
