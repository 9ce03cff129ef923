"""Cine records as DICOM: a ZIP of single-frame MR images with positions, trigger times and heart rate.

The record knows no orientation in the patient, so a nominal short axis is written. What software made says so in
SyntheticData, ImageType, PatientName and SeriesDescription. The same record gives the same bytes: UIDs are hashes of
its content, and there are no dates.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gen.cine import CineRecord
from gen.io.common import library
from gen.records import InputError

#: Directions to the right and down in the image of a nominal short axis, in DICOM's axes (left, back, head): the heart
#: is seen from its apex, the right ventricle to the left, the front of the chest at the top.
ROW = np.array([0.660115, 0.751165, 0.0])
COLUMN = np.array([-0.360127, 0.316475, -0.877583])
#: Not our bare name: converters tell makers by their first two letters, and read "ph" as Philips, whose trigger times
#: they take for volumes of their own (dcm2niix then writes every frame as a file).
MANUFACTURER = "Software physiogen"
#: Lowest number of a series that is not the images themselves.
DERIVED_SERIES = 100
_LEVELS = 4095


def write_dicom_zip(record: CineRecord, path: Path) -> None:
    """Write all frames of all slices as ``slice_SS_frame_FF.dcm`` in a ZIP, one series, slice by slice.

    Raises:
        InputError: the heartbeat's length is unknown, so that there are no trigger times to write.
    """
    library("pydicom", "dicom")
    check_beat(record, path)
    study = study_of(record)
    every = ((s, f) for s in range(record.num_slices) for f in range(record.num_frames))
    names = ((f"slice_{s + 1:02d}_frame_{f + 1:02d}.dcm", image(record, s, f, study)) for s, f in every)
    write_members(path, names)


def check_beat(record: CineRecord, path: Path) -> None:
    """Raise `InputError` where the heartbeat's length is unknown."""
    if record.rr_s is None or record.phase is None:
        raise InputError(f"{path}: RR of {record.record_id} is unknown; accepted for DICOM: cines with RR")


def write_members(path: Path, members: Iterable[tuple[str, Any]]) -> None:
    """A ZIP of named DICOM datasets; the same datasets give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for name, data in members:
            buffer = io.BytesIO()
            data.save_as(buffer, enforce_file_format=True)
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, buffer.getvalue())


def study_of(record: CineRecord) -> str:
    """What the UIDs of a record are hashed from."""
    return hashlib.sha256(record.frames.tobytes() + record.record_id.encode()).hexdigest()


def uid_of(study: str, *parts: str) -> str:
    """The UID of a part of a study."""
    return str(library("pydicom.uid", "dicom").generate_uid(entropy_srcs=[study, *parts]))


def image(record: CineRecord, s: int, f: int, study: str) -> Any:
    """The MR image of a slice at a frame as a pydicom dataset; `study_of` gives ``study``."""
    pydicom = library("pydicom", "dicom")
    assert record.rr_s is not None
    assert record.phase is not None
    assert record.slice_positions_mm is not None
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = pydicom.uid.MRImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = uid_of(study, str(s), str(f))
    data.StudyInstanceUID = uid_of(study)
    data.SeriesInstanceUID = uid_of(study, "cine")
    data.FrameOfReferenceUID = uid_of(study, "frame of reference")
    data.Modality = "MR"
    data.ImageType = ["DERIVED", "SECONDARY", "OTHER", *(["SYNTHETIC"] if record.synthetic else [])]
    _required(data, record)
    data.PatientName = "SYNTHETIC^NO PATIENT" if record.synthetic else ""
    data.PatientID = (record.patient.id or record.record_id)[:64]
    data.PatientSex = record.patient.sex or ""
    if record.patient.age is not None:
        data.PatientAge = f"{min(round(record.patient.age), 999):03d}Y"
    data.SeriesDescription = described(record, "cine short axis")
    data.SeriesNumber, data.InstanceNumber = 1, s * record.num_frames + f + 1
    data.TemporalPositionIdentifier, data.NumberOfTemporalPositions = f + 1, record.num_frames
    position = record.slice_positions_mm[s] * np.cross(COLUMN, ROW)  # from base to apex
    data.ImagePositionPatient = [round(float(v), 4) for v in position]
    data.ImageOrientationPatient = [float(v) for v in (*ROW, *COLUMN)]
    data.PixelSpacing = [float(v) for v in record.spacing_mm]
    if record.slice_thickness_mm is not None:
        data.SliceThickness = float(record.slice_thickness_mm)
    if record.num_slices > 1 and record.slice_step_mm is not None:
        data.SpacingBetweenSlices = round(record.slice_step_mm, 4)
    data.TriggerTime = round(float(record.phase[f] * record.rr_s * 1e3), 4)
    data.NominalInterval = round(record.rr_s * 1e3)
    data.HeartRate = round(60.0 / record.rr_s)
    data.CardiacNumberOfImages = record.num_frames
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.Rows, data.Columns = record.frames.shape[2:]
    data.WindowCenter, data.WindowWidth = _LEVELS // 2, _LEVELS
    data.PixelData = np.rint(np.clip(record.frames[s, f], 0, 1) * _LEVELS).astype("<u2").tobytes()
    return data


def described(record: CineRecord, what: str) -> str:
    """The description of a series."""
    return f"SYNTHETIC - {what}" if record.synthetic else what


def _required(data: Any, record: CineRecord) -> None:
    """What the MR Image IOD asks for (PS3.3 A.4): values where the record has one, empty where it does not.

    A steady-state gradient echo with retrospective gating is what cines are taken with; the repetition time is that of
    the frames, as scanners write it for cines and converters read it.
    """
    assert record.rr_s is not None
    if record.synthetic:
        data.SyntheticData = "YES"
    data.Manufacturer = MANUFACTURER
    data.ScanningSequence, data.SequenceVariant = "GR", "SS"
    data.ScanOptions, data.MRAcquisitionType = "CG", "2D"
    data.PatientPosition, data.BodyPartExamined = "HFS", "HEART"
    data.RepetitionTime = round(1e3 * record.rr_s / record.num_frames, 4)
    empty = ("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "PatientBirthDate")
    for name in (*empty, "PositionReferenceIndicator", "EchoTime", "EchoTrainLength"):
        setattr(data, name, None if name.startswith("Echo") else "")
