"""Where each lead goes on the page: pure geometry in millimetres, no drawing."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from gen.leads import LEADS_12

MM_PER_S = 25.0
MM_PER_MV = 10.0
LAYOUTS = ("3x4", "6x2", "12x1", "cabrera", "strip")
#: Leads of Cabrera's order (AHA/ACCF/HRS 2007): the frontal plane from left to right, aVR turned round.
CABRERA = ("aVL", "I", "-aVR", "II", "aVF", "III", *LEADS_12[6:])

A4_WIDTH_MM, A4_HEIGHT_MM = 297.0, 210.0
HEADER_MM, FOOTER_MM, SIDE_MM = 25.0, 10.0, 6.0
#: What every further line of the header adds to its height; the grid gives way.
NOTE_MM = 5.0
#: From the left edge of the grid to time zero; the calibration pulse stands in it.
LEAD_IN_MM = 20.0
#: A row of a page holds ten seconds, as on A4 paper.
ROW_S = 10.0
#: Rows of a strip that one page may have (ten minutes); above it a picture is no use.
MAX_STRIP_ROWS = 60

#: Between what one row and the next one draw; rows are not closer than the second figure.
CLEAR_MM, CLOSEST_MM = 2.0, 15.0
#: A trace that reaches farther from its zero line is drawn over others: a page for it would be of no use.
FARTHEST_MM = 80.0

_COLUMNS = {"3x4": 4, "6x2": 2, "12x1": 1, "cabrera": 2}
_PITCH_MM = {"12x1": 20.0, "strip": 30.0}


@dataclass(frozen=True)
class Cell:
    """One stretch of one lead: which samples it shows and where its zero line starts.

    Attributes:
        lead: standard lead name.
        start_s, stop_s: the time shown, from the first sample of the record.
        x_mm, y_mm: page position of (start_s, 0 mV), from the lower left corner.
        row, column: place in the layout; ``column`` is 0 for a rhythm strip.
        label: what is printed at its start.
        sign: -1 where the lead is drawn upside down.
    """

    lead: str
    start_s: float
    stop_s: float
    x_mm: float
    y_mm: float
    row: int
    column: int
    label: str
    sign: int = 1

    @property
    def width_mm(self) -> float:
        """Width of the place, whether or not the recording fills it."""
        return (self.stop_s - self.start_s) * MM_PER_S


#: How far what is drawn in a cell reaches above and below its zero line, in mm.
Room: TypeAlias = Callable[[Cell], tuple[float, float]]


@dataclass(frozen=True)
class PageLayout:
    """A page: its size, the rectangle of the grid, the rows' spacing and the cells, all in mm."""

    width_mm: float
    height_mm: float
    grid: tuple[float, float, float, float]  #: left, bottom, width, height
    pitch_mm: float
    cells: tuple[Cell, ...]
    overlapping: bool  #: the columns do not continue each other in time, because the recording is short

    @property
    def row_levels(self) -> tuple[float, ...]:
        """Height of the zero line of every row, top row first."""
        return tuple(sorted({cell.y_mm for cell in self.cells}, reverse=True))


def page_layout(
    layout: str,
    *,
    duration_s: float,
    start_s: float = 0.0,
    rhythm: str | None = "II",
    strip_lead: str = "II",
    notes: int = 0,
    room: Room | None = None,
) -> PageLayout:
    """Cells of one page.

    Args:
        layout: one of `LAYOUTS`. Columns continue in time, as on paper: the second column of ``3x4`` starts 2.5 s
            after the first.
        duration_s: how much of the recording is shown at most.
        start_s: where in the recording the page begins.
        rhythm: lead of the ten-second strip below ``3x4`` and ``6x2``; None for no strip.
        strip_lead: the lead of the layout ``strip``.
        notes: further lines of the header.
        room: what is drawn; rows that would run into each other move apart, and the page grows where it has to. None:
            rows at equal distances, on A4.

    Raises:
        ValueError: the layout is unknown or a strip would have more than `MAX_STRIP_ROWS` rows.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}; accepted: {', '.join(LAYOUTS)}")
    header = HEADER_MM + NOTE_MM * notes
    if layout == "strip":
        return _strip(strip_lead, duration_s, start_s, header, room)
    columns = _COLUMNS[layout]
    rows = len(LEADS_12) // columns
    strips = 1 if rhythm is not None and columns > 1 else 0
    height = A4_HEIGHT_MM - header - FOOTER_MM
    # Multiples of 5 mm put every zero line on a heavy line of the grid.
    pitch = _PITCH_MM.get(layout) or 5 * math.floor(height / (rows + strips) / 5)
    grid_height = height if columns > 1 else pitch * rows + 20
    levels = _levels(rows + strips, pitch, grid_height)
    starts, overlapping = column_starts(columns, duration_s)
    column_s = ROW_S / columns
    left = SIDE_MM + LEAD_IN_MM
    order = CABRERA if layout == "cabrera" else LEADS_12
    cells = [
        Cell(
            lead=order[column * rows + row].lstrip("-"),
            start_s=start_s + starts[column],
            stop_s=start_s + starts[column] + column_s,
            x_mm=left + column * column_s * MM_PER_S,
            y_mm=levels[row],
            row=row,
            column=column,
            label=order[column * rows + row],
            sign=-1 if order[column * rows + row].startswith("-") else 1,
        )
        for column in range(columns)
        for row in range(rows)
    ]
    if strips:
        assert rhythm is not None
        cells.append(Cell(rhythm, start_s, start_s + ROW_S, left, levels[-1], rows, 0, rhythm))
    cells, grid_height = apart(cells, grid_height, room)
    return _page(tuple(cells), pitch, grid_height, header, overlapping)


def apart(cells: list[Cell], grid_height: float, room: Room | None) -> tuple[list[Cell], float]:
    """Cells whose rows do not run into each other, and the height of a grid that holds them.

    Where nothing collides, all stays as it is. Otherwise every row gets what it needs and shares what is left; zero
    lines stay on heavy lines of the grid.

    Args:
        cells: on rows at any distances.
        grid_height: in mm, of the grid that starts at `FOOTER_MM`.
        room: of each cell; None leaves all where it is.
    """
    if room is None:
        return cells, grid_height
    reach = {id(cell): tuple(min(max(0.0, side), FARTHEST_MM) for side in room(cell)) for cell in cells}
    rows = sorted({cell.row for cell in cells})
    by_row = [[cell for cell in cells if cell.row == row] for row in rows]
    above = max(reach[id(cell)][0] for cell in by_row[0]) + CLEAR_MM
    below = max(reach[id(cell)][1] for cell in by_row[-1]) + CLEAR_MM
    between = [
        max(
            (reach[id(u)][1] + reach[id(low)][0] + CLEAR_MM for u in upper for low in lower if _meet(u, low)), default=0
        )
        for upper, lower in itertools.pairwise(by_row)
    ]
    levels = [row[0].y_mm for row in by_row]
    now = [FOOTER_MM + grid_height - levels[0], *(a - b for a, b in itertools.pairwise(levels))]
    now.append(levels[-1] - FOOTER_MM)
    needed = [above, *between, below]
    if all(there >= wanted for there, wanted in zip(now, needed, strict=True)):
        return cells, grid_height
    spaces = [max(CLOSEST_MM, 5.0 * math.ceil(wanted / 5)) for wanted in needed]
    while sum(spaces) + 5 <= grid_height:
        spaces[spaces.index(min(spaces))] += 5
    height = max(grid_height, sum(spaces))
    heights = [FOOTER_MM + sum(spaces[k + 1 :]) for k in range(len(rows))]
    level_of = dict(zip(rows, heights, strict=True))
    return [replace(cell, y_mm=level_of[cell.row]) for cell in cells], height


def _meet(one: Cell, other: Cell) -> bool:
    """Whether two cells share some of the page's width."""
    return one.x_mm < other.x_mm + other.width_mm - 1e-6 and other.x_mm < one.x_mm + one.width_mm - 1e-6


def column_starts(columns: int, duration_s: float) -> tuple[Sequence[float], bool]:
    """Start of every column in seconds, and whether the columns overlap in time.

    Ten seconds fill the columns one after another. A recording that would leave the last column mostly empty is
    shown in windows spread evenly over it instead, so that every lead has something to show.
    """
    column_s = ROW_S / columns
    if duration_s > (columns - 0.5) * column_s or columns == 1:
        return [column * column_s for column in range(columns)], False
    span = max(0.0, duration_s - column_s)
    return [span * column / (columns - 1) for column in range(columns)], True


def _strip(lead: str, duration_s: float, start_s: float, header: float, room: Room | None) -> PageLayout:
    rows = max(1, math.ceil(round(duration_s / ROW_S, 6)))
    if rows > MAX_STRIP_ROWS:
        raise ValueError(
            f"a strip of {duration_s:g} s needs {rows} rows, at most {MAX_STRIP_ROWS} fit; "
            f"choose a part of at most {MAX_STRIP_ROWS * ROW_S:g} s"
        )
    pitch = _PITCH_MM["strip"]
    grid_height = pitch * rows + 10
    levels = _levels(rows, pitch, grid_height)
    cells = []
    for row in range(rows):
        begin = start_s + row * ROW_S
        label = lead if rows == 1 and start_s == 0 else f"{lead}   {begin:g} s"
        cells.append(Cell(lead, begin, begin + ROW_S, SIDE_MM + LEAD_IN_MM, levels[row], row, 0, label))
    cells, grid_height = apart(cells, grid_height, room)
    return _page(tuple(cells), pitch, grid_height, header, overlapping=False)


def _levels(rows: int, pitch: float, grid_height: float) -> list[float]:
    """Zero lines of the rows on multiples of 5 mm from the grid's lower edge, the block of rows centred."""
    spare = grid_height - rows * pitch
    lowest = FOOTER_MM + 5 * round((spare / 2 + pitch / 2) / 5 - 1e-9)
    return [lowest + pitch * (rows - 1 - row) for row in range(rows)]


def _page(cells: tuple[Cell, ...], pitch: float, grid_height: float, header: float, overlapping: bool) -> PageLayout:
    grid = (SIDE_MM, FOOTER_MM, A4_WIDTH_MM - 2 * SIDE_MM, grid_height)
    return PageLayout(A4_WIDTH_MM, FOOTER_MM + grid_height + header, grid, pitch, cells, overlapping)
