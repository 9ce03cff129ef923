"""What a statement should look like on the measured ECG: usual limits of reports, one table for all judges."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gen.leads import LEADS_12
from gen.text import statements
from metrics.measurement.parameters import Parameters

#: Lower limits of voltage criteria for left ventricular hypertrophy in mV: Sokolow-Lyon; Cornell for women and men.
SOKOLOW_MV, CORNELL_MV = 3.5, {"F": 2.0, "M": 2.8}
#: Upper limit in mV of every limb lead's QRS complex, peak to peak, in low voltage.
LOW_MV = 0.6
_V1, _V2, _V5, _V6, _II = (LEADS_12.index(lead) for lead in ("V1", "V2", "V5", "V6", "II"))
#: Least ST level in mV for an elevation, by lead; aVR does not count.
_ELEVATION_MV = np.array([{"V2": 0.2, "V3": 0.2, "aVR": np.inf}.get(lead, 0.1) for lead in LEADS_12])
#: What a measured rate may miss the limit of a word by, bpm.
RATE_TOLERANCE_BPM = 2.0
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


def _fast(code: str) -> float:
    """Rate in bpm from which on a tachycardia is one, within what is measured; see `gen.text.phrases.Rate`."""
    rate = statements()[code].rate
    if rate is None:
        raise ValueError(f"{code}: no rate in statements.csv")
    return rate.low - RATE_TOLERANCE_BPM


def _slow(code: str) -> float:
    rate = statements()[code].rate
    if rate is None:
        raise ValueError(f"{code}: no rate in statements.csv")
    return rate.high + RATE_TOLERANCE_BPM


_TACHYCARDIA, _SUPRAVENTRICULAR, _BRADYCARDIA = _fast("STACH"), _fast("SVTAC"), _slow("SBRAD")
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
    "STACH": Criterion(f"rate >= {_TACHYCARDIA:g} bpm", lambda p, sex: p.hr_bpm >= _TACHYCARDIA),
    "SVTAC": Criterion(
        f"rate >= {_SUPRAVENTRICULAR:g} bpm, QRS < 120 ms",
        lambda p, sex: p.hr_bpm >= _SUPRAVENTRICULAR and p.qrs_ms < 120,
    ),
    "SBRAD": Criterion(f"rate <= {_BRADYCARDIA:g} bpm", lambda p, sex: p.hr_bpm <= _BRADYCARDIA),
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
    "WPW": Criterion("PR < 120 ms and QRS >= 110 ms", lambda p, sex: p.pr_ms < 120 and p.qrs_ms >= 110),
    "AFLT": Criterion("flutter waves of one rate of 240 to 360 per minute", lambda p, sex: p.rhythm.code == "AFLT"),
    "2AVB": Criterion(
        "P waves on time that are not conducted, the others at a steady or growing PR",
        lambda p, sex: p.rhythm.code == "2AVB",
    ),
    "3AVB": Criterion("at most 55 bpm, no steady PR", lambda p, sex: p.hr_bpm <= 55 and np.isnan(p.pr_ms)),
    "ILBBB": Criterion("QRS 100 to 119 ms", lambda p, sex: 100 <= p.qrs_ms < 120),
    # Successive differences are twice the spread where intervals alternate, and 1.4 times where they follow no order.
    "BIGU": Criterion(
        "RR alternates: variation >= .12, RMSSD >= 1.7 SD",
        lambda p, sex: p.rr_cv >= 0.12 and p.rmssd_ms >= 1.7 * p.rr_sd_ms,
    ),
    "LPFB": Criterion("axis >= 90 degrees, QRS < 120 ms", lambda p, sex: p.axis_deg >= 90 and p.qrs_ms < 120),
    "RVH": Criterion("R(V1) + S(V5 or V6) >= 1.05 mV", lambda p, sex: p.r_mv[_V1] + p.s_mv[[_V5, _V6]].max() >= 1.05),
    "RAO/RAE": Criterion("P >= .25 mV in II", lambda p, sex: p.p_mv[_II] >= 0.25),
    "PMI": Criterion("R >= S in V2", lambda p, sex: p.r_mv[_V2] >= p.s_mv[_V2]),
    "STE_": Criterion("ST >= .1 mV (V2, V3: .2 mV) in two leads", lambda p, sex: (p.st_mv >= _ELEVATION_MV).sum() >= 2),
}
