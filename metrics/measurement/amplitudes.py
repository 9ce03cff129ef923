"""Amplitudes, axis and resemblance of beats, on windows cut around every QRS complex."""

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_12
from metrics.measurement.beats import Beats

Array = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]

#: The level of zero is the mean over this stretch before QRS onset, seconds.
_LEVEL_S = (-0.028, -0.006)
#: ST is read this long after the end of QRS, seconds.
ST_AFTER_S = 0.060
#: A positive deflection below this before S is no R wave, mV.
_SMALLEST_R_MV = 0.02


def _windows(signal: Signal, fs_hz: float, start_s: Array, length_s: float) -> Array:
    """(beat, lead, time) cut at ``start_s``; the ends of the record are repeated."""
    first = np.rint(start_s * fs_hz).astype(int)
    index = first[:, None] + np.arange(max(1, round(length_s * fs_hz)))
    return signal[:, np.clip(index, 0, signal.shape[1] - 1)].transpose(1, 0, 2).astype(np.float64)


def resemblance(signal: Signal, fs_hz: float, beats: Beats) -> Array:
    """Correlation of every beat's QRS with the median beat over all leads, the best of shifts up to 12 ms; (beat,)."""
    reach = max(1, round(0.012 * fs_hz))
    wide = _windows(signal, fs_hz, beats.qrs_on - 0.02 - reach / fs_hz, 0.16 + 2 * reach / fs_hz)
    centred = wide - np.median(wide, axis=-1, keepdims=True)
    core = np.median(centred, axis=0)[:, reach:-reach]
    norm, length = np.linalg.norm(core), core.shape[1]
    energy = np.pad(np.cumsum(np.einsum("blt,blt->bt", centred, centred), axis=1), [(0, 0), (1, 0)])
    best = np.full(len(beats), -1.0)
    for shift in range(0, 2 * reach + 1, max(1, reach // 3)):
        part = centred[:, :, shift : shift + length]
        scale = np.sqrt(energy[:, shift + length] - energy[:, shift]) * norm
        best = np.maximum(best, np.einsum("blt,lt->b", part, core) / np.maximum(scale, 1e-9))
    return best


def amplitudes(signal: Signal, fs_hz: float, beats: Beats) -> dict[str, Array]:
    """Medians over beats, (lead,) each: ``r_mv s_mv q_mv p_mv t_mv st_mv`` and ``area_mvs``, the net area of QRS.

    Args:
        signal: (lead, time) mV.
        fs_hz: sampling rate.
        beats: of one form.
    """
    level = _windows(signal, fs_hz, beats.qrs_on + _LEVEL_S[0], _LEVEL_S[1] - _LEVEL_S[0]).mean(axis=-1)
    width = float(np.max(beats.qrs_off - beats.qrs_on)) + 1 / fs_hz
    qrs = _windows(signal, fs_hz, beats.qrs_on, width) - level[:, :, None]
    inside = np.arange(qrs.shape[-1]) / fs_hz <= (beats.qrs_off - beats.qrs_on)[:, None]
    qrs = np.where(inside[:, None], qrs, 0.0)
    st = _windows(signal, fs_hz, beats.qrs_off + ST_AFTER_S - 0.004, 0.008 + 1 / fs_hz).mean(axis=-1) - level
    found = _deflections(qrs) | {"st_mv": st, "area_mvs": qrs.sum(axis=-1) / fs_hz}
    found["t_mv"] = _extreme(signal, fs_hz, beats.t_on, beats.t_off, level)
    found["p_mv"] = _extreme(signal, fs_hz, beats.p_on, beats.p_off, None)
    return {name: _median(value) for name, value in found.items()}


def _median(values: Array) -> Array:
    """(beat, lead) -> (lead,), over the beats that have the wave; NaN without one."""
    there = np.isfinite(values[:, 0])
    return np.median(values[there], axis=0) if there.any() else np.full(values.shape[1], np.nan)


def _deflections(qrs: Array) -> dict[str, Array]:
    """Heights and depths in complexes (beat, lead, time), 0 outside of QRS; (beat, lead) each.

    R is the largest positive deflection, Q the deepest point before it, S the deepest after it. A complex without R
    (QS) counts as S.
    """
    time = qrs.shape[-1]
    top = qrs.argmax(axis=-1)
    r = np.maximum(qrs.max(axis=-1), 0)
    later = np.arange(time) >= top[..., None]
    s = np.maximum(-np.where(later, qrs, 0).min(axis=-1), 0)
    q = np.maximum(-np.where(later, 0, qrs).min(axis=-1), 0)
    none = r < _SMALLEST_R_MV
    return {"r_mv": np.where(none, 0, r), "s_mv": np.where(none, np.maximum(s, q), s), "q_mv": np.where(none, 0, q)}


def _extreme(signal: Signal, fs_hz: float, onset: Array, offset: Array, level: Array | None) -> Array:
    """Largest signed deflection between the marks against ``level`` (or the line between them); (beat, lead)."""
    out = np.full((len(onset), len(signal)), np.nan)
    for k in np.flatnonzero(np.isfinite(onset) & np.isfinite(offset)):
        part = signal[:, max(0, int(onset[k] * fs_hz)) : int(offset[k] * fs_hz) + 2].astype(np.float64)
        if part.shape[1] < 2:
            continue
        if level is None:
            part = part - part[:, :1] - (part[:, -1:] - part[:, :1]) * np.linspace(0, 1, part.shape[1])
        else:
            part = part - level[k][:, None]
        out[k] = np.take_along_axis(part, np.abs(part).argmax(axis=1)[:, None], axis=1)[:, 0]
    return out


def axis(area_mvs: Array) -> float:
    """Frontal axis in degrees from net QRS areas (12,) in I and aVF: atan2(2 aVF / sqrt 3, I); NaN without them."""
    lead_i, avf = area_mvs[LEADS_12.index("I")], area_mvs[LEADS_12.index("aVF")]
    if not np.isfinite([lead_i, avf]).all() or np.hypot(lead_i, avf) < 1e-6:
        return float("nan")
    return float(np.degrees(np.arctan2(2.0 / np.sqrt(3.0) * avf, lead_i)))
