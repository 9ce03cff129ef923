"""Data sets written in shards: whole shards or none, resumable, and the same bytes however often a run was killed.

A set of n samples is cut into shards of `DataSet.per_shard` samples, and a shard into blocks that are generated
together. Which samples share a block depends on n alone, so a resumed or shared run computes just what an undisturbed
one does. Finished shards are never touched again. While shards are missing, ``.parts`` holds the table's rows of the
finished ones; ``metadata.csv``, which makes the folder a record set, is written last.
"""

import csv
import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gen import __version__
from gen.files import PARTIAL, one_line, remove, remove_left_over, replacing, write_json
from gen.io import COLUMNS, formats
from gen.io.writer import metadata_row, open_shard
from gen.records import EcgRecord, InputError
from gen.synthesis.card import write_card
from gen.synthesis.refusal import Refusal
from gen.synthesis.requests import Request, Requests

FORMATS = ("wfdb", "parquet", "webdataset", "npz")
MANIFEST, TABLE, PARTS, REFUSED = "manifest.json", "metadata.csv", ".parts", "refused.csv"
REFUSED_COLUMNS = ("record_id", "tries", "reason")
Generate = Callable[[Sequence[Request]], Sequence[EcgRecord | Refusal]]


@dataclass(frozen=True)
class DataSet:
    """What is to be made; everything here but ``card`` must agree where a run is resumed.

    Attributes:
        requests: one for each sample.
        seed: of the noise.
        model: digests of the weights, by name.
        settings: how samples are drawn, as JSON values.
        format: of `FORMATS`.
        per_shard, block: samples per shard, and generated together; a shard is a whole number of blocks.
        card: further facts for the data card (licence, training data, ...).
    """

    requests: Requests
    seed: int
    model: Mapping[str, str]
    settings: Mapping[str, Any]
    format: str = "wfdb"
    per_shard: int = 512
    block: int = 64
    card: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InputError(f"--format {self.format}: expected one of {', '.join(FORMATS)}")
        if len(self.requests) < 1:
            raise InputError("no sample asked for; -n must be at least 1")
        if self.block < 1 or self.per_shard < 1 or self.per_shard % self.block:
            raise InputError(f"{self.per_shard} samples per shard: expected a multiple of the block, {self.block}")

    @property
    def labelled(self) -> bool:
        """Whether samples have labels."""
        return bool(self.requests.about.get("classes"))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table."""
        return (*COLUMNS, "label") if self.labelled else COLUMNS

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-len(self.requests) // self.per_shard)

    def shard(self, number: int) -> range:
        """Samples of a shard."""
        return range(number * self.per_shard, min((number + 1) * self.per_shard, len(self.requests)))

    def file(self, number: int) -> str:
        """Name of a shard's file, or of its folder where every record is a file."""
        suffix = next((s for s, name in formats.SHARD_SUFFIXES.items() if name == self.format), "")
        return f"shard-{number:05d}{suffix}"

    def manifest(self) -> dict[str, Any]:
        """JSON values that name this set."""
        return {
            "format": "physiogen-synthesis",
            "version": 1,
            "samples": len(self.requests),
            "seed": self.seed,
            "model": dict(self.model),
            "conditions": self.requests.digest,
            "settings": json.loads(json.dumps(dict(self.settings))),
            "records": {"format": self.format, "per_shard": self.per_shard, "block": self.block},
            "software": {"physiogen": __version__},
        }


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        made: samples of this run.
        found: samples that were there already.
        complete: whether the whole set is there.
        refused: (name, reason) of samples that could not be made, as far as the set goes.
    """

    made: int
    found: int
    complete: bool
    refused: tuple[tuple[str, str], ...] = ()


def share_of(text: str | None, environment: Mapping[str, str] | None = None) -> tuple[int, int]:
    """Part of the shards this process makes, (number from 0, of how many).

    Args:
        text: such as 2/4, from 1/4 to 4/4; where None, ``RANK`` and ``WORLD_SIZE`` of ``accelerate launch`` or
            ``torchrun`` count.
        environment: of the process.

    Raises:
        InputError: not of this form, or out of range.
    """
    environment = os.environ if environment is None else environment
    if text is None:
        rank, size = environment.get("RANK", ""), environment.get("WORLD_SIZE", "")
        return (int(rank), int(size)) if rank.isdigit() and size.isdigit() and int(size) > 0 else (0, 1)
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise InputError(f"--shard {text}: expected i/n with i from 1 to n, such as 1/4")
    return part - 1, parts


def synthesize(
    data: DataSet,
    generate: Generate,
    out: str | Path,
    *,
    share: tuple[int, int] = (0, 1),
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Make a data set, or go on with one; the same call finishes what a killed run left.

    Args:
        data: what is to be made.
        generate: the generator, called with one block of requests at a time.
        out: the set's folder.
        share: of the shards, see `share_of`; the process that finishes last writes the table.
        overwrite: start anew where another set is.
        progress: told how many of this process's samples are there, and of how many.

    Raises:
        InputError: the folder holds something else or a set of other settings, or it cannot be written.
    """
    out = Path(out)
    with writing(out):
        _begin(data, out, overwrite)
        mine = range(share[0], data.shards, share[1])
        total, made, found = sum(len(data.shard(k)) for k in mine), 0, 0
        for number in mine:
            samples = data.shard(number)
            if _is_there(data, out, number):
                found += len(samples)
            else:
                tell = None if progress is None else _offset(progress, made + found, total)
                _make_shard(data, generate, out, number, tell)
                made += len(samples)
            if progress is not None:
                progress(made + found, total)
        complete = _finish(data, out)
        return Outcome(made, found, complete, _refused(data, out))


def _offset(progress: Callable[[int, int], None], before: int, total: int) -> Callable[[int], None]:
    return lambda done: progress(before + done, total)


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


def _begin(data: DataSet, out: Path, overwrite: bool) -> None:
    """Make the folder with its manifest, or check that it is that of the same set."""
    wanted = data.manifest()
    stored = _stored_manifest(out)
    if stored is None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is no data set made by 'physiogen synthesize'; will not write into it")
    if stored is not None:
        differing = [key for key in wanted if key != "software" and stored.get(key) != wanted[key]]
        if not differing:
            return
        if not overwrite:
            raise InputError(
                f"{out}: holds a data set of another {_differences(differing, stored, wanted)}; "
                "it is not mixed with this one: choose another folder, or replace it with --overwrite"
            )
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / MANIFEST, wanted)


def _stored_manifest(out: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == "physiogen-synthesis" else None


def _differences(keys: Sequence[str], stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    said = []
    for key in keys:
        plain = isinstance(wanted[key], int)
        said.append(f"{key} ({stored.get(key)} there, {wanted[key]} asked for)" if plain else key)
    return ", ".join(said)


def _is_there(data: DataSet, out: Path, number: int) -> bool:
    part = out / PARTS / f"{number:05d}.csv"
    return (out / TABLE).is_file() or (part.is_file() and (out / data.file(number)).exists())


def _make_shard(data: DataSet, generate: Generate, out: Path, number: int, tell: Callable[[int], None] | None) -> None:
    name = data.file(number)
    remove_left_over(out / name)
    # A shard may be there without its rows, of a run that was killed between the two: it is made again.
    with replacing(out / name) as temporary:
        rows, refused = _write_records(data, generate, temporary, number, tell)
    (out / PARTS).mkdir(exist_ok=True)
    if refused:
        _write_rows(out / PARTS / f"{number:05d}.{REFUSED}", refused, REFUSED_COLUMNS)
    _write_rows(out / PARTS / f"{number:05d}.csv", rows, data.columns)


def _write_records(
    data: DataSet, generate: Generate, target: Path, number: int, tell: Callable[[int], None] | None
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
            if tell is not None:
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


def _refused(data: DataSet, out: Path) -> tuple[tuple[str, str], ...]:
    """Name and reason of the samples that could not be made."""
    whole = out / REFUSED
    parts = [whole] if whole.is_file() else [out / PARTS / f"{k:05d}.{REFUSED}" for k in range(data.shards)]
    return tuple((row["record_id"], row["reason"]) for row in _merged([part for part in parts if part.is_file()]))


def _finish(data: DataSet, out: Path) -> bool:
    """Write table and data card once all shards are there; whether they are."""
    if (out / TABLE).is_file():
        return True
    parts = [out / PARTS / f"{k:05d}.csv" for k in range(data.shards)]
    if not all(part.is_file() for part in parts):
        return False
    refused = [out / PARTS / f"{k:05d}.{REFUSED}" for k in range(data.shards)]
    refused = [part for part in refused if part.is_file()]
    try:
        given_up = [int(row["tries"]) for row in _merged(refused)]
        write_card(out, data.manifest(), data.requests.about, dict(data.card or {}), _merged(parts), given_up)
        if refused:
            _write_rows(out / REFUSED, _merged(refused), REFUSED_COLUMNS)
        _write_rows(out / TABLE, _merged(parts), data.columns)
    except FileNotFoundError:
        if not (out / TABLE).is_file():  # else another process was faster, and has removed the parts
            raise
    remove(out / PARTS)
    for left_over in out.glob(f"{PARTIAL}*"):
        remove(left_over)
    return True


def _merged(parts: Sequence[Path]) -> Iterator[dict[str, str]]:
    for part in parts:
        with part.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def _write_rows(
    path: Path, rows: "Iterator[dict[str, str]] | list[dict[str, str]]", columns: Sequence[str] = COLUMNS
) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
