"""Numbers that a finding implies: a request for "first degree AV block" that leaves PR open is given a long one.

A finding's name alone is a weaker condition than the number that defines it: reports use names freely, and many
recordings called LVH miss the voltage criteria. Where a request names such a finding with certainty and leaves its
number open, the number is drawn from recordings of the training folds that have the finding and meet its criterion
(`gen.criteria`); each sample draws its own. ``typical.csv`` holds quantiles of them, made by

    python -m diffusion.typical --data CACHE --out diffusion/typical.csv
"""

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion.conditioning import QUANTITIES, Condition
from gen.criteria import CRITERIA
from gen.records import InputError
from gen.text import read_text
from gen.training import seeded_uniform

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
#: Without a P wave there is no PR.
_NO_PR = {"AFIB", "AFLT", "PACE", "3AVB"}
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
_TABLE = Path(__file__).with_name("typical.csv")
_COLUMNS = tuple(f"level_{k}" for k in range(LEVELS))
_STREAM = 23


def completed(conditions: Sequence[Condition], seeds: torch.Tensor) -> list[Condition]:
    """Requests with the numbers that their findings imply.

    Args:
        conditions: requests; a number that is given, in the text or by itself, stays.
        seeds: (n,) int64 of the samples, which fix the draws.
    """
    draws = seeded_uniform((len(QUANTITIES) + 1,), seeds, stream=_STREAM).double().numpy()
    return [_completed(*parts) for parts in zip(conditions, draws, strict=True)]


def _completed(condition: Condition, draw: np.ndarray) -> Condition:
    whole = condition.with_numbers_of_text()
    if whole.text is None:
        return condition
    read = read_text(whole.text) if isinstance(whole.text, str) else whole.text
    certain = {s.code for s in read.statements if not s.negated and s.likelihood >= _CERTAIN}
    table, names = typical(), [*QUANTITIES, "qtc_ms"]
    drawn: dict[str, float] = {}
    # In the order of IMPLIED, so that the text's order says nothing; of two findings the first one wins.
    for code, quantities in IMPLIED.items():
        if code not in certain:
            continue
        for name in quantities:
            silent = (code, name) not in table or (name == "pr_ms" and certain & _NO_PR)
            given = "qtc_ms" in read.numbers or whole.qt_ms is not None if name == "qtc_ms" else _given(whole, name)
            if not (silent or given):
                place = draw[names.index(name)] * (LEVELS - 1)
                drawn.setdefault(name, float(np.interp(place, np.arange(LEVELS), table[code, name])))
    corrected = drawn.pop("qtc_ms", None)
    rate = whole.heart_rate or drawn.get("heart_rate")
    if corrected is not None and rate is not None:
        drawn["qt_ms"] = corrected * (60 / rate) ** 0.5
    within: dict[str, Any] = {
        name: float(np.clip(value, QUANTITIES[name].low, QUANTITIES[name].high)) for name, value in drawn.items()
    }
    return replace(whole, **within)


def _given(condition: Condition, name: str) -> bool:
    return getattr(condition, name) is not None


@cache
def typical() -> dict[tuple[str, str], tuple[float, ...]]:
    """(finding, number) -> its levels, in the units of `QUANTITIES`; read from ``typical.csv``."""
    with _TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {(row["code"], row["quantity"]): tuple(float(row[column]) for column in _COLUMNS) for row in rows}


def measure_typical(data: str | Path) -> list[dict[str, object]]:
    """Rows of the table, from the training folds of a prepared cache.

    Raises:
        InputError: no cache, or no record in its training split.
    """
    from diffusion.latents import rms_mv
    from gen import registry
    from gen.datasets import SignalCache
    from gen.leads import LEADS_8

    known = SignalCache.open(data)
    rows = known.split("train")
    if not len(rows):
        raise InputError(f"{data}: no record in the training split; accepted: a cache with one")
    measure = registry.get("gen.metrics", "measure")
    sexes = known.table.sex.tolist()
    found: dict[tuple[str, str], list[float]] = {(c, q): [] for c, names in IMPLIED.items() for q in names}
    for start in range(0, len(rows), 64):
        chosen = rows[start : start + 64]
        signal = known.batch(chosen)
        power = rms_mv(signal, known.fs_hz)
        parameters = measure(signal, fs_hz=known.fs_hz, leads=LEADS_8)
        for row, p, rms in zip(chosen.tolist(), parameters, power, strict=True):
            values = {"heart_rate": p.hr_bpm, "pr_ms": p.pr_ms, "qrs_ms": p.qrs_ms, "axis_deg": p.axis_deg}
            values |= {"rms_mv": rms, "qtc_ms": p.qtcb_ms}
            for code in json.loads(known.table.statements.iloc[row] or "{}"):
                if code in IMPLIED and (code in _OF_ALL or CRITERIA[code].met(p, sexes[row])):
                    for name in IMPLIED[code]:
                        if np.isfinite(values[name]):
                            found[code, name].append(float(values[name]))
    table: list[dict[str, object]] = []
    for (code, name), many in found.items():
        if len(many) >= LEAST:
            spread = np.quantile(many, np.linspace(*_OF_ALL.get(code, _RANGE), LEVELS))
            levels = {column: f"{value:.4g}" for column, value in zip(_COLUMNS, spread, strict=True)}
            table.append({"code": code, "quantity": name, "n": len(many), **levels})
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    import pandas as pd

    from gen.io.atomic import atomic_files

    parser = argparse.ArgumentParser(prog="python -m diffusion.typical", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="cache of 'physiogen data prepare'")
    parser.add_argument("--out", type=Path, required=True, help="table to write")
    options = parser.parse_args(arguments)
    try:
        rows = measure_typical(options.data)
        with atomic_files(options.out, overwrite=True) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(rows)} numbers of {len({row['code'] for row in rows})} findings in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
