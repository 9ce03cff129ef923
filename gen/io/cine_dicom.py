"""Cine records as DICOM: a ZIP of single-frame MR images with positions, trigger times and heart rate.

The record knows no orientation in the patient, so a nominal short axis is written. What software made says so in
ImageType, PatientName and SeriesDescription. The same record gives the same bytes: UIDs are hashes of its content.
"""

import hashlib
import io
import zipfile
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
_LEVELS = 4095


def write_dicom_zip(record: CineRecord, path: Path) -> None:
    """Write all frames of all slices as ``slice_SS_frame_FF.dcm`` in a ZIP.

    Raises:
        InputError: the heartbeat's length is unknown, so that there are no trigger times to write.
    """
    pydicom = library("pydicom", "dicom")
    if record.rr_s is None or record.phase is None:
        raise InputError(f"{path}: RR of {record.record_id} is unknown; accepted for DICOM: cines with RR")
    study = hashlib.sha256(record.frames.tobytes() + record.record_id.encode()).hexdigest()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for s in range(record.num_slices):
            for f in range(record.num_frames):
                data = _dataset(pydicom, record, s, f, study)
                buffer = io.BytesIO()
                data.save_as(buffer, enforce_file_format=True)
                member = zipfile.ZipInfo(f"slice_{s + 1:02d}_frame_{f + 1:02d}.dcm", date_time=(1980, 1, 1, 0, 0, 0))
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, buffer.getvalue())


def _dataset(pydicom: Any, record: CineRecord, s: int, f: int, study: str) -> Any:
    assert record.rr_s is not None
    assert record.phase is not None
    assert record.slice_positions_mm is not None
    uid = pydicom.uid.generate_uid
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = pydicom.uid.MRImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = uid(entropy_srcs=[study, str(s), str(f)])
    data.StudyInstanceUID = uid(entropy_srcs=[study])
    data.SeriesInstanceUID = uid(entropy_srcs=[study, str(s)])
    data.FrameOfReferenceUID = uid(entropy_srcs=[study, "frame of reference"])
    data.Modality = "MR"
    data.ImageType = ["DERIVED", "SECONDARY", "SYNTHETIC" if record.synthetic else "OTHER"]
    _required(data, record)
    data.PatientName = "SYNTHETIC^NO PATIENT" if record.synthetic else ""
    data.PatientID = (record.patient.id or record.record_id)[:64]
    data.PatientSex = record.patient.sex or ""
    if record.patient.age is not None:
        data.PatientAge = f"{min(round(record.patient.age), 999):03d}Y"
    notice = "SYNTHETIC - " if record.synthetic else ""
    data.SeriesDescription = f"{notice}cine short axis slice {s + 1}"
    data.SeriesNumber, data.InstanceNumber = s + 1, f + 1
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


def _required(data: Any, record: CineRecord) -> None:
    """What the MR Image IOD asks for (PS3.3 A.4): values where the record has one, empty where it does not.

    A steady-state gradient echo with retrospective gating is what cines are taken with; the repetition time is that of
    the frames, as scanners write it for cines and converters read it.
    """
    assert record.rr_s is not None
    if record.synthetic:
        data.SyntheticData = "YES"
    data.Manufacturer = "physiogen"
    data.ScanningSequence, data.SequenceVariant = "GR", "SS"
    data.ScanOptions, data.MRAcquisitionType = "CG", "2D"
    data.PatientPosition, data.BodyPartExamined = "HFS", "HEART"
    data.RepetitionTime = round(1e3 * record.rr_s / record.num_frames, 4)
    empty = ("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "PatientBirthDate")
    for name in (*empty, "PositionReferenceIndicator", "EchoTime", "EchoTrainLength"):
        setattr(data, name, None if name.startswith("Echo") else "")
