"""What is found on an ECG, with the leads, intervals and measured values that carry it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gen.leads import LEADS_12
from gen.records import EcgRecord
from gen.text import statements
from metrics.measurement.criteria import CRITERIA
from metrics.measurement.delineation.delineator import Delineation
from metrics.measurement.parameters import Parameters

_LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
#: Findings that a measurement alone establishes; the others need somebody who states them.
MEASURABLE = ("STACH", "SBRAD", "1AVB", "LAD", "RAD", "LVOLT", "LNGQT")
_LEAST_LIKELIHOOD = 50
_WIDE_MS = 120.0


@dataclass(frozen=True)
class Quantity:
    """Something measured: its name, unit, decimals, the leads that show it, and how it is read off the parameters."""

    words: str
    unit: str
    decimals: int
    leads: tuple[str, ...]
    of: Callable[[Parameters], float]


def _of(name: str) -> Callable[[Parameters], float]:
    return lambda p: float(getattr(p, name))


def _in(name: str, lead: str) -> Callable[[Parameters], float]:
    return lambda p: float(getattr(p, name)[LEADS_12.index(lead)])


def _limb_height(p: Parameters) -> float:
    rows = [LEADS_12.index(lead) for lead in _LIMB]
    heights = p.r_mv[rows] + np.maximum(p.s_mv[rows], p.q_mv[rows])
    return float(np.nanmax(heights)) if np.isfinite(heights).any() else float("nan")


QUANTITIES: Mapping[str, Quantity] = {
    "hr_bpm": Quantity("heart rate", "bpm", 0, ("II",), _of("hr_bpm")),
    "rr_cv": Quantity("variation of RR intervals", "", 2, ("II",), _of("rr_cv")),
    "rmssd_ms": Quantity("RMS of successive RR differences", "ms", 0, ("II",), _of("rmssd_ms")),
    "p_present": Quantity("share of beats with a P wave", "", 2, ("II", "V1"), _of("p_present")),
    "pr_ms": Quantity("PR interval", "ms", 0, ("II",), _of("pr_ms")),
    "qrs_ms": Quantity("QRS duration", "ms", 0, LEADS_12, _of("qrs_ms")),
    "qt_ms": Quantity("QT interval", "ms", 0, LEADS_12, _of("qt_ms")),
    "qtcb_ms": Quantity("QTc (Bazett)", "ms", 0, LEADS_12, _of("qtcb_ms")),
    "axis_deg": Quantity("frontal axis", "degrees", 0, ("I", "aVF"), _of("axis_deg")),
    "sokolow_mv": Quantity("Sokolow-Lyon voltage", "mV", 2, ("V1", "V5", "V6"), _of("sokolow_mv")),
    "cornell_mv": Quantity("Cornell voltage", "mV", 2, ("aVL", "V3"), _of("cornell_mv")),
    "limb_mv": Quantity("highest QRS of the limb leads", "mV", 2, _LIMB, _limb_height),
    "r_v1_mv": Quantity("R in V1", "mV", 2, ("V1",), _in("r_mv", "V1")),
    "s_v5_mv": Quantity("S in V5", "mV", 2, ("V5",), _in("s_mv", "V5")),
    "s_v6_mv": Quantity("S in V6", "mV", 2, ("V6",), _in("s_mv", "V6")),
    "r_v2_mv": Quantity("R in V2", "mV", 2, ("V2",), _in("r_mv", "V2")),
    "s_v2_mv": Quantity("S in V2", "mV", 2, ("V2",), _in("s_mv", "V2")),
    "p_ii_mv": Quantity("P in II", "mV", 2, ("II",), _in("p_mv", "II")),
    **{f"st_{lead}_mv": Quantity(f"ST level in {lead}", "mV", 2, (lead,), _in("st_mv", lead)) for lead in LEADS_12},
}
#: From which wave a quantity is read to which, (wave, edge) of its beginning and end; "next": that of the beat behind.
_FROM_TO: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    **dict.fromkeys(("hr_bpm", "rr_cv", "rmssd_ms"), (("QRS", "onset"), ("next QRS", "onset"))),
    **dict.fromkeys(("p_present", "p_ii_mv"), (("P", "onset"), ("P", "offset"))),
    "pr_ms": (("P", "onset"), ("QRS", "onset")),
    **dict.fromkeys(("qt_ms", "qtcb_ms"), (("QRS", "onset"), ("T", "offset"))),
    **{f"st_{lead}_mv": (("QRS", "offset"), ("T", "onset")) for lead in LEADS_12},
}
_OF_QRS = (("QRS", "onset"), ("QRS", "offset"))
#: An interval that ends with this wave takes so many seconds at most.
_REACH_S = {"QRS": 0.5, "P": 0.5, "T": 0.8, "next QRS": 4.0}
_WIDE = ("qrs_ms",)
_ST = tuple(f"st_{lead}_mv" for lead in LEADS_12)
#: Finding -> what its criterion reads.
EVIDENCE: Mapping[str, tuple[str, ...]] = {
    "AFIB": ("rr_cv", "p_present"),
    "SR": ("rr_cv", "p_present"),
    "STACH": ("hr_bpm",),
    "SVTAC": ("hr_bpm", "qrs_ms"),
    "SBRAD": ("hr_bpm",),
    "CLBBB": _WIDE,
    "CRBBB": _WIDE,
    "PACE": _WIDE,
    "IVCD": _WIDE,
    "1AVB": ("pr_ms",),
    "LAFB": ("axis_deg",),
    "LAD": ("axis_deg",),
    "RAD": ("axis_deg",),
    "LVH": ("sokolow_mv", "cornell_mv"),
    "LVOLT": ("limb_mv",),
    "LNGQT": ("qtcb_ms",),
    "NORM": ("qrs_ms", "pr_ms", "p_present"),
    "WPW": ("pr_ms", "qrs_ms"),
    "3AVB": ("hr_bpm",),
    "ILBBB": _WIDE,
    "BIGU": ("rr_cv", "rmssd_ms"),
    "LPFB": ("axis_deg", "qrs_ms"),
    "RVH": ("r_v1_mv", "s_v5_mv", "s_v6_mv"),
    "RAO/RAE": ("p_ii_mv",),
    "PMI": ("r_v2_mv", "s_v2_mv"),
    "STE_": _ST,
}


@dataclass(frozen=True)
class Evidence:
    """A measured value: key of `QUANTITIES`, its words, the value as it is written, unit and leads.

    ``intervals_s``: beginning and end of each stretch it was read from, in seconds from the first sample.
    """

    quantity: str
    words: str
    value: str
    unit: str
    leads: tuple[str, ...]
    intervals_s: tuple[tuple[float, float], ...] = ()

    @property
    def text(self) -> str:
        """As in a sentence: ``QRS duration 152 ms``."""
        return " ".join(part for part in (self.words, self.value, self.unit) if part)

    def as_dict(self) -> dict[str, Any]:
        """JSON values, without the words."""
        return {
            "quantity": self.quantity,
            "value": self.value,
            "unit": self.unit,
            "leads": list(self.leads),
            "intervals_s": [list(each) for each in self.intervals_s],
        }


@dataclass(frozen=True)
class Finding:
    """A finding of an ECG.

    Attributes:
        code: SCP-ECG statement of PTB-XL.
        name: in words.
        stated: whether report or request state it.
        shown: whether the measured values meet its criterion; None where there is no criterion.
        criterion: in words; empty without one.
        leads: that carry it.
        evidence: what was measured.
    """

    code: str
    name: str
    stated: bool
    shown: bool | None
    criterion: str
    leads: tuple[str, ...]
    evidence: tuple[Evidence, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def measured(
    parameters: Parameters, names: tuple[str, ...] = tuple(QUANTITIES), waves: Delineation | None = None
) -> list[Evidence]:
    """What could be measured of these quantities; with ``waves`` also where in time."""
    out = []
    for name in names:
        quantity = QUANTITIES[name]
        value = quantity.of(parameters)
        if np.isfinite(value):
            text = f"{value:.{quantity.decimals}f}"
            text = text.removeprefix("-") if float(text) == 0 else text
            out.append(Evidence(name, quantity.words, text, quantity.unit, quantity.leads, _intervals(name, waves)))
    return out


def _intervals(name: str, waves: Delineation | None) -> tuple[tuple[float, float], ...]:
    """Stretches that a quantity is read from: of every beat that has both of its edges."""
    if waves is None:
        return ()
    segments = dict(zip(("P", "QRS", "T"), waves.consensus, strict=True))
    (kind, edge), (to, last) = _FROM_TO.get(name, _OF_QRS)
    starts = getattr(segments[kind], edge)
    ends = getattr(segments[to.removeprefix("next ")], last)
    found: dict[float, float] = {}  # an end belongs to the last beginning before it
    for start in starts.tolist():
        behind = ends[(ends > start) & (ends <= start + _REACH_S[to])]
        if behind.size:
            found[round(float(behind[0]), 3)] = round(start, 3)
    return tuple((start, end) for end, start in found.items())


def findings(record: EcgRecord, parameters: Parameters, waves: Delineation | None = None) -> list[Finding]:
    """Stated findings, then those that are measured alone; each once.

    Args:
        record: with its statements; denied and unlikely ones (under 50 %) do not count.
        parameters: measured on it.
        waves: delineated on it, for the stretches of time that carry a value.
    """
    known = statements()
    stated = [code for code, likelihood in record.statements.items() if likelihood >= _LEAST_LIKELIHOOD]
    alone = [code for code in MEASURABLE if code not in stated and CRITERIA[code].met(parameters, record.patient.sex)]
    if parameters.qrs_ms >= _WIDE_MS and "LNGQT" in alone:
        alone.remove("LNGQT")  # a wide QRS is part of QT: nobody calls that one long for it
    out = []
    for code in [*stated, *alone]:
        criterion = CRITERIA.get(code)
        shown = None if criterion is None else bool(criterion.met(parameters, record.patient.sex))
        evidence = tuple(measured(parameters, EVIDENCE.get(code, ()), waves))
        if code == "STE_":
            evidence = tuple(sorted(evidence, key=lambda each: -float(each.value))[:3])
        leads = tuple(lead for lead in LEADS_12 if any(lead in each.leads for each in evidence))
        name = known[code].description.partition("(")[0].strip() if code in known else code
        out.append(Finding(code, name, code in stated, shown, criterion.words if criterion else "", leads, evidence))
    return out
