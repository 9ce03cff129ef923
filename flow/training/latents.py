"""Encodes a whole part of a cache once: latents of the cines and features of the ECGs, for training and for scoring."""

from pathlib import Path

import numpy as np
import torch

from flow.ecg.beats import Beats
from flow.networks.cine_codec import CineCodec
from flow.networks.conditions import FRAMES, scaled
from flow.networks.pamae import PhaseAwareMAE, cycle_tokens, summary_of
from flow.networks.velocity import VelocityDiT
from flow.training.cohort import PATIENT_FACTS
from flow.training.pair_cache import Part
from flow.training.sources import raw_targets
from gen.files import replacing
from gen.precision import reduced_precision
from gen.simulate.cine import MID_LEVEL

_BLOCK = 16


def cycle_weights(cycles: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """(50, token) float32 from cycles (48, 2) s with NaN behind the last; see `Beats.cycle_weights`."""
    known = cycles[np.isfinite(cycles[:, 0])].astype(np.float64)
    beats = Beats(known[:, 0], np.ones(len(known), bool), known, 0.0, 0.0, "")
    return beats.cycle_weights(times_s, FRAMES)


@torch.no_grad()
def encode_ecgs(encoder: PhaseAwareMAE, part: Part, rows: np.ndarray) -> dict[str, np.ndarray]:
    """``tokens`` (n, 50, width) float16, ``summary`` (n, width) and ``numbers`` (n, 6) float32 of rows of a part."""
    times = encoder.token_times_s.numpy().astype(np.float64)
    tokens, summaries = [], []
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        signal = torch.from_numpy(part.ecg[block].astype(np.float32) / 1000.0)
        beat = torch.from_numpy(part.beat[block].astype(np.float32))
        rr = torch.from_numpy(part.fact("rr_s")[block])
        features = encoder.features(signal, beat, rr)
        weights = np.stack([cycle_weights(np.asarray(part.cycles[row]), times) for row in block])
        tokens.append(cycle_tokens(features, torch.from_numpy(weights)).numpy().astype(np.float16))
        summaries.append(summary_of(features).numpy())
    told = [part.fact(name)[rows] for name in ("rr_s", *PATIENT_FACTS)]
    raw = np.stack([*told, np.full(len(rows), MID_LEVEL)], axis=1)
    return {"tokens": np.concatenate(tokens), "summary": np.concatenate(summaries), "numbers": scaled(raw)}


@torch.no_grad()
def encode_cines(codec: CineCodec, part: Part, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Raw latents of rows of a part: anatomy (n, C, h, w) and motion (n, 50, M), float32."""
    anatomies, motions = [], []
    for row in rows:
        frames = torch.from_numpy(part.frames[row].astype(np.float32) / 255.0)[None]
        with reduced_precision():
            anatomy, motion = codec.encode(frames)
        anatomies.append(anatomy.float().numpy())
        motions.append(motion.float().numpy())
    return np.concatenate(anatomies), np.concatenate(motions)


def latent_arrays(
    encoder: PhaseAwareMAE, codec: CineCodec, network: VelocityDiT, part: Part, store: Path | None = None
) -> dict[str, np.ndarray]:
    """What `flow.training.sources.LatentSource` holds, of all usable rows of a part.

    Args:
        encoder, codec: trained parts.
        network: packs the latents.
        part: pairs.
        store: file that keeps the result; read instead of computing where it is there.
    """
    if store is not None and store.is_file():
        with np.load(store, allow_pickle=False) as found:
            return {key: found[key] for key in found.files}
    rows = part.usable
    anatomy, motion = (torch.from_numpy(x) for x in encode_cines(codec, part, rows))
    figures = encoder.standardise(raw_targets(part)[torch.from_numpy(rows)])
    latent = network.pack(*codec.standardise(anatomy, motion), figures).numpy()
    arrays = {"latent": latent, **encode_ecgs(encoder, part, rows)}
    if store is not None:
        store.parent.mkdir(parents=True, exist_ok=True)
        with replacing(store) as temporary:
            np.savez(temporary, **arrays)  # type: ignore[arg-type]
    return arrays
