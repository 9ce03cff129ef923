"""Cines of the simulated cohort: the same heart and the same visit as `gen.simulate.simulate`'s ECG."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gen.cine import CineRecord, robust_scale
from gen.records import Patient
from gen.simulate.cine.anatomy import Anatomy, anatomy_of
from gen.simulate.cine.artefacts import apply_scanner, draw_scanner
from gen.simulate.cine.motion import Timing, frame_times, timing_of
from gen.simulate.cine.render import HeartLoop, draw_slice
from gen.simulate.cine.right import build_right
from gen.simulate.cine.scene import Grid, draw_layout, draw_scene
from gen.simulate.cine.tissue import draw_signals
from gen.simulate.cine.ventricle import build
from gen.simulate.cohort import Conditions, SimulatedBatch, simulate
from gen.simulate.heart import Heart, generator
from gen.simulate.truth import Truth

LEVELS = ("mid", "three", "stack")
#: Height shares (0 base, 1 apex) of the slices of ``"mid"`` and ``"three"``.
LEVEL_SHARES: dict[str, tuple[float, ...]] = {"mid": (0.45,), "three": (0.22, 0.45, 0.70)}
THICKNESS_MM = 8.0
_STACK_STEP_MM = 10.0
#: Spawn keys of one examination.
_VISIT_KEY = 1002
#: Statements without organised atrial contraction.
_NO_ATRIAL_KICK = {"AFIB", "AFLT", "SVTAC", "PSVT", "3AVB"}


def simulate_cine(
    indices: Sequence[int] | np.ndarray,
    *,
    seed: int,
    visit: int = 0,
    frames: int = 50,
    size: int = 96,
    spacing_mm: float = 2.0,
    levels: str = "mid",
    conditions: Conditions | Sequence[Conditions | None] | None = None,
    oversample: Mapping[str, float] | None = None,
) -> list[CineRecord]:
    """Cines of patients of the cohort ``seed``; record k is the same whatever else is drawn with it.

    Args:
        indices: patients.
        seed, visit, conditions, oversample: as in `gen.simulate.simulate`; the same arguments give the same hearts.
        frames: frames over one RR interval; frame 0 is the R peak.
        size: rows and columns.
        spacing_mm: pixel size.
        levels: ``"mid"`` (one slice), ``"three"`` (basal, mid, apical) or ``"stack"`` (10 mm steps, base to apex).

    Raises:
        ValueError: an unknown level, condition or statement, or a size that cannot hold a heart.
    """
    batch = simulate(indices, seed=seed, visit=visit, fs_hz=250.0, conditions=conditions, oversample=oversample)
    return cines_of(batch, frames=frames, size=size, spacing_mm=spacing_mm, levels=levels)


def cines_of(
    batch: SimulatedBatch, *, frames: int = 50, size: int = 96, spacing_mm: float = 2.0, levels: str = "mid"
) -> list[CineRecord]:
    """The cine of every recording of a batch, in phase with its ECG; arguments as in `simulate_cine`."""
    if levels not in LEVELS:
        raise ValueError(f"levels {levels!r} is unknown; accepted: {', '.join(LEVELS)}")
    if frames < 4 or size < 16 or not 0.0 < spacing_mm < 20.0:
        raise ValueError(f"{frames} frames of {size} px of {spacing_mm} mm; accepted: at least 4 of 16 px below 20 mm")
    grid = Grid(int(size), float(spacing_mm))
    return [
        examine_cine(heart, truth, batch.visit, frames=frames, grid=grid, levels=levels)
        for heart, truth in zip(batch.hearts, batch.truth, strict=True)
    ]


def beat_of(heart: Heart, truth: Truth, anatomy: Anatomy) -> Timing:
    """Timing of the beat that is imaged: the median RR of the recording, so that ectopic beats do not count."""
    rr = float(np.median(truth.rr_s)) if len(truth.rr_s) else 60.0 / heart.resting_rate
    codes = set(heart.disease.codes)
    return timing_of(
        anatomy,
        sex=heart.sex,
        rr_s=float(np.clip(rr, 0.3, 2.5)),
        qt_s=truth.qt_ms / 1e3,
        qrs_s=truth.qrs_ms / 1e3,
        atrial_kick=not codes & _NO_ATRIAL_KICK,
        left_block=bool(codes & {"CLBBB", "PACE"}),
    )


def heart_loop(heart: Heart, truth: Truth, t: np.ndarray, timing: Timing, rng: np.random.Generator) -> HeartLoop:
    """Both ventricles over the times ``t`` and where this examination finds them."""
    anatomy = anatomy_of(heart)
    left = build(anatomy, timing, t)
    right = build_right(left)
    z = rng.standard_normal(6)
    # The middle of both ventricles, not the left one's centre, is in the middle of the image.
    centre = np.array([0.62 * float(left.cut(np.full(len(t), 0.45))[1][0].mean()) + 2.0 * z[0], -1.0 + 2.5 * z[1]])
    drift = np.array([-2.0 + 0.5 * z[2], -1.2 + 0.5 * z[3]])
    path = centre[None, :] + drift[None, :] * right.contraction[:, None]
    axis = np.array([2.5 * z[4] + 3.0, -5.0])
    return HeartLoop(left, right, path, axis, float(np.deg2rad(13.0) * np.clip(z[5], -2.0, 2.0)))


def examine_cine(heart: Heart, truth: Truth, visit: int, *, frames: int, grid: Grid, levels: str) -> CineRecord:
    """One cine of a heart whose ECG at the same visit has this truth."""
    rng = generator(heart.seed, heart.index, _VISIT_KEY, visit)
    anatomy = anatomy_of(heart)
    timing = beat_of(heart, truth, anatomy)
    t = frame_times(timing.rr_s, frames)
    loop = heart_loop(heart, truth, t, timing, rng)
    outer = loop.left.cut(np.full(frames, 0.45))[1][0]
    signals = draw_signals(rng)
    layout = draw_layout(
        rng,
        fat_mm=anatomy.fat_mm,
        reach_mm=1.30 * float(outer.mean()),
        floor_mm=float(loop.centre_mm[0, 1] - outer.max() - 3.0),
    )
    scanner = draw_scanner(rng, grid.spacing_mm)
    heights = slice_heights(loop, levels)
    pictures, labels = [], []
    for number, height in enumerate(heights):
        slice_rng = generator(heart.seed, heart.index, _VISIT_KEY, visit, number)
        shared = generator(heart.seed, heart.index, _VISIT_KEY, visit, 999)
        level = float(np.clip(1.0 - height / loop.left.length_mm[0], 0.0, 1.0))
        scene = draw_scene(grid, layout, signals, level, shared, slice_rng)
        moved = _breathing(loop, slice_rng, len(heights))
        picture, label = draw_slice(
            moved, scene, grid, signals, above_apex_mm=height, thickness_mm=THICKNESS_MM, rng=slice_rng
        )
        pictures.append(apply_scanner(picture, grid, layout, scanner, slice_rng))
        labels.append(label)
    return CineRecord(
        frames=robust_scale(np.stack(pictures)),
        spacing_mm=(grid.spacing_mm, grid.spacing_mm),
        rr_s=timing.rr_s,
        record_id=f"{heart.id}-{visit}",
        slice_thickness_mm=THICKNESS_MM,
        slice_positions_mm=heights[0] - heights,
        masks=np.stack(labels),
        lv_volume_ml=loop.left.volume_ml,
        rv_volume_ml=loop.right.volume_ml,
        lv_mass_g=anatomy.mass_g,
        patient=Patient(heart.id, heart.age, heart.sex, heart.height_cm, heart.weight_kg),
        synthetic=True,
        metadata=_facts(heart, anatomy, timing, visit, 1.0 - heights / loop.left.length_mm[0]),
    )


def slice_heights(loop: HeartLoop, levels: str) -> np.ndarray:
    """(slice,) distance of each slice from the end-diastolic apex in mm, base first."""
    length = float(loop.left.length_mm[0])
    if levels != "stack":
        return length * (1.0 - np.array(LEVEL_SHARES[levels]))
    count = int(np.ceil(length / _STACK_STEP_MM)) + 1
    # Half a step above the base, so that the sum over slices is the midpoint rule.
    return length + 0.5 * _STACK_STEP_MM - _STACK_STEP_MM * np.arange(count)


def _breathing(loop: HeartLoop, rng: np.random.Generator, slices: int) -> HeartLoop:
    """Each slice has its own breath-hold, which finds the heart up to 3 mm elsewhere."""
    if slices == 1:
        return loop
    shift = np.clip(rng.normal(0.0, 1.2, 2), -3.0, 3.0)
    return HeartLoop(loop.left, loop.right, loop.centre_mm + shift, loop.axis_mm, loop.turn_rad)


def _facts(heart: Heart, anatomy: Anatomy, timing: Timing, visit: int, shares: np.ndarray) -> dict[str, Any]:
    return {
        "source": "gen.simulate.cine",
        "seed": heart.seed,
        "index": heart.index,
        "visit": visit,
        "group": anatomy.group,
        "scar_territory": heart.scar_territory if anatomy.group == "MI" else None,
        "scar_extent": round(heart.scar_extent, 4) if anatomy.group == "MI" else 0.0,
        "statements": list(heart.disease.codes),
        "end_systole_s": round(timing.end_systole_s, 4),
        "levels": [round(float(s), 3) for s in shares],
    }
