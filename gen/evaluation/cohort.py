"""Simulated cohort beside real ECGs: ``python -m gen.evaluation.cohort --data .data/ptb-xl``.

Both sides are measured by the same rule (`gen.simulate.measure`). Only the training folds of PTB-XL are used.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gen.leads import LEADS_8
from gen.simulate.cohort import simulate
from gen.simulate.fit import FS_HZ, load_training
from gen.simulate.measure import Measured, measure

#: Waves measured on the representative beat; amplitude relative to the PR segment.
QUANTILES = (5, 25, 50, 75, 95)


def features(m: Measured, fs_hz: float = FS_HZ) -> dict[str, float]:
    """Rate, intervals, axis and amplitudes of one measured record; NaN where not measurable."""
    rr = m.rr_s if len(m.rr_s) else np.array([np.nan])
    out = {
        "hr_bpm": 60.0 / float(np.median(rr)),
        "rr_cv": float(rr.std() / rr.mean()),
        "p_ms": 1e3 * (m.p_off - m.p_on),
        "pr_ms": 1e3 * (m.qrs_on - m.p_on),
        "qrs_ms": 1e3 * (m.qrs_off - m.qrs_on),
        "qt_ms": 1e3 * (m.t_off - m.qrs_on),
    }
    out["qtcb_ms"] = out["qt_ms"] / np.sqrt(60.0 / out["hr_bpm"])
    if not np.isfinite([m.qrs_on, m.qrs_off, m.t_off]).all():
        return out
    time = np.arange(m.beat_mv.shape[1]) / fs_hz
    beat = m.beat_mv - np.median(m.beat_mv[:, (time > m.qrs_on - 0.02) & (time <= m.qrs_on)], axis=1, keepdims=True)
    qrs = beat[:, (time >= m.qrs_on) & (time <= m.qrs_off)]
    lead_i, lead_ii = qrs[0].sum(), qrs[1].sum()
    out["axis_deg"] = float(np.degrees(np.arctan2(2 / np.sqrt(3) * (lead_ii - 0.5 * lead_i), lead_i)))
    t_wave = beat[:, (time > m.qrs_off + 0.06) & (time <= m.t_off)]
    p_wave = beat[:, (time >= m.p_on) & (time <= m.p_off)] if np.isfinite(m.p_on) else None
    at_60 = int((m.qrs_off + 0.05) * fs_hz)
    for row, lead in enumerate(LEADS_8):
        out[f"R_{lead}"] = float(qrs[row].max())
        out[f"S_{lead}"] = float(qrs[row].min())
        if t_wave.size:
            out[f"T_{lead}"] = float(t_wave[row][np.abs(t_wave[row]).argmax()])
        out[f"ST_{lead}"] = float(beat[row, min(at_60, beat.shape[1] - 1)])
        if p_wave is not None and p_wave.size:
            out[f"P_{lead}"] = float(p_wave[row][np.abs(p_wave[row]).argmax()])
    return out


def beat_samples(m: Measured, fs_hz: float = FS_HZ) -> np.ndarray:
    """Representative beat from -0.2 s to 0.45 s at 100 Hz, (8, 65); NaN where none."""
    beat = m.beat_mv
    step = int(fs_hz / 100)
    first = int(0.2 * fs_hz)
    return beat[:, first : first + 65 * step : step]


def table(measured: Sequence[Measured]) -> dict[str, np.ndarray]:
    """Every feature over records; name -> (record,)."""
    rows = [features(m) for m in measured]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


def lead_statistics(measured: Sequence[Measured]) -> dict[str, np.ndarray]:
    """RMS and correlation of the eight leads over the samples of representative beats, and how R progression varies.

    Returns:
        ``rms`` (8,), ``correlation`` (8, 8), ``predictable`` (5,): R² of the least squares prediction of I, V2, V3,
        V4, V6 from II, V1, V5 over all records, ``rms_spread`` (8,): standard deviation of log RMS over records.
    """
    beats = np.stack([beat_samples(m) for m in measured])
    beats = beats[np.isfinite(beats).all(axis=(1, 2))]
    beats = beats[np.abs(beats).max(axis=(1, 2)) < 6.0]
    flat = beats.transpose(1, 0, 2).reshape(8, -1)
    given, wanted = [1, 2, 6], [0, 3, 4, 5, 7]
    weights, *_ = np.linalg.lstsq(flat[given].T, flat[wanted].T, rcond=None)
    error = flat[wanted] - weights.T @ flat[given]
    own = np.sqrt(np.mean(beats**2, axis=2))
    return {
        "rms": np.sqrt(np.mean(flat**2, axis=1)),
        "correlation": np.corrcoef(flat),
        "predictable": 1.0 - np.mean(error**2, axis=1) / np.mean(flat[wanted] ** 2, axis=1),
        "rms_spread": np.log(own + 1e-3).std(axis=0),
    }


def compare(real: np.ndarray, simulated: np.ndarray) -> dict[str, Any]:
    """Quantiles of every feature on both sides, and the relation between leads; JSON values."""
    left, right = ([measure(s, FS_HZ) for s in signals] for signals in (real, simulated))
    a, b = table(left), table(right)
    rows = {}
    for name in a:
        if name in b:
            rows[name] = {
                "real": np.nanpercentile(a[name], QUANTILES).round(3).tolist(),
                "simulated": np.nanpercentile(b[name], QUANTILES).round(3).tolist(),
            }
    la, lb = lead_statistics(left), lead_statistics(right)
    leads = {key: {"real": la[key].round(3).tolist(), "simulated": lb[key].round(3).tolist()} for key in la}
    gap = np.abs(la["correlation"] - lb["correlation"])
    leads["correlation_gap"] = {"largest": round(float(gap.max()), 3), "mean": round(float(gap.mean()), 3)}
    return {"records": [len(real), len(simulated)], "features": rows, "leads": leads}


def _print(result: dict[str, Any]) -> None:
    real, simulated = result["records"]
    print(f"{real} real records (PTB-XL folds 1-8), {simulated} simulated; percentiles {QUANTILES}")
    for name, sides in result["features"].items():
        print(f"{name:9s} real {_line(sides['real'])}   simulated {_line(sides['simulated'])}")
    for name, sides in result["leads"].items():
        if name == "correlation":
            for side, matrix in sides.items():
                print(f"correlation of leads, {side}:")
                for lead, row in zip(LEADS_8, matrix, strict=True):
                    print(f"  {lead:3s} {_line(row)}")
        else:
            print(f"{name}: {sides}")


def _line(values: Sequence[float]) -> str:
    return " ".join(f"{v:8.2f}" if abs(v) < 20 else f"{v:8.0f}" for v in values)


def main() -> None:
    """Measure both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(".data/ptb-xl"))
    parser.add_argument("-n", type=int, default=600, help="records of each side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--statement", help="only records with this SCP-ECG code, e.g. NORM")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows, signals = load_training(options.data)
    wanted = [i for i, row in enumerate(rows) if not options.statement or options.statement in row["codes"]]
    chosen = np.random.default_rng(options.seed).permutation(wanted)[: options.n]
    pinned = {"statements": [options.statement]} if options.statement else None
    batch = simulate(range(len(chosen)), seed=options.seed, noise="light", conditions=pinned)
    result = compare(signals[chosen], batch.signal_mv)
    if options.json:
        print(json.dumps(result))
    else:
        _print(result)


if __name__ == "__main__":
    main()
