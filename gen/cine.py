"""The cine record: one heartbeat of cardiac MRI in short axis, with everything needed to read it without guessing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gen.records import Patient

#: Values of a mask (the convention of M&Ms and of UK Biobank's tools; ACDC swaps LV and RV, see `from_acdc_labels`).
BACKGROUND, LV_CAVITY, MYOCARDIUM, RV_CAVITY = range(4)
LABELS = {"LV cavity": LV_CAVITY, "myocardium": MYOCARDIUM, "RV cavity": RV_CAVITY}
#: Density of heart muscle in g/ml.
MYOCARDIAL_DENSITY = 1.05
#: Percentiles of a loop that become 0 and 1; not minimum and maximum, which one bright pixel would rule.
SCALE_PERCENTILES = (1.0, 99.5)
#: Slices of a simulated or generated heart: one, basal, mid and apical, or every 10 mm from base to apex.
LEVELS = ("mid", "three", "stack")


@dataclass(frozen=True, eq=False)
class CineRecord:
    """One cine: slices from base to apex, frames over one RR interval, frame 0 at the R peak.

    Attributes:
        frames: (slice, frame, row, col) float32, 0..1.
        spacing_mm: size of a pixel (row, col).
        rr_s: length of the heartbeat in seconds; None where the source does not say.
        record_id: name within its set, used for output files.
        slice_thickness_mm: excited thickness of a slice; None where unknown.
        slice_positions_mm: (slice,) place of each slice along the normal, ascending from base to apex.
        phase: (frame,) share of RR passed since the R peak, 0 <= phase < 1; evenly spaced by default.
        masks: (slice, frame, row, col) uint8 of `LABELS`, or None. Frames that were not labelled are in
            ``metadata["labelled_frames"]`` by omission.
        lv_volume_ml, rv_volume_ml: (frame,) cavity volumes of the whole ventricle, or None.
        lv_mass_g: left-ventricular mass, or None.
        missing: (slice, frame, row, col) bool, pixels that the source did not hold; ``frames`` has background there.
            None: there are none.
        patient: whose heart it is.
        synthetic: generated or simulated by software.
        metadata: further facts as JSON values.

    Raises:
        ValueError: arrays do not fit each other, or values are not finite.
    """

    frames: np.ndarray
    spacing_mm: tuple[float, float]
    rr_s: float | None = None
    record_id: str = "cine"
    slice_thickness_mm: float | None = None
    slice_positions_mm: np.ndarray | None = None
    phase: np.ndarray | None = None
    masks: np.ndarray | None = None
    lv_volume_ml: np.ndarray | None = None
    rv_volume_ml: np.ndarray | None = None
    lv_mass_g: float | None = None
    missing: np.ndarray | None = None
    patient: Patient = field(default_factory=Patient)
    synthetic: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        frames = np.asarray(self.frames, dtype=np.float32)
        if frames.ndim != 4 or 0 in frames.shape:
            raise ValueError(f"frames of shape {frames.shape}; expected (slice, frame, row, col)")
        if not np.isfinite(frames).all():
            raise ValueError("frames hold values that are not finite")
        slices, count = frames.shape[:2]
        phase = np.arange(count) / count if self.phase is None else np.asarray(self.phase, dtype=np.float64)
        positions = np.zeros(slices) if self.slice_positions_mm is None else np.asarray(self.slice_positions_mm, float)
        if self.slice_positions_mm is None and slices > 1:
            raise ValueError("several slices need slice_positions_mm")
        _check_shape("phase", phase, (count,))
        _check_shape("slice_positions_mm", positions, (slices,))
        if (np.diff(phase) <= 0).any() or phase[0] < 0 or phase[-1] >= 1:
            raise ValueError("phase must ascend within 0 <= phase < 1")
        if (np.diff(positions) <= 0).any():
            raise ValueError("slice_positions_mm must ascend from base to apex")
        spacing = (float(self.spacing_mm[0]), float(self.spacing_mm[1]))
        if min(spacing) <= 0 or (self.rr_s is not None and not self.rr_s > 0):
            raise ValueError(f"spacing {spacing} mm and RR {self.rr_s} s must be above 0")
        if self.masks is not None:
            masks = np.asarray(self.masks)
            _check_shape("masks", masks, frames.shape)
            if masks.min() < 0 or masks.max() > RV_CAVITY:
                raise ValueError(f"masks hold labels other than 0..{RV_CAVITY}")
            object.__setattr__(self, "masks", masks.astype(np.uint8, copy=False))
        if self.missing is not None:
            missing = np.asarray(self.missing, dtype=bool)
            _check_shape("missing", missing, frames.shape)
            object.__setattr__(self, "missing", missing if missing.any() else None)
        for name in ("lv_volume_ml", "rv_volume_ml"):
            curve = getattr(self, name)
            if curve is not None:
                _check_shape(name, np.asarray(curve), (count,))
                object.__setattr__(self, name, np.asarray(curve, dtype=np.float64))
        object.__setattr__(self, "frames", frames)
        object.__setattr__(self, "phase", phase)
        object.__setattr__(self, "slice_positions_mm", positions)
        object.__setattr__(self, "spacing_mm", spacing)

    @property
    def num_slices(self) -> int:
        """Slices from base to apex."""
        return self.frames.shape[0]

    @property
    def num_frames(self) -> int:
        """Frames over one heartbeat."""
        return self.frames.shape[1]

    @property
    def frame_times_s(self) -> np.ndarray | None:
        """(frame,) seconds after the R peak; None where RR is unknown."""
        return None if self.rr_s is None or self.phase is None else self.phase * self.rr_s

    @property
    def slice_step_mm(self) -> float | None:
        """Median distance between neighbouring slices; the thickness for a single slice."""
        if self.slice_positions_mm is None or self.num_slices == 1:
            return self.slice_thickness_mm
        return float(np.median(np.diff(self.slice_positions_mm)))

    @property
    def edv_ml(self) -> float | None:
        """Largest left-ventricular volume."""
        return None if self.lv_volume_ml is None else float(self.lv_volume_ml.max())

    @property
    def esv_ml(self) -> float | None:
        """Smallest left-ventricular volume."""
        return None if self.lv_volume_ml is None else float(self.lv_volume_ml.min())

    @property
    def ef(self) -> float | None:
        """Ejection fraction, 0..1."""
        if self.lv_volume_ml is None or not self.lv_volume_ml.max() > 0:
            return None
        return float(1.0 - self.lv_volume_ml.min() / self.lv_volume_ml.max())

    @property
    def end_systole(self) -> int | None:
        """Frame of the smallest left-ventricular volume."""
        return None if self.lv_volume_ml is None else int(self.lv_volume_ml.argmin())

    def mid_slice(self) -> "CineRecord":
        """The same record with its middle slice alone; volumes stay those of the whole ventricle."""
        return self.select_slices([self.num_slices // 2])

    def select_slices(self, numbers: list[int]) -> "CineRecord":
        """The same record with just these slices, given in ascending order."""
        positions = None if self.slice_positions_mm is None else self.slice_positions_mm[numbers]
        masks = None if self.masks is None else self.masks[numbers]
        missing = None if self.missing is None else self.missing[numbers]
        return replace(self, frames=self.frames[numbers], slice_positions_mm=positions, masks=masks, missing=missing)


def _check_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} of shape {array.shape}; expected {shape}")


def robust_scale(frames: np.ndarray) -> np.ndarray:
    """Signal to 0..1 by `SCALE_PERCENTILES` of the whole array; what lies outside is clipped.

    A constant array becomes zeros. Values that are not finite are no part of the scale and become 0.
    """
    frames = np.asarray(frames)
    finite = np.isfinite(frames)
    if not finite.any():
        return np.zeros(frames.shape, dtype=np.float32)
    low, high = np.percentile(frames if finite.all() else frames[finite], SCALE_PERCENTILES)
    if not high > low:
        return np.zeros(frames.shape, dtype=np.float32)
    scaled = (np.asarray(frames, dtype=np.float32) - np.float32(low)) / np.float32(high - low)
    if not finite.all():
        scaled[~finite] = 0.0
    return np.clip(scaled, 0.0, 1.0, out=scaled)


def from_acdc_labels(masks: np.ndarray) -> np.ndarray:
    """ACDC's labels (RV 1, myocardium 2, LV 3) in the convention of `LABELS`; uint8."""
    return np.array([BACKGROUND, RV_CAVITY, MYOCARDIUM, LV_CAVITY], dtype=np.uint8)[masks]


def labelled_frames(record: CineRecord) -> np.ndarray:
    """(frame,) bool: which frames the masks cover; all of them unless ``metadata["labelled_frames"]`` lists some."""
    covered = np.zeros(record.num_frames, dtype=bool)
    listed = record.metadata.get("labelled_frames")
    if record.masks is None:
        return covered
    if listed is None:
        return ~covered
    numbers = np.asarray(listed, dtype=int).reshape(-1)
    covered[numbers[(numbers >= 0) & (numbers < len(covered))]] = True
    return covered


def mask_volume_ml(record: CineRecord, label: int = LV_CAVITY) -> np.ndarray:
    """(frame,) ml: pixels of a label times pixel area times slice step, summed over the slices (no gap correction).

    NaN where a frame was not labelled: an unlabelled ventricle is not an empty one.

    Raises:
        ValueError: the record has no masks or no slice step.
    """
    step = record.slice_step_mm
    if record.masks is None or step is None:
        raise ValueError(f"{record.record_id}: no masks or slice step to measure a volume with")
    area = record.spacing_mm[0] * record.spacing_mm[1]
    volume = (record.masks == label).sum(axis=(0, 2, 3)) * (area * step / 1000.0)
    return np.where(labelled_frames(record), volume, np.nan)


def mask_mass_g(record: CineRecord, frame: int = 0) -> float:
    """Myocardial mass in gram from the masks of one frame."""
    return float(mask_volume_ml(record, MYOCARDIUM)[frame] * MYOCARDIAL_DENSITY)
