"""Measures stacks on simulated hearts never seen: ``physiogen evaluate cmr-stack --help``.

Once from the true mid slice, so that what another slice should show is known, and once from the ECG alone, where the
slices can only be asked to be one heart: volumes by summation of discs against those that the heart was drawn with.
"""

import time
from typing import Any

import numpy as np
import torch

from flow.evaluation.scores import correlation_estimate, mean_estimate
from flow.evaluation.settings import CmrStack
from flow.heart import discs_of
from flow.networks.pamae import targets_of
from flow.pipeline import FIELD_MM, ECGToCMRPipeline, load
from flow.stack import slice_shares
from flow.training.cohort import SLICE_PHASES
from flow.training.validation import dice_of_labels
from gen.cine import LV_CAVITY, RV_CAVITY
from gen.evaluation.cine_sheet import draw_sheet, pair
from gen.evaluations import Progress
from gen.precision import reduced_precision
from gen.records import InputError
from gen.results import Data, Results, Value
from gen.simulate import SimulatedBatch, simulate
from gen.simulate.cine import MID_LEVEL, STACK_STEP_MM, anatomy_of, slices_at
from gen.simulate.cine.cohort import beat_of
from metrics.cine import psnr

#: Thirds of the ventricle by height share, as they are told apart at the scanner.
THIRDS = {"basal": (0.0, 1 / 3), "mid": (1 / 3, 2 / 3), "apical": (2 / 3, 1.0)}
_STRUCTURES = ("LV cavity", "myocardium", "RV cavity")
_BLOCK = 10


def run(settings: CmrStack, progress: Progress) -> Results:
    """Slices from the true mid one, stacks from ECGs, and what a stack costs."""
    pipeline = load(settings.checkpoint)
    if pipeline.slices is None:
        raise InputError(f"{settings.checkpoint}: draws mid slices alone; accepted: a pipeline of `train flow/slices`")
    slices: list[dict[str, Any]] = []
    hearts: list[dict[str, float]] = []
    drawn: list[dict[str, float]] = []
    for start in range(0, settings.number, _BLOCK):
        numbers = range(start, min(start + _BLOCK, settings.number))
        batch = simulate(numbers, seed=settings.cohort, fs_hz=500.0, noise="light")
        for row in range(len(numbers)):
            told, whole = _from_mid(pipeline, batch, row, settings.seed)
            slices += told
            hearts.append(whole)
        for row, record in enumerate(batch.records()):
            try:
                heart = pipeline(record, num_samples=1, seed=settings.seed, levels="stack")
            except InputError:
                continue  # an ECG without three beats
            anatomy = anatomy_of(batch.hearts[row])
            drawn.append({**heart.tables[0], **discs_of(heart.cine), "rv_true_ml": anatomy.rv_edv_ml})
        progress(f"{numbers[-1] + 1} of {settings.number} hearts")
    if settings.picture is not None:
        record = simulate([0], seed=settings.cohort, fs_hz=500.0, noise="light").records()[0]
        cine = pipeline(record, num_samples=1, seed=settings.seed, levels="stack").cine
        titles = [f"drawn from an ECG, {share:.2f}" for share in cine.metadata["levels"]]
        draw_sheet([(title, pair(cine, k)) for k, title in enumerate(titles)], settings.picture, columns=5)
    return settings.results(
        {
            "Dice, slices from the true mid one": _overlap(slices),
            "PSNR, slices from the true mid one": _pictures(slices),
            "discs of these slices over the truth's": _ratios(hearts),
            "stacks from ECGs": _agreement(drawn),
            "speed": _speed(pipeline, settings.cohort),
        },
        data=[Data("simulated hearts", f"cohort {settings.cohort}")],
        n=settings.number,
        notes=[
            f"{len(drawn)} of {settings.number} ECGs could be read; the mean difference is of absolute values.",
            f"A stack has slices every {STACK_STEP_MM:g} mm; frames at {', '.join(f'{p:g}' for p in SLICE_PHASES)} RR "
            "are compared.",
        ],
        headline=["stacks from ECGs/LV EDV/discs against figure", "Dice, slices from the true mid one/mid/LV cavity"],
        cohort=settings.cohort,
    )


def _from_mid(
    pipeline: ECGToCMRPipeline, batch: SimulatedBatch, row: int, seed: int
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Dice and PSNR of every slice of a heart, and its volumes by discs, drawn and true."""
    assert pipeline.slices is not None
    heart = batch.hearts[row]
    anatomy = anatomy_of(heart)
    shares = np.concatenate([[MID_LEVEL], slice_shares("stack", anatomy.length_mm)])
    size = pipeline.codec.size
    alone = simulate([heart.index], seed=heart.seed, fs_hz=500.0, noise="light")
    pictures, masks, _ = (
        x[0] for x in slices_at(alone, shares[None], SLICE_PHASES, size=size, spacing_mm=FIELD_MM / size)
    )
    with torch.no_grad(), reduced_precision(pipeline.device.type):
        still, motion = pipeline.codec.encode(torch.from_numpy(pictures[:1]))
    mid = pipeline.codec.standardise(still.float(), motion.float())[0][0]
    end_systole = _end_systole(alone)
    facts = (anatomy.edv_ml, anatomy.mass_g, anatomy.ef, end_systole)
    figures = pipeline.encoder.standardise(targets_of(*(torch.tensor([value]) for value in facts)))[0]
    noise = np.random.default_rng((seed, heart.index)).standard_normal(pipeline.slices.flow.size, dtype=np.float32)
    drawn = pipeline.slices.draw(mid, figures.float(), motion[0].float(), shares[1:], torch.from_numpy(noise))
    told = [
        {
            "share": share,
            "dice": dice_of_labels(true, labels),
            "psnr": float(psnr(reference=seen, generated=frames, data_range=1.0).mean()),
        }
        for share, seen, true, (frames, labels) in zip(shares[1:], pictures[1:], masks[1:], drawn, strict=True)
    ]
    disc = (FIELD_MM / size) ** 2 * STACK_STEP_MM / 1e3
    whole: dict[str, float] = {}
    for name, label in (("LV", LV_CAVITY), ("RV", RV_CAVITY)):
        made = disc * sum((labels == label).sum(axis=(1, 2)) for _, labels in drawn)
        true = disc * (masks[1:] == label).sum(axis=(0, 2, 3))
        whole |= {f"{name} EDV": made[0] / true[0], f"{name} ESV": made.min() / true.min()}
        whole |= {f"{name} EDV drawn": made[0], f"{name} EDV true": true[0]}
    return told, whole


def _end_systole(batch: SimulatedBatch) -> float:
    """End-systole of one heart as a share of its beat."""
    heart, truth = batch.hearts[0], batch.truth[0]
    timing = beat_of(heart, truth, anatomy_of(heart))
    return timing.end_systole_s / timing.rr_s


def _third(slices: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    low, high = THIRDS[name]
    return [each for each in slices if low <= each["share"] < high]


def _overlap(slices: list[dict[str, Any]]) -> dict[str, dict[str, Value]]:
    out: dict[str, dict[str, Value]] = {}
    for third in THIRDS:
        found = np.array([each["dice"] for each in _third(slices, third)])
        out[third] = {}
        for column, structure in enumerate(_STRUCTURES):
            known = found[np.isfinite(found[:, column]), column]
            out[third][structure] = Value.of(mean_estimate(known), n=len(known), better="higher")
    return out


def _pictures(slices: list[dict[str, Any]]) -> dict[str, Value]:
    found = {third: np.array([each["psnr"] for each in _third(slices, third)]) for third in THIRDS}
    return {
        third: Value.of(mean_estimate(psnrs), n=len(psnrs), unit="dB", better="higher")
        for third, psnrs in found.items()
    }


def _ratios(hearts: list[dict[str, float]]) -> dict[str, dict[str, Value]]:
    out: dict[str, dict[str, Value]] = {}
    for name in ("LV EDV", "LV ESV", "RV EDV", "RV ESV"):
        ratio = np.array([heart[name] for heart in hearts])
        out[name] = {
            "mean": Value.of(mean_estimate(ratio), n=len(ratio)),
            "mean difference": Value.of(mean_estimate(100 * np.abs(ratio - 1)), n=len(ratio), unit="%", better="lower"),
        }
    for name in ("LV EDV", "RV EDV"):
        made, true = (np.array([heart[f"{name} {kind}"] for heart in hearts]) for kind in ("drawn", "true"))
        out[name]["correlation"] = Value.of(correlation_estimate(made, true), n=len(made), better="higher")
    return out


def _agreement(drawn: list[dict[str, float]]) -> dict[str, dict[str, Value]]:
    """Discs against the figures that the hearts were drawn with; the right ventricle against the left and the truth."""
    table = {name: np.array([heart[name] for heart in drawn]) for name in drawn[0]}
    n, out = len(drawn), {}
    for title, discs, figure in (("LV EDV", "edv_discs_ml", "edv_ml"), ("LV ESV", "esv_discs_ml", "esv_ml")):
        ratio = table[discs] / table[figure]
        out[title] = {
            "discs over figure": Value.of(mean_estimate(ratio), n=n),
            "discs against figure": Value.of(mean_estimate(100 * np.abs(ratio - 1)), n=n, unit="%", better="lower"),
            "correlation": Value.of(correlation_estimate(table[discs], table[figure]), n=n, better="higher"),
        }
    right = table["rv_edv_ml"] - table["rv_esv_ml"]
    out["stroke volume"] = {"right over left": Value.of(mean_estimate(right / table["sv_ml"]), n=n)}
    error = np.abs(table["rv_edv_ml"] - table["rv_true_ml"])
    out["RV EDV"] = {
        "correlation with the truth": Value.of(
            correlation_estimate(table["rv_edv_ml"], table["rv_true_ml"]), n=n, better="higher"
        ),
        "mean absolute error": Value.of(mean_estimate(error), n=n, unit="ml", better="lower"),
    }
    return out


def _speed(pipeline: ECGToCMRPipeline, cohort: int, repeats: int = 3) -> dict[str, Value]:
    """Seconds of the pipeline for a heart: its mid slice, and a stack; medians after one warm-up."""
    record = simulate([0], seed=cohort, fs_hz=500.0).records()[0]
    seconds: dict[str, list[float]] = {"mid": [], "stack": []}
    count = 0
    for _ in range(1 + repeats):
        for levels, taken in seconds.items():
            start = time.perf_counter()
            cine = pipeline(record, num_samples=1, levels=levels).cine
            taken.append(time.perf_counter() - start)
            count = cine.num_slices if levels == "stack" else count
    mid, stack = (float(np.median(taken[1:])) for taken in seconds.values())
    return {
        "a heart, mid slice": Value(mid, unit="s", better="lower"),
        f"a heart, stack of {count}": Value(stack, unit="s", better="lower"),
        "a further slice": Value((stack - mid) / count, unit="s", better="lower"),
        "threads": Value(float(torch.get_num_threads())),
    }
