"""What a request says of one beat: criteria of its findings and numbers, read off a form before it is composed.

A network draws "left anterior fascicular block" with an axis that is mostly, not always, beyond -30 degrees. A beat
that misses what was asked for is drawn again, which costs nothing here. Not every recording with a finding meets its
criterion either: where a finding is often stated without it, only that share of samples is held to it.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from diffusion.beats.shape import LEAD_IN, QRS, BeatShape
from diffusion.conditions.condition import Condition
from gen.leads import LEADS_8, LEADS_8_TO_12
from metrics.measurement.amplitudes import axis
from metrics.measurement.criteria import CRITERIA
from metrics.measurement.parameters import Parameters

#: Findings that one beat can show, and the share of samples held to the criterion.
ENFORCED: Mapping[str, float] = {
    "LAFB": 1.0,
    "LAD": 1.0,
    "RAD": 1.0,
    "LPFB": 1.0,
    "LVH": 0.45,
    "LVOLT": 0.4,
    "RVH": 0.7,
    "RAO/RAE": 1.0,
    "PMI": 0.6,
    "WPW": 1.0,
    "ILBBB": 1.0,
}
#: Findings about the axis; an axis that is asked for as a number goes before them.
AXIS_FINDINGS = frozenset({"LAFB", "LAD", "RAD", "LPFB"})
#: How far the axis may lie from the one asked for, degrees: about what two readings of one ECG differ by.
AXIS_TOLERANCE_DEG = 12.0
#: What a form is turned by at most where draws go on missing the axis: about what a change of the body's position and
#: of electrodes' places does together, and less than what parts one conduction from another.
LARGEST_TURN_DEG = 60.0
#: P of lead II that is measured as .25 mV or more, and the largest factor that a form's P wave is enlarged by for it.
_HIGH_P_MV, LARGER_P = 0.285, 2.6
_II = LEADS_8.index("II")
#: Likelihood in percent from which on a finding counts as asked for.
_CERTAIN = 80
#: A measured P wave is a little smaller than the form's: the delineator's window is not the form's.
_P_SPARE = 0.94


def measured_shape(shape: BeatShape, heart_rate: float | None = None) -> Parameters:
    """What an ECG of these beats alone would be measured as, as far as criteria of one beat need it."""
    qrs = LEADS_8_TO_12 @ shape.qrst[:, LEAD_IN : LEAD_IN + QRS]
    p = LEADS_8_TO_12 @ shape.p
    top = qrs.argmax(axis=1)
    before = np.arange(QRS)[None] < top[:, None]
    down = np.maximum(-qrs, 0)
    upright = qrs.max(axis=1) > 0
    return Parameters(
        beats=1,
        hr_bpm=heart_rate if heart_rate is not None else 60.0 / shape.rr_s,
        rr_ms=1e3 * shape.rr_s,
        pr_ms=1e3 * shape.pr_s,
        qrs_ms=1e3 * (shape.off_s - shape.on_s),
        qt_ms=1e3 * (shape.t_off_s - shape.on_s),
        axis_deg=float(axis(qrs.sum(axis=1))),
        r_mv=np.maximum(qrs.max(axis=1), 0),
        q_mv=np.where(upright, (down * before).max(axis=1), 0.0),
        s_mv=np.where(upright, (down * ~before).max(axis=1), down.max(axis=1)),
        p_mv=_P_SPARE * np.take_along_axis(p, np.abs(p).argmax(axis=1)[:, None], axis=1)[:, 0],
    )


def axis_of(shape: BeatShape) -> float:
    """Frontal axis of QRS in degrees, from its area."""
    area = shape.qrst[:, LEAD_IN : LEAD_IN + QRS].sum(axis=1)
    return float(axis(LEADS_8_TO_12 @ area))


def p_factor(shape: BeatShape) -> float:
    """By how much the P wave of lead II falls short of right atrial enlargement; infinite where it is not upright."""
    height = float(shape.p[_II].max())
    return _HIGH_P_MV / height if height > 0 and height >= -float(shape.p[_II].min()) else float("inf")


def unmet(shape: BeatShape, asked: Condition, draw: float) -> list[str]:
    """What of a request the form does not show: findings by code, and ``axis_deg``.

    Args:
        shape: of the prevailing beat.
        asked: the request with what it implies.
        draw: uniform from 0 to 1, of the sample; decides which criteria it is held to.
    """
    found = measured_shape(shape, asked.heart_rate)
    missing = []
    if asked.axis_deg is not None:
        off = (found.axis_deg - asked.axis_deg + 180.0) % 360.0 - 180.0
        if not abs(off) <= AXIS_TOLERANCE_DEG:
            missing.append("axis_deg")
    for statement in asked.text.statements if asked.text is not None else ():
        code = statement.code
        if statement.negated or statement.likelihood < _CERTAIN or draw >= ENFORCED.get(code, 0.0):
            continue
        if code in AXIS_FINDINGS and asked.axis_deg is not None and not _of_axis(code, found, asked):
            continue
        if not CRITERIA[code].met(found, asked.sex):
            missing.append(code)
    return missing


def _of_axis(code: str, found: Parameters, asked: Condition) -> bool:
    """Whether a form with the axis asked for would show the finding: then it has to, within the tolerance as well."""
    return asked.axis_deg is not None and CRITERIA[code].met(replace(found, axis_deg=asked.axis_deg), asked.sex)


def turn_to(shape: BeatShape, asked: Condition) -> float | None:
    """Degrees from a form's axis to the one asked for; None where none is, or where it is far off."""
    if asked.axis_deg is None:
        return None
    turn = (asked.axis_deg - axis_of(shape) + 180.0) % 360.0 - 180.0
    return turn if abs(turn) <= LARGEST_TURN_DEG else None
