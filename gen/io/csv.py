"""CSV: a header row of lead names, one row per sample; and the single column a watch exports.

    # fs_hz: 500                     or a column time_s (time_ms, time), or 'Sample Rate,512 hertz'
    # unit: mV                       or in the column names: I_mV, II (uV); or 'Unit,µV'
    time_s,I,II
    0,0.01,0.02

Key lines may be ``# key: value``, ``key=value``, ``key: value`` or ``key,value``. Separators are comma, semicolon or
tab; a decimal comma is understood where it is not the separator. Names and birth dates are never kept: from a birth
and a recording date only the age is derived.
"""

import re
from pathlib import Path

import numpy as np

from gen.files import one_line
from gen.io.comments import to_comments
from gen.io.common import Given, ecg_channels, is_lead, make_record, number_text, reading
from gen.io.csv_layout import TIME_NAME, Layout, columns_in, facts_in, find_layout, is_time_or_index, split_unit
from gen.records import EcgRecord, InputError

_TIME_SCALE = {"ms": 1e-3, "us": 1e-6, "min": 60.0}


def read_csv(path: Path, given: Given) -> EcgRecord:
    """One record; see `gen.io.read`."""
    lines = _read_text(path).splitlines()
    with reading(path, "CSV"):
        layout = find_layout(path, lines)
        table = _numbers(path, lines, layout)
    names = layout.columns
    facts = facts_in(layout)
    fs_hz = given.rate(path, _rate(path, layout, table))
    keep = [i for i in range(table.shape[0]) if names is None or not is_time_or_index(names[i])]
    if not keep:
        raise InputError(f"{path}: no lead among the columns {', '.join(names or [])}")
    pairs = [split_unit(names[i]) for i in keep] if names is not None else None
    if pairs is not None:
        kept = ecg_channels([name for name, _ in pairs])
        if len(kept) < len(keep):
            facts["metadata"]["skipped_channels"] = [pairs[i][0] for i in range(len(pairs)) if i not in kept]
        keep, pairs = [keep[i] for i in kept], [pairs[i] for i in kept]
    leads = given.names(path, _lead_names(layout, pairs), len(keep))
    unit = layout.keys.get("unit")
    units = [unit] * len(keep) if pairs is None else [own or unit for _, own in pairs]
    factors = np.array([given.factor(path, one) for one in units])
    return make_record(path, table[keep] * factors[:, None], fs_hz, leads, facts)


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
    return any(is_lead(split_unit(name)[0]) for name in layout.columns if not is_time_or_index(name))


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


def _rate(path: Path, layout: Layout, table: np.ndarray) -> float | None:
    stated = None
    if "fs" in layout.keys:
        match = re.search(r"\d+(?:[.,]\d+)?", layout.keys["fs"])
        if match is None:
            raise InputError(f"{path}: sampling rate {layout.keys['fs']!r} is not a number of hertz")
        stated = float(match[0].replace(",", ".")) * (1000 if "khz" in layout.keys["fs"].lower() else 1)
    clock = [i for i, name in enumerate(layout.columns or []) if TIME_NAME.fullmatch(name.strip().lower())]
    if not clock:
        return stated
    measured = _rate_of_clock(path, layout, table[clock[0]], (layout.columns or [])[clock[0]])
    if stated is None or measured is None:
        return stated if measured is None else measured
    if abs(measured - stated) > 0.02 * stated:
        raise InputError(f"{path}: the file says {stated:g} Hz, but its time column steps at {measured:g} Hz")
    return stated


def _rate_of_clock(path: Path, layout: Layout, time: np.ndarray, name: str) -> float | None:
    """Rate from evenly spaced time stamps; None where there is only one."""
    if time.size < 2:
        return None
    match = TIME_NAME.fullmatch(name.strip().lower())
    scale = _TIME_SCALE.get(match[1] or "s" if match else "s", 1.0)
    seconds = time * scale
    steps = np.diff(seconds)
    step = (seconds[-1] - seconds[0]) / steps.size
    # Rounded stamps (0.002, 0.004, 0.006, 0.008 for 512 Hz) put each step off by less than one unit of rounding.
    decimals = next((d for d in range(7) if np.abs(time - np.round(time, d)).max() < 1e-9), None)
    rounding = 0.0 if decimals is None else 0.99 * 10.0**-decimals * scale
    uneven = ~(np.abs(steps - step) <= max(0.05 * abs(step), rounding))
    if not step > 0 or uneven.any():
        row = layout.first_row + 2 + int(uneven.argmax())
        raise InputError(f"{path}: column {name} does not advance evenly (row {row})")
    rate = 1 / step
    return float(round(rate)) if abs(rate - round(rate)) < 2e-3 * rate and round(rate) > 0 else float(rate)


def _lead_names(layout: Layout, pairs: list[tuple[str, str | None]] | None) -> list[str] | None:
    stated = layout.keys.get("lead")
    if stated and (pairs is None or (len(pairs) == 1 and not is_lead(pairs[0][0]))):
        return [name for name in re.split(r"[,;]", stated) if name.strip()]
    return None if pairs is None else [name for name, _ in pairs]


def _numbers(path: Path, lines: list[str], layout: Layout) -> np.ndarray:
    """(column, time) float64; empty cells become NaN.

    Raises:
        InputError: a row of another length or a cell that is no number, with its row and column.
    """
    separator = layout.separator
    rows = [(i, line.strip(" \r\n")) for i, line in enumerate(lines[layout.first_row :], layout.first_row)]
    rows = [(i, line) for i, line in rows if line.strip() and not line.startswith("#")]
    width = columns_in(rows[0][1], separator)
    if layout.columns is not None:
        width = len(layout.columns)
    for number, line in rows:
        if line.count(separator) + 1 != width and columns_in(line, separator) != width:
            raise InputError(f"{path}: row {number + 1} has {line.count(separator) + 1} cells, expected {width}")
    cells = separator.join(line for _, line in rows).replace('"', "").split(separator)
    if len(cells) != width * len(rows):
        raise InputError(f"{path}: quoted cells hold the separator {separator!r}")
    if layout.decimal_comma:
        cells = [cell.replace(",", ".") for cell in cells]
    try:
        table = np.array([cell if cell and not cell.isspace() else "nan" for cell in cells], dtype=np.float64)
    except (ValueError, OverflowError) as error:
        raise _bad_cell(path, cells, width, [i for i, _ in rows], layout, error) from error
    return table.reshape(len(rows), width).T


def _bad_cell(
    path: Path, cells: list[str], width: int, rows: list[int], layout: Layout, error: Exception
) -> InputError:
    for position, cell in enumerate(cells):
        try:
            float(cell.strip() or "nan")
        except ValueError:
            row, column = rows[position // width] + 1, position % width
            name = layout.columns[column] if layout.columns else str(column + 1)
            return InputError(f"{path}: row {row}, column {name}: {cell.strip()[:40]!r} is not a number")
    return InputError(f"{path}: not a table of numbers ({one_line(error)})")


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
