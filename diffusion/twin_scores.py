"""Two scores of a twin: is it still the same person, and does it show what was asked for.

Identity is the cosine of base vectors, read against the threshold at which the extractor confuses held-out persons
least. It comes from the network that the generator was told about the person by, so it is a check and no proof;
the benchmark judges identity with an extractor of its own. Achievement is measured on the signal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from diffusion.conditioning import Condition
from diffusion.twin_condition import codes_of
from gen.leads import LEADS_12

RATE_TOLERANCE_BPM = 5.0
_LIMB = [LEADS_12.index(name) for name in ("I", "II", "III", "aVR", "aVL", "aVF")]


def _wide(p: Any) -> bool:
    return p.qrs_ms >= 120


def _hypertrophy(p: Any) -> bool:
    return p.sokolow_mv >= 3.5 or p.cornell_mv >= 2.8


def _limb_heights(p: Any) -> np.ndarray:
    """Height in mV of the QRS complex, peak to peak, in each limb lead."""
    return p.r_mv[_LIMB] + np.maximum(p.s_mv[_LIMB], p.q_mv[_LIMB])


def _low_voltage(p: Any) -> bool:
    return bool((_limb_heights(p) < 0.5).all())


#: Statement -> whether `Parameters` show it (usual limits of reports; NaN shows nothing).
CRITERIA: Mapping[str, Callable[[Any], bool]] = {
    "CLBBB": _wide,
    "CRBBB": _wide,
    "IVCD": lambda p: p.qrs_ms >= 110,
    "LVH": _hypertrophy,
    "LVOLT": _low_voltage,
    "1AVB": lambda p: p.pr_ms > 200,
    "STACH": lambda p: p.hr_bpm > 100,
    "SVTAC": lambda p: p.hr_bpm > 100,
    "SBRAD": lambda p: p.hr_bpm < 60,
    "SR": lambda p: p.p_present >= 0.5 and p.rr_cv < 0.12,
    "AFIB": lambda p: p.p_present < 0.5 and p.rr_cv > 0.08,
    "LNGQT": lambda p: p.qtcb_ms > 450,
    "LAFB": lambda p: p.axis_deg <= -30,
    "LAD": lambda p: p.axis_deg <= -30,
    "RAD": lambda p: p.axis_deg >= 90,
}


#: Statement -> what its criterion is measured on, as a share of the limit: more is more of the finding.
DEGREE: Mapping[str, Callable[[Any], float]] = {
    "CLBBB": lambda p: p.qrs_ms / 120,
    "CRBBB": lambda p: p.qrs_ms / 120,
    "LVH": lambda p: float(np.fmax(p.sokolow_mv / 3.5, p.cornell_mv / 2.8)),
    "LVOLT": lambda p: float(0.5 / max(np.fmax.reduce(_limb_heights(p)), 1e-3)),
    "1AVB": lambda p: p.pr_ms / 200,
}
#: How much more of it a twin has to show to count as moved: about what two ECGs of one condition differ by.
MOVED = 1.1


def moved(code: str, before: Any, after: Any) -> bool:
    """Whether what a statement of `DEGREE` is measured on went its way by a tenth or more, from one ECG to another."""
    return bool(DEGREE[code](after) >= MOVED * DEGREE[code](before))


@dataclass(frozen=True)
class TwinScores:
    """Scores of one twin.

    Attributes:
        identity: cosine of its base vector and the reference's, -1 to 1.
        threshold: cosine from which on two ECGs are taken as one person's, None where unknown.
        achieved: share of the checks that are met, None where nothing asked for can be checked.
        checks: name -> whether it is met.
    """

    identity: float
    threshold: float | None
    achieved: float | None
    checks: Mapping[str, bool]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "identity": round(self.identity, 4),
            "identity_threshold": None if self.threshold is None else round(self.threshold, 4),
            "achieved": self.achieved,
            "checks": dict(self.checks),
        }


def checks_of(own: Condition, target: Condition, measured: Any) -> dict[str, bool]:
    """Which of the changes from ``own`` to ``target`` the measured parameters show.

    Statements in both conditions are no change and are not asked; a removed one is met when its criterion is not.
    """
    asked, had = target.with_numbers_of_text(), own.with_numbers_of_text()
    found: dict[str, bool] = {}
    if asked.heart_rate is not None:
        rate = measured.hr_bpm
        found["heart_rate"] = bool(isfinite(rate) and abs(rate - asked.heart_rate) <= RATE_TOLERANCE_BPM)
    after, before = codes_of(asked.text), codes_of(had.text)
    for code in sorted((after - before) & set(CRITERIA)):
        found[code] = bool(CRITERIA[code](measured))
    for code in sorted((before - after) & set(CRITERIA)):
        found[f"no {code}"] = measured.failure is None and not CRITERIA[code](measured)
    return found


def score(cosine: float, threshold: float | None, checks: Mapping[str, bool]) -> TwinScores:
    """Both scores from their parts."""
    achieved = sum(checks.values()) / len(checks) if checks else None
    return TwinScores(float(cosine), threshold, achieved, dict(checks))
