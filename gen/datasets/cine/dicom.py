"""Cine short-axis series from DICOM: slices ordered by position, phases by trigger time, anything else refused.

Slice order comes from ImagePositionPatient along the slice normal, never from SliceLocation, InstanceNumber or file
names, which count differently on every scanner.
"""

import io
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gen.datasets.cine.standard import RawCine
from gen.files import one_line
from gen.io.common import body_height_cm, library, parse_age, parse_sex
from gen.records import InputError, Patient

#: Fewer phases of a slice are no cine.
LEAST_FRAMES = 8
#: Direction from base to apex in a usual chest (left, front, feet), in DICOM's axes (left, back, head).
_TO_APEX = np.array([0.66, -0.58, -0.48]) / np.linalg.norm([0.66, -0.58, -0.48])
#: Cosine to it below which a plane is no short axis: hearts lie within 40 degrees, long axes are at right angles.
_SHORT_AXIS_COSINE = 0.72
_SAME_PLANE_MM = 0.5
#: First bytes of the files that macOS puts beside others.
_APPLE_DOUBLE = b"\0\5\x16\7"


@dataclass(frozen=True, eq=False)
class _Image:
    name: str
    pixels: np.ndarray
    position: np.ndarray
    orientation: np.ndarray
    spacing: tuple[float, float]
    trigger_ms: float | None
    instance: int
    series: str
    uid: str
    acquisition: int
    picture: str
    series_order: tuple[int, str]
    interval_ms: float | None
    planned: int | None
    thickness: float | None
    patient: Patient


def read_dicom_folder(folder: Path, *, record_id: str | None = None) -> RawCine:
    """A short-axis cine from a folder of DICOM files (any names; searched below it too).

    Raises:
        InputError: a file is broken (named), or the images are no cine short axis.
    """
    files = [f for f in sorted(folder.rglob("*")) if f.is_file() and f.suffix.lower() in (".dcm", ".ima", "")]
    files = [f for f in files if not f.name.startswith(".") and f.name.upper() != "DICOMDIR"]
    if not files:
        raise InputError(f"{folder}: no DICOM files; accepted: a cine short-axis series (.dcm)")
    return assemble((((str(f)), f.read_bytes()) for f in files), str(folder), record_id=record_id or folder.name)


def assemble(files: Iterable[tuple[str, bytes]], where: str, *, record_id: str) -> RawCine:
    """A short-axis cine from DICOM files in memory.

    A slice acquired twice counts once: the last series, or the last acquisition of a series, wins; of magnitude and
    phase pictures the magnitude counts. A frame that is missing is the one before it. What is no MR image with a
    place in the patient (a directory, a report, a localiser without position) is passed over and named in the
    metadata as ``passed_over``.

    Args:
        files: (name for messages, content).
        where: folder or archive, for messages.
        record_id: of the result.

    Raises:
        InputError: a file is broken (named), or the images are no cine short axis.
    """
    images: list[_Image] = []
    passed: list[str] = []
    for name, content in files:
        found = _read(name, content)
        if isinstance(found, _Image):
            images.append(found)
        else:
            passed.append(found)
    if not images:
        raise InputError(passed[0] if passed else f"{where}: no images; accepted: a cine short-axis series")
    if passed:
        warnings.warn(
            f"{where}: {len(passed)} files are no MR images, passed over (the first: {passed[0]})", stacklevel=3
        )
    images = _pictures(images)
    normal = _normal(images, where)
    shapes = {i.pixels.shape for i in images}
    spacings = {(round(i.spacing[0], 3), round(i.spacing[1], 3)) for i in images}
    if len(shapes) > 1 or len(spacings) > 1:
        raise InputError(f"{where}: images of several sizes {sorted(shapes)} or spacings; accepted: one series")
    planes = _planes(images, normal)
    slices, phases, intervals = [], [], []
    for position, group in planes:
        frames, phase, interval = _order(group, where, position)
        slices.append(frames)
        phases.append(phase)
        intervals.append(interval)
    known = [i for i in intervals if i is not None]
    positions = np.array([position for position, _ in planes])
    first = images[0]
    return RawCine(
        slices=slices,
        phases=phases,
        spacing_mm=first.spacing,
        positions_mm=positions - positions[0],
        thickness_mm=first.thickness,
        rr_s=float(np.median(known)) / 1e3 if known else None,
        record_id=record_id,
        patient=first.patient,
        metadata={
            "path": where,
            "phase_from": "trigger times" if known else "order of frames",
            **({"passed_over": passed} if passed else {}),
        },
    )


def _read(name: str, content: bytes) -> _Image | str:
    """The image, or a line that says why a file is none."""
    library("pydicom", "dicom")
    from pydicom.config import disable_value_validation

    with disable_value_validation():  # old exports carry UIDs that break the letter of the standard
        return _parse(name, content)


def _parse(name: str, content: bytes) -> _Image | str:
    pydicom = library("pydicom", "dicom")
    try:
        data = pydicom.dcmread(io.BytesIO(content))
    except pydicom.errors.InvalidDicomError:
        if not name.lower().endswith((".dcm", ".ima")) or content[:4] == _APPLE_DOUBLE:
            return f"{name}: no DICOM file; accepted: MR images"
        raise InputError(f"{name}: not a readable DICOM image (no DICOM header)") from None
    except Exception as error:
        raise InputError(f"{name}: not a readable DICOM image ({one_line(error)})") from error
    try:
        return _as_image(name, data)
    except InputError:
        raise
    except Exception as error:  # values are decoded when they are asked for
        raise InputError(f"{name}: not a readable DICOM image ({one_line(error)})") from error


def _as_image(name: str, data: Any) -> _Image | str:
    """The image of a parsed file, or in words what else it is."""
    if "PixelData" not in data and ("Rows" not in data or data.get("Modality") != "MR"):
        kind = getattr(data.get("SOPClassUID") or data.file_meta.get("MediaStorageSOPClassUID"), "name", "no image")
        return f"{name}: {kind}; accepted: MR images"
    if data.get("Modality") != "MR":
        return f"{name}: {data.get('Modality', 'no modality')}; accepted: MR images"
    try:
        pixels = data.pixel_array.astype(np.float32)
    except Exception as error:
        raise InputError(f"{name}: not a readable DICOM image ({one_line(error)})") from error
    if pixels.ndim != 2:
        raise InputError(f"{name}: MR of shape {pixels.shape}; accepted: MR images of one frame")
    try:
        position, orientation = _floats(data.ImagePositionPatient), _floats(data.ImageOrientationPatient)
        spacing = _floats(data.PixelSpacing)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{name}: no position, orientation or pixel spacing; accepted: MR images with them") from error
    interval = _number(data, "NominalInterval")
    rate = _number(data, "HeartRate")
    if interval is None and rate:
        interval = 60e3 / rate
    planned = _number(data, "CardiacNumberOfImages")
    return _Image(
        name=name,
        pixels=pixels * (_number(data, "RescaleSlope") or 1.0) + (_number(data, "RescaleIntercept") or 0.0),
        position=position,
        orientation=orientation,
        spacing=(float(spacing[0]), float(spacing[1])),
        trigger_ms=_number(data, "TriggerTime"),
        instance=int(_number(data, "InstanceNumber") or 0),
        series=str(data.get("SeriesInstanceUID", "")),
        uid=str(data.get("SOPInstanceUID", "")),
        acquisition=int(_number(data, "AcquisitionNumber") or 0),
        picture=_picture(data),
        series_order=(int(_number(data, "SeriesNumber") or 0), str(data.get("SeriesTime", ""))),
        interval_ms=interval,
        planned=int(planned) if planned else None,
        thickness=_number(data, "SliceThickness"),
        patient=_patient(data),
    )


def _picture(data: Any) -> str:
    """What the grey means: 'M' magnitude, 'P' phase, 'R', 'I' real and imaginary part; 'M' where not said."""
    stated = str(data.get("ComplexImageComponent", "")).upper()
    if stated in ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY"):
        return stated[0]
    words = [str(word).upper() for word in data.get("ImageType") or []]
    kinds = {"M": "M", "P": "P", "R": "R", "I": "I", "MAGNITUDE": "M", "PHASE": "P", "PHASE MAP": "P", "VELOCITY": "P"}
    kinds |= {"REAL": "R", "IMAGINARY": "I", "M_FFE": "M", "M_PCA": "M", "PHASE CONTRAST M": "M"}
    return next((kinds[word] for word in words[2:] if word in kinds), "M")


def _pictures(images: list[_Image]) -> list[_Image]:
    """The magnitude pictures where there are any; images stored twice under one identifier once."""
    kinds = {image.picture for image in images}
    kept = [image for image in images if image.picture == "M"] if "M" in kinds else images
    return list({image.uid or image.name: image for image in kept}.values())


def _floats(values: Any) -> np.ndarray:
    array = np.array([float(v) for v in values])
    if not np.isfinite(array).all():
        raise ValueError("not finite")
    return array


def _number(data: Any, name: str) -> float | None:
    try:
        value = float(data.get(name))
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _patient(data: Any) -> Patient:
    return Patient(
        id=str(data.get("PatientID") or "") or None,
        age=parse_age(data.get("PatientAge") or None),
        sex=parse_sex(data.get("PatientSex") or None),
        height_cm=body_height_cm(_number(data, "PatientSize")),
        weight_kg=_number(data, "PatientWeight"),
    )


def _normal(images: Sequence[_Image], where: str) -> np.ndarray:
    """Unit normal of the stack, pointing from base to apex."""
    normals = np.array([np.cross(i.orientation[:3], i.orientation[3:]) for i in images])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    same = normals @ normals[0]
    if np.abs(same).min() < 0.999:
        other = images[int(np.abs(same).argmin())]
        raise InputError(f"{where}: not cine short axis: {other.name} lies in another plane; accepted: parallel slices")
    cosine = float(normals[0] @ _TO_APEX)
    if abs(cosine) < _SHORT_AXIS_COSINE:
        angle = np.degrees(np.arccos(min(abs(cosine), 1.0)))
        raise InputError(f"{where}: not cine short axis: its planes are {angle:.0f} degrees from a usual short axis")
    return normals[0] * np.sign(cosine)


def _planes(images: Sequence[_Image], normal: np.ndarray) -> list[tuple[float, list[_Image]]]:
    """Images by place along the normal, base first; of a slice acquired twice only the last series."""
    along = np.array([float(i.position @ normal) for i in images])
    order = np.argsort(along, kind="stable")
    groups: list[tuple[float, list[_Image]]] = []
    for k in order:
        if groups and along[k] - groups[-1][0] < _SAME_PLANE_MM:
            groups[-1][1].append(images[k])
        else:
            groups.append((float(along[k]), [images[k]]))
    out = []
    for position, group in groups:
        by_series: dict[str, list[_Image]] = defaultdict(list)
        for image in group:
            by_series[image.series].append(image)
        full = [g for g in by_series.values() if len(g) >= LEAST_FRAMES] or list(by_series.values())
        out.append((position, _last_acquisition(max(full, key=lambda g: (g[0].series_order, g[0].series)))))
    return out


def _last_acquisition(group: list[_Image]) -> list[_Image]:
    """One heartbeat of a slice that a series holds more than once: its last complete acquisition.

    Acquisitions are told apart by their number; without one, by times that come again: of each the later image counts.
    """
    by_number: dict[int, list[_Image]] = defaultdict(list)
    for image in group:
        by_number[image.acquisition].append(image)
    full = {number: images for number, images in by_number.items() if len(images) >= LEAST_FRAMES}
    if full and len(by_number) > 1:
        # A scanner that counts every frame as an acquisition leaves one image each, which is no repetition.
        group = full[max(full)]
    times = [image.trigger_ms for image in group]
    if None in times or len(set(times)) == len(times) or len(set(times)) < LEAST_FRAMES:
        return group
    latest: dict[float | None, _Image] = {}
    for image in sorted(group, key=lambda one: one.instance):
        latest[image.trigger_ms] = image
    return list(latest.values())


def _order(group: list[_Image], where: str, position: float) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Frames of one slice by trigger time, their phases, and RR in ms."""
    if len(group) < LEAST_FRAMES:
        raise InputError(
            f"{where}: not cine short axis: {len(group)} frames of the slice at {position:.1f} mm "
            f"({group[0].name}); accepted: at least {LEAST_FRAMES}"
        )
    triggers = [i.trigger_ms for i in group]
    timed = all(t is not None for t in triggers) and len(set(triggers)) == len(group)
    group = sorted(group, key=(lambda i: i.trigger_ms) if timed else (lambda i: i.instance))  # type: ignore[arg-type, return-value]
    frames = np.stack([i.pixels for i in group])
    interval = group[0].interval_ms
    if not timed:
        count = len(group)
        return frames, np.arange(count) / count, None
    times = np.array([float(i.trigger_ms or 0.0) for i in group])
    step = float(np.median(np.diff(times)))
    planned = group[0].planned
    if planned is not None and len(group) < planned <= 2 * len(group):
        frames, times = _filled(frames, times, step, planned)
    # A nominal interval that the frames do not fit into is a default, not this heartbeat.
    if interval is None or not times[-1] < interval < times[-1] + 3.0 * step:
        interval = times[-1] + step if times[0] < step else times[-1] - times[0] + step
    phase = np.clip(times / interval, 0.0, None)
    if phase[-1] >= 1.0:  # counted from some other event than R: keep the spacing, start where it says
        phase = np.mod(phase, 1.0)
        turn = np.argsort(phase)
        phase, frames = phase[turn], frames[turn]
    return frames, phase, float(interval)


def _filled(frames: np.ndarray, times: np.ndarray, step: float, planned: int) -> tuple[np.ndarray, np.ndarray]:
    """Repeats the frame before each gap until the planned number is there."""
    out, at = [frames[0]], [times[0]]
    for frame, time in zip(frames[1:], times[1:], strict=True):
        while time - at[-1] > 1.5 * step and len(out) < planned - 1:
            out.append(out[-1])
            at.append(at[-1] + step)
        out.append(frame)
        at.append(time)
    return np.stack(out), np.array(at)
