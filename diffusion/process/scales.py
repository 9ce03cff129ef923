"""How strongly conditions are followed, as it is asked for; apart from what computes it, and free of torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from diffusion.conditions.condition import GROUPS
from gen.errors import InputError

#: Order in which groups are added; text is understood given everything else.
CHAIN = ("rate", "patient", "shape", "reference", "text")
#: The group that is no part of a `Condition`: the identity embedding.
REFERENCE = "reference"


@dataclass(frozen=True)
class Guidance:
    """How strongly conditions are followed.

    Attributes:
        scales: group of `GROUPS` -> scale; 1 is the network's own conditional prediction, 0 leaves the group out.
        rescale: 0 to 1, how far the spread of the guided prediction is brought back to that of the conditional one
            (Lin et al. 2023, "Common diffusion noise schedules").
        interval: part of the way from data (0) to noise (1) in which guidance acts; outside of it all scales are 1
            (Kynkäänniemi et al. 2024).
    """

    scales: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(GROUPS, 1.0))
    rescale: float = 0.0
    interval: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(
        cls,
        scale: float | Mapping[str, float] = 1.0,
        rescale: float = 0.0,
        interval: tuple[float, float] = (0.0, 1.0),
    ) -> "Guidance":
        """From one scale for all groups, or some groups' scales (the others' is 1).

        Raises:
            InputError: an unknown group, a scale that is not 0 to 50, or another setting out of its range.
        """
        given = dict(scale) if isinstance(scale, Mapping) else dict.fromkeys(GROUPS, float(scale))
        for name, value in given.items():
            if name not in GROUPS and name != REFERENCE:
                raise InputError(f"guidance of {name!r}: expected a group of {', '.join((*GROUPS, REFERENCE))}")
            if not (isfinite(value) and 0 <= value <= 50):
                raise InputError(f"guidance scale {value:g}: expected 0 to 50")
        low, high = interval
        if not 0 <= low < high <= 1:
            raise InputError(f"guidance interval {low:g} to {high:g}: expected within 0 to 1, the lower end first")
        if not 0 <= rescale <= 1:
            raise InputError(f"guidance rescale {rescale:g}: expected 0 to 1")
        scales = {name: float(given.get(name, 1.0)) for name in GROUPS}
        if REFERENCE in given:
            scales[REFERENCE] = float(given[REFERENCE])
        return cls(scales, float(rescale), (float(low), float(high)))

    def as_dict(self) -> dict[str, object]:
        """JSON values."""
        return {"scales": dict(self.scales), "rescale": self.rescale, "interval": list(self.interval)}


def scales_of(text: str) -> float | dict[str, float]:
    """Scales as a command line words them: ``3``, or ``text=4,rate=2``.

    Raises:
        InputError: neither of the two.
    """
    try:
        if "=" not in text:
            return float(text)
        pairs = (part.split("=", 1) for part in text.split(","))
        return {name.strip(): float(value) for name, value in pairs}
    except ValueError as error:
        raise InputError(f"--guidance {text}: expected a number, or groups such as text=4,rate=2") from error
