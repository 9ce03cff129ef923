"""Figures to bytes and files: deterministic, and never half-written."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gen.errors import InputError
from gen.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
#: 254 dots per inch make one millimetre exactly ten pixels.
DPI = 254.0

# matplotlib writes the time of day into SVG and PDF unless told not to.
_METADATA: dict[str, dict[str, None]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with matplotlib's own defaults for a while, whatever the user has set.

    A personal matplotlibrc must not crop the page ("savefig.bbox: tight" breaks the scale), restyle it, or make the
    bytes differ between two machines.
    """
    from matplotlib import rc_context
    from matplotlib.style import context as style

    with style("default"), rc_context({"svg.hashsalt": "physiogen", "savefig.bbox": None}):
        yield


def render(figure: "Figure", format: str = "png", *, dpi: float = DPI) -> bytes:
    """Draw the figure as PNG, SVG or PDF bytes, at its exact size; the same figure gives the same bytes.

    Args:
        figure: what `plot_ecg` or `contact_sheet` returned.
        format: ``png``, ``svg`` or ``pdf``.
        dpi: pixels per inch of a PNG; 254 is 10 pixels a millimetre, 127 half of that (for web pages).

    Raises:
        ValueError: the format is none of the three.
    """
    if format not in _METADATA:
        raise ValueError(f"cannot draw as {format!r}; accepted: {', '.join(_METADATA)}")
    out = io.BytesIO()
    with house_style():
        figure.savefig(out, format=format, dpi=dpi, metadata=_METADATA[format])
    return out.getvalue()


def save(figure: "Figure", path: str | Path, *, dpi: float = DPI) -> Path:
    """Write a figure by the suffix of ``path`` (.png, .svg or .pdf), atomically; returns the path.

    Raises:
        InputError: another suffix.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: cannot save a picture as {path.suffix!r}; accepted: {', '.join(SUFFIXES)}")
    write_atomically(path, render(figure, path.suffix.lower()[1:], dpi=dpi))
    return path
