"""Measures the ECG codec: ``physiogen evaluate codec --data CACHE --split test``.

Every figure compares a record with decode of encode of it, at 500 Hz, all eight leads. Intervals are 95 % bootstrap
intervals over patients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gen.checkpoint import checkpoint_digest, load_model
from gen.datasets.cache import SignalCache
from gen.evaluations import Progress, data_of
from gen.io import RecordSetWriter
from gen.leads import LEADS_8
from gen.precision import in_threads
from gen.results import Results, Value
from gen.timing import median_seconds
from metrics.measurement.parameters import Parameters
from metrics.measurement.records import measure_records
from vae.codec.network import SHIPPED, EcgCodec
from vae.codec.sources import reconstruct, record_errors
from vae.evaluation.reconstruction import patient_interval
from vae.evaluation.settings import Codec

#: Lower R waves (mV) are left out of relative errors.
LEAST_R_MV = 0.1
INTERVALS = ("hr_bpm", "pr_ms", "qrs_ms", "qt_ms", "p_ms", "axis_deg")
BATCH = 32


def evaluate(model: EcgCodec, signal_mv: np.ndarray, patients: Sequence[str]) -> dict[str, Any]:
    """All figures of a codec on these records (n, 8, time) mV."""
    rebuilt = reconstruct(model, signal_mv, BATCH)
    errors = record_errors(rebuilt, signal_mv)
    figures: dict[str, Any] = {"records": len(signal_mv), "patients": len(set(patients))}
    figures["mae_mv"] = asdict(patient_interval(errors["mae"], patients))
    figures["pearson_mean"] = asdict(patient_interval(errors["pearson"], patients))
    figures["pearson_median"] = asdict(patient_interval(errors["pearson"], patients, "median"))
    figures["pearson_5_percent"] = float(np.nanquantile(errors["pearson"], 0.05))
    figures["clinical"] = clinical_errors(rebuilt, signal_mv, model.fs_hz, patients)
    figures["latent"] = latent_statistics(model, signal_mv)
    return figures


def clinical_errors(
    rebuilt: np.ndarray, truth: np.ndarray, fs_hz: float, patients: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Absolute errors of measured parameters: per record; of R amplitudes per record and lead."""
    pairs = list(zip(measure_records(truth, fs_hz), measure_records(rebuilt, fs_hz), strict=True))
    found: dict[str, np.ndarray] = {}
    for name in INTERVALS:
        difference = np.array([getattr(b, name) - getattr(a, name) for a, b in pairs])
        if name == "axis_deg":
            difference = (difference + 180) % 360 - 180
        found[name] = np.abs(difference)
    true, got = (np.stack([pair[side].r_mv for pair in pairs]) for side in (0, 1))
    found["r_percent"] = np.where(true >= LEAST_R_MV, 100 * np.abs(got - true) / np.maximum(true, LEAST_R_MV), np.nan)
    highest = np.nanmax(np.nan_to_num(true), axis=1, keepdims=True)
    found["r_percent_highest"] = np.where(true == highest, found["r_percent"], np.nan)
    found["r_mv"] = np.where(true >= LEAST_R_MV, np.abs(got - true), np.nan)
    return {
        name: {
            "median": asdict(patient_interval(values, patients, "median")),
            "mean": float(np.nanmean(values)),
            "bias": _bias(name, pairs, true, got),
            "measured": int((~np.isnan(values)).sum()),
        }
        for name, values in found.items()
    }


def _bias(name: str, pairs: Sequence[tuple[Parameters, Parameters]], true: np.ndarray, got: np.ndarray) -> float | None:
    """Mean signed error; of R amplitudes in mV over all leads, of angles and single leads none."""
    if name in ("axis_deg", "r_percent", "r_percent_highest"):
        return None
    if name == "r_mv":
        return float(np.nanmean((got - true)[true >= LEAST_R_MV]))
    return float(np.nanmean([getattr(b, name) - getattr(a, name) for a, b in pairs]))


@torch.no_grad()
def latent_statistics(model: EcgCodec, signal_mv: np.ndarray, noise: float = 0.05) -> dict[str, float]:
    """Spread and tails of the latent, and what noise on it does to the decoded signal."""
    signal = torch.from_numpy(signal_mv[:128])
    latent = model.encode(signal)
    disturbed = latent + noise * torch.randn(latent.shape, generator=torch.Generator().manual_seed(0))
    spread = latent.std(dim=(0, 2))
    return {
        "sd_lowest": float(spread.min()),
        "sd_highest": float(spread.max()),
        "kurtosis_median": float((latent**4).mean((0, 2)).div((latent**2).mean((0, 2)) ** 2).median()),
        "largest": float(latent.abs().max()),
        f"mae_mv_at_noise_{noise}": float((model.decode(disturbed) - signal).abs().mean()),
    }


@torch.no_grad()
def speed(model: EcgCodec, threads: int = 2, repeats: int = 9) -> dict[str, float]:
    """Ten-second records per second of encode and decode at batch 32, median over repeats."""
    signal = torch.randn(BATCH, 8, round(10 * model.fs_hz), generator=torch.Generator().manual_seed(0))
    latent = model.encode(signal)
    found = {"threads": float(threads), "batch": float(BATCH)}
    with in_threads(threads):
        found["encode_per_s"] = BATCH / median_seconds(lambda: model.encode(signal), repeats)
        found["decode_per_s"] = BATCH / median_seconds(lambda: model.decode(latent), repeats)
    return found


def write_decoded(model: EcgCodec, cache: SignalCache, rows: np.ndarray, folder: Path) -> None:
    """Decode of encode of these recordings as a record set (NPZ) of twelve leads, marked synthetic."""
    with RecordSetWriter(folder, format="npz") as out:
        for row in rows:
            record = cache.record(int(row)).select(LEADS_8)
            signal = reconstruct(model, np.nan_to_num(record.signal_mv[None]))[0]
            out.add(replace(record, signal_mv=signal, synthetic=True).to_12())


#: Name of a measured parameter here, as it is shown, its unit and the factor to it.
_PARAMETERS = {
    "hr_bpm": ("heart rate", "bpm"),
    "pr_ms": ("PR", "ms"),
    "qrs_ms": ("QRS", "ms"),
    "qt_ms": ("QT", "ms"),
    "p_ms": ("P", "ms"),
    "axis_deg": ("QRS axis", "degrees"),
    "r_percent": ("R amplitude, all leads", "%"),
    "r_percent_highest": ("R amplitude, highest lead", "%"),
    "r_mv": ("R amplitude", "mV"),
}


def tables(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What `evaluate` and `speed` give, in groups."""
    n = figures["records"]
    parameters = {}
    for key, found in figures["clinical"].items():
        name, unit = _PARAMETERS[key]
        parameters[name] = {
            "median error": Value.of(found["median"], n=found["measured"], unit=unit, better="lower"),
            "mean error": Value.of(found["mean"], n=found["measured"], unit=unit, better="lower"),
            "bias": Value.of(found["bias"], n=found["measured"], unit=unit),
        }
    return {
        "signal": {
            "MAE": Value.of(figures["mae_mv"], unit="mV", better="lower"),
            "Pearson, mean": Value.of(figures["pearson_mean"], better="higher"),
            "Pearson, median": Value.of(figures["pearson_median"], better="higher"),
            "Pearson, 5th percentile": Value.of(figures["pearson_5_percent"], n=n, better="higher"),
        },
        "measured parameters": parameters,
        "latent": {name.replace("_", " "): Value.of(value) for name, value in figures["latent"].items()},
        "speed": {
            "encoding": Value(figures["speed"]["encode_per_s"], unit="records/s", better="higher"),
            "decoding": Value(figures["speed"]["decode_per_s"], unit="records/s", better="higher"),
        },
    }


def run(settings: Codec, progress: Progress) -> Results:
    """Signal, measured parameters, latent and speed of a codec."""
    cache = SignalCache.open(settings.data)
    rows = cache.split(settings.split)[: settings.limit]
    folder = settings.checkpoint or SHIPPED
    model = load_model(EcgCodec, folder)
    if settings.records:
        write_decoded(model, cache, rows, settings.records)
        progress(f"{len(rows)} decoded records in {settings.records}")
    figures = evaluate(model, np.nan_to_num(cache.batch(rows)), [str(p) for p in cache.table["patient_id"].iloc[rows]])
    progress("measured; timing")
    figures["speed"] = speed(model, settings.threads)
    return settings.results(
        tables(figures),
        data=[data_of(cache, settings.split)],
        n=len(rows),
        notes=[f"Speed: batches of {BATCH}, {settings.threads} threads."],
        headline=["signal/MAE", "signal/Pearson, mean", "signal/Pearson, median"],
        weights=checkpoint_digest(folder),
    )
