"""A folder of recordings and a table of one's own that says what each of them shows.

The table is CSV, TSV or Parquet, a row a recording: ``file`` (below the folder, with or without ending), and as known
``patient_id``, ``age``, ``sex``, ``report``, ``statements`` (SCP-ECG codes), ``label`` (one's own words), ``split``.
"""

import glob
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gen.datasets.base import SPLITS, Source, SourceInfo
from gen.datasets.own_labels import JOINT, LABEL, Meaning, labels_of
from gen.datasets.wfdb_folder import own_patients
from gen.files import printable
from gen.records import InputError

#: Column -> other names it may have.
COLUMNS = {
    "file": ("path", "filename", "file_name", "record", "record_id", "ecg"),
    "patient_id": ("patient", "subject", "subject_id", "person"),
    "age": ("age_years",),
    "sex": ("gender",),
    "report": ("text", "findings"),
    "statements": ("codes", "scp_codes"),
    "label": ("class",),
    "split": ("part",),
}
_NOTHING = ("", "nan", "none", "null", "na", "n/a", "unknown", "?")

#: Header and rows of a table; None for a row that does not fit.
Cells = tuple[Sequence[str], Iterable[Sequence[Any] | None]]


def open_own_table(
    root: Path,
    table: Path,
    cells: Cells,
    *,
    meaning_of: Callable[[str], Meaning],
    codes_of_cell: Callable[[str], Mapping[str, float]],
    info: SourceInfo,
    fs_hz: float | None = 500,
    label_level: str = "sub",
) -> Source:
    """The recordings that a table names, in its order.

    Args:
        root: folder that files are named from.
        table: named in errors.
        cells: what is in it.
        meaning_of: what a label of one's own stands for; one that may be any of several statements gives a record none
            of them, and stays its label.
        codes_of_cell: statements of a cell of the column ``statements``.
        info: name, licence and citation.
        fs_hz, label_level: see `gen.datasets.open_source`.

    Raises:
        InputError: with the row: no such file, a cell that is not understood, or one person in two parts.
    """
    header, rows = cells
    places = _places(table, [name.strip() for name in header])
    meanings: dict[str, Meaning] = {}

    def understood(label: str) -> Meaning:
        if label not in meanings:
            meanings[label] = meaning_of(label)
        return meanings[label]

    found = [_row(root, *each, understood, codes_of_cell) for each in _rows(table, rows, places)]
    if not found:
        raise InputError(f"{table}: no row in it; expected one for each recording")
    made, warnings = own_patients(pd.DataFrame(found))
    made["record_id"] = _apart(made["record_id"].tolist())
    _check_splits(table, made)
    known = {name for names in COLUMNS.items() for name in (names[0], *names[1])}
    unread = [name.strip() for name in header if name.strip().lower() not in known]
    if unread:
        warnings.append(f"{table}: columns that are not read: {printable(', '.join(unread[:12]))}")
    warnings += [
        f"{table}: label {printable(label)!r} may be any of {', '.join(sorted(each.codes))}: records have the label, "
        "and no statement by it"
        for label, each in sorted(meanings.items())
        if each.open
    ]
    return Source(root, info, made, fs_hz=fs_hz, label_level=label_level, warnings=warnings, label_meanings=meanings)


def _places(table: Path, header: list[str]) -> dict[str, int]:
    low = [name.lower() for name in header]
    found = {}
    for column, others in COLUMNS.items():
        place = next((low.index(name) for name in (column, *others) if name in low), None)
        if place is not None:
            found[column] = place
    if "file" not in found:
        raise InputError(
            f"{table}: no column 'file' that names the recordings; there are {printable(', '.join(header))}; read are "
            f"{', '.join(COLUMNS)}"
        )
    return found


def _rows(
    table: Path, rows: Iterable[Sequence[Any] | None], places: Mapping[str, int]
) -> Iterator[tuple[str, dict[str, str]]]:
    for number, cells in enumerate(rows, 2):
        where = f"{table}, row {number}"
        if cells is None:
            raise InputError(f"{where}: not as many cells as the header")
        values = {name: "" if cells[at] is None else str(cells[at]).strip() for name, at in places.items()}
        yield where, {name: "" if text.lower() in _NOTHING else text for name, text in values.items()}


def _row(
    root: Path,
    where: str,
    values: Mapping[str, str],
    meaning_of: Callable[[str], Meaning],
    codes_of_cell: Callable[[str], Mapping[str, float]],
) -> dict[str, Any]:
    from gen.io.inputs import resolve

    if not values["file"]:
        raise InputError(f"{where}: names no file")
    try:
        path = resolve(_with_ending(root / values["file"]))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    codes: dict[str, float] = {}
    labels = labels_of(values)
    try:
        if values.get("statements"):
            codes |= codes_of_cell(values["statements"])
        for meaning in map(meaning_of, labels):
            codes |= {} if meaning.open else dict.fromkeys(sorted(meaning.codes), 100.0)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    relative = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    row: dict[str, Any] = {
        "record_id": relative.rpartition(".")[0].replace("/", "_") or relative,
        "patient_id": values.get("patient_id") or None,
        "age": _age(where, values.get("age", "")),
        "sex": _sex(where, values.get("sex", "")),
        "report": values.get("report") or None,
        "statements": json.dumps(codes),
        "path": relative,
        "metadata": json.dumps({LABEL: JOINT.join(labels)} if labels else {}),
    }
    if "split" in values:
        row["split"] = _split(where, values["split"])
    return row


def _with_ending(path: Path) -> Path:
    """The only file of this name with an ending, where there is none without."""
    if path.exists() or path.with_name(f"{path.name}.hea").exists():
        return path
    found = [each for each in path.parent.glob(f"{glob.escape(path.name)}.*") if each.is_file()]
    return found[0] if len(found) == 1 else path


def _age(where: str, text: str) -> float | None:
    from gen.io.common import parse_age

    age = parse_age(text.replace(",", ".")) if text else None
    if text and age is None:
        raise InputError(f"{where}: age {printable(text)!r}; accepted: years, 0 to 120, or an empty cell")
    return age


def _sex(where: str, text: str) -> str | None:
    from gen.io.common import parse_sex

    sex = parse_sex(text) if text else None
    if text and sex is None:
        raise InputError(f"{where}: sex {printable(text)!r}; accepted: F, M, female, male, or an empty cell")
    return sex


def _split(where: str, text: str) -> str | None:
    if text and text.lower() not in SPLITS:
        raise InputError(f"{where}: split {printable(text)!r}; accepted: {', '.join(SPLITS)}, or an empty cell")
    return text.lower() or None


def _apart(names: list[str]) -> list[str]:
    """Names, each once: a second of the same gets a number."""
    count: dict[str, int] = {}
    out = []
    for name in names:
        count[name] = count.get(name, 0) + 1
        out.append(name if count[name] == 1 else f"{name}-{count[name]}")
    return out


def _check_splits(table: Path, made: pd.DataFrame) -> None:
    if "split" in made:
        parts = made.dropna(subset=["split"]).groupby("patient_id")["split"].nunique()
        if (parts > 1).any():
            raise InputError(f"{table}: patient {printable(parts.idxmax())} is in more than one split")
