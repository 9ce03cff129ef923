"""The record sets under comparison: a folder of any kind, seen as a table and records read one by one."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gen.records import EcgRecord, InputError

if TYPE_CHECKING:
    import pandas as pd

ACCEPTED = "a record set, a PTB-XL or MIMIC-IV-ECG tree, a prepared cache or a folder of ECG files, each with :SPLIT"
_FOLD = re.compile(r"fold(\d{1,2})")
_SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class EcgSet:
    """One set of recordings; nothing is read before it is asked for.

    Attributes:
        name: as the user wrote it.
        kind: what the folder was recognised as.
        ids, patients: of each record; a record without a patient counts as a patient of its own, whom no other set has.
        read: record by row number of the source.
        rows: row numbers that are in the set, ascending.
        file_leads: what the first file itself holds; records come with the leads that follow from them as well.
    """

    name: str
    kind: str
    ids: tuple[str, ...]
    patients: tuple[str, ...]
    read: Callable[[int], EcgRecord]
    rows: tuple[int, ...]
    file_leads: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[EcgRecord]:
        return (self.read(row) for row in self.rows)

    def only(self, positions: Sequence[int]) -> "EcgSet":
        """The records at these positions, in the set's own order."""
        chosen = sorted({int(i) for i in positions})
        return replace(
            self,
            ids=tuple(self.ids[i] for i in chosen),
            patients=tuple(self.patients[i] for i in chosen),
            rows=tuple(self.rows[i] for i in chosen),
        )


def open_set(location: str | Path) -> EcgSet:
    """Open ``FOLDER`` or ``FOLDER:SPLIT`` (train, val, test, or foldN).

    Raises:
        InputError: no such folder, nothing readable in it, an unknown split, no record, or an id given twice.
    """
    folder, split = split_location(location)
    table, read, kind, file_leads = _open(folder)
    rows = _rows_of(table, split, location)
    if not len(rows):
        raise InputError(f"{location}: no record in it; accepted: at least two records")
    chosen = table.iloc[rows]
    ids = tuple(str(value) for value in chosen["record_id"])
    _refuse_duplicates(ids, location)
    # Sources name a record's own patient after the record; counters such as r000 would then meet in unrelated sets.
    patients = tuple(
        f"record {record} of {location}"
        if patient is None or patient != patient or patient == f"record {record}"
        else str(patient)
        for patient, record in zip(chosen["patient_id"], ids, strict=True)
    )
    return EcgSet(str(location), kind, ids, patients, read, tuple(int(row) for row in rows), file_leads(int(rows[0])))


def split_location(location: str | Path) -> tuple[Path, str | None]:
    """Folder and split of ``FOLDER[:SPLIT]``; a folder whose name holds a colon is taken as it is."""
    text = str(location)
    if Path(text).is_dir():
        return Path(text), None
    head, colon, tail = text.rpartition(":")
    if colon and Path(head).is_dir():
        if tail not in _SPLITS and not _FOLD.fullmatch(tail):
            raise InputError(f"{text}: unknown split {tail!r}; accepted: {', '.join(_SPLITS)}, fold1 to fold10")
        return Path(head), tail
    kind = "is a file" if Path(text).exists() else "no such folder"
    raise InputError(f"{text}: {kind}; accepted: {ACCEPTED}")


def manifest_patients(path: str | Path) -> set[str] | None:
    """Patient ids of a training manifest: a JSON object with ``patients``, or a text file with one id a line.

    Returns:
        None where ``path`` is no file.

    Raises:
        InputError: the file names no patients.
    """
    file = Path(path)
    if not file.is_file():
        return None
    text = file.read_text(encoding="utf-8")
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = [line.strip() for line in text.splitlines() if line.strip()]
    if isinstance(found, Mapping):
        found = found.get("patients")
    if not isinstance(found, list) or not found:
        raise InputError(f"{file}: no list of patients; accepted: JSON with 'patients', or one patient id a line")
    return {str(patient) for patient in found}


_Leads = Callable[[int], tuple[str, ...]]


def _open(folder: Path) -> "tuple[pd.DataFrame, Callable[[int], EcgRecord], str, _Leads]":
    from gen.datasets import SignalCache, open_source
    from gen.io import read_set

    if (folder / "manifest.json").is_file() and (folder / "signals.i16").is_file():
        cache = SignalCache.open(folder)
        return cache.table, cache.record, f"cache of {cache.manifest['source']['name']}", lambda row: cache.leads
    source = open_source(folder, fs_hz=None)

    def file_leads(row: int) -> tuple[str, ...]:
        first = next(iter(read_set(source.root / source.table["path"].iloc[row])), None)
        return () if first is None else first.leads

    return source.table, source.__getitem__, source.info.name, file_leads


def _rows_of(table: "pd.DataFrame", split: str | None, location: str | Path) -> np.ndarray:
    if split is None:
        return np.arange(len(table))
    fold = _FOLD.fullmatch(split)
    wanted = table["fold"] == int(fold[1]) if fold else table["split"] == split
    rows = np.flatnonzero(wanted.to_numpy())
    if not len(rows):
        raise InputError(f"{location}: no record in this split; there are: {', '.join(sorted(set(table['split'])))}")
    return rows


def _refuse_duplicates(ids: Sequence[str], location: str | Path) -> None:
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise InputError(f"{location}: record id {name!r} is given twice; accepted: every id once")
        seen.add(name)
