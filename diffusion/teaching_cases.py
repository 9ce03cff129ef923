"""What teaching cases are asked for: a table of conditions that name findings. Free of torch."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusion.conditions.condition import Condition, check_request
from gen.errors import InputError
from gen.synthesis import TableRequests, read_table

#: Rare findings, where no table is given.
CONDITIONS = Path(__file__).with_name("requests_rare.csv")


def requests_of(path: Path, number: int = 1) -> TableRequests:
    """Every row of a table of conditions, ``number`` times.

    Raises:
        InputError: not readable, or a row that cannot be asked for or names no finding.
    """
    if number < 1:
        raise InputError(f"-n {number}: expected at least 1")
    table = read_table(path, check=_check)
    if table.bad:
        raise InputError(table.bad[0])
    return replace(table, count=number * table.total)


def _check(values: Mapping[str, Any]) -> None:
    condition = Condition(**values)
    check_request([condition])
    if condition.text is None or all(each.negated for each in condition.text.statements):
        raise InputError(f"text {values.get('text', '')!r} names no finding; accepted: such as 'atrial flutter'")
