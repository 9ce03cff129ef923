"""Training recipe of the ECG codec: ``physiogen train vae/codec``."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gen.card import SIMULATED, Source
from gen.checkpoint import load_checkpoint, load_model, load_weights, model_config, save_checkpoint
from gen.training import BatchSource, Job, OfCache, Recipe, TrainingConfig, TrainingResult
from gen.training.declared import Declared
from gen.training.trainer import Validate
from vae.codec.network import EcgCodec
from vae.codec.sources import CodecSettings, CodecSource, latent_statistics, linear_start, reconstruct, record_errors
from vae.training.sources import simulated_uv

DECLARED = Declared("vae")


@dataclass(frozen=True, kw_only=True)
class CodecRecipe:
    """Settings of ``vae/codec``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("codec"))
    source: CodecSettings = field(default_factory=CodecSettings)
    network: Any = field(default_factory=lambda: DECLARED.network("codec", EcgCodec))
    simulated_records: int = 1500
    """Simulated ECGs among the samples."""
    statistics_records: int = 800
    """Training records that the linear start and the latent's mean and SD are measured on."""
    init: str = ""
    """Checkpoint folder to start from; empty starts from the linear codec."""
    decoder_only: bool = False
    """Train the decoder alone: latents stay what they are in ``init``, so that denoisers made for them still fit."""
    qrs_weight: float = 0.0
    """Weight of errors within QRS complexes, see `vae.codec.objective`."""


class _Codec(OfCache[CodecRecipe], Job[CodecRecipe]):
    """The codec, on a cache made by ``physiogen data prepare``."""

    places = ("init",)

    @cached_property
    def measured(self) -> np.ndarray:
        """(n, 8, time) mV: the training records that start and latent statistics are measured on."""
        rows = self.cache.split("train")
        every = max(1, len(rows) // self.settings.statistics_records)
        return np.nan_to_num(self.cache.batch(rows[::every]))

    def build_model(self) -> torch.nn.Module:
        settings = self.settings
        model = EcgCodec(**asdict(settings.network))
        if settings.init:
            load_weights(model, load_checkpoint(settings.init, EcgCodec).tensors, settings.init)
        else:
            linear_start(model, self.measured)
        model.qrs_weight = settings.qrs_weight
        # The closed-form paths stay as they are; what they lack, the networks add.
        frozen = [model.analysis, model.synthesis, *([model.encoder] if settings.decoder_only else [])]
        for part in frozen:
            part.requires_grad_(False)
        return model

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        count = self.settings.simulated_records if self.settings.source.simulated_share else 0
        simulated = simulated_uv(count, self.cache.fs_hz) if count else None
        return CodecSource(self.cache, self.cache.split("train"), self.settings.source, simulated)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        return _validator(np.nan_to_num(self.cache.batch(self.cache.split("val"))))

    def finish(self, result: TrainingResult, card: Mapping[str, Any]) -> dict[str, Any]:
        if not self.settings.decoder_only:
            standardise(result.best_path, self.measured, self.settings.training.checkpoint_dtype)
        return {}

    def sources(self) -> list[Source]:
        return super().sources() + ([SIMULATED] if self.settings.source.simulated_share else [])


codec = Recipe(DECLARED.about("codec"), CodecRecipe, _Codec)


def standardise(folder: Path, signal_mv: np.ndarray, dtype: str) -> None:
    """Measure the mean and SD of a checkpoint's latents on these records (n, 8, time) mV and store them in it."""
    model = load_model(EcgCodec, folder)
    mean, std = latent_statistics(model, signal_mv)
    with torch.no_grad():
        model.latent_mean.copy_(mean)
        model.latent_std.copy_(std)
    card = load_checkpoint(folder).card
    latent = {"records": len(signal_mv), "shape": [model.latent_channels, signal_mv.shape[2] // model.downsample]}
    if card:
        card["facts"] = {**card.get("facts", {}), "latent": latent}
    save_checkpoint(folder, config=model_config(model), model=model, card=card, dtype=dtype)


def _validator(signal_mv: np.ndarray) -> Callable[[torch.nn.Module], dict[str, float]]:
    """Errors of decode of encode of these records, and one ``score`` of them: 2 where both aims are just met."""

    def validate(model: torch.nn.Module) -> dict[str, float]:
        assert isinstance(model, EcgCodec)
        errors = record_errors(reconstruct(model, signal_mv), signal_mv)
        mae, pearson = float(errors["mae"].mean()), float(np.nanmean(errors["pearson"]))
        return {"score": mae / 0.02 + (1 - pearson) / 0.01, "mae": mae, "pearson": pearson}

    return validate
