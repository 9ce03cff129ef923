"""Cine records as files: NIfTI (4-D, spacing and time in the header), NPZ without pickle, GIF and MP4, DICOM with SEG.

NIfTI and NPZ keep every fact and are read back; GIF and MP4 are for looking, DICOM is for other people's viewers. What
software made says so in each of them.
"""

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gen.cine import LABELS, CineRecord
from gen.files import atomic_files
from gen.io.cine_dicom import write_dicom_zip
from gen.io.cine_pictures import SYNTHETIC, check_ffmpeg, write_gif, write_mp4
from gen.io.cine_segmentation import write_segmentation_zip
from gen.io.common import dump_json, library, quiet, reading
from gen.io.nifti import load_cine
from gen.records import InputError, Patient

#: Format -> ending of its file.
ENDINGS = {
    "nifti": ".nii.gz",
    "gif": ".gif",
    "mp4": ".mp4",
    "npz": ".npz",
    "dicom": ".dicom.zip",
    "seg": ".seg.zip",
}
#: Those that are read back.
_READ = ("nifti", "npz")
#: Library and extra that writing a format needs.
_NEEDS = {
    "nifti": ("nibabel", "cmr"),
    "gif": ("PIL", "cmr"),
    "mp4": ("PIL", "cmr"),
    "dicom": ("pydicom", "dicom"),
    "seg": ("highdicom", "seg"),
}
_ARRAYS = ("slice_positions_mm", "phase", "lv_volume_ml", "rv_volume_ml")


def format_of(path: Path) -> str:
    """Format by a file's ending.

    Raises:
        InputError: no known ending.
    """
    for name, ending in {**ENDINGS, "nifti ": ".nii"}.items():
        if path.name.lower().endswith(ending):
            return name.strip()
    raise InputError(f"{path}: unknown cine format; accepted: {', '.join([*ENDINGS.values(), '.nii'])}")


def check_formats(names: Sequence[str]) -> None:
    """Tell before the work what these formats need and this computer lacks.

    Raises:
        InputError: an unknown format, or a library or program that is not installed.
    """
    for name in names:
        if name not in ENDINGS:
            raise InputError(f"unknown format {name}; accepted: {', '.join(ENDINGS)}")
        if name in _NEEDS:
            library(*_NEEDS[name])
        if name == "mp4":
            check_ffmpeg()


def formats_of(text: str, option: str) -> tuple[str, ...]:
    """Formats that an option names by comma, each once.

    Raises:
        InputError: none is named, or see `check_formats`; the line begins with the option.
    """
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    if not names:
        raise InputError(f"{option}: names no format; accepted: {', '.join(ENDINGS)}, several with commas")
    try:
        check_formats(names)
    except InputError as error:
        raise InputError(f"{option} {text}: {error}") from error
    return names


def write_cine(record: CineRecord, path: str | Path, *, format: str | None = None, overwrite: bool = False) -> Path:
    """Write one cine, whole or not at all; the same record gives the same bytes.

    NIfTI writes masks beside it as ``NAME_gt.nii.gz``.

    Args:
        record: what to write.
        path: file; its ending names the format unless ``format`` does, and then the ending is added where it lacks.
        format: ``"nifti"``, ``"gif"``, ``"mp4"``, ``"npz"``, ``"dicom"`` (a ZIP of single-frame MR images) or ``"seg"``
            (a ZIP of DICOM segmentations that point at those images).
        overwrite: replace a file that exists.

    Returns:
        The file written.

    Raises:
        InputError: unknown format, the file exists, or it cannot be written.
    """
    path = Path(path)
    if format is not None and format not in ENDINGS:
        raise InputError(f"{path}: format {format!r} is unknown; accepted: {', '.join(ENDINGS)}")
    if format is not None and not path.name.lower().endswith(ENDINGS[format]):
        path = path.with_name(path.name + ENDINGS[format])
    kind = format or format_of(path)
    writers: dict[str, Callable[[CineRecord, Path], None]] = {
        "nifti": _write_nifti,
        "gif": write_gif,
        "mp4": write_mp4,
        "npz": _write_npz,
        "dicom": write_dicom_zip,
        "seg": write_segmentation_zip,
    }
    with atomic_files(path, overwrite=overwrite) as temporary:
        writers[kind](record, temporary)
    return path


def read_cine(path: str | Path) -> CineRecord:
    """A cine from NIfTI or NPZ: ours with all facts, a foreign 4-D NIfTI with spacing and frame time.

    A foreign NIfTI is taken as it is stored: no cropping, no scaling beyond 0..1; see `gen.datasets.cine` for that.

    Raises:
        InputError: missing, broken or not a cine.
    """
    path = Path(path)
    kind = format_of(path)
    if kind not in _READ:
        raise InputError(f"{path}: not read here; accepted: NIfTI, NPZ (gen.datasets.cine reads DICOM folders)")
    return _read_nifti(path) if kind == "nifti" else _read_npz(path)


def _facts(record: CineRecord) -> dict[str, Any]:
    patient = record.patient
    facts: dict[str, Any] = {
        "kind": "cine",
        "record_id": record.record_id,
        "synthetic": record.synthetic,
        "notice": SYNTHETIC if record.synthetic else None,
        "spacing_mm": list(record.spacing_mm),
        "rr_s": record.rr_s,
        "slice_thickness_mm": record.slice_thickness_mm,
        "lv_mass_g": record.lv_mass_g,
        "labels": LABELS,
        "patient": {k: getattr(patient, k) for k in ("id", "age", "sex", "height_cm", "weight_kg")},
        "metadata": dict(record.metadata),
    }
    for name in _ARRAYS:
        value = getattr(record, name)
        facts[name] = None if value is None else [float(v) for v in value]
    return facts


def _record(frames: np.ndarray, masks: np.ndarray | None, facts: dict[str, Any]) -> CineRecord:
    known = ("record_id", "synthetic", "rr_s", "slice_thickness_mm", "lv_mass_g", "metadata")
    fields: dict[str, Any] = {name: facts[name] for name in known if name in facts}
    fields |= {name: None if facts.get(name) is None else np.array(facts[name]) for name in _ARRAYS}
    return CineRecord(
        frames=frames,
        masks=masks,
        spacing_mm=(facts["spacing_mm"][0], facts["spacing_mm"][1]),
        patient=Patient(**facts.get("patient", {})),
        **fields,
    )


def _write_npz(record: CineRecord, path: Path) -> None:
    arrays = {"frames": record.frames, "facts": np.array(dump_json(_facts(record)))}
    if record.masks is not None:
        arrays["masks"] = record.masks
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, buffer.getvalue())


def _read_npz(path: Path) -> CineRecord:
    with reading(path, "NPZ"), np.load(path, allow_pickle=False) as archive:
        if "frames" not in archive.files or "facts" not in archive.files:
            raise InputError(f"{path}: no cine of physiogen (it lacks frames or facts)")
        facts = json.loads(str(archive["facts"]))
        return _record(archive["frames"], archive["masks"] if "masks" in archive.files else None, facts)


def _write_nifti(record: CineRecord, path: Path) -> None:
    path.write_bytes(_nifti_bytes(record, record.frames, path.name))
    if record.masks is not None:
        stem = path.name.removesuffix(".gz").removesuffix(".nii")
        ending = path.name[len(stem) :]
        path.with_name(f"{stem}_gt{ending}").write_bytes(_nifti_bytes(record, record.masks, path.name))


def _nifti_bytes(record: CineRecord, array: np.ndarray, name: str) -> bytes:
    """(slice, frame, row, col) as a NIfTI-1 volume (col, row, slice, frame); gzipped where the name says so.

    The record knows no orientation in the patient: the axes are marked as those of an image seen from the feet.
    """
    nib = library("nibabel", "cmr")
    row, col = record.spacing_mm
    step = record.slice_step_mm or 1.0
    image = nib.Nifti1Image(np.ascontiguousarray(array.transpose(3, 2, 0, 1)), np.diag([-col, -row, step, 1.0]))
    header = image.header
    header.set_xyzt_units("mm", "sec")
    frame_s = record.rr_s / record.num_frames if record.rr_s is not None else 0.0
    header["pixdim"][1:5] = col, row, step, frame_s
    header["descrip"] = (SYNTHETIC if record.synthetic else "physiogen cine").encode()[:79]
    text = dump_json(_facts(record)).encode()
    header.extensions.append(nib.nifti1.Nifti1Extension("comment", text))
    data = image.to_bytes()
    return gzip.compress(data, compresslevel=4, mtime=0) if name.endswith(".gz") else data


def _read_nifti(path: Path) -> CineRecord:
    nib = library("nibabel", "cmr")
    with reading(path, "NIfTI"), quiet("nibabel.global"):
        facts = next((f for f in map(_extension, nib.load(path).header.extensions) if f), None)
    data, zooms, missing = load_cine(path)
    if data.shape[3] < 2 <= data.shape[2] and facts is None:
        data = data.transpose(0, 1, 3, 2)  # three axes: one slice over time
        missing = None if missing is None else missing.transpose(0, 1, 3, 2)
    if data.shape[3] < 2:
        raise InputError(f"{path}: shape {data.shape}; accepted: a cine (col, row, slice, frame)")
    frames = data.astype(np.float32).transpose(2, 3, 1, 0)
    missing = None if missing is None else missing.transpose(2, 3, 1, 0)
    companion = path.with_name(path.name.replace(".nii", "_gt.nii"))
    masks = None
    if facts is not None:
        if companion.is_file():
            with reading(companion, "NIfTI"):
                masks = np.asarray(nib.load(companion).dataobj, dtype=np.uint8).transpose(2, 3, 1, 0)
        with reading(path, "NIfTI"):
            return replace(_record(frames, masks, facts), missing=missing)
    from gen.cine import robust_scale

    if min(zooms[:3]) <= 0:
        raise InputError(f"{path}: pixel size {zooms[:3]} mm; accepted: above 0")
    rr = zooms[3] * frames.shape[1]
    metadata: dict[str, Any] = {"path": str(path), "order": "as stored"}
    if missing is not None:
        metadata["filled_voxels"] = int(missing.sum())
    scaled = frames if _is_scaled(frames) else robust_scale(frames if missing is None else _holed(frames, missing))
    return CineRecord(
        frames=scaled,
        spacing_mm=(zooms[1], zooms[0]),
        rr_s=rr if 0.3 <= rr <= 2.5 else None,  # many converters leave 1 s, which is no heartbeat
        record_id=path.name.split(".")[0],
        slice_thickness_mm=zooms[2],
        slice_positions_mm=np.arange(len(frames)) * zooms[2],
        missing=missing,
        metadata=metadata,
    )


def _holed(frames: np.ndarray, missing: np.ndarray) -> np.ndarray:
    return np.where(missing, np.float32(np.nan), frames)


def _is_scaled(frames: np.ndarray) -> bool:
    """Whether grey values are the share of a scale already: within 0..1, and using it."""
    low, high = float(frames.min()), float(frames.max())
    return 0 <= low < 0.1 and 0.9 < high <= 1


def _extension(extension: Any) -> dict[str, Any] | None:
    content = extension.get_content()
    try:
        facts = json.loads(content if isinstance(content, str) else bytes(content).rstrip(b"\0").decode())
    except (ValueError, UnicodeDecodeError):
        return None
    return facts if isinstance(facts, dict) and facts.get("kind") == "cine" else None
