"""Recipe ``physiogen train diffusion/beat-change``: what a change of condition does to a person's beat."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from diffusion.beats.network import BeatDenoiser
from diffusion.checkpoints import WEIGHTS
from diffusion.twin.beat_change import BeatChange
from diffusion.twin.change_sets import (
    ChangePair,
    ChangeRows,
    ChangeSource,
    codes_of,
    read_pairs,
    rows_of,
    scaled,
    simulated_pairs,
    write_pairs,
)
from gen.card import SIMULATED, Source
from gen.checkpoint import checkpoint_digest, load_model
from gen.progress import Progress
from gen.training import BatchSource, Job, Recipe, TrainingConfig
from gen.training.declared import Declared
from gen.training.trainer import Validate

#: Cohorts of training and of validation; those of evaluations are others.
_COHORT, _HELD_OUT = 6_100_003, 6_200_003
DECLARED = Declared("diffusion")


@dataclass(frozen=True, kw_only=True)
class ChangeRecipe:
    """Settings of ``diffusion/beat-change``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("beat-change"))
    hearts: int = 4000
    """Simulated hearts, two conditions each."""
    variants: int = 4
    """Variations of gain and electrodes of each pair."""
    width: int = 256
    """Of the hidden layers."""
    depth: int = 2
    """Blocks of the network."""
    dropout: float = 0.3
    """Of the hidden layers."""
    beats: str = ""
    """Checkpoint folder of ``diffusion/beats`` whose components are used; empty takes the shipped one."""


class _Change(Job[ChangeRecipe]):
    """The network behind twins, on simulated hearts alone."""

    needs = None
    places = ("beats",)

    @cached_property
    def folder(self) -> Any:
        """Of the beats whose components are used."""
        return self.settings.beats or WEIGHTS / "default"

    def inputs(self) -> dict[str, str]:
        return {"beats": checkpoint_digest(self.folder)}

    def sources(self) -> list[Source]:
        return [SIMULATED]

    leaves = ("pairs-train.npz", "pairs-held-out.npz")

    def prepare(self) -> None:
        count, seed = self.settings.hearts, self.settings.training.seed
        wanted = (count, _COHORT + seed), (max(8, count // 15), _HELD_OUT + seed)
        with Progress("simulating hearts in two conditions", sum(hearts for hearts, _ in wanted)) as bar:
            done = 0
            for name, (hearts, cohort) in zip(self.leaves, wanted, strict=True):
                if not (self.out / name).is_file():
                    pairs = simulated_pairs(hearts, seed=cohort, progress=bar.after(done))
                    write_pairs(list(pairs), self.out / name)
                done += hearts

    @cached_property
    def pairs(self) -> tuple[list[ChangePair], list[ChangePair]]:
        """Of training and of validation."""
        train, held = (read_pairs(self.out / name) for name in self.leaves)
        return train, held

    def build_model(self) -> torch.nn.Module:
        s = self.settings
        model = BeatChange(codes_of(self.pairs[0]), width=s.width, depth=s.depth, dropout=s.dropout)
        beats: Any = load_model(BeatDenoiser, self.folder)
        model.code = beats.code
        return model

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        network: Any = model
        seed = self.settings.training.seed
        rows, unit = scaled(rows_of(self.pairs[0], network, variants=self.settings.variants, seed=seed))
        network.scale.copy_(torch.from_numpy(unit))
        return ChangeSource(rows, len(network.codes))

    def build_validator(self, model: torch.nn.Module) -> Validate:
        network: Any = model
        rows = rows_of(self.pairs[1], network, variants=0, seed=0)
        unit = network.scale.numpy()
        return validator(ChangeRows(rows.beat, rows.own, rows.target, (rows.change / unit).clip(-8, 8), rows.mask))


def validator(rows: ChangeRows) -> Callable[[torch.nn.Module], dict[str, float]]:
    """Error of the mean change on held-out hearts, and of no change at all."""

    def validate(model: torch.nn.Module) -> dict[str, float]:
        found: dict[str, list[float]] = {"loss": [], "mse": [], "nll": []}
        nothing, counts = [], []
        for first in range(0, len(rows), 256):
            part = np.arange(first, min(first + 256, len(rows)))
            batch = rows.batch(part, part)
            for name, value in model.loss(batch).items():  # type: ignore[operator]
                found[name].append(float(value))
            mask = batch["mask"]
            nothing.append(float(((batch["change"] * mask).square().sum(dim=1) / mask.sum(dim=1)).mean()))
            counts.append(len(part))
        means = {name: float(np.average(values, weights=counts)) for name, values in found.items()}
        return means | {"no_change": float(np.average(nothing, weights=counts))}

    return validate


change = Recipe(DECLARED.about("beat-change"), ChangeRecipe, _Change)
