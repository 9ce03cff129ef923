"""A wave: its kind and its three fiducials."""

from dataclasses import dataclass

#: Kinds of waves, in the order of the network's channels.
WAVES = ("P", "QRS", "T")


@dataclass(frozen=True)
class Wave:
    """One wave in one lead (or in all of them together).

    Attributes:
        kind: P, QRS or T.
        onset, peak, offset: seconds from the start of the record; NaN where not marked.
    """

    kind: str
    onset: float
    peak: float
    offset: float
