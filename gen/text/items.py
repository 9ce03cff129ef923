"""One statement as it was read from a report."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Item:
    """A phrase that was found: a statement or a modifier."""

    kind: str  #: 'statement', 'wall', 'leads', 'noise', ',', '.' or a modifier's name in lower case
    value: str
    start: int
    end: int
    leads: tuple[str, ...] = ()
    locations: list[str] = field(default_factory=list)
    negated: bool = False
    likelihood: int = 100
    acuity: str | None = None
    assumed: bool = False  #: the acuity is that of an abbreviation ("STEMI") and gives way to "old"
