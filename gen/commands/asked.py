"""Numbers and sex that a command is asked for are checked before anything heavy is imported."""

from collections.abc import Mapping
from typing import Any

from gen.errors import InputError
from gen.quantities import QUANTITIES


def check_asked(asked: Mapping[str, Any]) -> None:
    """Refuse what no ECG can have.

    Args:
        asked: name of a condition -> value.

    Raises:
        InputError: out of range.
    """
    for name, value in asked.items():
        known = QUANTITIES.get(name)
        if known is not None and not known.low <= value <= known.high:
            raise InputError(f"{name} {value:g}: expected {known.low:g} to {known.high:g} {known.unit}")
    sex = asked.get("sex")
    if sex is not None and sex not in ("F", "M"):
        raise InputError(f"sex {sex!r}: expected one of F, M, or none")
