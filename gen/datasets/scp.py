"""SCP-ECG statements and the label levels PTB-XL builds from them.

The table beside this file lists the 71 statements of PTB-XL (Wagner et al. 2020, Sci Data 7:154, CC BY 4.0; from
SCP-ECG, EN 1064) with superclass and subclass of the diagnostic ones, so that labels work without the data set.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

#: The five diagnostic superclasses.
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")

#: ``super`` and ``sub`` aggregate the diagnostic statements; ``all`` keeps every statement by its own code.
LABEL_LEVELS = ("super", "sub", "all")


@dataclass(frozen=True)
class Statement:
    """One SCP-ECG statement; ``superclass`` and ``subclass`` are None unless it is diagnostic."""

    code: str
    description: str
    superclass: str | None
    subclass: str | None
    kinds: tuple[str, ...]  #: of 'diagnostic', 'form', 'rhythm'; a statement can be two of them
    records: int = 0  #: that carry it, of 2,330 of PTB-XL's folds 1-8: how frequent it is beside others


@cache
def statements() -> Mapping[str, Statement]:
    """All known statements by code, in PTB-XL's order."""
    text = files("gen.datasets").joinpath("scp_statements.csv").read_text(encoding="utf-8")
    return {
        row["code"]: Statement(
            code=row["code"],
            description=row["description"],
            superclass=row["superclass"] or None,
            subclass=row["subclass"] or None,
            kinds=tuple(row["kind"].split(";")),
            records=int(row["records"]),
        )
        for row in csv.DictReader(text.splitlines())
    }


def check_level(level: str) -> str:
    """The level itself; raises `ValueError` if it is none of `LABEL_LEVELS`."""
    if level not in LABEL_LEVELS:
        raise ValueError(f"label level {level!r} is unknown; accepted: {', '.join(LABEL_LEVELS)}")
    return level


def aggregate(codes: Mapping[str, float], level: str = "sub") -> dict[str, float]:
    """Labels of a record at one level.

    Args:
        codes: SCP-ECG code -> likelihood in percent (0 = unstated).
        level: 'super', 'sub' or 'all'.

    Returns:
        Label -> the highest likelihood among the statements behind it. As in PTB-XL's own recipe a statement of
        likelihood 0 counts as made. Codes that are not diagnostic (or unknown here) appear at level 'all' only.

    Raises:
        ValueError: unknown level.
    """
    check_level(level)
    if level == "all":
        return {code: float(likelihood) for code, likelihood in codes.items()}
    labels: dict[str, float] = {}
    for code, likelihood in codes.items():
        statement = statements().get(code)
        label = None if statement is None else statement.superclass if level == "super" else statement.subclass
        if label is not None:
            labels[label] = max(labels.get(label, 0.0), float(likelihood))
    return labels


def labels_at(level: str) -> tuple[str, ...]:
    """Every label of a level, in table order; raises `ValueError` for an unknown level."""
    check_level(level)
    if level == "super":
        return SUPERCLASSES
    if level == "all":
        return tuple(statements())
    return tuple(dict.fromkeys(s.subclass for s in statements().values() if s.subclass))
