"""What each measure computes, what is good, where it comes from: ``formulas.csv``, a line a measure or pattern."""

import csv
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import NamedTuple

from metrics.report.entries import Entry


class Formula(NamedTuple):
    """Of a measure, in words."""

    formula: str
    good: str
    reference: str


@cache
def _table() -> tuple[tuple[str, Formula], ...]:
    with Path(__file__).with_name("formulas.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            (row["measure"], Formula(row["formula"], row["good"], row["reference"])) for row in csv.DictReader(file)
        )


def formula_of(measure: str) -> Formula | None:
    """Of a measure by its name without an extractor; the first line that fits; None where there is none."""
    return next((found for pattern, found in _table() if fnmatchcase(measure, pattern)), None)


HEADERS = ("measure", "meaning", "formula", "good", "reference")


def meanings(entries: Iterable[Entry]) -> list[tuple[str, ...]]:
    """A row of `HEADERS` for every measure that was computed, once, however many extractors it was computed with."""
    rows: dict[str, tuple[str, ...]] = {}
    for each in entries:
        name = each.name.partition("@")[0]
        if each.skipped is not None or name in rows:
            continue
        found = formula_of(name) or Formula("", "", "")
        rows[name] = (name, each.summary, *found)
    return list(rows.values())
