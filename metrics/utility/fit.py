"""The small classifier of the utility measure: labelled ECGs in, a trained network and its probabilities out.

Every training has the same number of steps and the same batch, whatever it is trained on: settings are compared at
equal cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from gen.leads import LEADS_8
from gen.precision import reduced_precision
from gen.records import InputError
from gen.training import TrainingConfig, learning_rate
from metrics.judges.classifier.data import Augmentation, to_network, vary
from metrics.judges.classifier.network import Backbone
from metrics.statistics.arrays import Array, group_codes

#: What can be done with the real records alone, at the same cost as adding synthetic ones.
CONTROLS = ("class-weights", "oversampling", "augmentation", "mixup")
Control = Literal["none", "class-weights", "oversampling", "augmentation", "mixup"]

_VARIATION = Augmentation(mixup=0.0)
_MAX_CLASS_WEIGHT = 20.0


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """ECGs with labels.

    Attributes:
        signal_8_mv: (n, 8, time) in mV, leads `gen.leads.LEADS_8`; NaN counts as the lead's mean.
        fs_hz: its rate.
        labels: (n, class) bool.
        patients: (n,) patient of each record; None: each record its own.

    Raises:
        InputError: the arrays do not fit each other, or there is no record.
    """

    signal_8_mv: npt.NDArray
    fs_hz: float
    labels: npt.NDArray[np.bool_]
    patients: Sequence[object] | npt.NDArray | None = None

    def __post_init__(self) -> None:
        shape, labels = np.shape(self.signal_8_mv), np.asarray(self.labels, dtype=bool)
        if len(shape) != 3 or shape[1] != len(LEADS_8) or not shape[0]:
            raise InputError(f"signal_8_mv of shape {shape}; accepted: (n, 8, time) with at least one record")
        if labels.ndim != 2 or len(labels) != shape[0] or not labels.shape[1]:
            raise InputError(f"labels of shape {labels.shape} for {shape[0]} records; accepted: ({shape[0]}, class)")
        if shape[2] < 2 * self.fs_hz:
            raise InputError(f"signal_8_mv of {shape[2] / self.fs_hz:g} s; accepted: at least 2 s")
        group_codes(self.patients, shape[0])
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def prepared(self) -> "PreparedSet":
        """The same at the network's rate."""
        blocks = []
        for start in range(0, len(self), 256):
            slow = to_network(self.signal_8_mv[start : start + 256], self.fs_hz)
            blocks.append(np.clip(np.rint(1000 * slow), -32767, 32767).astype(np.int16))
        return PreparedSet(np.concatenate(blocks), self.labels, group_codes(self.patients, len(self)))


@dataclass(frozen=True, eq=False)
class PreparedSet:
    """Labelled ECGs as the network takes them: 16 kB a record instead of 160.

    Attributes:
        signal_uv: (n, 8, time) int16 microvolt at 100 Hz.
        labels: (n, class) bool.
        patients: (n,) integer codes.
    """

    signal_uv: npt.NDArray[np.int16]
    labels: npt.NDArray[np.bool_]
    patients: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, rows: npt.NDArray[np.int64]) -> "PreparedSet":
        """Some records."""
        return PreparedSet(self.signal_uv[rows], self.labels[rows], self.patients[rows])


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings of the small classifier."""

    steps: int = 300
    batch_size: int = 64
    lr: float = 4e-3
    weight_decay: float = 0.05
    widths: tuple[int, ...] = (32, 64, 96, 128)
    blocks: int = 1
    feature_width: int = 64
    dropout: float = 0.05
    window: int = 1000
    """Samples at 100 Hz that a training example has; longer records are cut at random, shorter ones repeated."""
    bf16: bool = True
    """Compute under bfloat16 autocast; weights and sums stay in float32."""


class SmallClassifier(nn.Module):
    """The shipped classifier's architecture, narrower, with one head."""

    def __init__(self, config: FitConfig, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(config.widths, config.blocks, 5, config.feature_width, config.dropout, 0.25)
        self.head = nn.Linear(config.feature_width, classes)

    def forward(self, signal_mv: torch.Tensor) -> torch.Tensor:
        """Logits (batch, class) of ECGs (batch, 8, time) in mV at 100 Hz."""
        return self.head(F.silu(self.backbone(signal_mv)))


def fit(
    sets: Sequence[PreparedSet],
    *,
    config: FitConfig,
    seed: int,
    control: Control = "none",
    start: SmallClassifier | None = None,
) -> SmallClassifier:
    """Train the small classifier on the records of all sets together.

    Args:
        sets: with the same classes.
        config: settings.
        seed: of initial weights, order, variation and dropout; the global generators are left as they were.
        control: what is done against few or unbalanced records.
        start: weights to go on from (changed in place); None starts from random ones.

    Raises:
        InputError: no set, or sets with different numbers of classes.
    """
    if not sets or len({part.labels.shape[1] for part in sets}) != 1:
        raise InputError(
            "fit: no set, or sets with different classes; accepted: at least one set, all the same classes"
        )
    labels = np.concatenate([part.labels for part in sets])
    schedule = TrainingConfig(steps=config.steps, lr=config.lr, warmup=min(config.steps // 10 + 1, config.steps))
    rng = np.random.default_rng(np.random.SeedSequence((seed, 1)))
    order = _draws(labels, config.steps * config.batch_size, rng, oversample=control == "oversampling")
    weight = torch.from_numpy(_class_weights(labels) if control == "class-weights" else np.ones(labels.shape[1]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence((seed, 2)).generate_state(1)[0]))
        model = SmallClassifier(config, labels.shape[1]) if start is None else start
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)
        for step in range(config.steps):
            rows = order[step * config.batch_size : (step + 1) * config.batch_size]
            signal, target = _batch(sets, rows, labels, rng, config.window, control)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(schedule, step)
            with reduced_precision(enabled=config.bf16):
                logits = model(signal)
            loss = F.binary_cross_entropy_with_logits(logits.float(), target, pos_weight=weight.float())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    return model.eval()


def predict(model: SmallClassifier, data: PreparedSet, batch_size: int = 64) -> Array:
    """Probabilities (n, class)."""
    parts = []
    with torch.inference_mode():
        for begin in range(0, len(data), batch_size):
            block = torch.from_numpy(data.signal_uv[begin : begin + batch_size].astype(np.float32) / 1000)
            parts.append(torch.sigmoid(model(block).double()).numpy())
    return np.concatenate(parts)


def _draws(
    labels: npt.NDArray[np.bool_], count: int, rng: np.random.Generator, *, oversample: bool
) -> npt.NDArray[np.int64]:
    """Row numbers in training order: permutations, or draws that show records of rare classes more often."""
    if not oversample:
        epochs = -(-count // len(labels))
        return np.concatenate([rng.permutation(len(labels)) for _ in range(epochs)])[:count]
    frequency = np.maximum(labels.mean(axis=0), 1e-6)
    share = np.where(labels, 1 / frequency, 0).max(axis=1)  # by the rarest label a record has
    share[share == 0] = 1 / max(1e-6, float((~labels.any(axis=1)).mean()))
    share = np.minimum(share, _MAX_CLASS_WEIGHT * share.min())
    return rng.choice(len(labels), size=count, p=share / share.sum())


def _class_weights(labels: npt.NDArray[np.bool_]) -> Array:
    """(class,) weight of positives: the odds against them, between 1 and `_MAX_CLASS_WEIGHT`."""
    positive = labels.sum(axis=0)
    return np.clip((len(labels) - positive) / np.maximum(1, positive), 1, _MAX_CLASS_WEIGHT).astype(np.float64)


def _batch(
    sets: Sequence[PreparedSet],
    rows: npt.NDArray[np.int64],
    labels: npt.NDArray[np.bool_],
    rng: np.random.Generator,
    window: int,
    control: Control,
) -> tuple[torch.Tensor, torch.Tensor]:
    signal = np.stack([_window(_record(sets, int(row)), window, rng) for row in rows])
    target = labels[rows].astype(np.float32)
    if control == "augmentation":
        signal = np.stack([vary(record, rng, _VARIATION) for record in signal])
    elif control == "mixup":
        partner = rng.permutation(len(rows))
        share = rng.beta(0.4, 0.4, len(rows)).astype(np.float32)
        signal = share[:, None, None] * signal + (1 - share)[:, None, None] * signal[partner]
        target = share[:, None] * target + (1 - share)[:, None] * target[partner]
    return torch.from_numpy(signal), torch.from_numpy(target)


def _record(sets: Sequence[PreparedSet], row: int) -> npt.NDArray[np.float32]:
    for part in sets:
        if row < len(part):
            return part.signal_uv[row].astype(np.float32) / 1000
        row -= len(part)
    raise IndexError(row)


def _window(record: npt.NDArray[np.float32], window: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    length = record.shape[1]
    if length == window:
        return record
    begin = int(rng.integers(0, max(1, length - window + 1)))
    return np.take(record, np.arange(begin, begin + window) % length, axis=1)
