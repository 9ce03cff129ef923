"""What every source of recordings looks like: a table, and records read one at a time when asked for."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd

from gen.datasets.own_labels import Meaning
from gen.datasets.scp import aggregate, check_level
from gen.leads import derivable
from gen.records import EcgRecord, InputError, Patient

#: Columns every source table has, in this order; a source may add its own behind them.
COLUMNS = (
    "record_id",
    "patient_id",
    "split",
    "fold",
    "age",
    "age_over_89",
    "sex",
    "height_cm",
    "weight_kg",
    "report",
    "statements",
    "labels",
    "synthetic",
    "path",
)
SPLITS = ("train", "val", "test")
_TEXT = ("record_id", "patient_id", "split", "sex", "report", "statements", "labels", "path")


@dataclass(frozen=True)
class SourceInfo:
    """What a source is and what may be done with it."""

    name: str
    licence: str = "unknown"
    citation: str = "unknown"


class Source(Sequence[EcgRecord]):
    """A set of recordings: ``table`` at once, signals one by one.

    Attributes:
        table: one row a record; columns `COLUMNS`, then the source's own. ``statements`` and ``labels`` are JSON
            objects code -> likelihood in percent; ``split`` is train, val or test, and no patient is in two of them.
        info: name, licence and citation.
        fs_hz: the rate records come out at; None leaves each at the rate it was stored with.
        warnings: what a user of the splits or labels should know.
        label_meanings: what labels of one's own stand for.
    """

    def __init__(
        self,
        root: Path,
        info: SourceInfo,
        table: pd.DataFrame,
        read: Callable[[Path, Mapping[str, Any]], EcgRecord] | None = None,
        *,
        fs_hz: float | None = None,
        label_level: str = "sub",
        warnings: Sequence[str] = (),
        label_meanings: Mapping[str, Meaning] | None = None,
    ) -> None:
        self.root = root
        self.info = info
        self.fs_hz = fs_hz
        self.label_level = check_level(label_level)
        self.table = complete_table(table, label_level)
        self.warnings = tuple(warnings)
        self.label_meanings = dict(label_meanings or {})
        self._read = read or read_file

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, index: int) -> EcgRecord: ...

    @overload
    def __getitem__(self, index: slice) -> list[EcgRecord]: ...

    def __getitem__(self, index: int | slice) -> EcgRecord | list[EcgRecord]:
        """Read one record: its leads in standard order, the twelve where they are there or follow exactly.

        Raises:
            InputError: the file is missing, damaged or in a form that is not understood.
            IndexError: no such record.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        record = self.stored(index)
        return record if self.fs_hz is None else record.at(self.fs_hz)

    def stored(self, index: int) -> EcgRecord:
        """The same record at the rate it was stored with; raises as indexing does."""
        row = self.table.iloc[int(index)].to_dict()
        try:
            record = record_from_row(row, self._read(self.root, row))
        except InputError:
            raise
        except (OSError, ValueError) as error:
            raise InputError(f"{self.root / row['path']}: {' '.join(str(error).split())}") from error
        return record.select(derivable(record.leads))

    def __iter__(self) -> Iterator[EcgRecord]:
        return (self[i] for i in range(len(self)))

    def split(self, name: str) -> np.ndarray:
        """Row numbers of one split; raises `ValueError` for an unknown name."""
        return split_rows(self.table, name)


def split_rows(table: pd.DataFrame, name: str) -> np.ndarray:
    """Row numbers of one split of a table, ascending; raises `ValueError` for an unknown split."""
    if name not in SPLITS:
        raise ValueError(f"split {name!r} is unknown; accepted: {', '.join(SPLITS)}")
    return np.flatnonzero(table["split"].to_numpy() == name)


def read_file(root: Path, row: Mapping[str, Any]) -> EcgRecord:
    """The recording in the file ``root/row['path']``, in any format `gen.io.read` knows."""
    from gen.io import read

    return read(root / row["path"])


def record_from_row(row: Mapping[str, Any], record: EcgRecord) -> EcgRecord:
    """The signal of a record with the facts of the table row that belongs to it."""
    metadata = {**record.metadata, **json.loads(_known(row.get("metadata")) or "{}")}
    metadata |= {"path": row["path"], "split": row["split"], "fold": int(row["fold"])}
    metadata.setdefault("stored_fs_hz", record.fs_hz)
    if row["age_over_89"]:
        metadata["age_over_89"] = True
    return replace(
        record,
        record_id=row["record_id"],
        patient=Patient(
            id=_known(row["patient_id"]),
            age=_known(row["age"]),
            sex=_known(row["sex"]),
            height_cm=_known(row["height_cm"]),
            weight_kg=_known(row["weight_kg"]),
        ),
        report=_known(row["report"]),
        statements=json.loads(row["statements"]),
        synthetic=bool(row["synthetic"]) or record.synthetic,
        metadata=metadata,
    )


def complete_table(table: pd.DataFrame, label_level: str) -> pd.DataFrame:
    """The table with all `COLUMNS` in order and fixed types; missing ones are filled with 'unknown'.

    Folds 1-8 are train, 9 validation, 10 test; rows without a fold get one by `patient_fold`. A split that the
    source states itself wins.
    """
    table = table.reset_index(drop=True).copy()
    nameless = table[["record_id", "path"]].isna().any(axis=1) if "path" in table else table["record_id"].isna()
    if nameless.any():
        raise InputError(f"row {int(nameless.to_numpy().argmax()) + 1} of the set's table names no record or file")
    for column in ("height_cm", "weight_kg", "age"):
        table[column] = pd.to_numeric(table.get(column, pd.Series(np.nan, table.index)), errors="coerce")
        table[column] = table[column].astype("float64")
    for column, default in {"age_over_89": False, "synthetic": False, "statements": "{}"}.items():
        table[column] = table[column].fillna(default) if column in table else default
    for column in ("sex", "report", "fold"):
        if column not in table:
            table[column] = None
    unknown = table["fold"].isna()
    if unknown.any():
        table.loc[unknown, "fold"] = [patient_fold(p) for p in table.loc[unknown, "patient_id"]]
    table["fold"] = table["fold"].astype("int64")
    by_fold = np.select([table["fold"] == 9, table["fold"] == 10], ["val", "test"], "train")
    table["split"] = table["split"].where(table["split"].isin(SPLITS), by_fold) if "split" in table else by_fold
    table["labels"] = [json.dumps(aggregate(json.loads(codes), label_level)) for codes in table["statements"]]
    for column in _TEXT:
        table[column] = table[column].astype(object).where(table[column].notna(), None)
    for column in ("age_over_89", "synthetic"):
        table[column] = table[column].astype(bool)
    return table[[*COLUMNS, *(c for c in table.columns if c not in COLUMNS)]]


def patient_fold(patient_id: str, seed: int = 0) -> int:
    """Fold 1-10 of a patient, from a seeded hash of the id: the same on every machine and for any set of records."""
    digest = hashlib.sha256(f"{seed}:{patient_id}".encode()).digest()
    return 1 + int.from_bytes(digest[:8], "big") % 10


def _known(value: Any) -> Any:
    """None instead of pandas' various missing values, plain Python numbers instead of numpy's."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
