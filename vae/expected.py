"""How far a reconstruction can be trusted: what was measured for its lead set, in words and numbers.

The figures are those of ``physiogen evaluate expected-error`` on recordings that no training saw; the stored result
lies beside this module. A set that was not measured is spoken for by the largest measured one that is part of it.
"""

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gen.files import read_json
from gen.leads import LEADS_12, derivable

STORED = Path(__file__).with_name("expected.json")
#: A class whose AUROC falls by at least this much is not shown by these leads.
LOST = 0.05
#: What the errors leave out: an offset or a drift of a missing lead is nowhere in the others.
BAND = "above .5 Hz, without offset and drift"
_NAMES = {
    "NORM": "normal or not",
    "MI": "infarction",
    "STTC": "ST and T changes",
    "CD": "conduction disturbances",
    "HYP": "hypertrophy",
}


@cache
def _stored() -> Mapping[str, Any]:
    return read_json(STORED)


@cache
def _sets() -> dict[tuple[str, ...], Mapping[str, Any]]:
    return {tuple(name.split(",")): group for name, group in _stored()["values"].items()}


def measured_weights() -> str:
    """Digest of the weights that the figures are of."""
    return str(_stored()["settings"]["weights"])


def measured_set(leads: Collection[str]) -> tuple[str, ...] | None:
    """The largest lead set that was measured and is part of these leads; None where there is none."""
    there = set(leads) | set(derivable([lead for lead in LEADS_12 if lead in leads]))
    parts = [known for known in _sets() if set(known) <= there]
    return max(parts, key=len) if parts else None


def expected(leads: Collection[str], weights: str | None = None) -> dict[str, Any]:
    """What to expect of a reconstruction from these leads, as JSON values.

    Args:
        leads: given.
        weights: digest of what rebuilds, or the name of a method without weights; None: those that were measured.

    Returns:
        ``measured_for`` (the lead set), ``band`` (of the errors), ``mae_mv`` and ``worst_tenth_mv`` (missing lead ->
        mV), ``auroc_change`` (superclass -> rebuilt minus real) and ``not_shown`` (findings in words). Empty where
        nothing was measured that speaks for these leads, or of other weights than these.
    """
    known = measured_set(leads) if weights in (None, measured_weights()) else None
    if known is None:
        return {}
    group = _sets()[known]
    given = set(derivable([lead for lead in LEADS_12 if lead in leads])) | set(leads)
    rows = {lead: row for lead, row in group["missing leads"].items() if lead not in given}
    changes = {name: row["change"] for name, row in group["what a classifier loses"].items()}
    values = {name: _number(change) for name, change in changes.items()}
    return {
        "measured_for": ",".join(known),
        "band": BAND,
        "mae_mv": {lead: round(_number(row["MAE above .5 Hz"]), 3) for lead, row in rows.items()},
        "worst_tenth_mv": {lead: round(_number(row["of the worst tenth, at least"]), 3) for lead, row in rows.items()},
        "auroc_change": {name: round(value, 3) for name, value in values.items()},
        "not_shown": [
            f"{_NAMES[name]} (AUROC {_number(row['AUROC, real']):.2f} to {_number(row['AUROC, rebuilt']):.2f})"
            for name, row in group["what a classifier loses"].items()
            if values[name] <= -LOST
        ],
    }


def in_words(leads: Collection[str], found: Mapping[str, Any], partly: Mapping[str, float] | None = None) -> list[str]:
    """The same for people, a line each; ``partly``: leads of which only this share was recorded (print-outs)."""
    if partly:
        whole = [lead for lead in leads if lead not in partly]
        shares = ", ".join(f"{lead} {share:.0%}" for lead, share in partly.items())
        line = f"recorded in part: {shares}; what lies between is rebuilt, and its error was not measured"
        return [line, *(in_words(whole, found) if whole else [])]
    if not found:
        return [f"from {','.join(leads)}: nothing was measured that speaks for these leads and weights"]
    measured = found["measured_for"]
    of = "" if set(measured.split(",")) == set(leads) else f" (measured for {measured}, a part of them)"
    errors = found["mae_mv"]
    if not errors:
        return [f"from {','.join(leads)}: every other lead follows exactly"]
    worst = max(errors, key=lambda lead: errors[lead])
    best = min(errors, key=lambda lead: errors[lead])
    lines = [
        f"from {','.join(leads)}{of} expect errors of {errors[best]:.3f} mV ({best}) to {errors[worst]:.3f} mV "
        f"({worst}) {BAND}, and {found['worst_tenth_mv'][worst]:.3f} mV or more in one recording of ten"
    ]
    if found["not_shown"]:
        lines.append(f"not to be read from them: {'; '.join(found['not_shown'])}")
    return lines


def _number(value: Any) -> float:
    return float(value["value"] if isinstance(value, Mapping) else value)
