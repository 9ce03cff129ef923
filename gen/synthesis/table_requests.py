"""Requests from a table: its rows in turn, or as often as their labels want it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gen.datasets.own_labels import JOINT, Meaning
from gen.files import printable
from gen.io.common import parse_sex
from gen.quantities import QUANTITIES
from gen.randomness import Purpose
from gen.records import InputError
from gen.synthesis.classes import Plan, class_counts, plan_of
from gen.synthesis.labels import codes_in, meaning
from gen.synthesis.requests import Request, digest_of
from gen.synthesis.table import cells
from gen.text import words_of

_QUANTITIES = {name: quantity.columns for name, quantity in QUANTITIES.items()}
#: Columns of a table of conditions, and other names they may have.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "text": ("report", "prompt", "findings"),
    "age": _QUANTITIES.pop("age"),
    "sex": ("gender",),
    **_QUANTITIES,
}
#: Columns that say what a record is beside what it is asked to show.
LABEL, STATEMENTS, PERSON = ("label", "class", "target"), ("statements", "scp_codes"), ("patient_id", "person", "group")
_EMPTY = ("", "nan", "none", "null", "na", "n/a", "<na>")


@dataclass(frozen=True)
class Row:
    """A usable row of a table.

    Attributes:
        number: from 0, bad rows counted.
        values: conditions.
        label: in the table's own words.
        texts: what the label stands for, where the row has no text of its own.
        statements: as the row gives them.
        group: whose ECG it is, where the table says so.
    """

    number: int
    values: Mapping[str, Any]
    label: str | None = None
    texts: Meaning | None = None
    statements: Mapping[str, float] | None = None
    group: str | None = None

    def content(self) -> list[Any]:
        """JSON values that name it."""
        texts = None if self.texts is None else dict(self.texts.texts)
        return [self.number, dict(self.values), self.label, texts, self.statements, self.group]


@dataclass(frozen=True)
class TableRequests:
    """The usable rows of a table, over and over until there are enough samples.

    Sample number = round times rows of the table + row, bad rows counted: mending one leaves the others as they were.

    Attributes:
        path: of the table.
        rows: the usable ones.
        total: rows of the table, bad ones too.
        count: samples.
        bad: a line for each row that cannot be used.
        order: which row each sample takes, by place in ``rows``; in turn where None.
        classes: label -> samples, where the table has labels.
    """

    path: Path
    rows: Sequence[Row]
    total: int
    count: int
    bad: tuple[str, ...] = field(default=(), compare=False)
    order: tuple[int, ...] | None = None
    classes: Mapping[str, int] | None = None

    @property
    def digest(self) -> str:
        """Names the content."""
        order = None if self.order is None else list(self.order)
        return digest_of(["table", [row.content() for row in self.rows], self.total, self.count, order])

    @property
    def about(self) -> dict[str, Any]:
        """For the data card."""
        unusable = self.total - len(self.rows)
        about = {"kind": "table", "file": self.path.name, "rows": self.total, "unusable_rows": unusable}
        return about | ({} if self.classes is None else {"classes": dict(self.classes)})

    def repeated(self, count: int) -> "TableRequests":
        """The same rows, for another number of samples."""
        return replace(self, count=count)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, k: int) -> Request:
        turn, place = self._turns[k] if self.order is not None else divmod(k, len(self.rows))
        row = self.rows[place]
        number, values = turn * self.total + row.number, dict(row.values)
        if row.texts is not None and "text" not in values:
            rng = np.random.default_rng(np.random.SeedSequence((number,), spawn_key=(Purpose.LIKE,)))
            values["text"] = row.texts.text(rng)
        source = f"{self.path.name}, row {row.number + 2}"
        return Request(number, values, row.statements, source, row.label, row.group or source)

    @cached_property
    def _turns(self) -> list[tuple[int, int]]:
        """(how often the row was taken before, its place) of each sample."""
        used: dict[int, int] = {}
        found = []
        for place in self.order or ():
            found.append((used.get(place, 0), place))
            used[place] = used.get(place, 0) + 1
        return found


def read_table(
    path: Path,
    count: int | None = None,
    check: Callable[[Mapping[str, Any]], None] | None = None,
    defaults: Mapping[str, Any] | None = None,
    *,
    labels: Mapping[str, Meaning] | None = None,
    only: Sequence[str] = (),
    balance: str = "none",
    per_class: int | None = None,
    seed: int = 0,
) -> TableRequests:
    """Conditions from a CSV, TSV or Parquet file with a header, one request a row.

    Args:
        path: the file; columns of `COLUMNS` (or their other names), ``label``, ``statements`` (SCP-ECG codes) and
            ``patient_id``; further ones are ignored. An empty cell leaves a condition open.
        count: samples wanted; one for each usable row where not given.
        check: raises `InputError` for values that cannot be asked for.
        defaults: values where a row has none.
        labels: what labels stand for; without it each has to say it by itself, see `gen.synthesis.labels.meaning`.
        only: labels whose rows are used; all where empty.
        balance: "label" (each label equally often), "fill" (as many as each label lacks beside the most frequent one)
            or "none".
        per_class: samples of each label.
        seed: of the order, where labels are balanced.

    Returns:
        The usable rows; ``bad`` has a line for each of the others.

    Raises:
        InputError: the file cannot be read, it has none of the columns, one of them twice, or no usable row; labels are
            to be balanced and there are none.
    """
    header, rows = cells(path)
    columns = _known_columns(path, header)
    good: list[Row] = []
    bad: list[str] = []
    total = 0
    for number, row in enumerate(rows):
        total += 1
        try:
            if row is None:
                raise InputError(f"does not fit the header of {len(header)} columns")
            good.append(_row(number, header, columns, row, dict(defaults or {}), labels, check))
        except InputError as error:
            bad.append(f"{path}, row {number + 2}: {error}")
    if not good:
        raise InputError(bad[0] if bad else f"{path}: no row in it")
    return planned(
        TableRequests(path, good, total, len(good) if count is None else count, tuple(bad)),
        count, only=only, balance=balance, per_class=per_class, seed=seed,
    )  # fmt: skip


def label_requests(path: Path, labels: Mapping[str, Meaning], values: Mapping[str, Any]) -> TableRequests:
    """One request for each label of a mapping.

    Args:
        path: of the mapping, as a source to name.
        labels: what they stand for.
        values: further conditions of every sample.
    """
    rows = [Row(k, dict(values), name, each) for k, (name, each) in enumerate(labels.items())]
    return TableRequests(path, rows, len(rows), len(rows))


def planned(
    table: TableRequests,
    count: int | None,
    *,
    only: Sequence[str] = (),
    balance: str = "none",
    per_class: int | None = None,
    seed: int = 0,
) -> TableRequests:
    """The same rows as often as labels want it; see `read_table`."""
    patterns = [() if row.label is None else tuple(row.label.split(JOINT)) for row in table.rows]
    known = class_counts(patterns)
    if not (only or per_class is not None or balance != "none"):
        if not known:
            return table
        turns = class_counts(patterns[k % len(patterns)] for k in range(table.count))
        return replace(table, classes=dict(sorted(turns.items())))
    if not known:
        raise InputError(f"{table.path}: no column 'label' in it, by which classes could be told apart")
    unknown = [name for name in only if name not in known]
    if unknown:
        raise InputError(f"--only {unknown[0]}: no such label in {table.path}; there are {', '.join(sorted(known))}")
    names = tuple(only) or tuple(sorted(known))
    used = [tuple(name for name in pattern if name in names) for pattern in patterns]
    plan = plan_of(used, names, count, balance=balance, per_class=per_class, seed=seed)
    if plan is None:
        places = [k for k, pattern in enumerate(used) if pattern]
        wanted = len(places) if count is None else count
        order = [places[k % len(places)] for k in range(wanted)]
        plan = Plan(np.array(order), class_counts(used[k] for k in order))
    return replace(
        table, count=len(plan.rows), order=tuple(int(k) for k in plan.rows), classes=dict(sorted(plan.classes.items()))
    )


def _row(
    number: int,
    header: Sequence[str],
    columns: Mapping[str, int],
    cells_: Sequence[Any],
    values: dict[str, Any],
    labels: Mapping[str, Meaning] | None,
    check: Callable[[Mapping[str, Any]], None] | None,
) -> Row:
    found = {
        name: value
        for name, place in columns.items()
        if (value := _value(name, header[place], cells_[place])) is not None
    }
    label, group = found.pop("label", None), found.pop("patient_id", None)
    statements = codes_in(found.pop("statements")) if "statements" in found else None
    values |= found
    texts = None
    if label is not None:
        texts = _meaning_of(label, labels)
    if "text" not in values and statements:
        values["text"] = words_of(statements)
    for text in [None] if texts is None or "text" in values else texts.texts:
        if check is not None:
            check(values if text is None else {**values, "text": text})
    return Row(number, values, label, texts, statements, group)


def _meaning_of(label: str, labels: Mapping[str, Meaning] | None) -> Meaning:
    if labels is None:
        return meaning(label)
    if label not in labels:
        raise InputError(f"label {printable(label)!r} is not in --labels; there are {', '.join(sorted(labels))}")
    return labels[label]


def unused_columns(path: Path) -> list[str]:
    """Columns of a table that are no condition."""
    header, _ = cells(path)
    used = set(_known_columns(path, header).values())
    return [name for place, name in enumerate(header) if place not in used]


def _known_columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    names = {other: name for name, others in COLUMNS.items() for other in (name, *others)}
    names |= dict.fromkeys(LABEL, "label") | dict.fromkeys(STATEMENTS, "statements")
    names |= dict.fromkeys(PERSON, "patient_id")
    found: dict[str, int] = {}
    for place, column in enumerate(header):
        name = names.get(column.strip().lower())
        if name is not None and name in found:
            raise InputError(f"{path}: columns {header[found[name]]!r} and {column!r} both mean {name}; keep one")
        if name is not None:
            found[name] = place
    if not found:
        shown = printable(", ".join(header))
        raise InputError(
            f"{path}: no column of conditions in it ({shown}); accepted: {', '.join(COLUMNS)}, label, statements"
        )
    return found


def _value(name: str, column: str, cell: Any) -> Any:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)) or str(cell).strip().lower() in _EMPTY:
        return None
    text = str(cell).strip()
    if name in ("text", "label", "statements", "patient_id"):
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
