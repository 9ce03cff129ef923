"""Small networks that read groups and phenotypes off cines, pretrained on one set and trained on folds of another.

Every patient is read by networks that never saw one of theirs. All of it runs on one core in minutes: a cine is a
few small frames as channels of a 2-D network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from gen.records import InputError
from metrics.statistics.arrays import Array


@dataclass(frozen=True, eq=False)
class CineSet:
    """Cines with their labels, one of each patient.

    Attributes:
        frames: (n, frame, row, col) float32, 0..1.
        groups: (n,) int64, number of the disease group.
        phenotypes: (n, p) float64, NaN where not known.

    Raises:
        InputError: the arrays do not fit each other, or are empty.
    """

    frames: npt.NDArray[np.float32]
    groups: npt.NDArray[np.int64]
    phenotypes: Array

    def __post_init__(self) -> None:
        n = len(self.frames)
        if np.ndim(self.frames) != 4 or not n or np.shape(self.groups) != (n,) or len(self.phenotypes) != n:
            raise InputError(
                f"cines {np.shape(self.frames)}, groups {np.shape(self.groups)}, phenotypes "
                f"{np.shape(self.phenotypes)}; accepted: (n, frame, row, col), (n,), (n, p) with n of 1 or more"
            )

    def __len__(self) -> int:
        return len(self.frames)

    def take(self, rows: npt.NDArray[np.int64]) -> "CineSet":
        """Some of them."""
        return CineSet(self.frames[rows], self.groups[rows], self.phenotypes[rows])

    def relabelled(self, seed: int) -> "CineSet":
        """The same pictures with the labels of other patients: nobody keeps their own."""
        order = np.random.default_rng(seed).permutation(len(self))
        other = np.empty(len(self), dtype=np.int64)
        other[order] = np.roll(order, 1)
        return CineSet(self.frames, self.groups[other], self.phenotypes[other])


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings of a training.

    Attributes:
        pretrain, steps: steps on the set before, and on the few cines.
        batch_size, lr, weight_decay: of AdamW, a cosine down to nothing.
        widths: of the three convolutions.
    """

    pretrain: int = 120
    steps: int = 50
    batch_size: int = 24
    lr: float = 2e-3
    weight_decay: float = 0.02
    widths: tuple[int, int, int] = (8, 24, 48)


@dataclass(frozen=True, eq=False)
class Way:
    """How networks come to be.

    Attributes:
        before: set of the pretraining; None without.
        augment: vary the few cines by turns, shifts, sizes and contrast.
        whole: without pretraining: take its steps on the few cines instead, so that all ways cost the same.
    """

    before: CineSet | None = None
    augment: bool = False
    whole: bool = True


@dataclass(frozen=True, eq=False)
class Readings:
    """What networks read off cines; (run, n, ...), a run has one reading of every cine.

    Attributes:
        groups: (run, n, group) probabilities.
        phenotypes: (run, n, p), in the phenotypes' own units.
    """

    groups: Array
    phenotypes: Array


class CineReader(nn.Module):
    """Three strided convolutions, a 3 x 3 pooling, and two heads: logits of the groups, standardised phenotypes."""

    def __init__(self, frames: int, groups: int, phenotypes: int, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for low, high in zip((frames, *widths[:-1]), widths, strict=True):
            layers += [nn.Conv2d(low, high, 3, 2, 1), nn.GroupNorm(4, high), nn.SiLU()]
        self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Dropout(0.1))
        self.groups = nn.Linear(9 * widths[-1], groups)
        self.phenotypes = nn.Linear(9 * widths[-1], phenotypes)

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of frames (batch, frame, row, col) 0..1."""
        h = self.trunk(2.0 * frames - 1.0)
        return self.groups(h), self.phenotypes(h)


def read_folds(
    real: CineSet, way: Way, *, groups: int, folds: int, few: bool, seeds: Sequence[int], config: FitConfig
) -> Readings:
    """Readings of every real cine by networks trained on folds that do not hold it.

    Args:
        real: the few cines.
        way: how the networks come to be.
        groups: how many there are.
        folds: of patients, each with its share of every group.
        few: train on one fold and read the others (``folds - 1`` runs a seed); otherwise train on all others and read
            the one (one run a seed).
        seeds: of weights, batches and folds.
        config: of the trainings.
    """
    runs: list[tuple[Array, Array]] = []
    for seed in seeds:
        fold = stratified_folds(real.groups, folds, seed)
        start = None
        if way.before is not None:
            start = _fit(way.before, None, groups=groups, steps=config.pretrain, seed=seed, config=config)
        held = np.full((folds, len(real), groups), np.nan), np.full((folds, *real.phenotypes.shape), np.nan)
        steps = config.steps + (config.pretrain if way.before is None and way.whole else 0)
        for k in range(folds):
            inside = np.flatnonzero((fold == k) == few)
            model = _fit(
                real.take(inside), start, groups=groups, steps=steps, seed=seed, config=config, augment=way.augment
            )
            read = _read(model, real.frames)
            outside = np.flatnonzero((fold == k) != few)
            for array, values in zip(held, read, strict=True):
                array[k, outside] = values[outside]
        runs += list(_complete(*held, fold, folds, few))
    return Readings(*(np.stack(arrays) for arrays in zip(*runs, strict=True)))


def _complete(
    groups: Array, phenotypes: Array, fold: npt.NDArray[np.int64], folds: int, few: bool
) -> Iterator[tuple[Array, Array]]:
    """Runs that read every cine once: run j takes, for a cine of fold f, the network of fold f + j."""
    rows = np.arange(len(fold))
    for shift in range(1, folds) if few else (0,):
        by = (fold + shift) % folds
        yield groups[by, rows], phenotypes[by, rows]


def stratified_folds(groups: npt.NDArray[np.int64], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """(n,) fold of each patient; every group is spread evenly.

    Raises:
        InputError: a group has fewer members than there are folds.
    """
    for group, members in zip(*np.unique(groups, return_counts=True), strict=True):
        if members < folds:
            raise InputError(f"group {group} has {members} cines; accepted: as many as folds ({folds}) or more")
    from sklearn.model_selection import StratifiedKFold

    fold = np.empty(len(groups), dtype=np.int64)
    for number, (_, test) in enumerate(StratifiedKFold(folds, shuffle=True, random_state=seed).split(groups, groups)):
        fold[test] = number
    return fold


@dataclass(frozen=True, eq=False)
class _Trained:
    network: CineReader
    mean: Array
    spread: Array


def _fit(
    data: CineSet,
    start: _Trained | None,
    *,
    groups: int,
    steps: int,
    seed: int,
    config: FitConfig,
    augment: bool = False,
) -> _Trained:
    known = np.isfinite(data.phenotypes)
    count = known.sum(axis=0).clip(1)
    mean = np.where(known, data.phenotypes, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (data.phenotypes - mean) ** 2, 0.0).sum(axis=0) / count)
    spread[spread < 1e-6] = 1.0
    generator = torch.Generator().manual_seed(1000 * seed + 7)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = CineReader(data.frames.shape[1], groups, data.phenotypes.shape[1], config.widths)
        if start is not None:
            network.load_state_dict(start.network.state_dict())
        frames = torch.from_numpy(data.frames)
        labels = torch.from_numpy(data.groups)
        targets = torch.from_numpy(np.nan_to_num((data.phenotypes - mean) / spread)).float()
        there = torch.from_numpy(known)
        optimiser = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        network.train()
        for _ in range(steps):
            rows = torch.randint(len(frames), (config.batch_size,), generator=generator)
            batch = _varied(frames[rows], generator) if augment else frames[rows]
            logits, guess = network(batch)
            error = (guess - targets[rows]).square() * there[rows]
            loss = F.cross_entropy(logits, labels[rows]) + error.sum() / there[rows].sum().clamp_min(1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return _Trained(network.eval(), mean, spread)


@torch.no_grad()
def _read(model: _Trained, frames: npt.NDArray[np.float32]) -> tuple[Array, Array]:
    logits, phenotypes = (
        torch.cat(parts).double()
        for parts in zip(*(model.network(block) for block in torch.from_numpy(frames).split(256)), strict=True)
    )
    return logits.softmax(dim=1).numpy(), phenotypes.numpy() * model.spread + model.mean


def _varied(frames: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turned by up to 20 degrees, moved by up to 8 %, sized by up to 8 %, contrast and brightness by up to 20 %."""
    draw = 2.0 * torch.rand(6, len(frames), generator=generator) - 1.0
    turn, size = 0.35 * draw[0], 1.0 + 0.08 * draw[1]
    turned = torch.stack([turn.cos(), -turn.sin(), turn.sin(), turn.cos()], dim=1).view(-1, 2, 2) * size[:, None, None]
    grid = F.affine_grid(
        torch.cat([turned, 0.16 * draw[2:4].T[:, :, None]], dim=2), list(frames.shape), align_corners=False
    )
    moved = F.grid_sample(frames, grid, align_corners=False)
    contrast, light = (0.2 * d[:, None, None, None] for d in draw[4:])
    return (moved * (1.0 + contrast) + 0.5 * light).clamp(0.0, 1.0)
