"""Writes record sets: a folder with ``metadata.csv`` (one row a record) beside the records, whole or not at all."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gen.files import atomic_files, begin, check_output, commit_folder, discard, one_line
from gen.io import formats
from gen.io.common import dump_json, facts_of, number_text
from gen.io.stream import WfdbStream
from gen.io.webdataset import safe_name
from gen.records import EcgRecord, InputError

#: Columns of ``metadata.csv``.
COLUMNS = (
    "record_id",
    "file",
    "patient_id",
    "age",
    "sex",
    "fs_hz",
    "num_samples",
    "leads",
    "report",
    "statements",
    "synthetic",
    "metadata",
)


def metadata_row(record: EcgRecord, file: str) -> dict[str, str]:
    """One row of ``metadata.csv``; unknown facts are empty."""
    facts = facts_of(record)
    patient = record.patient
    return {
        "record_id": record.record_id,
        "file": file,
        "patient_id": patient.id or "",
        "age": "" if patient.age is None else number_text(patient.age),
        "sex": patient.sex or "",
        "fs_hz": number_text(record.fs_hz),
        "num_samples": str(record.num_samples),
        "leads": ",".join(record.leads),
        "report": record.report or "",
        "statements": dump_json(facts.get("statements", {})),
        "synthetic": "true" if record.synthetic else "false",
        "metadata": dump_json(facts.get("metadata", {})),
    }


class RecordSetWriter:
    """Writes a record set one record at a time; nothing is at ``path`` until the ``with`` block ends well.

        with RecordSetWriter("OUT", format="wfdb") as out:
            for record in records:
                out.add(record)

    ``folder`` is where the set is being built: files put there (plots, a table) become part of it.

    Args:
        path: the folder to make.
        format: one of `gen.io.formats.WRITABLE`.
        overwrite: replace a record set that is already there.
        records_per_shard: for Parquet and WebDataset.
        place: build it in this folder, which is there and which somebody else puts in its place.
        state: go on with what is in ``place``, from where `settle` gave this.
        finish: called with the folder once the set is whole, before it gets its place; what it adds is part of it.

    Raises:
        InputError: unknown format, or the output exists.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        format: str = "wfdb",
        overwrite: bool = False,
        records_per_shard: int = 1000,
        place: Path | None = None,
        state: Mapping[str, Any] | None = None,
        finish: Callable[[Path], None] | None = None,
    ) -> None:
        self.path = Path(path) if Path(path).name not in ("", "..") else Path(path).resolve()
        self.format = formats.writable(format)
        self.count = 0
        self.synthetic = 0
        if records_per_shard < 1:
            raise InputError(f"records_per_shard must be at least 1, got {records_per_shard}")
        self._overwrite = overwrite
        self._per_shard = records_per_shard
        self._shard: Any = None
        self._names: set[str] = set()
        self._place, self._state, self._finish = place, dict(state or {}), finish
        self._shards = self._in_shard = 0
        if place is not None:
            return
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: is a file; a record set is a folder")
        check_output(self.path, overwrite=overwrite)

    def __enter__(self) -> Self:
        self.folder = begin(self.path) if self._place is None else self._place
        table = self.folder / "metadata.csv"
        try:
            if self._state:
                self._restore(table)
            self._file = table.open("a" if self._state else "w", newline="", encoding="utf-8")
        except OSError:
            if self._place is None:
                discard(self.folder)
            raise
        self._rows = csv.DictWriter(self._file, COLUMNS, lineterminator="\n")
        if not self._state:
            self._rows.writeheader()
        return self

    def _restore(self, table: Path) -> None:
        os.truncate(table, self._state["table"])
        self.count, self.synthetic = self._state["count"], self._state["synthetic"]
        self._shards = self._state["shards"]
        self._names = {safe_name(name) for name in self.record_ids()}

    def record_ids(self) -> list[str]:
        """Names of the records of `settle` or of the finished set, in order."""
        with (self.folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
            return [row["record_id"] for row in csv.DictReader(file)]

    def settle(self, ahead: int) -> dict[str, Any] | None:
        """Close a shard that ``ahead`` more records would fill; what a later run needs to go on, see ``state``.

        None while a shard is open: then nobody can go on from here.
        """
        if self._shard is not None and self._in_shard + ahead > self._per_shard:
            self._close_shard()
        if self._shard is not None:
            return None
        self._file.flush()
        size = os.fstat(self._file.fileno()).st_size
        return {"table": size, "count": self.count, "synthetic": self.synthetic, "shards": self._shards}

    def check(self, record: EcgRecord) -> None:
        """Refuse a record that `add` would refuse by its name or length, before anything of it is written.

        Raises:
            InputError: the record's name was used before, or it has no samples.
        """
        if safe_name(record.record_id) in self._names:
            raise InputError(f"{self.path}: record id {record.record_id!r} is given twice")
        if record.num_samples == 0:
            raise InputError(f"{self.path}: record {record.record_id} has no samples")

    def add(self, record: EcgRecord) -> Path:
        """Append one record; returns the file (in the finished set) that holds it.

        Raises:
            InputError: the record's name was used before, or the format cannot hold the record. The writer stays
                usable: the record is simply not in the set.
        """
        name = safe_name(record.record_id)
        self.check(record)
        row = metadata_row(record, "")
        try:
            row["file"] = self._write(record, name)
            self._rows.writerow(row)
        except OSError as error:
            raise InputError(f"{self.path}: cannot write ({error.strerror or one_line(error)})") from error
        self._names.add(name)
        self.count += 1
        self.synthetic += record.synthetic
        return self.path / row["file"]

    @contextmanager
    def growing(self, facts: EcgRecord, *, state: Mapping[str, Any] | None = None) -> Iterator[WfdbStream]:
        """A record of format wfdb that is written piece by piece, in the memory of a piece.

        Args:
            facts: the record with everything but its signal, see `gen.io.stream.WfdbStream`.
            state: go on with the same record from where `WfdbStream.state` gave this.

        Raises:
            InputError: as `add`, or the set is of another format.
        """
        name = safe_name(facts.record_id)
        if self.format != "wfdb":
            raise InputError(f"{self.path}: records of any length are written as wfdb, not as {self.format}")
        if name in self._names:
            raise InputError(f"{self.path}: record id {facts.record_id!r} is given twice")
        file = f"{name}.hea"
        with WfdbStream(self.folder / file, facts, in_place=self._place is not None, state=state) as stream:
            yield stream
        self._rows.writerow({**metadata_row(facts, file), "num_samples": str(stream.num_samples)})
        self._names.add(name)
        self.count += 1
        self.synthetic += facts.synthetic

    def _write(self, record: EcgRecord, name: str) -> str:
        if self.format in formats.FORMATS:
            one = formats.FORMATS[self.format]
            file = name + one.suffixes[0]
            one.write(record, self.folder / file)
            return file
        if self._shard is not None and self._in_shard == self._per_shard:
            self._close_shard()
        suffix = next(s for s, name in formats.SHARD_SUFFIXES.items() if name == self.format)
        if self._shard is None:
            self._shard = open_shard(self.folder / f"shard-{self._shards:05d}{suffix}")
            self._shards, self._in_shard = self._shards + 1, 0
        self._shard.add(record)
        self._in_shard += 1
        return f"shard-{self._shards - 1:05d}{suffix}"

    def _close_shard(self) -> None:
        if self._shard is not None:
            shard, self._shard = self._shard, None
            shard.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close_shard()
            self._file.close()
            if error is None:
                (self.folder / "README.md").write_text(self._readme(), encoding="utf-8")
                if self._finish is not None and self.count:
                    self._finish(self.folder)
                if self._place is None:
                    commit_folder(self.folder, self.path, overwrite=self._overwrite)
        except OSError as fault:
            if error is None:
                raise InputError(f"{self.path}: cannot write ({fault.strerror or one_line(fault)})") from fault
        finally:
            if self._place is None:
                discard(self.folder)  # gone already if it was renamed

    def _readme(self) -> str:
        share = "all of them" if self.synthetic == self.count else f"{self.synthetic} of them"
        origin = f"Synthetic data: {share} made by software, not recorded from a person. Not for diagnosis.\n\n"
        return (
            "# ECG record set\n\n"
            + (origin if self.synthetic else "")
            + f"{self.count} records, format {self.format}; `metadata.csv` has one row per record "
            "(column `synthetic` marks what software made), signals are in mV.\n\n"
            f"{formats.HELD[self.format]}\n"
        )


def open_shard(path: Path) -> Any:
    """A shard writer (``add``, ``close``) chosen by suffix."""
    if path.suffix == ".parquet":
        from gen.io.parquet import ParquetShard

        return ParquetShard(path)
    from gen.io.webdataset import WebDatasetShard

    return WebDatasetShard(path)


def write(
    records: EcgRecord | Iterable[EcgRecord],
    path: str | Path,
    *,
    format: str | None = None,
    overwrite: bool = False,
    records_per_shard: int = 1000,
) -> Path:
    """Write a record set: a folder with ``metadata.csv``; with a file's suffix (``.npz``, ``.parquet``) one file.

    Args:
        records: one record or many; read one at a time, so a set need not fit in memory.
        path: the folder or file to make; it appears only when everything is written.
        format: wfdb (default), edf, dicom, csv, npz, parquet or webdataset; from a file's suffix where not given.
        overwrite: replace a record set (or file) that is there.
        records_per_shard: for Parquet and WebDataset.

    Returns:
        ``path``.

    Raises:
        InputError: the output exists, the format is unknown, or a record does not fit it.
    """
    path = Path(path)
    items: Iterator[EcgRecord] = iter([records] if isinstance(records, EcgRecord) else records)
    single = formats.by_suffix(path)
    if single is not None and not path.is_dir() and format in (None, single.name):
        record = next(items, None)
        if record is None or next(items, None) is not None:
            raise InputError(f"{path}: a {single.name} file holds one record; give a folder for a set")
        return write_record(record, path, single.name, overwrite=overwrite)
    shard = formats.SHARD_SUFFIXES.get(path.suffix)
    if shard is not None and not path.is_dir() and format in (None, shard):
        return write_shard(items, path, overwrite=overwrite)
    with RecordSetWriter(
        path, format=format or "wfdb", overwrite=overwrite, records_per_shard=records_per_shard
    ) as writer:
        for record in items:
            writer.add(record)
    return path


def write_record(record: EcgRecord, file: str | Path, format: str | None = None, *, overwrite: bool = False) -> Path:
    """Write one record to one file (WFDB: header and signal); the format follows the suffix unless given.

    Raises:
        InputError: the file exists, the suffix or format is unknown, or the record does not fit the format.
    """
    path = Path(file)
    found = formats.FORMATS.get(format) if format else formats.by_suffix(path)
    if found is None and path.suffix in formats.SHARD_SUFFIXES:
        return write_shard([record], path, overwrite=overwrite)
    if found is None or found.writer is None:
        raise InputError(f"{path}: unknown format {format or path.suffix!r}; accepted: {', '.join(formats.WRITABLE)}")
    if found.name == "npz" and path.suffix == ".npy":
        raise InputError(f"{path}: a bare array holds no rate and no leads; use .npz")
    if found.name == "wfdb":
        path = path.with_suffix(".hea") if path.suffix in (".hea", ".dat") else Path(f"{path}.hea")
        if safe_name(path.stem) != path.stem:
            raise InputError(f"{path}: a WFDB record name has only letters, digits, _ and -")
    if record.num_samples == 0:
        raise InputError(f"{path}: record {record.record_id} has no samples")
    with atomic_files(path, overwrite=overwrite) as temporary:
        found.write(record, temporary)
    return path


def write_shard(records: Iterable[EcgRecord], file: str | Path, *, overwrite: bool = False) -> Path:
    """Write one Parquet (``.parquet``) or WebDataset (``.tar``) shard, whole or not at all."""
    path = Path(file)
    with atomic_files(path, overwrite=overwrite) as temporary:
        shard = open_shard(temporary)
        try:
            for record in records:
                shard.add(record)
        finally:
            shard.close()
    return path
