"""Many small ECGs in one picture, to look a whole set over."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gen.leads import LEADS_12, canonical_lead
from gen.plot.files import house_style
from gen.plot.header import SYNTHETIC, patient_text
from gen.plot.layout import A4_WIDTH_MM, FOOTER_MM, MM_PER_S, ROW_S, SIDE_MM, Cell, apart, column_starts
from gen.plot.paper import INK, OBSERVED, PAPER, TRACE_PT, WARNING, blank_figure, draw_grid, mm_axes
from gen.plot.traces import NAME_MM, draw_line, positions, reach, sample_window, to_page, zero_levels
from gen.records import EcgRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP_MM, _CAPTION_MM, _TITLE_MM = 3.0, 7.0, 12.0
#: An image library takes at most 2^16 pixels.
_MAX_HEIGHT_MM = 6000.0
_ROWS, _COLUMNS, _PITCH_MM = 3, 4, 30.0
#: Size of one tile's paper before it is shrunk to its place.
_PAPER_WIDTH_MM, _PAPER_HEIGHT_MM = ROW_S * MM_PER_S + 5, _ROWS * _PITCH_MM + 5


def contact_sheet(
    records: Sequence[EcgRecord], *, columns: int = 3, lead: str | None = None, title: str | None = None
) -> "Figure":
    """Draw many records small, each as 3x4 (2.5 s a column) on shrunken paper with 5 mm lines.

    Args:
        records: what to draw, in reading order.
        columns: tiles in a row.
        lead: draw ten seconds of this lead alone, in flatter tiles.
        title: heading of the sheet.

    Returns:
        A figure of A4 width and as high as the tiles need.

    Raises:
        ValueError: no records, too many, a number of columns that leaves no room, or an unknown lead.
    """
    if not records:
        raise ValueError("a contact sheet needs at least one record")
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    lead = None if lead is None else canonical_lead(lead)
    scale = _scale(columns)
    papers = [_paper(record, lead, scale) for record in records]
    plan = _plan([height for _, height in papers], columns, scale)
    with house_style():
        figure = blank_figure(A4_WIDTH_MM, plan.height_mm)
        page = mm_axes(figure, 0, 0, A4_WIDTH_MM, plan.height_mm)
        _heading(page, title or f"{len(records)} ECGs", plan)
        for number, record in enumerate(records):
            left, bottom = plan.corner(number)
            cells, own_mm = papers[number]
            paper_mm = plan.paper_mm[number // columns]
            _caption(page, record, left, bottom + paper_mm * scale + 2.2, plan.tile_width_mm)
            axes = mm_axes(figure, left, bottom, plan.tile_width_mm, paper_mm * scale)
            axes.set(xlim=(0, _PAPER_WIDTH_MM), ylim=(0, paper_mm))
            draw_grid(axes, 0, 0, _PAPER_WIDTH_MM, paper_mm, step=5.0)
            up_mm = 5 * ((paper_mm - own_mm) // 10)  # a tile beside a higher one stands in its middle
            _draw_tile(axes, record, [replace(cell, y_mm=cell.y_mm + up_mm) for cell in cells], scale)
    return figure


@dataclass(frozen=True)
class _Plan:
    """Where the tiles go; ``scale`` is how much their paper is shrunk, ``paper_mm`` its height in each row of tiles."""

    columns: int
    paper_mm: tuple[float, ...]
    scale: float
    height_mm: float

    @property
    def tile_width_mm(self) -> float:
        return _PAPER_WIDTH_MM * self.scale

    def corner(self, number: int) -> tuple[float, float]:
        """Lower left corner of a tile in mm of the page."""
        row, column = divmod(number, self.columns)
        left = SIDE_MM + column * (self.tile_width_mm + _GAP_MM)
        down = sum(paper * self.scale + _CAPTION_MM for paper in self.paper_mm[: row + 1])
        return left, self.height_mm - _TITLE_MM - down + _GAP_MM


def _scale(columns: int) -> float:
    scale = (A4_WIDTH_MM - 2 * SIDE_MM - (columns - 1) * _GAP_MM) / columns / _PAPER_WIDTH_MM
    if scale < 0.05:
        raise ValueError(f"{columns} columns leave no room for an ECG; take fewer")
    return scale


def _plan(paper_mm: Sequence[float], columns: int, scale: float) -> _Plan:
    """Rows of tiles, each as high as its highest one."""
    rows = tuple(max(paper_mm[first : first + columns]) for first in range(0, len(paper_mm), columns))
    height = _TITLE_MM + sum(paper * scale + _CAPTION_MM for paper in rows) + SIDE_MM - _GAP_MM
    if height > _MAX_HEIGHT_MM:
        count = len(paper_mm)
        raise ValueError(f"{count} records in {columns} columns make a picture of {height / 1000:.1f} m; draw fewer")
    return _Plan(columns, rows, scale, height)


def _heading(page: "Axes", title: str, plan: _Plan) -> None:
    y = plan.height_mm - 6.5
    page.text(SIDE_MM, y, title, fontsize=12, fontweight="bold", color=INK, va="center", parse_math=False)
    note = f"boxes 0.2 s x 0.5 mV, {100 * plan.scale:.0f} % of paper scale"
    page.text(A4_WIDTH_MM - SIDE_MM, y, note, fontsize=8, color="#555555", ha="right", va="center")


def _caption(page: "Axes", record: EcgRecord, left: float, y: float, width: float) -> None:
    room = int(width / 1.45) - (12 if record.synthetic else 0)
    text = "  ".join(part for part in (record.record_id, patient_text(record), " ".join(record.statements)) if part)
    page.text(left, y, text[: max(8, room)], fontsize=6.5, color=INK, va="center", parse_math=False)
    if record.synthetic:
        page.text(left + width, y, SYNTHETIC, fontsize=6.5, fontweight="bold", color=WARNING, ha="right", va="center")


def _name_size(scale: float) -> tuple[float, float]:
    """Size of a lead's name in points, and its height in mm of the paper before it is shrunk."""
    points = min(9.5, 15 * scale)
    return points, points * NAME_MM / 9.5 / scale


def _paper(record: EcgRecord, lead: str | None, scale: float) -> tuple[list[Cell], float]:
    """Cells of a record whose traces do not run into each other, and the height of their paper."""
    height = _PAPER_HEIGHT_MM if lead is None and len(record.leads) > 1 else _PITCH_MM + 5
    zeros = zero_levels(record, 0.0, min(ROW_S, record.duration_s)) if record.num_samples else {}
    # `apart` counts from the footer of a page, which a tile has none of.
    cells = [replace(cell, y_mm=cell.y_mm + FOOTER_MM) for cell in _tile_cells(record, lead, height)]
    name_mm = _name_size(scale)[1]

    def room(cell: Cell) -> tuple[float, float]:
        return reach(cell, [(record, zeros.get(cell.lead, 0.0))], name_mm=name_mm)[:2]

    cells, height = apart(cells, height, room)
    return [replace(cell, y_mm=cell.y_mm - FOOTER_MM) for cell in cells], height


def _draw_tile(axes: "Axes", record: EcgRecord, cells: Sequence[Cell], scale: float) -> None:
    from matplotlib.patheffects import withStroke

    if record.num_samples == 0:
        return
    halo = [withStroke(linewidth=1.2, foreground=PAPER)]
    zeros = zero_levels(record, 0.0, min(ROW_S, record.duration_s))
    points, name_mm = _name_size(scale)
    for cell in cells:
        level = cell.y_mm + reach(cell, [(record, zeros.get(cell.lead, 0.0))], name_mm=name_mm)[2]
        axes.text(cell.x_mm + 1, level, cell.label, fontsize=points, color=INK, va="center", path_effects=halo)
        if cell.lead not in record.leads:
            continue
        window = sample_window(cell, record)
        if window.stop > window.start:
            values = record.signal_mv[record.leads.index(cell.lead), window]
            xs, ys = positions(cell, window, record.fs_hz), to_page(cell, values, zeros[cell.lead])
            name = f"{cell.lead}-{cell.row}-{cell.column}"
            draw_line(axes, xs, ys, colour=OBSERVED, points=max(0.35, TRACE_PT * scale), zorder=5, gid=f"trace-{name}")


def _tile_cells(record: EcgRecord, lead: str | None, paper_height: float) -> list[Cell]:
    if lead is not None or len(record.leads) == 1:
        name = lead if lead is not None else record.leads[0]
        return [Cell(name, 0.0, ROW_S, 2.5, paper_height / 2, 0, 0, name)]
    starts, _ = column_starts(_COLUMNS, record.duration_s)
    column_s = ROW_S / _COLUMNS
    return [
        Cell(
            lead=name,
            start_s=starts[place // _ROWS],
            stop_s=starts[place // _ROWS] + column_s,
            x_mm=2.5 + (place // _ROWS) * column_s * MM_PER_S,
            y_mm=paper_height - (place % _ROWS + 0.5) * _PITCH_MM - 2.5,
            row=place % _ROWS,
            column=place // _ROWS,
            label=name,
        )
        for place, name in enumerate(LEADS_12)
    ]
