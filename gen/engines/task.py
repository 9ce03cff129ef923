"""What engines hand out: numbers of blocks, to whatever makes the block of a number."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gen import registry

#: Told how much of a block is done.
Tell = Callable[[int], None]
#: Makes the block of a number, whole or not at all; nothing where it is there already.
Make = Callable[[int, Tell], None]


@dataclass(frozen=True)
class Task:
    """How a process of its own, here or on another machine, comes by the same `Make`.

    Attributes:
        target: ``package.module:NAME`` of a function.
        arguments: its keyword arguments, as JSON values.
    """

    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def open(self) -> Make:
        """Load whatever it takes, such as weights."""
        made: Make = registry.get("", self.target)(**self.arguments)
        return made
