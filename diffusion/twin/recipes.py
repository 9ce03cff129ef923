"""Training recipes of personalised generation: ``diffusion/identity``, then ``diffusion/twin``."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from diffusion.checkpoints import DENOISERS, INDEX
from diffusion.process.objective import Objective
from diffusion.training.latents import channel_weights
from diffusion.training.recipes import validation_error
from diffusion.twin.identity import IdentityEncoder, probe_r2, reference_settings, retrieval
from diffusion.twin.pairs import Pairs, build_pairs, write_manifest
from diffusion.twin.sources import GAP_FEATURES, PairSource, PersonSet, PersonSource, base_input, base_vectors
from diffusion.twin.training_sets import OfPersons, PersonData
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model
from gen.files import replace_folder, write_json
from gen.quantities import QUANTITIES
from gen.records import InputError
from gen.training import Batch, BatchSource, Job, Recipe, TrainingConfig, TrainingResult
from gen.training.declared import Declared
from gen.training.trainer import Validate

DECLARED = Declared("diffusion")


@dataclass(frozen=True, kw_only=True)
class IdentityRecipe:
    """Settings of ``diffusion/identity``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("identity"))
    data: PersonData = field(default_factory=PersonData)
    views: int = 3
    """ECGs of a person in a batch (its size need not be a multiple)."""
    published: bool = False
    """The published network and InfoNCE with one positive, for comparison."""
    network: Any = field(default_factory=lambda: DECLARED.network("identity", IdentityEncoder))


@dataclass(frozen=True, kw_only=True)
class TwinRecipe:
    """Settings of ``diffusion/twin``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("twin"))
    objective: Objective = field(default_factory=Objective)
    data: PersonData = field(default_factory=PersonData)
    identity: str = ""
    """Checkpoint folder of ``diffusion/identity``."""
    init: str = "none"
    """Checkpoint folder of a population denoiser of latents (``diffusion/default``) to start from; "none" takes random
    weights (with ``text_path`` and so on)."""
    base_path: str = "adaln"
    """Way of the identity embedding: adaln (its weights start at zero: the population model), attention or both."""
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
    """Whether channels of the latents count by how much they hold."""


class _Identity(OfPersons[IdentityRecipe], Job[IdentityRecipe]):
    """The Individual Base Extractor, on simulated visits and, with ``--data``, on a cache's patients."""

    def build_model(self) -> nn.Module:
        return _identity_network(self.settings, self.some(1).shape[1])

    def build_source(self, model: nn.Module) -> BatchSource:
        views = 2 if self.settings.published else self.settings.views
        return PersonSource([self.sets[name] for name in self.drawn], self.shares, views)

    def build_validator(self, model: nn.Module) -> Validate:
        return _retrieval_validator(self.sets["held-out"])


identity = Recipe(DECLARED.about("identity"), IdentityRecipe, _Identity)


class _Twin(OfPersons[TwinRecipe], Job[TwinRecipe]):
    """The personalised denoiser; OUT/pipeline is what ``physiogen twin --checkpoint`` takes."""

    places = ("latents", "identity", "init")
    leaves = ("pipeline", "pairs-simulated.csv", "pairs-train.csv", "pairs-held-out.csv")

    @cached_property
    def identity_digest(self) -> str:
        """Of the identity encoder."""
        if not self.settings.identity:
            raise InputError(
                "diffusion/twin needs an identity encoder: --set identity=RUN/best, trained by diffusion/identity"
            )
        return checkpoint_digest(self.settings.identity)

    def inputs(self) -> dict[str, str]:
        return {"identity": self.identity_digest} | super().inputs()

    @cached_property
    def extractor(self) -> Any:
        """The identity encoder."""
        return load_model(IdentityEncoder, self.settings.identity)

    @cached_property
    def pairs(self) -> dict[str, Pairs]:
        """Pairs of two ECGs of a person, by set."""
        found = {name: _pairs(self.sets[name], self.settings, "train") for name in self.drawn}
        return found | {"held-out": _pairs(self.sets["held-out"], self.settings, "val")}

    @cached_property
    def bases(self) -> dict[str, np.ndarray]:
        """Base vectors, by set."""
        return {name: base_vectors(self.extractor, self.sets[name]) for name in self.pairs}

    @cached_property
    def weights(self) -> np.ndarray | None:
        """Of the latent channels."""
        return channel_weights(self.codec, self.some()) if self.settings.weigh_channels else None

    def parts(self) -> dict[str, dict[str, Any]]:
        return super().parts() | {"identity": {"name": identity.about.name, "digest": self.identity_digest}}

    def facts(self) -> dict[str, Any]:
        return {"pairs": {name: dict(pairs.manifest) for name, pairs in self.pairs.items()}}

    def build_model(self) -> nn.Module:
        return _twin_network(self.settings, self.some().shape[1], self.extractor.base_width + GAP_FEATURES)

    def build_source(self, model: nn.Module) -> BatchSource:
        drawn = self.drawn
        return PairSource(
            [self.sets[name] for name in drawn],
            [self.pairs[name] for name in drawn],
            [self.bases[name] for name in drawn],
            self.shares,
            self.weights,
        )

    def build_validator(self, model: nn.Module) -> Validate:
        return _twin_validator(self.sets["held-out"], self.pairs["held-out"], self.bases["held-out"], self.weights)

    def finish(self, result: TrainingResult, card: Mapping[str, Any]) -> dict[str, Any]:
        for name, made in self.pairs.items():
            write_manifest(made, self.sets[name].visits, self.out / f"pairs-{name}.csv")
        identity = Path(self.settings.identity)
        return {"pipeline": str(assemble(self.out / "pipeline", denoiser=result.best_path, identity=identity))}


twin = Recipe(DECLARED.about("twin"), TwinRecipe, _Twin)


def assemble(folder: Path, *, denoiser: Path, identity: Path) -> Path:
    """Copy a denoiser and its identity encoder into a folder that ``gen.load`` reads; the codec is found by name."""
    with replace_folder(folder) as temporary:
        shutil.copytree(denoiser, temporary / "denoiser")
        shutil.copytree(identity, temporary / "identity")
        write_json(temporary / INDEX, {"_class_name": "ECGTwinPipeline", "pipeline": "twin"})
    return folder


def _pairs(persons: PersonSet, recipe: TwinRecipe, split: str) -> Pairs:
    return build_pairs(persons.visits, split=split, cap=recipe.cap, seed=recipe.training.seed, windows=recipe.windows)


def _identity_network(recipe: IdentityRecipe, channels: int) -> nn.Module:
    if recipe.published:
        return IdentityEncoder(channels, drop=recipe.network.drop, leak_weight=0.0, **reference_settings())
    try:
        return IdentityEncoder(channels, **asdict(recipe.network))
    except ValueError as error:
        raise InputError(f"diffusion/identity: {error}") from error


def _twin_network(recipe: TwinRecipe, channels: int, base_width: int) -> nn.Module:
    """The personalised denoiser, as the population denoiser where it starts from one."""
    if recipe.init in ("", "none"):
        if recipe.network not in ("LatentDiT", "LatentUNet"):
            raise InputError(f"network {recipe.network!r}: expected LatentDiT or LatentUNet")
        kind = DENOISERS[recipe.network]
        paths = {"text_path": recipe.text_path, "numbers_path": recipe.numbers_path, "base_path": recipe.base_path}
        model = kind(latent_channels=channels, base_width=base_width, **paths)
    else:
        model = personalised(Path(recipe.init), base_width, recipe.base_path)
    model.objective = recipe.objective
    return model


def personalised(folder: Path, base_width: int, base_path: str) -> nn.Module:
    """A population denoiser that takes an identity embedding: its weights, and a new base path that starts at zero.

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
        raise InputError(f"{folder}: weight {odd[0]} has no place in a {name} with an identity embedding")
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
