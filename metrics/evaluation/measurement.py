"""Accuracy of the parameters on simulated truth, and their speed: ``python -m metrics.evaluation.measurement``."""

import argparse
import json
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gen.leads import to_12
from gen.simulate import simulate
from metrics.measurement.records import measure_records

#: Parameters that the simulation knows, with their units.
KNOWN = {"hr_bpm": "bpm", "pr_ms": "ms", "qrs_ms": "ms", "qt_ms": "ms", "axis_deg": "degrees"}


def simulated_errors(count: int, seed: int, noise: str = "light") -> dict[str, dict[str, float]]:
    """Errors against simulated truth by parameter.

    Returns:
        name -> ``n`` with truth, ``coverage`` among these, ``invented`` (measured where truth has none), ``mean``,
        ``sd``, ``mean_abs``, ``median_abs``.
    """
    batch = simulate(range(count), seed=seed, noise=noise)
    measured = measure_records(to_12(batch.signal_mv), batch.fs_hz)
    out = {}
    for name in KNOWN:
        truth = np.array([getattr(t, name) for t in batch.truth])
        found = np.array([getattr(p, name) for p in measured])
        out[name] = _errors(truth, found, circular=name == "axis_deg")
    return out


def _errors(truth: npt.NDArray[np.float64], found: npt.NDArray[np.float64], *, circular: bool) -> dict[str, float]:
    error = found - truth
    if circular:
        error = (error + 180.0) % 360.0 - 180.0
    known, both = np.isfinite(truth), np.isfinite(error)
    absolute = np.abs(error[both])
    return {
        "n": int(known.sum()),
        "coverage": float(both.sum() / max(known.sum(), 1)),
        "invented": int((~known & np.isfinite(found)).sum()),
        "mean": float(error[both].mean()),
        "sd": float(error[both].std()),
        "mean_abs": float(absolute.mean()),
        "median_abs": float(np.median(absolute)),
    }


def speed(count: int = 256) -> float:
    """Twelve-lead ten-second records (500 Hz) measured per second, from arrays in memory."""
    signal = to_12(simulate(range(64), seed=1, noise="light").signal_mv)
    signal = np.concatenate([signal] * max(1, count // 64))
    measure_records(signal[:32], 500)
    start = time.perf_counter()
    measure_records(signal, 500)
    return len(signal) / (time.perf_counter() - start)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=300, help="simulated records")
    parser.add_argument("--seed", type=int, default=2024, help="of the cohort; training used 0 and 1")
    parser.add_argument("--noise", default="light", help="none, light or wearable")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    errors = simulated_errors(chosen.n, chosen.seed, chosen.noise)
    if chosen.json:
        print(json.dumps({"errors": errors, "records_per_s": speed()}))
        return
    print(
        "| parameter | n | coverage | invented | mean error | SD | mean abs | median abs |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for name, row in errors.items():
        print(
            f"| {name} ({KNOWN[name]}) | {row['n']} | {row['coverage']:.3f} | {row['invented']} | {row['mean']:+.1f} "
            f"| {row['sd']:.1f} | {row['mean_abs']:.1f} | {row['median_abs']:.1f} |"
        )
    print(f"\n{speed():.0f} records/s")


if __name__ == "__main__":
    main()
