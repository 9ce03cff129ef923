"""Recipe ``physiogen train diffusion/beats``: the network that draws beats and habits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import pi
from typing import Any

import numpy as np
import torch

from diffusion.beats.code import BeatCode
from diffusion.beats.network import BeatDenoiser
from diffusion.beats.variation import keeps_baseline, mean_agreement
from diffusion.training.beat_sets import (
    BeatExample,
    BeatRows,
    BeatSource,
    chosen_rows,
    recorded_beats,
    rows_of,
    said,
    simulated_beats,
)
from diffusion.training.beat_store import NoiseAgreement, read_examples, write_examples
from gen.card import SIMULATED, Source
from gen.checkpoint import load_checkpoint
from gen.checkpoint import model_config as config_of
from gen.progress import Progress
from gen.records import InputError
from gen.training import BatchSource, Job, OfCache, Recipe, TrainingConfig
from gen.training.declared import Declared
from gen.training.trainer import Validate

#: Share of the variance of a beat's mixing that goes with breathing: recordings' neighbouring beats correlate by .2.
BREATHING = 0.8
DECLARED = Declared("diffusion")
SAMPLING = {"scheduler": "adams", "num_inference_steps": 12, "guidance_scale": 1.0}
#: Measured beats in the run's folder.
MEASURED = "beats.npz"
_VALIDATION_PHI = np.linspace(0.06, 0.94, 12) * pi / 2


@dataclass(frozen=True, kw_only=True)
class BeatRecipe:
    """Settings of ``diffusion/beats``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("beats"))
    width: int = 320
    """Of the hidden layers."""
    depth: int = 4
    """Blocks of the network."""
    dropout: float = 0.25
    """Of the hidden layers."""
    variants: int = 12
    """Variations of each recording's gain and electrodes."""
    recorded_share: float = 0.7
    """Share of samples that are recordings; the others are simulated."""
    simulated_hearts: int = 2000
    """Simulated hearts, each in two conditions."""
    without: tuple[str, ...] = ()
    """SCP-ECG statements that it is not to see: recordings and simulated hearts with one of them are left out."""
    init: str = ""
    """Checkpoint whose embedding of texts and numbers is the start; empty starts from random weights."""


def code_of(examples: Sequence[BeatExample], hearts: Sequence[BeatExample], agreement: NoiseAgreement) -> BeatCode:
    """The code of recordings; components of forms look at simulated hearts too, which show what is rare."""
    code = BeatCode()
    examples = [diagnostic(e) for e in examples]
    code.fit(examples, hearts[:: max(1, len(hearts) // max(1, len(examples) // 2))])
    mixing = np.concatenate([e.mixing[:8] for e in examples if len(e.mixing)])
    covariance = mixing.T @ mixing / len(mixing)
    covariance /= np.trace(covariance)
    values, vectors = np.linalg.eigh(covariance)
    code.set_variation(agreement.mean, agreement.quiet, vectors * np.sqrt(np.maximum(values, 0)), BREATHING)
    # The second wording is that of the codes, see `diffusion.training.examples.texts_of_row`. What a recording does not
    # have tells nothing of its findings.
    stated = [set() if (text := e.texts[1]) is None else text.codes(possible=False) for e in examples]
    known = [code.mask(e.has_p, e.habits is not None) for e in examples]
    told = [np.where(mask, code.vector(e.own, e.habits), 0.0) for e, mask in zip(examples, known, strict=True)]
    code.findings.fit(np.stack(told), stated)
    return code


def diagnostic(example: BeatExample) -> BeatExample:
    """An example, without its habits where the recorder took the baseline away: such noise is not imitated."""
    if example.habits is None or keeps_baseline(example.habits.power_mv2):
        return example
    return replace(example, habits=None)


def start(model: BeatDenoiser, folder: str) -> None:
    """Take the embedding of texts and numbers from a trained denoiser of the same width."""
    tensors = load_checkpoint(folder).tensors
    own = model.state_dict()
    taken = {
        name: value
        for name, value in tensors.items()
        if name.startswith("encoder.") and name in own and own[name].shape == value.shape
    }
    if not taken:
        raise InputError(f"{folder}: no embedding of texts and numbers of this width")
    model.load_state_dict({**own, **taken})


def validator(rows: BeatRows) -> Callable[[torch.nn.Module], dict[str, float]]:
    """Error of v on recordings of the validation fold, at fixed angles and noise, all conditions given."""
    numbers = np.arange(len(rows))

    def validate(model: torch.nn.Module) -> dict[str, float]:
        losses, counts = [], []
        for first in range(0, len(numbers), 128):
            part = numbers[first : first + 128]
            batch = rows.batch(part, np.zeros_like(part)) | {"sample_seed": torch.from_numpy(part.astype(np.int64))}
            batch["phi"] = torch.from_numpy(_VALIDATION_PHI[part % len(_VALIDATION_PHI)].astype(np.float32))
            losses.append(model.loss(batch)["loss"].item())  # type: ignore[operator]
            counts.append(len(part))
        return {"loss": float(np.average(losses, weights=counts))}

    return validate


class _Beats(OfCache[BeatRecipe], Job[BeatRecipe]):
    """The network that draws beats, on a cache made by ``physiogen data prepare`` and on simulated hearts."""

    places = ("init",)
    reads_words = True

    def sources(self) -> list[Source]:
        return [*super().sources(), SIMULATED]

    leaves = (MEASURED,)

    def sampling(self) -> dict[str, Any]:
        """How beats are drawn unless asked otherwise; guidance was chosen on fold 9."""
        return dict(SAMPLING)

    def prepare(self) -> None:
        """Measure recordings of the training and of the validation split, and simulated hearts."""
        if (self.out / MEASURED).is_file():
            return
        without, count = self.settings.without, self.settings.simulated_hearts
        train, val = (chosen_rows(self.cache, self.cache.split(name), without=without) for name in ("train", "val"))
        examples, rests, quiet, held, hearts = [], [], [], [], []
        with Progress("measuring beats of recordings and simulated hearts", len(train) + len(val) + count) as bar:
            for example, rest, agreeing in recorded_beats(self.cache, train, progress=bar.update):
                examples.append(example)
                rests.append(rest.astype(np.float32))
                quiet.append(agreeing.astype(np.float32))
            seen = len(train)
            for example, *_ in recorded_beats(self.cache, val, progress=bar.after(seen)):
                held.append(example)
            seen += len(val)
            for example in simulated_beats(count, seed=self._hearts_seed, progress=bar.after(seen)):
                if not said(example.texts[2]) & set(without):
                    hearts.append(example)
        sets = {"train": examples, "val": held, "hearts": hearts}
        self.out.mkdir(parents=True, exist_ok=True)
        noise = NoiseAgreement(mean_agreement(rests[::3], self.cache.fs_hz), np.stack(quiet))
        write_examples(self.out / MEASURED, sets, noise, self._measured_under)

    @property
    def _hearts_seed(self) -> int:
        return 2_000_003 + self.settings.training.seed

    @property
    def _measured_under(self) -> dict[str, Any]:
        facts = {"hearts": self.settings.simulated_hearts, "seed": self._hearts_seed, "data": self.cache.digest}
        return facts | ({"without": list(self.settings.without)} if self.settings.without else {})

    @cached_property
    def measured(self) -> tuple[list[BeatExample], list[BeatExample], list[BeatExample], NoiseAgreement]:
        """What `prepare` wrote: both splits, simulated hearts, and how leads agree in noise."""
        sets, noise = read_examples(self.out / MEASURED, ("train", "val", "hearts"), self._measured_under)
        return sets[0], sets[1], sets[2], noise

    def build_model(self) -> torch.nn.Module:
        examples, _, hearts, noise = self.measured
        model: Any = model_of(self.settings, examples, hearts, noise)
        return model

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        examples, _, hearts, _ = self.measured
        return source_for(self.settings, model, examples, hearts)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        code: Any = model.code
        return validator(
            rows_of([diagnostic(e) for e in self.measured[1]], code, variants=0, seed=self.settings.training.seed)
        )

    def checkpoint_config(self, model: torch.nn.Module) -> dict[str, Any]:
        return {**config_of(model), "pipeline": "synthesize"}


beats = Recipe(DECLARED.about("beats"), BeatRecipe, _Beats)


def model_of(
    recipe: BeatRecipe,
    examples: Sequence[BeatExample],
    hearts: Sequence[BeatExample],
    agreement: NoiseAgreement,
) -> BeatDenoiser:
    """The untrained network with the code of measured examples."""
    model = BeatDenoiser(width=recipe.width, depth=recipe.depth, dropout=recipe.dropout, findings_add=True)
    if recipe.init:
        start(model, recipe.init)
    model.code = code_of(examples, hearts, agreement)
    return model


def source_for(
    recipe: BeatRecipe, model: Any, examples: Sequence[BeatExample], hearts: Sequence[BeatExample]
) -> BeatSource:
    """Variations of recordings, and simulated hearts, in the recipe's shares."""
    seed = recipe.training.seed
    recorded = rows_of([diagnostic(e) for e in examples], model.code, variants=recipe.variants, seed=seed, earlier=True)
    simulated = rows_of(hearts, model.code, variants=1, seed=seed, earlier=True)
    return BeatSource([recorded, simulated], [recipe.recorded_share, 1 - recipe.recorded_share])
