"""CSV: a header row of lead names, one row per sample; and the single column a watch exports.

    # fs_hz: 500                     or a column time_s (time_ms, time), or 'Sample Rate,512 hertz'
    # unit: mV                       or in the column names: I_mV, II (uV); or 'Unit,µV'
    time_s,I,II
    0,0.01,0.02

Key lines may be ``# key: value``, ``key=value``, ``key: value`` or ``key,value``. Separators are comma, semicolon or
tab; a decimal comma is understood where it is not the separator. Names and birth dates are never kept: from a birth
and a recording date only the age is derived.
"""

import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gen.files import one_line
from gen.io.channels import PLACEHOLDER, Channels, assume, choose, is_unnamed_ecg
from gen.io.comments import to_comments
from gen.io.common import Given, MissingFact, is_lead, make_record, number_text, reading
from gen.io.csv_clock import Clock, best_clock, read_clock, spread
from gen.io.csv_layout import MOMENT, TIME_NAME, Layout, columns_in, facts_in, find_layout, is_time_or_index, split_unit
from gen.io.csv_suggest import is_counter, suggested
from gen.records import EcgRecord, InputError

#: Name of a column that is passed over.
SKIP = "-"


def read_csv(path: Path, given: Given) -> EcgRecord:
    """One record; see `gen.io.read`."""
    lines = _read_text(path).splitlines()
    with reading(path, "CSV"):
        one = given.leads or given.columns
        layout = find_layout(path, lines, single=one is not None and len(one) == 1)
        if given.columns is not None:
            _name_columns(path, lines, layout, given.columns)
        rows = _cells(path, lines, layout)
        layout, rows = _wide(path, layout, rows)
    table = _Table(path, layout, rows)
    facts = facts_in(layout)
    names = layout.columns
    keep = [i for i in range(table.width) if names is None or not (names[i] == SKIP or is_time_or_index(names[i]))]
    if not keep and names is not None:  # a table of times and samples
        keep = [i for i, name in enumerate(names) if name.strip().lower() in ("sample", "samples")]
    if not keep:
        raise InputError(f"{path}: no lead among the columns {', '.join(names or [])}")
    if given.columns is None:
        keep = _without_counters(layout, table, keep)
    clock = _clock(path, layout, table)
    fs_hz, clock = _rate(path, layout, clock, given, facts)
    pairs = [split_unit(names[i]) for i in keep] if names is not None else None
    chosen = _chosen(path, layout, pairs, given, keep, table)
    if given.columns is not None or (given.leads is not None and not (pairs and any(is_lead(n) for n, _ in pairs))):
        _refuse_counters(path, layout, table, [keep[row] for row in chosen.rows])
    unit = layout.keys.get("unit")
    units = [unit if pairs is None else pairs[row][1] or unit for row in chosen.rows]
    try:
        factors = [given.factor(path, each) for each in units]
    except MissingFact as missing:
        raise _with_likely_unit(missing, table.numbers(keep[chosen.rows[0]])) from missing
    signal = np.stack([table.numbers(keep[row]) for row in chosen.rows]) * np.array(factors)[:, None]
    if clock is not None:
        if clock.places is not None:
            lost = int(clock.places[-1]) + 1 - signal.shape[1]
            assume(facts, f"column {clock.name} skips {lost} samples, which are missing (NaN)")
        signal = spread(path, signal, clock)
    chosen.note(facts["metadata"])
    signal, leads = chosen.finish(signal)
    return make_record(path, signal, fs_hz, leads, facts)


def _chosen(
    path: Path,
    layout: Layout,
    pairs: list[tuple[str, str | None]] | None,
    given: Given,
    keep: list[int],
    table: "_Table",
) -> Channels:
    """The columns that are read.

    Raises:
        MissingFact: leads are not named; the message names every column of the file.
    """
    try:
        return choose(path, _lead_names(layout, pairs, given), given, len(keep))
    except MissingFact as missing:
        names = None if layout.columns is None else [split_unit(name)[0] for name in layout.columns]
        if names is not None and layout.columns is not None:  # a time's unit says how it is called
            names = [raw if is_time_or_index(raw) else name for raw, name in zip(layout.columns, names, strict=True)]
        example = suggested(names, [partial(table.numbers, i) for i in range(table.width)], keep)
        what = missing.what if pairs is not None else f"lead names of its {len(keep)} columns"
        raise MissingFact(path, what, f"--columns {example}", f"columns={example!r}", missing.stand_in) from missing


def _with_likely_unit(missing: MissingFact, samples: np.ndarray) -> MissingFact:
    """The question for the unit with an example that fits the samples: an ECG spans some millivolt."""
    span = float(np.ptp(np.nan_to_num(samples))) if len(samples) else 0.0
    unit = "uV" if span > 50 else "V" if 0 < span < 0.02 else "mV"
    what = missing.what
    if span > 50 and (samples >= 0).all() and not (samples % 1).any():
        what += " (whole numbers from 0 may be a converter's counts, which have to be converted first)"
    return MissingFact(missing.path, what, f"--unit {unit}", f"unit={unit!r}", {"unit": unit})


def _without_counters(layout: Layout, table: "_Table", keep: list[int]) -> list[int]:
    """The columns without those that count up by one, unless their name is a lead's or nothing would be left."""
    named = layout.columns or [""] * table.width
    return [i for i in keep if is_lead(split_unit(named[i])[0]) or not table.counts(i)] or keep


def _refuse_counters(path: Path, layout: Layout, table: "_Table", columns: Sequence[int]) -> None:
    """Refuse what the caller named as a lead and is a counter.

    Raises:
        InputError: a column counts up by one.
    """
    for i in columns:
        if table.counts(i):
            name = f", given as {split_unit(layout.columns[i])[0]}," if layout.columns is not None else ""
            raise InputError(
                f"{path}: column {i + 1}{name} counts up by one: a counter and no lead; accepted: - for it"
            )


def looks_like_ecg(path: Path) -> bool:
    """Whether the first lines of a file are an ECG's and not those of some other table (used to scan folders)."""
    try:
        with path.open("rb") as handle:
            lines = handle.read(16384).decode("utf-8", errors="replace").splitlines()
        layout = find_layout(path, lines)
    except (InputError, OSError):
        return False
    if layout.columns is None:
        return "lead" in layout.keys or "fs" in layout.keys
    names = [split_unit(name) for name in layout.columns if not is_time_or_index(name)]
    # A column called just 'ecg' counts where it states a unit; 'value' and the like stand in any table.
    return any(is_lead(name) or (unit is not None and is_unnamed_ecg(name)) for name, unit in names) or (
        "lead" in layout.keys and "fs" in layout.keys
    )


def _name_columns(path: Path, lines: list[str], layout: Layout, columns: tuple[str, ...]) -> None:
    """Take the caller's names of the columns instead of the file's; a unit that the file states in them stays.

    Raises:
        InputError: other than as many names as columns, or a name that is no lead, time or ``-``.
    """
    row = next(line for line in lines[layout.first_row :] if line.strip() and not line.startswith("#"))
    width = len(row.split()) if layout.separator == " " else columns_in(row, layout.separator)
    accepted = "a lead, time, time_ms or - for each, such as time,II,V1,-"
    if len(columns) != width:
        raise InputError(f"{path}: --columns names {len(columns)} columns, the file has {width}; accepted: {accepted}")
    for name in columns:
        if name.strip().upper() == PLACEHOLDER:
            raise InputError(
                f"{path}: --columns: put the lead's name in the place of {PLACEHOLDER}; accepted: {accepted}"
            )
        if name != SKIP and not is_lead(split_unit(name)[0]) and not TIME_NAME.fullmatch(name.strip().lower()):
            raise InputError(f"{path}: --columns: {name[:40]!r} is no lead and no time; accepted: {accepted}")
    units = [split_unit(name)[1] for name in layout.columns] if layout.columns is not None else [None] * width
    layout.columns = [
        f"{name} ({unit})" if unit and is_lead(name) else name for name, unit in zip(columns, units, strict=True)
    ]


def _read_text(path: Path) -> str:
    with reading(path, "CSV"):
        data = path.read_bytes()
    if not data.strip():
        raise InputError(f"{path}: the file is empty")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        with reading(path, "CSV"):
            return data.decode("utf-16")
    if b"\0" in data:
        raise InputError(f"{path}: not a CSV file (it holds binary data)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _clock(path: Path, layout: Layout, table: "_Table") -> Clock | None:
    """The time column that can be trusted most, or None where there is none."""
    clocks = []
    for i, name in enumerate(layout.columns or []):
        match = TIME_NAME.fullmatch(name.strip().lower())
        if match:
            stamps, unit = table.moments(i)
            clocks.append(read_clock(name, stamps, unit or match[1], layout.first_row + 1))
    return best_clock(clocks)


def _rate(
    path: Path, layout: Layout, clock: Clock | None, given: Given, facts: dict[str, Any]
) -> tuple[float, Clock | None]:
    """The rate by key line, clock or caller, and the clock if it is used."""
    stated = None
    if "fs" in layout.keys:
        match = re.search(r"\d+(?:[.,]\d+)?", layout.keys["fs"])
        if match is None:
            raise InputError(f"{path}: sampling rate {layout.keys['fs']!r} is not a number of hertz")
        stated = float(match[0].replace(",", ".")) * (1000 if "khz" in layout.keys["fs"].lower() else 1)
    if clock is None:
        return given.rate(path, stated), None
    if clock.fault is not None:
        if stated is None and given.fs_hz is None:
            raise InputError(f"{path}: {clock.fault}; accepted: even steps, or the rate (--fs 500)")
        assume(facts, f"{clock.fault}: the stated rate was used, and rows follow each other")
        return given.rate(path, stated), None
    if stated is None:
        fs_hz = given.rate(path, clock.fs_hz, sure=clock.sure)
        if clock.assumed and given.fs_hz is None:
            assume(facts, clock.assumed)
        return fs_hz, clock
    if abs(clock.fs_hz - stated) > 0.02 * stated and clock.sure:
        raise InputError(f"{path}: the file says {stated:g} Hz, but its time column steps at {clock.fs_hz:g} Hz")
    if abs(clock.fs_hz - stated) > 0.02 * stated:
        scale = stated / clock.fs_hz
        if not any(abs(scale * power - 1) < 0.02 for power in (1e3, 1e6, 1e9, 1e-3, 1e-6, 1e-9)):
            raise InputError(f"{path}: the file says {stated:g} Hz, but its time column steps at {clock.fs_hz:g} Hz")
    return given.rate(path, stated), clock


def _lead_names(layout: Layout, pairs: list[tuple[str, str | None]] | None, given: Given) -> list[str] | None:
    stated = layout.keys.get("lead")
    unnamed = pairs is not None and len(pairs) == 1 and not is_lead(pairs[0][0])
    if stated and (pairs is None or unnamed):
        return [name for name in re.split(r"[,;]", stated) if name.strip()]
    if pairs is None:
        return None
    return [name for name, _ in pairs]


def _cells(path: Path, lines: list[str], layout: Layout) -> list[tuple[int, str]]:
    """Numbered lines of data.

    Raises:
        InputError: a row of another length.
    """
    separator = layout.separator
    rows = [(i, line.strip(" \r\n")) for i, line in enumerate(lines[layout.first_row :], layout.first_row)]
    rows = [(i, line) for i, line in rows if line.strip() and not line.startswith("#")]
    if separator == " ":
        rows = [(i, "\t".join(line.split())) for i, line in rows]
        layout.separator = separator = "\t"
    width = columns_in(rows[0][1], separator)
    if layout.columns is not None:
        width = len(layout.columns)
    for number, line in rows:
        if line.count(separator) + 1 != width and columns_in(line, separator) != width:
            raise InputError(f"{path}: row {number + 1} has {line.count(separator) + 1} cells, expected {width}")
    return rows


def _wide(path: Path, layout: Layout, rows: list[tuple[int, str]]) -> tuple[Layout, list[tuple[int, str]]]:
    """A long table (one row a lead and sample: ``I,0.001``) as one column per lead; any other as it is."""
    first = rows[0][1].split(layout.separator)
    if len(first) != 2 or not is_lead(first[0].strip().strip('"')):
        return layout, rows
    series: dict[str, list[str]] = {}
    for number, line in rows:
        name, _, value = line.partition(layout.separator)
        if not is_lead(name.strip().strip('"')):
            raise InputError(f"{path}: row {number + 1}: {name.strip()[:40]!r} is no lead")
        series.setdefault(name.strip().strip('"'), []).append(value)
    lengths = {name: len(values) for name, values in series.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: leads of different length ({lengths}); accepted: one row per lead and sample")
    unit = split_unit(layout.columns[1])[1] if layout.columns else None
    layout.columns = [f"{name} ({unit})" if unit else name for name in series]
    joined = [layout.separator.join(cells) for cells in zip(*series.values(), strict=True)]
    return layout, list(enumerate(joined, layout.first_row))


class _Table:
    """Columns of a table as numbers; a cell that is none matters only in a column that is asked for."""

    def __init__(self, path: Path, layout: Layout, rows: list[tuple[int, str]]) -> None:
        self.path, self.layout = path, layout
        self.width = columns_in(rows[0][1], layout.separator) if layout.columns is None else len(layout.columns)
        self._rows = [number for number, _ in rows]
        lines = [line for _, line in rows]
        cells = layout.separator.join(lines).replace('"', "").split(layout.separator)
        if len(cells) != self.width * len(rows):  # quoted cells hold the separator
            cells = [cell for row in csv.reader(lines, delimiter=layout.separator) for cell in row]
        self._cells = cells
        self._all: np.ndarray | None = None
        # Where some column holds text, each is tried by itself when it is needed.
        with suppress(ValueError, OverflowError):
            self._all = _parsed(cells, layout).reshape(len(rows), self.width).T

    def numbers(self, column: int) -> np.ndarray:
        """(row,) float64 of a column; empty cells are NaN.

        Raises:
            InputError: a cell that is no number, with its row and column.
        """
        if self._all is not None:
            return self._all[column]
        cells = self._cells[column :: self.width]
        try:
            return _parsed(cells, self.layout)
        except (ValueError, OverflowError) as error:
            raise self._bad_cell(column, cells, error) from error

    def counts(self, column: int) -> bool:
        """Whether a column counts up by one."""
        try:
            return is_counter(self.numbers(column))
        except InputError:
            return False

    def moments(self, column: int) -> tuple[np.ndarray, str | None]:
        """Time stamps of a column: its numbers, or seconds from days and times of day (and then the unit)."""
        try:
            return self.numbers(column), None
        except InputError:
            import pandas as pd

            cells = [cell.strip().replace(",", ".") for cell in self._cells[column :: self.width]]
            if not all(MOMENT.fullmatch(cell) for cell in cells[:100]):
                return np.full(len(cells), np.nan), None
            moments = pd.to_datetime(pd.Series(cells), errors="coerce", format="mixed", utc=True)
            seconds = (moments - moments.iloc[0]).dt.total_seconds().to_numpy(dtype=np.float64)
            return seconds, "s"

    def _bad_cell(self, column: int, cells: Sequence[str], error: Exception) -> InputError:
        name = self.layout.columns[column] if self.layout.columns else str(column + 1)
        for position, cell in enumerate(cells):
            try:
                _parsed([cell], self.layout)
            except (ValueError, OverflowError):
                row = self._rows[position] + 1
                return InputError(f"{self.path}: row {row}, column {name}: {cell.strip()[:40]!r} is not a number")
        return InputError(f"{self.path}: not a table of numbers ({one_line(error)})")


def _parsed(cells: Sequence[str], layout: Layout) -> np.ndarray:
    """Cells as float64; empty ones become NaN."""
    if layout.decimal_comma:
        cells = [cell.replace(",", ".") for cell in cells]
    return np.array([cell if cell and not cell.isspace() else "nan" for cell in cells], dtype=np.float64)


def write_csv(record: EcgRecord, path: Path) -> None:
    """Comment lines with the facts, a header row, then time in s and every lead in mV; NaN as an empty cell."""
    lines = [
        f"# fs_hz: {number_text(record.fs_hz)}",
        "# unit: mV",
        *(f"# {line}" for line in to_comments(record, path.stem)),
    ]
    lines.append(",".join(("time_s", *record.leads)))
    clock = [f"{i / record.fs_hz:.9g}" for i in range(record.num_samples)]
    # str() of a float32 is the shortest decimal that reads back as the same float32.
    columns = [["" if cell == "nan" else cell for cell in row.astype("U32").tolist()] for row in record.signal_mv]
    lines += [",".join(row) for row in zip(clock, *columns, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
