"""Measures ECGs of one rate, lead set and length together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_12, derivable, to_leads
from gen.signals import fill_gaps
from metrics.measurement.amplitudes import amplitudes, axis, resemblance
from metrics.measurement.beats import MIN_BEATS, Beats, associate, intervals
from metrics.measurement.delineation.delineator import FLAT_MV, Delineation, delineate
from metrics.measurement.parameters import Parameters

SHORTEST_S = 1.5
#: Below this resemblance of the beats to their median, what was found is not believed.
LEAST_QUALITY = 0.35


def measure_group(
    signal_mv: npt.NDArray[np.float32], fs_hz: float, leads: Sequence[str], *, per_lead: bool = False
) -> list[tuple[Parameters, Delineation | None]]:
    """Parameters and waves of ECGs (n, lead, time) in mV; see `metrics.measurement.records.measure_records`."""
    leads = tuple(leads)
    failed = [_failure(signal, fs_hz) for signal in signal_mv]
    good = np.array([k for k, reason in enumerate(failed) if reason is None], dtype=int)
    out: list[tuple[Parameters, Delineation | None]] = [(Parameters(failure=reason), None) for reason in failed]
    if not len(good):
        return out
    usable = signal_mv[good]
    if not np.isfinite(usable).all():
        usable = fill_gaps(np.where(np.isfinite(usable), usable, np.nan).astype(np.float32))
    names = derivable(leads)
    found = delineate(usable, fs_hz, leads, per_lead=per_lead)
    full = to_leads(usable, leads, names)
    for k, signal, waves in zip(good.tolist(), full, found, strict=True):
        out[k] = (_measure(signal, fs_hz, names, waves), waves)
    return out


def _failure(signal: npt.NDArray[np.float32], fs_hz: float) -> str | None:
    """Why a record cannot be delineated, or None."""
    if signal.shape[-1] < SHORTEST_S * fs_hz:
        return "too_short"
    finite = np.isfinite(signal)
    if finite.mean() < 0.5:
        return "missing"
    clean = signal if finite.all() else np.where(finite, signal, 0)
    return "flat" if np.ptp(clean, axis=-1).max() < FLAT_MV else None


def _measure(signal: npt.NDArray[np.float32], fs_hz: float, leads: tuple[str, ...], waves: Delineation) -> Parameters:
    """Parameters of one ECG: (lead, time) mV, and its waves. Every beat has its own zero, so drift may stay in."""
    beats = associate(*waves.consensus)
    if len(beats) < MIN_BEATS:
        return Parameters(beats=len(beats), failure="few_beats")
    like = resemblance(signal, fs_hz, beats)
    quality = float(np.clip(np.median(like), 0, 1))
    if quality < LEAST_QUALITY:
        return Parameters(beats=len(beats), quality=quality, failure="noise")
    dominant = _dominant(beats, like)
    rows = [LEADS_12.index(lead) for lead in leads]
    values: dict[str, Any] = {name: _placed(value, rows) for name, value in amplitudes(signal, fs_hz, dominant).items()}
    area = values.pop("area_mvs")
    values |= intervals(beats, dominant)
    return Parameters(quality=quality, axis_deg=axis(area), **values)


def _dominant(beats: Beats, like: npt.NDArray[np.float64]) -> Beats:
    """Beats of the prevailing form: ectopic ones differ in shape or are much wider than the median."""
    width = beats.qrs_off - beats.qrs_on
    chosen = (like > min(0.8, float(np.median(like)))) & (width < np.median(width) + 0.045)
    return beats.take(chosen) if chosen.sum() >= 1 else beats


def _placed(values: npt.NDArray[np.float64], rows: list[int]) -> npt.NDArray[np.float64]:
    out = np.full(len(LEADS_12), np.nan)
    out[rows] = values
    return out
