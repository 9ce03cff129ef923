"""Training recipes of personalised generation: ``diffusion/identity``, then ``diffusion/twin``."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from diffusion.checkpoints import DENOISERS, INDEX, WEIGHTS, load_codec
from diffusion.process.objective import Objective
from diffusion.training.examples import measured
from diffusion.training.latents import Codec, Example, channel_weights, check_facts
from diffusion.training.recipes import validation_error
from diffusion.twin.identity import IdentityEncoder, probe_r2, reference_settings, retrieval
from diffusion.twin.pairs import Pairs, Visits, build_pairs, write_manifest
from diffusion.twin.sources import (
    GAP_FEATURES,
    PairSource,
    PersonSet,
    PersonSource,
    base_input,
    base_vectors,
    cohort,
    cohort_visits,
    recorded_persons,
    write_persons,
)
from gen.card import SIMULATED, About, source_of, training_card
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model
from gen.checkpoint import model_config as config_of
from gen.files import replace_folder, write_json
from gen.quantities import QUANTITIES
from gen.records import InputError
from gen.training import Batch, TrainingConfig, apply_overrides, train

#: Cohorts by seed: those of training and of selection share no heart with each other or with `diffusion/default`.
TRAINED_COHORT, HELD_OUT_COHORT = 3_000_017, 4_000_037


IDENTITY = About(
    name="diffusion/identity",
    task="An ECG and its condition in, a vector that names the person and leaves the condition out.",
    intended_use="Research: conditioning of twins, judging whether two ECGs could be one person's. No identification.",
    limits=(
        "The vector is biometric: keep it like the recording itself. It tells age and sex fully and some of the "
        "health; verified on few recorded people."
    ),
)
TWIN = About(
    name="diffusion/twin",
    task="One ECG of a person and a change of condition in, that person's ECG in the other condition out.",
    intended_use=(
        "Research: augmentation for one person, teaching, counterfactual studies. Everything generated is marked "
        "synthetic. Not a diagnostic device and no forecast of a person's future."
    ),
    limits=(
        "Follows findings and rate better than it keeps the person; edits change the QRS more than a repeat "
        "visit does; learned mostly from simulated visits."
    ),
)


@dataclass(frozen=True, kw_only=True)
class PersonData:
    """What both recipes learn from."""

    hearts: int = 5_000
    """Simulated hearts."""
    visits: int = 3
    """Examinations of each, under different conditions."""
    held_out_hearts: int = 1_000
    """Hearts of another cohort, two visits each, for selection."""
    variants: int = 3
    """Windows of each recording, with other gain and displaced electrodes."""
    recorded_share: float = 0.3
    """Share of samples that are recordings; the others are simulated."""
    codec: str = "ecg"
    """Name of a codec (entry-point group gen.codecs)."""
    latents: str = ""
    """Folder of encoded sets, made if it is not there; empty for ``OUT-persons`` beside the run."""


@dataclass(frozen=True, kw_only=True)
class IdentityRecipe:
    """Settings of ``diffusion/identity``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            steps=2000,
            batch_size=384,
            lr=1e-3,
            weight_decay=0.01,
            betas=(0.9, 0.98),
            warmup=200,
            lr_floor=0.02,
            precision="bf16",
            ema_decay=0.998,
            checkpoint_dtype="int8",
            validate_every=250,
            save_every=250,
            monitor="rank_1",
            maximise=True,
            max_minutes=30,
        )
    )
    data: PersonData = field(default_factory=PersonData)
    views: int = 3
    """ECGs of a person in a batch (its size need not be a multiple)."""
    published: bool = False
    """The published network and InfoNCE with one positive, for comparison."""
    width: int = 192
    depth: int = 3
    heads: int = 6
    patch: int = 2
    base_width: int = 128
    memory: int = 0
    """Vectors of earlier batches that serve as further negatives; from the first step on, they make the vectors of all
    persons collapse into one, so a large batch is the default."""
    drop: float = 0.15
    leak_weight: float = 0.5
    """How hard linear traces of the rate are pressed out of the vectors."""
    crop: float = 0.6
    """Share of a latent seen in training."""


@dataclass(frozen=True, kw_only=True)
class TwinRecipe:
    """Settings of ``diffusion/twin``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            steps=2000,
            batch_size=64,
            lr=4e-4,
            weight_decay=0.01,
            betas=(0.9, 0.98),
            warmup=150,
            lr_floor=0.02,
            precision="bf16",
            ema_decay=0.998,
            checkpoint_dtype="int8",
            validate_every=300,
            save_every=300,
            max_minutes=30,
        )
    )
    objective: Objective = field(default_factory=Objective)
    data: PersonData = field(default_factory=PersonData)
    identity: str = ""
    """Checkpoint folder of ``diffusion/identity``."""
    init: str = ""
    """Checkpoint folder of the population denoiser to start from; empty takes the shipped one, "none" random weights
    (with ``text_path`` and so on)."""
    base_path: str = "adaln"
    """Way of the base vector: adaln (its weights start at zero: the population model), attention or both."""
    text_path: str = "attention"
    """Way of the text where ``init`` is none: attention, or adaln for an ablation."""
    numbers_path: str = "both"
    """Way of the numbers where ``init`` is none."""
    network: str = "LatentDiT"
    """Network where ``init`` is none: LatentDiT or LatentUNet."""
    cap: int = 24
    """Pairs of a person at most."""
    windows: bool = True
    """Whether windows of one recording are weak pairs."""
    weigh_channels: bool = True


def identity(
    *, data: Path | None, out: Path, resume: bool = False, overrides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Train the Individual Base Extractor on simulated visits and, with ``--data``, on a cache's patients."""
    recipe = apply_overrides(IdentityRecipe(), overrides or {})
    sets, shares, learned = _training_sets(recipe.data, data, out)
    channels = sets["simulated"].latents.batch(np.arange(1), np.zeros(1, np.int64))["latent"].shape[1]
    model = _identity_network(recipe, channels)
    names = _drawn(sets)
    views = 2 if recipe.published else recipe.views
    result = train(
        model,
        PersonSource([sets[name] for name in names], shares, views),
        config=recipe.training,
        out=out,
        validate=_retrieval_validator(sets["held-out"]),
        resume=resume,
        card=training_card(IDENTITY, config=recipe, changes=overrides, **learned),
        model_config=config_of(model),
    )
    return {"checkpoint": str(result.best_path), "steps": result.steps, "seconds": result.seconds, **result.metrics}


def twin(
    *, data: Path | None, out: Path, resume: bool = False, overrides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Train the personalised denoiser; OUT/pipeline is what ``physiogen twin --checkpoint`` takes."""
    recipe = apply_overrides(TwinRecipe(), overrides or {})
    if not recipe.identity:
        raise InputError(
            "this recipe needs an identity encoder: --set identity=RUN/best, trained by diffusion/identity"
        )
    extractor = load_model(IdentityEncoder, recipe.identity)
    sets, shares, learned = _training_sets(recipe.data, data, out)
    names = _drawn(sets)
    pairs = {name: _pairs(sets[name], recipe, "train") for name in names}
    pairs["held-out"] = _pairs(sets["held-out"], recipe, "val")
    bases = {name: base_vectors(extractor, sets[name]) for name in pairs}
    some = sets["held-out"].latents.batch(np.arange(32), np.zeros(32, np.int64))["latent"]
    codec, _, _ = load_codec(recipe.data.codec)
    weights = channel_weights(codec, some) if recipe.weigh_channels else None
    model = _twin_network(recipe, some.shape[1], extractor.base_width + GAP_FEATURES)
    identity_digest = checkpoint_digest(recipe.identity)
    learned["parts"] |= {"identity": {"name": "diffusion/identity", "digest": identity_digest}}
    learned["facts"] = {"pairs": {name: dict(p.manifest) for name, p in pairs.items()}}
    result = train(
        model,
        PairSource([sets[n] for n in names], [pairs[n] for n in names], [bases[n] for n in names], shares, weights),
        config=recipe.training,
        out=out,
        validate=_twin_validator(sets["held-out"], pairs["held-out"], bases["held-out"], weights),
        resume=resume,
        card=training_card(TWIN, config=recipe, changes=overrides, **learned),
        model_config=config_of(model),
    )
    for name, made in pairs.items():
        write_manifest(made, sets[name].visits, out / f"pairs-{name}.csv")
    pipeline = assemble(out / "pipeline", denoiser=result.best_path, identity=Path(recipe.identity))
    found = {"checkpoint": str(result.best_path), "pipeline": str(pipeline)}
    return found | {"steps": result.steps, "seconds": result.seconds, **result.metrics}


def assemble(folder: Path, *, denoiser: Path, identity: Path) -> Path:
    """Copy a denoiser and its identity encoder into a folder that ``gen.load`` reads; the codec is found by name."""
    with replace_folder(folder) as temporary:
        shutil.copytree(denoiser, temporary / "denoiser")
        shutil.copytree(identity, temporary / "identity")
        write_json(temporary / INDEX, {"_class_name": "ECGTwinPipeline", "pipeline": "twin"})
    return folder


def _training_sets(
    settings: PersonData, data: Path | None, out: Path
) -> tuple[dict[str, PersonSet], list[float], dict[str, Any]]:
    """Sets by name, shares of those that are drawn from (simulated, then recorded), data and parts for the card."""
    codec, digest, _ = load_codec(settings.codec)
    folder = Path(settings.latents) if settings.latents else out.with_name(f"{out.name}-persons")
    hearts, visits, seed = settings.hearts, settings.visits, TRAINED_COHORT
    sets = {
        "simulated": _persons(
            folder / "simulated",
            {"set": "simulated", "codec": digest, "hearts": hearts, "visits": visits, "seed": seed},
            lambda: (cohort(hearts, visits, seed=seed), cohort_visits(hearts, visits, seed=seed)),
            codec,
        ),
        "held-out": _held_out(folder / "held-out", settings.held_out_hearts, digest, codec),
    }
    parts = {"codec": {"name": settings.codec, "digest": digest}}
    if data is None:
        return sets, [1.0], {"data": [SIMULATED], "parts": parts}
    from gen.datasets import SignalCache

    cache = SignalCache.open(data)
    wanted = {"set": "train", "codec": digest, "split_digest": cache.digest, "variants": settings.variants, "seed": 0}
    rows = cache.split("train")
    sets["train"] = _persons(
        folder / "train",
        wanted,
        lambda: recorded_persons(cache, rows, measured, variants=settings.variants, seed=0),
        codec,
    )
    split = "trained on folds 1-8 by patient, chosen on hearts of another cohort"
    source = source_of(cache.manifest["source"], split=split, digest=cache.digest)
    return (
        sets,
        [1 - settings.recorded_share, settings.recorded_share],
        {"data": [source, SIMULATED], "parts": parts},
    )


def _held_out(folder: Path, hearts: int, digest: str, codec: Codec) -> PersonSet:
    seed = HELD_OUT_COHORT
    facts = {"set": "held-out", "codec": digest, "hearts": hearts, "visits": 2, "seed": seed}
    return _persons(
        folder, facts, lambda: (cohort(hearts, 2, seed=seed), cohort_visits(hearts, 2, seed=seed, split="val")), codec
    )


def _persons(
    folder: Path, facts: Mapping[str, Any], make: Callable[[], tuple[Iterator[Example], Visits]], codec: Codec
) -> PersonSet:
    """One encoded set, made if it is not there.

    Raises:
        InputError: it is there, but of another codec, cache or size.
    """
    if not folder.exists():
        blocks, visits = make()
        write_persons(folder, blocks, visits, codec, dict(facts))
    found = PersonSet.open(folder)
    check_facts(folder, found.latents, facts)
    return found


def _drawn(sets: Mapping[str, PersonSet]) -> list[str]:
    """Sets that training draws from, in the order of their shares."""
    return [name for name in ("simulated", "train") if name in sets]


def _pairs(persons: PersonSet, recipe: TwinRecipe, split: str) -> Pairs:
    return build_pairs(persons.visits, split=split, cap=recipe.cap, seed=recipe.training.seed, windows=recipe.windows)


def _identity_network(recipe: IdentityRecipe, channels: int) -> nn.Module:
    if recipe.published:
        return IdentityEncoder(latent_channels=channels, drop=recipe.drop, leak_weight=0.0, **reference_settings())
    try:
        return IdentityEncoder(
            latent_channels=channels,
            width=recipe.width,
            depth=recipe.depth,
            heads=recipe.heads,
            patch=recipe.patch,
            base_width=recipe.base_width,
            memory=recipe.memory,
            drop=recipe.drop,
            leak_weight=recipe.leak_weight,
            crop=recipe.crop,
        )
    except ValueError as error:
        raise InputError(f"diffusion/identity: {error}") from error


def _twin_network(recipe: TwinRecipe, channels: int, base_width: int) -> nn.Module:
    """The personalised denoiser, as the population denoiser where it starts from one."""
    if recipe.init == "none":
        if recipe.network not in ("LatentDiT", "LatentUNet"):
            raise InputError(f"network {recipe.network!r}: expected LatentDiT or LatentUNet")
        kind = DENOISERS[recipe.network]
        paths = {"text_path": recipe.text_path, "numbers_path": recipe.numbers_path, "base_path": recipe.base_path}
        model = kind(latent_channels=channels, base_width=base_width, **paths)
    else:
        folder = Path(recipe.init) if recipe.init else WEIGHTS / "default"
        model = personalised(folder, base_width, recipe.base_path)
    model.objective = recipe.objective
    return model


def personalised(folder: Path, base_width: int, base_path: str) -> nn.Module:
    """A population denoiser that takes a base vector: its weights, and a new base path that starts at zero.

    With ``base_path`` "adaln" it is the population model until it is trained.

    Raises:
        InputError: no denoiser of statements is there, or a weight has no place in the new network.
    """
    stored = load_checkpoint(folder)
    name = str(stored.config.get("_class_name"))
    if name not in ("LatentDiT", "LatentUNet"):
        raise InputError(f"{folder}: checkpoint of {name}; expected LatentDiT or LatentUNet")
    kind = DENOISERS[name]
    settings = {k: v for k, v in stored.config.items() if not k.startswith("_") and k != "pipeline"}
    model = kind.from_config({**settings, "base_width": base_width, "base_path": base_path})
    missing, foreign = model.load_state_dict(stored.tensors, strict=False)
    odd = [key for key in missing if not key.startswith("encoder.base")] + foreign
    if odd:
        raise InputError(f"{folder}: weight {odd[0]} has no place in a {name} with a base vector")
    with torch.no_grad():
        for parameter in (*model.encoder.base.parameters(), model.encoder.base_null):
            parameter.zero_()
    return model.float()


def _retrieval_validator(persons: PersonSet) -> Callable[[nn.Module], dict[str, float]]:
    """Retrieval of held-out hearts' second visit among all first visits, and what the vectors tell of the rate."""
    hearts = len(persons.latents) // 2
    rate = torch.from_numpy(np.array(persons.latents.arrays["numbers"][:, list(QUANTITIES).index("heart_rate")]))

    def validate(model: nn.Module) -> dict[str, float]:
        base = torch.from_numpy(base_vectors(model, persons))
        found = retrieval(base[:hearts], base[hearts:])
        return found | {"rate_r2": probe_r2(base, rate), "hearts": float(hearts)}

    return validate


def _twin_validator(
    persons: PersonSet, pairs: Pairs, bases: np.ndarray, weights: np.ndarray | None, batch_size: int = 64
) -> Callable[[nn.Module], dict[str, float]]:
    """Error of v on held-out hearts, knowing the person by the other visit, and knowing nobody."""
    count = len(pairs) // 2 * 2

    def error(model: nn.Module, known: bool) -> float:
        def draw(part: np.ndarray) -> Batch:
            rows = pairs.target[part]
            base = base_input(bases[pairs.reference[part]], pairs.gap_years[part])
            batch = persons.latents.batch(rows, np.zeros_like(rows))
            batch["base"] = torch.from_numpy(base if known else np.full_like(base, np.nan))
            return batch | {"sample_seed": torch.from_numpy(rows.astype(np.int64))}

        return validation_error(model, np.arange(count), draw, weights, batch_size)["loss"]

    def validate(model: nn.Module) -> dict[str, float]:
        return {"loss": error(model, True), "loss_without_reference": error(model, False)}

    return validate
