"""Loss of the network that draws beats, recording by recording, for the membership attack."""

import json
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diffusion.beat_pipeline import BeatPipeline
from diffusion.beats.measure import observe
from diffusion.conditions.batch import ConditionBatch, collate
from diffusion.conditions.condition import Condition
from diffusion.evaluation.probe import Probe
from diffusion.process.noising import noisy, velocity
from diffusion.training.beat_sets import recorded_example
from gen.evaluations import Progress, silent
from gen.randomness import sample_seeds, seeded_normal
from gen.records import InputError
from gen.signals import fill_gaps

if TYPE_CHECKING:
    from gen.datasets import SignalCache

_BLOCK = 64


@torch.inference_mode()
def vector_losses(
    model: Any, vector: torch.Tensor, mask: torch.Tensor, condition: ConditionBatch, probe: "Probe"
) -> torch.Tensor:
    """Loss of every vector at every noise level, as `BeatDenoiser.loss` without its mean: (n, level) float64.

    Args:
        model: a `BeatDenoiser`.
        vector: (n, WIDTH) of prevailing beats.
        mask: (n, WIDTH) what of them is known.
        condition: of the n recordings.
        probe: levels, draws and seed.
    """
    count, known = len(vector), mask.float()
    out = torch.zeros(count, len(probe.levels), dtype=torch.float64)
    form = torch.zeros(count, dtype=torch.int64)
    nothing = torch.full_like(vector, torch.nan)
    seeds = torch.from_numpy(sample_seeds(np.arange(len(probe.levels) * probe.draws), probe.seed))
    for number, seed in enumerate(seeds):
        place = number // probe.draws
        phi = torch.full((count,), 0.5 * pi * probe.levels[place])
        noise = seeded_normal(vector.shape[1:], seed[None]).expand_as(vector)
        state = torch.where(mask, noisy(vector[:, :, None], noise[:, :, None], phi)[:, :, 0], noise)
        target = velocity(vector[:, :, None], noise[:, :, None], phi)[:, :, 0]
        error = (model(state, phi, condition, form, nothing).float() - target) ** 2 * known
        out[:, place] += (error.sum(dim=1) / known.sum(dim=1)).double() / probe.draws
    return out


def recording_losses(
    pipeline: BeatPipeline, cache: "SignalCache", rows: np.ndarray, probe: "Probe", *, progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray]:
    """Loss (record, level) of recordings of a cache under their own report and numbers, and (row,) which were read.

    Recordings whose beats cannot be measured are left out: training left them out too.

    Raises:
        InputError: variations are asked for, or the cache has another rate.
    """
    if probe.variants:
        raise InputError("--variants: beats are taken as they are; accepted: 0")
    if cache.fs_hz != pipeline.fs_hz:
        raise InputError(f"{cache.path}: {cache.fs_hz:g} Hz; these weights need {pipeline.fs_hz:g} Hz")
    model: Any = pipeline.denoiser
    losses, read = [], np.zeros(len(rows), dtype=bool)
    for start in range(0, len(rows), _BLOCK):
        chosen = rows[start : start + _BLOCK]
        signal = fill_gaps(cache.batch(chosen)).astype(np.float64)
        table = cache.table.iloc[chosen]
        codes = [list(json.loads(text or "{}")) for text in table.statements]
        found = observe(signal, cache.fs_hz, codes)
        examples = [
            recorded_example(x, cache.fs_hz, beats, row)[0]
            for x, beats, (_, row) in zip(signal, found, table.iterrows(), strict=True)
            if beats is not None
        ]
        read[start : start + len(chosen)] = [beats is not None for beats in found]
        if examples:
            vectors = np.stack([model.code.vector(e.own, e.habits) for e in examples])
            masks = np.stack([model.code.mask(e.has_p, e.habits is not None) for e in examples])
            told = collate([Condition(text=e.texts[0], **e.facts) for e in examples])
            given = torch.from_numpy(vectors).float(), torch.from_numpy(masks)
            losses.append(vector_losses(model, *given, told, probe).numpy())
        progress(f"{start + len(chosen)} of {len(rows)} recordings")
    return np.concatenate(losses) if losses else np.empty((0, len(probe.levels))), read
