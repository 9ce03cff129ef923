"""Training recipes: ``flow/pamae`` (ECG encoder), ``flow/codec`` (cine codec), ``flow/amdf`` (velocity network).

    python -m flow.training.pair_cache --n 4000 --out CACHE
    physiogen train flow/pamae --data CACHE --out RUNS/pamae
    physiogen train flow/codec --data CACHE --out RUNS/codec --set real=.data/sunnybrook
    physiogen train flow/amdf  --data CACHE --out RUNS/amdf --set encoder=RUNS/pamae/best --set codec=RUNS/codec/codec

On a cache of ``--levels three`` they learn basal, mid and apical slices instead of mid ones alone.

The last one leaves a whole pipeline in ``RUNS/amdf/pipeline`` (`gen.load`, ``physiogen cmr --checkpoint``). Each takes
about 40 minutes on two CPU cores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flow.checkpoints import save_pipeline
from flow.networks.cine_codec import CineCodec
from flow.networks.pamae import TARGETS, PhaseAwareMAE
from flow.networks.velocity import VelocityDiT
from flow.training.cohort import ECG_SAMPLES
from flow.training.latents import encode_cines, latent_arrays
from flow.training.pair_cache import PairCache, Part, unpack_masks
from flow.training.sources import EcgSource, FrameSource, LatentSource, RealEcgs, raw_targets
from flow.training.validation import (
    codec_scores,
    codec_validator,
    ecg_validator,
    flow_validator,
    held_out,
    real_scores,
    real_training,
)
from flow.volumes.reader import VolumeReader
from gen.card import About, Source, fact, training_card, validation_metrics, with_run
from gen.checkpoint import checkpoint_digest, load_checkpoint, load_model, model_config, save_checkpoint
from gen.precision import reduced_precision
from gen.records import InputError
from gen.training import TrainingConfig, apply_overrides, train


def _config(**settings: Any) -> TrainingConfig:
    """Training settings that fit two CPU cores."""
    common: dict[str, Any] = {
        "lr": 1e-3,
        "weight_decay": 0.03,
        "betas": (0.9, 0.98),
        "warmup": 200,
        "lr_floor": 0.02,
        "precision": "bf16",
        "ema_decay": 0.999,
        "checkpoint_dtype": "fp16",
    }
    return TrainingConfig(**{**common, **settings})


_USE = (
    "Research: augmentation, pretraining, benchmarks of methods. Trained on simulated hearts. Not a diagnostic device."
)
_LIMITS = "Nobody's ECG has been compared with their own MRI; mid short-axis slices only; groups are drawn to the mean."
ENCODER = About(
    name="flow/pamae",
    task="An ECG in, features on phases of the beat and four figures of the heart out.",
    intended_use=_USE,
    limits=_LIMITS,
)
CODEC = About(
    name="flow/codec",
    task="A cine loop with labels to one anatomy latent and a motion latent a frame, and back.",
    intended_use=_USE,
    limits="Pictures are smoother than phantoms, and phantoms are not patients.",
)
NETWORK = About(
    name="flow/amdf",
    task="A twelve-lead ECG in, a cine short-axis loop in phase with it and volumes with intervals out.",
    intended_use=_USE,
    limits=_LIMITS,
)
RECORDED = Source(
    name="recorded ECGs of a cache (no cine)", licence="as the cache's source states", split="training part alone"
)
SUNNYBROOK = Source(
    name="Sunnybrook Cardiac Data",
    licence="CC0",
    citation="Radau P et al. Evaluation framework for algorithms segmenting short axis cardiac MRI. MIDAS J (2009)",
    split="training studies alone",
)


@dataclass(frozen=True, kw_only=True)
class PamaeRecipe:
    """Settings of ``flow/pamae``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(
        default_factory=lambda: _config(
            steps=3500, batch_size=48, lr=8e-4, weight_decay=0.05, validate_every=250, save_every=250, monitor="figures"
        )
    )
    width: int = 192
    depth: int = 5
    heads: int = 6
    mask_ratio: float = 0.5
    full_share: float = 0.25
    dropout: float = 0.2
    real: str = ""
    """Cache of recorded ECGs (``physiogen data prepare``) to learn from besides; empty for none."""
    real_share: float = 0.25
    real_limit: int = 8000


def pamae(
    *, data: Path | None, out: Path, resume: bool = False, overrides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Train the phase-aware masked autoencoder on simulated (and recorded) ECGs."""
    recipe = apply_overrides(PamaeRecipe(), overrides or {})
    cache = _open(data)
    parts = [cache.part(name) for name in ("train", "ecgs") if name in cache.manifest["counts"]]
    targets = torch.cat([raw_targets(part)[torch.from_numpy(part.hearts)] for part in parts])
    model = PhaseAwareMAE(
        samples=ECG_SAMPLES,
        width=recipe.width,
        depth=recipe.depth,
        heads=recipe.heads,
        mask_ratio=recipe.mask_ratio,
        full_share=recipe.full_share,
        dropout=recipe.dropout,
        target_mean=tuple(round(v, 5) for v in targets.mean(0).tolist()),
        target_spread=tuple(round(v, 5) for v in targets.std(0).tolist()),
    )
    real = RealEcgs.load(recipe.real, ECG_SAMPLES, recipe.real_limit) if recipe.real else None
    result = train(
        model,
        EcgSource(parts, model, real, recipe.real_share),
        config=recipe.training,
        out=out,
        validate=ecg_validator(cache.part("val")),
        resume=resume,
        card=_card(
            ENCODER, cache, recipe, overrides, facts={"targets": list(TARGETS)}, real=RECORDED if recipe.real else None
        ),
    )
    return {"checkpoint": str(result.best_path), "steps": result.steps, "seconds": result.seconds, **result.metrics}


@dataclass(frozen=True, kw_only=True)
class CodecRecipe:
    """Settings of ``flow/codec``."""

    training: TrainingConfig = field(
        default_factory=lambda: _config(steps=2800, batch_size=8, validate_every=200, save_every=200, monitor="loss")
    )
    anatomy_channels: int = 8
    motion_width: int = 16
    widths: tuple[int, ...] = (32, 64, 96)
    kl_weight: float = 1e-3
    swap_weight: float = 0.2
    frames: int = 8
    real: str = ""
    """Folder of real short-axis cines (Sunnybrook); its training split is mixed in, its test split scored."""
    real_share: float = 0.1


def codec(
    *, data: Path | None, out: Path, resume: bool = False, overrides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Train the cine codec; the finished one, with its latent statistics and its volume reader, is ``OUT/codec``."""
    recipe = apply_overrides(CodecRecipe(), overrides or {})
    cache = _open(data)
    root = Path(recipe.real) if recipe.real else None
    model = CineCodec(
        size=cache.manifest["size"],
        anatomy_channels=recipe.anatomy_channels,
        motion_width=recipe.motion_width,
        widths=recipe.widths,
        kl_weight=recipe.kl_weight,
        swap_weight=recipe.swap_weight,
    )
    card = _card(CODEC, cache, recipe, overrides, real=None if root is None else SUNNYBROOK)
    part = cache.part("train")
    result = train(
        model,
        FrameSource(part, real_training(root), recipe.real_share, recipe.frames),
        config=recipe.training,
        out=out,
        validate=codec_validator(cache.part("val")),
        resume=resume,
        card=card,
    )
    best = load_model(CineCodec, result.best_path)
    scores = _finish_codec(best, cache, root, out / "codec", load_checkpoint(result.best_path).card)
    return {"checkpoint": str(out / "codec"), "steps": result.steps, "seconds": result.seconds, **scores}


def _finish_codec(
    model: CineCodec, cache: PairCache, root: Path | None, out: Path, card: Mapping[str, Any], hearts: int = 400
) -> dict[str, Any]:
    """Measure latent statistics on training hearts, fit the volume reader on rebuilt labels, score, and save."""
    part = cache.part("train")
    rows = np.arange(min(hearts * part.slices, len(part)))
    anatomy, motion = encode_cines(model, part, rows)
    statistics = {
        "anatomy_mean": anatomy.mean(axis=(0, 2, 3)),
        "anatomy_spread": anatomy.std(axis=(0, 2, 3)),
        "motion_mean": motion.mean(axis=(0, 1)),
        "motion_spread": motion.std(axis=(0, 1)),
    }
    for name, value in statistics.items():
        # Numbers that the codec leaves unused must not be blown up to unit spread.
        kept = np.maximum(value, 0.1 * value.max()) if name.endswith("spread") else value
        statistics[name] = kept.round(6)
    stored = {name: [float(v) for v in value] for name, value in statistics.items()}
    model.register_to_config(**stored)
    val = cache.part("val")
    test_rows = np.arange(min(48, len(val)))
    frames = val.frames[test_rows].astype(np.float32) / 255.0
    masks = unpack_masks(val.packed_masks[test_rows]).astype(np.int64)
    scores: dict[str, Any] = {"simulated": codec_scores(model, frames, masks)}
    real = held_out(root)
    if real:
        scores["sunnybrook"] = real_scores(model, real)
    mid = rows[rows % part.slices == part.slices // 2]  # volumes are read off the mid slice
    drawn = rebuilt_masks(model, anatomy[mid], motion[mid])
    pixel_mm2 = (192.0 / model.size) ** 2
    reader = VolumeReader.fit(drawn, pixel_mm2, part.curve[mid], part.fact("mass_g")[mid])
    scores["volume_error_log"], scores["mass_error_log"] = reader.volume_error, reader.mass_error
    facts = {
        **with_run(card, validation={**validation_metrics(card), **scores}),
        "facts": {"volumes": reader.to_json()},
    }
    module: Any = model
    save_checkpoint(out, config=model_config(module), model=module, card=facts, dtype="fp16")
    return scores


@torch.no_grad()
def rebuilt_masks(model: CineCodec, anatomy: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Labels (n, frame, row, col) uint8 that the codec decodes from latents."""
    out = []
    for still, moving in zip(anatomy, motion, strict=True):
        with reduced_precision():
            decoded = model.decode(torch.from_numpy(still)[None], torch.from_numpy(moving)[None])
        out.append(decoded.masks()[0].numpy())
    return np.stack(out)


@dataclass(frozen=True, kw_only=True)
class AmdfRecipe:
    """Settings of ``flow/amdf``."""

    training: TrainingConfig = field(
        default_factory=lambda: _config(
            steps=5000, batch_size=32, lr=7e-4, weight_decay=0.05, validate_every=500, save_every=500
        )
    )
    encoder: str = ""
    """Checkpoint of ``flow/pamae``."""
    codec: str = ""
    """Checkpoint of ``flow/codec`` (its folder ``codec``, which has the statistics)."""
    width: int = 224
    depth: int = 6
    heads: int = 7
    patch: int = 2
    alpha: float = 1.0
    drop_ecg: float = 0.1
    drop_number: float = 0.15
    time_shape: str = "uniform"
    feature_noise: float = 0.1


def amdf(
    *, data: Path | None, out: Path, resume: bool = False, overrides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Train the velocity network on the latents of a codec and the features of an encoder; saves the pipeline too."""
    recipe = apply_overrides(AmdfRecipe(), overrides or {})
    cache = _open(data)
    if not recipe.encoder or not recipe.codec:
        raise InputError("flow/amdf needs --set encoder=FOLDER (of flow/pamae) and --set codec=FOLDER (of flow/codec)")
    encoder, codec_ = load_model(PhaseAwareMAE, recipe.encoder), load_model(CineCodec, recipe.codec)
    reader = VolumeReader.from_json(fact(load_checkpoint(recipe.codec).card, "volumes", {}))
    digests = checkpoint_digest(recipe.encoder), checkpoint_digest(recipe.codec)
    network = VelocityDiT(
        anatomy_shape=codec_.anatomy_shape,
        motion_width=codec_.motion_width,
        patch=recipe.patch,
        width=recipe.width,
        depth=recipe.depth,
        heads=recipe.heads,
        token_width=encoder.config["width"],
        summary_width=encoder.config["summary_width"],
        told=2 * len(TARGETS),
        alpha=recipe.alpha,
        drop_ecg=recipe.drop_ecg,
        drop_number=recipe.drop_number,
        time_shape=recipe.time_shape,
        levels=cache.levels,
        encoder_digest=digests[0],
        codec_digest=digests[1],
    )
    key = f"{cache.digest[:12]}-{digests[0][:12]}-{digests[1][:12]}"
    stores = {part: out.with_name(f"{out.name}.latents") / f"{part}-{key}.npz" for part in ("train", "val")}
    arrays = {p: latent_arrays(encoder, codec_, network, cache.part(p), store) for p, store in stores.items()}
    network.template.copy_(torch.from_numpy(arrays["train"]["latent"].mean(axis=0)))
    card = _card(NETWORK, cache, recipe, overrides)
    result = train(
        network,
        LatentSource(arrays["train"], recipe.feature_noise),
        config=recipe.training,
        out=out,
        validate=flow_validator(arrays["val"], codec_, _val_facts(cache.part("val"))),
        resume=resume,
        card=card,
    )
    save_pipeline(
        out / "pipeline",
        encoder=Path(recipe.encoder),
        codec=Path(recipe.codec),
        network=result.best_path,
        volumes=reader,
        card=with_run(card, validation=dict(result.metrics)),
    )
    return {"checkpoint": str(out / "pipeline"), "steps": result.steps, "seconds": result.seconds, **result.metrics}


def _val_facts(part: Part) -> dict[str, np.ndarray]:
    return {"ef": part.fact("ef")[part.usable]}


def _open(data: Path | None) -> PairCache:
    if data is None:
        raise InputError("this recipe needs --data: a cache made by `python -m flow.training.pair_cache --out DIR`")
    return PairCache.open(data)


def _card(
    about: About,
    cache: PairCache,
    recipe: Any,
    overrides: Mapping[str, str] | None,
    *,
    facts: Mapping[str, Any] | None = None,
    real: Source | None = None,
) -> dict[str, Any]:
    cohort = Source(
        name="simulated cohort, ECG and cine phantom of the same hearts (gen.simulate.cine)",
        licence="Apache-2.0",
        split="trained on part train (and ecgs), chosen on part val; part test is untouched",
        digest=cache.digest,
    )
    return training_card(about, data=[cohort, *([real] if real else [])], config=recipe, changes=overrides, facts=facts)
