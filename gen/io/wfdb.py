"""WFDB records: ``name.hea`` beside ``name.dat`` (PhysioNet's header(5) and signal(5) formats).

Format 16 is read and written here, byte by byte; it is what PTB-XL, MIMIC-IV-ECG and our own sets use. The rarer
formats, multi-segment records and records with several samples per frame go through the ``wfdb`` package.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gen.io.comments import from_comments, to_comments
from gen.io.common import Given, ecg_channels, make_record, number_text, reading, to_int16_microvolt
from gen.records import EcgRecord, InputError

# Bytes on disk and invalid-sample value of the formats that are plain arrays.
_PLAIN_FORMATS = {
    "16": ("<i2", -(2**15)),
    "61": (">i2", -(2**15)),
    "32": ("<i4", -(2**31)),
}
_BYTES_PER_SAMPLE = {"16": 2.0, "61": 2.0, "160": 2.0, "32": 4.0, "24": 3.0, "80": 1.0, "8": 1.0, "212": 1.5}

_GAIN = re.compile(r"([-+\d.eE]+)(?:\(([-+]?\d+)\))?(?:/(\S+))?")
_FORMAT = re.compile(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?")


@dataclass(frozen=True)
class WfdbSignal:
    """One signal line of a header."""

    file: str
    format: str
    name: str
    gain: float  #: digital units per ``unit``; 0 = not calibrated
    baseline: int
    unit: str
    byte_offset: int = 0
    samples_per_frame: int = 1
    skew: int = 0
    checksum: int | None = None


@dataclass(frozen=True)
class WfdbHeader:
    """A single-segment header; ``num_samples`` and ``fs_hz`` are None where the header does not say."""

    path: Path
    name: str
    signals: tuple[WfdbSignal, ...]
    fs_hz: float | None
    num_samples: int | None
    recorded: str
    comments: tuple[str, ...]
    segments: int = 0


def header_path(path: Path) -> Path:
    """The ``.hea`` file that belongs to a header, a signal file or a bare record name."""
    return path if path.suffix == ".hea" else path.with_suffix(".hea") if path.suffix else Path(f"{path}.hea")


def read_header(path: str | Path) -> WfdbHeader:
    """Parse a header; tolerant of dates that are not dd/mm/yyyy.

    Raises:
        InputError: the file is no WFDB header.
    """
    path = header_path(Path(path))
    with reading(path, "WFDB header"):
        data = path.read_bytes()
    if not data.strip():
        raise InputError(f"{path}: the file is empty")
    if b"\0" in data:
        raise InputError(f"{path}: not a WFDB header (it holds binary data)")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    comments = tuple(line for line in lines if line.startswith("#"))
    body = [line for line in lines if not line.startswith("#")]
    if not body:
        raise InputError(f"{path}: not a WFDB header (no record line)")
    return _parse_header(path, body, comments)


def _parse_header(path: Path, body: list[str], comments: tuple[str, ...]) -> WfdbHeader:
    words = body[0].split()
    name, _, segments = words[0].partition("/")
    try:
        num_signals = int(words[1])
        fs_hz = float(re.split(r"[/(]", words[2])[0]) if len(words) > 2 else None
        num_samples = int(words[3]) if len(words) > 3 else None
        num_segments = int(segments) if segments else 0
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: not a WFDB header (record line {body[0][:60]!r})") from error
    signals: tuple[WfdbSignal, ...] = ()
    if not num_segments:
        if len(body) - 1 < num_signals or num_signals < 0:
            raise InputError(f"{path}: the header announces {num_signals} signals, but describes {len(body) - 1}")
        signals = tuple(_parse_signal(path, line) for line in body[1 : 1 + num_signals])
    return WfdbHeader(
        path=path,
        name=name,
        signals=signals,
        fs_hz=fs_hz,
        num_samples=num_samples or None,  # 0 means 'not said'
        recorded=" ".join(words[4:]),
        comments=comments,
        segments=num_segments,
    )


def _parse_signal(path: Path, line: str) -> WfdbSignal:
    words = line.split(None, 8)
    form = _FORMAT.fullmatch(words[1]) if len(words) > 1 else None
    gain = _GAIN.fullmatch(words[2]) if len(words) > 2 else None
    try:
        if form is None or (len(words) > 2 and gain is None):
            raise ValueError(line)
        adc_zero = int(words[4]) if len(words) > 4 else 0
        return WfdbSignal(
            file=words[0],
            format=form[1],
            name=words[8] if len(words) > 8 else "",
            gain=float(gain[1]) if gain else 0.0,
            baseline=int(gain[2]) if gain and gain[2] else adc_zero,
            unit=gain[3] if gain and gain[3] else "mV",
            samples_per_frame=int(form[2] or 1),
            skew=int(form[3] or 0),
            byte_offset=int(form[4] or 0),
            checksum=int(words[6]) if len(words) > 6 else None,
        )
    except ValueError as error:
        raise InputError(f"{path}: not a WFDB header (signal line {line[:60]!r})") from error


def read_digital(header: WfdbHeader) -> np.ndarray:
    """(lead, time) int32 samples as stored, before gain and baseline; for sets whose gains mislead.

    Raises:
        InputError: a signal file is missing, truncated, longer than announced, or in a format not read here.
    """
    return np.stack([samples for samples, _ in _plain_signals(header)]).astype(np.int32)


def read_wfdb(path: Path, given: Given) -> EcgRecord:
    """A WFDB record as `EcgRecord`; see `gen.io.read`."""
    header = read_header(path)
    if header.segments or any(
        s.format not in _PLAIN_FORMATS or s.samples_per_frame > 1 or s.skew for s in header.signals
    ):
        return _read_with_library(header, given)
    if not header.signals:
        raise InputError(f"{header.path}: no samples in it (the header announces 0 signals)")
    columns = _plain_signals(header)
    kept, leads = _leads(header.path, [s.name for s in header.signals], header, given)
    signal = np.empty((len(kept), columns[kept[0]][0].size))
    damaged = []
    for row, position in enumerate(kept):
        (digital, invalid), line = columns[position], header.signals[position]
        if digital.size != signal.shape[1]:
            raise InputError(f"{header.path}: signals of different length ({signal.shape[1]} and {digital.size})")
        signal[row] = _physical(header.path, line, digital, given)
        signal[row, digital == invalid] = np.nan
        if line.checksum and (int(digital.sum(dtype=np.int64)) - line.checksum) % 65536:
            damaged.append(leads[row])
    return _assemble(header, signal, leads, given, damaged, kept)


def _leads(path: Path, names: list[str], header: WfdbHeader, given: Given) -> tuple[list[int], tuple[str, ...]]:
    kept = ecg_channels(names)
    if names == ["ECG"] and header.signals and header.signals[0].file.endswith(".mat") and given.leads is None:
        return [0], ("I",)  # the hand-held recorder of the CinC 2017 challenge: both hands, that is lead I
    found = [names[i] for i in kept]
    return kept, given.names(path, found if all(found) else None, len(kept))


def _physical(path: Path, line: WfdbSignal, digital: np.ndarray, given: Given) -> np.ndarray:
    if line.gain == 0:  # not calibrated: only the caller can know what a unit means
        return digital * given.factor(path, None)
    return (digital.astype(np.float64) - line.baseline) * (given.factor(path, line.unit) / line.gain)


def _assemble(
    header: WfdbHeader, signal: np.ndarray, leads: tuple[str, ...], given: Given, damaged: list[str], kept: list[int]
) -> EcgRecord:
    facts = from_comments(header.comments)
    if header.recorded:
        facts["metadata"].setdefault("recorded", header.recorded)
    if damaged:
        facts["metadata"]["checksum_mismatch"] = damaged
    skipped = [s.name for i, s in enumerate(header.signals) if i not in kept]
    if skipped:
        facts["metadata"]["skipped_channels"] = skipped
    return make_record(header.path, signal, given.rate(header.path, header.fs_hz), leads, facts)


def _plain_signals(header: WfdbHeader) -> list[tuple[np.ndarray, int]]:
    """Digital samples and the invalid value of every signal, in header order."""
    out: list[tuple[np.ndarray, int] | None] = [None] * len(header.signals)
    for file in dict.fromkeys(s.file for s in header.signals):
        group = [i for i, s in enumerate(header.signals) if s.file == file]
        first = header.signals[group[0]]
        if first.format not in _PLAIN_FORMATS or any(header.signals[i].format != first.format for i in group):
            raise InputError(f"{header.path}: signal format {first.format} is not read as plain samples")
        frames = _read_frames(header, first, len(group))
        for column, position in enumerate(group):
            out[position] = (frames[:, column], _PLAIN_FORMATS[first.format][1])
    return [pair for pair in out if pair is not None]


def _read_frames(header: WfdbHeader, first: WfdbSignal, width: int) -> np.ndarray:
    """(time, signal) array of one signal file."""
    dtype = np.dtype(_PLAIN_FORMATS[first.format][0])
    file = header.path.parent / first.file
    found = _check_size(header, first, width)
    available = max(0, found - first.byte_offset) // (dtype.itemsize * width)
    count = header.num_samples if header.num_samples is not None else available
    with reading(file, "WFDB signal"):
        data = np.fromfile(file, dtype=dtype, count=count * width, offset=first.byte_offset)
    return data.reshape(-1, width)


def _check_size(header: WfdbHeader, first: WfdbSignal, width: int) -> int:
    """Bytes in a signal file, compared with what the header promises."""
    file = header.path.parent / first.file
    if not file.is_file():
        raise InputError(f"{header.path}: its signal file {first.file} is missing")
    found = file.stat().st_size
    if header.num_samples is None or first.format not in _BYTES_PER_SAMPLE:
        return found
    samples = header.num_samples * width
    expected = first.byte_offset + int(np.ceil(samples * _BYTES_PER_SAMPLE[first.format]))
    if found < expected:
        raise InputError(f"{file}: truncated: {expected} bytes expected by {header.path.name}, {found} found")
    # A few bytes of padding are harmless; more means that the header describes another signal.
    if found - expected > max(1024, expected // 100):
        raise InputError(f"{file}: does not fit {header.path.name}: {expected} bytes expected, {found} found")
    return found


def _read_with_library(header: WfdbHeader, given: Given) -> EcgRecord:
    """Everything that is not a plain array: compressed and packed formats, segments, several samples per frame."""
    if not header.segments:
        for file in {s.file for s in header.signals}:
            group = [s for s in header.signals if s.file == file]
            _check_size(header, group[0], sum(s.samples_per_frame for s in group))
    with reading(header.path, "WFDB"):
        import wfdb

        record = wfdb.rdrecord(str(header.path.with_suffix("")), smooth_frames=True)
        signal, names, units = record.p_signal.T, list(record.sig_name), list(record.units)
    kept, leads = _leads(header.path, names, header, given)
    factors = np.array([given.factor(header.path, units[i]) for i in kept])
    for row, position in enumerate(kept):
        if header.signals and header.signals[position].gain == 0:  # the library assumes 200 units per mV
            factors[row] = 200 * given.factor(header.path, None)
    return _assemble(header, signal[kept] * factors[:, None], leads, given, [], kept)


def write_wfdb(record: EcgRecord, path: Path) -> None:
    """Write ``path`` (a ``.hea``) and the ``.dat`` beside it: format 16, 1000 units per mV, NaN as -32768.

    Raises:
        InputError: a sample beyond +-32.767 mV.
    """
    digital = to_int16_microvolt(record, path)
    sums = digital.sum(axis=1, dtype=np.int64) % 65536
    lines = [f"{path.stem} {len(record.leads)} {number_text(record.fs_hz)} {record.num_samples}"]
    lines += [
        f"{path.stem}.dat 16 1000.0(0)/mV 16 0 {row[0] if row.size else 0} {checksum} 0 {lead}"
        for row, checksum, lead in zip(digital, sums, record.leads, strict=True)
    ]
    lines += [f"# {comment}" for comment in to_comments(record, path.stem)]
    path.with_suffix(".dat").write_bytes(np.ascontiguousarray(digital.T).tobytes())
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n", encoding="utf-8")
