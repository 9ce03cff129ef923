"""Limits of what a heart makes: beats outside are drawn again."""

import numpy as np
import numpy.typing as npt

from diffusion.beats.shape import LEAD_IN, QRS, STT, BeatShape
from diffusion.rhythm.plan import BeatPlan

#: Largest deflections in mV: beyond all but one in a thousand of PTB-XL's training recordings.
QRS_MV, ST_T_MV, P_MV = 6.0, 2.5, 0.6
#: QRS of the prevailing beat and of ventricular ones, seconds.
LONGEST_QRS_S = {"own": 0.24, "other": 0.28}
#: Of a whole strip: largest deflection, and how far the level between beats wanders, mV; PTB-XL's training recordings
#: reach these once in a thousand. Rate of its beats, bpm.
STRIP_MV, WANDER_MV = 8.0, 3.0
RATES_BPM = (15.0, 350.0)


def strip_fault(signal_mv: npt.NDArray[np.floating], plan: BeatPlan, fs_hz: float) -> str:
    """Why no recording looks like this strip (8, time); empty where one can."""
    largest = float(np.abs(signal_mv).max())
    if not largest <= STRIP_MV:
        return f"{largest:.1f} mV, more than {STRIP_MV:g}"
    wander = _wander(signal_mv, round(fs_hz))
    if wander > WANDER_MV:
        return f"baseline wanders by {wander:.1f} mV, more than {WANDER_MV:g}"
    rate = plan.heart_rate_bpm
    if rate == rate and rate > 0 and not RATES_BPM[0] <= rate <= RATES_BPM[1]:
        return f"{rate:.0f} bpm, outside {RATES_BPM[0]:g} to {RATES_BPM[1]:g}"
    return ""


def _wander(signal_mv: npt.NDArray[np.floating], second: int) -> float:
    """How far the median of each second goes, mV; or how far the signal does, where that is no more than may be."""
    most = float(np.ptp(signal_mv, axis=1).max())
    if most <= WANDER_MV:
        return most
    whole = signal_mv.shape[1] // second * second
    level = np.median(signal_mv[:, :whole].reshape(len(signal_mv), -1, second), axis=2)
    return float(np.ptp(level, axis=1).max()) if level.size else 0.0


def fault(shape: BeatShape, form: str = "own") -> str:
    """Why no heart makes this beat; empty where one can."""
    qrs = np.abs(shape.qrst[:, LEAD_IN : LEAD_IN + QRS]).max()
    st_t = np.abs(shape.qrst[:, LEAD_IN + QRS + 10 : LEAD_IN + QRS + STT]).max()
    p = np.abs(shape.p).max() if form == "own" else 0.0
    if qrs > QRS_MV:
        return f"QRS of {qrs:.1f} mV, more than {QRS_MV:g}"
    if st_t > ST_T_MV:
        return f"ST-T of {st_t:.1f} mV, more than {ST_T_MV:g}"
    if p > P_MV:
        return f"P wave of {p:.2f} mV, more than {P_MV:g}"
    if qrs < 0.08:
        return f"QRS of {qrs:.2f} mV: hardly a beat"
    length = shape.off_s - shape.on_s
    if length > LONGEST_QRS_S[form]:
        return f"QRS of {1e3 * length:.0f} ms, more than {1e3 * LONGEST_QRS_S[form]:.0f}"
    return ""
