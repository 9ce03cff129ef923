"""The drawn page: grid, calibration pulses, labels, header and footer, in millimetre coordinates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gen.plot.layout import LEAD_IN_MM, MM_PER_MV, MM_PER_S, Cell, PageLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM_PER_INCH = 25.4
INK, OBSERVED, RECONSTRUCTED, OVERLAY, WARNING = "#1a1a1a", "#000000", "#0b53c1", "#e06a00", "#b00020"
PAPER, FINE_GRID, HEAVY_GRID = "#fffafa", "#f8d8d8", "#eda9a9"
CALIBRATION_S, CALIBRATION_MV = 0.2, 1.0
TRACE_PT, THIN_PT = 0.85, 0.5


@dataclass(frozen=True)
class Sheet:
    """A figure with two axes whose data coordinates are millimetres of the page, origin at its lower left.

    ``page`` covers everything and carries text; ``grid`` covers the ruled part and clips the traces to it.
    """

    figure: "Figure"
    page: "Axes"
    grid: "Axes"


def blank_figure(width_mm: float, height_mm: float) -> "Figure":
    """Make an empty white figure of that size on paper, independent of pyplot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), facecolor="white")
    figure.set_layout_engine("none")  # an automatic layout would move the axes off their millimetres
    return figure


def mm_axes(figure: "Figure", left: float, bottom: float, width: float, height: float) -> "Axes":
    """Axes over a rectangle of the page, in mm, whose data coordinates are those millimetres."""
    page_width, page_height = figure.get_size_inches() * MM_PER_INCH
    rectangle = (left / page_width, bottom / page_height, width / page_width, height / page_height)
    axes = figure.add_axes(rectangle, xlim=(left, left + width), ylim=(bottom, bottom + height))
    axes.set_axis_off()
    return axes


def ruled_sheet(layout: PageLayout) -> Sheet:
    """Make a page with its grid, nothing on it yet."""
    figure = blank_figure(layout.width_mm, layout.height_mm)
    grid = mm_axes(figure, *layout.grid)
    draw_grid(grid, *layout.grid)
    page = mm_axes(figure, 0, 0, layout.width_mm, layout.height_mm)
    page.patch.set_visible(False)
    return Sheet(figure, page, grid)


def draw_grid(
    axes: "Axes", left: float, bottom: float, width: float, height: float, *, step: float = 1.0, scale: float = 1.0
) -> None:
    """Rule a rectangle: fine lines every ``step`` mm of paper, heavy lines every 5; ``scale`` shrinks the paper."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((left, bottom), width, height, facecolor=PAPER, edgecolor="none", zorder=0))
    for every, colour, points, name in ((step, FINE_GRID, 0.25, "fine"), (5.0, HEAVY_GRID, 0.45, "heavy")):
        xs = left + np.arange(round(width / scale / every) + 1) * every * scale
        ys = bottom + np.arange(round(height / scale / every) + 1) * every * scale
        lines = [[(x, bottom), (x, bottom + height)] for x in xs] + [[(left, y), (left + width, y)] for y in ys]
        collection = LineCollection(lines, colors=colour, linewidths=points * max(scale, 0.5), zorder=1)
        collection.set_gid(f"grid-{name}")
        collection.set_clip_on(False)  # half of an outermost line lies outside the axes
        axes.add_collection(collection, autolim=False)


def draw_calibration(sheet: Sheet, layout: PageLayout) -> None:
    """Draw a pulse of 1 mV and 200 ms before every row."""
    left = layout.grid[0]
    rise = left + 10.0
    fall = rise + CALIBRATION_S * MM_PER_S
    xs = np.array([rise - 2.5, rise, rise, fall, fall, left + LEAD_IN_MM - 2.5])
    shape = np.array([0, 0, 1, 1, 0, 0]) * CALIBRATION_MV * MM_PER_MV
    for row, level in enumerate(layout.row_levels):
        sheet.grid.plot(
            xs,
            level + shape,
            color=INK,
            linewidth=TRACE_PT,
            solid_joinstyle="miter",
            zorder=4,
            gid=f"calibration-{row}",
        )


def draw_labels(sheet: Sheet, layout: PageLayout, missing: frozenset[str], heights: Callable[[Cell], float]) -> None:
    """Lead names at the start of their cells, and marks where one lead ends and the next begins.

    Args:
        sheet: drawn on.
        layout: of the page.
        missing: leads that were not recorded.
        heights: of a cell: where above its zero line the middle of the name stands, in mm.
    """
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2, foreground=PAPER)]
    for cell in layout.cells:
        sheet.grid.text(
            cell.x_mm + 1.0,
            cell.y_mm + heights(cell),
            cell.label,
            fontsize=9.5,
            fontweight="bold",
            color=INK,
            va="center",
            path_effects=halo,
            zorder=1.5,
            gid=f"label-{cell.label}-{cell.row}-{cell.column}",
        )
        if cell.column:
            for sign in (-1, 1):
                ends = (cell.y_mm + sign * 2.5, cell.y_mm + sign * 5.5)
                sheet.grid.plot((cell.x_mm, cell.x_mm), ends, color=INK, linewidth=0.7, zorder=6)
        if cell.lead in missing:
            sheet.grid.text(
                cell.x_mm + cell.width_mm / 2,
                cell.y_mm,
                "not recorded",
                fontsize=7.5,
                color="#8a6f6f",
                ha="center",
                va="center",
                path_effects=halo,
                zorder=1.5,
            )
