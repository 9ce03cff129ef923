"""A measured value with its interval, and groups of them: what evaluations give, cards keep and pages show."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

Better = Literal["lower", "higher", "reference"]
#: Digits that a figure without an interval is shown with, and those of an interval's half width.
_DIGITS, _DIGITS_OF_WIDTH = 3, 2


@dataclass(frozen=True)
class Value:
    """One figure.

    Attributes:
        value: None where it could not be measured.
        low, high: bounds of its 95 % interval, both or none.
        n: what it is a figure of: records, persons, beats.
        unit: of the value; empty for a number without one.
        better: which direction is good; ``reference`` is no result but what results are compared with.
        failed: of the n, how many could not be measured and do not enter.

    Raises:
        ValueError: not finite, only one bound, bounds the wrong way round, a negative count or an unknown direction.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = ""
    better: Better | None = None
    failed: int | None = None

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        for name in ("n", "failed"):
            object.__setattr__(self, name, whole(name, getattr(self, name)))
        if (self.low is None) != (self.high is None):
            raise ValueError(f"low {self.low}, high {self.high}: expected both bounds or none")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        if self.better is not None and self.better not in get_args(Better):
            raise ValueError(f"better {self.better!r}: expected one of {', '.join(get_args(Better))}")
        if not isinstance(self.unit, str):
            raise ValueError(f"unit {self.unit!r}: expected text")

    @classmethod
    def of(cls, found: Any, *, unit: str = "", better: Better | None = None, n: int | None = None) -> "Value":
        """A value from what measures give: an interval object, a mapping, ``[value, low, high]``, a number or None.

        Args:
            found: attributes or keys ``value``, ``low``, ``high`` and, where they exist, ``n`` and ``failed``. What is
                not finite counts as not measurable.
            unit, better: of the value.
            n: where ``found`` does not say.
        """
        if found is None or isinstance(found, int | float) or getattr(found, "ndim", None) == 0:
            return cls(_finite(found), n=n, unit=unit, better=better)
        if isinstance(found, Sequence):
            found = dict(zip(("value", "low", "high"), found, strict=True))
        if not isinstance(found, Mapping):
            found = {name: getattr(found, name, None) for name in ("value", "low", "high", "n", "failed")}
        low, high = _finite(found.get("low")), _finite(found.get("high"))
        if low is None or high is None:
            low = high = None
        known = found.get("n")
        return cls(_finite(found["value"]), low, high, n if known is None else known, unit, better, found.get("failed"))

    def as_dict(self) -> dict[str, Any]:
        """JSON values; what is not known is left out, numbers have six significant digits."""
        numbers = {name: getattr(self, name) for name in ("low", "high") if getattr(self, name) is not None}
        out: dict[str, Any] = {name: _six(number) for name, number in {"value": self.value, **numbers}.items()}
        if self.n is not None:
            out["n"] = self.n
        out |= {name: getattr(self, name) for name in ("unit", "better", "failed") if getattr(self, name)}
        return out

    def __str__(self) -> str:
        """``value [low, high]``, as many digits as the interval leaves certain."""
        if self.value is None:
            return "–"
        if self.low is None or self.high is None:
            return _plain(self.value)
        decimals = _decimals(self.value, self.high - self.low)
        return f"{_fixed(self.value, decimals)} [{_fixed(self.low, decimals)}, {_fixed(self.high, decimals)}]"


#: What stands in a group: a value, words (a criterion, the name of a network), or a group.
Node: TypeAlias = "Value | str | Mapping[str, Node]"
Group: TypeAlias = Mapping[str, Node]


def check_group(group: Any, where: str) -> None:
    """Raise ValueError unless this is a group of named values, groups and words."""
    if not isinstance(group, Mapping) or not group:
        raise ValueError(f"{where}: expected a group of named values")
    for name, node in group.items():
        if not isinstance(name, str) or not name.strip() or "\n" in name or name == "value":
            raise ValueError(f"{where}: name {name!r}; expected one line of text that is not 'value'")
        if isinstance(node, Mapping):
            check_group(node, f"{where}/{name}")
        elif not isinstance(node, Value | str):
            raise ValueError(f"{where}/{name}: {type(node).__name__}; expected a value, words or a group")


def flat(group: Group, prefix: str = "") -> Iterator[tuple[str, Value]]:
    """(path, value) of every value in a group, names joined by ``/``."""
    for name, node in group.items():
        if isinstance(node, Value):
            yield prefix + name, node
        elif not isinstance(node, str):
            yield from flat(node, f"{prefix}{name}/")


def group_as_dict(group: Group) -> dict[str, Any]:
    """A group as JSON values."""

    def plain(node: Node) -> Any:
        return node.as_dict() if isinstance(node, Value) else node if isinstance(node, str) else group_as_dict(node)

    return {name: plain(node) for name, node in group.items()}


def group_from_dict(found: Any, where: str) -> Node:
    """A group (or what stands in one) from JSON values.

    Raises:
        ValueError: a part does not belong there; ``where`` is named.
    """
    if isinstance(found, str):
        return found
    if not isinstance(found, Mapping):
        raise ValueError(f"{where}: {type(found).__name__}; expected a value, words or a group")
    if "value" in found and not isinstance(found["value"], Mapping):
        try:
            return Value(**found)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {error}") from error
    return {str(name): group_from_dict(node, f"{where}/{name}") for name, node in found.items()}


def _number(name: str, number: Any) -> float | None:
    if number is None:
        return None
    try:
        out = float(number)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} {number!r}: expected a number or null") from error
    if isinstance(number, str | bool) or not math.isfinite(out):
        raise ValueError(f"{name} {number!r}: expected a finite number or null")
    return out


def whole(name: str, count: Any) -> int | None:
    """A count or None; raises ValueError for anything else."""
    if count is None:
        return None
    if isinstance(count, bool) or not hasattr(count, "__index__") or count < 0:
        raise ValueError(f"{name} {count!r}: expected a whole number, 0 or more")
    return int(count)


def _finite(number: Any) -> float | None:
    return None if number is None or not math.isfinite(number) else float(number)


def _six(number: float | None) -> float | int | None:
    if number is None:
        return None
    short = float(f"{number:.6g}")
    return int(short) if short.is_integer() and abs(short) < 1e6 else short


def _plain(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return _fixed(value, _decimals(value, None))


def _decimals(value: float, width: float | None) -> int:
    """Decimals that show `_DIGITS` digits of a value, or `_DIGITS_OF_WIDTH` of half its interval's width."""
    size, digits = (abs(value), _DIGITS) if not width else (width / 2, _DIGITS_OF_WIDTH)
    return 0 if size == 0 else max(0, digits - 1 - math.floor(math.log10(size)))


def _fixed(value: float, decimals: int) -> str:
    if decimals > 8:
        return f"{value:.{_DIGITS}g}"
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text
