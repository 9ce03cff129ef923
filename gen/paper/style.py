"""What differs from printer to printer and from patient to patient: ink, grid, and an invented header."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

#: Invented people: no name stands for anybody.
_GIVEN = {
    "F": ("Ada", "Britta", "Chiara", "Danuta", "Elif", "Farida", "Greta", "Hanna", "Ines", "Jun", "Karin", "Lucia"),
    "M": ("Aldo", "Bram", "Cem", "Dario", "Emil", "Farouk", "Goran", "Henk", "Ivo", "Jonas", "Kenji", "Luis"),
}
_FAMILY = (
    "Abelund", "Brovanni", "Castelmar", "Dorszek", "Ekerholm", "Fontarel", "Grueter", "Hasmundar", "Illavere",
    "Jovandic", "Kesselbrink", "Lindavar", "Moravel", "Nakashiro", "Ostrevo", "Pellandini", "Quistorf", "Rasmunde",
)  # fmt: skip
_PLACES = ("Northfield General", "St Oswin Clinic", "Klinikum Talbach", "Ospedale Montesole", "Harbour Heart Centre")
_GRIDS = (
    ((205, 200, 255), (170, 160, 245)),  # red, as most thermal paper; colours are blue, green, red
    ((215, 205, 240), (185, 165, 225)),
    ((190, 215, 250), (150, 185, 240)),  # orange
    ((205, 235, 205), (160, 210, 160)),  # green
    ((235, 220, 205), (215, 190, 165)),  # blue
    ((222, 222, 222), (190, 190, 190)),  # a copier's grey
)
_INKS = ((15, 15, 15), (40, 30, 30), (70, 35, 20), (30, 30, 60))


@dataclass(frozen=True)
class Style:
    """How a sheet looks, and what its header says.

    Attributes:
        fine, heavy, ink: colours as OpenCV orders them (blue, green, red).
        thickness: of the trace, as OpenCV counts: 1 draws 1.4 pixels, 2 draws 3.4, 3 draws 5.4.
        dotted: fine grid of dots instead of lines.
        header: lines of the header, from the top.
        pulse: print the calibration pulse.
    """

    fine: tuple[int, int, int] = _GRIDS[0][0]
    heavy: tuple[int, int, int] = _GRIDS[0][1]
    ink: tuple[int, int, int] = _INKS[0]
    thickness: int = 1
    dotted: bool = False
    header: tuple[str, ...] = field(default=())
    pulse: bool = True


def draw_style(
    generator: np.random.Generator,
    *,
    sex: str | None = None,
    age: float | None = None,
    measured: Mapping[str, str] | None = None,
) -> Style:
    """A style with an invented name, number and place.

    Args:
        generator: what it is drawn from.
        sex: F or M, decides the given name; drawn where unknown.
        age: printed where known.
        measured: what was measured, as printed: ``{"Vent. rate": "72 bpm"}``.
    """
    fine, heavy = _GRIDS[generator.integers(len(_GRIDS))]
    ink = _INKS[generator.integers(len(_INKS))]
    named = sex if sex in _GIVEN else str(generator.choice(list(_GIVEN)))
    given, family = generator.choice(_GIVEN[named]), generator.choice(_FAMILY)
    number = f"{generator.integers(10_000_000):07d}"
    date = f"20{generator.integers(5, 26):02d}-{generator.integers(1, 13):02d}-{generator.integers(1, 29):02d}"
    time = f"{generator.integers(24):02d}:{generator.integers(60):02d}"
    person = ", ".join([*([f"{age:.0f} y"] if age is not None else []), *([sex] if sex else [])])
    items = [f"{key} {value}" for key, value in (measured or {}).items()]
    half = (len(items) + 1) // 2
    header = (
        f"{family}, {given}   ID {number}   {person}",
        f"{generator.choice(_PLACES)}   {date} {time}",
        "   ".join(items[:half]),
        "   ".join(items[half:]),
    )
    return Style(
        fine=fine,
        heavy=heavy,
        ink=ink,
        thickness=int(generator.choice([1, 1, 1, 2, 2])),
        dotted=bool(generator.random() < 0.2),
        header=tuple(line for line in header if line.strip()),
        pulse=bool(generator.random() < 0.85),
    )
