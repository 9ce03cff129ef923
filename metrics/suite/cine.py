"""The cine preset: folders of cardiac loops, compared frame by frame where names match, and by their volumes.

A loop is a file that `gen.io.cine.read_cine` reads: physiogen's NPZ or NIfTI (masks in it or beside it), or a foreign
4-D NIfTI, which has no masks here.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.cine import LV_CAVITY, labelled_frames
from gen.records import InputError
from metrics import cine
from metrics.report.entries import CONTRACT, BenchmarkReport, Entry, from_interval, skip
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import bootstrap_mean
from metrics.suite.presets import Preset
from metrics.suite.progress import Progress, Report

SECTION = "Cine"
_SUFFIXES = (".npz", ".nii", ".nii.gz")
_MASKED = ("edv_mae_ml", "esv_mae_ml", "ef_mae_points", "es_frame_error", "volume_curve_correlation", "cavity_dice")


@dataclass(frozen=True, eq=False)
class Loop:
    """One cine.

    Attributes:
        name: of its file, without suffix.
        frames: (slice, frame, row, col), as stored.
        mask: of the same shape, or None.
        voxel_ml: volume of a voxel; NaN where the file does not say.
        labelled: (frame,) bool, frames the mask covers; None for all of them.
        missing: like ``frames``, pixels that the file does not hold; None where it holds all.
    """

    name: str
    frames: Array
    mask: npt.NDArray[np.integer] | None
    voxel_ml: float
    labelled: npt.NDArray[np.bool_] | None = None
    missing: npt.NDArray[np.bool_] | None = None

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """(frame,) whether the mask says anything about a frame."""
        if self.mask is None:
            return np.zeros(self.frames.shape[1], dtype=bool)
        return np.ones(self.frames.shape[1], dtype=bool) if self.labelled is None else self.labelled

    @property
    def volume_ml(self) -> Array | None:
        """Cavity volume per frame (frame,), NaN where it was not labelled; None without a mask or voxel size."""
        if self.mask is None or not np.isfinite(self.voxel_ml):
            return None
        return np.where(self.covered, (self.mask == LV_CAVITY).sum(axis=(0, 2, 3)) * self.voxel_ml, np.nan)


def files_of(folder: str | Path) -> dict[str, Path]:
    """Loops of a folder by name.

    Raises:
        InputError: no such folder, no loop in it, or two of one name.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; accepted: a folder of .npz or NIfTI cines")
    found: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        suffix = next((each for each in _SUFFIXES if path.name.endswith(each)), None)
        if suffix is None or path.name.endswith(f"_gt{suffix}") or not path.is_file():
            continue
        name = path.name.removesuffix(suffix)
        if name in found:
            raise InputError(f"{root}: two cines are called {name!r}; accepted: every name once")
        found[name] = path
    if not found:
        raise InputError(f"{root}: no cine in it; accepted: NPZ of physiogen, or 4-D NIfTI")
    return found


def read_loop(name: str, path: Path) -> Loop:
    """Read one file.

    Raises:
        InputError: it holds no cine of an accepted shape, or values that are not finite.
    """
    from gen.io.cine import read_cine

    record = read_cine(path)
    if record.num_frames < 3:
        raise InputError(f"{path}: cine of {record.num_frames} frames; accepted: 3 frames and more")
    step_mm = record.slice_step_mm or record.slice_thickness_mm
    voxel_ml = np.prod(record.spacing_mm) * step_mm / 1000 if step_mm else float("nan")
    labelled = None if record.masks is None else labelled_frames(record)
    return Loop(name, record.frames.astype(np.float64), record.masks, float(voxel_ml), labelled, record.missing)


def cine_benchmark(
    real: str | Path, generated: str | Path, chosen: Preset, *, seed: int = 0, progress: Report | None = None
) -> BenchmarkReport:
    """Score generated cines; pairs by file name.

    Raises:
        InputError: a folder without cines, or no name in common.
    """
    start = time.perf_counter()
    sides = files_of(real), files_of(generated)
    names = [name for name in sides[1] if name in sides[0]]
    if not names:
        raise InputError(f"{generated}: no cine has a name of {real}; accepted: the same file names for the same loops")
    steps = Progress({"cine": float(len(names))}, progress)
    rows: list[dict[str, float]] = []
    with steps.step("cine"):
        for name in names:
            rows.append(_scores(read_loop(name, sides[0][name]), read_loop(name, sides[1][name])))
            steps.advance(1 / len(names))
    entries = _entries(names, rows, seed)
    return BenchmarkReport(
        headline=f"{len(names)} pairs of cines of {len(sides[1])} generated and {len(sides[0])} real ones, preset cine",
        entries={each.name: each for each in entries},
        settings=_settings(real, generated, sides, names, chosen, seed, steps, time.perf_counter() - start),
        record_ids=tuple(names),
        record_patients=tuple(range(len(names))),
    )


def _scores(truth: Loop, made: Loop) -> dict[str, float]:
    if truth.frames.shape != made.frames.shape:
        raise InputError(
            f"{made.name}: cine of shape {made.frames.shape}; accepted: {truth.frames.shape} as the real one"
        )
    span = float(np.ptp(truth.frames))
    if span == 0:
        raise InputError(f"{truth.name}: the real cine is one grey; accepted: an image")
    holes = [loop.missing for loop in (truth, made) if loop.missing is not None]
    known = ~np.logical_or.reduce(holes) if holes else None
    given: dict[str, Any] = {"reference": truth.frames, "generated": made.frames, "data_range": span, "known": known}
    still: dict[str, Any] = {**given, "generated": np.broadcast_to(_mean_frame(truth.frames), truth.frames.shape)}
    scores = {
        "psnr_db": _mean(np.minimum(cine.psnr(**given), 100)),
        "psnr_db:still": _mean(np.minimum(cine.psnr(**still), 100)),
        "ssim": _mean(cine.ssim(**given)),
        "ssim:still": _mean(cine.ssim(**still)),
        "periodicity_gap": float(cine.periodicity_gap(generated=made.frames).mean()),
        "periodicity_gap:real": float(cine.periodicity_gap(generated=truth.frames).mean()),
    }
    curves = truth.volume_ml, made.volume_ml
    both = truth.covered & made.covered
    if truth.mask is not None and made.mask is not None and both.any():
        one, two = truth.mask[:, both] == LV_CAVITY, made.mask[:, both] == LV_CAVITY
        overlap = cine.dice(reference=one, generated=two)
        scores["cavity_dice"] = float(np.nanmean(overlap)) if np.isfinite(overlap).any() else float("nan")
    if curves[0] is not None and curves[1] is not None:
        scores |= _volumes(curves[0], curves[1])
    return scores


def _mean(values: Array) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _mean_frame(frames: Array) -> Array:
    return frames.mean(axis=1, keepdims=True)


def _volumes(truth: Array, made: Array) -> dict[str, float]:
    """Errors of volumes on the frames that both label (two at least); what is not labelled is not empty.

    End-systole is the truth's smallest labelled volume against the generated loop's over all it labels.
    """
    both = np.isfinite(truth) & np.isfinite(made)
    if both.sum() < 2:
        return {}
    one, two = cine.ventricle_volumes(truth[None, both]), cine.ventricle_volumes(made[None, both])
    # Two points correlate perfectly whatever they are.
    flat = both.sum() < 3 or min(np.std(truth[both]), np.std(made[both])) < 1e-9
    es_frames = np.array([np.nanargmin(truth)]), np.array([np.nanargmin(made)])
    return {
        "edv_mae_ml": float(np.abs(two.edv_ml - one.edv_ml)[0]),
        "esv_mae_ml": float(np.abs(two.esv_ml - one.esv_ml)[0]),
        "ef_mae_points": float(np.abs(two.ef_percent - one.ef_percent)[0]),
        "es_frame_error": float(cine.circular_frame_error(*es_frames, len(truth))[0]),
        "volume_curve_correlation": float("nan") if flat else float(np.corrcoef(truth[both], made[both])[0, 1]),
    }


_DESCRIBED: Mapping[str, tuple[str, str, float | None, str]] = {
    "psnr_db": (
        "dB",
        "higher",
        100.0,
        "Peak signal-to-noise ratio per frame, range of the real loop; beside its mean.",
    ),
    "ssim": (
        "",
        "higher",
        1.0,
        "Structural similarity per frame, Gaussian window 11, sigma 1.5; beside the mean frame.",
    ),
    "periodicity_gap": ("", "lower", None, "Last-to-first step over the mean step; floor: the real loops."),
    "cavity_dice": ("", "higher", 1.0, "Overlap of the left ventricular cavity, mean over slices and frames."),
    "edv_mae_ml": ("ml", "lower", 0.0, "Absolute error of the end-diastolic volume."),
    "esv_mae_ml": ("ml", "lower", 0.0, "Absolute error of the end-systolic volume."),
    "ef_mae_points": ("points", "lower", 0.0, "Absolute error of the ejection fraction in percentage points."),
    "es_frame_error": (
        "",
        "lower",
        0.0,
        "Distance of the end-systolic frames around the loop, share of the heartbeat.",
    ),
    "volume_curve_correlation": ("", "higher", 1.0, "Correlation of the volume curves."),
}


def _entries(names: list[str], rows: list[dict[str, float]], seed: int) -> list[Entry]:
    out = [skip(name, "a measure of ECGs") for name in CONTRACT]
    column: Callable[[str], Array] = lambda key: np.array([row.get(key, np.nan) for row in rows])  # noqa: E731
    for name, (unit, better, ideal, summary) in _DESCRIBED.items():
        values = column(name)
        if np.isfinite(values).sum() < 2:
            masked = "masks with a voxel size, labelled in the same frames, are missing"
            if name == "volume_curve_correlation":
                masked += " (three frames and more)"
            reason = masked if name in _MASKED else "fewer than two loops"
            out.append(skip(name, f"{reason} (at least two loops)", SECTION))
            continue
        still, theirs = column(f"{name}:still"), column(f"{name}:real")
        out.append(
            from_interval(
                name,
                bootstrap_mean(values, groups=names, replicates=1000, seed=seed, method="percentile"),
                unit=unit,
                better=better,
                ideal=ideal,
                summary=summary,
                section=SECTION,
                records=values,
                baseline=float(np.nanmean(still)) if np.isfinite(still).any() else None,
                baseline_name="still mean frame" if np.isfinite(still).any() else "",
                floor=float(np.nanmean(theirs)) if np.isfinite(theirs).any() else None,
            )
        )
    reason = "no image or video extractor is installed"
    return [*out, skip("frame_fid", reason, SECTION), skip("video_distance", reason, SECTION)]


def _settings(
    real: str | Path,
    generated: str | Path,
    sides: tuple[dict[str, Path], dict[str, Path]],
    names: list[str],
    chosen: Preset,
    seed: int,
    steps: Progress,
    wall_s: float,
) -> dict[str, Any]:
    from gen import __version__
    from metrics.definitions import VERSION

    def about(name: str | Path, files: dict[str, Path]) -> dict[str, Any]:
        return {"name": str(name), "kind": "cines", "records": len(files), "patients": len(files), "synthetic": 0}

    return {
        "preset": chosen.name,
        "seed": seed,
        "sets": {"real": about(real, sides[0]), "generated": about(generated, sides[1])},
        "paired": {"pairs": len(names), "by": "file name"},
        "extractors": {},
        "confidence": 0.95,
        "versions": {"physiogen": __version__, "definitions": VERSION, "numpy": np.__version__},
        "wall_s": {**steps.wall_s, "total": round(wall_s, 3)},
    }
