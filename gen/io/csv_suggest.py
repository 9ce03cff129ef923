"""What the columns of a CSV file seem to be by their names and numbers: an example for a message, never a reading."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from gen.io.channels import PLACEHOLDER, is_unnamed_ecg, lead_names, nearest_leads
from gen.io.csv_layout import TIME_NAME, is_time_or_index
from gen.records import InputError

#: Fewer rows say nothing about what a column is.
_FEWEST_ROWS = 16
#: A counter that lost packets or starts anew still steps by one nearly always.
_STEPS_OF_ONE = 0.8
#: Columns of other sensors, and of recorders about themselves.
_OTHER = re.compile(
    r"(acc|accel|gyro|mag|resp|temp|eda|ppg|spo2|emg|eeg|eog|marker|event|trigger|other|analog|digital|battery|status)"
    r"(?![a-z]*ecg).*",
    re.IGNORECASE,
)


def is_counter(samples: np.ndarray) -> bool:
    """Whether a column (row,) counts up by one, from wherever and however often it starts anew."""
    if samples.size < _FEWEST_ROWS or not np.isfinite(samples).all():
        return False
    steps = np.diff(samples)
    if (samples[:_FEWEST_ROWS] % 1).any() or not (steps % 1 == 0).all() or (steps == 1).mean() < _STEPS_OF_ONE:
        return False
    back = samples[1:][steps < 0]
    return bool((steps != 0).all() and (back.size == 0 or (back <= samples.min() + 2).all()))


def suggested(names: Sequence[str] | None, columns: Sequence[Callable[[], np.ndarray]], leads: Sequence[int]) -> str:
    """What to give to ``--columns``: leads where names say them, times, ``-``, and `PLACEHOLDER` for the rest.

    Args:
        names: of all columns of the file, or None.
        columns: for each, what gives its numbers (row,) or raises `InputError`.
        leads: numbers of the columns that may be leads.
    """
    said = list(names) if names is not None else [""] * len(columns)
    found: list[str | None] = [
        _by_name(name) if names is not None and number not in leads else _by_numbers(columns[number])
        for number, name in enumerate(said)
    ]
    known = lead_names(said)
    ecg = [k for k in leads if found[k] is None and is_unnamed_ecg(said[k])]
    for k in leads:
        other = _OTHER.fullmatch(said[k].strip()) or (ecg and k not in ecg)
        if found[k] is None and other and not known[k]:
            found[k] = "-"
    open_ = [k for k in leads if found[k] is None and not known[k]]
    if not open_ and not any(known):  # none looks like an ECG, and one has to be
        open_ = list(leads)
    near = [PLACEHOLDER] * len(open_) if any(known) else nearest_leads([said[k] for k in open_])
    for k, lead in zip(open_, near, strict=True):
        found[k] = lead
    return ",".join(found[k] or known[k] or "-" for k in range(len(said)))


def _by_name(name: str) -> str:
    """``time`` or ``time_ms`` for a column of times, ``-`` for one that is passed over."""
    match = TIME_NAME.fullmatch(name.strip().lower())
    if match is None or not is_time_or_index(name):
        return "-"
    return f"time_{match[1]}" if match[1] else "time"


def _by_numbers(column: Callable[[], np.ndarray]) -> str | None:
    """What numbers show that are no lead's; None where they may be one."""
    try:
        samples = column()
    except InputError:
        return "-"  # text
    if samples.size < _FEWEST_ROWS:
        return None
    if is_counter(samples):
        return "-"
    if (np.diff(samples) > 0).all():
        return "time"
    return "-" if len(np.unique(samples[np.isfinite(samples)])) <= 2 else None
