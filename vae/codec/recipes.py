"""Training recipe of the ECG codec: ``physiogen train vae/codec``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gen.card import About
from gen.checkpoint import load_checkpoint, load_model, load_weights, model_config, save_checkpoint
from gen.training import TrainingConfig, apply_overrides, train
from vae.codec.network import EcgCodec
from vae.codec.sources import CodecSettings, CodecSource, latent_statistics, linear_start, reconstruct, record_errors
from vae.training.recipes import DefaultRecipe, _open, _simulated, card_of
from vae.training.sources import SourceSettings

CODEC = About(
    name="vae/codec",
    task="Eight leads at 500 Hz to 16 numbers for each 80 ms, and back: the space in which generators work.",
    intended_use="Research: latents for generative models and identity encoders. Not a diagnostic device.",
    limits="Trained on signals cut at 8 mV; R waves come out about 0.03 mV low, and little is left above 60 Hz.",
)


@dataclass(frozen=True, kw_only=True)
class CodecRecipe:
    """Settings of ``vae/codec``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            steps=5000,
            batch_size=32,
            lr=1e-3,
            weight_decay=0.01,
            betas=(0.9, 0.98),
            warmup=100,
            lr_floor=0.01,
            precision="bf16",
            ema_decay=0.995,
            checkpoint_dtype="fp16",
            validate_every=500,
            save_every=500,
            monitor="score",
        )
    )
    source: CodecSettings = field(default_factory=CodecSettings)
    latent_channels: int = 16
    width: int = 128
    token_width: int = 320
    blocks: int = 3
    token_blocks: int = 2
    latent_noise: float = 0.1
    simulated_records: int = 1500
    statistics_records: int = 800
    """Training records that the linear start and the latent's mean and SD are measured on."""
    init: str = ""
    """Checkpoint folder to start from; empty starts from the linear codec."""
    decoder_only: bool = False
    """Train the decoder alone: latents stay what they are in ``init``, so that denoisers made for them still fit."""
    qrs_weight: float = 0.0
    """Weight of errors within QRS complexes, see `vae.codec.objective`."""


def codec(
    *, data: Path | None, out: Path, resume: bool = False, overrides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Train the codec on a cache made by ``physiogen data prepare``."""
    recipe = apply_overrides(CodecRecipe(), overrides or {})
    cache = _open(data)
    rows = cache.split("train")
    model = EcgCodec(
        latent_channels=recipe.latent_channels,
        width=recipe.width,
        token_width=recipe.token_width,
        blocks=recipe.blocks,
        token_blocks=recipe.token_blocks,
        latent_noise=recipe.latent_noise,
    )
    every = max(1, len(rows) // recipe.statistics_records)
    measured = np.nan_to_num(cache.batch(rows[::every]))
    if recipe.init:
        load_weights(model, load_checkpoint(recipe.init, EcgCodec).tensors, recipe.init)
    else:
        linear_start(model, measured)
    model.qrs_weight = recipe.qrs_weight
    # The closed-form paths stay as they are; what they lack, the networks add.
    frozen = [model.analysis, model.synthesis, *([model.encoder] if recipe.decoder_only else [])]
    for part in frozen:
        part.requires_grad_(False)
    settings = SourceSettings(simulated_share=recipe.source.simulated_share)
    simulated = _simulated(DefaultRecipe(source=settings, simulated_records=recipe.simulated_records), cache.fs_hz)
    result = train(
        model,
        CodecSource(cache, rows, recipe.source, simulated),
        config=recipe.training,
        out=out,
        validate=_validator(np.nan_to_num(cache.batch(cache.split("val")))),
        resume=resume,
        card=card_of(CODEC, cache, recipe, overrides),
    )
    if not recipe.decoder_only:
        standardise(result.best_path, measured, recipe.training.checkpoint_dtype)
    return {"checkpoint": str(result.best_path), "steps": result.steps, "seconds": result.seconds, **result.metrics}


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
