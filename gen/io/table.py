"""The table of a record set, ``metadata.csv``: its rows and files."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gen.io.common import reading
from gen.io.writer import COLUMNS
from gen.records import InputError

if TYPE_CHECKING:
    pass


def _is_set_table(table: Path) -> bool:
    """Whether a ``metadata.csv`` is ours: it names files."""
    if not table.is_file():
        return False
    with table.open(newline="", encoding="utf-8", errors="replace") as handle:
        return "file" in next(csv.reader(handle), [])


def _rows(table: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # metadata may carry long fiducial lists
    with reading(table, "CSV"), table.open(newline="", encoding="utf-8-sig") as handle:
        for number, row in enumerate(csv.DictReader(handle), 2):
            if not row.get("file") or None in row or None in row.values():
                raise InputError(f"{table}: row {number} does not fit the header {','.join(COLUMNS)}")
            yield row


def table_files(folder: Path) -> list[Path] | None:
    """Files of a record set by its table, each once; None if the folder is no record set."""
    table = folder / "metadata.csv"
    if not _is_set_table(table):
        return None
    return list(dict.fromkeys(folder / row["file"] for row in _rows(table)))
