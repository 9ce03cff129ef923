"""Where leads go on the printouts of hospitals: rows, columns and rhythm strips, in pixels of the clean picture."""

from dataclasses import dataclass

from gen.leads import LEADS_12
from gen.plot.layout import CABRERA
from gen.records import InputError

#: Size of the sheet and of the ruled part of a row, in mm: US letter, landscape, ten seconds at 25 mm/s.
SHEET_MM = (280.0, 214.0)
ROW_MM = 250.0
HEADER_MM, FOOTER_MM = 34.0, 12.0
#: Time zero from the left edge; a calibration pulse stands before it.
LEAD_IN_MM = 20.0
SPEEDS, GAINS = (25.0, 50.0), (5.0, 10.0, 20.0)


@dataclass(frozen=True)
class PaperLayout:
    """Leads column by column, and the leads that run along the whole width below."""

    columns: int
    strips: tuple[str, ...] = ()
    order: tuple[str, ...] = LEADS_12


PAPER_LAYOUTS = {
    "3x4": PaperLayout(4),
    "3x4+1": PaperLayout(4, ("II",)),
    "3x4+3": PaperLayout(4, ("V1", "II", "V5")),
    "6x2": PaperLayout(2),
    "6x2+1": PaperLayout(2, ("II",)),
    "12x1": PaperLayout(1),
    "cabrera": PaperLayout(2, order=CABRERA),
}


@dataclass(frozen=True)
class PaperCell:
    """One stretch of one lead.

    Attributes:
        lead: standard name; ``sign`` is -1 where it is printed upside down.
        label: what is printed.
        start_s, stop_s: time shown, from the first sample of the record.
        x, y: pixel of (start_s, 0 mV).
        width, height: pixels of the place; ``y`` is its middle.
        row, column: place in the layout.
    """

    lead: str
    sign: int
    label: str
    start_s: float
    stop_s: float
    x: float
    y: float
    width: float
    height: float
    row: int
    column: int


@dataclass(frozen=True)
class Page:
    """A sheet: its name, size in pixels, scale and cells."""

    layout: str
    width: int
    height: int
    px_per_mm: float
    mm_per_s: float
    mm_per_mv: float
    cells: tuple[PaperCell, ...]

    @property
    def px_per_s(self) -> float:
        """Pixels of a second."""
        return self.px_per_mm * self.mm_per_s

    @property
    def px_per_mv(self) -> float:
        """Pixels of a millivolt."""
        return self.px_per_mm * self.mm_per_mv

    @property
    def grid(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the ruled part, in pixels."""
        left, top = (LEAD_IN_MM - 15) * self.px_per_mm, HEADER_MM * self.px_per_mm
        return (
            left,
            top,
            (ROW_MM + 20) * self.px_per_mm,
            (SHEET_MM[1] - HEADER_MM - FOOTER_MM) * self.px_per_mm,
        )


def lay_out(
    layout: str,
    *,
    duration_s: float,
    start_s: float = 0.0,
    mm_per_s: float = 25.0,
    mm_per_mv: float = 10.0,
    width: int = 1700,
) -> Page:
    """Cells of one sheet.

    Args:
        layout: one of `PAPER_LAYOUTS`. Columns go on in time, as recorders print them.
        duration_s: of the recording.
        start_s: where in the recording the sheet begins.
        mm_per_s: 25 or 50; at 50 a row shows five seconds.
        mm_per_mv: 5, 10 or 20.
        width: of the picture, in pixels; the height follows.

    Raises:
        InputError: an unknown layout, speed or gain, or a recording shorter than the first column.
    """
    if layout not in PAPER_LAYOUTS:
        raise InputError(f"layout {layout}: accepted: {', '.join(PAPER_LAYOUTS)}")
    if mm_per_s not in SPEEDS:
        raise InputError(f"speed {mm_per_s:g} mm/s: accepted: {' or '.join(f'{v:g}' for v in SPEEDS)}")
    if mm_per_mv not in GAINS:
        raise InputError(f"gain {mm_per_mv:g} mm/mV: accepted: {', '.join(f'{v:g}' for v in GAINS)}")
    plan = PAPER_LAYOUTS[layout]
    row_s, scale = ROW_MM / mm_per_s, width / SHEET_MM[0]
    column_s, rows = row_s / plan.columns, len(plan.order) // plan.columns
    if duration_s - start_s < column_s - 1e-6:
        raise InputError(
            f"{max(0.0, duration_s - start_s):.3g} s of signal: a column of {layout} at {mm_per_s:g} mm/s takes "
            f"{column_s:g} s; accepted: at least that"
        )
    pitch = (SHEET_MM[1] - HEADER_MM - FOOTER_MM) / (rows + len(plan.strips))

    def cell(name: str, row: int, column: int, columns: int) -> PaperCell:
        seconds = row_s / columns
        return PaperCell(
            lead=name.lstrip("-"),
            sign=-1 if name.startswith("-") else 1,
            label=name,
            start_s=start_s + column * seconds,
            stop_s=start_s + (column + 1) * seconds,
            x=(LEAD_IN_MM + column * seconds * mm_per_s) * scale,
            y=(HEADER_MM + (row + 0.5) * pitch) * scale,
            width=seconds * mm_per_s * scale,
            height=pitch * scale,
            row=row,
            column=column,
        )

    cells = [cell(name, k % rows, k // rows, plan.columns) for k, name in enumerate(plan.order)]
    cells += [cell(name, rows + k, 0, 1) for k, name in enumerate(plan.strips)]
    return Page(layout, width, round(SHEET_MM[1] * scale), scale, mm_per_s, mm_per_mv, tuple(cells))
