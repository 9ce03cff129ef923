"""The paper to work on: an ECG's SVG with zoom, calipers, layouts and printing to scale, for pages that allow a script.

    page += paper(ecg_svg(record)) + script()          # a file that opens offline
    page += paper(svg, source="/paper/TOKEN/0")        # a server: layouts are drawn anew by it

Keyboard: the tools are buttons; on the paper itself, with calipers, arrows move a leg by a millimetre (with Shift by a
fifth of it) and Enter takes the other leg.
"""

from html import escape
from importlib.resources import files

from gen.plot.layout import LAYOUTS

_TOOLS = (
    ("out", "\N{MINUS SIGN}", "Zoom out"),
    ("in", "+", "Zoom in"),
    ("fit", "Fit", "Fit the width of the page"),
    ("true", "True size", "25 mm/s and 10 mm/mV on a screen of 96 dots per inch"),
)
#: What a page can draw of a record; a strip shows one lead.
PAGES = tuple(name for name in LAYOUTS if name != "strip")


def paper(svg: str, *, source: str | None = None, layout: str = "3x4", name: str = "ECG on paper") -> str:
    """HTML of one paper with its tools.

    Args:
        svg: what `gen.plot.svg.ecg_svg` drew.
        source: address that answers ``?layout=NAME`` with another SVG of the record; without it there is no choice.
        layout: of ``svg``.
        name: for screen readers.
    """
    tools = ""
    for do, words, title in _TOOLS:
        said = f' aria-label="{title}"' if len(words) == 1 else ""
        tools += f'<button type="button" data-do="{do}" title="{title}"{said}>{words}</button>'
    choice = address = ""
    if source is not None:
        address = f' data-source="{escape(source)}"'
        options = "".join(
            f'<option value="{each}"{" selected" if each == layout else ""}>{"Cabrera" if each == "cabrera" else each}'
            "</option>"
            for each in PAGES
        )
        choice = f'<label>Layout <select data-do="layout">{options}</select></label>'
    return (
        f'<div class="ecg-paper"{address}>'
        f'<div class="ecg-tools" role="group" aria-label="Tools of the paper">{choice}{tools}'
        '<button type="button" data-do="calipers" aria-pressed="false" '
        'title="Measure: drag on the paper, or use the arrow keys">Calipers</button>'
        '<button type="button" data-do="print" title="Print at 25 mm/s and 10 mm/mV on A4, landscape">Print</button>'
        '<button type="button" data-do="save" title="Save the drawing">SVG</button>'
        '<output class="ecg-reading" aria-live="polite"></output></div>'
        f'<div class="ecg-scroll" tabindex="0" role="region" aria-label="{escape(name)}">{svg}</div></div>'
    )


def style() -> str:
    """CSS of `paper`."""
    return files("gen.plot").joinpath("paper.css").read_text(encoding="utf-8")


def script() -> str:
    """What makes `paper` work; it serves all papers of a document, those that come later too."""
    return files("gen.plot").joinpath("paper.js").read_text(encoding="utf-8")
