"""Recipe ``physiogen train diffusion/beats-tune``: a trained network of beats learns from recordings of one's own.

What it could before is kept by samples that the untuned network draws itself (in the manner of the prior preservation
of Ruiz et al. 2023, "DreamBooth"), and by a change of low rank (`gen.training.adapter`), so that few recordings do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion.beats.network import BeatDenoiser, draw_vectors
from diffusion.conditions.batch import collate
from diffusion.conditions.condition import Condition
from diffusion.conditions.implied import completed
from diffusion.training.beat_recipe import DECLARED, MEASURED, diagnostic, validator
from diffusion.training.beat_sets import (
    BeatExample,
    BeatRows,
    BeatSource,
    axis_of,
    chosen_rows,
    recorded_beats,
    rows_of,
)
from diffusion.training.beat_store import NoiseAgreement, read_examples, write_examples
from diffusion.training.examples import clipped
from diffusion.training.latents import condition_arrays
from gen.card import Source, sources_of
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model
from gen.checkpoint import model_config as config_of
from gen.datasets.scp import statements
from gen.progress import Progress
from gen.randomness import sample_seeds
from gen.records import InputError
from gen.shipped import checkpoint
from gen.text import ReadText, StatementRead
from gen.text.phrases import rhythms
from gen.training import BatchSource, Job, OfCache, Recipe, TrainingConfig
from gen.training.adapter import adapt
from gen.training.trainer import Validate

#: Shipped weights by name.
NAMES = {"default": "default"}
_STEPS, _BLOCK = 12, 250
_NO_P = {"AFIB", "AFLT"}


@dataclass(frozen=True, kw_only=True)
class BeatTuning:
    """Settings of ``diffusion/beats-tune``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("beats-tune"))
    init: str = "default"
    """Weights to start from: default (the shipped ones), or a checkpoint's folder."""
    rank: int = 32
    """Rank of the change of every matrix (low-rank adaptation); 0 trains all weights."""
    kept_share: float = 0.4
    """Share of samples that the weights of the start have drawn, so that nothing else is lost."""
    kept_samples: int = 2000
    """How many of those there are."""
    variants: int = 12
    """Variations of each recording's gain and electrodes."""
    only: tuple[str, ...] = ()
    """SCP-ECG statements: learn from recordings with one of them alone."""
    without: tuple[str, ...] = ()
    """SCP-ECG statements: leave recordings with one of them out."""

    def __post_init__(self) -> None:
        for name, good, accepted in (
            ("rank", self.rank >= 0, "0 or more"),
            ("kept_share", 0 <= self.kept_share < 1, "0 or more, below 1"),
            ("kept_samples", self.kept_samples >= 1 or not self.kept_share, "1 or more"),
            ("variants", self.variants >= 0, "0 or more"),
        ):
            if not good:
                raise InputError(f"setting {name}={getattr(self, name)}: must be {accepted}")


class _Tune(OfCache[BeatTuning], Job[BeatTuning]):
    """Beats of one's own cache, on trained weights."""

    places = ("init",)
    split = "tuned on its training part, chosen on its validation part"
    reads_words = True
    leaves = (MEASURED,)

    @cached_property
    def start(self) -> Path:
        """Folder of the weights of the start."""
        return checkpoint(self.settings.init, "diffusion", NAMES)

    @cached_property
    def card(self) -> dict[str, Any]:
        """Card of the weights of the start."""
        return load_checkpoint(self.start, BeatDenoiser).card

    def inputs(self) -> dict[str, str]:
        return {**super().inputs(), "init": checkpoint_digest(self.start)}

    def sources(self) -> list[Source]:
        return [*super().sources(), *sources_of(self.card)]

    def parts(self) -> dict[str, dict[str, Any]]:
        return {"start": {"name": self.card.get("name", "nameless"), "digest": checkpoint_digest(self.start)}}

    def sampling(self) -> dict[str, Any]:
        """As the weights of the start are sampled."""
        return dict(self.card.get("sampling") or {})

    def facts(self) -> dict[str, Any]:
        """Whatever else the weights of the start come with."""
        return dict(self.card.get("facts") or {})

    def prepare(self) -> None:
        if (self.out / MEASURED).is_file():
            return
        s = self.settings
        rows = [chosen_rows(self.cache, self.cache.split(name), only=s.only, without=s.without) for name in _PARTS]
        if not len(rows[0]):
            raise InputError(f"{self.data}: no recording of the training part is left to learn from")
        sets: dict[str, list[BeatExample]] = {name: [] for name in _PARTS}
        with Progress("measuring beats of recordings", sum(map(len, rows))) as bar:
            done = 0
            for name, part in zip(_PARTS, rows, strict=True):
                for example, *_ in recorded_beats(self.cache, part, progress=bar.after(done)):
                    sets[name].append(diagnostic(example))
                done += len(part)
            bar.say(f"beats of {len(sets['train'])} recordings to learn from, {len(sets['val'])} to choose by")
        if not sets["train"]:
            raise InputError(f"{self.data}: beats of none of its {len(rows[0])} recordings can be measured")
        self.out.mkdir(parents=True, exist_ok=True)
        nothing = NoiseAgreement(np.zeros(0), np.zeros(0))
        write_examples(self.out / MEASURED, sets, nothing, self._measured_under)

    @property
    def _measured_under(self) -> dict[str, Any]:
        return {"data": self.cache.digest, "only": list(self.settings.only), "without": list(self.settings.without)}

    @cached_property
    def measured(self) -> list[list[BeatExample]]:
        """What `prepare` wrote: the training and the validation part."""
        return read_examples(self.out / MEASURED, _PARTS, self._measured_under)[0]

    def build_model(self) -> torch.nn.Module:
        model: Any = load_model(BeatDenoiser, self.start)
        return model

    def build_source(self, model: Any) -> BatchSource:
        s = self.settings
        own = rows_of(self.measured[0], model.code, variants=s.variants, seed=s.training.seed, earlier=True)
        sets, shares = [own], [1.0]
        if s.kept_share:
            sets.append(kept_rows(model, s.kept_samples, seed=s.training.seed))
            shares = [1 - s.kept_share, s.kept_share]
        # Only now: what is kept was drawn by the weights as they were.
        if s.rank:
            adapt(model, s.rank)
        return BeatSource(sets, shares)

    def build_validator(self, model: Any) -> Validate | None:
        held = self.measured[1]
        return validator(rows_of(held, model.code, variants=0, seed=self.settings.training.seed)) if held else None

    def checkpoint_config(self, model: torch.nn.Module) -> dict[str, Any]:
        return {**config_of(model), "pipeline": "synthesize"}


_PARTS = ("train", "val")
tune = Recipe(DECLARED.about("beats-tune"), BeatTuning, _Tune)


def requests(count: int, seed: int) -> list[Condition]:
    """What is asked for to see what a network can: a rhythm and a finding as often as PTB-XL has them, age and sex."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, 3_000_017)))
    known = {code: s.records for code, s in statements().items() if s.records}
    of_rhythm = [code for code in known if code in rhythms()]
    others = [code for code in known if code not in of_rhythm]
    made = []
    for _ in range(count):
        codes = [_one_of(rng, of_rhythm, known), _one_of(rng, others, known)]
        text = ReadText(tuple(StatementRead(code) for code in codes))
        age, sex = float(np.clip(rng.normal(60, 17), 18, 95)), str(rng.choice(["F", "M"]))
        made.append(Condition(text=text, age=age, sex=sex))
    filled = completed(made, torch.from_numpy(sample_seeds(np.arange(count), seed)))
    return [c if c.heart_rate is not None else _at(c, float(np.exp(rng.normal(np.log(72), 0.2)))) for c in filled]


def _one_of(rng: np.random.Generator, codes: Sequence[str], weights: dict[str, int]) -> str:
    w = np.array([weights[code] for code in codes], dtype=np.float64)
    return codes[int(rng.choice(len(codes), p=w / w.sum()))]


def _at(condition: Condition, rate: float) -> Condition:
    return replace(condition, heart_rate=float(np.clip(rate, 40, 150)))


def kept_rows(model: Any, count: int, *, seed: int) -> BeatRows:
    """Beats that a network draws, with what was asked for and the numbers that they have: what it can so far."""
    asked = requests(count, seed)
    seeds = torch.from_numpy(sample_seeds(np.arange(count), seed + 1))
    nothing = np.full((count, len(model.code.array("mean"))), np.nan, dtype=np.float32)
    vectors = []
    with Progress("drawing what the weights can already", count) as bar:
        for first in range(0, count, _BLOCK):
            part = slice(first, min(first + _BLOCK, count))
            told = collate(asked[part])
            form = torch.zeros(len(told), dtype=torch.int64)
            reference = torch.from_numpy(nothing[part])
            vectors.append(draw_vectors(model, told, form, reference, seeds[part], steps=_STEPS).numpy())
            bar.update(part.stop)
    drawn = np.concatenate(vectors).clip(-3.5, 3.5)
    conditions, masks = [], []
    for condition, vector in zip(asked, drawn, strict=True):
        has_p = not (set(condition.text.codes()) & _NO_P if condition.text is not None else False)
        conditions.append(_measured(model, condition, vector.astype(np.float64), has_p))
        masks.append(model.code.mask(has_p, True))
    arrays = {
        "vector": drawn.astype(np.float32),
        "mask": np.stack(masks),
        "reference": nothing,
        "form": np.zeros(count, dtype=np.int64),
    }
    return BeatRows(arrays | condition_arrays([conditions] * 3))


def _measured(model: Any, condition: Condition, vector: np.ndarray, has_p: bool) -> Condition:
    """A condition with the numbers of the beat that was drawn, as recordings come with theirs."""
    shape = model.code.shape(vector, 60.0 / (condition.heart_rate or 75.0))
    found: dict[str, float | None] = {
        "pr_ms": 1e3 * shape.pr_s if has_p else None,
        "qrs_ms": 1e3 * (shape.off_s - shape.on_s),
        "qt_ms": 1e3 * (shape.t_off_s - shape.on_s),
        "axis_deg": axis_of(shape),
    }
    numbers: dict[str, Any] = clipped(found)
    return replace(condition, **numbers)
