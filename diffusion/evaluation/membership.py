"""Losses of a denoiser on recordings it was trained on and on others: ``physiogen evaluate membership --data CACHE``.

Training recordings (folds 1-8) and those of folds 9 and 10 get the training loss, the squared error of v, at fixed
noise levels under fixed noise: the same noise for every recording, so that it adds nothing to their differences.
`metrics.privacy.membership` says how well the loss tells the ones from the others.
"""

from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diffusion.beat_pipeline import BeatPipeline, load
from diffusion.conditions.batch import ConditionBatch, collate
from diffusion.evaluation import beat_losses
from diffusion.evaluation.probe import Probe
from diffusion.evaluation.settings import Membership
from diffusion.pipeline import ECGPipeline
from diffusion.process.noising import noisy, velocity
from diffusion.process.objective import Denoiser
from diffusion.training.examples import Measure, measured, recorded
from diffusion.training.latents import channel_weights
from gen.card import data_digest, training_config
from gen.evaluations import Progress, silent
from gen.randomness import sample_seeds, seeded_normal
from gen.records import InputError
from gen.results import Data, Results, Value
from metrics.privacy.membership import Losses, attacks, read_losses, table, write_losses

if TYPE_CHECKING:
    from gen.datasets import SignalCache

SPLITS = ("train", "val", "test")
#: Recordings whose latents tell the channels' weights, as in training.
_PROBED, _BLOCK = 32, 64


@torch.inference_mode()
def denoising_losses(
    model: Denoiser,
    latent: torch.Tensor,
    condition: ConditionBatch,
    probe: Probe,
    channel_weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Loss of every sample at every noise level, as `diffusion.process.objective.denoising_loss` without its mean
    and weights.

    Args:
        model: the denoiser.
        latent: (n, channel, position).
        condition: of the n samples.
        probe: levels, draws and seed.
        channel_weight: (channel,) of the channels' errors.

    Returns:
        (n, level) float64.
    """
    count = len(latent)
    out = torch.zeros(count, len(probe.levels), dtype=torch.float64)
    seeds = torch.from_numpy(sample_seeds(np.arange(len(probe.levels) * probe.draws), probe.seed))
    for number, seed in enumerate(seeds):
        place = number // probe.draws
        phi = torch.full((count,), 0.5 * pi * probe.levels[place])
        noise = seeded_normal(latent.shape[1:], seed[None]).expand_as(latent)
        error = (model(noisy(latent, noise, phi), phi, condition).float() - velocity(latent, noise, phi)) ** 2
        if channel_weight is not None:
            error = error * channel_weight[:, None]
        out[:, place] += error.mean(dim=(1, 2)).double() / probe.draws
    return out


def recording_losses(
    pipeline: ECGPipeline,
    cache: "SignalCache",
    rows: np.ndarray,
    probe: Probe,
    *,
    measure: Measure = measured,
    progress: Progress = silent,
) -> np.ndarray:
    """Loss (record, level) float64 of recordings of a cache under their own report, age, sex and measured numbers.

    Args:
        pipeline: its codec, denoiser and card.
        cache: at the codec's rate.
        rows: which recordings.
        probe: how.
        measure: what reads rate and intervals off a recording.
        progress: called with lines.

    Raises:
        InputError: the cache has another rate than the codec.
    """
    if cache.fs_hz != pipeline.fs_hz:
        raise InputError(f"{cache.path}: {cache.fs_hz:g} Hz; this codec needs {pipeline.fs_hz:g} Hz")
    settings = training_config(pipeline.card)
    weight = None
    if settings.get("weigh_channels"):
        window = next(recorded(cache, cache.split("val")[:_PROBED], measure, variants=0, seed=0))
        weight = torch.from_numpy(channel_weights(pipeline.codec, _encoded(pipeline, window.signal_mv))).float()
    drawn_in_training = {"variants": probe.variants, "seed": int(pipeline.card.get("training", {}).get("seed") or 0)}
    out = np.zeros((len(rows), len(probe.levels)))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        examples = list(recorded(cache, rows[part], measure, **drawn_in_training))
        for example in examples:
            latent, condition = _encoded(pipeline, example.signal_mv), collate(example.wordings[0])
            found = denoising_losses(pipeline.denoiser, latent, condition, probe, weight)
            out[part] += found.numpy() / len(examples)
        progress(f"{min(start + _BLOCK, len(rows))} of {len(rows)} recordings")
    return out


def chosen_rows(cache: "SignalCache", count: int, seed: int) -> dict[str, np.ndarray]:
    """Up to ``count`` recordings of each split, drawn once, ascending.

    Raises:
        InputError: a split has fewer than two.
    """
    out = {}
    for name in SPLITS:
        rows = cache.split(name)
        if min(len(rows), count) < 2:
            raise InputError(f"{cache.path}: {len(rows)} recordings in {name}, -n {count}; expected at least 2 of each")
        rng = np.random.default_rng(np.random.SeedSequence((seed, SPLITS.index(name))))
        out[name] = rows if len(rows) <= count else np.sort(rng.choice(rows, count, replace=False))
    return out


def losses_of(cache: "SignalCache", rows: dict[str, np.ndarray], losses: np.ndarray, **facts: Any) -> Losses:
    """What an attack needs.

    Args:
        cache: the recordings' own.
        rows: split -> rows, as in `chosen_rows`; ``train`` are the members.
        losses: (record, level), one split after the other.
        facts: JSON values to keep with them; ``levels`` names the columns.
    """
    table = cache.table.iloc[np.concatenate(list(rows.values()))]
    record = table["record_id"].astype(str)
    splits = np.repeat(list(rows), [len(part) for part in rows.values()])
    return Losses(
        losses=losses,
        member=splits == "train",
        patients=table["patient_id"].fillna("record " + record).to_numpy().astype(str),
        splits=splits,
        levels=tuple(f"{level:g}" for level in facts["levels"]),
        facts=facts,
    )


def measured_losses(settings: Membership, progress: Progress) -> Losses:
    """Losses of the denoiser on recordings of every split.

    Raises:
        InputError: no cache, or it cannot be used.
    """
    from gen.datasets import SignalCache

    if settings.data is None:
        raise InputError("--data, --losses: neither is given; accepted: --data CACHE or --losses FILE")
    probe = Probe(levels=settings.levels, draws=settings.draws, variants=settings.variants, seed=settings.seed)
    cache, pipeline = SignalCache.open(settings.data), load(settings.checkpoint)
    learned = data_digest(pipeline.card)
    if learned != cache.digest:
        progress(
            f"warning: the weights name training data {str(learned)[:12]}, this cache is {cache.digest[:12]}; "
            "members are what it calls train, which is right only for the same records and folds"
        )
    rows = chosen_rows(cache, settings.number, settings.seed)
    losses, rows = _losses(pipeline, cache, rows, probe, progress)
    facts = {"levels": list(probe.levels), "draws": probe.draws, "variants": probe.variants, "seed": probe.seed}
    facts |= {"denoiser": pipeline.digests["denoiser"], "data_digest": cache.digest, "loss": "squared error of v"}
    return losses_of(cache, rows, losses, **facts)


def _losses(
    pipeline: ECGPipeline, cache: "SignalCache", rows: dict[str, np.ndarray], probe: Probe, progress: Progress
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Losses, one split after the other, and the rows that have one."""
    whole = np.concatenate(list(rows.values()))
    if not isinstance(pipeline, BeatPipeline):
        return recording_losses(pipeline, cache, whole, probe, progress=progress), rows
    losses, read = beat_losses.recording_losses(pipeline, cache, whole, probe, progress=progress)
    ends = np.cumsum([len(part) for part in rows.values()])[:-1]
    kept = {name: part[ok] for (name, part), ok in zip(rows.items(), np.split(read, ends), strict=True)}
    return losses, kept


def run(settings: Membership, progress: Progress) -> Results:
    """Mean losses of each split, and members against each part of non-members at every noise level."""
    if settings.losses is not None and settings.data is not None:
        raise InputError("--data, --losses: both are given; accepted: one of them")
    given = read_losses(settings.losses) if settings.losses else measured_losses(settings, progress)
    if settings.save is not None:
        write_losses(settings.save, given)
        progress(f"losses in {settings.save}")
    parts = dict.fromkeys(given.splits.tolist())
    means = {
        name: {
            f"t = {level}": Value(
                float(given.losses[given.splits == name, k].mean()), n=int((given.splits == name).sum())
            )
            for k, level in enumerate(given.levels)
        }
        for name in parts
    }
    rows = attacks(given, replicates=settings.replicates, seed=settings.seed)
    first = f"told apart/{next(iter(table(rows)))}"
    digest = given.facts.get("data_digest")
    return settings.results(
        {"told apart": table(rows), "mean loss": means},
        data=[Data("losses" if settings.data is None else settings.data.resolve().name, "+".join(parts), digest)],
        n=len(given.losses),
        notes=["0.5 is chance. Two parts of non-members against each other are the control."],
        headline=[f"{first}/AUROC", f"{first}/TPR at 1 % FPR"],
        weights=given.facts.get("denoiser"),
    )


def _encoded(pipeline: ECGPipeline, signal_mv: np.ndarray) -> torch.Tensor:
    # Training keeps its latents in float16.
    with torch.inference_mode():
        return pipeline.codec.encode(torch.from_numpy(np.ascontiguousarray(signal_mv)).float()).half().float()
