"""What rhythm is asked for: statements, rate, age and PR, checked against each other."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from gen.records import InputError
from gen.text import ReadText, read_text
from gen.text.phrases import statements

#: Mechanisms in the order in which they claim a request, with the statements that name them and the ventricular rates
#: that they can have, bpm.
MECHANISMS: dict[str, tuple[frozenset[str], float, float]] = {
    "ventricular tachycardia": (frozenset({"VT", "WCT"}), 90.0, 300.0),
    "pacing": (frozenset({"PACE"}), 40.0, 160.0),
    "complete block": (frozenset({"3AVB"}), 20.0, 75.0),
    "fibrillation": (frozenset({"AFIB"}), 25.0, 240.0),
    "flutter": (frozenset({"AFLT"}), 35.0, 340.0),
    "second degree block": (frozenset({"2AVB"}), 25.0, 130.0),
    "supraventricular tachycardia": (frozenset({"SVTAC", "PSVT"}), 90.0, 300.0),
    "junctional tachycardia": (frozenset({"JTACH"}), 60.0, 200.0),
    "idioventricular": (frozenset({"IVR"}), 20.0, 120.0),
    "junctional": (frozenset({"JR", "ESC"}), 25.0, 110.0),
    "sinus": (frozenset({"SR", "STACH", "SBRAD", "SARRH"}), 20.0, 240.0),
}
#: What cannot be in one rhythm; certain statements only.
_EXCLUSIVE = (
    ({"AFIB", "AFLT", "VT", "SVTAC", "PSVT"}, {"1AVB", "LPR", "SPR", "2AVB"}),
    ({"AFIB", "AFLT"}, {"SR", "STACH", "SBRAD", "SARRH", "SVTAC", "PSVT", "VT"}),
    ({"3AVB"}, {"STACH", "SVTAC", "PSVT", "VT", "TACH", "RVR", "2AVB"}),
    ({"VT"}, {"SR", "STACH", "SBRAD", "BRADY"}),
    ({"STACH", "TACH", "SVTAC", "PSVT", "JTACH", "ATACH", "VT", "RVR"}, {"SBRAD", "BRADY", "SVR", "JR", "IVR", "SAB"}),
)
_NO_PR = frozenset({"AFIB", "AFLT", "VT", "SVTAC", "PSVT", "3AVB"})
_STANDSTILL = re.compile(r"asystol|cardiac standstill|herzstillstand", re.IGNORECASE)
_FAST = frozenset({"STACH", "TACH", "SVTAC", "PSVT", "JTACH", "ATACH", "VT", "RVR", "WCT"})
BEYOND = ("refuse", "clip")


@dataclass(frozen=True, kw_only=True)
class RhythmRequest:
    """A rhythm.

    Attributes:
        codes: statements, of PTB-XL or our own (``gen/text/statements.csv``).
        heart_rate: mean ventricular rate, bpm; drawn from the mechanism's own rates where None.
        age: years; 60 where None.
        pr_ms: PR interval; drawn where None.
        form: of second degree block: ``mobitz1``, ``mobitz2`` or ``2:1``; of complete block: ``junctional`` or
            ``ventricular`` escape; of pacing: ``dual`` or ``ventricular``. Drawn where None.
        conduction: flutter waves to a beat; from the rate where None.
        runs: premature ventricular beats come in runs.
        notes: what was changed so that it can be.

    Raises:
        InputError: a number out of its range.
    """

    codes: frozenset[str] = frozenset()
    heart_rate: float | None = None
    age: float | None = None
    pr_ms: float | None = None
    form: str | None = None
    conduction: int | None = None
    runs: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", frozenset(self.codes))
        if self.heart_rate is not None and not 10 <= self.heart_rate <= 400:
            raise InputError(f"heart rate {self.heart_rate:g} bpm: expected 10 to 400")
        if self.pr_ms is not None and not 50 <= self.pr_ms <= 600:
            raise InputError(f"PR interval {self.pr_ms:g} ms: expected 50 to 600")

    @classmethod
    def of(
        cls,
        text: "str | ReadText | Iterable[str] | None" = None,
        *,
        heart_rate: float | None = None,
        age: float | None = None,
        pr_ms: float | None = None,
        beyond: str = "refuse",
    ) -> "RhythmRequest":
        """The request that a text and numbers make.

        Args:
            text: findings, read or as words, or codes of statements; numbers in it count where none is given.
            heart_rate, age, pr_ms: see the class.
            beyond: ``refuse`` raises where statements contradict each other or a rhythm cannot have a rate; ``clip``
                keeps the mechanism that claims first, brings the rate to the nearest it can have, and notes it.

        Raises:
            InputError: with both sides of the contradiction in one line.
        """
        if beyond not in BEYOND:
            raise InputError(f"beyond {beyond!r}: expected one of {', '.join(BEYOND)}")
        words, details, read = "", "", None
        if isinstance(text, str):
            words, read = text.lower(), read_text(text)
            details = words
        elif isinstance(text, ReadText):
            words, read = " ; ".join(s.text for s in text.statements).lower(), text
            # Each statement keeps its first words alone, and "second degree AV block, Mobitz II" says more behind them.
            details = words if text.wording is None else text.wording.lower()
        if read is not None:
            codes, certain = frozenset(read.codes()), frozenset(read.codes(possible=False))
            heart_rate = heart_rate if heart_rate is not None else read.numbers.get("heart_rate")
            pr_ms = pr_ms if pr_ms is not None else read.numbers.get("pr_ms")
            age = age if age is not None else read.numbers.get("age")
        else:
            assert not isinstance(text, str | ReadText)
            codes = certain = frozenset(text or ())
        if _STANDSTILL.search(words) or "VFIB" in certain:
            first = "asystole" if _STANDSTILL.search(words) else "ventricular fibrillation"
            fast = next((_name(c) for c in sorted(codes & _FAST)), None)
            raise InputError(
                f"{first} with {fast}: contradict each other" if fast else f"{first}: has no beats to draw"
            )
        request = cls(codes=codes, heart_rate=heart_rate, age=age, pr_ms=pr_ms, **_details(details, codes))
        return request.checked(certain, beyond)

    @property
    def mechanism(self) -> str:
        """Of `MECHANISMS`; sinus where none is named."""
        return next((name for name, (named, _, _) in MECHANISMS.items() if named & self.codes), "sinus")

    def checked(self, certain: "frozenset[str] | None" = None, beyond: str = "refuse") -> "RhythmRequest":
        """The same, as far as it can be; see `of`."""
        problems = list(_contradictions(self.codes if certain is None else certain, self))
        if problems and beyond == "refuse":
            raise InputError(f"{problems[0]}: contradict each other")
        request, notes = self, list(problems)
        if self.pr_ms is not None and self.codes & _NO_PR and self.mechanism != "pacing":
            request = replace(request, pr_ms=None)
        _, low, high = MECHANISMS[self.mechanism]
        if self.heart_rate is not None and not low <= self.heart_rate <= high:
            said = f"{_said(self)} at {self.heart_rate:g} bpm: has {low:g} to {high:g} bpm"
            if beyond == "refuse":
                raise InputError(said)
            notes.append(said)
            request = replace(request, heart_rate=min(max(self.heart_rate, low), high))
        return replace(request, notes=(*self.notes, *notes)) if notes else request


def _said(request: RhythmRequest) -> str:
    named = MECHANISMS[request.mechanism][0] & request.codes
    return _name(min(named)) if named else request.mechanism


def _name(code: str) -> str:
    known = statements().get(code)
    return f"{known.description} ({code})" if known else code


def _contradictions(certain: frozenset[str], request: RhythmRequest) -> Iterable[str]:
    for first, second in _EXCLUSIVE:
        for a in sorted(first & certain):
            for b in sorted(second & certain):
                # Paced hearts fibrillate, and fibrillation may meet a complete block.
                yield f"{_name(a)} with {_name(b)}"
    if request.pr_ms is not None and "PACE" not in certain:
        for a in sorted(_NO_PR & certain):
            yield f"{_name(a)} with a PR interval of {request.pr_ms:g} ms"


def _details(words: str, codes: frozenset[str]) -> dict[str, Any]:
    """What the words say beyond the codes."""
    found: dict[str, Any] = {"runs": bool(re.search(r"\b(runs?|salves?|salven?|nsvt|triplets?)\b", words))}
    ratio = re.search(r"\b([2-6])\s*(?::|to|zu)\s*1\b", words)
    if "2AVB" in codes:
        if re.search(r"wen[ck]+ebach|wenkeback|mobitz\s*(typ\w*\s*)?(1|i)\b", words):
            found["form"] = "mobitz1"
        elif re.search(r"mobitz\s*(typ\w*\s*)?(2|ii)\b", words):
            found["form"] = "mobitz2"
        elif ratio and ratio[1] == "2":
            found["form"] = "2:1"
    elif "3AVB" in codes:
        if re.search(r"jun[ck]tion|nodal|knoten", words):
            found["form"] = "junctional"
        elif re.search(r"(ventri[ck]ul|kammer)\w*\s*(escape|ersatz)|idioventri", words):
            found["form"] = "ventricular"
    elif "AFLT" in codes and ratio:
        found["conduction"] = int(ratio[1])
    elif "PACE" in codes:
        if re.search(r"\bddd|dual|av[- ]sequen|sequenti", words):
            found["form"] = "dual"
        elif re.search(r"\bvvi|ventri[ck]ul\w* (paced|pacing|pacemaker|schrittmacher)", words):
            found["form"] = "ventricular"
    return found
