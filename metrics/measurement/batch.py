"""Measures ECGs of one rate, lead set and length together."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_12, derivable, to_leads
from gen.quality.acceptance import judge
from gen.signals import fill_gaps
from metrics.measurement.amplitudes import amplitudes, axis, resemblance
from metrics.measurement.beats import MIN_BEATS, Beats, associate, connected, intervals
from metrics.measurement.delineation.delineator import FLAT_MV, MARGIN_S, Delineation, delineate
from metrics.measurement.delineation.segments import supported
from metrics.measurement.delineation.waves import WAVES
from metrics.measurement.flutter import flutter_waves
from metrics.measurement.missing import Stretch, composite, crossed, filled_in, holes, whole_leads
from metrics.measurement.parameters import Parameters
from metrics.measurement.rhythm import beat_kinds, kinds_in, pacing_spikes, rhythm_of

Signal = npt.NDArray[np.float32]

SHORTEST_S = 1.5
#: After QRS a beat needs so much of the record for its QT, seconds.
REPOLARISATION_S = 0.45
#: Below this resemblance of the beats to their median, what was found is not believed.
LEAST_ALIKE = 0.35
#: Stretches of noise resemble their own median too, the more the fewer they are: by about one over the root of their
#: number. So much more is asked for.
BY_CHANCE = 1.15


def measure_group(
    signal_mv: npt.NDArray[np.float32], fs_hz: float, leads: Sequence[str], *, per_lead: bool = False
) -> list[tuple[Parameters, Delineation | None]]:
    """Parameters and waves of ECGs (n, lead, time) in mV; see `metrics.measurement.records.measure_records`."""
    leads = tuple(leads)
    present = np.isfinite(signal_mv)
    failed = [_failure(signal, there, fs_hz) for signal, there in zip(signal_mv, present, strict=True)]
    good = np.array([k for k, reason in enumerate(failed) if reason is None], dtype=int)
    out: list[tuple[Parameters, Delineation | None]] = [(Parameters(failure=reason), None) for reason in failed]
    if not len(good):
        return out
    names = derivable(leads)
    clean = np.where(present[good], signal_mv[good], np.nan).astype(np.float32)
    found = _delineate(clean, fs_hz, leads, per_lead)
    full = to_leads(clean, leads, names)
    for k, signal, recorded, waves in zip(good.tolist(), full, clean, found, strict=True):
        out[k] = (_measure(signal, fs_hz, names, waves, _gaps(recorded, fs_hz, waves)), waves)
    return out


def _failure(signal: Signal, present: npt.NDArray[np.bool_], fs_hz: float) -> str | None:
    """Why a record cannot be delineated, or None."""
    if signal.shape[-1] < SHORTEST_S * fs_hz:
        return "too_short"
    if present.any(axis=0).mean() < 0.5:  # one lead that was recorded is enough
        return "missing"
    clean = np.where(present, signal, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # leads of NaN alone
        moved = np.nanmax(clean, axis=-1) - np.nanmin(clean, axis=-1)
    return "flat" if np.nanmax(moved) < FLAT_MV else None


def _delineate(signal: Signal, fs_hz: float, leads: tuple[str, ...], per_lead: bool) -> list[Delineation]:
    """Waves of records (n, lead, time), each from the leads that are whole; see `metrics.measurement.missing`."""
    kept = [tuple(whole_leads(np.isfinite(record)).tolist()) for record in signal]
    out: dict[int, Delineation] = {}
    for rows in dict.fromkeys(kept):
        which = [k for k, own in enumerate(kept) if own == rows]
        if rows:
            chosen = fill_gaps(signal[which][:, list(rows)])
            found = delineate(chosen, fs_hz, [leads[row] for row in rows], per_lead=per_lead)
            out |= dict(zip(which, found, strict=True))
            if per_lead and len(rows) < len(leads):
                out |= {k: _with_partial(out[k], signal[k], fs_hz, leads) for k in which}
            continue
        for k in which:  # partial leads only: what was drawn at each time
            drawn = fill_gaps(composite(signal[k], np.isfinite(signal[k])))
            (out[k],) = delineate(drawn[None], fs_hz, leads[: len(drawn)])
            if per_lead:
                out[k] = _with_partial(out[k], signal[k], fs_hz, leads)
    return [out[k] for k in range(len(signal))]


def _with_partial(found: Delineation, signal: Signal, fs_hz: float, leads: tuple[str, ...]) -> Delineation:
    """The same with the waves of leads that were recorded in part, where they were."""
    there = [k for k, row in enumerate(signal) if np.isfinite(row).any()]
    (every,) = delineate(fill_gaps(signal[there])[None], fs_hz, [leads[k] for k in there], per_lead=True)
    per_lead = dict(found.per_lead)
    for k in there:
        if leads[k] not in per_lead:
            gaps = holes(signal[k : k + 1], fs_hz)
            triple = [
                supported(w, c, MARGIN_S[n])
                for n, w, c in zip(WAVES, every.per_lead[leads[k]], found.consensus, strict=True)
            ]
            p, qrs, t = (w.take(~crossed(w.onset, w.offset, gaps)) for w in triple)
            per_lead[leads[k]] = (p, qrs, t)
    ordered = {lead: per_lead[lead] for lead in leads if lead in per_lead}
    return Delineation(found.consensus, ordered, every.signal_mv, every.leads)


def _gaps(recorded: Signal, fs_hz: float, waves: Delineation) -> list[Stretch]:
    return sorted(holes(recorded, fs_hz) + filled_in(recorded, fs_hz, waves.consensus[1].onset))


def _measure(
    signal: Signal, fs_hz: float, leads: tuple[str, ...], waves: Delineation, gaps: list[Stretch]
) -> Parameters:
    """Parameters of one ECG: (lead, time) mV, NaN where not recorded, and its waves.

    Every beat has its own zero, so drift may stay in.
    """
    beats = associate(*waves.consensus)
    beats = beats.take(~crossed(beats.qrs_on, beats.qrs_off, gaps))
    if len(beats) < MIN_BEATS:
        return Parameters(beats=len(beats), failure="few_beats")
    present = np.isfinite(signal)
    filled = signal if present.all() else fill_gaps(signal)
    rows = whole_leads(present)
    like = resemblance(filled[rows], fs_hz, beats) if len(rows) else _alike_in_parts(filled, present, fs_hz, beats)
    alike = float(np.clip(np.nanmedian(like), 0, 1)) if np.isfinite(like).any() else 0.0
    quality = judge(signal, fs_hz).probability
    if alike < max(LEAST_ALIKE, BY_CHANCE / np.sqrt(len(beats))):
        return Parameters(beats=len(beats), quality=quality, alike=alike, failure="noise")
    dominant = _dominant(beats, np.nan_to_num(like, nan=-1.0))
    complete = ~crossed(dominant.qrs_on, dominant.qrs_off + REPOLARISATION_S, gaps)
    dominant = dominant.take(complete) if complete.any() else dominant
    places = [LEADS_12.index(lead) for lead in leads]
    found = _amplitudes(filled, present, fs_hz, dominant)
    values: dict[str, Any] = {name: _placed(value, places) for name, value in found.items()}
    area = values.pop("area_mvs")
    values |= intervals(beats, dominant, connected(beats, gaps))
    failure = None if np.isfinite(values["hr_bpm"]) else "missing"
    parameters = Parameters(quality=quality, alike=alike, axis_deg=axis(area), failure=failure, **values)
    kinds = beat_kinds(beats, np.nan_to_num(like, nan=1.0), pacing_spikes(filled, fs_hz, beats))
    rhythm = rhythm_of(
        parameters, beats, waves.consensus[0], kinds, partial(flutter_waves, filled, fs_hz, leads, beats)
    )
    kinds = kinds_in(rhythm, kinds)
    return replace(parameters, rhythm=rhythm, beat_kinds=tuple(zip(beats.qrs_on.tolist(), kinds, strict=True)))


def _alike_in_parts(
    filled: Signal, present: npt.NDArray[np.bool_], fs_hz: float, beats: Beats
) -> npt.NDArray[np.float64]:
    """Resemblance (beat,) where every lead was recorded in part: of each beat to the others of its leads."""
    total, count = np.zeros(len(beats)), np.zeros(len(beats))
    for row, there in zip(filled, present, strict=True):
        own = ~crossed(beats.qrs_on, beats.qrs_off, holes(_marked(there), fs_hz))
        if own.sum() >= MIN_BEATS:
            total[own] += resemblance(row[None], fs_hz, beats.take(own))
            count[own] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _amplitudes(
    filled: Signal, present: npt.NDArray[np.bool_], fs_hz: float, beats: Beats
) -> dict[str, npt.NDArray[np.float64]]:
    """Amplitudes of every lead over the beats that were recorded in it; see `metrics.measurement.amplitudes`."""
    if present.all():
        return amplitudes(filled, fs_hz, beats)
    own = np.stack([~crossed(beats.qrs_on, beats.qrs_off, holes(_marked(row), fs_hz)) for row in present])
    out: dict[str, npt.NDArray[np.float64]] = {}
    for pattern in np.unique(own, axis=0):
        rows = np.flatnonzero((own == pattern).all(axis=1))
        chosen = beats.take(pattern) if pattern.any() else beats
        for name, value in amplitudes(filled[rows], fs_hz, chosen).items():
            out.setdefault(name, np.full(len(filled), np.nan))[rows] = value if pattern.any() else np.nan
    return out


def _marked(present: npt.NDArray[np.bool_]) -> Signal:
    """(1, time) that stands still nowhere, NaN where not present."""
    ramp = np.arange(len(present), dtype=np.float32)
    return np.where(present, ramp, np.nan)[None].astype(np.float32)


def _dominant(beats: Beats, like: npt.NDArray[np.float64]) -> Beats:
    """Beats of the prevailing form: ectopic ones differ in shape or are much wider than the median."""
    width = beats.qrs_off - beats.qrs_on
    chosen = (like > min(0.8, float(np.median(like)))) & (width < np.median(width) + 0.045)
    return beats.take(chosen) if chosen.sum() >= 1 else beats


def _placed(values: npt.NDArray[np.float64], rows: list[int]) -> npt.NDArray[np.float64]:
    out = np.full(len(LEADS_12), np.nan)
    out[rows] = values
    return out
