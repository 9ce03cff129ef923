"""HL7 FHIR R4: an ECG as `Observation` with a `valueSampledData` for every lead, in a Bundle with whose it is.

    Bundle (collection)
        Patient            code, sex; no name, no birth date
        Device             says physiogen, and synthetic where it is
        Observation        component per lead: MDC code, whole microvolt, period in ms, "E" where nothing was recorded
        DocumentReference  the same recording as a file, where there are such files beside it

Resources of what software made carry the security label HTEST (test health data) and a tag. Observations of others are
read as well: components whose code is a lead's in MDC.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gen.io.channels import choose, note_resampled, on_one_clock
from gen.io.common import Given, dump_json, facts_of, make_record, parse_sex, reading, to_int16_microvolt
from gen.io.mdc import CODES, POTENTIAL, lead_of, reference
from gen.records import EcgRecord, InputError

MDC = "urn:oid:2.16.840.1.113883.6.24"
UCUM = "http://unitsofmeasure.org"
#: Extension that holds every fact as JSON, for our own reader; a URN needs no address.
FACTS = "urn:physiogen:facts"
IDENTIFIER = "urn:physiogen:record"
_TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}
_TAG = {"system": "urn:physiogen:tag", "code": "synthetic", "display": "synthetic, not recorded from a person"}
#: Ending -> kind of file that a DocumentReference may lead to.
ATTACHED = {
    ".hea": ("text/plain", "WFDB header"),
    ".dat": ("application/octet-stream", "WFDB signal"),
    ".edf": ("application/edf", "EDF+"),
    ".dcm": ("application/dicom", "DICOM waveform"),
    ".xml": ("application/xml", "HL7 aECG"),
    ".pdf": ("application/pdf", "PDF with measurements"),
}
_SPECIAL = {"E": np.nan, "U": np.nan, "L": np.nan}  # error, above, below what the device can measure


def write_fhir(record: EcgRecord, path: Path) -> None:
    """Write one Bundle; files of the record's name beside it (see `ATTACHED`) become document references.

    Raises:
        InputError: a sample beyond +-32.767 mV.
    """
    digital = to_int16_microvolt(record, path)
    name = record.record_id
    resources = [_patient(record), _device(record), _observation(record, digital)]
    beside = [file for ending in ATTACHED if (file := path.with_suffix(ending)).is_file()]
    resources += [_document(record, file) for file in beside]
    entries = [{"fullUrl": f"urn:uuid:{_id(name, each)}", "resource": each} for each in resources]
    bundle = {"resourceType": "Bundle", "type": "collection", **_meta(record), "entry": entries}
    path.write_text(json.dumps(bundle, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _id(name: str, resource: Mapping[str, Any]) -> uuid.UUID:
    """A name-based identifier: equal records give equal files."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"urn:physiogen:{name}:{resource['resourceType']}:{resource['id']}")


def _meta(record: EcgRecord) -> dict[str, Any]:
    return {"meta": {"security": [_TEST_DATA], "tag": [_TAG]}} if record.synthetic else {}


def _reference(record: EcgRecord, kind: str, place: str) -> dict[str, str]:
    return {"reference": f"urn:uuid:{_id(record.record_id, {'resourceType': kind, 'id': place})}", "type": kind}


def _identifier(record: EcgRecord) -> list[dict[str, str]]:
    return [{"system": IDENTIFIER, "value": record.record_id}]


def _patient(record: EcgRecord) -> dict[str, Any]:
    out: dict[str, Any] = {"resourceType": "Patient", "id": "patient", **_meta(record)}
    if record.patient.id:
        out["identifier"] = [{"system": "urn:physiogen:patient", "value": record.patient.id}]
    out["gender"] = {"F": "female", "M": "male", None: "unknown"}[record.patient.sex]
    return out


def _device(record: EcgRecord) -> dict[str, Any]:
    name = "physiogen" + (" (synthetic)" if record.synthetic else "")
    return {
        "resourceType": "Device",
        "id": "device",
        **_meta(record),
        "manufacturer": name,
        "deviceName": [{"name": name, "type": "model-name"}],
    }


def _observation(record: EcgRecord, digital: np.ndarray) -> dict[str, Any]:
    missing = np.isnan(record.signal_mv)
    out: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "ecg",
        **_meta(record),
        "extension": [{"url": FACTS, "valueString": dump_json({**facts_of(record), "fs_hz": record.fs_hz})}],
        "identifier": _identifier(record),
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "procedure"}]}
        ],
        "code": {"coding": [{"system": MDC, "code": str(POTENTIAL), "display": "MDC_ECG_ELEC_POTL"}]},
        "subject": _reference(record, "Patient", "patient"),
        "device": _reference(record, "Device", "device"),
        "component": [
            _component(lead, row, holes, record.fs_hz)
            for lead, row, holes in zip(record.leads, digital, missing, strict=True)
        ],
    }
    texts = ["Synthetic data, not recorded from a person."] if record.synthetic else []
    texts += [record.report] if record.report else []
    if texts:
        out["note"] = [{"text": text} for text in texts]
    return out


def _component(lead: str, row: np.ndarray, holes: np.ndarray, fs_hz: float) -> dict[str, Any]:
    words = np.where(holes, "E", row.astype(str)).tolist()
    coding = {"system": MDC, "code": str(POTENTIAL + CODES[lead]), "display": reference(lead, "MDC_ECG_ELEC_POTL")}
    return {
        "code": {"coding": [coding]},
        "valueSampledData": {
            "origin": {"value": 0, "unit": "uV", "system": UCUM, "code": "uV"},
            "period": 1000 / fs_hz,
            "factor": 1,
            "dimensions": 1,
            "data": " ".join(words),
        },
    }


def _document(record: EcgRecord, file: Path) -> dict[str, Any]:
    data = file.read_bytes()
    kind, title = ATTACHED[file.suffix]
    attachment = {
        "contentType": kind,
        "url": file.name,
        "size": len(data),
        "hash": base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode(),
        "title": f"{title} of {record.record_id}" + (" (synthetic)" if record.synthetic else ""),
    }
    return {
        "resourceType": "DocumentReference",
        "id": f"file-{file.suffix[1:]}",
        **_meta(record),
        "identifier": _identifier(record),
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11524-6", "display": "EKG study"}]},
        "subject": _reference(record, "Patient", "patient"),
        "content": [{"attachment": attachment}],
        "context": {"related": [_reference(record, "Observation", "ecg")]},
    }


def iter_fhir(path: Path, given: Given) -> Iterator[EcgRecord]:
    """Every Observation of a Bundle (or a lone one) that holds sampled ECG leads.

    Raises:
        InputError: there is none, or one is broken.
    """
    with reading(path, "FHIR JSON"):
        data = json.loads(path.read_text(encoding="utf-8-sig"))
        entries = data.get("entry", []) if data.get("resourceType") == "Bundle" else [{"resource": data}]
        resources = [dict(entry["resource"]) for entry in entries if isinstance(entry.get("resource"), Mapping)]
        found = [each for each in resources if each.get("resourceType") == "Observation" and _components(each)]
    if not found:
        raise InputError(f"{path}: no Observation with sampled data of an ECG; accepted: FHIR R4 with valueSampledData")
    people = [each for each in resources if each.get("resourceType") == "Patient"]
    for number, each in enumerate(found, 1):
        where = path if len(found) == 1 else Path(f"{path}#{number}")
        name = path.stem if len(found) == 1 else f"{path.stem}_{number:03d}"
        yield _record(where, each, people[0] if len(people) == 1 else {}, given, name)


def _components(observation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What holds sampled data: components, or the Observation itself where it is of one lead."""
    own = [observation] if "valueSampledData" in observation else []
    return own + [one for one in observation.get("component", []) if "valueSampledData" in one]


def _record(
    path: Path, observation: Mapping[str, Any], person: Mapping[str, Any], given: Given, name: str
) -> EcgRecord:
    with reading(path, "FHIR JSON"):
        parts = _components(observation)
        codes = [one.get("code", {}).get("coding", [{}]) for one in parts]
        names = [_name(coding) for coding in codes]
        chosen = choose(path, names, given)
        rows, rates = [], []
        for i in chosen.rows:
            sampled = parts[i]["valueSampledData"]
            if int(sampled.get("dimensions", 1)) != 1:
                raise InputError(f"{path}: {sampled['dimensions']} dimensions a component; accepted: one lead each")
            origin = sampled["origin"]
            values = _values(sampled) * float(sampled.get("factor", 1)) + float(origin.get("value", 0))
            rows.append(values * given.factor(path, origin.get("code") or origin.get("unit")))
            rates.append(1000 / float(sampled["period"]))
        facts = _facts(observation, person)
    signal, fs_hz, slower = on_one_clock(path, rows, rates, chosen.leads)
    note_resampled(facts, slower, fs_hz)
    fs_hz = float(facts.pop("fs_hz", fs_hz))
    facts.setdefault("metadata", {})
    chosen.note(facts["metadata"])
    signal, leads = chosen.finish(signal)
    return make_record(path, signal, given.rate(path, fs_hz), leads, facts, record_id=name)


def _name(coding: Sequence[Mapping[str, Any]]) -> str:
    """The lead that one of the codings means, or else what a reader would call it."""
    for one in coding:
        if one.get("system", MDC) == MDC and (lead := lead_of(str(one.get("code", "")))):
            return lead
    first = coding[0] if coding else {}
    return str(first.get("display") or first.get("code") or "unnamed")


def _values(sampled: Mapping[str, Any]) -> np.ndarray:
    words = str(sampled["data"]).split()
    return np.array([_SPECIAL[word] if word in _SPECIAL else float(word) for word in words], dtype=np.float64)


def _facts(observation: Mapping[str, Any], person: Mapping[str, Any]) -> dict[str, Any]:
    for extension in observation.get("extension", []):
        if extension.get("url") == FACTS:
            return dict(json.loads(extension["valueString"]))
    labels = [label.get("code") for label in observation.get("meta", {}).get("security", [])]
    codes = [one.get("value") for one in person.get("identifier", []) if one.get("value")]
    return {
        "patient": {"id": codes[0] if codes else None, "sex": parse_sex(person.get("gender"))},
        "report": "\n".join(str(note.get("text", "")) for note in observation.get("note", [])) or None,
        "synthetic": "HTEST" in labels,
        "metadata": {"format": "fhir"},
    }
