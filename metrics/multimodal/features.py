"""Features of every beat in every lead, as lists with one entry a beat.

The quantities are those that MEETI gives for MIMIC-IV-ECG (arXiv:2507.15255): amplitudes, durations and intervals of P,
QRS and T. They are read off each lead's own waves, so they scatter more than the consensus of all leads.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from metrics.measurement.delineation.delineator import Delineation
from metrics.measurement.delineation.preprocess import FS_HZ
from metrics.measurement.delineation.segments import Segments

#: Feature -> what it is; all but the amplitudes (mV) in ms.
FEATURES: Mapping[str, str] = {
    "onset_ms": "onset of QRS, from the first sample",
    "rr_ms": "to the QRS before",
    "p_amplitude_mv": "of the P wave, signed",
    "p_duration_ms": "of the P wave",
    "pr_interval_ms": "onset of P to onset of QRS",
    "qrs_amplitude_mv": "of QRS, peak to peak",
    "qrs_duration_ms": "of QRS",
    "st_duration_ms": "end of QRS to onset of T",
    "t_amplitude_mv": "of the T wave, signed",
    "t_duration_ms": "of the T wave",
    "qt_interval_ms": "onset of QRS to end of T",
    "qtc_interval_ms": "the same after Bazett, with the RR interval before",
}
#: A P wave belongs to the QRS that begins within so many seconds of its end, a T wave to the one that ended as short a
#: time ago.
_P_BEFORE_S, _T_AFTER_S = 0.30, 0.45

Feature = dict[str, list[float | None]]


def beat_features(waves: Delineation | None) -> dict[str, Feature]:
    """Lead -> feature -> a value for each QRS complex of that lead, None where the wave is not there.

    Args:
        waves: delineated lead by lead; None: nothing could be delineated, and there are no leads.
    """
    if waves is None:
        return {}
    return {
        lead: _of_lead(waves.signal_mv[waves.leads.index(lead)], *triple)
        for lead, triple in waves.per_lead.items()
        if lead in waves.leads
    }


def _of_lead(signal_mv: npt.NDArray[np.float32], p: Segments, qrs: Segments, t: Segments) -> Feature:
    out: Feature = {name: [] for name in FEATURES}
    edges = list(zip(qrs.onset.tolist(), qrs.offset.tolist(), strict=True))
    for k, (onset, offset) in enumerate(edges):
        before = edges[k - 1] if k else None
        after = edges[k + 1][0] if k + 1 < len(edges) else np.inf
        rr_s = onset - before[0] if before else None
        start = before[1] if before else -np.inf
        own_p = _last(p, start, onset, _P_BEFORE_S)
        own_t = _first(t, offset, after, _T_AFTER_S)
        level = _level(signal_mv, onset)
        part = _part(signal_mv, onset, offset)
        row: dict[str, float | None] = {
            "onset_ms": onset * 1e3,
            "rr_ms": None if rr_s is None else rr_s * 1e3,
            "qrs_amplitude_mv": float(np.ptp(part)) if part.size else None,
            "qrs_duration_ms": (offset - onset) * 1e3,
        }
        if own_p is not None:
            row |= {
                "p_amplitude_mv": _height(signal_mv, *own_p, level),
                "p_duration_ms": (own_p[1] - own_p[0]) * 1e3,
                "pr_interval_ms": (onset - own_p[0]) * 1e3,
            }
        if own_t is not None:
            qt_s = own_t[1] - onset
            row |= {
                "st_duration_ms": max(own_t[0] - offset, 0.0) * 1e3,
                "t_amplitude_mv": _height(signal_mv, *own_t, level),
                "t_duration_ms": (own_t[1] - own_t[0]) * 1e3,
                "qt_interval_ms": qt_s * 1e3,
                "qtc_interval_ms": None if rr_s is None else qt_s / rr_s**0.5 * 1e3,
            }
        for name, values in out.items():
            value = row.get(name)
            values.append(None if value is None else round(value, 3 if name.endswith("_mv") else 1))
    return out


def _last(waves: Segments, after_s: float, before_s: float, within_s: float) -> tuple[float, float] | None:
    there = (waves.onset >= after_s) & (waves.offset <= before_s + 0.02) & (waves.offset >= before_s - within_s)
    k = np.flatnonzero(there)
    return (float(waves.onset[k[-1]]), float(waves.offset[k[-1]])) if k.size else None


def _first(waves: Segments, after_s: float, before_s: float, within_s: float) -> tuple[float, float] | None:
    there = (waves.onset >= after_s - 0.02) & (waves.offset <= before_s + 0.02) & (waves.onset <= after_s + within_s)
    k = np.flatnonzero(there)
    return (float(waves.onset[k[0]]), float(waves.offset[k[0]])) if k.size else None


def _part(signal_mv: npt.NDArray[np.float32], onset_s: float, offset_s: float) -> npt.NDArray[np.float32]:
    return signal_mv[max(round(onset_s * FS_HZ), 0) : round(offset_s * FS_HZ) + 1]


def _level(signal_mv: npt.NDArray[np.float32], onset_s: float) -> float:
    """Just before QRS, mV."""
    part = _part(signal_mv, onset_s - 0.02, onset_s - 0.004)
    return float(np.median(part)) if part.size else 0.0


def _height(signal_mv: npt.NDArray[np.float32], onset_s: float, offset_s: float, level_mv: float) -> float | None:
    part = _part(signal_mv, onset_s, offset_s) - level_mv
    return float(part[np.abs(part).argmax()]) if part.size else None
