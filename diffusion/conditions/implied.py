"""Numbers that a finding implies: a request for "first degree AV block" that leaves PR open is given a long one.

A finding's name alone is a weaker condition than the number that defines it: reports use names freely, and many
recordings called LVH miss the voltage criteria. Where a request names such a finding with certainty and leaves its
number open, the number is drawn from recordings of the training folds that have the finding and meet its criterion
(`metrics.measurement.criteria`); each sample draws its own. ``implied.csv`` holds quantiles of them, made by

    physiogen train diffusion/implied --data CACHE --out diffusion/conditions/implied.csv
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion.conditions.condition import Condition
from gen.quantities import QUANTITIES
from gen.randomness import Stream, seeded_uniform
from gen.text.phrases import touching

#: Finding -> numbers it is about. QTc (Bazett) becomes QT with the rate asked for, or drawn.
IMPLIED: Mapping[str, tuple[str, ...]] = {
    "STACH": ("heart_rate",),
    "SVTAC": ("heart_rate",),
    "SBRAD": ("heart_rate",),
    "CLBBB": ("qrs_ms",),
    "CRBBB": ("qrs_ms",),
    "PACE": ("qrs_ms",),
    "1AVB": ("pr_ms",),
    "LAFB": ("axis_deg",),
    "LVH": ("rms_mv",),
    "LVOLT": ("rms_mv",),
    "LNGQT": ("heart_rate", "qtc_ms"),
}
#: Findings too rare among recordings for quantiles of their own: the range that defines them, with room for what two
#: readings of one ECG differ by. Surawicz et al. 2009 (conduction), doi:10.1161/CIRCULATIONAHA.108.191095.
DEFINED: Mapping[tuple[str, str], tuple[float, float]] = {
    ("WPW", "pr_ms"): (86.0, 112.0),
    ("WPW", "qrs_ms"): (116.0, 144.0),
    ("ILBBB", "qrs_ms"): (104.0, 115.0),
    ("LPFB", "axis_deg"): (98.0, 125.0),
    ("LPFB", "qrs_ms"): (86.0, 112.0),
}
#: Without a P wave there is no PR.
_NO_PR = touching("no_pr")
#: Findings beside which a number is not implied: QRS is wide with those that have no number of their own.
_NOT_BESIDE: Mapping[tuple[str, str], frozenset[str]] = {
    ("WPW", "pr_ms"): _NO_PR,
    ("LPFB", "qrs_ms"): frozenset({"IVCD", "BIFB", "TRIFB", "IRBBB"}),
}
#: Likelihood in percent from which on a finding counts as asked for.
_CERTAIN = 80
#: Levels of each row of the table, evenly spaced quantiles. Numbers are drawn between the first and the last.
LEVELS = 6
#: First and last quantile, of recordings that meet a finding's criterion: plain cases, not borderline, not extreme.
_RANGE = (0.4, 0.95)
#: Where too few meet it: first and last quantile of all recordings that have the finding.
_OF_ALL = {"LVOLT": (0.05, 0.4), "LNGQT": (0.5, 0.95)}
#: Recordings that a row of the table needs at least: fewer would tell single patients' numbers.
LEAST = 5
_TABLE = Path(__file__).with_name("implied.csv")
_COLUMNS = tuple(f"level_{k}" for k in range(LEVELS))


def completed(conditions: Sequence[Condition], seeds: torch.Tensor) -> list[Condition]:
    """Requests with the numbers that their findings imply.

    Args:
        conditions: requests; a number that is given, in the text or by itself, stays.
        seeds: (n,) int64 of the samples, which fix the draws.
    """
    draws = seeded_uniform((len(QUANTITIES) + 1,), seeds, stream=Stream.IMPUTED).double().numpy()
    return [_completed(*parts) for parts in zip(conditions, draws, strict=True)]


def _completed(condition: Condition, draw: np.ndarray) -> Condition:
    read = condition.text
    if read is None:
        return condition
    certain = {s.code for s in read.statements if not s.negated and s.likelihood >= _CERTAIN}
    table, names = typical(), [*QUANTITIES, "qtc_ms"]
    drawn: dict[str, float] = {}
    # In the order of IMPLIED, so that the text's order says nothing; of two findings the first one wins.
    for code, quantities in IMPLIED.items():
        if code not in certain:
            continue
        for name in quantities:
            silent = (code, name) not in table or (name == "pr_ms" and certain & _NO_PR)
            corrected_known = "qtc_ms" in read.numbers or condition.qt_ms is not None
            given = corrected_known if name == "qtc_ms" else getattr(condition, name) is not None
            if not (silent or given):
                place = draw[names.index(name)] * (LEVELS - 1)
                drawn.setdefault(name, float(np.interp(place, np.arange(LEVELS), table[code, name])))
    for (code, name), (low, high) in DEFINED.items():
        if code in certain and getattr(condition, name) is None and not certain & _NOT_BESIDE.get((code, name), set()):
            drawn.setdefault(name, low + (high - low) * float(draw[names.index(name)]))
    corrected = drawn.pop("qtc_ms", None)
    rate = condition.heart_rate or drawn.get("heart_rate")
    if corrected is not None and rate is not None:
        drawn["qt_ms"] = corrected * (60 / rate) ** 0.5
    within: dict[str, Any] = {
        name: float(np.clip(value, QUANTITIES[name].low, QUANTITIES[name].high)) for name, value in drawn.items()
    }
    return replace(condition, **within)


@cache
def typical() -> dict[tuple[str, str], tuple[float, ...]]:
    """(finding, number) -> its levels, in the units of `QUANTITIES`; read from ``implied.csv``."""
    with _TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {(row["code"], row["quantity"]): tuple(float(row[column]) for column in _COLUMNS) for row in rows}
