"""A sample that was not made, in the place of its record."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """Why a sample was not made.

    Attributes:
        reason: in one line.
        tries: how often it was drawn.
    """

    reason: str
    tries: int = 1
