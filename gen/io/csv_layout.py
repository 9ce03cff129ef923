"""What stands above the numbers of a CSV file: key lines, comments, the header row; see `gen.io.csv`."""

import csv
import itertools
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gen.io.channels import is_unnamed_ecg
from gen.io.comments import PERSONAL, from_comments
from gen.io.common import is_lead
from gen.io.csv_words import RATE_VALUE, meaning
from gen.records import InputError

_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_EMPTY = ("", "nan", "null", "na", "none")
#: A day, a time of day or both, as loggers write them.
MOMENT = re.compile(
    r"(\d{4}-\d\d?-\d\d?|\d\d?[./]\d\d?[./]\d{2,4})([T ]+\d\d?:\d\d(:\d\d([.,]\d+)?)?)?\s*(Z|[+-]\d\d:?\d\d)?"
    r"|\d\d?:\d\d:\d\d([.,]\d+)?"
)
TIME_NAME = re.compile(
    r"(?:(?:phone|sensor|unix|epoch|elapsed|relative|sample|ecg)[ _]*)?"
    r"(?:time[ _]?stamps?|time|t|zeit|zeitstempel|temps|tiempo|tempo|tijd|tid|seconds|sec|datetime|date[ _/]*time)"
    r"(?:[ _]*[\[(]?(s|sec|seconds|ms|us|µs|μs|ns|min)[\])]?)?"
)
_UNIT_IN_NAME = re.compile(r"(.*?)[ _]*[\[(_ ]\s*(mv|uv|µv|μv|nv|v|microvolts?|millivolts?)\s*[\])]?", re.IGNORECASE)
_RATE_IN_NAME = re.compile(r"(.*?)[ _]*[\[(]\s*(\d+(?:[.,]\d+)?\s*k?hz)\s*[\])]", re.IGNORECASE)
_INDEX_NAMES = (
    *("", "index", "sample", "samples", "sample #", "sample number", "sample index", "sample_index", "sampleindex"),
    *("n", "#", "no", "nr", "id", "nseq", "seq", "sequence", "counter", "count", "row"),
)
#: Rows looked at to tell how cells are separated.
_PROBED = 400
#: Lines looked at to say why there are none of numbers.
_SEARCHED = 200


@dataclass
class Layout:
    """What stands above the numbers."""

    first_row: int = 0  #: index of the first line with numbers
    separator: str = ","
    decimal_comma: bool = False
    columns: list[str] | None = None
    keys: dict[str, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)  #: columns that a header in JSON names


def find_layout(path: Path, lines: list[str], *, single: bool = False) -> Layout:
    """Read key lines and the header row; stops at the first line of numbers.

    Args:
        path: for messages.
        lines: of the file.
        single: the caller knows that there is one lead, so that ``1,25`` may be one number.

    Raises:
        InputError: there is no line of numbers, or the header row does not fit it.
    """
    layout = Layout()
    above: list[str] = []
    start = _first_of_data(lines)
    if start is None:
        raise InputError(f"{path}: no samples ({_why_no_numbers(lines)})")
    layout.first_row = start
    for line in lines[:start]:
        text = line.strip()
        if text.startswith("#"):
            _take_comment(layout, text)
        elif text.startswith("%"):  # OpenBCI
            _take_key(layout, text.lstrip("%"), guess=False)
        elif text:
            above.append(text)
    probe = [line.strip() for line in lines[start : start + _PROBED] if line.strip() and not line.startswith("#")]
    layout.separator = _separator(probe, above, single)
    comma = "," in "".join(lines[start:]) if layout.separator != "," else False
    layout.decimal_comma = comma and not _iso_decimals(probe, layout.separator)
    width = columns_in(probe[0], layout.separator)
    alone = width == 1 and layout.separator != ","
    last = above[-1] if above else ""
    is_key = bool(last) and _is_key_line(last, guess=alone) and not _is_long_header(last, probe[0])
    if above and not is_key and columns_in(last, layout.separator) == width:
        layout.columns = [cell.strip() for cell in next(csv.reader([above.pop()], delimiter=layout.separator))]
    elif any(is_lead(split_unit(cell)[0]) for cell in last.split(layout.separator)) and not is_key:
        count = columns_in(last, layout.separator)
        raise InputError(f"{path}: row {layout.first_row + 1} has {width} cells, but the header names {count} columns")
    for text in above:
        _take_key(layout, text, guess=alone or layout.columns is None)
    # Rows may end in a separator.
    if layout.columns is None and layout.named and len(layout.named) in (width, width - 1):
        layout.columns = [*layout.named, *[""] * (width - len(layout.named))]
    rates = {rate for name in layout.columns or [] if (rate := _rate_in(name)) is not None}
    if len(rates) == 1:
        layout.keys.setdefault("fs", rates.pop())
    return layout


def _first_of_data(lines: list[str]) -> int | None:
    """The first line that holds nothing but numbers and moments; else the first below a row of column names."""
    for number, line in enumerate(lines):
        if _is_numbers(line.strip()):
            return number
    filled = [(number, line.strip()) for number, line in enumerate(lines) if line.strip()]
    for (_, names), (number, row) in itertools.pairwise(filled):
        for separator in ";\t,":
            cells = [cell.strip().strip('"') for cell in names.split(separator)]
            values = [cell.strip().strip('"') for cell in row.split(separator)]
            heads = [split_unit(cell)[0] for cell in cells if cell and not _NUMBER.fullmatch(cell)]
            known = any(is_lead(head) or is_unnamed_ecg(head) for head in heads)
            if len(cells) == len(values) > 1 and known and any(_NUMBER.fullmatch(value) for value in values):
                return number
    return None


def _why_no_numbers(lines: list[str]) -> str:
    """The row that comes nearest to one of numbers, and its first cell that is none, with the name above it."""
    best: tuple[int, int, list[str]] | None = None
    for number, line in enumerate(lines[:_SEARCHED]):
        cells = [cell.strip().strip('"') for cell in re.split(r"[;\t,]", line)]
        count = sum(bool(_NUMBER.fullmatch(cell)) for cell in cells)
        if len(cells) > 1 and count > (best[0] if best else 0):
            best = count, number, cells
    if best is None:
        return "no line of numbers"
    _, number, cells = best
    known = (bool(_NUMBER.fullmatch(cell) or MOMENT.fullmatch(cell)) or cell.lower() in _EMPTY for cell in cells)
    column = next((k for k, fine in enumerate(known) if not fine), 0)
    above = re.split(r"[;\t,]", lines[number - 1]) if number else []
    name = above[column].strip().strip('"')[:40] if len(above) == len(cells) else ""
    return f"row {number + 1}, column {name or column + 1}: {cells[column][:40]!r} is not a number"


def _is_long_header(text: str, row: str) -> bool:
    """Whether a line names the columns of a long table, whose first column says the lead: ``Lead,Voltage``."""
    names, cells = text.split(","), row.split(",")
    return len(names) == len(cells) == 2 and is_lead(cells[0].strip()) and bool(_NUMBER.fullmatch(cells[1].strip()))


def _separator(probe: list[str], above: list[str], single: bool) -> str:
    """Semicolon or tab where a row of numbers has one, else comma; semicolon too for a single column of '-10,283'.

    A comma that stands in some rows and not in others separates decimals, whatever the language of the lines above.
    """
    row = probe[0]
    if above and _is_long_header(above[-1], row):
        return ","
    found = next((separator for separator in ";\t" if separator in row), None)
    if found:
        return found
    if "," not in row and len(row.split()) > 1 and all(_NUMBER.fullmatch(cell) for cell in row.split()):
        return " "
    commas = {line.count(",") for line in probe}
    if max(commas) == 0 or commas == {0, 1}:
        last = above[-1] if above else ""
        # One column, unless the header says that cells are missing.
        return ";" if not last.count(",") or _is_key_line(last, guess=True) else ","
    last = above[-1] if above else ""
    keys = [_key_of(text) for text in above]
    stated = any(RATE_VALUE.fullmatch(value) or meaning(key, value) in ("fs", "lead", "unit") for key, value in keys)
    one_name = bool(last) and "," not in last and not _is_key_line(last)
    leads = [value for key, value in keys if meaning(key, value) == "lead"]
    one_lead = any("," not in value for value in leads) or (stated and not leads and _is_key_line(last, guess=True))
    if commas == {1} and (one_name or one_lead or (single and not above)):
        return ";"
    return ","


def _iso_decimals(probe: list[str], separator: str) -> bool:
    """Whether commas stand only inside moments (``12:00:00,123``), which is no decimal comma of the samples."""
    cells = [cell.strip() for line in probe for cell in line.split(separator) if "," in cell]
    return bool(cells) and all(MOMENT.fullmatch(cell) for cell in cells)


def columns_in(line: str, separator: str) -> int:
    """Cells of a line, quotes respected."""
    if separator == " ":
        return len(line.split())
    return len(next(csv.reader([line], delimiter=separator), []))


def _is_numbers(text: str) -> bool:
    """Whether a line holds nothing but numbers, moments and empty cells, with a number among them."""
    cells = [cell.strip().strip('"').strip() for cell in re.split(r"[;\t,]", text)]
    if len(cells) == 1 and " " in cells[0] and not MOMENT.fullmatch(cells[0]):
        cells = cells[0].split()
    kept = [cell for cell in cells if cell.lower() not in _EMPTY]
    numbers = [cell for cell in kept if _NUMBER.fullmatch(cell)]
    return bool(numbers) and len(kept) == len(numbers) + sum(bool(MOMENT.fullmatch(cell)) for cell in kept)


def _is_key_line(text: str, *, guess: bool = False) -> bool:
    return meaning(*_key_of(text), guess=guess) is not None


def _key_of(text: str) -> tuple[str, str]:
    match = re.fullmatch(r'\s*"?([^,;:=\t"]+?)"?\s*[,;:=\t]\s*"?(.*?)"?[,;\s]*', text)
    return (re.sub(r"[\s_]+", " ", match[1]).strip().lower(), match[2].strip()) if match else ("", text)


def _take_comment(layout: Layout, text: str) -> None:
    bare = text.lstrip("#").strip()
    if bare.startswith("{"):
        _take_json(layout, bare)
        return
    key, value = _key_of(bare)
    if meaning(key, value) in ("fs", "unit", "lead"):
        _take_key(layout, f"{key}={value}", guess=False)
    else:
        layout.comments.append(text)


def _take_json(layout: Layout, text: str) -> None:
    """Rate and columns of OpenSignals' header, one device's facts as JSON; its name and address are dropped."""
    try:
        devices = [each for each in json.loads(text).values() if isinstance(each, dict)]
    except ValueError:
        return
    if len(devices) != 1:
        return
    rate, columns = devices[0].get("sampling rate"), devices[0].get("column")
    if isinstance(rate, int | float):
        layout.keys.setdefault("fs", str(rate))
    if isinstance(columns, list):
        layout.named = [str(name) for name in columns]


def _take_key(layout: Layout, text: str, *, guess: bool) -> None:
    """Store a key line that is understood; anything else could be personal and is dropped."""
    key, value = _key_of(text)
    found = meaning(key, value, guess=guess)
    if found == "lead" and not is_lead(value) and is_lead(value.rpartition(" ")[2]):
        value = value.rpartition(" ")[2]  # 'Bağlantı I': the word for lead in a language that is not listed
    if found in ("fs", "unit", "lead", "birth", "recorded", "classification"):
        layout.keys.setdefault(found, value)
    elif found in ("device", "symptoms", "software_version") and value and not PERSONAL.fullmatch(key):
        layout.keys[f"kept {found}"] = value
    elif key in ("age", "sex", "synthetic", "report"):
        layout.comments.append(f"{key}: {value}")


def facts_in(layout: Layout) -> dict[str, Any]:
    """Facts (see `gen.io.common.facts_of`) from key lines and comments."""
    facts = from_comments(layout.comments)
    keys = layout.keys
    if "classification" in keys:
        facts["metadata"]["classification"] = keys["classification"]
        facts.setdefault("report", keys["classification"])
    if "recorded" in keys:
        facts["metadata"]["recorded"] = keys["recorded"]
    facts["metadata"].update({key[5:]: value for key, value in keys.items() if key.startswith("kept ")})
    age = _years_between(keys.get("birth"), keys.get("recorded"))
    if age is not None:
        facts["patient"].setdefault("age", age)
    return facts


def _years_between(birth: str | None, recorded: str | None) -> float | None:
    """Whole years from a birth date to a recording date; None where either cannot be read."""
    born, then = _date(birth), _date(recorded)
    if born is None or then is None or then < born:
        return None
    return float(then.year - born.year - ((then.month, then.day) < (born.month, born.day)))


def _date(text: str | None) -> datetime | None:
    if not text:
        return None
    words = text.strip()
    for form in ("%Y-%m-%d", "%d.%m.%Y", "%b %d, %Y", "%d %b %Y", "%B %d, %Y", "%d %B %Y", "%d/%m/%Y", "%m/%d/%Y"):
        for candidate in (words, words.split(" ")[0], " ".join(words.split(" ")[:3])):
            try:
                return datetime.strptime(candidate, form)
            except ValueError:
                continue
    return None


def is_time_or_index(name: str) -> bool:
    """Whether a column counts instead of measuring."""
    word = name.strip().lower()
    return word in _INDEX_NAMES or bool(TIME_NAME.fullmatch(word))


def split_unit(column: str) -> tuple[str, str | None]:
    """``'II (uV)'`` -> ('II', 'uV'); ``'V1'`` and ``'V1 [256Hz]'`` -> ('V1', None)."""
    rated = _RATE_IN_NAME.fullmatch(column.strip())
    column = rated[1] if rated else column
    match = _UNIT_IN_NAME.fullmatch(column.strip())
    return (match[1].strip(), match[2]) if match and match[1].strip() else (column.strip(), None)


def _rate_in(column: str) -> str | None:
    """The rate that a column states: ``'ECG_I [256Hz]'`` -> '256Hz'."""
    match = _RATE_IN_NAME.fullmatch(column.strip())
    return match[2] if match else None
