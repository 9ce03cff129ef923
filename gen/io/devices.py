"""Files of electrocardiographs, Holters and hand-held recorders: XML, SCP-ECG, ISHNE and JSON.

HL7 aECG, GE MUSE XML, Philips Sierra XML, Mortara XML, SCP-ECG (EN 1064), ISHNE and Kardia JSON are decoded by the
``ecgdatakit`` package; CardioSoft XML (UK Biobank, fields 20205 and 6025) and Fitbit JSON are plain enough to be read
here. Kept: leads, rate, age, sex, height, weight, patient code, statements, device, date. Dropped: names and birth
dates (only the age is derived from them), average beats, the device's filtered second copy.
"""

import json
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gen.io.aecg import MARK
from gen.io.channels import assume, choose, note_resampled, on_one_clock
from gen.io.common import INVALID_INT16, Given, body_height_cm, library, make_record, parse_age, parse_sex, reading
from gen.records import EcgRecord, InputError

SUFFIXES = (".xml", ".scp", ".ecg", ".json")
_SNIFFED = 4096
#: Marks of the formats in a file's first bytes; XML may be UTF-16.
_XML_MARKS = ("annotatedecg", "<restingecg", "<museinfo", "<cardiologyxml", "<ecg ", "<ecg>")
_JSON_MARKS = ("ecgreadings", "waveformsamples", "recordedat", "resourcetype")
#: Philips' carts append a calibration pulse of 1 mV to every lead; it begins no earlier than this.
_CALIBRATION_AFTER_S = 10.0


def looks_like_device(path: Path) -> bool:
    """Whether a file's first bytes are those of a format read here (used to scan folders)."""
    try:
        with path.open("rb") as handle:
            head = handle.read(_SNIFFED)
    except OSError:
        return False
    suffix = path.suffix.lower()
    text = _text(head).lower()
    if suffix == ".xml":
        return any(mark in text for mark in _XML_MARKS)
    if suffix == ".json":
        return any(f'"{mark}"' in text for mark in _JSON_MARKS)
    return suffix == ".scp" or head[:8] in (b"ISHNE1.0", b"ANN  1.0")


def read_device(path: Path, given: Given) -> EcgRecord:
    """One record; see `gen.io.read`."""
    records = iter_device(path, given)
    first = next(records)
    if next(records, None) is not None:
        raise InputError(f"{path}: holds several recordings; read it as a set")
    return first


def iter_device(path: Path, given: Given) -> Iterator[EcgRecord]:
    """Every recording of a file; only an export of a watch's app holds several."""
    with reading(path, "device"), path.open("rb") as handle:
        head = handle.read(_SNIFFED)
    text = _text(head).lower()
    if path.suffix.lower() == ".json" and '"resourcetype"' in text:
        from gen.io.fhir import iter_fhir

        yield from iter_fhir(path, given)
    elif path.suffix.lower() == ".json" and '"waveformsamples"' in _text(path.read_bytes()).lower():
        yield from _fitbit(path, given)
    elif "<cardiologyxml" in text:
        yield _cardiosoft(path, given)
    else:
        yield _with_library(path, given)


def _text(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    return data.replace(b"\0", b"").decode("utf-8", errors="replace")


def _with_library(path: Path, given: Given) -> EcgRecord:
    library("ecgdatakit", "devices")
    from ecgdatakit.exceptions import UnsupportedFormatError
    from ecgdatakit.parsing.parser import FileParser

    with reading(path, "device"), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = FileParser.parse(path, units="mV")
        except UnsupportedFormatError as error:
            raise InputError(
                f"{path}: not a recording in a known format; accepted: HL7 aECG, GE MUSE, Philips Sierra, Mortara and "
                "CardioSoft XML, SCP-ECG, ISHNE, Kardia and Fitbit JSON"
            ) from error
        names = [lead.label for lead in found.leads]
        faults = {i: "its samples have no unit" for i, lead in enumerate(found.leads) if lead.is_raw or not lead.units}
        chosen = choose(path, names, given, faults={} if given.unit else faults)
        rates = [_exact_rate(path, found.source_format, float(found.leads[i].sampling_rate)) for i in chosen.rows]
        rows = []
        for i in chosen.rows:
            lead = found.leads[i]
            samples = np.asarray(lead.samples, dtype=np.float64)
            rows.append(samples * given.factor(path, None if i in faults else lead.units))
        facts = _facts(found)
    ours = _our_facts(path) if found.source_format == "hl7_aecg" else None
    if ours is not None:
        rows = [np.where(np.rint(row * 1000) == INVALID_INT16, np.nan, row) for row in rows]
        facts = {"metadata": {}, **ours}
    signal, fs_hz, slower = on_one_clock(path, rows, rates, chosen.leads)
    note_resampled(facts, slower, fs_hz)
    fs_hz = float(facts.pop("fs_hz", fs_hz))
    if found.source_format == "sierra_xml":
        signal = _without_calibration(signal, fs_hz, facts)
    chosen.note(facts["metadata"])
    for text in dict.fromkeys(str(one.message) for one in told):
        if found.source_format == "hl7_aecg" and text.startswith("Sampling rate"):
            continue  # about rounding it to whole hertz, which is undone above
        assume(facts, f"the reader says: {' '.join(text.split())[:200]}")
    signal, leads = chosen.finish(signal)
    return make_record(path, signal, given.rate(path, fs_hz), leads, facts)


def _our_facts(path: Path) -> dict[str, Any] | None:
    """Facts that `gen.io.aecg` writes into the document's text; None for another's document."""
    library("defusedxml", "devices")
    from defusedxml.ElementTree import fromstring

    with reading(path, "HL7 aECG"):
        text = fromstring(path.read_bytes()).findtext("{urn:hl7-org:v3}text") or ""
        _, mark, facts = text.partition(MARK)
        return dict(json.loads(facts)) if mark else None


def _exact_rate(path: Path, kind: str, rounded: float) -> float:
    """The rate of an aECG from its time increment: the library keeps whole hertz (257.5 becomes 258)."""
    if kind != "hl7_aecg":
        return rounded
    scales = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
    for tag in re.findall(r"<(?:\w+:)?increment\b[^>]*>", _text(path.read_bytes())):
        value, unit = re.search(r'value="([^"]+)"', tag), re.search(r'unit="([^"]+)"', tag)
        try:
            rate = 1 / (float(value[1]) * scales[unit[1]]) if value and unit else 0.0
        except (KeyError, ValueError, ZeroDivisionError):
            continue
        if abs(rate - rounded) <= 0.5 + 1e-6:
            return float(round(rate)) if abs(rate - round(rate)) < 1e-6 * rate else rate
    return rounded


def _facts(found: Any) -> dict[str, Any]:
    """Facts (see `gen.io.common.facts_of`) of a record of the library, without names and dates of birth."""
    person, recording = found.patient, found.recording
    born, then = person.birth_date, recording.date
    age = person.age
    if age is None and born is not None and then is not None:
        age = then.year - born.year - ((then.month, then.day) < (born.month, born.day))
    texts = [": ".join(filter(None, map(str, parts))) for parts in found.interpretation.statements]
    metadata: dict[str, Any] = {"format": found.source_format}
    for key, value in (("device", recording.device.model), ("manufacturer", recording.device.manufacturer)):
        if value:
            metadata[key] = str(value)
    if then is not None:
        metadata["recorded"] = then.isoformat()
    if found.median_beats:
        metadata["average_beats"] = "not read"
    return {
        "patient": {
            "id": str(person.patient_id) or None,
            "age": parse_age(age),
            "sex": parse_sex(person.sex),
            "height_cm": body_height_cm(person.height),
            "weight_kg": _positive(person.weight),
        },
        "report": "\n".join(texts) or None,
        "metadata": metadata,
    }


def _without_calibration(signal: np.ndarray, fs_hz: float, facts: dict[str, Any]) -> np.ndarray:
    """Cut off the calibration pulse of 1 mV between zeros that ends every lead of Philips' carts.

    In it all leads are equal, which no heart makes them: Einthoven's law would be broken by 1 mV.
    """
    start = round(_CALIBRATION_AFTER_S * fs_hz)
    if signal.shape[0] < 2 or signal.shape[1] <= start:
        return signal
    equal = np.ptp(signal, axis=0) == 0
    differs = np.flatnonzero(~equal)
    end = int(differs[-1]) + 1 if differs.size else 0
    tail = signal[0, max(end, start) :]
    if not tail.size or not 0.9 <= float(np.max(np.abs(tail))) <= 1.1:
        return signal
    facts["metadata"]["calibration_cut_samples"] = int(tail.size)
    return signal[:, : max(end, start)]


def _cardiosoft(path: Path, given: Given) -> EcgRecord:
    """GE CardioSoft: ``StripData`` with one ``WaveformData`` per lead; average beats and full disclosure are left."""
    library("defusedxml", "devices")
    from defusedxml.ElementTree import fromstring

    with reading(path, "CardioSoft XML"):
        root = fromstring(path.read_bytes())
        strip = next(iter(root.iter("StripData")), None)
        if strip is None:
            raise InputError(f"{path}: no StripData in it; accepted: CardioSoft XML with the ten-second strip")
        waves = {str(wave.get("lead")): wave.text or "" for wave in strip.iter("WaveformData")}
        chosen = choose(path, list(waves), given)
        texts = list(waves.values())
        rows = [np.array(re.split(r"[,\s]+", texts[i].strip(" ,\n\t")), dtype=np.float64) for i in chosen.rows]
        rate, scale = strip.find("SampleRate"), strip.find("Resolution")
        fs_hz = None if rate is None or not rate.text else float(rate.text)
        unit = None if scale is None else re.fullmatch(r"\s*(\w+?)PerLsb\s*", str(scale.get("units")), re.IGNORECASE)
        if scale is None or not scale.text or unit is None:
            raise InputError(f"{path}: StripData states no resolution; accepted: uVperLsb")
        factor = float(scale.text) * given.factor(path, unit[1])
        facts = _cardiosoft_facts(root)
    if len({row.size for row in rows}) > 1:
        raise InputError(f"{path}: leads of different length in StripData")
    chosen.note(facts["metadata"])
    signal, leads = chosen.finish(np.stack(rows) * factor)
    return make_record(path, signal, given.rate(path, fs_hz), leads, facts)


def _cardiosoft_facts(root: Any) -> dict[str, Any]:
    def value(name: str) -> str | None:
        found = next(iter(root.iter(name)), None)
        return None if found is None or not found.text else str(found.text).strip()

    diagnosis = next(iter(root.iter("Interpretation")), None)
    texts = [] if diagnosis is None else [str(t.text).strip() for t in diagnosis.iter("DiagnosisText") if t.text]
    return {
        "patient": {
            "id": value("PID"),
            "age": parse_age(value("Age")),
            "sex": parse_sex(value("Gender")),
            "height_cm": body_height_cm(_positive(value("Height"))),
            "weight_kg": _positive(value("Weight")),
        },
        "report": "\n".join(text for text in texts if text) or None,
        "metadata": {"format": "cardiosoft_xml"},
    }


def _fitbit(path: Path, given: Given) -> Iterator[EcgRecord]:
    """Readings of Fitbit's web API and export: lead I, samples divided by the scaling factor are mV.

    The rate is a string there (``"250"``), the scaling factor 10922 units per mV.
    """
    with reading(path, "Fitbit JSON"):
        data = json.loads(path.read_text(encoding="utf-8-sig"))
        found = data.get("ecgReadings", [data]) if isinstance(data, Mapping) else data
        readings = [one for one in found if isinstance(one, Mapping) and "waveformSamples" in one]
    if not readings:
        raise InputError(f"{path}: no ECG reading in it; accepted: ecgReadings with waveformSamples")
    for number, one in enumerate(readings, 1):
        where = path if len(readings) == 1 else Path(f"{path}#{number}")
        with reading(where, "Fitbit JSON"):
            samples = np.asarray(one["waveformSamples"], dtype=np.float64).reshape(1, -1)
            scale = _positive(one.get("scalingFactor"))
            fs_hz = _positive(one.get("samplingFrequencyHz"))
        if scale is None:
            raise InputError(f"{where}: no scalingFactor; accepted: units per mV, such as 10922")
        report = one.get("resultClassification")
        facts: dict[str, Any] = {"metadata": {"format": "fitbit_json"}, "report": report}
        for key, name in (("startTime", "recorded"), ("deviceName", "device"), ("averageHeartRate", "heart_rate")):
            if one.get(key) is not None:
                facts["metadata"][name] = one[key]
        leads = choose(where, None if given.leads else ["I"], given, 1).leads
        record_id = path.stem if len(readings) == 1 else f"{path.stem}_{number:03d}"
        yield make_record(where, samples / scale, given.rate(where, fs_hz), leads, facts, record_id=record_id)


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None
