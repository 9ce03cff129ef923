"""EDF, EDF+ and BDF files as they are stored: header fields, channels at their own rates, timed annotations.

Only the channels asked for are read, so that a channel that breaks the letter of the format condemns nobody else; data
records of a discontinuous file (EDF+D) are put where their time stamps say (Kemp & Olivan 2003, Clin Neurophysiol
114:1755, sections 2.1 and 2.2).
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gen.io.channels import check_holes
from gen.io.common import reading
from gen.records import InputError

_ANNOTATIONS = ("edf annotations", "bdf annotations")
#: Widths of the fields that follow the first 256 bytes, one value per channel each.
_FIELDS = (
    *(("label", 16), ("transducer", 80), ("unit", 8), ("physical_min", 8), ("physical_max", 8)),
    *(("digital_min", 8), ("digital_max", 8), ("filter", 80), ("samples", 8), ("reserved", 32)),
)


@dataclass(frozen=True)
class EdfChannel:
    """One channel's header; limits are NaN where the field is empty or no number."""

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    samples: int  #: per data record
    start: int  #: of its samples within a data record

    @property
    def is_annotations(self) -> bool:
        """Whether it holds timed texts and no signal."""
        return self.label.lower() in _ANNOTATIONS

    @property
    def fault(self) -> str | None:
        """Why its values cannot be told, or None."""
        if self.samples < 1:
            return "no samples"
        spans = self.physical[1] - self.physical[0], self.digital[1] - self.digital[0]
        if not all(math.isfinite(span) and span != 0 for span in spans):
            return "its physical or digital minimum and maximum give no scale"
        return None


@dataclass(frozen=True)
class EdfFile:
    """Header of a file; ``bytes_per_sample`` is 2, or 3 for BDF."""

    path: Path
    patient: str
    recording: str
    start_date: str
    plus: str  #: '', 'C' (continuous) or 'D' (with pauses)
    header_bytes: int
    blocks: int
    block_s: float
    bytes_per_sample: int
    channels: tuple[EdfChannel, ...]

    def fs_hz(self, channel: int) -> float:
        """Rate of a channel."""
        return self.channels[channel].samples / self.block_s if self.block_s > 0 else 0.0


def read_header(path: Path) -> EdfFile:
    """Read and check the header.

    Raises:
        InputError: it is none, or the file is shorter than it says.
    """
    with reading(path, "EDF"), path.open("rb") as handle:
        head = handle.read(256)
        if len(head) < 256:
            raise InputError(f"{path}: truncated: the header alone has 256 bytes, {len(head)} found")
        if head[:8].strip() not in (b"0", b"\xffBIOSEMI"):
            raise InputError(f"{path}: not an EDF or BDF file (it starts with {head[:8]!r})")
        try:
            header_bytes, blocks, count = int(head[184:192]), int(head[236:244]), int(head[252:256])
            block_s = float(head[244:252])
        except ValueError as error:
            raise InputError(f"{path}: not a readable EDF file (broken header)") from error
        if not 0 < count <= 4096 or header_bytes != 256 * (count + 1) or not 0 <= block_s < 1e6:
            raise InputError(f"{path}: not a readable EDF file (broken header: {count} signals)")
        fields = _fields(handle.read(256 * count), count)
    size = 3 if head[:1] == b"\xff" else 2
    channels, start = [], 0
    for i in range(count):
        samples = _number(fields["samples"][i])
        if not 0 <= samples <= 2**26:
            raise InputError(f"{path}: not a readable EDF file (channel {i + 1} of {fields['samples'][i]!r} samples)")
        limits = [_number(fields[name][i]) for name in ("physical_min", "physical_max", "digital_min", "digital_max")]
        channels.append(
            EdfChannel(
                label=fields["label"][i],
                unit=fields["unit"][i],
                physical=(limits[0], limits[1]),
                digital=(limits[2], limits[3]),
                samples=int(samples),
                start=start,
            )
        )
        start += int(samples)
    found = path.stat().st_size
    if blocks < 0:  # a recorder that was switched off has written no number: what is there counts
        blocks = (found - header_bytes) // max(1, start * size)
    expected = header_bytes + blocks * start * size
    if found < expected:
        raise InputError(f"{path}: truncated: {expected} bytes expected by its header, {found} found")
    plus = re.match(r"(?:EDF|BDF)\+([CD])", _text(head[192:236]))
    return EdfFile(
        path=path,
        patient=_text(head[8:88]),
        recording=_text(head[88:168]),
        start_date=_text(head[168:176]),
        plus=plus[1] if plus else "",
        header_bytes=header_bytes,
        blocks=blocks,
        block_s=block_s,
        bytes_per_sample=size,
        channels=tuple(channels),
    )


def _fields(data: bytes, count: int) -> dict[str, list[str]]:
    found, at = {}, 0
    for name, width in _FIELDS:
        found[name] = [_text(data[at + i * width : at + (i + 1) * width]) for i in range(count)]
        at += width * count
    return found


def _text(data: bytes) -> str:
    # The standard has ASCII; a micro sign in Latin-1 or UTF-8 is common.
    try:
        return data.decode("utf-8").strip(" \0")
    except UnicodeDecodeError:
        return data.decode("latin-1").strip(" \0")


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")


class EdfBlocks:
    """Data records of a file: samples of chosen channels, annotations, time stamps."""

    def __init__(self, file: EdfFile) -> None:
        self.file = file
        width = sum(channel.samples for channel in file.channels) * file.bytes_per_sample
        self._data = np.zeros((0, width), np.uint8)
        if file.blocks and width:
            with reading(file.path, "EDF"):
                shape = (file.blocks, width)
                self._data = np.memmap(file.path, np.uint8, mode="r", offset=file.header_bytes, shape=shape)

    def _raw(self, channel: int) -> np.ndarray:
        """(block, byte) of one channel."""
        one, size = self.file.channels[channel], self.file.bytes_per_sample
        return self._data[:, one.start * size : (one.start + one.samples) * size]

    def digital(self, channel: int) -> np.ndarray:
        """(block, sample) integers as stored."""
        raw = np.ascontiguousarray(self._raw(channel))
        if self.file.bytes_per_sample == 2:
            return raw.view("<i2")
        wide = np.zeros((*raw.shape[:1], raw.shape[1] // 3, 4), np.uint8)
        wide[..., 1:] = raw.reshape(len(raw), -1, 3)
        return (wide.reshape(len(raw), -1).view("<i4") >> 8).reshape(len(raw), -1)

    def annotations(self) -> tuple[np.ndarray | None, list[str]]:
        """Onset of every data record in s (None where the file keeps none), and all texts in order."""
        onsets: list[float] = []
        texts: list[str] = []
        channels = [i for i, channel in enumerate(self.file.channels) if channel.is_annotations]
        for block in range(len(self._data)):
            for number, channel in enumerate(channels):
                notes = bytes(self._raw(channel)[block]).rstrip(b"\0").split(b"\0")  # most of it is padding
                for k, note in enumerate(notes):
                    if k and not note:
                        continue
                    parts = note.split(b"\x14")
                    if number == 0 and k == 0:
                        onsets.append(_number(parts[0].split(b"\x15")[0].decode("latin-1")))
                    texts += [_text(part) for part in parts[1:] if part.strip()]
        known = bool(onsets) and len(onsets) == len(self._data) and bool(np.isfinite(onsets).all())
        return np.array(onsets) if known else None, texts

    def placed(self, samples: np.ndarray, fs_hz: float, onsets: np.ndarray | None) -> np.ndarray:
        """(time,) from (block, sample): one after the other, or by their onsets with NaN in the pauses.

        Raises:
            InputError: data records overlap, or nearly everything would be missing.
        """
        if onsets is None or self.file.plus != "D":
            return samples.reshape(-1)
        path, width = self.file.path, samples.shape[1]
        starts = np.rint((onsets - onsets[0]) * fs_hz).astype(np.int64)
        # Time stamps of equal records may be off by the rounding of either.
        close = np.abs(np.diff(starts) - width) <= 1
        steps = np.where(close, width, np.diff(starts))
        if (steps < width).any():
            block = int((steps < width).argmax()) + 2
            raise InputError(f"{path}: data record {block} begins before the one before it ends")
        total = int(steps.sum()) + width
        check_holes(path, total, samples.size)
        out = np.full(total, np.nan)
        at = np.concatenate([[0], np.cumsum(steps)])
        out[(at[:, None] + np.arange(width)).reshape(-1)] = samples.reshape(-1)
        return out
