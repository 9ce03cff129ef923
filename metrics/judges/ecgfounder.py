"""ECGFounder's network and preprocessing, for users who have its published weights; nothing here depends on them.

Li et al. 2025, "An Electrocardiogram Foundation Model Built on over 10 Million Recordings", NEJM AI 2(7). The network
is Net1D (Hong et al. 2020): pre-activated residual blocks of grouped convolutions with squeeze and excitation. The
names of its parameters are those of the published checkpoint, which is loaded strictly.
"""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy
import torch
import torch.nn.functional as F
from torch import nn

from gen.checkpoint import load_weights
from gen.leads import LEADS_8, to_12
from gen.records import InputError
from metrics.statistics.arrays import Array, signals

FS_HZ = 500.0
NUM_CLASSES = 150
WIDTHS = (64, 160, 160, 400, 400, 1024, 1024)
BLOCKS = (2, 2, 2, 3, 3, 4, 4)


class Net1D(nn.Module):
    """Residual network over raw samples; the defaults are the published 12-lead model of 30.82 M parameters.

    Args:
        leads: input leads (12, or 1 for the single-lead model).
        classes: outputs.
        base_width: channels of the first convolution.
        widths, blocks: channels and residual blocks of each stage; each stage halves the time axis.
        kernel: taps of the grouped convolutions and of the first one.
        group_width: channels per group.
        batch_norm: normalise before each activation. The published model carries these layers and skips them.
    """

    def __init__(
        self,
        leads: int = 12,
        classes: int = NUM_CLASSES,
        base_width: int = 64,
        widths: Sequence[int] = WIDTHS,
        blocks: Sequence[int] = BLOCKS,
        kernel: int = 16,
        group_width: int = 16,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks):
            raise ValueError(f"{len(widths)} widths and {len(blocks)} counts of blocks; expected one each per stage")
        self.batch_norm = batch_norm
        self.first_conv = SameConv1d(leads, base_width, kernel, stride=2)
        self.first_bn = nn.BatchNorm1d(base_width)
        before = (base_width, *widths[:-1])
        self.stage_list = nn.ModuleList(
            Stage(a, b, count, kernel, group_width, first=stage == 0, batch_norm=batch_norm)
            for stage, (a, b, count) in enumerate(zip(before, widths, blocks, strict=True))
        )
        self.dense = nn.Linear(widths[-1], classes)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of preprocessed signals (batch, leads, time)."""
        return self.dense(self.features(signal))

    def features(self, signal: torch.Tensor) -> torch.Tensor:
        """Mean over time of the last stage: (batch, widths[-1])."""
        h = self.first_conv(signal)
        h = F.silu(self.first_bn(h) if self.batch_norm else h)
        for stage in self.stage_list:
            h = stage(h)
        return h.mean(dim=-1)


class Stage(nn.Module):
    """Residual blocks of one width; the first halves the time axis."""

    def __init__(
        self, width_in: int, width: int, count: int, kernel: int, group_width: int, *, first: bool, batch_norm: bool
    ) -> None:
        super().__init__()
        self.block_list = nn.ModuleList(
            Block(
                width if block else width_in,
                width,
                kernel,
                width // group_width,
                stride=1 if block else 2,
                activate=not (first and block == 0),
                batch_norm=batch_norm,
            )
            for block in range(count)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width_in, time) -> (batch, width, ceil(time / 2))."""
        for block in self.block_list:
            x = block(x)
        return x


class Block(nn.Module):
    """1x1, grouped and 1x1 convolution, each after its activation; squeeze and excitation; shortcut.

    ``activate`` is off in the network's very first block, whose input has just been activated.
    """

    def __init__(
        self, width_in: int, width: int, kernel: int, groups: int, *, stride: int, activate: bool, batch_norm: bool
    ) -> None:
        super().__init__()
        self.stride, self.activate, self.batch_norm = stride, activate, batch_norm
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm1d(width_in), nn.BatchNorm1d(width), nn.BatchNorm1d(width)
        self.conv1 = SameConv1d(width_in, width, 1)
        self.conv2 = SameConv1d(width, width, kernel, stride=stride, groups=groups)
        self.conv3 = SameConv1d(width, width, 1)
        self.se_fc1, self.se_fc2 = nn.Linear(width, width // 2), nn.Linear(width // 2, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width_in, time) -> (batch, width, ceil(time / stride))."""
        h = self._before(self.bn1, x) if self.activate else x
        h = self.conv2(self._before(self.bn2, self.conv1(h)))
        h = self.conv3(self._before(self.bn3, h))
        gate = torch.sigmoid(self.se_fc2(F.silu(self.se_fc1(h.mean(dim=-1)))))
        return h * gate[:, :, None] + self._shortcut(x, h.shape[1])

    def _before(self, norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return F.silu(norm(x) if self.batch_norm else x)

    def _shortcut(self, x: torch.Tensor, width: int) -> torch.Tensor:
        if self.stride > 1:
            # The published pooling pads with zeros, not with minus infinity.
            x = F.max_pool1d(F.pad(x, (0, self.stride - 1)), self.stride)
        added = width - x.shape[1]
        return F.pad(x, (0, 0, added // 2, added - added // 2)) if added else x


class SameConv1d(nn.Module):
    """Convolution that gives ceil(time / stride) samples; an odd padding has its surplus on the right."""

    def __init__(self, width_in: int, width: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width_in, width, kernel, stride, groups=groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width_in, time) -> (batch, width, ceil(time / stride))."""
        stride, kernel, time = self.conv.stride[0], self.conv.kernel_size[0], x.shape[-1]
        padding = max(0, (math.ceil(time / stride) - 1) * stride + kernel - time)
        return self.conv(F.pad(x, (padding // 2, padding - padding // 2)))


def preprocess(signal_mv: npt.ArrayLike, fs_hz: float) -> npt.NDArray[np.float32]:
    """The published input pipeline, all records and leads at once.

    Linear interpolation to 500 Hz; notch 50 Hz (Q 30) and Butterworth band-pass 0.67-40 Hz (order 4), both
    forward and backward; minus the running median of 0.4 s (zeros beyond the ends); then one mean and standard
    deviation over all leads and samples of a record, so that the leads keep their relative size.

    Args:
        signal_mv: (n, lead, time) mV, leads in standard order; NaN counts as 0.
        fs_hz: its rate.

    Returns:
        (n, lead, time at 500 Hz) float32.

    Raises:
        InputError: not three-dimensional, infinite samples, or shorter than a second.
    """
    x = signals(np.nan_to_num(np.asarray(signal_mv, dtype=np.float64), posinf=np.inf, neginf=-np.inf), name="signal_mv")
    if x.shape[-1] < fs_hz:
        raise InputError(f"signal_mv: {x.shape[-1] / fs_hz:g} s; accepted: at least 1 s")
    if fs_hz != FS_HZ:
        x = _interpolated(x, round(x.shape[-1] * FS_HZ / fs_hz))
    x = scipy.signal.filtfilt(*scipy.signal.iirnotch(50.0, 30.0, FS_HZ), x, axis=-1)
    x = scipy.signal.filtfilt(*scipy.signal.butter(4, [0.67, 40.0], btype="bandpass", fs=FS_HZ), x, axis=-1)
    width = int(0.4 * FS_HZ) + 1
    median = [scipy.ndimage.median_filter(row, width, mode="constant") for row in x.reshape(-1, x.shape[-1])]
    x = x - np.reshape(median, x.shape)
    centred = x - x.mean(axis=(1, 2), keepdims=True)
    return (centred / (x.std(axis=(1, 2), keepdims=True) + 1e-8)).astype(np.float32)


def load_net1d(path: str | Path, *, leads: int = 12, classes: int = NUM_CLASSES) -> Net1D:
    """The network with published weights from a file of the user's, in evaluation mode.

    Args:
        path: the published ``.pth`` (read without running code from it), or the same tensors as ``.safetensors``.
        leads: 12 or 1.
        classes: outputs of the file's head.

    Raises:
        InputError: no such file, not a file of tensors alone, or a weight missing, left over or of another shape.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; accepted: ECGFounder's published weights (.pth or .safetensors)")
    model = Net1D(leads, classes)
    load_weights(model, _tensors(path), path)
    return model.eval()


class EcgFounderFeatures:
    """ECGFounder's 1024 pooled values as a feature extractor; see `metrics.distribution.extractors.Extractor`.

    Args:
        path: the published 12-lead weights.
        batch_size: ECGs at a time.
    """

    name = "ecgfounder"
    dim = WIDTHS[-1]

    def __init__(self, path: str | Path, *, batch_size: int = 16) -> None:
        self.network = load_net1d(path)
        self.batch_size = batch_size
        with Path(path).open("rb") as file:
            weights = hashlib.file_digest(file, "sha256").hexdigest()
        self.digest = hashlib.sha256(f"ecgfounder 1 {weights}".encode()).hexdigest()

    def __call__(self, signal_8_mv: npt.ArrayLike, fs_hz: float) -> Array:
        """Features (n, 1024) of ECGs (n, 8, time) in mV, `gen.leads.LEADS_8`.

        Raises:
            InputError: not eight leads, shorter than a second, or values that are not finite.
        """
        x = signals(signal_8_mv, name="signal_8_mv")
        if x.shape[1] != len(LEADS_8):
            raise InputError(f"signal_8_mv: {x.shape[1]} leads; accepted: the 8 leads {', '.join(LEADS_8)}")
        parts = []
        with torch.inference_mode():
            for start in range(0, len(x), self.batch_size):
                block = preprocess(to_12(x[start : start + self.batch_size]), fs_hz)
                parts.append(self.network.features(torch.from_numpy(block)).double().numpy())
        return np.concatenate(parts)


def _interpolated(x: Array, length: int) -> Array:
    position = np.linspace(0, x.shape[-1] - 1, length)
    low = np.minimum(position.astype(np.int64), x.shape[-1] - 2)
    part = position - low
    return x[..., low] * (1 - part) + x[..., low + 1] * part


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen kinds for a file that is not theirs
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not a file of tensors alone ({reason}); accepted: .pth or .safetensors") from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError(f"{path}: holds no named tensors; accepted: ECGFounder's published weights")
    return found
