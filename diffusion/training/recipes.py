"""Training recipes: ``physiogen train diffusion/default`` and the configurations it is compared with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import pi
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diffusion.checkpoints import load_codec
from diffusion.process.objective import Objective, denoising_loss
from diffusion.training.examples import measured, recorded, simulated
from diffusion.training.latents import (
    Codec,
    LatentSet,
    LatentSource,
    channel_weights,
    check_facts,
    repeated_weight,
    write_latents,
)
from gen.card import SIMULATED, Source
from gen.checkpoint import load_checkpoint, load_weights
from gen.checkpoint import model_config as config_of
from gen.precision import reduced_precision
from gen.records import InputError
from gen.training import Batch, BatchSource, Job, OfCache, Recipe, TrainingConfig
from gen.training.declared import Declared
from gen.training.trainer import Validate

if TYPE_CHECKING:
    from gen.datasets import SignalCache

#: Angles at which validation asks for the error of v.
VALIDATION_PHI = np.linspace(0.06, 0.94, 12) * pi / 2


DECLARED = Declared("diffusion")


@dataclass(frozen=True, kw_only=True)
class DefaultRecipe:
    """Settings of ``diffusion/default``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("default"))
    objective: Objective = field(default_factory=Objective)
    network: str = "dit"
    """Which network: dit, unet or diffusets (the published one)."""
    width: int = 256
    """Of the tokens."""
    depth: int = 8
    """Blocks of the network."""
    patch: int = 2
    """Positions that the transformer takes as one token."""
    registers: int = 4
    """Register tokens of the transformer: with the 60 patches of a training window they make 64, which is fast."""
    codec: str = "ecg"
    """Name of a codec (entry-point group gen.codecs)."""
    latents: str = ""
    """Folder of encoded training sets, made if it is not there; empty for ``OUT-latents`` beside the run."""
    recorded_share: float = 0.5
    """Share of samples that are recordings; the others are simulated."""
    variants: int = 6
    """Variations of each recording that are encoded."""
    simulated_records: int = 14_000
    """Simulated ECGs among the samples."""
    weigh_channels: bool = True
    """Whether channels of the latents count by how much they hold."""
    init: str = ""
    """Checkpoint folder to start from; empty starts from random weights."""


class _Default(OfCache[DefaultRecipe], Job[DefaultRecipe]):
    """A text-to-ECG denoiser, on a cache made by ``physiogen data prepare`` and on simulated ECGs."""

    places = ("latents", "init")

    @cached_property
    def _loaded(self) -> tuple[Any, str]:
        codec, digest, _ = load_codec(self.settings.codec)
        return codec, digest

    def inputs(self) -> dict[str, str]:
        return super().inputs() | {"codec": self._loaded[1]}

    def sources(self) -> list[Source]:
        return super().sources() + ([SIMULATED] if self.settings.recorded_share < 1 else [])

    def parts(self) -> dict[str, dict[str, Any]]:
        return {"codec": {"name": self.settings.codec, "digest": self._loaded[1]}}

    def prepare(self) -> None:
        self.sets  # noqa: B018 - encoded once, by the main process

    @cached_property
    def sets(self) -> dict[str, LatentSet]:
        """Encoded sets by name, made where they are not there."""
        latents, (codec, digest) = self.settings.latents, self._loaded
        folder = Path(latents) if latents else self.out.with_name(f"{self.out.name}-latents")
        names = ("train", "simulated", "val")
        return {name: _latents(name, folder, self.cache, codec, digest, self.settings) for name in names}

    @cached_property
    def weights(self) -> np.ndarray | None:
        """Of the latent channels."""
        return channel_weights(self._loaded[0], _some(self.sets["val"])) if self.settings.weigh_channels else None

    def build_model(self) -> torch.nn.Module:
        return _network(self.settings, _some(self.sets["val"]).shape[1])

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        share = self.settings.recorded_share
        return LatentSource([self.sets["train"], self.sets["simulated"]], [share, 1 - share], self.weights)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        return _validator(self.sets["val"], self.weights)

    def checkpoint_config(self, model: torch.nn.Module) -> dict[str, Any]:
        return {**config_of(model), "pipeline": "synthesize"}


default = Recipe(DECLARED.about("default"), DefaultRecipe, _Default)


def _latents(
    name: str, folder: Path, cache: "SignalCache", codec: Codec, digest: str, recipe: DefaultRecipe
) -> LatentSet:
    """One encoded set, made if it is not there.

    Raises:
        InputError: it is there, but of another codec, cache or size.
    """
    facts = {"set": name, "codec": digest, "split_digest": cache.digest, "seed": recipe.training.seed}
    facts |= {"count": recipe.simulated_records} if name == "simulated" else {"variants": recipe.variants}
    target = folder / name
    if not target.exists():
        if name == "simulated":
            blocks = simulated(recipe.simulated_records, seed=2_000_003 + recipe.training.seed)
        else:
            variants = recipe.variants if name == "train" else 0
            blocks = recorded(cache, cache.split(name), measured, variants=variants, seed=recipe.training.seed)
        write_latents(target, blocks, codec, facts)
    found = LatentSet.open(target)
    check_facts(target, found, facts)
    return found


def _some(latents: LatentSet, count: int = 32) -> torch.Tensor:
    rows = np.arange(min(count, len(latents)))
    return latents.batch(rows, np.zeros_like(rows))["latent"]


def _network(recipe: DefaultRecipe, channels: int) -> torch.nn.Module:
    """The network that a recipe names, with its weights where it starts from some."""
    from diffusion.networks.diffusets import DiffuSETSDenoiser
    from diffusion.networks.dit import LatentDiT
    from diffusion.networks.unet import LatentUNet

    builders: dict[str, Callable[[], LatentDiT | LatentUNet | DiffuSETSDenoiser]] = {
        "dit": lambda: LatentDiT(
            latent_channels=channels,
            width=recipe.width,
            depth=recipe.depth,
            patch=recipe.patch,
            registers=recipe.registers,
        ),
        "unet": lambda: LatentUNet(latent_channels=channels),
        "diffusets": lambda: DiffuSETSDenoiser(latent_channels=channels),
    }
    if recipe.network not in builders:
        raise InputError(f"network {recipe.network!r}: expected one of {', '.join(builders)}")
    model: Any = builders[recipe.network]()
    model.objective = recipe.objective
    if recipe.init:
        load_weights(model, load_checkpoint(recipe.init, type(model)).tensors, recipe.init)
    return model


def _validator(
    latents: LatentSet, weights: np.ndarray | None, batch_size: int = 64
) -> Callable[[torch.nn.Module], dict[str, float]]:
    """Error of v on unvaried recordings of the validation fold, at fixed angles and noise, all conditions given."""
    rows = np.arange(len(latents))

    def draw(part: np.ndarray) -> Batch:
        return latents.batch(part, np.zeros_like(part)) | {"sample_seed": torch.from_numpy(part.astype(np.int64))}

    return lambda model: validation_error(model, rows, draw, weights, batch_size)


def validation_error(
    model: torch.nn.Module,
    numbers: np.ndarray,
    draw: Callable[[np.ndarray], Batch],
    weights: np.ndarray | None,
    batch_size: int = 64,
) -> dict[str, float]:
    """Loss and unweighted error of v of numbered examples, each at its own fixed angle.

    Args:
        model: the denoiser.
        numbers: (n,) of the examples.
        draw: examples by number, with the seeds of their noise.
        weights: of the channels.
        batch_size: examples at a time.
    """
    losses, counts = [], []
    for start in range(0, len(numbers), batch_size):
        part = numbers[start : start + batch_size]
        batch = draw(part) | repeated_weight(weights, len(part))
        batch["phi"] = torch.from_numpy(VALIDATION_PHI[part % len(VALIDATION_PHI)].astype(np.float32))
        with reduced_precision():
            parts = denoising_loss(model, batch)
        losses.append([parts["loss"].item(), parts["mse"].item()])
        counts.append(len(part))
    loss, mse = np.average(losses, axis=0, weights=counts).tolist()
    return {"loss": loss, "mse": mse}
