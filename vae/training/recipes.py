"""Training recipes: ``physiogen train vae/default`` and ``vae/wearecg``, and what ``vae/linear`` measures.

Each recipe runs on two CPU cores in at most 90 minutes; ``accelerate launch`` scales it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gen.card import SIMULATED, Source
from gen.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gen.shipped import checkpoint
from gen.training import BatchSource, Fit, Job, OfCache, Recipe, TrainingConfig
from gen.training.declared import Declared
from gen.training.trainer import Validate
from vae.networks.baseline import drift_covariance
from vae.networks.linear import LinearStatistics
from vae.training.masks import MAIN_SET
from vae.training.sources import LeadSource, PlainSource, SourceSettings, simulated_uv, unit_power_covariance
from vae.training.validation import validator

DECLARED = Declared("vae")


@dataclass(frozen=True, kw_only=True)
class DefaultRecipe:
    """Settings of ``vae/default``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("default"))
    source: SourceSettings = field(default_factory=lambda: SourceSettings(simulated_share=0.1))
    widths: tuple[int, ...] = (128, 208, 320)
    """Channels of the network's stages."""
    dropout: float = 0.1
    """Share of channels that are dropped in training."""
    simulated_records: int = 4000
    """Simulated ECGs behind ``source.simulated_share``."""
    init: str = ""
    """Weights to start from: default (the shipped ones), or a checkpoint's folder; empty starts from random weights."""


class _Default(OfCache[DefaultRecipe], Job[DefaultRecipe]):
    """The default model, on a cache made by ``physiogen data prepare``."""

    places = ("init",)

    def build_model(self) -> torch.nn.Module:
        from vae.networks.lead_vae import TYPICAL_LEVEL, LeadVAE

        train = self.cache.split("train")
        covariance = unit_power_covariance(self.cache, train).round(6).tolist()
        blocks = (self.cache.batch(train[k : k + 256]) for k in range(0, len(train), 256))
        drift = drift_covariance(blocks, self.cache.fs_hz).round(8).tolist()
        model = LeadVAE(
            widths=self.settings.widths,
            dropout=self.settings.dropout,
            covariance=tuple(map(tuple, covariance)),
            drift_covariance=tuple(map(tuple, drift)),
            level=TYPICAL_LEVEL,
        )
        if self.settings.init:
            start = checkpoint(self.settings.init, "vae", {"default": "default"})
            load_weights(model, load_checkpoint(start, LeadVAE).tensors, start)
        return model

    def build_source(self, model: Any) -> BatchSource:
        settings = self.settings.source
        count = self.settings.simulated_records if settings.simulated_share else 0
        simulated = simulated_uv(count, self.cache.fs_hz) if count else None
        return LeadSource(self.cache, self.cache.split("train"), settings, model.fs_hz, simulated)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        return validator(self.cache, self.cache.split("val"), MAIN_SET)

    def sources(self) -> list[Source]:
        return super().sources() + ([SIMULATED] if self.settings.source.simulated_share else [])


default = Recipe(DECLARED.about("default"), DefaultRecipe, _Default)


@dataclass(frozen=True, kw_only=True)
class WearECGRecipe:
    """Settings of ``vae/wearecg``: the published optimiser and losses, with the input masked."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("wearecg"))
    fs_hz: float = 100.0
    """Rate of the network in Hz."""


class _WearECG(OfCache[WearECGRecipe], Job[WearECGRecipe]):
    """The published network on leads II, V1, V5, without augmentation, as published."""

    def build_model(self) -> torch.nn.Module:
        from vae.networks.wearecg import WearECG

        return WearECG(fs_hz=self.settings.fs_hz)

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        return PlainSource(self.cache, self.cache.split("train"), MAIN_SET, self.settings.fs_hz)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        return validator(self.cache, self.cache.split("val"), MAIN_SET)


wearecg = Recipe(DECLARED.about("wearecg"), WearECGRecipe, _WearECG)


@dataclass(frozen=True)
class LinearRecipe:
    """``vae/linear`` has no settings."""


class _Linear(OfCache[LinearRecipe], Fit[LinearRecipe]):
    """Second moments, which the least-squares methods follow from."""

    split = "measured on folds 1-8"

    def fit(self, card: Mapping[str, Any]) -> dict[str, Any]:
        signal = np.nan_to_num(self.cache.batch(self.cache.split("train")))
        statistics = LinearStatistics.of(signal, self.cache.fs_hz)
        tensors = {
            "covariance": torch.from_numpy(statistics.covariance),
            "lagged": torch.from_numpy(statistics.lagged),
        }
        path = save_checkpoint(self.out, config={"_class_name": "LinearStatistics"}, model=tensors, card=card)
        return {"checkpoint": str(path)}


linear = Recipe(DECLARED.about("linear"), LinearRecipe, _Linear)
