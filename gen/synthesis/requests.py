"""What every sample of a data set is asked to show: one prompt for all, or the rows of a table."""

import csv
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gen.files import printable
from gen.io.common import dump_json, parse_sex, reading
from gen.quantities import QUANTITIES
from gen.records import InputError

_QUANTITIES = {name: quantity.columns for name, quantity in QUANTITIES.items()}
#: Columns of a table of conditions, and other names they may have.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "text": ("report", "prompt", "findings"),
    "age": _QUANTITIES.pop("age"),
    "sex": ("gender",),
    **_QUANTITIES,
}
_EMPTY = ("", "nan", "none", "null", "na", "n/a", "<na>")


@dataclass(frozen=True)
class Request:
    """What one sample is asked to show.

    Attributes:
        number: of the sample within its seed; it fixes the noise.
        values: condition -> value, of `COLUMNS`; what is not there is left open.
        statements: SCP-ECG code -> likelihood in percent, where known apart from the text.
        source: where the request is from, such as a record of the set it was drawn from.
    """

    number: int
    values: Mapping[str, Any]
    statements: Mapping[str, float] | None = None
    source: str | None = None


class Requests(Protocol):
    """All requests of a data set, in order; the k-th depends on nothing but k."""

    @property
    def digest(self) -> str:
        """Names the content."""
        ...

    @property
    def about(self) -> dict[str, Any]:
        """What a data card says of them, as JSON values."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, k: int) -> Request: ...


@dataclass(frozen=True)
class PromptRequests:
    """The same request for every sample."""

    values: Mapping[str, Any]
    count: int

    @property
    def digest(self) -> str:
        """Names the content."""
        return digest_of(["prompt", dict(self.values), self.count])

    @property
    def about(self) -> dict[str, Any]:
        """For the data card."""
        return {"kind": "prompt", **self.values}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, k: int) -> Request:
        return Request(k, self.values)


@dataclass(frozen=True)
class TableRequests:
    """The usable rows of a table, over and over until there are enough samples.

    Sample number = round times rows of the table + row, bad rows counted: mending one leaves the others as they were.
    """

    path: Path
    rows: Sequence[tuple[int, Mapping[str, Any]]]  #: (row from 0, values)
    total: int  #: rows of the table, bad ones too
    count: int
    bad: tuple[str, ...] = field(default=(), compare=False)

    @property
    def digest(self) -> str:
        """Names the content."""
        return digest_of(["table", [[row, dict(values)] for row, values in self.rows], self.total, self.count])

    @property
    def about(self) -> dict[str, Any]:
        """For the data card."""
        unusable = self.total - len(self.rows)
        return {"kind": "table", "file": self.path.name, "rows": self.total, "unusable_rows": unusable}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, k: int) -> Request:
        turn, place = divmod(k, len(self.rows))
        row, values = self.rows[place]
        return Request(turn * self.total + row, values, source=f"{self.path.name}, row {row + 2}")


def read_table(
    path: Path,
    count: int | None = None,
    check: Callable[[Mapping[str, Any]], None] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> TableRequests:
    """Conditions from a CSV, TSV or Parquet file with a header, one request a row.

    Args:
        path: the file; columns of `COLUMNS` (or their other names), further ones are ignored; an empty cell leaves a
            condition open.
        count: samples wanted; one for each usable row where not given.
        check: raises `InputError` for values that cannot be asked for.
        defaults: values where a row has none.

    Returns:
        The usable rows; ``bad`` has a line for each of the others.

    Raises:
        InputError: the file cannot be read, it has none of the columns, one of them twice, or no usable row.
    """
    header, rows = _cells(path)
    columns = _known_columns(path, header)
    good: list[tuple[int, Mapping[str, Any]]] = []
    bad: list[str] = []
    total = 0
    for row, cells in enumerate(rows):
        total += 1
        try:
            if cells is None:
                raise InputError(f"does not fit the header of {len(header)} columns")
            values = dict(defaults or {}) | {
                name: value
                for name, place in columns.items()
                if (value := _value(name, header[place], cells[place])) is not None
            }
            if check is not None:
                check(values)
            good.append((row, values))
        except InputError as error:
            bad.append(f"{path}, row {row + 2}: {error}")
    if not good:
        raise InputError(bad[0] if bad else f"{path}: no row in it")
    return TableRequests(path, good, total, len(good) if count is None else count, tuple(bad))


def unused_columns(path: Path) -> list[str]:
    """Columns of a table that are no condition."""
    header, _ = _cells(path)
    used = set(_known_columns(path, header).values())
    return [name for place, name in enumerate(header) if place not in used]


def _cells(path: Path) -> tuple[list[str], Iterator[list[Any] | None]]:
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


def _known_columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    names = {other: name for name, others in COLUMNS.items() for other in (name, *others)}
    found: dict[str, int] = {}
    for place, column in enumerate(header):
        name = names.get(column.strip().lower())
        if name is not None and name in found:
            raise InputError(f"{path}: columns {header[found[name]]!r} and {column!r} both mean {name}; keep one")
        if name is not None:
            found[name] = place
    if not found:
        shown = printable(", ".join(header))
        raise InputError(f"{path}: no column of conditions in it ({shown}); accepted: {', '.join(COLUMNS)}")
    return found


def _value(name: str, column: str, cell: Any) -> Any:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)) or str(cell).strip().lower() in _EMPTY:
        return None
    text = str(cell).strip()
    if name == "text":
        return text
    if name == "sex":
        sex = parse_sex(text)
        if sex is None:
            raise InputError(f"column {column}: {printable(text)!r} is no sex; accepted: F, M, or empty")
        return sex
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"column {column}: {printable(text)!r} is no number; accepted: a number, or empty")
    return number


def digest_of(value: Any) -> str:
    """SHA-256 of JSON values."""
    return hashlib.sha256(json.dumps(json.loads(dump_json(value)), sort_keys=True).encode()).hexdigest()
