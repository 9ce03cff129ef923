"""What ``physiogen synthesize`` was asked for: a text, a table, labels, or a set to be like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen.records import InputError
from gen.synthesis.classes import check_plan
from gen.synthesis.contradictory import refuse
from gen.synthesis.labels import read_labels
from gen.synthesis.like import BALANCES, like
from gen.synthesis.requests import PromptRequests, Requests
from gen.synthesis.table_requests import label_requests, planned, read_table

Check = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Wanted:
    """Options of the command that say what is to be made; see its help."""

    asked: Mapping[str, Any]
    number: int | None
    seed: int
    conditions: Path | None
    like: Path | None
    labels: Path | None
    only: tuple[str, ...]
    per_class: int | None
    balance: str
    split: str
    measured: Path | None
    reports_as_recorded: bool

    def __post_init__(self) -> None:
        sorted_by = bool(self.only) or self.per_class is not None or self.balance != "none"
        if self.balance not in BALANCES:
            raise InputError(f"--balance {self.balance}: expected one of {', '.join(BALANCES)}")
        if self.like is None and (self.split != "train" or self.measured is not None or self.reports_as_recorded):
            raise InputError("--split, --measured and --reports-as-recorded belong to --like")
        if self.like is not None and (self.conditions is not None or self.asked):
            raise InputError("--like takes its conditions from the set; give no text, number or table besides")
        if self.conditions is not None and "text" in self.asked:
            raise InputError(
                "--text stands beside --conditions: the table says what is to be shown; "
                "put the text into its column 'text', or give one of the two"
            )
        if self.like is None and self.balance == "superclass":
            raise InputError("--balance superclass belongs to --like; a table has labels: --balance label")
        if self.like is not None or self.conditions is not None:
            check_plan(self.number, self.balance, self.per_class)
        if self.like is None and self.conditions is None:
            self._without_rows(sorted_by)

    def _without_rows(self, sorted_by: bool) -> None:
        if self.labels is None and sorted_by:
            raise InputError("--only, --per-class and --balance belong to --like, --conditions or --labels")
        if self.labels is not None and "text" in self.asked:
            raise InputError("--text stands beside --labels, which say what is to be shown; give one of the two")
        if self.labels is not None and self.balance == "fill":
            raise InputError("--balance fill needs records to count: --like SET or --conditions TABLE")


def requests_of(wanted: Wanted, check: Check, allow_contradictions: bool) -> tuple[Requests, tuple[str, ...]]:
    """Requests, and a line for each row that cannot be used.

    Args:
        wanted: what was asked for.
        check: raises `InputError` for values that cannot be asked for.
        allow_contradictions: let requests pass that exclude themselves. Those of a recorded set always do: its reports
            are what they are.
    """

    def consistent(values: Mapping[str, Any]) -> None:
        check(values)
        if not allow_contradictions:
            refuse(values)

    labels = None if wanted.labels is None else read_labels(wanted.labels)
    if wanted.like is not None:
        drawn = like(
            wanted.like, wanted.number, wanted.seed,
            balance=wanted.balance, split=wanted.split, measured=wanted.measured, check=check, only=wanted.only,
            per_class=wanted.per_class, labels=labels, verbatim=wanted.reports_as_recorded,
        )  # fmt: skip
        return drawn, ()
    how: Mapping[str, Any] = {
        "only": wanted.only,
        "balance": wanted.balance,
        "per_class": wanted.per_class,
        "seed": wanted.seed,
    }
    if wanted.conditions is not None:
        table = read_table(wanted.conditions, wanted.number, consistent, wanted.asked, labels=labels, **how)
        return table, table.bad
    if labels is not None and wanted.labels is not None:
        rows = label_requests(wanted.labels, labels, wanted.asked)
        for each in labels.values():
            for text in each.texts:
                consistent({**wanted.asked, "text": text})
        return planned(rows if wanted.number is None else rows.repeated(wanted.number), wanted.number, **how), ()
    consistent(wanted.asked)
    return PromptRequests(wanted.asked, wanted.number or 1), ()
