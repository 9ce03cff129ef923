"""Conditions of a generated ECG: what can be asked for. Their tensors are in `diffusion.conditions.batch`.

Free of torch: what cannot be asked for is refused before it is loaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import isfinite

from gen.datasets.groups import not_understood
from gen.errors import InputError
from gen.quantities import NOTHING_ASKED, QUANTITIES
from gen.text import ReadText, read_text

SEXES = ("F", "M")
#: Where an ECG comes from; 0 in a batch means "not said". Generation asks for "recorded".
SOURCES = ("recorded", "simulated")


#: What is left out together, in training and in guidance.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "text": ("text",),
    "patient": ("age", "sex"),
    "rate": ("heart_rate",),
    "shape": ("pr_ms", "qrs_ms", "qt_ms", "axis_deg", "rms_mv"),
}


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One request; None leaves a part open.

    This is the door of a text: a string is read here, once, and numbers in it fill the parts they belong to (a number
    that is given on its own goes before one in the text).

    Attributes:
        text: report or statements, as they were read.
        age: years.
        sex: "F" or "M".
        heart_rate: mean ventricular rate in beats per minute.
        pr_ms, qrs_ms, qt_ms: intervals.
        axis_deg: frontal QRS axis.
        rms_mv: root mean square over the eight leads.
        source: of `SOURCES`, or None.

    Raises:
        InputError: a number out of its range (see `gen.quantities`), or an unknown sex or source.
    """

    text: ReadText | None = None
    age: float | None = None
    sex: str | None = None
    heart_rate: float | None = None
    pr_ms: float | None = None
    qrs_ms: float | None = None
    qt_ms: float | None = None
    axis_deg: float | None = None
    rms_mv: float | None = None
    source: str | None = "recorded"

    def __post_init__(self) -> None:
        if isinstance(self.text, str):
            object.__setattr__(self, "text", read_text(self.text))
        said = self.text.numbers if self.text is not None else {}
        for name, quantity in QUANTITIES.items():
            if getattr(self, name) is None and name in said:
                object.__setattr__(self, name, said[name])
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and quantity.low <= value <= quantity.high):
                raise InputError(f"{name} {value:g}: expected {quantity.low:g} to {quantity.high:g} {quantity.unit}")
        for name, known in (("sex", SEXES), ("source", SOURCES)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise InputError(f"{name} {value!r}: expected one of {', '.join(known)}, or none")

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked for (``source`` aside)."""
        return all(getattr(self, f.name) is None for f in fields(self) if f.name != "source")

    @property
    def words(self) -> ReadText | None:
        """The text without the numbers that a part of the condition stands for; None where nothing else is said.

        Numbers that no part stands for (QTc) stay.
        """
        if self.text is None:
            return None
        rest = {name: value for name, value in self.text.numbers.items() if name not in QUANTITIES}
        nothing_left = not (self.text.statements or rest or self.text.unknown)
        return None if nothing_left else replace(self.text, numbers=rest)

    def affirmed(self) -> "Condition":
        """The same request without the findings that its text denies.

        Few reports deny anything (25 of PTB-XL's 2,990), too few for a network to learn what a denial means: shown one,
        it draws the finding. A finding that is not asked for is as rare as it is in the training set.
        """
        if self.text is None:
            return self
        kept = tuple(s for s in self.text.statements if not s.negated)
        if len(kept) == len(self.text.statements):
            return self
        nothing_left = not (kept or self.text.numbers or self.text.unknown)
        return replace(self, text=None if nothing_left else replace(self.text, statements=kept, wording=None))


def check_request(conditions: Sequence[Condition], *, unconditional: bool = False, allow_unknown: bool = False) -> None:
    """Refuse requests that say nothing, and texts of which nothing was understood.

    Raises:
        InputError: with the words that were not understood.
    """
    for condition in conditions:
        if condition.text is not None and not allow_unknown:
            words = not_understood(condition.text)
            if condition.text.empty and words:
                raise InputError(f"text not understood at all: {words}; --allow-unknown goes on all the same")
        if not unconditional and _says_nothing(condition):
            raise InputError(NOTHING_ASKED)


def _says_nothing(condition: Condition) -> bool:
    blank = condition.text is None or (condition.text.empty and not condition.text.unknown)
    return blank and replace(condition, text=None).is_empty
