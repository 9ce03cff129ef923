"""Measures reconstruction against the truth: ``python -m vae.evaluation.reconstruction --data CACHE --split test``.

Scored are only the leads that were not observed. Records are the unit of every mean; intervals are 95 % bootstrap
intervals over patients.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gen.datasets.cache import SignalCache
from gen.leads import LEADS_8, LEADS_12, parse_leads, to_12
from gen.records import EcgRecord
from gen.signals import highpass, resample
from gen.simulate.measure import find_beats, measure
from vae.pipeline import METHODS, Reconstruction, ReconstructionPipeline, load
from vae.training.validation import correlations

REPLICATES = 1000
DRIFT_HZ = 0.5


@dataclass(frozen=True)
class Value:
    """A measured value with its interval: mean (or median) over ``n`` records."""

    value: float
    low: float
    high: float
    n: int


def patient_interval(values: np.ndarray, patients: Sequence[str], statistic: str = "mean", seed: int = 0) -> Value:
    """95 % percentile bootstrap of the mean or median of per-record values, drawing whole patients.

    Args:
        values: (record,) or (record, lead); NaN entries are left out.
        patients: patient of each record.
        statistic: 'mean' or 'median'.
        seed: of the draws.
    """
    function = np.nanmean if statistic == "mean" else np.nanmedian
    groups = [np.flatnonzero(np.asarray(patients) == p) for p in np.unique(np.asarray(patients))]
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(REPLICATES):
        rows = np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))])
        draws.append(float(function(values[rows])))
    low, high = np.quantile(draws, [0.025, 0.975])
    return Value(float(function(values)), float(low), float(high), len(values))


def evaluate(
    pipeline: ReconstructionPipeline, records: Sequence[EcgRecord], leads: Sequence[str], num_samples: int = 0
) -> dict[str, Any]:
    """All figures of one method and one input set.

    Args:
        pipeline: the method.
        records: complete records at 500 Hz.
        leads: leads that are observed.
        num_samples: draws per record, whose range is checked against the truth.

    Returns:
        ``signal`` (per rate), ``per_lead`` Pearson at 100 Hz, ``clinical`` errors, ``coverage`` of the bands, and
        ``draw_range``: the share of true samples within the range of the draws, with what calibrated draws reach.
    """
    scored = [lead for lead in LEADS_8 if lead not in leads]
    rows = [LEADS_12.index(lead) for lead in scored]
    results: list[Reconstruction] = []
    inside = total = 0
    for start in range(0, len(records), 32):
        block = list(records[start : start + 32])
        for record, result in zip(block, pipeline(block, leads=leads, num_samples=num_samples), strict=True):
            if num_samples:
                drawn = np.stack([sample.signal_mv[rows] for sample in result.samples])
                true = record.select(scored).signal_mv
                inside += int(((true >= drawn.min(axis=0)) & (true <= drawn.max(axis=0))).sum())
                total += true.size
            results.append(replace(result, samples=()))
    patients = [record.patient.id or record.record_id for record in records]
    truth = np.stack([r.select(scored).signal_mv for r in records])
    predicted = np.stack([r.record.signal_mv[rows] for r in results])
    figures: dict[str, Any] = {"leads": list(leads), "scored": scored, "records": len(records)}
    figures["patients"] = len(set(patients))
    fs = records[0].fs_hz
    figures["signal"] = {
        f"{rate:.0f} Hz": _errors(resample(predicted, fs, rate), resample(truth, fs, rate), patients)
        for rate in (100.0, fs)
    }
    # Baseline drift comes from each electrode by itself, so no other lead can tell it.
    slow, true = (highpass(resample(x, fs, 100.0), 100.0, DRIFT_HZ) for x in (predicted, truth))
    figures["signal"][f"100 Hz, above {DRIFT_HZ} Hz"] = _errors(slow, true, patients)
    r = correlations(resample(predicted, fs, 100.0), resample(truth, fs, 100.0))
    figures["per_lead"] = {lead: asdict(patient_interval(r[:, i], patients)) for i, lead in enumerate(scored)}
    figures["clinical"] = _clinical(records, results, scored, patients)
    if results[0].bands:
        figures["coverage"] = _coverage(results, truth, rows, scored)
    if num_samples:
        expected = (num_samples - 1) / (num_samples + 1)
        figures["draw_range"] = {"samples": num_samples, "inside": inside / total, "expected": expected}
    return figures


def _errors(predicted: np.ndarray, truth: np.ndarray, patients: Sequence[str]) -> dict[str, Any]:
    error = predicted.astype(np.float64) - truth
    r = correlations(predicted, truth)
    return {
        "mse_mv2": asdict(patient_interval((error**2).mean(axis=(1, 2)), patients)),
        "mae_mv": asdict(patient_interval(np.abs(error).mean(axis=(1, 2)), patients)),
        "pearson_mean": asdict(patient_interval(r, patients)),
        "pearson_median": asdict(patient_interval(r, patients, "median")),
    }


def _clinical(
    records: Sequence[EcgRecord], results: Sequence[Reconstruction], scored: Sequence[str], patients: Sequence[str]
) -> dict[str, Any]:
    rows = []
    for record, result in zip(records, results, strict=True):
        rows.append(_beat_errors(record.to_8().signal_mv, result.record.to_8().signal_mv, scored, record.fs_hz))
    found: dict[str, Any] = {}
    for name in ("r_error_mv", "t_error_mv", "axis_error_deg", "hr_error_bpm"):
        values = np.array([row[name] for row in rows])
        if np.isnan(values).all():
            continue
        found[name] = {
            "median": asdict(patient_interval(values, patients, "median")),
            "mean": asdict(patient_interval(values, patients)),
            "measured": int((~np.isnan(values)).sum()),
        }
    return found


def _beat_errors(truth: np.ndarray, rebuilt: np.ndarray, scored: Sequence[str], fs_hz: float) -> dict[str, float]:
    """Errors of one record (8, time) mV: amplitudes on the median beat, both cut at the true beats; NaN if none."""
    nothing = dict.fromkeys(("r_error_mv", "t_error_mv", "axis_error_deg", "hr_error_bpm"), float("nan"))
    marks = measure(truth, fs_hz)
    beats = find_beats(highpass(truth.astype(np.float64), fs_hz, 0.4), fs_hz)
    beats = beats[(beats > 0.4 * fs_hz) & (beats < truth.shape[1] - 0.6 * fs_hz)]
    if np.isnan(marks.qrs_on) or len(beats) < 3:
        return nothing
    before, after = round(0.4 * fs_hz), round(0.6 * fs_hz)

    def median_beat(x: np.ndarray) -> np.ndarray:
        clean = highpass(x.astype(np.float64), fs_hz, 0.4)
        beat = np.median(np.stack([clean[:, b - before : b + after] for b in beats]), axis=0)
        start = max(1, round(marks.qrs_on * fs_hz))
        return beat - np.median(beat[:, max(0, start - round(0.02 * fs_hz)) : start], axis=1, keepdims=True)

    a, b = median_beat(truth), median_beat(rebuilt)
    rows = [LEADS_8.index(lead) for lead in scored]
    qrs = slice(round(marks.qrs_on * fs_hz), round(marks.qrs_off * fs_hz) + 1)
    errors = dict(nothing)
    errors["r_error_mv"] = float(np.abs(a[rows, qrs].max(axis=1) - b[rows, qrs].max(axis=1)).mean())
    if not np.isnan(marks.t_peak):
        t = min(round(marks.t_peak * fs_hz), a.shape[1] - 1)
        window = slice(max(0, t - round(0.06 * fs_hz)), t + round(0.06 * fs_hz))
        errors["t_error_mv"] = float(np.abs(_extreme(a[rows, window]) - _extreme(b[rows, window])).mean())
    if {"I", "II"} & set(scored):
        angle = np.deg2rad(_axis_deg(a[:, qrs]) - _axis_deg(b[:, qrs]))
        errors["axis_error_deg"] = float(np.abs(np.rad2deg(np.arctan2(np.sin(angle), np.cos(angle)))))
    found = find_beats(highpass(rebuilt[rows].astype(np.float64), fs_hz, 0.4), fs_hz)
    all_true = find_beats(highpass(truth.astype(np.float64), fs_hz, 0.4), fs_hz)
    if len(found) >= 2 and len(all_true) >= 2:
        errors["hr_error_bpm"] = float(abs(60 * fs_hz / np.diff(found).mean() - 60 * fs_hz / np.diff(all_true).mean()))
    return errors


def _extreme(x: np.ndarray) -> np.ndarray:
    return x[np.arange(len(x)), np.abs(x).argmax(axis=1)]


def _axis_deg(qrs_8: np.ndarray) -> float:
    """Frontal QRS axis in degrees from the net areas of I and aVF (II - I/2)."""
    area_i, area_ii = qrs_8[0].sum(), qrs_8[1].sum()
    return float(np.rad2deg(np.arctan2((area_ii - area_i / 2) * 2 / np.sqrt(3), area_i)))


def _coverage(
    results: Sequence[Reconstruction], truth: np.ndarray, rows: Sequence[int], scored: Sequence[str]
) -> dict[str, Any]:
    """Share of true samples inside the bands, per lead and over all; mean width in mV."""
    found: dict[str, Any] = {}
    for level in results[0].bands:
        lower = np.stack([r.bands[level][0][list(rows)] for r in results])
        upper = np.stack([r.bands[level][1][list(rows)] for r in results])
        inside = (truth >= lower) & (truth <= upper)
        found[f"{level} %"] = {
            "all": float(inside.mean()),
            "width_mv": float((upper - lower).mean()),
            **{lead: float(inside[:, i].mean()) for i, lead in enumerate(scored)},
        }
    return found


def records_of(cache: SignalCache, split: str, limit: int | None = None) -> list[EcgRecord]:
    """Complete records of a split; the limb leads follow from I and II."""
    rows = cache.split(split)[:limit]
    signals = np.nan_to_num(cache.batch(rows))
    table = cache.table.iloc[rows]
    from gen.records import Patient

    return [
        EcgRecord(
            to_12(signal), cache.fs_hz, LEADS_12, record_id=str(row.record_id), patient=Patient(id=str(row.patient_id))
        )
        for signal, row in zip(signals, table.itertuples(), strict=True)
    ]


def format_table(figures: dict[str, dict[str, Any]]) -> str:
    """Markdown table with one row per method or input set."""
    lines = [
        "| | MSE mV² | MAE mV | Pearson mean | median | R mV | T mV | axis deg | HR bpm | 50 % | 90 % |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in figures.items():
        s = found["signal"]["100 Hz"]
        cells = [_cell(s["mse_mv2"], 4), _cell(s["mae_mv"], 4), _cell(s["pearson_mean"], 3)]
        cells.append(_cell(s["pearson_median"], 3))
        for key, digits in (("r_error_mv", 3), ("t_error_mv", 3), ("axis_error_deg", 1), ("hr_error_bpm", 2)):
            entry = found["clinical"].get(key)
            cells.append(f"{entry['median']['value']:.{digits}f}" if entry else "-")
        cells += [
            f"{found['coverage'][level]['all']:.3f}" if "coverage" in found else "-" for level in ("50 %", "90 %")
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: dict[str, float], digits: int) -> str:
    return f"{value['value']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print tables of methods and input sets; write every figure as JSON."""
    parser = argparse.ArgumentParser(prog="python -m vae.evaluation.reconstruction", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="cache made by `physiogen data prepare`")
    parser.add_argument("--split", default="val", choices=("train", "val", "test"))
    parser.add_argument("--methods", default="default", help=f"comma-separated, of: {', '.join(METHODS)}")
    parser.add_argument("--leads", action="append", help="input set such as II,V1,V5; may be repeated")
    parser.add_argument("--checkpoint", type=Path, help="weights for the methods default and wearecg")
    parser.add_argument("--limit", type=int, help="first N records only")
    parser.add_argument(
        "--samples", type=int, default=0, help="draws per record whose range is checked (default method)"
    )
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args(arguments)
    records = records_of(SignalCache.open(options.data), options.split, options.limit)
    figures = {}
    for method in options.methods.split(","):
        pipeline = load(options.checkpoint if method in ("default", "wearecg") else None, method=method)
        for text in options.leads or ["II,V1,V5"]:
            figures[f"{method}, {text}"] = evaluate(
                pipeline, records, parse_leads(text), options.samples if method == "default" else 0
            )
            print(f"{method}, {text}: done", file=sys.stderr)
    print(f"n = {len(records)} records of split {options.split}; missing leads of I, II, V1-V6 scored at 100 Hz\n")
    print(format_table(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
