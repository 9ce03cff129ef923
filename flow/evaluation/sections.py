"""What is measured of a cmr pipeline on unseen simulated hearts; `flow.evaluation.cmr` puts it together."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flow.evaluation.features import frame_features, loop_features
from flow.evaluation.generate import Generated
from flow.evaluation.scores import (
    boosting,
    correlation_estimate,
    end_systole,
    expectation_estimate,
    frame_gap,
    group_table,
    mean_estimate,
    r_difference,
    r_ratio,
    ridge,
)
from flow.networks.ecg_reader import ToldHeart
from flow.networks.objective import Context
from flow.pipeline import ECGToCMRPipeline
from flow.training.cohort import PATIENT_FACTS
from flow.training.latents import encode_cines
from flow.training.pair_cache import PairCache, Part, unpack_masks
from flow.training.validation import codec_scores, ecg_validator, held_out
from gen.cine import LV_CAVITY
from gen.precision import reduced_precision
from gen.simulate.cine import GROUPS
from gen.simulate.cine.ceiling import CEILINGS
from metrics.cine import dice, periodicity_gap
from metrics.distribution.frechet import fid

QUANTITIES = ("edv_ml", "esv_ml", "ef", "mass_g")
#: Quantities with what is known of real ECGs (`gen.simulate.cine.ceiling`), in the hearts that it is known of.
_CEILING = {"edv_ml": "lv_edv_ml", "esv_ml": "lv_esv_ml", "mass_g": "lv_mass_g"}
USUAL_EF, _FEWEST_USUAL = "EF outside infarct and LBBB", 20


def information(
    cache: PairCache,
    part: Part,
    rows: np.ndarray,
    right: Generated,
    wrong: Generated,
    patient: bool,
    learned: PairCache | None = None,
) -> dict[str, dict[str, Any]]:
    """Correlation with the truth of generated hearts, of the best regressor and of generation from a wrong ECG."""
    regressed = regressors(cache if learned is None else learned, part, rows, patient)
    everyone = np.ones(len(rows), dtype=bool)
    usual = (part.fact("group")[rows] != GROUPS.index("MI")) & (part.fact("lbbb")[rows] == 0)
    wanted = [(name, name, everyone, _CEILING.get(name)) for name in QUANTITIES]
    if usual.sum() >= _FEWEST_USUAL:
        wanted.append((USUAL_EF, "ef", usual, "ef_outside_mi_lbbb"))
    out: dict[str, dict[str, Any]] = {}
    for row, name, chosen, ceiling in wanted:
        truth = part.fact(name)[rows].astype(float)[chosen]
        samples, control = getattr(right, name)[chosen], getattr(wrong, name)[chosen].mean(axis=1)
        made, guesses = samples.mean(axis=1), {k: v[chosen] for k, v in regressed[name].items()}
        scores = {k: correlation_estimate(v, truth).value for k, v in guesses.items()}
        best = max(scores, key=lambda k: scores[k])
        baseline = guesses[best]
        out[row] = {
            "r_generated": correlation_estimate(made, truth),
            "r_single_sample": correlation_estimate(samples[:, 0], truth),
            "r_best_regressor": correlation_estimate(baseline, truth),
            "best_regressor": best,
            "r_expectation": expectation_estimate(samples, truth),
            "r_other_ecg": correlation_estimate(control, truth),
            "right_minus_other": r_difference(made, control, truth),
        }
        if correlation_estimate(baseline, truth).low > 0:  # a share of what may be nothing says nothing
            out[row]["share_of_regressor"] = r_ratio(made, baseline, truth)
            out[row]["share_of_expectation"] = expectation_estimate(samples, truth, baseline)
        if ceiling is not None:
            out[row]["ceiling_r"] = float(np.sqrt(CEILINGS[ceiling]))
    return out


def regressors(cache: PairCache, part: Part, rows: np.ndarray, patient: bool) -> dict[str, dict[str, np.ndarray]]:
    """Guesses (n,) of each quantity by the regressors of `regress`.

    They learn from the ECGs of the cache: parts ``train`` and ``ecgs``, and ``beats``.
    """
    names = [name for name in ("train", "ecgs", "beats") if name in cache.manifest["counts"]]
    parts = [cache.part(name) for name in names]
    chosen = [each.usable for each in parts]
    pieces = list(zip(parts, chosen, strict=True))
    targets = {name: np.concatenate([each.fact(name)[taken] for each, taken in pieces]) for name in QUANTITIES}
    return regress(parts, chosen, part, rows, targets, patient)


def regress(
    learned: list[Part],
    learned_rows: list[np.ndarray],
    part: Part,
    rows: np.ndarray,
    targets: Mapping[str, np.ndarray],
    patient: bool = False,
) -> dict[str, dict[str, np.ndarray]]:
    """Guesses (n,) by ridge regression and boosted trees on the averaged beat and the rate.

    Args:
        learned, learned_rows: parts and rows of them to learn from.
        part, rows: hearts to guess.
        targets: quantity -> truth of the hearts to learn from, one part behind the other.
        patient: age, sex, height and weight are known too.
    """
    pieces = list(zip(learned, learned_rows, strict=True))
    few = np.random.default_rng(0)
    beats = [np.asarray(p.beat[np.sort(few.permutation(c)[:3000])], np.float32).reshape(-1, 8 * 160) for p, c in pieces]
    some = np.concatenate(beats)
    centre = some.mean(axis=0)
    _, _, directions = np.linalg.svd(some - centre, full_matrices=False)

    def inputs(p: Part, chosen: np.ndarray) -> np.ndarray:
        blocks = [
            _beat_inputs(p, chosen[at : at + 5000], centre, directions[:60]) for at in range(0, len(chosen), 5000)
        ]
        columns = [np.concatenate(blocks), p.fact("rr_s")[chosen]]
        columns += [p.fact(name)[chosen] for name in PATIENT_FACTS] if patient else []
        return np.column_stack(columns).astype(np.float64)

    x, new = np.concatenate([inputs(p, chosen) for p, chosen in pieces]), inputs(part, rows)
    out = {}
    for name, values in targets.items():
        y = np.asarray(values, dtype=np.float64)
        out[name] = {"ridge": ridge(x, y, new, 0.02), "boosted trees": boosting(x, y, new)}
    return out


def _beat_inputs(part: Part, rows: np.ndarray, centre: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Principal components, amplitudes and two voltage criteria of averaged beats, (n, 70)."""
    beat = np.asarray(part.beat[rows], dtype=np.float32)
    components = (beat.reshape(len(beat), -1) - centre) @ directions.T
    sokolow = -beat[:, 2].min(axis=1) + np.maximum(beat[:, 6].max(axis=1), beat[:, 7].max(axis=1))
    cornell = (beat[:, 0] - 0.5 * beat[:, 1]).max(axis=1) - beat[:, 4].min(axis=1)
    return np.column_stack([components, np.ptp(beat, axis=2), sokolow, cornell])


def timing(pipeline: ECGToCMRPipeline, part: Part, rows: np.ndarray, right: Generated) -> dict[str, Any]:
    """End-systole against the truth, phase of the encoder, smoothness of the loop; hard rhythms apart."""
    frames = right.curve_ml.shape[2]
    truth = end_systole(np.asarray(part.curve[rows]))
    gap = frame_gap(end_systole(right.curve_ml.mean(axis=1)), truth, frames)
    single = frame_gap(end_systole(right.curve_ml), truth[:, None], frames).mean(axis=1)
    loops = right.loops.astype(np.float32) / 255.0
    true_loops = part.frames[rows].astype(np.float32) / 255.0
    out: dict[str, Any] = {
        "end_systole_error_frames": mean_estimate(gap.astype(float)),
        "end_systole_error_frames_single": mean_estimate(single),
        "phase_error_median_deg": ecg_validator(part, len(rows))(pipeline.encoder)["phase_error_median_deg"],
        "periodicity_gap": mean_estimate(periodicity_gap(generated=loops)),
        "periodicity_gap_truth": mean_estimate(periodicity_gap(generated=true_loops)),
    }
    for name in ("af", "lbbb", "pvc"):
        there = part.fact(name)[rows] > 0
        if there.sum() >= 3:
            out[f"end_systole_error_frames_{name}"] = mean_estimate(gap[there].astype(float))
    return out


def groups(part: Part, rows: np.ndarray, right: Generated) -> list[dict[str, object]]:
    """Means per disease group, true and generated."""
    values = {name: (part.fact(name)[rows].astype(float), getattr(right, name).mean(axis=1)) for name in QUANTITIES}
    return group_table(part.fact("group")[rows].astype(int), GROUPS, values)


def swap_test(pipeline: ECGToCMRPipeline, part: Part, rows: np.ndarray) -> dict[str, Any]:
    """Anatomy of heart A with the motion of heart B: the cavity's curve must follow B, the shape at the R peak A."""
    anatomy, motion = (torch.from_numpy(x) for x in encode_cines(pipeline.codec, part, rows))
    partner = np.roll(np.arange(len(rows)), 1)
    own = np.stack([_labels(pipeline, anatomy[k], motion[k]) for k in range(len(rows))])
    mixed = np.stack([_labels(pipeline, anatomy[k], motion[partner[k]]) for k in range(len(rows))])
    own_share, mixed_share = _share(own), _share(mixed)
    own_ef, mixed_ef = 1 - own_share.min(axis=1), 1 - mixed_share.min(axis=1)
    return {
        "curve_error_to_motion": mean_estimate(np.abs(mixed_share - own_share[partner]).mean(axis=1)),
        "curve_error_to_anatomy": mean_estimate(np.abs(mixed_share - own_share).mean(axis=1)),
        "r_emptying_with_motion": correlation_estimate(mixed_ef, own_ef[partner]),
        "r_emptying_with_anatomy": correlation_estimate(mixed_ef, own_ef),
        "dice_r_peak_with_anatomy": mean_estimate(_overlap(mixed[:, 0], own[:, 0])),
        "dice_r_peak_with_motion": mean_estimate(_overlap(mixed[:, 0], own[partner, 0])),
    }


@torch.no_grad()
def _labels(pipeline: ECGToCMRPipeline, anatomy: torch.Tensor, motion: torch.Tensor) -> np.ndarray:
    with reduced_precision():
        return pipeline.codec.decode(anatomy[None], motion[None]).masks()[0].numpy()


def _share(masks: np.ndarray) -> np.ndarray:
    """Cavity area over that at the R peak, (n, frame)."""
    area = (masks == LV_CAVITY).sum(axis=(2, 3)).astype(float)
    return area / np.maximum(area[:, :1], 1.0)


def _overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Dice of the left ventricle, cavity and muscle, of each picture."""
    a, b = (np.isin(x, (1, 2)) for x in (first, second))
    return dice(reference=a, generated=b)


def realism(
    pipeline: ECGToCMRPipeline, part: Part, rows: np.ndarray, right: Generated, real: Path | None
) -> dict[str, float]:
    """Fréchet distances of frames (one per heart) and loops to simulated truth; references beside them."""
    count = len(rows)
    truth = part.frames[rows].astype(np.float32) / 255.0
    made = right.loops.astype(np.float32) / 255.0
    with torch.no_grad():
        rebuilt = np.stack([_rebuilt(pipeline, loop) for loop in truth])
    pick = np.random.default_rng(0).integers(truth.shape[1], size=count)

    def frames(loops: np.ndarray) -> np.ndarray:
        return frame_features(loops[np.arange(len(loops)), pick[: len(loops)]])

    half = count // 2
    sets = {"generated": made, "codec": rebuilt}
    out: dict[str, float] = {"hearts": float(count)}
    true_frames, true_loops = frames(truth), loop_features(truth)
    scale = true_frames.std(axis=0) + 1e-6, true_loops.std(axis=0) + 1e-6
    out["frame_distance_halves"] = _distance(true_frames[:half], true_frames[half:], scale[0])
    out["loop_distance_halves"] = _distance(true_loops[:half], true_loops[half:], scale[1])
    for name, loops in sets.items():
        out[f"frame_distance_{name}"] = _distance(true_frames, frames(loops), scale[0])
        out[f"loop_distance_{name}"] = _distance(true_loops, loop_features(loops), scale[1])
    records = held_out(real)
    if records:
        slices = np.concatenate([r.frames[2:-2] for r in records])
        out["real_slices"] = float(len(slices))
        out["frame_distance_sunnybrook"] = _distance(true_frames, frame_features(slices[:, 0]), scale[0])
    return out


def _rebuilt(pipeline: ECGToCMRPipeline, loop: np.ndarray) -> np.ndarray:
    with reduced_precision():
        decoded = pipeline.codec.decode(*pipeline.codec.encode(torch.from_numpy(loop)[None]))
    return decoded.frames[0].clamp(0, 1).float().numpy()


def _distance(reference: np.ndarray, generated: np.ndarray, scale: np.ndarray) -> float:
    """Fréchet distance of features in units of the reference's spread; NaN for fewer than eight rows."""
    if min(len(reference), len(generated)) < 8:
        return float("nan")
    return float(fid(reference=reference / scale, generated=generated / scale))


def codec_results(pipeline: ECGToCMRPipeline, part: Part, rows: np.ndarray, real: Path | None) -> dict[str, Any]:
    """PSNR, SSIM and Dice of the codec on unseen simulated hearts and on the held-out real study."""
    few = rows[:60]
    frames = part.frames[few].astype(np.float32) / 255.0
    masks = unpack_masks(part.packed_masks[few]).astype(np.int64)
    out: dict[str, Any] = {"simulated": codec_scores(pipeline.codec, frames, masks)}
    for record in held_out(real):
        out[record.record_id] = codec_scores(pipeline.codec, record.frames, None)
    return out


def speed(
    pipeline: ECGToCMRPipeline,
    read: dict[str, np.ndarray],
    told: ToldHeart | None,
    batch: int = 4,
    repeats: int = 3,
) -> dict[str, Any]:
    """Seconds per loop at a batch, solver and decoding together; median of repeats after one warm-up."""
    take = np.arange(batch) % len(read["summary"])
    tokens, summary, numbers = (
        torch.from_numpy(read[key][take].astype(np.float32)) for key in ("tokens", "summary", "numbers")
    )
    context = Context(tokens, summary, numbers, torch.ones(batch, dtype=torch.bool))
    noise, chance = pipeline.chance(0, "speed", batch)
    figures = None if told is None else pipeline.figures(told[:1], chance)
    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        for latent in pipeline.solve(noise, context, figures):
            pipeline.render(latent)
        seconds.append((time.perf_counter() - start) / batch)
    return {
        "seconds_per_loop": round(float(np.median(seconds[1:])), 3),
        "batch": batch,
        "threads": torch.get_num_threads(),
        "steps": pipeline.steps,
    }
