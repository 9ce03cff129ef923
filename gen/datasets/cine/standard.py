"""From slices as a scanner stored them to the one form models see: phases, crop, pixel size and scale alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gen.cine import LV_CAVITY, CineRecord, robust_scale
from gen.records import Patient


@dataclass(frozen=True, eq=False)
class RawCine:
    """Slices as stored; each may have its own number of frames and its own heartbeat.

    Attributes:
        slices: one (frame, row, col) array per slice, base first; rows and columns are the same in all.
        phases: one (frame,) array per slice, ascending share of RR passed since the R peak, 0..1.
        spacing_mm: pixel size (row, col).
        positions_mm: (slice,) along the normal, ascending towards the apex.
        thickness_mm, rr_s: None where unknown.
        masks: like ``slices``, with the labels of `gen.cine`; None without.
        labelled: per slice, which frames the masks cover; None for all of them.
        record_id, patient, metadata: as in `gen.cine.CineRecord`.
    """

    slices: Sequence[np.ndarray]
    phases: Sequence[np.ndarray]
    spacing_mm: tuple[float, float]
    positions_mm: np.ndarray
    thickness_mm: float | None = None
    rr_s: float | None = None
    masks: Sequence[np.ndarray] | None = None
    labelled: Sequence[np.ndarray] | None = None
    record_id: str = "cine"
    patient: Patient = field(default_factory=Patient)
    metadata: Mapping[str, Any] = field(default_factory=dict)


def standardise(
    raw: RawCine,
    *,
    frames: int = 50,
    size: int = 96,
    spacing_mm: float = 2.0,
    centre: tuple[float, float] | None = None,
) -> CineRecord:
    """Resample to ``frames`` phases from the R peak, crop ``size`` pixels of ``spacing_mm`` round the heart, scale.

    Args:
        raw: slices as stored.
        frames, size, spacing_mm: of the result.
        centre: (row, col) of the heart in stored pixels; found by `heart_centre` where None.

    Returns:
        Record with intensities by `gen.cine.robust_scale`. What lies outside the stored image is 0. Masks take the
        nearest phase; ``metadata["labelled_frames"]`` lists the frames whose nearest phase was labelled in some slice.
        The volume curve is there when every frame of every slice was labelled.
    """
    centre = centre or heart_centre(raw)
    shape = raw.slices[0].shape[1:]
    rows = _sampling(shape[0], raw.spacing_mm[0], centre[0], size, spacing_mm)
    cols = _sampling(shape[1], raw.spacing_mm[1], centre[1], size, spacing_mm)
    wanted = np.arange(frames) / frames
    pictures = []
    for stored, phase in zip(raw.slices, raw.phases, strict=True):
        small = rows @ stored.astype(np.float32) @ cols.T
        pictures.append(np.tensordot(phase_weights(phase, wanted), small, axes=1))
    metadata = dict(raw.metadata) | {"stored_frames": [len(s) for s in raw.slices], "stored_spacing_mm": raw.spacing_mm}
    masks, volume = None, None
    if raw.masks is not None:
        masks, labelled = _masks(raw, wanted, centre, size, spacing_mm)
        metadata["labelled_frames"] = labelled
        volume = _volume(raw, wanted)
    return CineRecord(
        frames=robust_scale(np.stack(pictures)),
        spacing_mm=(spacing_mm, spacing_mm),
        rr_s=raw.rr_s,
        record_id=raw.record_id,
        slice_thickness_mm=raw.thickness_mm,
        slice_positions_mm=raw.positions_mm,
        masks=masks,
        lv_volume_ml=volume,
        patient=raw.patient,
        metadata=metadata,
    )


def phase_weights(stored: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(wanted, stored) weights of the periodic cubic spline through frames at phases ``stored``.

    Reproduces a stored frame where a wanted phase meets it; fewer than four frames are interpolated linearly.
    """
    from scipy.interpolate import CubicSpline

    stored = np.asarray(stored, dtype=np.float64)
    knots = np.append(stored, stored[0] + 1.0)
    at = stored[0] + np.mod(np.asarray(wanted) - stored[0], 1.0)
    values = np.vstack([np.eye(len(stored)), np.eye(len(stored))[:1]])
    if len(stored) < 4:
        return np.stack([np.interp(at, knots, values[:, k]) for k in range(len(stored))], axis=1).astype(np.float32)
    return np.asarray(CubicSpline(knots, values, bc_type="periodic")(at), dtype=np.float32)


def heart_centre(raw: RawCine) -> tuple[float, float]:
    """(row, col) of the heart in stored pixels: middle of the labels, else of what beats.

    What beats is found in the first harmonic over the cycle: its power, smoothed, summed over the middle slices, and
    its centroid above half of the maximum. Flickering noise and breathing have little of it; fat beside the coil, where
    the least motion makes the largest changes, is cut off by an upper limit on intensity.
    """
    from scipy.ndimage import gaussian_filter

    if raw.masks is not None:
        found = np.argwhere(np.max([m.max(axis=0) for m in raw.masks], axis=0) > 0)
        if len(found):
            low, high = found.min(axis=0), found.max(axis=0)
            return float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2
    count = len(raw.slices)
    middle = range(count // 4, max(count - count // 4, count // 4 + 1))
    rows, cols = raw.slices[0].shape[1:]
    power = np.zeros((rows, cols))
    for number in middle:
        turn = np.exp(-2j * np.pi * raw.phases[number]) / len(raw.phases[number])
        usual, bright = np.percentile(raw.slices[number], (85.0, 99.5))
        limited = np.minimum(raw.slices[number], max(usual, 0.25 * bright)).astype(np.float32)
        first = np.tensordot(turn, limited, axes=1)
        power += gaussian_filter(np.abs(first), 4.0 / raw.spacing_mm[0]) ** 2
    if not power.max() > 0:
        return (rows - 1) / 2, (cols - 1) / 2
    # The heart is never at the very edge; arms and the aorta's pulse are.
    row, col = np.linspace(-1.0, 1.0, rows), np.linspace(-1.0, 1.0, cols)
    power = power * np.exp(-0.5 * (row[:, None] ** 2 + col[None, :] ** 2) / 0.35**2)
    weight = np.clip(gaussian_filter(power, 20.0 / raw.spacing_mm[0]), 0.0, None)
    weight = np.clip(weight - 0.5 * weight.max(), 0.0, None)
    weight /= weight.sum()
    return float(weight.sum(axis=1) @ np.arange(rows)), float(weight.sum(axis=0) @ np.arange(cols))


def _sampling(stored: int, stored_mm: float, centre: float, size: int, spacing_mm: float) -> np.ndarray:
    """(size, stored) weights of one axis: linear interpolation, or a triangle as wide as a new pixel when coarser."""
    at = centre + (np.arange(size) - (size - 1) / 2) * spacing_mm / stored_mm
    reach = max(1.0, spacing_mm / stored_mm)
    weight = np.clip(1.0 - np.abs(at[:, None] - np.arange(stored)[None, :]) / reach, 0.0, None)
    total = weight.sum(axis=1, keepdims=True)
    inside = (at >= -0.5) & (at <= stored - 0.5)
    return np.where(inside[:, None] & (total > 0), weight / np.maximum(total, 1e-6), 0.0).astype(np.float32)


def _masks(
    raw: RawCine, wanted: np.ndarray, centre: tuple[float, float], size: int, spacing_mm: float
) -> tuple[np.ndarray, list[int]]:
    assert raw.masks is not None
    index = []
    for axis in (0, 1):
        at = centre[axis] + (np.arange(size) - (size - 1) / 2) * spacing_mm / raw.spacing_mm[axis]
        index.append(np.rint(at).astype(int))
    shape = raw.masks[0].shape[1:]
    inside = ((index[0] >= 0) & (index[0] < shape[0]))[:, None] & ((index[1] >= 0) & (index[1] < shape[1]))[None, :]
    row, col = np.clip(index[0], 0, shape[0] - 1), np.clip(index[1], 0, shape[1] - 1)
    out, seen = [], np.zeros(len(wanted), dtype=bool)
    for number, (mask, phase) in enumerate(zip(raw.masks, raw.phases, strict=True)):
        nearest = np.abs(np.angle(np.exp(2j * np.pi * (wanted[:, None] - phase[None, :])))).argmin(axis=1)
        out.append(np.where(inside[None], mask[nearest][:, row][:, :, col], 0).astype(np.uint8))
        seen |= True if raw.labelled is None else np.isin(nearest, raw.labelled[number])
    return np.stack(out), [int(k) for k in np.flatnonzero(seen)]


def _volume(raw: RawCine, wanted: np.ndarray) -> np.ndarray | None:
    """(wanted,) LV volume from complete labels at the stored resolution; None where frames are unlabelled."""
    if raw.masks is None or raw.labelled is not None or len(raw.slices) < 3:
        return None
    step = float(np.median(np.diff(raw.positions_mm)))
    total = np.zeros(len(wanted))
    for mask, phase in zip(raw.masks, raw.phases, strict=True):
        area = (mask == LV_CAVITY).sum(axis=(1, 2)) * raw.spacing_mm[0] * raw.spacing_mm[1]
        total += np.interp(wanted, phase, area, period=1.0)
    return total * step / 1000.0
