"""One ECG on paper."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gen.plot.files import house_style
from gen.plot.header import draw_footer, draw_header
from gen.plot.layout import Cell, PageLayout
from gen.plot.paper import (
    OBSERVED,
    OVERLAY,
    RECONSTRUCTED,
    THIN_PT,
    TRACE_PT,
    Sheet,
    draw_calibration,
    draw_labels,
    ruled_sheet,
)
from gen.plot.planned import planned
from gen.plot.traces import Band, Observed, draw_line, positions, sample_window, split_trace, to_page
from gen.records import EcgRecord

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure


def plot_ecg(
    record: EcgRecord,
    *,
    layout: str = "3x4",
    rhythm: str | None = "II",
    observed: Observed = None,
    band: Band = None,
    overlay: EcgRecord | None = None,
    title: str | None = None,
    start_s: float = 0.0,
    duration_s: float | None = None,
    band_label: str = "uncertainty band",
    overlay_label: str = "reference",
    notes: Sequence[str] = (),
) -> "Figure":
    """Draw one record at 25 mm/s and 10 mm/mV of the saved page.

    Args:
        record: any rate and length. Leads it lacks stay empty, labelled places; NaN are gaps. Each lead stands with
            its median on the zero line of its row; no filter is applied.
        layout: ``3x4`` (2.5 s a column, continuing in time), ``6x2`` (5 s), ``12x1``, ``cabrera`` (5 s, limb leads in
            Cabrera's order) or ``strip`` (one lead, wrapped every 10 s).
        rhythm: lead of the ten-second strip below ``3x4``, ``6x2`` and ``cabrera`` (None: no strip), and the lead
            of ``strip``; of a record with one lead, that lead.
        observed: what was measured, as lead names or as a bool mask (lead, time): drawn black, the rest blue. None:
            everything black.
        band: (lower, upper), each (lead, time) in mV for the record's leads, shaded behind the trace.
        overlay: a second record drawn thin and green (the truth, a reference); its rate and leads may differ.
        title: printed before the record's id.
        start_s: where the page begins, in seconds of the recording.
        duration_s: how much to show; default: what fits the layout, all of it in a strip.
        band_label, overlay_label: words of the legend.
        notes: further lines of the header, such as what was measured.

    Returns:
        A figure of A4 width, to be written with `gen.plot.save` or shown.

    Raises:
        InputError: the record has no samples at ``start_s``.
        ValueError: an unknown layout or lead, or arrays that do not fit the record.
    """
    plan = planned(
        record,
        layout=layout,
        rhythm=rhythm,
        observed=observed,
        band=band,
        overlay=overlay,
        start_s=start_s,
        duration_s=duration_s,
        notes=notes,
    )
    page, mask, band = plan.page, plan.mask, plan.band
    with house_style():
        sheet = ruled_sheet(page)
        draw_calibration(sheet, page)
        draw_labels(sheet, page, plan.missing, plan.name_height)
        for cell in page.cells:
            visible = plan.visible(cell)
            if cell.lead in record.leads:
                _draw_cell(sheet, visible, record, mask, band, plan.zeros[cell.lead])
            if overlay is not None and cell.lead in overlay.leads:
                _draw_overlay(sheet, visible, overlay, plan.zero(cell))
        draw_header(sheet, page, record, title, _shown_text(record, page, start_s, plan.end_s), notes)
        draw_footer(sheet, page, record, _legend(mask, observed, band, band_label, overlay, overlay_label))
    return sheet.figure


def _draw_cell(sheet: Sheet, cell: Cell, record: EcgRecord, mask: np.ndarray, band: Band, zero_mv: float) -> None:
    row = record.leads.index(cell.lead)
    window = sample_window(cell, record)
    if window.stop <= window.start:
        return
    xs = positions(cell, window, record.fs_hz)
    ys = to_page(cell, record.signal_mv[row, window], zero_mv)
    name = f"{cell.lead}-{cell.row}-{cell.column}"
    measured, made = split_trace(ys, mask[row, window])
    if band is not None:
        lower, upper = (to_page(cell, edge[row, window], zero_mv) for edge in band)
        where = np.isfinite(lower) & np.isfinite(upper)
        shade = sheet.grid.fill_between(
            xs, lower, upper, where=where, color=RECONSTRUCTED, alpha=0.22, linewidth=0, zorder=2
        )
        shade.set_gid(f"band-{name}")
    draw_line(sheet.grid, xs, made, colour=RECONSTRUCTED, points=TRACE_PT, zorder=3, gid=f"reconstructed-{name}")
    draw_line(sheet.grid, xs, measured, colour=OBSERVED, points=TRACE_PT, zorder=5, gid=f"observed-{name}")


def _draw_overlay(sheet: Sheet, cell: Cell, overlay: EcgRecord, zero_mv: float) -> None:
    window = sample_window(cell, overlay)
    if window.stop <= window.start:
        return
    values = overlay.signal_mv[overlay.leads.index(cell.lead), window]
    draw_line(
        sheet.grid,
        positions(cell, window, overlay.fs_hz),
        to_page(cell, values, zero_mv),
        colour=OVERLAY,
        points=THIN_PT,
        zorder=4,
        gid=f"overlay-{cell.lead}-{cell.row}-{cell.column}",
    )


def _shown_text(record: EcgRecord, page: PageLayout, start_s: float, end_s: float) -> str:
    last = min(end_s, max(cell.stop_s for cell in page.cells))
    whole = start_s == 0 and last >= record.duration_s - 1e-6
    text = f"{record.duration_s:g} s recording" if whole else f"{start_s:g} to {last:g} s of {record.duration_s:g} s"
    return f"{text}, columns overlap in time" if page.overlapping else text


def _legend(
    mask: np.ndarray,
    observed: Observed,
    band: Band,
    band_label: str,
    overlay: EcgRecord | None,
    overlay_label: str,
) -> "list[Artist]":
    """List what the page distinguishes; a plain ECG needs no legend."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = []
    if observed is not None and mask.any():
        handles.append(Line2D([], [], color=OBSERVED, linewidth=1.4, label="observed"))
    if not mask.all():
        handles.append(Line2D([], [], color=RECONSTRUCTED, linewidth=1.4, label="reconstructed"))
    if band is not None:
        handles.append(Patch(facecolor=RECONSTRUCTED, alpha=0.22, label=band_label))
    if overlay is not None:
        handles.append(Line2D([], [], color=OVERLAY, linewidth=1.0, label=overlay_label))
    return handles
