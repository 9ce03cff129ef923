"""Scores on held-out simulated hearts that choose the best weights of a run."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from flow.networks.cine_codec import CineCodec
from flow.networks.objective import Context, flow_loss, sample
from flow.networks.pamae import TARGETS, PhaseAwareMAE, circular_error_deg
from flow.networks.velocity import VelocityDiT
from flow.training.pair_cache import Part, unpack_masks
from flow.training.sources import EcgSource, LatentSource, raw_targets
from gen.cine import CineRecord
from gen.precision import reduced_precision
from gen.signals import pearson
from metrics.cine import dice, psnr, ssim

_FRAMES = (0, 10, 17, 25, 40)


def ecg_validator(part: Part, count: int = 256) -> Callable[[torch.nn.Module], Mapping[str, float]]:
    """Circular phase error, R2 and likelihood of the heart's figures, from complete ECGs."""

    @torch.no_grad()
    def validate(model: torch.nn.Module) -> Mapping[str, float]:
        assert isinstance(model, PhaseAwareMAE)
        source = EcgSource([part], model, noise_mv=0.0)
        rows = part.usable[:count]
        errors, told, spreads = [], [], []
        for start in range(0, len(rows), 32):
            block = rows[start : start + 32]
            batch = source.rows_batch(block)
            features = model.features(batch["signal_mv"], batch["beat_mv"], batch["rr_s"])
            errors.append(circular_error_deg(model.phase(features.tokens), batch["phase"], batch["phase_valid"]))
            told.append(features.mean)
            spreads.append(features.log_spread)
        wanted = model.standardise(raw_targets(part)[torch.from_numpy(rows)])
        gap, spread = wanted - torch.cat(told), torch.cat(spreads)
        r2 = 1 - gap.square().mean(0) / wanted.var(0, unbiased=False).clamp_min(1e-9)
        error = torch.cat(errors)
        figures = (0.5 * gap.square() * (-2 * spread).exp() + spread).mean()
        return {
            "phase_error_median_deg": float(error.median()) if len(error) else float("nan"),
            "figures": float(figures),
            **{f"r2_{name}": float(value) for name, value in zip(TARGETS, r2, strict=True)},
        }

    return validate


def codec_scores(codec: CineCodec, frames: np.ndarray, masks: np.ndarray | None) -> dict[str, float]:
    """PSNR, SSIM (data range 1) and Dice of rebuilt loops.

    Args:
        codec: the codec.
        frames: (n, frame, row, col) 0..1, the R peak first.
        masks: labels of the same shape, -1 where unknown; or None.
    """
    pictures, overlaps = [], []
    similar = []
    for number, loop in enumerate(frames):
        with torch.no_grad(), reduced_precision():
            decoded = codec.decode(*codec.encode(torch.from_numpy(loop)[None]))
        drawn = decoded.frames[0].clamp(0, 1).float().numpy()
        pictures.append(psnr(reference=loop, generated=drawn, data_range=1.0).mean())
        similar.append(ssim(reference=loop, generated=drawn, data_range=1.0).mean())
        if masks is not None:
            overlaps.append(dice_of_labels(masks[number], decoded.masks()[0].numpy()))
    out = {"psnr_db": float(np.mean(pictures)), "ssim": float(np.mean(similar))}
    if overlaps:
        names = ("dice_cavity", "dice_myocardium", "dice_rv")
        out |= dict(zip(names, np.nanmean(np.array(overlaps), axis=0).tolist(), strict=True))
    return out


def dice_of_labels(truth: np.ndarray, drawn: np.ndarray) -> list[float]:
    """Dice of cavity, muscle and right ventricle over a loop, where the truth is known; NaN of what it lacks."""
    known = truth >= 0
    pairs = [((truth == label) & known, (drawn == label) & known) for label in (1, 2, 3)]
    return [
        float(dice(reference=a.reshape(1, -1), generated=b.reshape(1, -1))) if a.any() else np.nan for a, b in pairs
    ]


def codec_validator(part: Part, count: int = 24) -> Callable[[torch.nn.Module], Mapping[str, float]]:
    """Picture error (monitored as ``loss``), PSNR, SSIM and Dice on held-out simulated hearts."""
    rows = np.arange(min(count, len(part)))
    frames = part.frames[rows][:, _FRAMES].astype(np.float32) / 255.0
    masks = unpack_masks(part.packed_masks[rows][:, _FRAMES]).astype(np.int64)

    def validate(model: torch.nn.Module) -> Mapping[str, float]:
        assert isinstance(model, CineCodec)
        scores = codec_scores(model, frames, masks)
        return {**scores, "loss": -scores["psnr_db"] - 10.0 * scores["dice_cavity"] - 10.0 * scores["dice_myocardium"]}

    return validate


def real_scores(codec: CineCodec, records: list[CineRecord]) -> dict[str, float]:
    """`codec_scores` of all slices of real loops, pictures only."""
    frames = np.concatenate([record.frames for record in records])
    return codec_scores(codec, frames, None)


def flow_validator(
    arrays: dict[str, np.ndarray], codec: CineCodec, facts: dict[str, np.ndarray], count: int = 200
) -> Callable[[torch.nn.Module], Mapping[str, float]]:
    """Velocity error, and the correlation of the generated end-systolic share with the true one."""
    chosen = {key: value[:count] for key, value in arrays.items()}
    source = LatentSource(chosen, feature_noise=0.0)
    size = len(chosen["latent"])

    def validate(model: torch.nn.Module) -> Mapping[str, float]:
        assert isinstance(model, VelocityDiT)
        losses = []
        for repeat in range(4):
            batch = source.batch(np.arange(size), seed=repeat)
            batch["sample_seed"] = torch.arange(size) + 1000 * repeat
            losses.append(float(flow_loss(model, batch)["loss"]))
        few = {key: torch.from_numpy(value[:64].astype(np.float32)) for key, value in chosen.items()}
        context = Context(
            few["tokens"], few["summary"], few["numbers"], torch.ones(len(few["tokens"]), dtype=torch.bool)
        )
        noise = torch.from_numpy(np.random.default_rng(0).standard_normal((len(few["tokens"]), model.size), np.float32))
        drawn = sample(model, noise, context, steps=6)
        _, motion = codec.restore(*model.unpack(drawn)[:2])
        emptied = 1 - codec.volume_share(motion).amin(dim=1).numpy()
        truth = facts["ef"][: len(emptied)]
        return {"loss": float(np.mean(losses)), "r_ef": float(pearson(emptied, truth))}

    return validate


def held_out(root: Path | None) -> list[CineRecord]:
    """Real loops of the split that codecs are not trained on; empty without the data."""
    return [record for record in _real(root) if record.metadata.get("split") == "test"]


def real_training(root: Path | None) -> list[CineRecord]:
    """Real loops to train a codec on; empty without the data."""
    return [record for record in _real(root) if record.metadata.get("split") == "train"]


def _real(root: Path | None) -> list[CineRecord]:
    if root is None:
        return []
    from gen.datasets.cine import open_cine

    return list(open_cine(root))
