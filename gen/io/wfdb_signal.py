"""Samples of WFDB signal files as stored (signal(5)), every signal at its own rate.

Plain arrays (formats 16, 61, 32) are read here; packed and compressed formats through the ``wfdb`` package.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gen.io.common import reading
from gen.io.wfdb_header import WfdbHeader, WfdbSignal
from gen.records import InputError

# Type on disk of the formats that are plain arrays.
_PLAIN_FORMATS = {"16": "<i2", "61": ">i2", "32": "<i4"}
#: The value that marks an invalid sample, per format; format 8 has none.
_INVALID = {"16": -(2**15), "61": -(2**15), "160": -(2**15), "32": -(2**31), "24": -(2**23), "80": -(2**7)}
_INVALID |= {"212": -(2**11), "310": -(2**9), "311": -(2**9), "508": -(2**7), "516": -(2**15), "524": -(2**23)}
_BYTES_PER_SAMPLE = {"16": 2.0, "61": 2.0, "160": 2.0, "32": 4.0, "24": 3.0, "80": 1.0, "8": 1.0, "212": 1.5}


def is_plain(signal: WfdbSignal) -> bool:
    """Whether a signal's file is a plain array."""
    return signal.format in _PLAIN_FORMATS


def invalid_value(signal: WfdbSignal) -> int | None:
    """The stored value that means 'no sample'; None where the format has none."""
    return _INVALID.get(signal.format)


def read_samples(header: WfdbHeader, positions: Sequence[int]) -> list[np.ndarray]:
    """Stored samples of chosen signals, each (frames * samples per frame,), in the order of ``positions``.

    A skewed signal is moved to its place; what is then missing at its end has the format's invalid value.

    Raises:
        InputError: a signal file is missing, truncated, longer than announced, or in a format not read here.
    """
    found: dict[int, np.ndarray] = {}
    for file in dict.fromkeys(header.signals[i].file for i in positions):
        group = [i for i, s in enumerate(header.signals) if s.file == file]
        wanted = [i for i in group if i in positions]
        first = header.signals[group[0]]
        if any(header.signals[i].format != first.format for i in group):
            raise InputError(f"{header.path}: {file}: signals of several formats in one file")
        if is_plain(first):
            columns = _plain(header, group, wanted)
            found |= {i: _unskewed(header.signals[i], columns[i]) for i in wanted}
        else:
            found |= _with_library(header, group, wanted)
    return [found[i] for i in positions]


def signal_file(header: WfdbHeader, signal: WfdbSignal) -> Path:
    """The file of a signal; a folder in its name counts only where it is there."""
    file = header.path.parent / signal.file
    beside = header.path.parent / Path(signal.file).name
    return beside if not file.is_file() and beside.is_file() else file


def _plain(header: WfdbHeader, group: list[int], wanted: list[int]) -> dict[int, np.ndarray]:
    first = header.signals[group[0]]
    dtype = np.dtype(_PLAIN_FORMATS[first.format])
    per_frame = [header.signals[i].samples_per_frame for i in group]
    width = sum(per_frame)
    file = signal_file(header, first)
    size = _check_size(header, first, width)
    available = max(0, size - first.byte_offset) // (dtype.itemsize * width)
    count = header.num_samples if header.num_samples is not None else available
    with reading(file, "WFDB signal"):
        data = np.fromfile(file, dtype=dtype, count=count * width, offset=first.byte_offset).reshape(-1, width)
    if width == len(group):  # one sample a frame: turned once, every signal is read in a row
        turned = np.ascontiguousarray(data.T)
        return {i: turned[group.index(i)] for i in wanted}
    starts = np.concatenate([[0], np.cumsum(per_frame)])
    return {i: data[:, starts[group.index(i)] : starts[group.index(i) + 1]].reshape(-1) for i in wanted}


def _unskewed(signal: WfdbSignal, samples: np.ndarray) -> np.ndarray:
    """Move a signal whose samples stand ``skew`` frames too late."""
    shift = signal.skew * signal.samples_per_frame
    if shift <= 0:
        return samples
    out = np.full(samples.shape, invalid_value(signal) or 0, dtype=samples.dtype)
    out[: max(0, samples.size - shift)] = samples[shift:]
    return out


def _check_size(header: WfdbHeader, first: WfdbSignal, width: int) -> int:
    """Bytes in a signal file, compared with what the header promises."""
    file = signal_file(header, first)
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


def _with_library(header: WfdbHeader, group: list[int], wanted: list[int]) -> dict[int, np.ndarray]:
    """Packed and compressed formats, from a copy of the header that holds nothing the library stumbles over.

    Dates in other forms, folders in file names and comments in Latin-1 are common, and none of the samples' business.
    """
    first = header.signals[group[0]]
    _check_size(header, first, sum(header.signals[i].samples_per_frame for i in group))
    import wfdb

    with reading(header.path, "WFDB"), tempfile.TemporaryDirectory() as folder:
        source = signal_file(header, first)
        copy = Path(folder) / f"r{source.suffix if source.suffix.isascii() else '.dat'}"
        try:
            os.symlink(source.resolve(), copy)
        except OSError:
            shutil.copyfile(source, copy)
        lines = [_signal_line(replace(header.signals[i], file=copy.name)) for i in group]
        length = "" if header.num_samples is None else f" {header.num_samples}"
        text = "\n".join([f"r {len(group)} {header.fs_hz or 250:g}{length}", *lines])
        (Path(folder) / "r.hea").write_text(text + "\n", encoding="ascii")
        record = wfdb.rdrecord(str(Path(folder) / "r"), physical=False, smooth_frames=False)
    return {i: np.asarray(record.e_d_signal[group.index(i)]) for i in wanted}


def _signal_line(signal: WfdbSignal) -> str:
    form = f"{signal.format}x{signal.samples_per_frame}" + (f":{signal.skew}" if signal.skew else "")
    form += f"+{signal.byte_offset}" if signal.byte_offset else ""
    return f"{signal.file} {form} 1 {signal.resolution} 0 {signal.first_value} 0 0 s"
