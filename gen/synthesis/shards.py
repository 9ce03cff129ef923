"""Shards of a data set: made whole by any process, and known again by their digest.

``.parts`` holds, for every finished shard, the rows of the table, what could not be drawn, and the row of
``shards.csv`` with the digest of what was written; that row comes last, so a shard with it is finished.
"""

import csv
import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gen.engines import Tell
from gen.engines.lock import locked
from gen.files import one_line, remove_left_over, replacing
from gen.io import COLUMNS, formats
from gen.io.writer import metadata_row, open_shard
from gen.records import EcgRecord, InputError
from gen.synthesis.data_set import DataSet
from gen.synthesis.refusal import Refusal
from gen.synthesis.requests import Request

TABLE, PARTS, REFUSED = "metadata.csv", ".parts", "refused.csv"
REFUSED_COLUMNS = ("record_id", "tries", "reason")
SHARD_COLUMNS = ("file", "records", "bytes", "sha256")
Generate = Callable[[Sequence[Request]], Sequence[EcgRecord | Refusal]]
_READ_BYTES = 1 << 20


class Shards:
    """Makes shards of one set in one folder; an engine's `gen.engines.Make`.

    Args:
        data: the set.
        generate: the generator, called with one block of requests at a time.
        out: the set's folder.
    """

    def __init__(self, data: DataSet, generate: Generate, out: Path) -> None:
        self.data, self._generate, self.out = data, generate, out
        self._too_little: int | None = None  # bytes that were free when a shard found no room

    def __call__(self, number: int, tell: Tell) -> None:
        """Make a shard; nothing where it is there with the bytes that were written.

        Raises:
            InputError: it cannot be written; the line says what to do.
        """
        if (self.out / TABLE).is_file() or is_there(self.data, self.out, number):
            return
        with writing(self.out):
            if self._too_little is not None and shutil.disk_usage(self.out).free <= self._too_little:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # known before anything is computed
            try:
                self._make(number, tell)
            except (OSError, InputError) as error:
                cause = error if isinstance(error, OSError) else error.__cause__
                if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
                    with suppress(OSError):
                        self._too_little = shutil.disk_usage(self.out).free
                raise

    def _make(self, number: int, tell: Tell) -> None:
        data, out = self.data, self.out
        name = data.file(number)
        remove_left_over(out / name)
        # A shard may be there without its rows, of a run that was killed between the two: it is made again.
        with suppress(_ThereAlready), ExitStack() as stack:
            with replacing(out / name) as temporary:
                rows, refused = _write_records(data, self._generate, temporary, number, tell)
                size, digest = digest_of(temporary)
                (out / PARTS).mkdir(exist_ok=True)
                # Another process may be at the same shard: one that a dead driver left.
                stack.enter_context(locked(part_of(out, number, "lock")))
                if (out / TABLE).is_file() or is_there(data, out, number):
                    raise _ThereAlready
            if refused:
                write_rows(part_of(out, number, REFUSED), refused, REFUSED_COLUMNS)
            write_rows(part_of(out, number, "csv"), rows, data.columns)
            row = {"file": name, "records": str(len(rows)), "bytes": str(size), "sha256": digest}
            write_rows(part_of(out, number, "shard.csv"), [row], SHARD_COLUMNS)


class _ThereAlready(Exception):
    """Another process has made the same shard."""


def part_of(out: Path, number: int, ending: str) -> Path:
    """A file of a finished shard, beside the set."""
    return out / PARTS / f"{number:05d}.{ending}"


def is_there(data: DataSet, out: Path, number: int) -> bool:
    """Whether a shard is finished, and its bytes are those that were written."""
    try:
        row = next(merged([part_of(out, number, "shard.csv")]))
        size, digest = digest_of(out / data.file(number))
    except (OSError, StopIteration):
        return False
    found = part_of(out, number, "csv").is_file() and row.get("file") == data.file(number)
    return found and (row.get("bytes"), row.get("sha256")) == (str(size), digest)


def digest_of(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of a file, or of the names and contents of all files of a folder.

    Raises:
        OSError: it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if path.is_dir():
            digest.update(f"{file.name}\t{file.stat().st_size}\n".encode())
        with file.open("rb") as handle:
            while chunk := handle.read(_READ_BYTES):
                digest.update(chunk)
                size += len(chunk)
    return size, digest.hexdigest()


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn a full disk, and other trouble with writing, into one line that says how to go on."""
    try:
        yield
    except (OSError, InputError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        if cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"{out}: disk full; finished shards are complete: free some space and run the same command again"
            ) from error
        raise InputError(f"{out}: cannot write ({cause.strerror or one_line(cause)})") from error


def _write_records(
    data: DataSet, generate: Generate, target: Path, number: int, tell: Tell
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows of the table, and of the samples that could not be made."""
    name, samples = data.file(number), data.shard(number)
    single = formats.FORMATS.get(data.format)
    rows, refused = [], []
    if single is not None:
        target.mkdir()
    shard: Any = None if single is not None else open_shard(target)
    try:
        for start in range(samples.start, samples.stop, data.block):
            block = [data.requests[k] for k in range(start, min(start + data.block, samples.stop))]
            for request, made in zip(block, generate(block), strict=True):
                if isinstance(made, Refusal):
                    row = {"record_id": _name(request, data.seed), "tries": str(made.tries), "reason": made.reason}
                    refused.append(row)
                    continue
                record = _named(made, request, data.seed)
                label = {"label": request.label or ""} if data.labelled else {}
                if single is None:
                    shard.add(record)
                    rows.append(metadata_row(record, name) | label)
                else:
                    file = f"{record.record_id}{single.suffixes[0]}"
                    single.write(record, target / file)
                    rows.append(metadata_row(record, f"{name}/{file}") | label)
            tell(start + len(block) - samples.start)
    finally:
        if shard is not None:
            shard.close()
    return rows, refused


def _named(record: EcgRecord, request: Request, seed: int) -> EcgRecord:
    """The record with its name in the set, and what is known of its request."""
    metadata = dict(record.metadata)
    if request.source is not None:
        metadata["request"] = {**metadata.get("request", {}), "source": request.source}
    if request.label is not None:
        metadata["label"] = request.label
    patient = record.patient if request.group is None else replace(record.patient, id=request.group)
    statements = record.statements if request.statements is None else request.statements
    name = _name(request, seed)
    return replace(
        record, record_id=name, patient=patient, statements=dict(statements), synthetic=True, metadata=metadata
    )


def _name(request: Request, seed: int) -> str:
    return f"s{seed}_{request.number:07d}"


def merged(parts: Sequence[Path]) -> Iterator[dict[str, str]]:
    """Rows of several tables."""
    for part in parts:
        with part.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def write_rows(
    path: Path, rows: "Iterator[dict[str, str]] | list[dict[str, str]]", columns: Sequence[str] = COLUMNS
) -> None:
    """Write a table, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
