"""The published PA-MAE network as a reference configuration: encoder 4.37 M, decoder 0.92 M parameters.

ResNet-18-style encoder with eightfold time compression (arXiv 2601.20904 and its public code). A convolution cannot
drop patches, so the masked samples are replaced by a learned value *before* it (the public code zeroes the encoder's
output, where everything has been seen already).
"""

import torch
import torch.nn.functional as F
from torch import nn

from gen.network import Network, register_to_config
from gen.randomness import Stream, seeded_uniform

#: Width and stride of the four stages.
STAGES = ((64, 1), (128, 2), (256, 1), (512, 1))
FEATURES = 768
_MASK_PATCH = 8


class Basic(nn.Module):
    """Basic residual block of two convolutions of kernel 3."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(width_in, width, 3, stride, 1, bias=False)
        self.conv_2 = nn.Conv1d(width, width, 3, 1, 1, bias=False)
        self.norm_1, self.norm_2 = nn.BatchNorm1d(width), nn.BatchNorm1d(width)
        changes = stride != 1 or width_in != width
        self.skip: nn.Module = (
            nn.Sequential(nn.Conv1d(width_in, width, 1, stride, bias=False), nn.BatchNorm1d(width))
            if changes
            else nn.Identity()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width_in, time) -> (batch, width, time / stride)."""
        h = self.norm_2(self.conv_2(F.relu(self.norm_1(self.conv_1(x)))))
        return F.relu(h + self.skip(x))


class ReferencePAMAE(Network):
    """The published encoder, phase head and decoder on twelve leads at 500 Hz.

    Args:
        mask_ratio: share of the 8-sample patches hidden from the encoder.
        weights: of reconstruction and phase in the loss.
    """

    @register_to_config
    def __init__(self, mask_ratio: float = 0.5, weights: tuple[float, ...] = (1.0, 1.0)) -> None:
        super().__init__()
        self.mask_ratio, self.loss_weights = mask_ratio, tuple(weights)
        self.hidden = nn.Parameter(torch.zeros(12))
        layers: list[nn.Module] = [
            nn.Conv1d(12, 64, 7, 2, 3, bias=False),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.MaxPool1d(3, 2, 1),
        ]
        width_in = 64
        for width, stride in STAGES:
            layers += [Basic(width_in, width, stride), Basic(width, width, 1)]
            width_in = width
        self.trunk, self.feature_head = nn.Sequential(*layers), nn.Conv1d(512, FEATURES, 1)
        self.phase_head = nn.Sequential(nn.Conv1d(512, 256, 1), nn.ReLU(), nn.Conv1d(256, 2, 1))
        parts: list[nn.Module] = [nn.Conv1d(FEATURES, 512, 1)]
        for width_in, width in ((512, 256), (256, 128), (128, 64)):
            parts += [
                nn.Upsample(scale_factor=2, mode="linear"),
                nn.Conv1d(width_in, width, 3, padding=1),
                nn.BatchNorm1d(width),
                nn.ReLU(),
            ]
        self.decoder = nn.Sequential(*parts, nn.Conv1d(64, 12, 7, padding=3))

    def forward(self, signal_mv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, 12, time) -> features (batch, time / 8, 768) and phase (batch, time / 8, 2)."""
        h = self.trunk(signal_mv)
        return self.feature_head(h).transpose(1, 2), self.phase_head(h).transpose(1, 2)

    def encoder_parameters(self) -> int:
        """Parameters of trunk and heads, which are the published encoder."""
        parts = (self.trunk, self.feature_head, self.phase_head)
        return sum(p.numel() for part in parts for p in part.parameters())

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Error on the hidden samples and of the phase; ``signal_mv``, ``phase``, ``phase_valid``, ``sample_seed``."""
        x = batch["signal_mv"]
        count = x.shape[2] // _MASK_PATCH
        hide = seeded_uniform((count,), batch["sample_seed"], x.device, stream=Stream.MASK) < self.mask_ratio
        hide = hide.repeat_interleave(_MASK_PATCH, dim=1)[:, None]
        h = self.trunk(torch.where(hide, self.hidden[:, None], x))
        error = (self.decoder(self.feature_head(h)).float() - x).square() * hide
        reconstruction = error.sum() / (12 * hide.sum()).clamp_min(1)
        angle = batch["phase"]
        wanted = torch.stack([angle.sin(), angle.cos()], dim=1)
        missed = (self.phase_head(h).float() - wanted).square().mean(dim=1)
        phase = (missed * batch["phase_valid"]).sum() / batch["phase_valid"].sum().clamp_min(1)
        a, b = self.loss_weights
        return {"loss": a * reconstruction + b * phase, "reconstruction": reconstruction, "phase": phase}
