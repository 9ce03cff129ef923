"""Measures the numbers that findings imply: the quantiles behind `diffusion.conditions.implied`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffusion.conditions.implied import _COLUMNS, _OF_ALL, _RANGE, IMPLIED, LEAST, LEVELS
from gen.records import InputError
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    import pandas as pd

    from gen.files import replacing

    parser = argparse.ArgumentParser(prog="python -m diffusion.training.implied_table", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="cache of 'physiogen data prepare'")
    parser.add_argument("--out", type=Path, required=True, help="table to write")
    options = parser.parse_args(arguments)
    try:
        rows = measure_typical(options.data)
        with replacing(options.out) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(rows)} numbers of {len({row['code'] for row in rows})} findings in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
