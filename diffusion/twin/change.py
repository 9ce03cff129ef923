"""A person's own condition, and the target condition that a change to it makes."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from diffusion.conditions.condition import Condition
from gen.datasets.groups import not_understood
from gen.quantities import MEASURED, NOTHING_CHANGED, QUANTITIES
from gen.records import EcgRecord, InputError
from gen.signals import rms_mv
from gen.text import ReadText, StatementRead, read_text, statements
from gen.text.phrases import rhythms, touching
from metrics.measurement.parameters import Parameters

#: Rhythms; one of them takes the place of another, and the rate is left open where none was asked for.
RHYTHMS = rhythms("sinus", "main")

#: Rates at rest of a sinus rhythm that comes in place of another rhythm.
SINUS_BPM = (60.0, 90.0)

#: Findings that come and go with the shape of QRS; with the others the complex is what it was.
_QRS_CHANGES = touching("qrs")
#: Findings that PR depends on.
_PR_CHANGES = touching("pr")

#: What a finding does to a person's voltage (`rms_mv`). Recordings of the training folds called LVH have 1.57 times the
#: voltage of normal ones.
VOLTAGE = {code: s.voltage_factor for code, s in statements().items() if s.voltage_factor is not None}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What should be different from the reference; None keeps it.

    Attributes:
        text: findings that take the place of all the person's own.
        add: findings that come to the person's own; a rhythm takes the place of the old one.
        remove: findings that go; where the rhythm goes, sinus rhythm comes.
        age: years.
        heart_rate: beats per minute.
        same: nothing; another recording in the person's own condition.
        numbers: further values of `QUANTITIES`.
    """

    text: str | None = None
    add: str | None = None
    remove: str | None = None
    age: float | None = None
    heart_rate: float | None = None
    same: bool = False
    numbers: tuple[tuple[str, float], ...] = ()

    @property
    def says_nothing(self) -> bool:
        """Whether no change is named."""
        texts = any(t and t.strip() for t in (self.text, self.add, self.remove))
        return not (texts or self.numbers) and self.age is None and self.heart_rate is None

    def checked(self, allow_unknown: bool = False) -> "Change":
        """The change itself.

        Raises:
            InputError: it names nothing, something and ``same`` together, or a text that was not understood at all.
        """
        if self.same and not self.says_nothing:
            raise InputError("--same: a change was asked for besides; give one of them")
        if self.says_nothing and not self.same:
            raise InputError(NOTHING_CHANGED)
        if self.text is not None and (self.add or self.remove):
            raise InputError("text replaces all findings; give it, or statements to add and remove")
        for name in ("text", "add", "remove"):
            value = getattr(self, name)
            read = read_text(value) if value else ReadText()
            if read.empty and read.unknown and not allow_unknown:
                raise InputError(f"{name} not understood at all: {not_understood(read)}")
        return self


def own_condition(record: EcgRecord, measured: Parameters, report: str | None = None) -> Condition:
    """What is known of a reference: its report or statements, the patient, and what was measured on it.

    Args:
        record: eight or twelve leads.
        measured: `Parameters` of it.
        report: goes before the record's own.
    """
    said = report or record.report or None
    text = read_text(said) if said else None
    if text is None and record.statements:
        text = ReadText(tuple(StatementRead(code) for code in record.statements))
    values: dict[str, float | None] = {name: getattr(measured, theirs) for name, theirs in MEASURED.items()}
    values["rms_mv"] = float(rms_mv(record.to_8().signal_mv[None], record.fs_hz)[0])
    values["age"] = record.patient.age
    known: dict[str, Any] = {name: _in_range(name, value) for name, value in values.items()}
    return Condition(text=text, sex=record.patient.sex, **known)


def target_condition(own: Condition, change: Change) -> Condition:
    """The condition asked for: the person's own where nothing is said against it.

    Where findings change, the intervals, the axis and the voltage that depend on them are left open: they follow from
    the findings and the person. The others stay: PR with a bundle branch block, the QRS complex with another rhythm.
    Findings that are about voltage change the person's own by what they usually do (`VOLTAGE`).
    A changed rhythm leaves the rate open too, but for sinus rhythm, which gets the nearest usual rate: where nothing
    is said of the rate, the network draws an irregular one. Where only the rate changes, QT does.

    Raises:
        InputError: a number is out of range.
    """
    if change.same:
        return own
    kept: dict[str, Any] = {name: getattr(own, name) for name in QUANTITIES}
    text, before = own.text, own.text or ReadText()
    if change.text or change.add or change.remove:
        text = edited(before, change.add, change.remove) if change.text is None else read_text(change.text)
        kept = dict.fromkeys(QUANTITIES) | {"age": own.age, "heart_rate": own.heart_rate}
        had, has = before.codes(), text.codes()
        if not (had ^ has) & _QRS_CHANGES:
            kept |= {name: getattr(own, name) for name in ("qrs_ms", "axis_deg", "rms_mv")}
        else:
            kept["rms_mv"] = _voltage(own.rms_mv, had, has)
        if not (had ^ has) & _PR_CHANGES:
            kept["pr_ms"] = own.pr_ms
        old, new = had & RHYTHMS, has & RHYTHMS
        if new - old or old - new - {"SR"}:
            kept["heart_rate"] = _sinus_rate(own.heart_rate) if new == {"SR"} else None
    if change.heart_rate is not None:
        kept |= {"heart_rate": change.heart_rate, "qt_ms": None}
    if change.age is not None:
        kept["age"] = change.age
    kept |= dict(change.numbers)
    return Condition(text=text, sex=own.sex, source=own.source, **kept)


def _voltage(own: float | None, before: set[str], after: set[str]) -> float | None:
    """Voltage after findings about it came or went; None, that is open, where none did."""
    factors = [VOLTAGE[code] for code in after - before if code in VOLTAGE]
    factors += [1 / VOLTAGE[code] for code in before - after if code in VOLTAGE]
    if own is None or not factors:
        return None
    known = QUANTITIES["rms_mv"]
    return float(np.clip(own * np.prod(factors), known.low, known.high))


def _sinus_rate(own: float | None) -> float:
    low, high = SINUS_BPM
    return (low + high) / 2 if own is None else min(max(own, low), high)


def edited(own: ReadText, add: str | None, remove: str | None) -> ReadText:
    """Statements after some came and others went."""
    gone = read_text(remove).codes() if remove else set()
    new = read_text(add) if add else ReadText()
    rhythm = new.codes() & RHYTHMS
    replaced = gone | new.codes() | (RHYTHMS if rhythm else set())
    kept = [s for s in own.statements if s.code not in replaced]
    if new.codes() - {"NORM"} - rhythm or rhythm - {"SR"}:  # no longer a normal ECG
        kept = [s for s in kept if s.code != "NORM"]
    statements = [*kept, *new.statements]
    if gone & RHYTHMS and not {s.code for s in statements} & RHYTHMS:
        statements.append(StatementRead("SR"))
    return ReadText(tuple(statements), dict(new.numbers))


def one_person(records: Iterable[EcgRecord]) -> None:
    """Raise `InputError` where records name different patients."""
    names = sorted({record.patient.id for record in records if record.patient.id is not None})
    if len(names) > 1:
        raise InputError(f"references of different people ({', '.join(names[:4])}); expected ECGs of one person")


def _in_range(name: str, value: float | None) -> float | None:
    known = QUANTITIES[name]
    if value is None or not isfinite(value) or not known.low <= value <= known.high:
        return None
    return float(np.float64(value))
