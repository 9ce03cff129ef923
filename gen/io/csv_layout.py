"""What stands above the numbers of a CSV file: key lines, comments, the header row; see `gen.io.csv`."""

import csv
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gen.io.comments import PERSONAL, from_comments
from gen.io.common import is_lead
from gen.records import InputError

_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
TIME_NAME = re.compile(r"(?:time|t|zeit|seconds|sec)(?:[ _]*[\[(]?(s|sec|seconds|ms|us|min)[\])]?)?")
_UNIT_IN_NAME = re.compile(r"(.*?)[ _]*[\[(_ ]\s*(mv|uv|µv|μv|nv|v|microvolts?|millivolts?)\s*[\])]?", re.IGNORECASE)
_INDEX_NAMES = ("", "index", "sample", "samples", "n", "#", "no", "nr")

_RATE_KEYS: tuple[str, ...] = (
    "fs hz",
    "fs",
    "sample rate",
    "sampling rate",
    "sampling frequency",
    "sample rate hz",
    "abtastrate",
)
_RATE_KEYS += ("sampling rate hz", "frequency", "hz", "fréquence d’échantillonnage", "frecuencia de muestreo")
_UNIT_KEYS = ("unit", "units", "einheit", "unité", "unidad")
_LEAD_KEYS = ("lead", "leads", "ableitung", "dérivation", "derivación")
_BIRTH_KEYS = ("date of birth", "birth date", "birthdate", "dob", "geburtsdatum")
_DATE_KEYS = ("recorded date", "recording date", "date", "recorded", "aufzeichnungsdatum")
_CLASS_KEYS = ("classification", "klassifizierung", "klassifikation")
_KEPT_KEYS = ("device", "symptoms", "software version", "gerät", "symptome", "softwareversion")


@dataclass
class Layout:
    """What stands above the numbers."""

    first_row: int = 0  #: index of the first line with numbers
    separator: str = ","
    decimal_comma: bool = False
    columns: list[str] | None = None
    keys: dict[str, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)


def find_layout(path: Path, lines: list[str]) -> Layout:
    """Read key lines and the header row; stops at the first line of numbers."""
    layout = Layout()
    above: list[str] = []
    for number, line in enumerate(lines):
        text = line.strip()
        if not text:
            continue
        if text.startswith("#") and not _is_numbers(text):
            _take_comment(layout, text)
        elif _is_numbers(text):
            layout.first_row = number
            break
        else:
            above.append(text)
    else:
        raise InputError(f"{path}: no samples (no line of numbers)")
    row = lines[layout.first_row].strip()
    last = above[-1] if above else ""
    layout.separator = _separator(row, above)
    layout.decimal_comma = layout.separator != "," and any("," in line for line in lines[layout.first_row :])
    width = columns_in(row, layout.separator)
    if above and not _is_key_line(last) and columns_in(last, layout.separator) == width:
        layout.columns = [cell.strip() for cell in next(csv.reader([above.pop()], delimiter=layout.separator))]
    elif any(is_lead(split_unit(cell)[0]) for cell in last.split(layout.separator)) and not _is_key_line(last):
        count = columns_in(last, layout.separator)
        raise InputError(f"{path}: row {layout.first_row + 1} has {width} cells, but the header names {count} columns")
    for text in above:
        _take_key(layout, text)
    return layout


def _separator(row: str, above: list[str]) -> str:
    """Semicolon or tab where a row of numbers has one, else comma; semicolon too for a single column of '-10,283'."""
    found = next((separator for separator in ";\t" if separator in row), None)
    if found:
        return found
    last = above[-1] if above else ""
    stated = [value for key, value in map(_key_of, above) if key in _LEAD_KEYS]
    single_header = bool(last) and "," not in last and not _is_key_line(last)
    return ";" if single_header or any("," not in value for value in stated) else ","


def columns_in(line: str, separator: str) -> int:
    """Cells of a line, quotes respected."""
    return len(next(csv.reader([line], delimiter=separator), []))


def _is_numbers(text: str) -> bool:
    """Whether a line holds nothing but numbers and empty cells, with a number among them."""
    cells = [cell.strip().strip('"').strip() for cell in re.split(r"[;\t,]", text)]
    numbers = [cell for cell in cells if cell and cell.lower() not in ("nan", "null", "na")]
    return bool(numbers) and all(_NUMBER.fullmatch(cell) for cell in numbers)


def _is_key_line(text: str) -> bool:
    key = _key_of(text)[0]
    known = (*_RATE_KEYS, *_UNIT_KEYS, *_LEAD_KEYS, *_BIRTH_KEYS, *_DATE_KEYS, *_CLASS_KEYS, *_KEPT_KEYS, "name")
    return key in known


def _key_of(text: str) -> tuple[str, str]:
    match = re.fullmatch(r'\s*"?([^,;:=\t"]+?)"?\s*[,;:=\t]\s*"?(.*?)"?[,;\s]*', text)
    return (re.sub(r"[\s_]+", " ", match[1]).strip().lower(), match[2].strip()) if match else ("", text)


def _take_comment(layout: Layout, text: str) -> None:
    key, value = _key_of(text.lstrip("#"))
    if key in (*_RATE_KEYS, *_UNIT_KEYS, *_LEAD_KEYS):
        _take_key(layout, f"{key}={value}")
    else:
        layout.comments.append(text)


def _take_key(layout: Layout, text: str) -> None:
    """Store a key line that is understood; anything else could be personal and is dropped."""
    key, value = _key_of(text)
    for name, keys in (
        ("fs", _RATE_KEYS),
        ("unit", _UNIT_KEYS),
        ("lead", _LEAD_KEYS),
        ("birth", _BIRTH_KEYS),
        ("recorded", _DATE_KEYS),
        ("classification", _CLASS_KEYS),
    ):
        if key in keys:
            layout.keys[name] = value
            return
    if key in _KEPT_KEYS and value and not PERSONAL.fullmatch(key):
        layout.keys[f"kept {key}"] = value
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
    facts["metadata"].update(
        {key[5:].replace(" ", "_"): value for key, value in keys.items() if key.startswith("kept ")}
    )
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
    """``'II (uV)'`` -> ('II', 'uV'); ``'V1'`` -> ('V1', None)."""
    match = _UNIT_IN_NAME.fullmatch(column.strip())
    return (match[1].strip(), match[2]) if match and match[1].strip() else (column.strip(), None)
