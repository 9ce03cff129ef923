"""Reads thousands of damaged files: ``physiogen evaluate robustness -n 20000 --seed 0``.

One small file in every format that is read (and those of ``--files``) is damaged at random: bytes changed, cut, doubled
or lost, numbers in its text replaced by extreme ones, lines exchanged. A reader may read the result or refuse it with
one `InputError`; anything else is counted: another exception, more than ``--limit`` seconds, more memory than
``--memory`` GiB, or a file half-written when what was read is written again.
"""

import re
import resource
import shutil
import signal
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from gen.evaluation.seed_files import Seed, ecg_seed, written_seeds
from gen.evaluation.settings import Robustness
from gen.evaluations import Progress, silent
from gen.files import one_line
from gen.leads import LeadError
from gen.records import EcgRecord, InputError
from gen.results import Data, Node, Results, Value

_EXTREMES = (b"0", b"-1", b"1e308", b"-1e308", b"nan", b"inf", b"99999999999", b"2147483648", b"1e-7", b"65536", b"")
_TEXT = (".hea", ".csv", ".txt", ".tsv", ".xml", ".json")
_WRITTEN = ("wfdb", "edf", "dicom", "csv", "npz", "parquet", "webdataset", "aecg", "fhir")
_EXAMPLES = 20
_REPORTED_EVERY = 200


class _TooLongError(BaseException):
    """A reader did not end in time; no `Exception`, so that no reader can take it for a fault of the file."""


@dataclass
class Tally:
    """What became of the damaged files.

    Attributes:
        read, refused: files read whole, and files refused in one line, by format.
        failures: anything else, by kind, with how often.
        examples: the first failures, as ``kind: file: what``.
        slowest_s, largest_gib: longest reading and peak memory of the process.
    """

    read: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    largest_gib: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return not self.failures

    def add(self, kind: str, where: str) -> None:
        """Count a failure."""
        self.failures[kind] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{kind}: {where}")


def damaged(content: bytes, rng: np.random.Generator, *, text: bool) -> bytes:
    """The content with one to four random faults."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        if not data:
            break
        at, kind = int(rng.integers(len(data))), int(rng.integers(8 if text else 5))
        length = int(rng.integers(1, max(2, len(data) // 8)))
        if kind == 0:
            data[at] = int(rng.integers(256))
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length]
        elif kind == 4:  # the header, where the structure is
            data[min(at % 512, len(data) - 1)] = int(rng.integers(256))
        else:
            data = bytearray(_other_number(bytes(data), rng) if kind < 7 else _other_lines(bytes(data), rng))
    return bytes(data)


def _other_number(data: bytes, rng: np.random.Generator) -> bytes:
    numbers = list(re.finditer(rb"-?\d+(?:\.\d+)?", data[:4000]))
    if not numbers:
        return data
    found = numbers[int(rng.integers(len(numbers)))]
    return data[: found.start()] + _EXTREMES[int(rng.integers(len(_EXTREMES)))] + data[found.end() :]


def _other_lines(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.split(b"\n")
    one, two = (int(k) for k in rng.integers(len(lines), size=2))
    lines[one], lines[two] = lines[two], lines[one]
    return b"\n".join(lines)


def campaign(
    seeds: Sequence[Seed],
    count: int,
    *,
    seed: int = 0,
    limit_s: float = 10.0,
    memory_gib: float = 2.0,
    progress: Progress = silent,
) -> Tally:
    """Damage files and read them, ``count`` times; file k of a seed is the same whatever the number.

    Raises:
        InputError: no file was given.
    """
    if not seeds:
        raise InputError("no files to damage; accepted: at least one readable file")
    tally, start_gib = Tally(), _peak_gib()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), _memory_limit(memory_gib):
        warnings.simplefilter("ignore")
        for number in range(count):
            rng = np.random.default_rng((seed, number))
            source = seeds[int(rng.integers(len(seeds)))]
            room = Path(folder) / "room"
            shutil.rmtree(room, ignore_errors=True)
            room.mkdir()
            name = f"{source.file.name} ({seed}, {number})"
            _one(source, room, rng, tally, name, limit_s)
            tally.largest_gib = _peak_gib()
            if tally.largest_gib > start_gib + memory_gib:  # what the process held before is not the files'
                tally.add("memory", f"{name}: {tally.largest_gib:.1f} GiB")
                break  # the peak stays: what came after could not be judged
            if (number + 1) % _REPORTED_EVERY == 0:
                progress(f"{number + 1} of {count} files, {sum(tally.failures.values())} failures")
    return tally


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _one(source: Seed, room: Path, rng: np.random.Generator, tally: Tally, name: str, limit_s: float) -> None:
    """Damage one file (or one that belongs to it), read it, and write what was read."""
    for part in (source.file, *source.parts):
        shutil.copyfile(part, room / part.name)
    parts = sorted(room.iterdir())
    victim = parts[int(rng.integers(len(parts)))]
    victim.write_bytes(damaged(victim.read_bytes(), rng, text=victim.suffix.lower() in _TEXT))
    given: dict[str, Any] = {"fs_hz": 250.0, "unit": "mV"} if rng.random() < 0.3 else {}
    records: list[Any] = []
    start = time.perf_counter()
    try:
        with _time_limit(limit_s):
            records = source.read(room / source.file.name, given)
        tally.read[source.name] += 1
    except InputError as error:
        tally.refused[source.name] += 1
        if "\n" in str(error):
            tally.add("message of several lines", name)
    except _TooLongError:
        tally.add("too long", name)
    except LeadError:
        tally.add("LeadError", name)
    except Exception as error:
        tally.add(type(error).__name__, f"{name}: {one_line(error)}")
    tally.slowest_s = max(tally.slowest_s, time.perf_counter() - start)
    if records and isinstance(records[0], EcgRecord) and records[0].num_samples < 100_000:
        _write_again(records[:1], room / "out", rng, tally, name)


def _write_again(records: list[EcgRecord], out: Path, rng: np.random.Generator, tally: Tally, name: str) -> None:
    from gen.io import read_set, write

    try:
        write(records, out, format=_WRITTEN[int(rng.integers(len(_WRITTEN)))])
    except InputError:
        if out.exists() or any(path.name.startswith(".") for path in out.parent.iterdir()):
            tally.add("half-written", name)
        return
    except Exception as error:
        tally.add(f"writing: {type(error).__name__}", f"{name}: {one_line(error)}")
        return
    try:
        back = next(iter(read_set(out)))
        if back.leads != records[0].leads or back.num_samples != records[0].num_samples:
            tally.add("written and read differ", name)
    except Exception as error:
        tally.add(f"reading what was written: {type(error).__name__}", f"{name}: {one_line(error)}")


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `_TooLongError` inside the block after this long; where the system has no alarm, wait for ever."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _memory_limit(gib: float) -> Iterator[None]:
    """Let the process address so much more than it does now: what asks for more gets a MemoryError, and is counted."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        before = resource.getrlimit(resource.RLIMIT_AS)
        most = pages * resource.getpagesize() + int(gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    except (OSError, ValueError):  # no such system, or a lower limit is set already
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, before)


def run(settings: Robustness, progress: Progress) -> Results:
    """A line for each format, and what went wrong in all.

    Raises:
        InputError: a folder given holds nothing readable.
    """
    from gen.io import expand_inputs

    with tempfile.TemporaryDirectory() as folder:
        seeds = written_seeds(Path(folder))
        given = [ecg_seed(file, "files given") for file in expand_inputs(settings.files)] if settings.files else []
        start = time.perf_counter()
        tally = campaign(
            [*seeds, *given],
            settings.number,
            seed=settings.seed,
            limit_s=settings.limit,
            memory_gib=settings.memory,
            progress=progress,
        )
        seconds = time.perf_counter() - start
    names = list(dict.fromkeys(seed.name for seed in [*seeds, *given]))
    formats: dict[str, Node] = {
        name: {
            "read": Value(tally.read[name]),
            "refused in one line": Value(tally.refused[name]),
        }
        for name in names
    }
    halves, long = tally.failures["half-written"], tally.failures["too long"]
    memory = tally.failures["memory"] + tally.failures["MemoryError"]
    others = sum(tally.failures.values()) - halves - long - memory
    values: dict[str, Node] = {
        "all files": {
            "tracebacks and other faults": Value(others, better="lower"),
            f"longer than {settings.limit:g} s": Value(long, better="lower"),
            "half-written": Value(halves, better="lower"),
            f"more than {settings.memory:g} GiB": Value(memory, better="lower"),
            "longest reading": Value(tally.slowest_s, unit="s", better="lower"),
            "peak memory": Value(tally.largest_gib, unit="GiB", better="lower"),
            "files per second": Value(settings.number / seconds, better="higher"),
        },
        "formats": formats,
    }
    data = [Data("one simulated file per format")] + ([Data("files given")] if given else [])
    return settings.results(values, data=data, n=settings.number, notes=tally.examples)
