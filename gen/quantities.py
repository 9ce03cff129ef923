"""The numbers that an ECG can be asked for, once: unit, range, names in tables, and where they are measured."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """A numeric condition.

    Attributes:
        unit: of the number.
        low, high: accepted range.
        mean, scale: what a network scales it with; round figures near those of PTB-XL's training folds. They are part
            of a network's input and must not change under its weights.
        columns: further names of it in a table of conditions.
        measured: its name among the measured parameters of an ECG, where it is measured.
    """

    unit: str
    low: float
    high: float
    mean: float
    scale: float
    columns: tuple[str, ...] = ()
    measured: str | None = None


#: Names are those of a request, a table's column and a condition; the order is that of a network's input.
QUANTITIES: Mapping[str, Quantity] = {
    "age": Quantity("years", 0, 120, 60, 17, ("age_years",)),
    "heart_rate": Quantity("bpm", 20, 300, 75, 20, ("hr", "hr_bpm", "heart_rate_bpm", "bpm"), "hr_bpm"),
    "pr_ms": Quantity("ms", 60, 500, 160, 30, ("pr",), "pr_ms"),
    "qrs_ms": Quantity("ms", 40, 300, 95, 20, ("qrs",), "qrs_ms"),
    "qt_ms": Quantity("ms", 150, 800, 390, 40, ("qt",), "qt_ms"),
    "axis_deg": Quantity("degrees", -180, 180, 30, 45, ("axis", "qrs_axis"), "axis_deg"),
    "rms_mv": Quantity("mV", 0.005, 5, 0.22, 0.08, ("rms",)),
}
#: Quantity -> its name among the measured parameters of an ECG.
MEASURED: Mapping[str, str] = {name: q.measured for name, q in QUANTITIES.items() if q.measured is not None}

#: What is answered where a person's twin is asked for without a change.
NOTHING_CHANGED = (
    "nothing was asked for: give a text, a statement to add or remove, a rate or an age; "
    "or ask for another recording in the same condition (--same, in Python same=True)"
)
#: What is answered where a generator is asked for nothing.
NOTHING_ASKED = (
    "nothing was asked for: give a text, age, sex or heart rate; "
    "to generate without any condition, say so (--unconditional, in Python unconditional=True)"
)
