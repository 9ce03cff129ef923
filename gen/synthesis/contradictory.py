"""Requests that exclude themselves: a normal ECG with atrial fibrillation, a tachycardia of 50 bpm."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gen.records import InputError
from gen.text import contradictions, read_text


def lines(values: Mapping[str, Any]) -> list[str]:
    """One line for each contradiction in a request, its text beside its numbers."""
    text = values.get("text")
    if not text:
        return []
    read = read_text(text)
    given = {name: value for name, value in values.items() if name not in ("text", "sex")}
    return contradictions(replace(read, numbers={**read.numbers, **given}))


def refuse(values: Mapping[str, Any]) -> None:
    """Raises `InputError` where a request excludes itself."""
    found = lines(values)
    if found:
        raise InputError(
            f"contradiction: {'; '.join(found[:3])}; ask for one of them, or go on all the same with "
            "--allow-contradictions (the metadata says so)"
        )
