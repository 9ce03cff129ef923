"""DICOM ECG waveforms (PS3.3 A.34), read and written through pydicom.

Written: 12-lead ECG Waveform Storage (General or Ambulatory ECG beyond its limits), 16-bit samples of 1 uV, channel
sources coded in MDC. ``SyntheticData`` (0008,001C) and the originality DERIVED mark what was generated; the report and
all facts stand as text annotations. The patient's name and birth date are never read into a record.
"""

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gen.files import printable
from gen.io.channels import note_resampled
from gen.io.common import (
    INVALID_INT16,
    Given,
    body_height_cm,
    dump_json,
    facts_of,
    library,
    make_record,
    number_text,
    parse_age,
    parse_sex,
    quiet,
    reading,
    to_int16_microvolt,
)
from gen.io.dicom_groups import merge, read_groups
from gen.io.mdc import CODES
from gen.records import EcgRecord, InputError

_TWELVE_LEAD_ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"
_GENERAL_ECG = "1.2.840.10008.5.1.4.1.1.9.1.2"
_AMBULATORY_ECG = "1.2.840.10008.5.1.4.1.1.9.1.3"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
#: Codes of channel sources -> lead.
_LEAD_OF_CODE = {f"{prefix}{number}": lead for lead, number in CODES.items() for prefix in ("2:", "5.6.3-9-")}
_MARK = "physiogen "
_PIECE = 1000  #: characters per annotation; the standard allows 1024


def read_dicom(path: Path, given: Given) -> EcgRecord:
    """The ECG of a waveform object; see `gen.io.read`."""
    pydicom = library("pydicom", "dicom")
    with reading(path, "DICOM"), quiet("pydicom"):
        # From memory: a file's read(n) reserves n bytes, and a damaged length says gigabytes.
        dataset = pydicom.dcmread(io.BytesIO(path.read_bytes()))
        groups = list(dataset.get("WaveformSequence") or [])
        if not groups:
            kind = getattr(dataset.get("SOPClassUID"), "name", "unknown")
            raise InputError(f"{path}: a DICOM object without waveforms ({printable(kind)}); accepted: ECG waveforms")
        big = str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", "")) == _BIG_ENDIAN
        found = read_groups(path, groups, _LEAD_OF_CODE, given, big)
        signal, fs_hz, chosen, slower = merge(path, found, given)
        facts = _facts(dataset)
        fs_hz = float(facts.pop("fs_hz", fs_hz))
    skipped = tuple(dict.fromkeys(name for group in found for name in group.skipped))
    replace(chosen, skipped=skipped).note(facts.setdefault("metadata", {}))
    note_resampled(facts, slower, fs_hz)
    starts = {group.start_s for group in found}
    if len(starts) > 1:
        facts["metadata"]["group_starts_s"] = sorted(starts)
    signal, leads = chosen.finish(signal)
    return make_record(path, signal, given.rate(path, fs_hz), leads, facts)


def _facts(dataset: Any) -> dict[str, Any]:
    texts = [str(note.get("UnformattedTextValue", "")) for note in dataset.get("WaveformAnnotationSequence") or []]
    pieces = [text[len(_MARK) :].split(" ", 1) for text in texts if text.startswith(_MARK)]
    if pieces:
        pieces.sort(key=lambda piece: int(piece[0].split("/")[0]))
        # A piece may end in a blank, which DICOM's padding rules make unsafe: pieces are closed by a bar.
        return dict(json.loads("".join(piece[1].rstrip()[:-1] for piece in pieces)))
    age = dataset.get("PatientAge")
    patient = {
        "id": str(dataset.get("PatientID") or "") or None,
        "sex": parse_sex(dataset.get("PatientSex")),
        "age": parse_age(age) if age else _age(dataset),
        "height_cm": body_height_cm(dataset.get("PatientSize")),
        "weight_kg": float(dataset.PatientWeight) if dataset.get("PatientWeight") else None,
    }
    report = "\n".join(text.strip() for text in texts if text.strip())
    metadata = {"recorded": str(dataset.AcquisitionDateTime)} if dataset.get("AcquisitionDateTime") else {}
    synthetic = str(dataset.get("SyntheticData", "")) == "YES"
    return {"patient": patient, "report": report or None, "metadata": metadata, "synthetic": synthetic}


def _age(dataset: Any) -> float | None:
    """Whole years from birth date to acquisition; neither date is kept."""
    born = str(dataset.get("PatientBirthDate") or "")
    then = str(dataset.get("AcquisitionDateTime") or dataset.get("StudyDate") or "")
    if len(born) < 8 or len(then) < 8 or not (born[:8] + then[:8]).isdigit():
        return None
    return parse_age((int(then[:8]) - int(born[:8])) // 10000)


def write_dicom(record: EcgRecord, path: Path) -> None:
    """Write a waveform object; the same record gives the same bytes (unique identifiers are derived from it).

    Raises:
        InputError: a sample beyond +-32.767 mV.
    """
    library("pydicom", "dicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    digital = to_int16_microvolt(record, path)
    facts = dump_json({**facts_of(record), "fs_hz": record.fs_hz})
    seeds = [facts, hashlib.sha256(digital.tobytes()).hexdigest()]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = _storage_class(record)
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["instance", *seeds])
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study", *seeds])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", *seeds])
    _describe(dataset, record)
    dataset.WaveformSequence = [_waveform(record, digital)]
    dataset.WaveformAnnotationSequence = _annotations(record, facts)
    dataset.save_as(path, enforce_file_format=True)


def _storage_class(record: EcgRecord) -> str:
    """The first class whose limits the record keeps (PS3.3 A.34.3 to A.34.5).

    12-lead ECG holds 200-1000 Hz, 16,384 samples and 13 channels, General ECG 200-1000 Hz and 24 channels, Ambulatory
    ECG 50-1000 Hz and 12 channels. A rate outside 50-1000 Hz fits none; General ECG is then the least wrong.
    """
    if 200 <= record.fs_hz <= 1000:
        return _TWELVE_LEAD_ECG if record.num_samples <= 16384 and len(record.leads) <= 13 else _GENERAL_ECG
    return _AMBULATORY_ECG if 50 <= record.fs_hz < 200 else _GENERAL_ECG


def _describe(dataset: Any, record: EcgRecord) -> None:
    """Patient, study, series, equipment and identification modules; unknown facts are empty, as the standard asks."""
    patient = record.patient
    if record.synthetic:
        dataset.SyntheticData = "YES"
        dataset.SeriesDescription = "Synthetic ECG"
    dataset.PatientName = ""
    dataset.PatientID = (patient.id or "")[:64]
    dataset.PatientBirthDate = ""
    dataset.PatientSex = patient.sex or ""
    if patient.age is not None:
        dataset.PatientAge = f"{int(patient.age):03d}Y" if patient.age >= 2 else f"{int(patient.age * 12):03d}M"
    if patient.height_cm is not None:
        dataset.PatientSize = f"{patient.height_cm / 100:.4g}"
    if patient.weight_kg is not None:
        dataset.PatientWeight = f"{patient.weight_kg:.6g}"
    for empty in ("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"):
        setattr(dataset, empty, "")
    dataset.Modality = "ECG"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = 1
    dataset.Manufacturer = "physiogen"
    # These three must hold a value; the earliest one says 'unknown' and keeps equal records equal.
    dataset.ContentDate, dataset.ContentTime, dataset.AcquisitionDateTime = "19000101", "000000", "19000101000000"
    dataset.AcquisitionContextSequence = []


def _waveform(record: EcgRecord, digital: np.ndarray) -> Any:
    from pydicom.dataset import Dataset

    group = Dataset()
    group.WaveformOriginality = "DERIVED" if record.synthetic else "ORIGINAL"
    group.NumberOfWaveformChannels = len(record.leads)
    group.NumberOfWaveformSamples = record.num_samples
    group.SamplingFrequency = number_text(record.fs_hz)[:16]
    group.MultiplexGroupLabel = "RHYTHM"
    group.ChannelDefinitionSequence = [_channel(lead) for lead in record.leads]
    group.WaveformBitsAllocated = 16
    group.WaveformSampleInterpretation = "SS"
    group.add_new("WaveformPaddingValue", "OW", np.array(INVALID_INT16, "<i2").tobytes())
    group.add_new("WaveformData", "OW", np.ascontiguousarray(digital.T).tobytes())
    return group


def _channel(lead: str) -> Any:
    from pydicom.dataset import Dataset

    def code(value: str, scheme: str, version: str | None, meaning: str) -> Any:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
        if version:
            item.CodingSchemeVersion = version
        return item

    channel = Dataset()
    channel.ChannelLabel = lead
    channel.ChannelSourceSequence = [code(f"2:{CODES[lead]}", "MDC", None, f"Lead {lead}")]
    channel.ChannelSensitivity = "1"
    channel.ChannelSensitivityUnitsSequence = [code("uV", "UCUM", "1.4", "microvolt")]
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.ChannelSampleSkew = "0"
    channel.WaveformBitsStored = 16
    return channel


def _annotations(record: EcgRecord, facts: str) -> list[Any]:
    from pydicom.dataset import Dataset

    texts = ["Synthetic data, not recorded from a person"] if record.synthetic else []
    texts += [record.report[:1024]] if record.report else []
    pieces = [facts[i : i + _PIECE] for i in range(0, len(facts), _PIECE)]
    texts += [f"{_MARK}{i}/{len(pieces)} {piece}|" for i, piece in enumerate(pieces, 1)]
    notes = []
    for text in texts:
        note = Dataset()
        note.UnformattedTextValue = text
        note.ReferencedWaveformChannels = [1, 0]  # first group, all its channels
        notes.append(note)
    return notes
