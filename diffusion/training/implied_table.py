"""Measures the numbers that findings imply: the quantiles behind `diffusion.conditions.implied`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffusion.conditions.implied import _COLUMNS, _OF_ALL, _RANGE, IMPLIED, LEAST, LEVELS
from gen.files import atomic_files
from gen.records import InputError
from gen.training import Fit, OfCache, Recipe
from gen.training.declared import Declared
from metrics.measurement.criteria import CRITERIA
from metrics.measurement.records import measure_records


def measure_typical(data: str | Path) -> list[dict[str, object]]:
    """Rows of the table, from the training folds of a prepared cache.

    Raises:
        InputError: no cache, or no record in its training split.
    """
    from gen.datasets import SignalCache
    from gen.leads import LEADS_8
    from gen.signals import rms_mv

    known = SignalCache.open(data)
    rows = known.split("train")
    if not len(rows):
        raise InputError(f"{data}: no record in the training split; accepted: a cache with one")
    sexes = known.table.sex.tolist()
    found: dict[tuple[str, str], list[float]] = {(c, q): [] for c, names in IMPLIED.items() for q in names}
    for start in range(0, len(rows), 64):
        chosen = rows[start : start + 64]
        signal = known.batch(chosen)
        power = rms_mv(signal, known.fs_hz)
        parameters = measure_records(signal, fs_hz=known.fs_hz, leads=LEADS_8)
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


DECLARED = Declared("diffusion")


@dataclass(frozen=True)
class ImpliedRecipe:
    """``diffusion/implied`` has no settings."""


class _Implied(OfCache[ImpliedRecipe], Fit[ImpliedRecipe]):
    """A CSV table, ``--out``."""

    split = "measured on folds 1-8"

    def fit(self, card: Mapping[str, Any]) -> dict[str, Any]:
        import pandas as pd

        del card  # a table has none
        assert self.data is not None
        rows = measure_typical(self.data)
        with atomic_files(self.out, overwrite=True) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False)
        return {"table": str(self.out), "numbers": len(rows), "findings": len({row["code"] for row in rows})}


implied = Recipe(DECLARED.about("implied"), ImpliedRecipe, _Implied)
