"""WFDB headers (PhysioNet's header(5)): the record line, one line per signal or segment, comments."""

import re
from dataclasses import dataclass
from pathlib import Path

from gen.io.common import reading
from gen.records import InputError

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
    resolution: int = 0  #: bits of the converter; 0 = not said
    first_value: int = 0  #: what differences (format 8) start from


@dataclass(frozen=True)
class WfdbHeader:
    """A header; ``num_samples`` and ``fs_hz`` are None where it does not say.

    ``segments`` are the names and lengths (in frames) of a multi-segment record's parts, which has no signals itself.
    """

    path: Path
    name: str
    signals: tuple[WfdbSignal, ...]
    fs_hz: float | None
    num_samples: int | None
    recorded: str
    comments: tuple[str, ...]
    segments: tuple[tuple[str, int], ...] = ()

    @property
    def frames_hz(self) -> float | None:
        """The stated rate where it is one that time can be told by."""
        return self.fs_hz if self.fs_hz is not None and 0 < self.fs_hz < float("inf") else None


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
    count = _segment_count(words[0], body[1:])
    name = words[0].rpartition("/")[0] if count is not None else words[0]
    try:
        num_signals = int(words[1])
        fs_hz = float(re.split(r"[/(]", words[2])[0]) if len(words) > 2 else None
        num_samples = int(words[3]) if len(words) > 3 else None
        if num_samples is not None and num_samples < 0:
            raise ValueError(num_samples)
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: not a WFDB header (record line {body[0][:60]!r})") from error
    signals: tuple[WfdbSignal, ...] = ()
    segments = () if count is None else _segments(path, body[1 : 1 + count])
    if count is None:
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
        segments=segments,
    )


def _segment_count(word: str, lines: list[str]) -> int | None:
    """Number of segments of a record called ``name/N``; None for a single record, whose name may hold folders too.

    Segments are described by two words each, a signal by more or by a file's name with an ending.
    """
    match = re.fullmatch(r".+/(\d{1,6})", word)
    if match is None or int(match[1]) < 1:
        return None
    count = int(match[1])
    parts = [line.split() for line in lines[:count]]
    return count if len(parts) == count and all(len(p) == 2 and "." not in p[0] for p in parts) else None


def _segments(path: Path, lines: list[str]) -> tuple[tuple[str, int], ...]:
    try:
        found = tuple((line.split()[0], int(line.split()[1])) for line in lines)
    except ValueError as error:
        raise InputError(f"{path}: not a WFDB header (segment line {lines[0][:60]!r})") from error
    if any(length < 0 for _, length in found):
        raise InputError(f"{path}: not a WFDB header (a segment of negative length)")
    return found


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
            resolution=int(words[3]) if len(words) > 3 else 0,
            first_value=int(words[5]) if len(words) > 5 else adc_zero,
        )
    except ValueError as error:
        raise InputError(f"{path}: not a WFDB header (signal line {line[:60]!r})") from error
