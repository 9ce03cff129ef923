"""Our own record sets: a folder with ``metadata.csv`` beside records or shards, or any folder of readable files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gen.datasets.base import SPLITS, Source, SourceInfo, read_file
from gen.datasets.wfdb_folder import own_patients
from gen.records import EcgRecord, InputError

_SHARDS = (".parquet", ".tar")
_NPZ = ".npz"
#: Columns of the set that the common table has under another name or does not need.
_TRANSLATED = ("file", "fs_hz", "num_samples", "leads", "metadata", "statements")


def detect(root: Path) -> bool:
    """Whether the folder is a record set with its table."""
    table = root / "metadata.csv"
    if not table.is_file():
        return False
    with table.open(encoding="utf-8-sig", errors="replace") as file:
        return "file" in file.readline().strip().split(",")


def detect_files(root: Path) -> bool:
    """Whether the folder holds any file that `gen.io` reads."""
    from gen.io.inputs import files_in

    return bool(files_in(root))


def open_record_set(root: Path, *, fs_hz: float | None = 500, label_level: str = "sub") -> Source:
    """A record set with the split it states (in its table or the records' metadata), else one seeded by patient.

    Records taken from PTB-XL carry its folds, so that a test record does not turn up in the training split of a set
    made from it.

    Single files are read in any order. Parquet and WebDataset shards are read forwards: in order they cost nothing
    extra, a step back starts the shard again (prepare a cache for random access).

    Raises:
        InputError: the table is damaged, or it puts one patient into two splits.
    """
    from gen.io import set_table

    found = set_table(root)
    table = found.drop(columns=[column for column in _TRANSLATED if column in found])
    table["path"] = [_relative(root, file) for file in found["file"]]
    table["statements"] = [json.dumps(codes) for codes in found["statements"]]
    table["metadata"] = [json.dumps(facts) for facts in found["metadata"]]
    # Records of a shard share its path; their order in the table is their order in the shard.
    table["position"] = table.groupby("path").cumcount()
    for column in ("split", "fold"):
        if column not in table:
            stated = [facts.get(column) for facts in found["metadata"]]
            if any(value is not None for value in stated):
                table[column] = stated
    table, warnings = own_patients(table)
    _check_splits(root, table)
    licence = "synthetic" if len(table) and table["synthetic"].all() else "unknown"
    info = SourceInfo(name=f"record-set:{root.resolve().name}", licence=licence)
    return Source(root, info, table, _Reader(), fs_hz=fs_hz, label_level=label_level, warnings=warnings)


def _relative(root: Path, file: str) -> str:
    path = Path(file)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _check_splits(root: Path, table: pd.DataFrame) -> None:
    if "split" not in table:
        return
    known = table[table["split"].isin(SPLITS)]
    splits = known.groupby("patient_id")["split"].nunique()
    if (splits > 1).any():
        raise InputError(f"{root / 'metadata.csv'}: patient {splits.idxmax()} is in more than one split")


class _Reader:
    """Reads single files, and shards through a cursor that remembers where it is."""

    def __init__(self) -> None:
        self._open: tuple[Path, Iterator[EcgRecord], int] | None = None

    def __call__(self, root: Path, row: Mapping[str, Any]) -> EcgRecord:
        path = root / row["path"]
        if path.suffix not in _SHARDS and not (path.suffix == _NPZ and self._many(path)):
            return read_file(root, row)
        position = int(row["position"])
        if self._open is None or self._open[0] != path or self._open[2] > position:
            from gen.io import read_set

            self._open = (path, read_set(path), 0)
        _, records, at = self._open
        for number in range(at, position + 1):
            record = next(records, None)
            if record is None:
                self._open = None
                raise InputError(f"{path}: holds only {number} records, the table names more")
        self._open = (path, records, position + 1)
        return record  # type: ignore[return-value]

    def _many(self, path: Path) -> bool:
        from gen.io import count_set

        return count_set(path) > 1
