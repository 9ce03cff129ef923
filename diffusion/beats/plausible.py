"""Limits of what a heart makes: beats outside are drawn again."""

import numpy as np

from diffusion.beats.shape import LEAD_IN, QRS, STT, BeatShape

#: Largest deflections in mV: beyond all but one in a thousand of PTB-XL's training recordings.
QRS_MV, ST_T_MV, P_MV = 6.0, 2.5, 0.6
#: QRS of the prevailing beat and of ventricular ones, seconds.
LONGEST_QRS_S = {"own": 0.24, "other": 0.28}


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
