"""Recipe ``physiogen train diffusion/beats``: the network that draws beats and habits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import pi
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from diffusion.beats.code import BeatCode
from diffusion.beats.network import BeatDenoiser
from diffusion.beats.variation import agreement
from diffusion.training.beat_sets import (
    BeatExample,
    BeatRows,
    BeatSource,
    recorded_beats,
    rows_of,
    simulated_beats,
)
from gen.card import SIMULATED, About, source_of, training_card
from gen.checkpoint import load_checkpoint
from gen.checkpoint import model_config as config_of
from gen.records import InputError
from gen.training import TrainingConfig, apply_overrides, train

if TYPE_CHECKING:
    from gen.datasets import SignalCache

#: Share of the variance of a beat's mixing that goes with breathing: recordings' neighbouring beats correlate by .2.
BREATHING = 0.8
ABOUT = About(
    name="diffusion/beats",
    task="Clinical text, age, sex, heart rate, intervals, axis and voltage in; forms of beats and habits of recordings "
    "out, from which twelve-lead ECGs are drawn.",
    intended_use=(
        "Research: augmentation data sets, teaching, benchmarks of methods. Everything generated is marked synthetic. "
        "Not a diagnostic device, and no substitute for recordings in clinical validation."
    ),
    limits=(
        "Learned from 2,330 recordings of one collection of adults at rest and from simulated ECGs; rare findings come "
        "mostly from the simulation. One prevailing and one ventricular form for each strip; noise is stationary but "
        "for its swelling, and no electrode comes off. See the evaluations."
    ),
)
_VALIDATION_PHI = np.linspace(0.06, 0.94, 12) * pi / 2


@dataclass(frozen=True, kw_only=True)
class BeatRecipe:
    """Settings of ``diffusion/beats``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            steps=1200,
            batch_size=128,
            lr=7e-4,
            weight_decay=0.05,
            betas=(0.9, 0.98),
            warmup=200,
            lr_floor=0.02,
            precision="fp32",
            ema_decay=0.999,
            checkpoint_dtype="fp16",
            validate_every=500,
            save_every=500,
        )
    )
    width: int = 320
    depth: int = 4
    dropout: float = 0.25
    variants: int = 12
    """Variations of each recording's gain and electrodes."""
    recorded_share: float = 0.7
    """Share of samples that are recordings; the others are simulated."""
    simulated_hearts: int = 2000
    init: str = "diffusion/weights/twin/denoiser"
    """Denoiser whose embedding of texts and numbers is the start; empty starts from random weights."""


def beats(
    *, data: Path | None, out: Path, resume: bool = False, overrides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Train on a cache made by ``physiogen data prepare``, and on simulated hearts."""
    from gen.datasets import SignalCache

    recipe = apply_overrides(BeatRecipe(), overrides or {})
    if data is None:
        raise InputError("this recipe needs --data: a cache made by `physiogen data prepare SOURCE --out DIR`")
    cache = SignalCache.open(data)
    examples, rests = [], []
    for example, rest in recorded_beats(cache, cache.split("train")):
        examples.append(example)
        rests.append(rest.astype(np.float32))
    held = [example for example, _ in recorded_beats(cache, cache.split("val"))]
    hearts = list(simulated_beats(recipe.simulated_hearts, seed=2_000_003 + recipe.training.seed))
    card = card_of(cache, recipe, overrides)
    return fit(recipe, examples, held, hearts, agreement(rests[::3], cache.fs_hz), out, resume=resume, card=card)


def card_of(cache: "SignalCache", recipe: BeatRecipe, overrides: Mapping[str, str] | None) -> dict[str, Any]:
    """The model card."""
    source = source_of(cache.manifest["source"], split="trained on folds 1-8, chosen on fold 9", digest=cache.digest)
    return training_card(ABOUT, data=[source, SIMULATED], config=recipe, changes=overrides)


def code_of(
    examples: Sequence[BeatExample], hearts: Sequence[BeatExample], lead_agreement: npt.NDArray[Any]
) -> BeatCode:
    """The code of recordings; components of forms look at simulated hearts too, which show what is rare."""
    code = BeatCode()
    code.fit(examples, hearts[:: max(1, len(hearts) // max(1, len(examples) // 2))])
    mixing = np.concatenate([e.mixing[:8] for e in examples if len(e.mixing)])
    covariance = mixing.T @ mixing / len(mixing)
    covariance /= np.trace(covariance)
    values, vectors = np.linalg.eigh(covariance)
    code.set_variation(lead_agreement, vectors * np.sqrt(np.maximum(values, 0)), BREATHING)
    return code


def fit(
    recipe: BeatRecipe,
    examples: Sequence[BeatExample],
    held: Sequence[BeatExample],
    hearts: Sequence[BeatExample],
    lead_agreement: npt.NDArray[Any],
    out: Path,
    *,
    resume: bool = False,
    card: Mapping[str, Any],
) -> dict[str, Any]:
    """Train on examples that are measured already."""
    seed = recipe.training.seed
    model = BeatDenoiser(width=recipe.width, depth=recipe.depth, dropout=recipe.dropout)
    if recipe.init:
        start(model, recipe.init)
    model.code = code_of(examples, hearts, lead_agreement)
    recorded = rows_of(examples, model.code, variants=recipe.variants, seed=seed, earlier=True)
    simulated = rows_of(hearts, model.code, variants=1, seed=seed, earlier=True)
    validation = rows_of(held, model.code, variants=0, seed=seed)
    result = train(
        model,
        BeatSource([recorded, simulated], [recipe.recorded_share, 1 - recipe.recorded_share]),
        config=recipe.training,
        out=out,
        validate=_validator(validation),
        resume=resume,
        card=card,
        model_config={**config_of(model), "pipeline": "synthesize"},
    )
    return {"checkpoint": str(result.best_path), "steps": result.steps, "seconds": result.seconds, **result.metrics}


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


def _validator(rows: BeatRows) -> Callable[[torch.nn.Module], dict[str, float]]:
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
