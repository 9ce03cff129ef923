"""Accuracy of the parameters on simulated truth, and their speed: ``physiogen evaluate measurement``."""

import time

import numpy as np
import numpy.typing as npt

from gen.evaluations import Progress
from gen.leads import to_12
from gen.results import Data, Node, Results, Value
from gen.simulate import simulate
from metrics.evaluation.settings import Measurement as Settings
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


def run(settings: Settings, progress: Progress) -> Results:
    """A line for each parameter, and the speed."""
    errors = simulated_errors(settings.number, settings.seed, settings.noise)
    progress("errors measured; timing")
    rows = {}
    for name, row in errors.items():
        n, unit = int(row["n"]), KNOWN[name]
        rows[name] = {
            "measured": Value(row["coverage"], n=n, better="higher"),
            "invented": Value(int(row["invented"]), n=n, better="lower"),
            "mean error": Value.of(row["mean"], n=n, unit=unit),
            "SD": Value.of(row["sd"], n=n, unit=unit, better="lower"),
            "mean absolute error": Value.of(row["mean_abs"], n=n, unit=unit, better="lower"),
            "median absolute error": Value.of(row["median_abs"], n=n, unit=unit, better="lower"),
        }
    values: dict[str, Node] = {"parameters": rows}
    if settings.timed:
        values["speed"] = {"measured": Value(speed(settings.timed), unit="records/s", better="higher")}
    return settings.results(
        values,
        data=[Data("simulated ECGs", f"noise {settings.noise}")],
        n=settings.number,
        notes=["'invented': measured where the truth has none."],
        headline=[f"parameters/{name}/median absolute error" for name in rows],
    )
