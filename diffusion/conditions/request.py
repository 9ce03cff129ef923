"""What a caller asks of the generator: settings of sampling, and conditions checked and put into words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diffusion.conditions.condition import QUANTITIES, Condition
from gen.records import InputError
from gen.text import ReadText, read_text


def check_asked(conditions: Sequence[Condition], *, unconditional: bool = False, allow_unknown: bool = False) -> None:
    """Refuse requests that say nothing, and texts of which nothing was understood.

    Raises:
        InputError: with the words that were not understood.
    """
    for condition in conditions:
        if condition.text is not None and not allow_unknown:
            read = read_text(condition.text) if isinstance(condition.text, str) else condition.text
            words = ", ".join(read.unknown[:12])
            if read.empty and words:
                raise InputError(f"text not understood at all: {words}; --allow-unknown goes on all the same")
        if not unconditional and _says_nothing(condition):
            raise InputError(
                "nothing was asked for: give a text, age, sex or heart rate; "
                "to generate without any condition, say so (--unconditional, in Python unconditional=True)"
            )


def _says_nothing(condition: Condition) -> bool:
    if condition.is_empty:
        return True
    text = condition.text
    blank = isinstance(text, str) and not text.strip()
    return blank and replace(condition, text=None).is_empty


def report_of(condition: Condition) -> str | None:
    """The text asked for, as it was worded where that is known."""
    if isinstance(condition.text, ReadText):
        return ", ".join(s.text for s in condition.text.statements) or None
    return condition.text or None


def statements_of(condition: Condition) -> dict[str, float]:
    """Statements asked for: SCP-ECG code -> likelihood in percent."""
    if condition.text is None:
        return {}
    read = read_text(condition.text) if isinstance(condition.text, str) else condition.text
    found: dict[str, float] = {}
    for statement in read.statements:
        if not statement.negated:
            found[statement.code] = max(found.get(statement.code, 0.0), float(statement.likelihood))
    return found


def request_of(condition: Condition) -> dict[str, Any]:
    """What was asked for, as JSON values; numbers in the text count as asked for."""
    whole = condition.with_numbers_of_text()
    text = report_of(condition)
    asked: dict[str, Any] = {} if text is None else {"text": text}
    if condition.sex is not None:
        asked["sex"] = condition.sex
    return asked | {name: getattr(whole, name) for name in QUANTITIES if getattr(whole, name) is not None}


def conditions_of(prompt: Any, values: Mapping[str, Any]) -> list[Condition]:
    """One condition per prompt; values are one for all or one for each."""
    lists = {name: list(value) for name, value in values.items() if _is_many(value)}
    if _is_many(prompt):
        lists["prompt"] = list(prompt)
    sizes = {len(value) for value in lists.values()}
    if len(sizes) > 1 or 0 in sizes:
        counts = ", ".join(f"{name} {len(value)}" for name, value in lists.items())
        raise InputError(f"lists of different length ({counts}); expected one value for all, or one for each prompt")
    size = sizes.pop() if sizes else 1
    prompts = lists.pop("prompt", [prompt] * size)
    return [
        Condition(
            text=prompts[k] or None,
            **{name: lists[name][k] if name in lists else value for name, value in values.items()},
        )
        for k in range(size)
    ]


def _is_many(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
