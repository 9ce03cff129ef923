"""EDF and EDF+ (Kemp & Olivan 2003, Clin Neurophysiol 114:1755): read through pyedflib, written here.

Written: continuous EDF+ in 16-bit microvolt, so nothing is rounded that 1 uV does not round. Facts that have a header
field of their own stand there (sex, patient code, age, synthetic); all of them stand once more as JSON in timed
annotations, in pieces, because readers cut annotations at 512 bytes. The birth date and the patient's name are never
read into a record, and never written.
"""

import json
import math
import re
import warnings
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gen.io.common import (
    INVALID_INT16,
    Given,
    dump_json,
    ecg_channels,
    facts_of,
    library,
    make_record,
    parse_age,
    reading,
    to_int16_microvolt,
)
from gen.records import EcgRecord, InputError

_MARK = "physiogen"
_PIECE = 380  #: characters of JSON per annotation
_LARGEST_BLOCK = 61440  #: bytes in a data record, the format's limit


def read_edf(path: Path, given: Given) -> EcgRecord:
    """The ECG channels of an EDF, EDF+ or BDF file; see `gen.io.read`."""
    pyedflib = library("pyedflib", "edf")
    _check_size(path)
    with reading(path, "EDF"), warnings.catch_warnings(), pyedflib.EdfReader(str(path)) as file:
        warnings.simplefilter("ignore")  # about texts in another encoding
        labels = [label.strip() for label in file.getSignalLabels()]
        units = [file.getPhysicalDimension(i).strip() for i in range(len(labels))]
        kept = ecg_channels(labels)
        if not kept:
            raise InputError(f"{path}: no samples in it (no signal)")
        rates = {file.getSampleFrequency(i) for i in kept}
        if len(rates) > 1:
            raise InputError(
                f"{path}: the leads have different sampling rates ({', '.join(map(str, sorted(rates)))} Hz)"
            )
        digital = np.stack([file.readSignal(i, digital=True) for i in kept])
        signal = np.stack([_physical(file, i, row) for i, row in zip(kept, digital, strict=True)])
        header, texts = file.getHeader(), file.readAnnotations()[2].tolist()
    facts, ours = _facts(path, header, texts)
    if ours:
        signal[digital == INVALID_INT16] = np.nan
        signal = signal[:, : facts.pop("num_samples", signal.shape[1])]
    leads = given.names(path, [labels[i] for i in kept], len(kept))
    factors = np.array([given.factor(path, units[i] or None) for i in kept])
    fs_hz = given.rate(path, float(facts.pop("fs_hz", rates.pop())))
    skipped = [label for i, label in enumerate(labels) if i not in kept]
    if skipped:
        facts["metadata"]["skipped_channels"] = skipped
    return make_record(path, signal * factors[:, None], fs_hz, leads, facts)


def _physical(file: Any, channel: int, digital: np.ndarray) -> np.ndarray:
    """Values in the channel's unit: the header's digital limits are its physical limits."""
    low, high = file.getDigitalMinimum(channel), file.getDigitalMaximum(channel)
    bottom, top = file.getPhysicalMinimum(channel), file.getPhysicalMaximum(channel)
    return (digital.astype(np.float64) - low) * ((top - bottom) / (high - low)) + bottom


def _check_size(path: Path) -> None:
    """Say how much is missing from a truncated file; anything else wrong is left to the library."""
    with reading(path, "EDF"), path.open("rb") as handle:
        head = handle.read(256)
        if len(head) < 256:
            raise InputError(f"{path}: truncated: the header alone has 256 bytes, {len(head)} found")
        try:
            header_bytes, blocks, signals = int(head[184:192]), int(head[236:244]), int(head[252:256])
            handle.seek(256 + 216 * signals)
            samples = sum(int(handle.read(8)) for _ in range(signals))
        except (ValueError, OSError) as error:
            raise InputError(f"{path}: not a readable EDF file (broken header)") from error
    expected = header_bytes + max(0, blocks) * samples * (3 if head[:1] == b"\xff" else 2)
    found = path.stat().st_size
    if found < expected:
        raise InputError(f"{path}: truncated: {expected} bytes expected by its header, {found} found")


def _facts(path: Path, header: dict[str, Any], texts: list[str]) -> tuple[dict[str, Any], bool]:
    """Facts from our annotations, or else from the header fields; and whether the file is ours."""
    pieces = [text.split(" ", 2) for text in texts if text.startswith(f"{_MARK} ") and text.count(" ") >= 2]
    if pieces:
        with reading(path, "EDF"):
            pieces.sort(key=lambda piece: int(piece[1].split("/")[0]))
            facts = dict(json.loads("".join(piece[2] for piece in pieces)))
        return {"metadata": {}, **facts}, True
    extra = f"{header.get('patient_additional', '')} {header.get('recording_additional', '')}"
    stated = re.search(r"\bage[_ :=]*(\d+)", extra, re.IGNORECASE)
    code = str(header.get("patientcode", "")).strip()
    patient = {
        "id": code if code not in ("", "X") else None,
        "sex": header.get("sex"),
        "age": parse_age(stated[1]) if stated else _age(header),
    }
    metadata = {"annotations": texts} if texts else {}
    synthetic = "synthetic" in f"{extra} {header.get('equipment', '')}".lower()
    return {"patient": patient, "metadata": metadata, "synthetic": synthetic}, False


def _age(header: dict[str, Any]) -> float | None:
    """Whole years from birth date to recording; neither date is kept."""
    start = header.get("startdate")
    try:
        born = datetime.strptime(str(header.get("birthdate")).title(), "%d %b %Y").date()
    except ValueError:
        return None
    if not isinstance(start, date) or born.year < 1880:
        return None
    return parse_age(start.year - born.year - ((start.month, start.day) < (born.month, born.day)))


def write_edf(record: EcgRecord, path: Path) -> None:
    """Write EDF+; a length that fits no whole number of data records is padded and its true length noted.

    Raises:
        InputError: a sample beyond +-32.767 mV.
    """
    digital = to_int16_microvolt(record, path)
    block, duration = _block(record)
    blocks = math.ceil(record.num_samples / block)
    padded = np.pad(digital, ((0, 0), (0, blocks * block - record.num_samples)), mode="edge")
    notes = _annotations(record, blocks, float(duration))
    width = max(map(len, notes))
    width += width % 2
    data = bytearray(_header(record, block, duration, blocks, width // 2))
    for number, note in enumerate(notes):
        data += np.ascontiguousarray(padded[:, number * block : (number + 1) * block]).tobytes()
        data += note.ljust(width, b"\0")
    path.write_bytes(data)


def _block(record: EcgRecord) -> tuple[int, str]:
    """Samples per data record, and its duration in s as header text (8 characters).

    Preferred: no padding, a duration that the header holds exactly, about one second.
    """
    largest = max(1, min(record.num_samples, (_LARGEST_BLOCK - 8192) // (2 * len(record.leads))))
    sizes = np.arange(1, largest + 1)
    seconds = sizes / record.fs_hz
    exact = np.abs(seconds - np.round(seconds, 5)) < 1e-9
    waste = -record.num_samples % sizes
    reasonable = (seconds >= 0.1) | (sizes == largest)
    best = np.lexsort((np.abs(np.log(seconds)), waste, ~exact, ~reasonable))[0]
    return int(sizes[best]), f"{seconds[best]:.6f}"[:8].rstrip("0").rstrip(".")


def _annotations(record: EcgRecord, blocks: int, duration: float) -> list[bytes]:
    """One list of timed annotations per data record: its time, then pieces of the facts."""
    facts = {**facts_of(record), "num_samples": record.num_samples, "fs_hz": record.fs_hz}
    text = dump_json(facts)
    pieces = [text[i : i + _PIECE] for i in range(0, len(text), _PIECE)]
    notes = ["Synthetic data"] if record.synthetic else []
    notes += [f"{_MARK} {i}/{len(pieces)} {piece}" for i, piece in enumerate(pieces, 1)]
    out = []
    for number in range(blocks):
        onset = f"+{number * duration:.6f}".rstrip("0").rstrip(".")
        block = f"{onset}\x14\x14\x00"
        for note in notes[number::blocks]:
            block += f"{onset}\x14{note}\x14\x00"
        out.append(block.encode())
    return out


def _header(record: EcgRecord, block: int, duration: str, blocks: int, note_samples: int) -> bytes:
    def text(value: object, width: int) -> bytes:
        return str(value).encode("ascii", "replace")[:width].ljust(width)

    def word(value: str | None) -> str:
        return re.sub(r"[^\x21-\x7e]", "_", value)[:24] if value else "X"

    patient = record.patient
    who = [word(patient.id), patient.sex or "X", "X", "X"]
    if patient.age is not None:
        who.append(f"age_{patient.age:g}")
    what = ["Startdate", "X", "X", "X", _MARK, *(["synthetic"] if record.synthetic else [])]
    count = len(record.leads) + 1
    head = text("0", 8) + text(" ".join(who), 80) + text(" ".join(what), 80)
    # No date is known: the first one the format can hold, by its own convention for unknown dates.
    head += text("01.01.85", 8) + text("00.00.00", 8) + text(256 * (count + 1), 8) + text("EDF+C", 44)
    head += text(blocks, 8) + text(duration, 8) + text(count, 4)
    columns: list[tuple[int, list[object], object]] = [
        (16, [f"ECG {lead}" for lead in record.leads], "EDF Annotations"),
        (80, [""] * (count - 1), ""),
        (8, ["uV"] * (count - 1), ""),
        (8, [-32768] * (count - 1), -1),
        (8, [32767] * (count - 1), 1),
        (8, [-32768] * (count - 1), -32768),
        (8, [32767] * (count - 1), 32767),
        (80, [""] * (count - 1), ""),
        (8, [block] * (count - 1), note_samples),
        (32, [""] * (count - 1), ""),
    ]
    for width, values, last in columns:
        head += b"".join(text(value, width) for value in [*values, last])
    return head
