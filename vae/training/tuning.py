"""Recipe ``physiogen train vae/tune``: the trained reconstruction learns from recordings of one's own."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from gen.card import Source, sources_of
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model
from gen.records import InputError
from gen.shipped import checkpoint
from gen.training import BatchSource, Job, OfCache, Recipe, TrainingConfig
from gen.training.adapter import adapt
from gen.training.trainer import Validate
from vae.networks.lead_vae import LeadVAE
from vae.training.masks import MAIN_SET
from vae.training.recipes import DECLARED
from vae.training.sources import LeadSource, SourceSettings, simulated_uv
from vae.training.validation import validator

#: Shipped weights by name.
NAMES = {"default": "default"}


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Settings of ``vae/tune``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("tune"))
    source: SourceSettings = field(default_factory=lambda: SourceSettings(simulated_share=0.2))
    init: str = "default"
    """Weights to start from: default (the shipped ones), or a checkpoint's folder."""
    rank: int = 8
    """Rank of the change of every kernel and matrix (low-rank adaptation); 0 trains all weights."""
    simulated_records: int = 500
    """Simulated ECGs behind ``source.simulated_share``, so that findings which are not among one's own stay known."""

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise InputError(f"setting rank={self.rank}: must be 0 or more")


class _Tune(OfCache[Tuning], Job[Tuning]):
    """The default model on one's own cache, from trained weights, with the bands that these have."""

    places = ("init",)
    split = "tuned on its training part, chosen on its validation part"

    @cached_property
    def start(self) -> Path:
        """Folder of the weights of the start."""
        return checkpoint(self.settings.init, "vae", NAMES)

    @cached_property
    def card(self) -> dict[str, Any]:
        """Card of the weights of the start."""
        return load_checkpoint(self.start, LeadVAE).card

    def inputs(self) -> dict[str, str]:
        return {**super().inputs(), "init": checkpoint_digest(self.start)}

    def sources(self) -> list[Source]:
        return [*super().sources(), *sources_of(self.card)]

    def parts(self) -> dict[str, dict[str, Any]]:
        return {"start": {"name": self.card.get("name", "nameless"), "digest": checkpoint_digest(self.start)}}

    def build_model(self) -> torch.nn.Module:
        model: Any = load_model(LeadVAE, self.start)
        if self.settings.rank:
            adapt(model, self.settings.rank)
        return model

    def build_source(self, model: Any) -> BatchSource:
        settings, train = self.settings.source, self.cache.split("train")
        if not len(train):
            raise InputError(f"{self.data}: no recording in its training part")
        count = self.settings.simulated_records if settings.simulated_share else 0
        simulated = simulated_uv(count, self.cache.fs_hz) if count else None
        return LeadSource(self.cache, train, settings, model.fs_hz, simulated)

    def build_validator(self, model: torch.nn.Module) -> Validate | None:
        val = self.cache.split("val")
        return validator(self.cache, val, MAIN_SET) if len(val) else None


tune = Recipe(DECLARED.about("tune"), Tuning, _Tune)
