"""Statements in words of our own, which the reader reads back as the same statements.

A recorded report is somebody's text: a set that is made like a recorded one asks for what its reports say, not with
their words. `worded` says it again in the descriptions of ``statements.csv``.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from gen.text.phrases import statements
from gen.text.reader import ReadText, StatementRead, read_text

#: Statements whose description says more than the reader takes, or is read as another one.
_WORDS = {
    "NDT": "nondiagnostic T abnormality", "ANEUR": "ventricular aneurysm", "EL": "electrolyte disturbance",
    "VCLVH": "voltage criteria for LVH", "LOWT": "flat T waves", "LVOLT": "low QRS voltage",
    "TAB_": "abnormal T waves", "PACE": "pacemaker rhythm", "BIGU": "bigeminy", "TRIGU": "trigeminy",
    "LAD": "left axis deviation", "ARAD": "extreme axis deviation", "AXIND": "indeterminate axis",
    "MI": "myocardial infarction", "INJ": "myocardial injury", "VH": "ventricular hypertrophy", "AVB": "AV block",
    "BBB": "bundle branch block", "FASC": "fascicular block", "UWAVE": "U waves",
    "RSTRANS": "displaced transition zone",
    "TACH": "tachycardia", "BRADY": "bradycardia", "ARRH": "arrhythmia", "ARTEF": "artefacts",
    "REVERSAL": "lead reversal", "QWAVE": "Q waves", "STD_": "ST depression", "STE_": "ST elevation",
    "INVT": "T wave inversion", "NT_": "nonspecific T changes", "BIPHT": "biphasic T waves", "QS": "QS complexes",
    "TPEAK": "peaked T waves", "PRWP": "poor R progression", "NST_": "nonspecific ST changes",
}  # fmt: skip
_DOUBT = {50: ("probable {}",), 35: ("possible {}",), 15: ("cannot rule out {}",)}
_NUMBERS = {
    "heart_rate": "heart rate {:g} bpm", "pr_ms": "PR {:g} ms", "qrs_ms": "QRS {:g} ms", "qt_ms": "QT {:g} ms",
    "qtc_ms": "QTc {:g} ms", "axis_deg": "axis {:g} degrees",
}  # fmt: skip


def worded(read: ReadText) -> str:
    """What a text was understood to say, in other words; unknown words are left out, and so is an age.

    Every statement is one that the reader reads back with its code, negation and likelihood; wall and acuity are kept
    where there are words for them. Empty where nothing was understood.
    """
    said = [_statement(statement.code, statement.negated, statement.likelihood, statement.location, statement.acuity)
            for statement in read.statements]  # fmt: skip
    said += [form.format(read.numbers[name]) for name, form in _NUMBERS.items() if name in read.numbers]
    return ". ".join(dict.fromkeys(text for text in said if text))


def words_of(codes: Iterable[str]) -> str:
    """The words for some statement codes, each stated with certainty; unknown codes are left out."""
    return worded(ReadText(tuple(StatementRead(code) for code in codes if code in statements())))


@cache
def _statement(code: str, negated: bool, likelihood: int, location: str | None, acuity: str | None) -> str:
    """The fullest wording that is read back rightly."""
    wanted = StatementRead(code, negated=negated, likelihood=likelihood, location=location, acuity=acuity)
    for place, age in ((location, acuity), (location, None), (None, acuity), (None, None)):
        target = replace(wanted, location=place, acuity=age)
        for text in _candidates(target):
            if _same(text, target):
                return text
    return ""


def _candidates(target: StatementRead) -> Iterable[str]:
    plain = statements()[target.code].description.partition("(")[0].partition(",")[0].strip()
    for name in dict.fromkeys((_WORDS.get(target.code, plain), plain, target.code)):
        placed = [name] if target.location is None else [name, f"{target.location} {name}", f"{name} {target.location}"]
        for text in placed:
            aged = text if target.acuity is None else f"{target.acuity} {text}"
            for form in ("no {}",) if target.negated else _DOUBT.get(target.likelihood, ("{}",)):
                yield form.format(aged)


def _same(text: str, target: StatementRead) -> bool:
    found = read_text(text)
    if found.unknown or found.numbers or len(found.statements) != 1:
        return False
    read = found.statements[0]
    doubt = target.negated or read.likelihood == target.likelihood
    return doubt and (read.code, read.negated) == (target.code, target.negated) and (
        (target.location is None or read.location == target.location) and read.acuity == target.acuity
    )  # fmt: skip
