"""EDF and EDF+ (Kemp & Olivan 2003, Clin Neurophysiol 114:1755); `gen.io.edf_file` has the bytes.

Written: continuous EDF+ in 16-bit microvolt, so nothing is rounded that 1 uV does not round. Facts that have a header
field of their own stand there (sex, patient code, age, synthetic); all of them stand once more as JSON in timed
annotations, in pieces, because readers cut annotations at 512 bytes. The birth date and the patient's name are never
read into a record, and never written.
"""

import json
import math
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gen.io.channels import choose, note_resampled, on_one_clock
from gen.io.common import (
    INVALID_INT16,
    Given,
    dump_json,
    facts_of,
    make_record,
    parse_age,
    parse_sex,
    reading,
    to_int16_microvolt,
)
from gen.io.edf_file import EdfBlocks, EdfChannel, EdfFile, read_header
from gen.records import EcgRecord, InputError
from gen.signals import millivolt_factor

_MARK = "physiogen"
_PIECE = 380  #: characters of JSON per annotation
_LARGEST_BLOCK = 61440  #: bytes in a data record, the format's limit


def read_edf(path: Path, given: Given) -> EcgRecord:
    """The ECG channels of an EDF, EDF+ or BDF file; see `gen.io.read`."""
    file = read_header(path)
    blocks = EdfBlocks(file)
    signals = [i for i, channel in enumerate(file.channels) if not channel.is_annotations]
    if not signals or not file.blocks:
        raise InputError(f"{path}: no samples in it (no signal)")
    labels = [file.channels[i].label for i in signals]
    chosen = choose(path, labels, given, faults=_faults(file, signals, given))
    onsets, texts = blocks.annotations()
    facts, ours = _facts(path, file, texts)
    rows, rates = [], []
    for position in chosen.rows:
        number = signals[position]
        digital = blocks.digital(number)
        factor = given.factor(path, file.channels[number].unit or None)
        signal = _physical(file.channels[number], digital) * factor
        if ours:
            signal[digital == INVALID_INT16] = np.nan
        rates.append(file.fs_hz(number))
        rows.append(blocks.placed(signal, rates[-1], onsets))
    signal_mv, fs_hz, slower = on_one_clock(path, rows, rates, chosen.leads)
    if ours:
        signal_mv = signal_mv[:, : facts.pop("num_samples", signal_mv.shape[1])]
        fs_hz = float(facts.pop("fs_hz", fs_hz))
    note_resampled(facts, slower, fs_hz)
    chosen.note(facts["metadata"])
    signal_mv, leads = chosen.finish(signal_mv)
    return make_record(path, signal_mv, given.rate(path, fs_hz), leads, facts)


def _faults(file: EdfFile, signals: list[int], given: Given) -> dict[int, str]:
    """Channels without a scale or a voltage, with the reason."""
    found = {}
    for position, number in enumerate(signals):
        channel = file.channels[number]
        fault = channel.fault
        if fault is None and channel.unit:
            try:
                millivolt_factor(channel.unit)
            except ValueError as error:
                fault = str(error)
        if fault is not None:
            found[position] = fault
    return found


def _physical(channel: EdfChannel, digital: np.ndarray) -> np.ndarray:
    """Values in the channel's unit: the header's digital limits are its physical limits."""
    low, high = channel.digital
    bottom, top = channel.physical
    signal = digital.astype(np.float64)
    signal -= low
    signal *= (top - bottom) / (high - low)
    signal += bottom
    return signal


def _facts(path: Path, file: EdfFile, texts: list[str]) -> tuple[dict[str, Any], bool]:
    """Facts from our annotations, or else from the header fields; and whether the file is ours."""
    pieces = [text.split(" ", 2) for text in texts if text.startswith(f"{_MARK} ") and text.count(" ") >= 2]
    if pieces:
        with reading(path, "EDF"):
            pieces.sort(key=lambda piece: int(piece[1].split("/")[0]))
            facts = dict(json.loads("".join(piece[2] for piece in pieces)))
        return {"metadata": {}, **facts}, True
    words = file.patient.split() if file.plus else []
    code = words[0] if words else ""
    extra = f"{' '.join(words[4:])} {file.recording}"
    stated = re.search(r"\bage[_ :=]*(\d+)", extra, re.IGNORECASE)
    patient = {
        "id": code if code not in ("", "X") else None,
        "sex": parse_sex(words[1]) if len(words) > 1 else None,
        "age": parse_age(stated[1]) if stated else _age(file, words[2] if len(words) > 2 else ""),
    }
    metadata = {"annotations": texts} if texts else {}
    synthetic = "synthetic" in file.recording.lower() or "synthetic" in extra.lower()
    return {"patient": patient, "metadata": metadata, "synthetic": synthetic}, False


def _age(file: EdfFile, born: str) -> float | None:
    """Whole years from birth date to recording; neither date is kept."""
    words = file.recording.split()
    texts = [(words[1], "%d-%b-%Y")] if len(words) > 1 and words[0] == "Startdate" else []
    texts.append((file.start_date, "%d.%m.%y"))
    start = next((day for text, form in texts if (day := _date(text, form))), None)
    birth = _date(born, "%d-%b-%Y")
    if start is None or birth is None or birth.year < 1880:
        return None
    return parse_age(start.year - birth.year - ((start.month, start.day) < (birth.month, birth.day)))


def _date(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text.title(), form).date()
    except ValueError:
        return None


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

    Preferred, in this order: no padding, a duration that the header holds exactly, about one second.
    """
    largest = max(1, min(record.num_samples, (_LARGEST_BLOCK - 8192) // (2 * len(record.leads))))
    sizes = np.arange(1, largest + 1)
    seconds = sizes / record.fs_hz
    exact = np.abs(seconds - np.round(seconds, 5)) < 1e-9
    waste = -record.num_samples % sizes
    reasonable = (seconds >= 0.1) | (sizes == largest)
    # Padding first: other readers take it for signal, while six decimals of the duration are good to a millionth.
    best = np.lexsort((np.abs(np.log(seconds)), ~exact, waste, ~reasonable))[0]
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
