"""Training recipes: ``physiogen train vae/default`` and ``vae/wearecg``.

Each recipe runs on two CPU cores in at most 90 minutes; ``accelerate launch`` scales it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gen.card import SIMULATED, About, source_of, training_card
from gen.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gen.records import InputError
from gen.training import TrainingConfig, apply_overrides, train
from vae.networks.linear import LinearStatistics
from vae.training.masks import MAIN_SET
from vae.training.sources import LeadSource, PlainSource, SourceSettings, unit_power_covariance
from vae.training.validation import validator

if TYPE_CHECKING:
    from gen.datasets.cache import SignalCache


_USE = "Research: filling leads that a recorder does not have, augmentation, benchmarks. Not a diagnostic device."
_LIMITS = (
    "Leads that were not observed are estimates: baseline drift, infarction and conduction disease in territories that "
    "the given leads do not see cannot be known. Trained on one collection of adults at rest."
)
DEFAULT = About(
    name="vae/default",
    task="Any leads of an ECG in, twelve leads with bands of uncertainty out.",
    intended_use=_USE,
    limits=_LIMITS,
)
WEARECG = About(
    name="vae/wearecg",
    task="Leads II, V1 and V5 in, twelve leads out (WearECG's published network).",
    intended_use=_USE,
    limits=_LIMITS,
)
LINEAR = About(
    name="vae/linear",
    task="Second moments of the leads, from which least-squares reconstructions follow.",
    intended_use="Baseline of lead reconstruction. Not a diagnostic device.",
    limits="Instantaneous and short-time linear relations between leads only.",
)


@dataclass(frozen=True, kw_only=True)
class DefaultRecipe:
    """Settings of ``vae/default``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            steps=4200,
            batch_size=24,
            lr=1e-3,
            weight_decay=0.05,
            betas=(0.9, 0.98),
            warmup=200,
            lr_floor=0.02,
            precision="bf16",
            ema_decay=0.999,
            checkpoint_dtype="fp16",
            validate_every=300,
            save_every=300,
            monitor="mae",
        )
    )
    source: SourceSettings = field(default_factory=lambda: SourceSettings(simulated_share=0.1))
    widths: tuple[int, ...] = (128, 208, 320)
    dropout: float = 0.1
    simulated_records: int = 4000
    init: str = ""
    """Checkpoint folder to start from; empty starts from random weights."""


def default(
    *, data: Path | None, out: Path, resume: bool = False, overrides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Train the default model on a cache made by ``physiogen data prepare``."""
    from vae.networks.lead_vae import LeadVAE

    recipe = apply_overrides(DefaultRecipe(), overrides or {})
    cache = _open(data)
    rows = cache.split("train")
    model = LeadVAE(
        widths=recipe.widths,
        dropout=recipe.dropout,
        covariance=tuple(map(tuple, unit_power_covariance(cache, rows).round(6).tolist())),
    )
    if recipe.init:
        load_weights(model, load_checkpoint(recipe.init, LeadVAE).tensors, recipe.init)
    source = LeadSource(cache, rows, recipe.source, model.fs_hz, _simulated(recipe, cache.fs_hz))
    result = train(
        model,
        source,
        config=recipe.training,
        out=out,
        validate=validator(cache, cache.split("val"), MAIN_SET),
        resume=resume,
        card=card_of(DEFAULT, cache, recipe, overrides),
    )
    return {"checkpoint": str(result.best_path), "steps": result.steps, "seconds": result.seconds, **result.metrics}


@dataclass(frozen=True, kw_only=True)
class WearECGRecipe:
    """Settings of ``vae/wearecg``: the published optimiser and losses, with the input masked."""

    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            steps=6000,
            batch_size=16,
            lr=5e-5,
            schedule="onecycle",
            weight_decay=0.01,
            betas=(0.9, 0.999),
            clip_norm=None,
            precision="bf16",
            ema_decay=None,
            checkpoint_dtype="bf16",
            validate_every=200,
            save_every=200,
            monitor="mae",
        )
    )
    fs_hz: float = 100.0


def wearecg(
    *, data: Path | None, out: Path, resume: bool = False, overrides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Train the published network on leads II, V1, V5, without augmentation, as published."""
    from vae.networks.wearecg import WearECG

    recipe = apply_overrides(WearECGRecipe(), overrides or {})
    cache = _open(data)
    model = WearECG(fs_hz=recipe.fs_hz)
    source = PlainSource(cache, cache.split("train"), MAIN_SET, recipe.fs_hz)
    result = train(
        model,
        source,
        config=recipe.training,
        out=out,
        validate=validator(cache, cache.split("val"), MAIN_SET),
        resume=resume,
        card=card_of(WEARECG, cache, recipe, overrides),
    )
    return {"checkpoint": str(result.best_path), "steps": result.steps, "seconds": result.seconds, **result.metrics}


def linear(
    *, data: Path | None, out: Path, resume: bool = False, overrides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Measure the second moments that the least-squares methods follow from."""
    del resume  # takes seconds
    if overrides:
        raise InputError(f"vae/linear has no settings; got {', '.join(overrides)}")
    cache = _open(data)
    statistics = LinearStatistics.of(np.nan_to_num(cache.batch(cache.split("train"))), cache.fs_hz)
    tensors = {
        "covariance": torch.from_numpy(statistics.covariance),
        "lagged": torch.from_numpy(statistics.lagged),
    }
    card = card_of(LINEAR, cache, None, None)
    path = save_checkpoint(out, config={"_class_name": "LinearStatistics"}, model=tensors, card=card)
    return {"checkpoint": str(path)}


def _open(data: Path | None) -> "SignalCache":
    from gen.datasets.cache import SignalCache

    if data is None:
        raise InputError("this recipe needs --data: a cache made by `physiogen data prepare SOURCE --out DIR`")
    return SignalCache.open(data)


def _simulated(recipe: DefaultRecipe, fs_hz: float, seed: int = 1_000_003) -> np.ndarray | None:
    """(n, 8, time) int16 microvolt from the simulated cohort; None where the recipe wants none."""
    if recipe.source.simulated_share == 0:
        return None
    from gen.simulate import simulate

    blocks = []
    for start in range(0, recipe.simulated_records, 64):
        indices = range(start, min(start + 64, recipe.simulated_records))
        signal = simulate(indices, seed=seed, fs_hz=fs_hz, noise="light").signal_mv
        blocks.append(np.clip(np.rint(1000 * signal), -32767, 32767).astype(np.int16))
    return np.concatenate(blocks)


def card_of(about: About, cache: "SignalCache", recipe: Any, overrides: Mapping[str, str] | None) -> dict[str, Any]:
    """The model card of a recipe that learns from a cache."""
    source = source_of(cache.manifest["source"], split="trained on folds 1-8, chosen on fold 9", digest=cache.digest)
    simulated = getattr(getattr(recipe, "source", None), "simulated_share", 0) > 0
    return training_card(about, data=[source, *([SIMULATED] if simulated else [])], config=recipe, changes=overrides)
