"""Simulated cohort beside real ECGs: ``physiogen evaluate cohort --data .data/ptb-xl``.

Both sides are measured by the same rule (`gen.simulate.measure`). Only the training folds of PTB-XL are used.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gen.evaluation.settings import Cohort as Settings
from gen.evaluations import Progress
from gen.leads import LEADS_8
from gen.records import InputError
from gen.results import Better, Data, Node, Results, Value
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


#: Percentiles, as tables name them.
_COLUMNS = tuple(f"{q}th percentile" for q in QUANTILES)
_GIVEN_OF = ("I", "V2", "V3", "V4", "V6")
_UNITS = {"bpm": "bpm", "ms": "ms", "deg": "degrees"}


def tables(result: Mapping[str, Any]) -> dict[str, Node]:
    """What `compare` gives, in groups."""
    counts = dict(zip(("real", "simulated"), result["records"], strict=True))
    out: dict[str, Node] = {}
    rows: dict[str, dict[str, Value]] = {}
    for name, sides in result["features"].items():
        unit = "mV" if name.partition("_")[0] in ("R", "S", "T", "ST", "P") else _UNITS.get(name.rpartition("_")[2], "")
        for side, values in sides.items():
            better: Better | None = "reference" if side == "real" else None
            marks = zip(_COLUMNS, values, strict=True)
            shown = {key: Value.of(value, n=counts[side], unit=unit, better=better) for key, value in marks}
            rows[f"{name.replace('_', ' ')}, {side}"] = shown
    out["features"] = rows
    leads = result["leads"]
    gap = leads["correlation_gap"]
    out["correlation of leads, absolute difference"] = {
        "largest": Value(gap["largest"], better="lower"),
        "mean": Value(gap["mean"], better="lower"),
    }
    of_leads: dict[str, tuple[str, Sequence[str]]] = {
        "rms": ("RMS", LEADS_8),
        "rms_spread": ("SD of log RMS", LEADS_8),
        "predictable": ("R² from II, V1, V5", _GIVEN_OF),
    }
    for key, (title, names) in of_leads.items():
        out[title] = {
            side: {lead: Value.of(v, n=counts[side]) for lead, v in zip(names, leads[key][side], strict=True)}
            for side in counts
        }
    for side in counts:
        matrix = leads["correlation"][side]
        out[f"correlation of leads, {side}"] = {
            lead: {other: Value.of(v, n=counts[side]) for other, v in zip(LEADS_8, row, strict=True)}
            for lead, row in zip(LEADS_8, matrix, strict=True)
        }
    return out


def run(settings: Settings, progress: Progress) -> Results:
    """Both sides measured, percentile by percentile."""
    rows, signals = load_training(settings.data)
    wanted = [i for i, row in enumerate(rows) if not settings.statement or settings.statement in row["codes"]]
    if len(wanted) < 2:
        raise InputError(f"--statement {settings.statement}: {len(wanted)} records state it; accepted: a frequent code")
    chosen = np.random.default_rng(settings.seed).permutation(wanted)[: settings.number]
    pinned = {"statements": [settings.statement]} if settings.statement else None
    batch = simulate(range(len(chosen)), seed=settings.seed, noise="light", conditions=pinned)
    progress(f"{len(chosen)} records of each side; measuring")
    result = compare(signals[chosen], batch.signal_mv)
    gap = "correlation of leads, absolute difference"
    return settings.results(
        tables(result),
        data=[Data("PTB-XL", "folds 1-8"), Data("simulated ECGs")],
        n=len(chosen),
        headline=[f"{gap}/largest", f"{gap}/mean"],
    )
