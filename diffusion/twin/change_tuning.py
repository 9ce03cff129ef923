"""Recipe ``physiogen train diffusion/twin-tune``: twins learn from people of one's own who were recorded repeatedly.

A pair is two recordings of a person with other statements or another rate. Simulated pairs stay among the samples, so
that what the shipped weights know is not lost; statements that these do not know are added to their inputs.
"""

import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion.checkpoints import INDEX, is_beats
from diffusion.training.beat_sets import BeatExample, recorded_beats, said
from diffusion.twin.beat_change import BeatChange
from diffusion.twin.change_recipe import DECLARED, validator
from diffusion.twin.change_sets import (
    ChangePair,
    ChangeRows,
    ChangeSource,
    Side,
    codes_of,
    read_pairs,
    rows_of,
    simulated_pairs,
    write_pairs,
)
from gen.card import SIMULATED, Source, sources_of
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model
from gen.files import replace_folder, write_json
from gen.progress import Progress
from gen.records import InputError
from gen.shipped import checkpoint, shipped
from gen.training import Batch, BatchSource, Job, OfCache, Recipe, TrainingConfig
from gen.training.adapter import adapt
from gen.training.data import shuffled_indices
from gen.training.trainer import TrainingResult, Validate

#: Shipped weights by name.
NAMES = {"default": "twin/change"}
_COHORT = 6_300_003
#: Rates nearer than this, in bpm, are no change.
_SAME_RATE = 5.0
_OWN = ("pairs-train.npz", "pairs-val.npz")
_KEPT = "pairs-kept.npz"


@dataclass(frozen=True, kw_only=True)
class TwinTuning:
    """Settings of ``diffusion/twin-tune``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("twin-tune"))
    init: str = "default"
    """Weights of the change to start from: default (the shipped ones), or a checkpoint's folder."""
    beats: str = "default"
    """Weights of the generator that twins take beats from which a person never showed, such as a tuned one's."""
    rank: int = 8
    """Rank of the change of every matrix (low-rank adaptation); 0 trains all weights."""
    kept_share: float = 0.5
    """Share of samples that are simulated hearts, so that nothing else is lost."""
    hearts: int = 400
    """Those hearts, two conditions each."""
    variants: int = 4
    """Variations of gain and electrodes of each pair."""

    def __post_init__(self) -> None:
        for name, good, accepted in (
            ("rank", self.rank >= 0, "0 or more"),
            ("kept_share", 0 <= self.kept_share < 1, "0 or more, below 1"),
            ("hearts", self.hearts >= 1 or not self.kept_share, "1 or more"),
        ):
            if not good:
                raise InputError(f"setting {name}={getattr(self, name)}: must be {accepted}")


class _Tune(OfCache[TwinTuning], Job[TwinTuning]):
    """The network behind twins, on pairs of recordings of one's own."""

    places = ("init", "beats")
    split = "tuned on its training part, chosen on its validation part"
    reads_words = True
    leaves = (*_OWN, _KEPT, "pipeline")

    @cached_property
    def start(self) -> Path:
        """Folder of the weights of the start."""
        return checkpoint(self.settings.init, "diffusion", NAMES)

    @cached_property
    def generator(self) -> Path:
        """Folder of the weights of the generator."""
        found = checkpoint(self.settings.beats, "diffusion", {"default": "default"})
        if not is_beats(found):
            raise InputError(f"beats={self.settings.beats}: no checkpoint of diffusion/beats or diffusion/beats-tune")
        return found

    @cached_property
    def card(self) -> dict[str, Any]:
        """Card of the weights of the start."""
        return load_checkpoint(self.start, BeatChange).card

    def inputs(self) -> dict[str, str]:
        digests = {"init": checkpoint_digest(self.start), "beats": checkpoint_digest(self.generator)}
        return {**super().inputs(), **digests}

    def sources(self) -> list[Source]:
        return [*super().sources(), *sources_of(self.card)] + ([] if sources_of(self.card) else [SIMULATED])

    def parts(self) -> dict[str, dict[str, Any]]:
        return {"start": {"name": self.card.get("name", "nameless"), "digest": checkpoint_digest(self.start)}}

    def prepare(self) -> None:
        names = ("train", "val")
        rows = [self.cache.split(name) for name in names]
        if not all((self.out / name).is_file() for name in _OWN):
            with Progress("measuring beats of recordings", sum(map(len, rows))) as bar:
                done = 0
                for name, file, part in zip(names, _OWN, rows, strict=True):
                    repeated = _repeated(self.cache.table, part)
                    found = recorded_beats(self.cache, repeated, progress=bar.after(done))
                    pairs = pairs_of([example for example, *_ in found])
                    done += len(part)
                    bar.say(f"{name}: {len(pairs)} pairs of recordings of one person in different conditions")
                    if name == "train" and not pairs:
                        raise InputError(
                            f"{self.data}: nobody was recorded twice in different conditions, so there is no change to "
                            "learn; tune the generator (diffusion/beats-tune), or prepare with patient ids"
                        )
                    write_pairs(pairs, self.out / file)
        if self.settings.kept_share and not (self.out / _KEPT).is_file():
            seed = _COHORT + self.settings.training.seed
            with Progress("simulating hearts in two conditions", self.settings.hearts) as bar:
                kept = list(simulated_pairs(self.settings.hearts, seed=seed, progress=bar.update))
            write_pairs(kept, self.out / _KEPT)

    @cached_property
    def own(self) -> tuple[list[ChangePair], list[ChangePair]]:
        """Pairs of the training and of the validation part."""
        train, val = (read_pairs(self.out / name) for name in _OWN)
        return train, val

    def build_model(self) -> torch.nn.Module:
        start: Any = load_model(BeatChange, self.start)
        new = [code for code in codes_of(self.own[0]) if code not in start.codes]
        model: Any = with_codes(start, new)
        if self.settings.rank:
            adapt(model, self.settings.rank)
            # Inputs that are new have nothing to keep.
            if new:
                for name in ("before", "after"):
                    getattr(model, name).parametrizations.weight.original.requires_grad_(True)
        return model

    def build_source(self, model: Any) -> BatchSource:
        s = self.settings
        own = _in_units(rows_of(self.own[0], model, variants=s.variants, seed=s.training.seed), model)
        sources, shares = [ChangeSource(own, len(model.codes))], [1.0]
        if s.kept_share:
            kept = read_pairs(self.out / _KEPT)
            rows = _in_units(rows_of(kept, model, variants=s.variants, seed=s.training.seed), model)
            sources.append(ChangeSource(rows, len(model.codes)))
            shares = [1 - s.kept_share, s.kept_share]
        return _Mixed(sources, shares)

    def build_validator(self, model: Any) -> Validate | None:
        held = self.own[1]
        return validator(_in_units(rows_of(held, model, variants=0, seed=0), model)) if held else None

    def finish(self, result: TrainingResult, card: Any) -> dict[str, Any]:
        """Write the whole pipeline of twins, as ``physiogen twin --checkpoint`` takes it."""
        del card
        folder = self.out / "pipeline"
        parts = {"change": result.best_path, "identity": shipped("diffusion", "twin/identity")}
        if self.generator != shipped("diffusion", "default"):
            parts["beats"] = self.generator
        with replace_folder(folder) as temporary:
            for name, place in parts.items():
                shutil.copytree(place, temporary / name)
            write_json(temporary / INDEX, {"_class_name": "BeatTwinPipeline", "pipeline": "twin"})
        return {"pipeline": str(folder)}


class _Mixed:
    """Draws from several sources in fixed shares; sample g of run seed s is always the same."""

    def __init__(self, sources: Sequence[ChangeSource], shares: Sequence[float]) -> None:
        self.sources, self.bounds = list(sources), np.cumsum(shares)

    def batch(self, numbers: np.ndarray, seed: int) -> Batch:
        """See `gen.training.BatchSource`."""
        places = (shuffled_indices(numbers, 1000, seed + 1) + 0.5) / 1000
        chosen = np.minimum(np.searchsorted(self.bounds, places, side="right"), len(self.sources) - 1)
        parts, order = [], []
        for k, source in enumerate(self.sources):
            own = np.flatnonzero(chosen == k)
            if len(own):
                parts.append(source.batch(numbers[own], seed))
                order.append(own)
        back = torch.from_numpy(np.argsort(np.concatenate(order)))
        return {name: torch.cat([part[name] for part in parts])[back] for name in parts[0]}


def _repeated(table: Any, rows: np.ndarray) -> np.ndarray:
    """Rows of people with several recordings among them."""
    people = table["patient_id"].iloc[rows]
    return rows[people.duplicated(keep=False).to_numpy()]


def pairs_of(examples: Sequence[BeatExample]) -> list[ChangePair]:
    """Two recordings of a person at a time, where their statements or their rates differ."""
    people: dict[str, list[Side]] = defaultdict(list)
    for e in examples:
        age, sex = e.facts.get("age"), e.facts.get("sex")
        codes = said(e.texts[0]), said(e.texts[1])
        people[e.person].append(Side(e.own, e.has_p, codes, e.person, float("nan") if age is None else age, sex or ""))
    return [
        ChangePair(a, b)
        for sides in people.values()
        for a, b in combinations(sides, 2)
        if a.codes != b.codes or abs(60 / a.own.rr_s - 60 / b.own.rr_s) > _SAME_RATE
    ]


def with_codes(model: BeatChange, new: Sequence[str]) -> BeatChange:
    """The network with further statements among its inputs, which change nothing at first."""
    if not new:
        return model
    config = {key: model.config[key] for key in ("width", "depth", "dropout")}
    wider = BeatChange((*model.codes, *new), **config)
    old, count = model.state_dict(), len(model.codes)
    for name in ("before", "after"):
        weight = old[f"{name}.weight"]
        nothing = torch.zeros(len(weight), len(new))
        old[f"{name}.weight"] = torch.cat([weight[:, :count], nothing, weight[:, count:]], dim=1)
    wider.load_state_dict(old)
    return wider


def _in_units(rows: ChangeRows, model: BeatChange) -> ChangeRows:
    unit = model.scale.numpy()
    return ChangeRows(rows.beat, rows.own, rows.target, (rows.change / unit).clip(-8, 8), rows.mask)


tune = Recipe(DECLARED.about("twin-tune"), TwinTuning, _Tune)
