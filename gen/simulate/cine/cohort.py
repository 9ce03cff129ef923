"""Cines of the simulated cohort: the same heart and the same visit as `gen.simulate.simulate`'s ECG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gen.cine import LEVELS, CineRecord, robust_scale
from gen.records import Patient
from gen.simulate.cine.anatomy import Anatomy, anatomy_of
from gen.simulate.cine.artefacts import Scanner, apply_scanner, draw_scanner
from gen.simulate.cine.motion import Timing, frame_times, timing_of
from gen.simulate.cine.render import HeartLoop, draw_slice
from gen.simulate.cine.right import build_right
from gen.simulate.cine.scene import Grid, Layout, draw_layout, draw_scene
from gen.simulate.cine.tissue import Signals, draw_signals
from gen.simulate.cine.ventricle import build
from gen.simulate.cohort import Conditions, SimulatedBatch, simulate
from gen.simulate.heart import Heart, generator
from gen.simulate.truth import Truth

#: Height shares (0 base, 1 apex) of the slices of ``"mid"`` and ``"three"``.
MID_LEVEL = 0.45
LEVEL_SHARES: dict[str, tuple[float, ...]] = {"mid": (MID_LEVEL,), "three": (0.22, MID_LEVEL, 0.70)}
THICKNESS_MM = 8.0
STACK_STEP_MM = 10.0
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


@dataclass(frozen=True, eq=False)
class _Examination:
    """A heart under the scanner: everything that its slices share."""

    heart: Heart
    visit: int
    timing: Timing
    loop: HeartLoop
    signals: Signals
    layout: Layout
    scanner: Scanner
    grid: Grid

    @classmethod
    def of(cls, heart: Heart, truth: Truth, visit: int, phases: np.ndarray, grid: Grid) -> "_Examination":
        """Phases are shares of the beat from the R peak; the first is 0."""
        rng = generator(heart.seed, heart.index, _VISIT_KEY, visit)
        anatomy = anatomy_of(heart)
        timing = beat_of(heart, truth, anatomy)
        loop = heart_loop(heart, truth, phases * timing.rr_s, timing, rng)
        outer = loop.left.cut(np.full(len(phases), 0.45))[1][0]
        signals = draw_signals(rng)
        layout = draw_layout(
            rng,
            fat_mm=anatomy.fat_mm,
            reach_mm=1.30 * float(outer.mean()),
            floor_mm=float(loop.centre_mm[0, 1] - outer.max() - 3.0),
        )
        return cls(heart, visit, timing, loop, signals, layout, draw_scanner(rng, grid.spacing_mm), grid)

    def cut(self, height: float, number: int, *, still: bool, gated: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Pictures and labels (frame, row, col) of the slice ``height`` mm above the apex, the ``number``-th one.

        Its breath-hold finds the heart elsewhere unless ``still``; neighbouring frames share signal if ``gated``.
        """
        key = (self.heart.seed, self.heart.index, _VISIT_KEY, self.visit)
        rng, shared = generator(*key, number), generator(*key, 999)
        level = float(np.clip(1.0 - height / self.loop.left.length_mm[0], 0.0, 1.0))
        scene = draw_scene(self.grid, self.layout, self.signals, level, shared, rng)
        moved = self.loop if still else _breathing(self.loop, rng)
        picture, label = draw_slice(
            moved, scene, self.grid, self.signals, above_apex_mm=height, thickness_mm=THICKNESS_MM, rng=rng
        )
        scanner = self.scanner if gated else replace(self.scanner, window=0.0)
        return apply_scanner(picture, self.grid, self.layout, scanner, rng), label


def examine_cine(heart: Heart, truth: Truth, visit: int, *, frames: int, grid: Grid, levels: str) -> CineRecord:
    """One cine of a heart whose ECG at the same visit has this truth."""
    seen = _Examination.of(heart, truth, visit, frame_times(1.0, frames), grid)
    anatomy, timing, loop = seen.loop.anatomy, seen.timing, seen.loop
    heights = slice_heights(loop, levels)
    drawn = [seen.cut(height, number, still=len(heights) == 1) for number, height in enumerate(heights)]
    pictures, labels = zip(*drawn, strict=True)
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


def slices_at(
    batch: SimulatedBatch, shares: np.ndarray, phases: np.ndarray, *, size: int = 96, spacing_mm: float = 2.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A few frames of slices anywhere in the hearts of a batch, as if all were seen in one breath-hold.

    Args:
        batch: hearts.
        shares: (heart, slice) heights, 0 base to 1 apex at end-diastole; somewhat beyond either end is accepted.
        phases: (frame,) shares of the beat from the R peak, the first 0; too far apart to share signal.
        size: rows and columns.
        spacing_mm: pixel size.

    Returns:
        Pictures (heart, slice, frame, size, size) float32 0..1, each heart on a scale of its own, labels uint8 of the
        same shape, and the volume of the left ventricle (heart, frame) in ml.
    """
    grid, pictures, labels, volumes = Grid(int(size), float(spacing_mm)), [], [], []
    for heart, truth, own in zip(batch.hearts, batch.truth, shares, strict=True):
        seen = _Examination.of(heart, truth, batch.visit, phases, grid)
        heights = float(seen.loop.left.length_mm[0]) * (1.0 - own)
        drawn = [seen.cut(float(at), number, still=True, gated=False) for number, at in enumerate(heights)]
        pictures.append(robust_scale(np.stack([picture for picture, _ in drawn])))
        labels.append(np.stack([label for _, label in drawn]))
        volumes.append(seen.loop.left.volume_ml)
    return np.stack(pictures), np.stack(labels), np.stack(volumes)


def slice_heights(loop: HeartLoop, levels: str) -> np.ndarray:
    """(slice,) distance of each slice from the end-diastolic apex in mm, base first."""
    length = float(loop.left.length_mm[0])
    if levels != "stack":
        return length * (1.0 - np.array(LEVEL_SHARES[levels]))
    return stack_heights(length, STACK_STEP_MM)


def stack_heights(length_mm: float, step_mm: float) -> np.ndarray:
    """(slice,) distance from the apex in mm, base first, of a stack through a cavity of this length."""
    count = int(np.ceil(length_mm / step_mm)) + 1
    # Half a step above the base, so that the sum over slices is the midpoint rule.
    return length_mm + 0.5 * step_mm - step_mm * np.arange(count)


def _breathing(loop: HeartLoop, rng: np.random.Generator) -> HeartLoop:
    """Each slice has its own breath-hold, which finds the heart up to 3 mm elsewhere."""
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
