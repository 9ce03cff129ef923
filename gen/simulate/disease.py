"""What is wrong with a simulated heart: SCP-ECG statements drawn as PTB-XL has them, or pinned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

#: Infarct statements of PTB-XL -> wall.
INFARCTS = {
    "ASMI": "anteroseptal",
    "AMI": "anterior",
    "ALMI": "anterolateral",
    "LMI": "lateral",
    "IMI": "inferior",
    "ILMI": "inferolateral",
    "IPMI": "inferoposterior",
    "IPLMI": "inferoposterolateral",
    "PMI": "posterior",
}
#: Direction from the centre of the ventricle to each wall, Frank's axes (left, feet, back).
WALLS = {
    "anteroseptal": (-0.15, 0.05, -1.0),
    "anterior": (0.35, 0.0, -0.95),
    "anterolateral": (0.85, -0.2, -0.5),
    "lateral": (0.95, -0.15, 0.25),
    "inferior": (-0.1, 1.0, 0.1),
    "inferolateral": (0.6, 0.75, 0.25),
    "inferoposterior": (-0.05, 0.75, 0.65),
    "inferoposterolateral": (0.5, 0.6, 0.65),
    "posterior": (0.1, 0.15, 1.0),
}
#: ST- and T-statements that name a territory -> wall whose subendocardium suffers.
TERRITORIES = {
    "INJAS": "anteroseptal",
    "ISCAS": "anteroseptal",
    "ISCAN": "anterior",
    "INJAL": "anterolateral",
    "ISCAL": "anterolateral",
    "INJLA": "lateral",
    "ISCLA": "lateral",
    "INJIN": "inferior",
    "ISCIN": "inferior",
    "INJIL": "inferolateral",
    "ISCIL": "inferolateral",
}
#: Details a statement can have; the first is what is drawn most often.
FINDINGS: dict[str, tuple[str, ...]] = {
    "infarct": ("old", "subacute", "acute"),
    "EL": ("hypokalaemia", "hyperkalaemia"),
    "STE_": ("early repolarisation", "pericarditis"),
    "2AVB": ("mobitz1", "mobitz2", "2:1"),
    "PACE": ("ventricular", "dual chamber"),
    "WPW": ("left-sided", "right-sided", "septal"),
    "3AVB": ("ventricular escape", "junctional escape"),
}

RHYTHMS = ("AFIB", "AFLT", "SVTAC", "PSVT", "PACE", "3AVB", "2AVB", "STACH", "SBRAD", "SARRH", "SVARR")
_CONDUCTION = {
    "none": 0.655,
    "LAFB": 0.105,
    "IRBBB": 0.075,
    "IVCD": 0.06,
    "CLBBB": 0.04,
    "CRBBB": 0.034,
    "LPFB": 0.012,
    "ILBBB": 0.008,
    "WPW": 0.005,
}
_INFARCT = {
    "none": 0.47,
    "IMI": 0.25,
    "ASMI": 0.165,
    "AMI": 0.033,
    "ILMI": 0.036,
    "ALMI": 0.016,
    "LMI": 0.013,
    "IPLMI": 0.003,
    "IPMI": 0.001,
    "PMI": 0.001,
}
_VOLTAGE = {
    "none": 0.70,
    "LVH": 0.19,
    "VCLVH": 0.08,
    "RVH": 0.011,
    "SEHYP": 0.0035,
    "HVOLT": 0.009,
    "LVOLT": 0.0165,
}
_REPOLARISATION = {
    "none": 0.40,
    "NDT": 0.165,
    "ISC_": 0.12,
    "STD_": 0.085,
    "NST_": 0.067,
    "ISCAL": 0.05,
    "LOWT": 0.046,
    "NT_": 0.036,
    "INVT": 0.027,
    "ISCIN": 0.017,
    "INJAS": 0.015,
    "DIG": 0.014,
    "ISCIL": 0.013,
    "ISCLA": 0.01,
    "ISCAS": 0.01,
    "EL": 0.009,
    "INJAL": 0.007,
    "ANEUR": 0.006,
    "LNGQT": 0.006,
    "ISCAN": 0.004,
    "STE_": 0.004,
    "TAB_": 0.0025,
    "INJLA": 0.001,
    "INJIN": 0.001,
    "INJIL": 0.001,
}
_EXTRA = {"PVC": 0.09, "PAC": 0.034, "BIGU": 0.006, "TRIGU": 0.003, "PRC(S)": 0.001}
_OTHERS = {"1AVB": 0.06, "LPR": 0.018, "LAO/LAE": 0.034, "RAO/RAE": 0.0075, "QWAVE": 0.05}
_RHYTHM = {"AFIB": 0.115, "PACE": 0.019, "AFLT": 0.0065, "SVARR": 0.012, "SVTAC": 0.0015, "PSVT": 0.001}
KNOWN = frozenset(
    {"NORM", "SR", "ABQRS", *_CONDUCTION, *_INFARCT, *_VOLTAGE, *_REPOLARISATION, *_EXTRA, *_OTHERS, *RHYTHMS}
    - {"none"}
)


@dataclass(frozen=True, eq=False)
class Disease:
    """Statements of a heart that stay from visit to visit, and how strongly each shows.

    Attributes:
        codes: SCP-ECG codes without the rhythm statements that depend on the rate of the day.
        severity: code -> strength, 1 is the average patient with that statement.
        findings: details such as ``{"infarct": "acute"}``; see `FINDINGS`.
        scar_territory, scar_extent: wall and share (0..1) of the left ventricle that is infarcted.
        pinned: the statements were given, not drawn.
    """

    codes: tuple[str, ...]
    severity: Mapping[str, float] = field(default_factory=dict)
    findings: Mapping[str, str] = field(default_factory=dict)
    scar_territory: str | None = None
    scar_extent: float = 0.0
    pinned: bool = False

    @property
    def regime(self) -> str | None:
        """``PACE``, ``CLBBB`` or ``CRBBB`` where the ventricles are excited that way."""
        return next((c for c in ("PACE", "CLBBB", "CRBBB") if c in self.codes), None)


def _pick(rng: np.random.Generator, table: Mapping[str, float], more: Mapping[str, float]) -> str:
    names = list(table)
    edges = np.cumsum([share * more.get(name, 1.0) for name, share in table.items()])
    return names[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def draw_disease(
    rng: np.random.Generator, age: float, sex: str, oversample: Mapping[str, float] | None = None
) -> Disease:
    """Statements drawn as they occur together in PTB-XL's training folds, healthier when young.

    Args:
        rng: the patient's generator.
        age, sex: years, 'F' or 'M'.
        oversample: statement -> factor on its odds.

    Raises:
        ValueError: a statement the simulator does not know, or a factor that is not above 0.
    """
    more = dict(oversample or {})
    for code, factor in more.items():
        _check_code(code)
        if not factor > 0:
            raise ValueError(f"oversampling of {code} must be above 0, got {factor}")
    odds = np.exp((age - 61.0) / 13.0 + (0.1 if sex == "M" else -0.1)) / more.get("NORM", 1.0)
    odds *= max([1.0, *(f**0.5 for c, f in more.items() if c != "NORM")])
    if rng.random() > odds / (1.0 + odds):
        codes = ["NORM"]
        for code, share in (("PVC", 0.004), ("PAC", 0.006), ("IRBBB", 0.012)):
            if rng.random() < share:
                codes.append(code)
        return _finish(rng, codes, {}, pinned=False)
    found: list[str] = []
    while not found:
        found = _draw_codes(rng, age, more)
    return _finish(rng, found, {}, pinned=False)


def _draw_codes(rng: np.random.Generator, age: float, more: Mapping[str, float]) -> list[str]:
    old = float(np.clip((age - 20.0) / 45.0, 0.15, 1.5))
    codes = [_pick(rng, table, more) for table in (_CONDUCTION, _INFARCT, _VOLTAGE, _REPOLARISATION)]
    if codes[1] != "none" and rng.random() > old:
        codes[1] = "none"
    if codes[1] == "IMI" and rng.random() < 0.12:
        codes.append("ASMI")
    if codes[0] == "CRBBB" and rng.random() < 0.3:
        codes.append("LAFB")
    for table, factor in ((_EXTRA, 1.0), (_OTHERS, 1.0), (_RHYTHM, old)):
        for code, share in table.items():
            if rng.random() < share * factor * more.get(code, 1.0):
                codes.append(code)
    codes = [c for c in codes if c != "none"]
    if codes and rng.random() < (0.33 if set(codes) & {*INFARCTS, "IVCD", "QWAVE", "LAFB"} else 0.15):
        codes.append("ABQRS")
    if set(codes) <= {"ABQRS"} and rng.random() > 0.3:
        return []
    return codes


def _check_code(code: str) -> None:
    if code not in KNOWN:
        raise ValueError(f"statement {code!r} cannot be simulated; known: {', '.join(sorted(KNOWN))}")


def pinned_disease(rng: np.random.Generator, statements: Sequence[str], findings: Mapping[str, str]) -> Disease:
    """A heart with exactly these statements.

    Raises:
        ValueError: a statement or finding the simulator does not know.
    """
    for code in statements:
        _check_code(code)
    for key, value in findings.items():
        if value not in FINDINGS.get(key, ()):
            raise ValueError(f"finding {key}={value!r} is unknown; known: {FINDINGS.get(key, tuple(FINDINGS))}")
    return _finish(rng, list(dict.fromkeys(statements)), findings, pinned=True)


def _finish(rng: np.random.Generator, codes: list[str], findings: Mapping[str, str], *, pinned: bool) -> Disease:
    codes = _compatible(codes, pinned)
    severity = {c: float(np.clip(rng.normal(1.15, 0.3), 0.5, 2.0)) for c in codes}
    details = dict(findings)
    if set(codes) & set(INFARCTS):
        details.setdefault("infarct", FINDINGS["infarct"][int(np.searchsorted([0.82, 0.92], rng.random()))])
    for code, choices in FINDINGS.items():
        if code in codes and code != "infarct":
            first = rng.random() < 0.6
            details.setdefault(code, choices[0] if first else choices[1 + int(rng.integers(len(choices) - 1))])
    wall = next((INFARCTS[c] for c in codes if c in INFARCTS), None)
    extent = float(np.clip(rng.normal(0.20, 0.09), 0.05, 0.45)) if wall else 0.0
    return Disease(tuple(codes), severity, details, wall, extent, pinned)


#: Statements that need organised atrial activity.
_NEEDS_P = ("1AVB", "LPR", "PAC", "SVARR", "LAO/LAE", "RAO/RAE", "2AVB", "SVTAC", "PSVT")
#: Statements nobody makes when the left ventricle is excited from the right.
_HIDDEN_BY_WIDE_QRS = ("LVH", "VCLVH", "LAFB", "QWAVE", "IRBBB", "WPW", "IVCD", "ABQRS")


def _compatible(codes: list[str], pinned: bool) -> list[str]:
    """Drops what cannot be seen together; pinned statements are kept as far as the signal can show them."""
    found = list(dict.fromkeys(codes))
    if "AFIB" in found or "AFLT" in found:
        found = [c for c in found if c not in _NEEDS_P]
    if "AFIB" in found:
        found = [c for c in found if c != "AFLT"]
    if not pinned and ("CLBBB" in found or "PACE" in found):
        hidden = {*INFARCTS, *_HIDDEN_BY_WIDE_QRS} | ({"CRBBB"} if "PACE" in found else set())
        found = [c for c in found if c not in hidden and c not in _REPOLARISATION]
        if "PACE" in found:
            found = [c for c in found if c != "CLBBB"]
    return found
