"""Accuracy of the parameters on simulated truth, and their speed: ``physiogen evaluate measurement``."""

import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gen.evaluations import Progress
from gen.leads import to_12
from gen.results import Data, Node, Results, Value
from gen.simulate import simulate
from metrics.evaluation.settings import Measurement as Settings
from metrics.measurement.records import measure_records
from metrics.statistics.proportion import wilson

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


#: Rates of the tachycardias in beats per minute, and the rate that parts them in the table.
FAST_BPM, VERY_FAST_BPM, FASTEST_BPM = 110.0, 140.0, 195.0


def tachycardia_errors(count: int, seed: int, noise: str = "light") -> dict[str, dict[str, float]]:
    """Errors of PR in simulated sinus tachycardia conducted one to one, by range of rates; as `simulated_errors`."""
    rates = np.linspace(FAST_BPM, FASTEST_BPM, count)
    wanted = [{"heart_rate": float(rate), "statements": ["STACH"]} for rate in rates]
    batch = simulate(range(count), seed=seed, noise=noise, conditions=wanted)
    found = np.array([p.pr_ms for p in measure_records(to_12(batch.signal_mv), batch.fs_hz)])
    truth = np.array([t.pr_ms for t in batch.truth])
    out = {}
    for low, high in ((FAST_BPM, VERY_FAST_BPM), (VERY_FAST_BPM, FASTEST_BPM)):
        chosen = (rates >= low) & (rates <= high)
        out[f"PR, {low:g}-{high:g} bpm"] = _errors(truth[chosen], found[chosen], circular=False)
    return out


#: Rhythms that are simulated -> heart rates asked for (None: the simulation's), and the statements that name them.
RHYTHMS: Mapping[str, tuple[float | None, tuple[str, ...]]] = {
    "SR": (72, ("SR", "SARRH")),
    "SBRAD": (48, ("SBRAD",)),
    "STACH": (115, ("STACH",)),
    "AFIB": (90, ("AFIB",)),
    "AFLT": (None, ("AFLT",)),
    "2AVB": (None, ("2AVB",)),
    "3AVB": (None, ("3AVB",)),
    "PACE": (70, ("PACE",)),
    "BIGU": (None, ("BIGU",)),
    "TRIGU": (None, ("TRIGU",)),
    "PVC": (72, ("SR", "SARRH")),
    "PAC": (72, ("SR", "SARRH")),
}
#: Kinds of simulated beats -> what they are called when measured.
KINDS = {"normal": "normal", "PVC": "ventricular", "PAC": "atrial", "paced": "paced"}
#: Seconds between the beginnings of a true and a measured complex that are one.
SAME_BEAT_S = 0.1


def rhythm_rows(count: int, seed: int, noise: str = "light") -> tuple[dict[str, Node], dict[str, Node]]:
    """Share of simulated rhythms named rightly, and sensitivity and precision of the kinds of their beats."""
    rhythms: dict[str, Node] = {}
    pairs: list[tuple[str, str]] = []
    for code, (rate, names) in RHYTHMS.items():
        specification = {"statements": [code]} | ({} if rate is None else {"heart_rate": rate})
        batch = simulate(range(count), seed=seed, noise=noise, conditions=specification)
        found = measure_records(batch.records())
        rhythms[code] = {"named rightly": Value.of(wilson([p.rhythm.code in names for p in found]), better="higher")}
        for truth, p in zip(batch.truth, found, strict=True):
            onsets = np.array([onset for onset, _ in p.beat_kinds])
            for beat in truth.beats:
                near = np.abs(onsets - beat.qrs[0]) if beat.kind in KINDS else np.empty(0)
                if near.size and near.min() <= SAME_BEAT_S:
                    pairs.append((KINDS[beat.kind], p.beat_kinds[int(np.argmin(near))][1]))
    true, called = np.array(pairs).T
    kinds: dict[str, Node] = {
        kind: {
            "sensitivity": Value.of(wilson(called[true == kind] == kind), better="higher"),
            "precision": Value.of(wilson(true[called == kind] == kind), better="higher"),
        }
        for kind in KINDS.values()
    }
    return rhythms, kinds


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
    rows = _rows(simulated_errors(settings.number, settings.seed, settings.noise))
    progress("errors measured; timing")
    values: dict[str, Node] = {"parameters": rows}
    if settings.tachycardias:
        fast = tachycardia_errors(settings.tachycardias, settings.seed, settings.noise)
        values["sinus tachycardia, conducted one to one"] = _rows(fast)
    if settings.rhythms:
        rhythms, kinds = rhythm_rows(settings.rhythms, settings.seed, settings.noise)
        values |= {"rhythms": rhythms, "kinds of beats": kinds}
    if settings.timed:
        values["speed"] = {"measured": Value(speed(settings.timed), unit="records/s", better="higher")}
    return settings.results(
        values,
        data=[Data("simulated ECGs", f"noise {settings.noise}")],
        n=settings.number,
        notes=["'invented': measured where the truth has none."],
        headline=[f"parameters/{name}/median absolute error" for name in rows],
    )


def _rows(errors: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, Value]]:
    rows = {}
    for name, row in errors.items():
        n, unit = int(row["n"]), KNOWN.get(name, "ms")
        rows[name] = {
            "measured": Value(row["coverage"], n=n, better="higher"),
            "invented": Value(int(row["invented"]), n=n, better="lower"),
            "mean error": Value.of(row["mean"], n=n, unit=unit),
            "SD": Value.of(row["sd"], n=n, unit=unit, better="lower"),
            "mean absolute error": Value.of(row["mean_abs"], n=n, unit=unit, better="lower"),
            "median absolute error": Value.of(row["median_abs"], n=n, unit=unit, better="lower"),
        }
    return rows
