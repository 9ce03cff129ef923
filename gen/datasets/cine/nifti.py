"""Cines stored as NIfTI: ACDC, M&Ms and M&Ms-2 in their published layouts.

These sets hold neither trigger times nor (mostly) a heartbeat's length: frames are taken to fill one beat evenly, and
the labelled end-diastole becomes frame 0, the R peak.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gen.cine import from_acdc_labels
from gen.datasets.cine.standard import RawCine
from gen.io.common import parse_age, parse_sex, reading
from gen.io.nifti import load_cine
from gen.records import InputError, Patient

_GROUPS = {"NOR": "normal", "MINF": "MI", "DCM": "DCM", "HCM": "HCM", "RV": "RV"}


def read_volume(path: Path, dtype: Any = np.float32) -> tuple[np.ndarray, list[float]]:
    """(slice, frame, row, col) and the header's pixdim (col mm, row mm, step mm, frame time); 3-D counts as one frame.

    Raises:
        InputError: missing, broken or of another shape.
    """
    data, pixdim, missing = load_cine(path)
    if missing is not None and np.dtype(dtype).kind in "ui":
        raise InputError(f"{path}: {int(missing.sum())} labels are not finite; accepted: whole numbers")
    if min(pixdim[:3]) <= 0:
        raise InputError(f"{path}: pixel size {pixdim[:3]} mm; accepted: above 0")
    return data.transpose(2, 3, 1, 0).astype(dtype), pixdim


def build(
    path: Path,
    masks: np.ndarray | None,
    labelled: list[int] | None,
    end_diastole: int,
    *,
    record_id: str,
    patient: Patient,
    metadata: Mapping[str, Any],
    apex_first: bool | None = None,
) -> RawCine:
    """A raw cine from a 4-D file; frames are turned so that end-diastole comes first, slices so that the base does.

    Args:
        path: 4-D NIfTI.
        masks: (slice, frame, row, col) with our labels, or None.
        labelled: frames the masks cover; None for all.
        end_diastole: 0-based frame.
        record_id, patient, metadata: of the record.
        apex_first: the stored slice order; None to judge it by the labels, and keep it where there are none.

    Raises:
        InputError: fewer than eight frames, or an end-diastole that is no frame.
    """
    data, pixdim = read_volume(path)
    slices, count = data.shape[:2]
    if count < 8:
        raise InputError(f"{path}: not cine: {count} frames; accepted: at least 8")
    if not 0 <= end_diastole < count:
        raise InputError(f"{path}: end-diastole at frame {end_diastole} of {count}")
    if masks is not None and masks.shape != data.shape:
        raise InputError(f"{path}: labels of shape {masks.shape} for images of shape {data.shape}")
    turn = np.roll(np.arange(count), -end_diastole)
    if apex_first is None:
        apex_first = masks is not None and _starts_at_apex(masks[:, end_diastole])
    across = slice(None, None, -1) if apex_first else slice(None)
    phase = np.arange(count) / count
    rr = pixdim[3] * count
    return RawCine(
        slices=list(data[across][:, turn]),
        phases=[phase] * slices,
        spacing_mm=(pixdim[1], pixdim[0]),
        positions_mm=np.arange(slices) * pixdim[2],
        thickness_mm=pixdim[2],
        rr_s=rr if 0.3 <= rr <= 2.5 else None,
        masks=None if masks is None else list(masks[across][:, turn]),
        labelled=None if labelled is None else [np.mod(np.array(labelled) - end_diastole, count)] * slices,
        record_id=record_id,
        patient=patient,
        metadata={"path": str(path), "phase_from": "labelled end-diastole, even frames", **metadata},
    )


def _starts_at_apex(labels: np.ndarray) -> bool:
    """Whether the first labelled slices hold less of both cavities than the last: a stack from apex to base."""
    area = ((labels == 1) | (labels == 3)).sum(axis=(1, 2)).astype(float)
    used = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    if len(used) < 2:
        return False
    half = len(used) // 2
    return bool(area[used[:half]].sum() < area[used[-half:]].sum())


def acdc_patients(root: Path) -> list[tuple[Path, str]]:
    """(folder, split) of every patient of an ACDC tree; its testing part is our test split."""
    found = []
    for info in sorted(root.rglob("Info.cfg")):
        found.append((info.parent, "test" if "testing" in info.parent.parts else ""))
    return found


def read_acdc(folder: Path) -> RawCine:
    """One patient of ACDC.

    Raises:
        InputError: a file is missing or broken, or Info.cfg lacks ED or ES.
    """
    info = read_info(folder / "Info.cfg")
    name = folder.name
    path = folder / f"{name}_4d.nii.gz"
    if not path.is_file():
        path = folder / f"{name}_4d.nii"
    frames = {key: _frame_number(folder / "Info.cfg", info, key) for key in ("ED", "ES")}
    data, _ = read_volume(path)
    masks, labelled = None, []
    for number in frames.values():
        truth = folder / f"{name}_frame{number + 1:02d}_gt.nii.gz"
        if truth.is_file():
            labels, _ = read_volume(truth, np.uint8)
            if labels.shape[0] != data.shape[0] or labels.shape[2:] != data.shape[2:] or labels.max() > 3:
                raise InputError(f"{truth}: labels do not fit {path.name}")
            masks = np.zeros(data.shape, dtype=np.uint8) if masks is None else masks
            masks[:, number] = from_acdc_labels(labels[:, 0])
            labelled.append(number)
    group = _GROUPS.get(info.get("Group", ""), info.get("Group") or None)
    patient = Patient(id=name, height_cm=_positive(info.get("Height")), weight_kg=_positive(info.get("Weight")))
    facts = {"group": group, "end_diastole": frames["ED"], "end_systole": frames["ES"], "set": "ACDC"}
    return build(path, masks, labelled, frames["ED"], record_id=name, patient=patient, metadata=facts)


def read_info(path: Path) -> dict[str, str]:
    """Lines ``key: value`` of an ACDC ``Info.cfg``."""
    with reading(path, "Info.cfg"):
        lines = path.read_text().splitlines()
    return {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines) if v}


def _frame_number(path: Path, info: Mapping[str, str], key: str) -> int:
    value = info.get(key, "")
    if not value.isdigit() or int(value) < 1:
        raise InputError(f"{path}: {key} is {value or 'missing'}; accepted: a frame number from 1")
    return int(value) - 1


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number > 0 else None


def mnms_table(root: Path) -> Path | None:
    """The table of an M&Ms or M&Ms-2 tree."""
    for pattern in ("*M&Ms_Dataset_information*.csv", "dataset_information.csv", "MnM2/dataset_information.csv"):
        found = sorted(root.glob(pattern))
        if found:
            return found[0]
    return None


def mnms_rows(root: Path) -> list[dict[str, Any]]:
    """Rows of the table that have images: code, files, split and the table's own cells.

    Raises:
        InputError: the table is broken, or has no column with the patients' codes.
    """
    table = mnms_table(root)
    if table is None:
        raise InputError(f"{root}: no M&Ms table; accepted: *M&Ms_Dataset_information*.csv or dataset_information.csv")
    with reading(table, "CSV"):
        rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    key = next((c for c in ("External code", "SUBJECT_CODE") if rows and c in rows[0]), None)
    if key is None:
        raise InputError(f"{table}: no column 'External code' or 'SUBJECT_CODE'")
    found = []
    for row in rows:
        code = row[key].strip()
        if key == "SUBJECT_CODE":
            code = code.zfill(3)
            files = [table.parent / "dataset" / code / f"{code}_SA_CINE.nii.gz"]
        else:
            files = sorted(table.parent.glob(f"*/{code}/{code}_sa.nii.gz"))
            files += sorted(table.parent.glob(f"Training/*/{code}/{code}_sa.nii.gz"))
        parts = {"Training": "train", "Validation": "val", "Testing": "test"}
        for file in (f for f in files if f.is_file()):
            split = next((parts[p] for p in file.relative_to(table.parent).parts if p in parts), "")
            found.append({"code": code, "path": file, "split": split, "row": row})
    return found


def read_mnms(entry: Mapping[str, Any]) -> RawCine:
    """One patient of M&Ms (complete 4-D labels at two frames) or M&Ms-2 (labels in files of their own).

    Raises:
        InputError: a file is missing or broken, or end-diastole is unknown.
    """
    path, row, code = Path(entry["path"]), entry["row"], entry["code"]
    second = path.name.endswith("_SA_CINE.nii.gz")
    data, _ = read_volume(path)
    masks, labelled = np.zeros(data.shape, dtype=np.uint8), []
    if second:
        for phase in ("ED", "ES"):
            truth = path.with_name(f"{code}_SA_{phase}_gt.nii.gz")
            still = path.with_name(f"{code}_SA_{phase}.nii.gz")
            if truth.is_file() and still.is_file():
                picture, _ = read_volume(still)
                # The table has no frame numbers: the still is one of the cine's frames.
                number = int(np.abs(data - picture).mean(axis=(0, 2, 3)).argmin())
                masks[:, number] = read_volume(truth, np.uint8)[0][:, 0]
                labelled.append(number)
        end_diastole = labelled[0] if labelled else 0
    else:
        end_diastole = _table_frame(path, row, "ED")
        truth = path.with_name(f"{code}_sa_gt.nii.gz")
        if truth.is_file():
            masks = read_volume(truth, np.uint8)[0]
            labelled = sorted({end_diastole, _table_frame(path, row, "ES")})
    if masks.max() > 3:
        raise InputError(f"{path}: labels other than 0..3")
    patient = Patient(
        id=code,
        age=parse_age(row.get("Age") or None),
        sex=parse_sex(row.get("Sex") or None),
        height_cm=_positive(row.get("Height")),
        weight_kg=_positive(row.get("Weight")),
    )
    group = (row.get("Pathology") or row.get("DISEASE") or "").strip() or None
    vendor = row.get("VendorName") or row.get("VENDOR")
    facts = {"group": _GROUPS.get(group or "", group), "vendor": vendor, "set": "M&Ms-2" if second else "M&Ms"}
    return build(
        path, masks if labelled else None, labelled, end_diastole, record_id=code, patient=patient, metadata=facts
    )  # fmt: skip


def _table_frame(path: Path, row: Mapping[str, str], key: str) -> int:
    value = _number(row.get(key))
    if value is None:
        raise InputError(f"{path}: the table has no {key} frame for it")
    return value


def _number(value: Any) -> int | None:
    try:
        return int(float(value))
    except (TypeError, ValueError):
        return None
