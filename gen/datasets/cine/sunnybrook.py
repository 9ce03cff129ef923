"""Sunnybrook cardiac data (CC0): studies as DICOM folders, or as NPZ archives of a crop with labels."""

import csv
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gen.cine import LV_CAVITY, MYOCARDIUM
from gen.datasets.cine.dicom import read_dicom_folder
from gen.datasets.cine.standard import RawCine
from gen.io.common import library, parse_age, parse_sex, reading
from gen.records import InputError, Patient

_STUDY = re.compile(r"SCD\d{7}$")
_KEYS = ("cine", "trigger_time_ms", "rr_ms", "pixel_mm", "slice_step_mm")
_PICTURE = re.compile(r"(SC-(HF-I|HF-NI|HYP|N)-\d+)-IM-\d+-(\d+)\.dcm\.png$")
_GROUP_OF = {"N": "normal", "HYP": "LVH", "HF-NI": "DCM", "HF-I": "MI"}
#: Phases of a study, by which its files are counted.
_PHASES = 20
_GROUPS = {"Heart failure with infarct": "MI", "Heart failure without infarct": "DCM", "Hypertrophy": "LVH"}


def find_studies(root: Path) -> list[Path]:
    """NPZ archives, and DICOM folders of studies that have no archive."""
    archives = sorted(root.glob("npz/SCD*.npz")) + sorted(root.glob("SCD*.npz"))
    known = {a.name[:10] for a in archives}
    folders = [f for f in sorted(root.iterdir()) if f.is_dir() and _STUDY.match(f.name) and f.name not in known]
    return archives + [f for f in folders if any(f.rglob("*.dcm"))]


def read_study(path: Path) -> RawCine:
    """One study, from its NPZ archive or its DICOM folder.

    Raises:
        InputError: broken or incomplete.
    """
    raw = read_dicom_folder(path) if path.is_dir() else read_npz(path)
    root = path.parent.parent if path.parent.name == "npz" else path.parent
    patient, group = _patient(root, raw.record_id[:10])
    fields = raw.__dict__ | {"patient": patient, "metadata": {**raw.metadata, "group": group, "set": "Sunnybrook"}}
    return RawCine(**fields)


def read_npz(path: Path) -> RawCine:
    """A study as an archive: cine (slice, frame, row, col), trigger times in ms, RR in ms; base first.

    Labels 2 (myocardium, end-diastole only) and 3 (cavity) become ours; they exist at end-diastole and end-systole.
    """
    with reading(path, "NPZ"), np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    lacking = [name for name in _KEYS if name not in arrays]
    if lacking:
        raise InputError(f"{path}: no array {lacking[0]}; accepted: {', '.join(_KEYS)}, optionally mask")
    cine, times = arrays["cine"], np.asarray(arrays["trigger_time_ms"], dtype=np.float64)
    rr = np.asarray(arrays["rr_ms"], dtype=np.float64)
    if cine.ndim != 4 or times.shape != cine.shape[:2] or rr.shape != cine.shape[:1] or cine.shape[1] < 8:
        raise InputError(f"{path}: cine {cine.shape}, times {times.shape}, RR {rr.shape} do not fit each other")
    phases = np.mod(times / rr[:, None], 1.0)
    order = np.argsort(phases, axis=1)
    slices = [c[o] for c, o in zip(cine, order, strict=True)]
    masks, labelled = None, None
    if "mask" in arrays:
        table = np.array([0, 0, MYOCARDIUM, LV_CAVITY], dtype=np.uint8)
        masks = [table[m[o]] for m, o in zip(arrays["mask"], order, strict=True)]
        labelled = [np.flatnonzero(m.any(axis=(1, 2))) for m in masks]
    pixel = float(arrays["pixel_mm"])
    step = float(arrays["slice_step_mm"])
    return RawCine(
        slices=slices,
        phases=[p[o] for p, o in zip(phases, order, strict=True)],
        spacing_mm=(pixel, pixel),
        positions_mm=np.arange(len(cine)) * step,
        thickness_mm=step,
        rr_s=float(np.median(rr)) / 1e3,
        masks=masks,
        labelled=labelled,
        record_id=path.stem,
        metadata={"path": str(path), "phase_from": "trigger times"},
    )


def _patient(root: Path, study: str) -> tuple[Patient, str | None]:
    """Age, sex and group from ``scd_patientdata.csv`` where it is there."""
    table = root / "scd_patientdata.csv"
    if not table.is_file():
        return Patient(id=study), None
    with reading(table, "CSV"):
        for row in csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()):
            if row["PatientID"] == study:
                patient = Patient(id=study, age=parse_age(row["Age"]), sex=parse_sex(row["Gender"]))
                return patient, _GROUPS.get(row["Pathology"], row["Pathology"].lower())
    return Patient(id=study), None


@dataclass(frozen=True, eq=False)
class TwoFrames:
    """A study's pictures at end-diastole and end-systole.

    Attributes:
        record_id: name of the study.
        group: "normal", "LVH", "DCM" or "MI".
        frames: (2, row, col) uint8 of the middle labelled slice, end-diastole first.
        cavity: (2, row, col) bool, its labels.
        ef: ejection fraction 0..1 of the cavity's areas summed over the slices.
    """

    record_id: str
    group: str
    frames: np.ndarray
    cavity: np.ndarray
    ef: float


def read_two_frames(root: str | Path) -> list[TwoFrames]:
    """The pictures of ``edes_png`` (end-diastole and end-systole of every study, with labels of the cavity).

    Raises:
        InputError: none there; a picture is broken, or a study lacks end-diastole, end-systole or labels.
    """
    folder = Path(root)
    folder = folder / "edes_png" if (folder / "edes_png").is_dir() else folder
    studies: dict[str, list[tuple[int, int, Path]]] = defaultdict(list)
    groups = {}
    for file in sorted(folder.rglob("*.png")):
        found = _PICTURE.search(file.name)
        if found and "Images" in file.parts:
            number = int(found[3]) - 1
            studies[found[1]].append((number // _PHASES, number % _PHASES, file))
            groups[found[1]] = _GROUP_OF[found[2]]
    if not studies:
        raise InputError(f"{folder}: no pictures of end-diastole and end-systole; accepted: Sunnybrook with edes_png")
    return [_two_frames(name, groups[name], found) for name, found in sorted(studies.items())]


def _two_frames(name: str, group: str, files: list[tuple[int, int, Path]]) -> TwoFrames:
    by_slice: dict[int, dict[int, Path]] = defaultdict(dict)
    for place, phase, file in files:
        by_slice[place][phase] = file
    phases = sorted({phase for _, phase, _ in files})
    slices = sorted(place for place, found in by_slice.items() if len(found) == 2)
    if len(phases) != 2 or not slices:
        raise InputError(f"{files[0][2].parent}: {name} has phases {phases}; accepted: end-diastole and end-systole")
    labels = {phase: [_picture(_label_of(by_slice[s][phase])) > 127 for s in slices] for phase in phases}
    areas = {phase: sum(int(label.sum()) for label in labels[phase]) for phase in phases}
    first, last = sorted(phases, key=lambda phase: -areas[phase])
    if not areas[last]:
        raise InputError(f"{files[0][2].parent}: {name} has no labels at end-systole; accepted: labels of the cavity")
    middle = len(slices) // 2
    pair = (first, last)
    frames = np.stack([_picture(by_slice[slices[middle]][phase]) for phase in pair])
    cavity = np.stack([labels[phase][middle] for phase in pair])
    return TwoFrames(name, group, frames, cavity, 1.0 - areas[last] / areas[first])


def _label_of(file: Path) -> Path:
    parts = ["Labels" if part == "Images" else part for part in file.parts]
    return Path(*parts)


def _picture(file: Path) -> np.ndarray:
    """(row, col) uint8."""
    image_module = library("PIL.Image", "cmr")
    with reading(file, "PNG"), image_module.open(file) as picture:
        return np.asarray(picture.convert("L"))
