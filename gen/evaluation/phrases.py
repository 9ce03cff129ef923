"""Scores the reader on phrases with expected statements and numbers: `score`, and the notation of a table of phrases.

A table has columns ``language,text,expected``; ``expected`` is codes apart by blanks: ``-LVH`` denied, ``IMI?`` in
doubt, ``IMI@inferior/old`` with wall and acuity, ``hr=72`` a number (hr, pr, qrs, qt, qtc, axis, age). A phrase is
right where everything expected was read and nothing else; where nothing is expected, words have to be listed as
unknown. Optional columns ``round`` and ``first`` say when a phrase was written and whether it was right when it was
first tried, before anything was mended after it: `rounds`.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gen.records import InputError
from gen.text.reader import ReadText, read_text

_NUMBERS = {"hr": "heart_rate", "axis": "axis_deg", "age": "age"} | {n: f"{n}_ms" for n in ("pr", "qrs", "qt", "qtc")}


@dataclass(frozen=True)
class Expected:
    """One statement or number that a phrase should give."""

    code: str
    negated: bool = False
    possible: bool = False
    location: str | None = None
    acuity: str | None = None
    number: float | None = None


def expected(field: str) -> Iterator[Expected]:
    """What the notation of a phrase stands for."""
    for part in field.split():
        name, _, value = part.partition("=")
        if value:
            yield Expected(_NUMBERS[name], number=float(value))
            continue
        negated, body = part.startswith("-"), part.removeprefix("-")
        acuity = next((a for a in ("acute", "old") if body.endswith(f"/{a}")), None)
        body, _, location = body.removesuffix(f"/{acuity}").partition("@")
        yield Expected(body.rstrip("?"), negated, body.endswith("?"), location or None, acuity)


def as_expected(read: ReadText, field: str) -> bool:
    """Whether a text was understood to say just this."""
    left, wanted = list(read.statements), list(expected(field))
    numbers = {e.code: e.number for e in wanted if e.number is not None}
    if read.numbers != numbers or (not wanted and not read.unknown):
        return False
    for e in (e for e in wanted if e.number is None):
        fits = (
            s
            for s in left
            if (s.code, s.negated) == (e.code, e.negated)
            and (e.negated or (s.certainty == "possible") == e.possible)
            and e.location in (None, s.location)
            and e.acuity in (None, s.acuity)
        )
        one = next(fits, None)
        if one is None:
            return False
        left.remove(one)
    return not left


def score(table: Path) -> tuple[int, int, list[dict[str, str]]]:
    """Phrases of a table, those that are right, and the rows that are not.

    Raises:
        InputError: no such file, or no such columns in it.
    """
    rows = _rows(table)
    wrong = [row for row in rows if not as_expected(read_text(row["text"]), row["expected"])]
    return len(rows), len(rows) - len(wrong), wrong


def _rows(table: Path) -> list[dict[str, str]]:
    if not table.is_file():
        raise InputError(f"{table}: not found; accepted: a CSV table with columns language, text, expected")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"text", "expected"} <= set(rows[0]):
        raise InputError(f"{table}: columns text and expected are missing; accepted: language, text, expected")
    return rows


def rounds(table: Path, wrong: list[dict[str, str]]) -> dict[str, tuple[int, int, int]]:
    """For each round of a table: phrases, those right when first tried, those right now; {} without these columns.

    Args:
        table: as for `score`.
        wrong: rows that `score` gave.
    """
    rows = _rows(table)
    if not {"round", "first"} <= set(rows[0]):
        return {}
    missed = {row["text"] for row in wrong}
    found: dict[str, tuple[int, int, int]] = {}
    for row in rows:
        n, first, now = found.get(row["round"], (0, 0, 0))
        found[row["round"]] = (n + 1, first + (row["first"] == "yes"), now + (row["text"] not in missed))
    return found
