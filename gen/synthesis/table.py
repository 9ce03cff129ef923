"""Tables of requests and labels: CSV, TSV or Parquet with a header."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gen.io.common import reading
from gen.records import InputError


def cells(path: Path) -> tuple[list[str], Iterator[list[Any] | None]]:
    """Header, and rows of cells (None where a row does not fit the header)."""
    if not path.is_file():
        raise InputError(f"{path}: not found; accepted: a CSV or Parquet file with one condition a row")
    if path.suffix.lower() == ".parquet":
        with reading(path, "Parquet"):
            import pyarrow.parquet as pq

            table = pq.read_table(path)
        columns = [column.to_pylist() for column in table.columns]
        return table.column_names, (list(cells) for cells in zip(*columns, strict=True))
    with reading(path, "CSV"), path.open(newline="", encoding="utf-8-sig") as file:
        first = file.readline()
        delimiter = max((",", ";", "\t"), key=first.count)
        file.seek(0)
        rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
    if not rows:
        raise InputError(f"{path}: the file is empty")
    header = [name.strip() for name in rows[0]]
    return header, (row if len(row) == len(header) else None for row in rows[1:])
