"""What follows from statements without being said, kept apart from what was read; and contradictions among them.

Policy. Only what the words say is a statement: "acute inferior infarction" is IMI (acute), "sinus tachycardia" STACH,
"LBBB" and "RBBB" without more are the complete blocks, "LV strain" is STRAIN and not LVH, "left axis deviation" is LAD
and not LAFB, a prolonged PR interval is LPR and not 1AVB. One code is implied: a report that names a sinus rhythm and
nothing abnormal says NORM. (On PTB-XL's training folds further ones, such as LAD -> LAFB or STRAIN -> LVH, were wrong
more often than right.)
"""

from gen.text.phrases import statements
from gen.text.reader import ReadText

SINUS = frozenset({"SR", "STACH", "SBRAD", "SARRH"})
_NO_SINUS = {"AFIB", "AFLT", "VFIB", "VT", "JR", "JTACH", "IVR", "EAR", "ATACH", "MAT", "SVTAC", "PSVT"}
_FAST, _SLOW = frozenset({"STACH", "SVTAC", "PSVT", "VT", "TACH", "RVR"}), frozenset({"SBRAD", "BRADY", "SVR"})
_NORMAL_TOO = SINUS | {"NORM", "MID", "AXL", "AXR", "BORD"}
#: Codes that cannot both hold in one ten-second ECG.
_EXCLUSIVE = (
    ("SR", "AFIB"), ("SR", "AFLT"), ("STACH", "SBRAD"), ("CLBBB", "CRBBB"), ("CLBBB", "ILBBB"), ("CRBBB", "IRBBB"),
    ("CLBBB", "LAFB"), ("LVOLT", "HVOLT"), ("LVOLT", "VCLVH"), ("LNGQT", "SQT"), ("LPR", "SPR"), ("1AVB", "3AVB"),
    ("LAD", "RAD"), ("MID", "LAD"), ("MID", "RAD"), ("HYPERK", "HYPOK"), ("1AVB", "SPR"), ("NORM", "ABNORM"),
)  # fmt: skip


def implied(read: ReadText) -> set[str]:
    """Codes that follow from what was read without being said."""
    codes = read.codes()
    table = statements()
    abnormal = {code for code in codes if "diagnostic" in table[code].kind} | (codes & {"ABNORM", "BORD"})
    return {"NORM"} if codes & SINUS and not abnormal else set()


def contradictions(read: ReadText) -> list[str]:
    """One line for each pair of certain statements, or statement and number, that exclude each other.

    Statements in doubt and negated ones contradict nothing, except that a code is both asserted and negated at the
    same place.
    """
    codes = read.codes(possible=False)
    found = [f"{_name(a)} with {_name(b)}" for a, b in _EXCLUSIVE if a in codes and b in codes]
    listed = set(_EXCLUSIVE)
    found += [
        f"{_name(sinus)} with {_name(other)}"
        for sinus in sorted(codes & SINUS)
        for other in sorted(codes & _NO_SINUS)
        if (sinus, other) not in listed and not (sinus == "SR" and other in ("SVTAC", "PSVT"))
    ]
    found += _against_normal(codes) + _against_numbers(codes, read.numbers)
    asserted = {(s.code, s.location) for s in read.statements if not s.negated and s.certainty == "certain"}
    negated = {(s.code, s.location) for s in read.statements if s.negated}
    found += [f"{_name(code)} both stated and negated" for code, _ in sorted(asserted & negated, key=str)]
    return list(dict.fromkeys(found))


def _against_normal(codes: set[str]) -> list[str]:
    table = statements()
    if "NORM" not in codes:
        return []
    against = sorted(c for c in codes - _NORMAL_TOO if "diagnostic" in table[c].kind and c not in _MINOR)
    against += sorted(codes & (_NO_SINUS | {"PACE"}))
    return [f"{_name('NORM')} with {_name(code)}" for code in against]


#: Said beside "otherwise normal ECG" every day.
_MINOR = frozenset({"IRBBB", "NDT", "NST_", "1AVB", "LNGQT", "IVCD", "LAFB", "STRAIN", "EL"})


def _against_numbers(codes: set[str], numbers: dict[str, float]) -> list[str]:
    found = []
    checks = (
        ("heart_rate", "bpm", _FAST, lambda v: v < 90),
        ("heart_rate", "bpm", _SLOW, lambda v: v > 70),
        ("pr_ms", "ms PR", frozenset({"LPR", "1AVB"}), lambda v: v < 190),
        ("pr_ms", "ms PR", frozenset({"SPR"}), lambda v: v > 130),
        ("qrs_ms", "ms QRS", frozenset({"CLBBB", "CRBBB", "WQRS"}), lambda v: v < 110),
        ("qtc_ms", "ms QTc", frozenset({"LNGQT"}), lambda v: v < 430),
        ("qtc_ms", "ms QTc", frozenset({"SQT"}), lambda v: v > 390),
        ("axis_deg", "degrees axis", frozenset({"LAD", "LAFB"}), lambda v: v > 0),
        ("axis_deg", "degrees axis", frozenset({"RAD", "LPFB"}), lambda v: -30 < v < 60),
    )
    for name, unit, concerned, wrong in checks:
        if name in numbers and wrong(numbers[name]):
            found += [f"{_name(code)} with {numbers[name]:g} {unit}" for code in sorted(concerned & codes)]
    return found


def _name(code: str) -> str:
    description = statements()[code].description
    return f"{description} ({code})"
