"""What a statement should look like on the measured ECG: usual limits of reports, one table for all judges."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gen.leads import LEADS_12
from metrics.measurement.parameters import Parameters

#: Lower limits of voltage criteria for left ventricular hypertrophy in mV: Sokolow-Lyon; Cornell for women and men.
SOKOLOW_MV, CORNELL_MV = 3.5, {"F": 2.0, "M": 2.8}
#: Upper limit in mV of every limb lead's QRS complex, peak to peak, in low voltage.
LOW_MV = 0.6
_LIMB = [LEADS_12.index(lead) for lead in ("I", "II", "III", "aVR", "aVL", "aVF")]

#: Of measured parameters (NaN where not measurable) and the sex, if known.
Degree = Callable[[Parameters, str | None], float]


@dataclass(frozen=True)
class Criterion:
    """What a statement should look like.

    Attributes:
        words: the criterion in words.
        met: whether parameters show it. Comparisons with NaN are false: not measurable counts as not met.
        degree: what it is measured on, as a share of the limit; more is more of the finding. None where there is no
            single such number.
    """

    words: str
    met: Callable[[Parameters, str | None], bool]
    degree: Degree | None = None


def _cornell_limit(sex: str | None) -> float:
    return CORNELL_MV.get(sex or "", CORNELL_MV["M"])


def _hypertrophic(p: Parameters, sex: str | None) -> bool:
    return bool(p.sokolow_mv >= SOKOLOW_MV or p.cornell_mv > _cornell_limit(sex))


def _hypertrophy(p: Parameters, sex: str | None) -> float:
    return float(np.fmax(p.sokolow_mv / SOKOLOW_MV, p.cornell_mv / _cornell_limit(sex)))


def _limb_height_mv(p: Parameters) -> float:
    """Highest QRS complex of the limb leads, peak to peak; NaN where none could be measured."""
    return float(np.fmax.reduce(p.r_mv[_LIMB] + np.maximum(p.s_mv[_LIMB], p.q_mv[_LIMB])))


_WIDE = Criterion("QRS >= 120 ms", lambda p, sex: p.qrs_ms >= 120, lambda p, sex: p.qrs_ms / 120)
_LEFT_AXIS = Criterion("axis <= -30 degrees", lambda p, sex: p.axis_deg <= -30)

#: SCP-ECG code -> criterion.
CRITERIA: Mapping[str, Criterion] = {
    "AFIB": Criterion(
        "RR variation >= .10 and P before under half of the beats",
        lambda p, sex: p.rr_cv >= 0.1 and p.p_present < 0.5,
    ),
    "SR": Criterion(
        "RR variation < .12 and P before half of the beats or more",
        lambda p, sex: p.rr_cv < 0.12 and p.p_present >= 0.5,
    ),
    "STACH": Criterion("rate >= 98 bpm", lambda p, sex: p.hr_bpm >= 98),
    "SVTAC": Criterion("rate >= 98 bpm", lambda p, sex: p.hr_bpm >= 98),
    "SBRAD": Criterion("rate <= 62 bpm", lambda p, sex: p.hr_bpm <= 62),
    "CLBBB": _WIDE,
    "CRBBB": _WIDE,
    "PACE": _WIDE,
    "IVCD": Criterion("QRS >= 110 ms", lambda p, sex: p.qrs_ms >= 110),
    "1AVB": Criterion("PR >= 200 ms", lambda p, sex: p.pr_ms >= 200, lambda p, sex: p.pr_ms / 200),
    "LAFB": _LEFT_AXIS,
    "LAD": _LEFT_AXIS,
    "RAD": Criterion("axis >= 90 degrees", lambda p, sex: p.axis_deg >= 90),
    "LVH": Criterion("Sokolow-Lyon >= 3.5 mV or Cornell > 2.0 (F), 2.8 (M) mV", _hypertrophic, _hypertrophy),
    "LVOLT": Criterion(
        "limb leads under 0.6 mV",
        lambda p, sex: _limb_height_mv(p) < LOW_MV,
        lambda p, sex: LOW_MV / max(_limb_height_mv(p), 1e-3),
    ),
    "LNGQT": Criterion("QTc (Bazett) >= 460 ms", lambda p, sex: p.qtcb_ms >= 460),
    "NORM": Criterion(
        "QRS < 120 ms and PR < 220 ms, P before most beats",
        lambda p, sex: p.qrs_ms < 120 and p.pr_ms < 220 and p.p_present > 0.5,
    ),
}
