"""What a trained cine codec still needs: statistics of its latents, a volume reader, scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flow.networks.cine_codec import CineCodec
from flow.training.latents import encode_cines
from flow.training.pair_cache import PairCache, unpack_masks
from flow.training.validation import codec_scores, held_out, real_scores
from flow.volumes.reader import VolumeReader
from gen.card import validation_metrics, with_run
from gen.checkpoint import model_config, save_checkpoint
from gen.precision import reduced_precision


def finish_codec(
    model: CineCodec, cache: PairCache, root: Path | None, out: Path, card: Mapping[str, Any], hearts: int = 400
) -> dict[str, Any]:
    """Measure latent statistics on training hearts, fit the volume reader on rebuilt labels, score, and save."""
    part = cache.part("train")
    rows = np.arange(min(hearts, len(part)))
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
    drawn = rebuilt_masks(model, anatomy, motion)
    pixel_mm2 = (192.0 / model.size) ** 2
    reader = VolumeReader.fit(drawn, pixel_mm2, part.curve[rows], part.fact("mass_g")[rows])
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
