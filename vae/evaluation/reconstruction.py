"""Measures reconstruction against the truth: ``physiogen evaluate reconstruction --data CACHE --split test``.

Scored are only the leads that were not observed. Records are the unit of every mean; intervals are 95 % bootstrap
intervals over patients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from gen.datasets.cache import SignalCache
from gen.evaluations import Progress, data_of
from gen.leads import LEADS_8, LEADS_12, parse_leads, to_12
from gen.records import EcgRecord
from gen.results import Better, Results, Value
from gen.signals import bandpass, highpass, pearson, resample
from metrics.measurement.parameters import Parameters
from metrics.measurement.records import measure_records
from metrics.statistics.bootstrap import bootstrap_mean, bootstrap_median
from metrics.waveform.ensemble import crps
from vae.evaluation.settings import Reconstruction
from vae.pipeline import Reconstruction as Rebuilt
from vae.pipeline import ReconstructionPipeline, load

DRIFT_HZ = 0.5
#: MorphRec's protocol: band, rate and the middle seconds that are scored.
PASS_HZ, PASS_RATE_HZ, PASS_S = (0.67, 40.0), 250.0, 9.0
PASS = f"{PASS_RATE_HZ:.0f} Hz, {PASS_HZ[0]:g}-{PASS_HZ[1]:g} Hz, {PASS_S:g} s"
#: What others state for PTB-XL, in bands and on records of their own: mean Pearson correlation.
PUBLISHED = {"MorphRec, I,II -> V1-V6, 0.67-40 Hz, 250 Hz, 9 s": 0.886, "MCMA, one lead -> the others, raw": 0.7885}


def patient_interval(values: np.ndarray, patients: Sequence[str], statistic: str = "mean", seed: int = 0) -> Value:
    """95 % interval of the mean or median of per-record values, drawing whole patients.

    Args:
        values: (record,) or (record, lead); NaN entries are left out.
        patients: patient of each record.
        statistic: 'mean' or 'median'.
        seed: of the draws.
    """
    interval = bootstrap_mean if statistic == "mean" else bootstrap_median
    return Value.of(interval(values, groups=patients, seed=seed, few="unknown"))


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
        ``draw_range``: the share of true samples within the range of the draws, with what calibrated draws reach, and
        ``crps_mv``, the continuous ranked probability score of the draws.
    """
    scored = [lead for lead in LEADS_8 if lead not in leads]
    rows = [LEADS_12.index(lead) for lead in scored]
    results: list[Rebuilt] = []
    inside = total = 0
    scores: list[np.ndarray] = []
    for start in range(0, len(records), 32):
        block = list(records[start : start + 32])
        for record, result in zip(block, pipeline(block, leads=leads, num_samples=num_samples), strict=True):
            if num_samples:
                drawn = np.stack([sample.signal_mv[rows] for sample in result.samples])
                true = record.select(scored).signal_mv
                inside += int(((true >= drawn.min(axis=0)) & (true <= drawn.max(axis=0))).sum())
                total += true.size
                scores.append(crps(reference=true, generated=drawn).mean(axis=1))
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
    slow, true = (passed(x, fs) for x in (predicted, truth))
    figures["signal"][PASS] = _errors(slow, true, patients)
    r = pearson(slow, true)
    figures["per_lead_passed"] = {lead: asdict(patient_interval(r[:, i], patients)) for i, lead in enumerate(scored)}
    r = pearson(resample(predicted, fs, 100.0), resample(truth, fs, 100.0))
    figures["per_lead"] = {lead: asdict(patient_interval(r[:, i], patients)) for i, lead in enumerate(scored)}
    figures["clinical"] = _clinical(records, results, scored, patients)
    if results[0].bands:
        figures["coverage"] = _coverage(results, truth, rows, scored)
    if num_samples:
        expected = (num_samples - 1) / (num_samples + 1)
        figures["draw_range"] = {"samples": num_samples, "inside": inside / total, "expected": expected}
        figures["crps_mv"] = asdict(patient_interval(np.stack(scores), patients))
    return figures


def passed(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """(..., time) as MorphRec scores it: 0.67 to 40 Hz, at 250 Hz, the middle nine seconds."""
    signal = bandpass(resample(signal_mv, fs_hz, PASS_RATE_HZ), PASS_RATE_HZ, *PASS_HZ)
    spare = max(0, signal.shape[-1] - round(PASS_S * PASS_RATE_HZ))
    return signal[..., spare // 2 : signal.shape[-1] - (spare - spare // 2)]


def with_offsets(records: Sequence[EcgRecord], spread_mv: float, seed: int = 0) -> list[EcgRecord]:
    """Complete records as a recorder without a high-pass writes them: an offset N(0, spread) in each of eight leads."""
    rng = np.random.default_rng(seed)
    offsets = rng.normal(0, spread_mv, (len(records), len(LEADS_8), 1)).astype(np.float32)
    return [
        replace(record, signal_mv=to_12(record.to_8().signal_mv + offset), leads=LEADS_12)
        for record, offset in zip(records, offsets, strict=True)
    ]


def _errors(predicted: np.ndarray, truth: np.ndarray, patients: Sequence[str]) -> dict[str, Any]:
    error = predicted.astype(np.float64) - truth
    r = pearson(predicted, truth)
    return {
        "mse_mv2": asdict(patient_interval((error**2).mean(axis=(1, 2)), patients)),
        "mae_mv": asdict(patient_interval(np.abs(error).mean(axis=(1, 2)), patients)),
        "pearson_mean": asdict(patient_interval(r, patients)),
        "pearson_median": asdict(patient_interval(r, patients, "median")),
    }


def _clinical(
    records: Sequence[EcgRecord], results: Sequence[Rebuilt], scored: Sequence[str], patients: Sequence[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, values in clinical_errors(records, [r.record for r in results], scored).items():
        if np.isnan(values).all():
            continue
        found[name] = {
            "median": asdict(patient_interval(values, patients, "median")),
            "mean": asdict(patient_interval(values, patients)),
            "measured": int((~np.isnan(values)).sum()),
        }
    return found


def clinical_errors(
    records: Sequence[EcgRecord], rebuilt: Sequence[EcgRecord], scored: Sequence[str]
) -> dict[str, np.ndarray]:
    """Absolute errors (record,) of what is measured on twelve leads, NaN where either cannot be measured.

    Args:
        records, rebuilt: the truth and what was made of it.
        scored: leads that were not observed. Amplitudes of R and T are averaged over them, the heart rate is measured
            in them alone, and the axis counts where I or II is among them.
    """
    rows = [LEADS_12.index(lead) for lead in scored]
    truth, made = measure_records(records), measure_records(rebuilt)
    rates = measure_records([record.select(scored) for record in rebuilt])

    def amplitudes(parameters: Sequence[Parameters], name: str) -> np.ndarray:
        return np.stack([getattr(p, name)[rows] for p in parameters])

    def numbers(parameters: Sequence[Parameters], name: str) -> np.ndarray:
        return np.array([getattr(p, name) for p in parameters], dtype=np.float64)

    errors = {
        "r_error_mv": np.abs(amplitudes(made, "r_mv") - amplitudes(truth, "r_mv")).mean(axis=1),
        "t_error_mv": np.abs(amplitudes(made, "t_mv") - amplitudes(truth, "t_mv")).mean(axis=1),
        "hr_error_bpm": np.abs(numbers(rates, "hr_bpm") - numbers(truth, "hr_bpm")),
    }
    if {"I", "II"} & set(scored):
        turn = numbers(made, "axis_deg") - numbers(truth, "axis_deg")
        errors["axis_error_deg"] = np.abs((turn + 180) % 360 - 180)
    return errors


def _coverage(
    results: Sequence[Rebuilt], truth: np.ndarray, rows: Sequence[int], scored: Sequence[str]
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
            "steady_width_mv": float(np.mean([np.ptp(r.steady_bands[level], axis=0)[list(rows)] for r in results])),
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


#: Heading of a figure, its name here, unit and which direction is better.
_SIGNAL: tuple[tuple[str, str, str, Better], ...] = (
    ("MSE", "mse_mv2", "mV²", "lower"),
    ("MAE", "mae_mv", "mV", "lower"),
    ("Pearson, mean", "pearson_mean", "", "higher"),
    ("Pearson, median", "pearson_median", "", "higher"),
)
_CLINICAL = (
    ("R amplitude", "r_error_mv", "mV"),
    ("T amplitude", "t_error_mv", "mV"),
    ("QRS axis", "axis_error_deg", "degrees"),
    ("heart rate", "hr_error_bpm", "bpm"),
)


def tables(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, dict[str, Value]]]:
    """What `evaluate` gives for several methods or input sets, as a table for each kind of figure.

    Args:
        figures: by the name of a row.
    """
    out: dict[str, dict[str, dict[str, Value]]] = {}
    for row, found in figures.items():
        for rate, errors in found["signal"].items():
            values = {name: Value.of(errors[key], unit=unit, better=better) for name, key, unit, better in _SIGNAL}
            out.setdefault(f"signal at {rate}", {})[row] = values
        by_lead = {lead: Value.of(value, better="higher") for lead, value in found["per_lead"].items()}
        out.setdefault("Pearson by lead, 100 Hz", {})[row] = by_lead
        by_lead = {lead: Value.of(value, better="higher") for lead, value in found["per_lead_passed"].items()}
        out.setdefault(f"Pearson by lead, {PASS}", {})[row] = by_lead
        clinical = {
            name: Value.of(found["clinical"][key]["median"], n=found["clinical"][key]["measured"], unit=unit)
            for name, key, unit in _CLINICAL
            if key in found["clinical"]
        }
        if clinical:
            out.setdefault("median error of measured parameters", {})[row] = clinical
        for level, band in found.get("coverage", {}).items():
            shares = {name: Value(value, n=found["records"]) for name, value in band.items() if "width" not in name}
            for name, key in (("mean width", "width_mv"), ("without the baseline's part", "steady_width_mv")):
                shares[name] = Value(band[key], n=found["records"], unit="mV", better="lower")
            out.setdefault(f"share of samples inside the {level} band", {})[row] = shares
        if "draw_range" in found:
            drawn = found["draw_range"]
            inside = {
                "inside": Value(drawn["inside"]),
                "calibrated draws": Value(drawn["expected"], better="reference"),
                "CRPS": Value.of(found["crps_mv"], unit="mV", better="lower"),
            }
            out.setdefault(f"share of samples within the range of {drawn['samples']} draws, and their score", {})[
                row
            ] = inside
    return out


def run(settings: Reconstruction, progress: Progress) -> Results:
    """Methods and input sets in one table for each kind of figure."""
    cache = SignalCache.open(settings.data)
    sets = [parse_leads(text) for text in settings.leads]
    records = records_of(cache, settings.split, settings.limit)
    if settings.offsets:
        records = with_offsets(records, settings.offsets)
    figures, weights = {}, {}
    for method in settings.methods:
        pipeline = load(settings.checkpoint if method in ("default", "wearecg") else None, method=method)
        weights[method] = pipeline.predictor.digest
        for text, leads in zip(settings.leads, sets, strict=True):
            samples = settings.samples if method == "default" else 0
            figures[f"{method}, {text}"] = evaluate(pipeline, records, leads, samples)
            progress(f"{method}, {text}: done")
    values: dict[str, Any] = tables(figures)
    values["published for PTB-XL"] = {
        name: {"Pearson, mean": Value(value, better="higher")} for name, value in PUBLISHED.items()
    }
    notes = ["Scored are the leads of I, II, V1-V6 that were not given; intervals over patients."]
    if settings.offsets:
        notes.append(f"An offset N(0, {settings.offsets:g} mV) was added to each of the eight leads, given or not.")
    return settings.results(
        values,
        data=[data_of(cache, settings.split)],
        n=len(records),
        notes=notes,
        weights=weights,
    )
