"""Reads thousands of damaged files: ``python -m gen.evaluation.robustness --files SEEDS --count 20000 --seed 0``.

Every file of a folder (or, without ``--files``, one simulated record in every format that is written) is damaged at
random: bytes changed, cut, doubled or lost, numbers in its text replaced by extreme ones, lines exchanged. A reader may
read the result or refuse it with one `InputError`; anything else is counted: another exception, more than ``--limit``
seconds, more memory than ``--memory`` GiB, or a file half-written when what was read is written again.
"""

import argparse
import json
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np

from gen.files import one_line
from gen.leads import LeadError
from gen.records import EcgRecord, InputError

_EXTREMES = (b"0", b"-1", b"1e308", b"-1e308", b"nan", b"inf", b"99999999999", b"2147483648", b"1e-7", b"65536", b"")
_TEXT = (".hea", ".csv", ".txt", ".tsv", ".xml", ".json")
_WRITTEN = ("wfdb", "edf", "dicom", "csv", "npz", "parquet", "webdataset")


class _TooLongError(Exception):
    """A reader did not end in time."""


@dataclass
class Tally:
    """What became of the damaged files.

    Attributes:
        read, refused: files read whole, and files refused in one line.
        failures: anything else, by kind and place, with how often.
        examples: the first failures, as ``kind: file: what``.
        slowest_s, largest_gib: longest reading and peak memory of the process.
    """

    read: int = 0
    refused: int = 0
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
        if len(self.examples) < 20:
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


def written_seeds(folder: Path) -> list[Path]:
    """One small simulated record in every format that is written, and as other programs write tables."""
    from gen.io import write, write_record
    from gen.simulate import simulate

    record = simulate([0], seed=0, noise="light", fs_hz=250, duration_s=2).records()[0]
    files = [write_record(record, folder / f"seed{suffix}") for suffix in (".hea", ".edf", ".dcm", ".csv", ".npz")]
    files += [write([record], folder / f"seed{suffix}") for suffix in (".parquet", ".tar")]
    rows = "\n".join(f"{4 * i},{value:.4f},ok" for i, value in enumerate(record.lead("II")))
    (folder / "table.csv").write_text(f"time,II_mV,note\n{rows}\n", encoding="utf-8")
    lone = "\n".join(f"{1000 * value:.3f}".replace(".", ",") for value in record.lead("I"))
    head = "Aufzeichnungsdatum,2024-05-30\nMessrate,512 Hertz\nAbleitung,Ableitung I\nEinheit,µV\n\n"
    (folder / "watch.csv").write_text(head + lone + "\n", encoding="utf-8")
    reading = {"waveformSamples": [1, 2, 3], "samplingFrequencyHz": "250", "scalingFactor": 10922}
    (folder / "reading.json").write_text(json.dumps({"ecgReadings": [reading]}), encoding="utf-8")
    return [*files, *(folder / name for name in ("table.csv", "watch.csv", "reading.json"))]


def campaign(
    files: Sequence[Path], count: int, *, seed: int = 0, limit_s: float = 10.0, memory_gib: float = 2.0
) -> Tally:
    """Damage files and read them, ``count`` times; file k of a seed is the same whatever the number.

    Raises:
        InputError: no file was given.
    """
    if not files:
        raise InputError("no files to damage; accepted: at least one readable file")
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(count):
            rng = np.random.default_rng((seed, number))
            source = files[int(rng.integers(len(files)))]
            room = Path(folder) / "room"
            shutil.rmtree(room, ignore_errors=True)
            room.mkdir()
            _one(source, room, rng, tally, f"{source.name} ({seed}, {number})", limit_s)
            tally.largest_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            if tally.largest_gib > memory_gib:
                tally.add("memory", f"{source.name} ({seed}, {number}): {tally.largest_gib:.1f} GiB")
                break  # the peak stays: what came after could not be judged
    return tally


def _one(source: Path, room: Path, rng: np.random.Generator, tally: Tally, name: str, limit_s: float) -> None:
    """Damage one file (of a header and its signal either), read it, and write what was read."""
    from gen.io import read_set

    for companion in source.parent.glob(f"{source.stem}.*") if source.suffix in (".hea", ".mat") else [source]:
        shutil.copyfile(companion, room / companion.name)
    parts = sorted(room.iterdir())
    victim = parts[int(rng.integers(len(parts)))]
    victim.write_bytes(damaged(victim.read_bytes(), rng, text=victim.suffix.lower() in _TEXT))
    start = time.perf_counter()
    given = {"fs_hz": 250.0, "unit": "mV"} if rng.random() < 0.3 else {}
    records: list[EcgRecord] = []
    try:
        with _time_limit(limit_s):
            records = list(read_set(room / source.name, **given))  # type: ignore[arg-type]
        tally.read += 1
    except InputError as error:
        tally.refused += 1
        if "\n" in str(error):
            tally.add("message of several lines", name)
    except _TooLongError:
        tally.add("too long", name)
    except LeadError:
        tally.add("LeadError", name)
    except Exception as error:
        tally.add(type(error).__name__, f"{name}: {one_line(error)}")
    tally.slowest_s = max(tally.slowest_s, time.perf_counter() - start)
    if records and records[0].num_samples < 100_000:
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


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 where nothing went wrong, 1 where something did, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m gen.evaluation.robustness", description=__doc__)
    parser.add_argument("--files", type=Path, help="folder of readable files; simulated ones by default")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=10.0, help="seconds a reader may take")
    parser.add_argument("--memory", type=float, default=2.0, help="GiB the process may take")
    chosen = parser.parse_args(arguments)
    from gen.io import expand_inputs

    try:
        with tempfile.TemporaryDirectory() as folder:
            files = written_seeds(Path(folder)) if chosen.files is None else expand_inputs([chosen.files])
            tally = campaign(files, chosen.count, seed=chosen.seed, limit_s=chosen.limit, memory_gib=chosen.memory)
    except InputError as error:
        print(f"robustness: {error}", file=sys.stderr)
        return 2
    result = {**asdict(tally), "failures": dict(tally.failures), "count": chosen.count, "seed": chosen.seed}
    print(json.dumps(result, indent=1))
    return 0 if tally.clean else 1


if __name__ == "__main__":
    sys.exit(main())
