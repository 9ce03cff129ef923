"""Exchanged leads and electrodes: what the limb-lead law and the shape of the beats tell."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import combinations

import numpy as np
from scipy import signal as sps
from scipy.ndimage import uniform_filter1d

from gen.leads import LIMB_LEADS, LeadError, derivation, limb_lead_residual, to_12
from gen.records import EcgRecord
from gen.signals import fill_gaps

#: Einthoven: rounding to 1 uV and separate filters leave below 10 uV; a wrong label leaves a good part of the signal.
RESIDUAL_MV = 0.03
RESIDUAL_SHARE = 0.3
#: An exchange explains a residual when undoing it leaves this share of it.
EXCHANGE_SHARE = 0.3


def limb_law(signal: np.ndarray, leads: Sequence[str]) -> tuple[float | None, tuple[str, str] | None]:
    """Limb-lead residual in mV, and the exchange of two names that explains it if there is one."""
    try:
        residual = float(limb_lead_residual(signal, leads))
    except LeadError:
        return None, None
    if residual < RESIDUAL_MV:
        return residual, None
    # Residuals of all exchanges from one covariance matrix: |E P x|^2 = trace(E P C P' E').
    limb = [lead for lead in LIMB_LEADS if lead in leads]
    rows = signal[[leads.index(lead) for lead in limb]]
    covariance = rows @ rows.T / rows.shape[1]
    law = np.eye(len(limb))[2:] - derivation(("I", "II"), limb[2:]) @ np.eye(len(limb))[:2]
    best, pair = residual, None
    for first, second in combinations(range(len(limb)), 2):
        order = list(range(len(limb)))
        order[first], order[second] = second, first
        swapped = law[:, order]
        left = float(np.sqrt(max(np.trace(swapped @ covariance @ swapped.T), 0) / len(law)))
        if left < best:
            best, pair = left, (limb[first], limb[second])
    return residual, pair if best < EXCHANGE_SHARE * residual else None


def breaks_law(residual_mv: float, limb_mv: np.ndarray) -> bool:
    """Say whether a residual is large in itself and beside the limb leads (lead, time)."""
    scale = float(np.sqrt(np.mean(np.var(limb_mv, axis=1))))
    return residual_mv > RESIDUAL_MV and residual_mv > RESIDUAL_SHARE * scale


#: P waves of this height count as whole ones.
_P_MV = 0.05


@cache
def _arms() -> tuple[np.ndarray, float]:
    """Weights of `arm_features`, and the decision above which arms are suspected; ``physiogen train gen/arms``."""
    found = json.loads(files("gen.quality").joinpath("arms.json").read_text(encoding="utf-8"))
    return np.array(found["weights"]), float(found["suspected"])


def exchange_arms(record: EcgRecord) -> EcgRecord:
    """The record as it would be with left and right arm electrodes exchanged.

    Lead I turns over, II takes the place of III; the chest leads stay. It has twelve leads.
    """
    eight = record.to_8().signal_mv.copy()
    eight[1] -= eight[0]
    eight[0] *= -1
    return replace(record.to_12(), signal_mv=to_12(eight))


def arms_reversed(record: EcgRecord) -> bool:
    """Whether the left and right arm electrodes look exchanged.

    An exchange turns lead I upside down (and makes aVR of aVL), but leaves the chest leads. So P, QRS and T of lead I
    go against V6, which looks at the heart from the same side, and P is turned in I and aVR. Mirror-image hearts turn
    V6 as well and are not meant. False where the leads or clear waves are missing.
    """
    found = arm_features(record)
    if found is None:
        return False
    weights, suspected = _arms()
    return bool(found[1] and np.dot(weights, found[0]) > suspected)


def arm_features(record: EcgRecord) -> tuple[np.ndarray, bool] | None:
    """What the median beat tells of the arms: (5,), and whether V6 is upright; None without the leads or clear waves.

    How the P wave of I and of aVR stands, from -1 to 1, and how QRS, T and P of lead I go with those of V6.
    """
    if "V6" not in record.leads or record.duration_s < 2:
        return None
    try:
        signal = record.select(("I", "II", "V6")).signal_mv
    except LeadError:
        return None
    beat = _median_beat(fill_gaps(signal), record.fs_hz)
    if beat is None:
        return None
    lead_i, lead_ii, v6 = beat
    fs_hz = record.fs_hz
    p, qrs, t = slice(0, int(0.17 * fs_hz)), slice(int(0.2 * fs_hz), int(0.32 * fs_hz)), slice(int(0.35 * fs_hz), None)
    turned = np.tanh([_bump(lead_i[p]) / _P_MV, _bump(-(lead_i + lead_ii)[p] / 2) / _P_MV])
    alike = [_alike(lead_i[part], v6[part]) for part in (qrs, t, p)]
    return np.array([*turned, *alike]), bool(v6[qrs].max() + v6[qrs].min() > 0)


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation; 0 where one of them is a line."""
    scale = float(one.std() * other.std())
    return float(np.mean((one - one.mean()) * (other - other.mean())) / scale) if scale > 0 else 0.0


def _bump(part: np.ndarray) -> float:
    """Largest signed deviation from the straight line between the ends."""
    bump = part - np.linspace(part[0], part[-1], part.size)
    return float(bump[np.argmax(np.abs(bump))])


def _median_beat(signal: np.ndarray, fs_hz: float) -> np.ndarray | None:
    """(lead, time) median beat from 250 ms before to 400 ms after the QRS, zero at the PR segment; None if too few."""
    smooth = uniform_filter1d(signal.astype(np.float64), max(1, round(0.01 * fs_hz)), axis=1)
    energy = uniform_filter1d(np.sum(np.gradient(smooth, axis=1) ** 2, axis=0), max(1, round(0.08 * fs_hz)))
    peaks, _ = sps.find_peaks(energy, distance=max(1, int(0.3 * fs_hz)), height=0.3 * np.percentile(energy, 99))
    before, after = round(0.25 * fs_hz), round(0.4 * fs_hz)
    peaks = peaks[(peaks >= before) & (peaks < signal.shape[1] - after)]
    if peaks.size < 3:
        return None
    beats = smooth[:, peaks[:, None] + np.arange(-before, after)]
    beat = np.median(beats, axis=1)
    pr = slice(int(0.16 * fs_hz), int(0.19 * fs_hz))
    return beat - np.median(beat[:, pr], axis=1, keepdims=True)
