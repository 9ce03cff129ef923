"""What follows from statements without being said, kept apart from what was read; and contradictions among them.

Policy. Only what the words say is a statement: "acute inferior infarction" is IMI (acute), "sinus tachycardia" STACH,
"LBBB" and "RBBB" without more are the complete blocks, "LV strain" is STRAIN and not LVH, "left axis deviation" is LAD
and not LAFB, a prolonged PR interval is LPR and not 1AVB. One code is implied: a report that names a sinus rhythm and
nothing abnormal says NORM. (On PTB-XL's training folds further ones, such as LAD -> LAFB or STRAIN -> LVH, were wrong
more often than right.)
"""

from gen.text.phrases import rhythms, statements
from gen.text.reader import ReadText

SINUS = rhythms("sinus")
_NORMAL_TOO = SINUS | {"NORM", "MID", "AXL", "AXR", "BORD"}


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
    listed = {(a, b) for a, row in statements().items() for b in row.excludes}
    found = [f"{_name(a)} with {_name(b)}" for a, b in sorted(listed) if a in codes and b in codes]
    found += [
        f"{_name(sinus)} with {_name(other)}"
        for sinus in sorted(codes & SINUS)
        for other in sorted(codes & _no_sinus())
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
    against += sorted(codes & (_no_sinus() | {"PACE"}))
    return [f"{_name('NORM')} with {_name(code)}" for code in against]


#: Said beside "otherwise normal ECG" every day.
_MINOR = frozenset({"IRBBB", "NDT", "NST_", "1AVB", "LNGQT", "IVCD", "LAFB", "STRAIN", "EL"})


#: A rate contradicts a word from so far beyond the word's limit on: reports round, and rates vary.
_TOLERANCE_BPM = 10.0


def _no_sinus() -> frozenset[str]:
    """Rhythms that sinus rhythm excludes; beside a pacemaker and AV block the atria may be in sinus rhythm."""
    return rhythms("main", "other") - {"PACE", "2AVB", "3AVB"}


def _against_rate(codes: set[str], rate: float) -> list[str]:
    """Tachycardias that are slow, and bradycardias that are fast."""
    table = statements()
    limits = {code: row.rate for code, row in table.items() if code in codes and row.rate is not None}
    slow = [c for c, limit in limits.items() if limit.low >= 100 and rate < limit.low - _TOLERANCE_BPM]
    fast = [c for c, limit in limits.items() if limit.high <= 60 and rate > limit.high + _TOLERANCE_BPM]
    return [f"{_name(code)} with {rate:g} bpm" for code in sorted(slow) + sorted(c for c in fast if c != "3AVB")]


def _against_numbers(codes: set[str], numbers: dict[str, float]) -> list[str]:
    found = _against_rate(codes, numbers["heart_rate"]) if "heart_rate" in numbers else []
    checks = (
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
