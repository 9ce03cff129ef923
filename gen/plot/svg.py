"""One ECG on paper as SVG: exact millimetres, drawn in milliseconds, without matplotlib.

    ecg_svg(record, layout="6x2", observed=["II", "V1"], band=(lower, upper))

Geometry, colours and words are those of `gen.plot.plot_ecg`. One unit of the picture is one millimetre of paper; its
``data-`` attributes say how many of them are a second and a millivolt, which is what `gen.plot.viewer` measures with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from gen.plot.header import SYNTHETIC, finding_text, patient_text, settings_text
from gen.plot.layout import LEAD_IN_MM, MM_PER_MV, MM_PER_S, Cell, PageLayout
from gen.plot.paper import (
    CALIBRATION_MV,
    CALIBRATION_S,
    FINE_GRID,
    HEAVY_GRID,
    INK,
    OBSERVED,
    OVERLAY,
    PAPER,
    RECONSTRUCTED,
    WARNING,
)
from gen.plot.planned import planned
from gen.plot.traces import Band, Observed, positions, sample_window, split_trace, to_page
from gen.records import EcgRecord

_TRACE_MM, _THIN_MM = 0.3, 0.18
_GREY = "#555555"
#: Colour of a wave's mark, by its kind; dark enough to read a letter in.
_WAVES = {"P": "#1b7f3b", "QRS": "#7a3db8", "T": "#a34a00"}
#: What is written while nothing of a lead was recorded.
_MISSING = "not recorded"
#: Inside the traces one unit is a hundredth of a millimetre, so that whole numbers are fine enough.
_UNIT = 100
_NOTICE = "Synthetic: made or completed by software, not a recording for diagnosis"


@dataclass(frozen=True)
class Wave:
    """A wave of a lead: what to mark on its trace.

    Attributes:
        lead: standard name, or ``global`` for what all leads agree on.
        kind: P, QRS or T.
        onset_s, peak_s, offset_s: from the first sample of the record.
    """

    lead: str
    kind: str
    onset_s: float
    peak_s: float
    offset_s: float


def ecg_svg(
    record: EcgRecord,
    *,
    layout: str = "3x4",
    rhythm: str | None = "II",
    observed: Observed = None,
    band: Band = None,
    overlay: EcgRecord | None = None,
    waves: Sequence[Wave] = (),
    start_s: float = 0.0,
    band_label: str = "90 % band",
    overlay_label: str = "reference",
    notes: Sequence[str] = (),
    every: int = 1,
) -> str:
    """Draw one record at 25 mm/s and 10 mm/mV, as text of an SVG that prints to scale.

    Args:
        record, layout, rhythm, observed, band, overlay, start_s, band_label, overlay_label, notes: see
            `gen.plot.plot_ecg`.
        waves: marked from onset to offset on their leads; those of ``global`` on every lead that has none of its own.
        every: draw every so many samples, for small pictures; 1 draws all.

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
        duration_s=None,
        notes=notes,
    )
    page, mask, band = plan.page, plan.mask, plan.band
    sheet = _Sheet(page, every)
    legend = []
    if observed is not None and mask.any():
        legend.append((OBSERVED, "observed"))
    if not mask.all():
        legend.append((RECONSTRUCTED, "reconstructed"))
    legend += [(f"{RECONSTRUCTED};opacity:.35", band_label)] if band is not None else []
    legend += [(OVERLAY, overlay_label)] if overlay is not None else []
    legend += [(_WAVES[kind], kind) for kind in _WAVES if any(wave.kind == kind for wave in waves)]
    parts = [_grid(page), sheet.begin()]
    for cell in page.cells:
        visible = plan.visible(cell)
        if cell.lead in record.leads:
            parts.append(sheet.waves(visible, waves))
            parts.append(sheet.record(visible, record, mask, band, plan.zeros[cell.lead]))
        if overlay is not None and cell.lead in overlay.leads:
            parts.append(sheet.overlay(visible, overlay, plan.zero(cell)))
    parts += [
        sheet.end(),
        _calibration(page),
        _labels(page, plan.missing, plan.name_height),
    ]
    parts += [_header(page, record, notes), _footer(page, record, legend)]
    return _skeleton(page, record, layout, "\n".join(part for part in parts if part))


def _skeleton(page: PageLayout, record: EcgRecord, layout: str, body: str) -> str:
    words = f"ECG {record.record_id} on paper, {layout}, {patient_text(record)}"
    words += f". {finding_text(record)}" if finding_text(record) else ""
    words += ". Synthetic." if record.synthetic else ""
    left, bottom, width, height = page.grid
    top = page.height_mm - bottom - height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ecg" width="{page.width_mm:g}mm" height="{page.height_mm:g}mm"'
        f' viewBox="0 0 {page.width_mm:g} {page.height_mm:g}" data-mm-per-s="{MM_PER_S:g}"'
        f' data-mm-per-mv="{MM_PER_MV:g}"'
        f' data-grid="{left:g} {top:g} {width:g} {height:g}" data-record="{escape(record.record_id)}" role="img"'
        f' aria-label="{escape(words)}" font-family="Arial, Helvetica, sans-serif">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>'
    )


def _grid(page: PageLayout) -> str:
    left, bottom, width, height = page.grid
    top = page.height_mm - bottom - height
    lines = [f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" fill="{PAPER}"/>']
    for every, colour, thick in ((1, FINE_GRID, 0.09), (5, HEAVY_GRID, 0.16)):
        path = "".join(f"M{left + x:g} {top:g}v{height:g}" for x in range(0, round(width) + 1, every))
        path += "".join(f"M{left:g} {top + y:g}h{width:g}" for y in range(0, round(height) + 1, every))
        lines.append(f'<path d="{path}" stroke="{colour}" stroke-width="{thick}" fill="none"/>')
    return "\n".join(lines)


class _Sheet:
    """Traces, in hundredths of a millimetre, cut at the edge of the grid."""

    def __init__(self, page: PageLayout, every: int) -> None:
        self.page, self.every = page, every

    def begin(self) -> str:
        left, bottom, width, height = self.page.grid
        top = self.page.height_mm - bottom - height
        box = " ".join(f"{value * _UNIT:g}" for value in (left, top, width, height))
        return (
            f'<svg x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" viewBox="{box}">'
            f'<g fill="none" stroke-linejoin="round" stroke-linecap="round">'
        )

    def end(self) -> str:
        return "</g></svg>"

    def record(self, cell: Cell, record: EcgRecord, mask: np.ndarray, band: Band, zero_mv: float) -> str:
        row = record.leads.index(cell.lead)
        window = sample_window(cell, record)
        if window.stop <= window.start:
            return ""
        xs = positions(cell, window, record.fs_hz)
        measured, made = split_trace(to_page(cell, record.signal_mv[row, window], zero_mv), mask[row, window])
        parts = []
        if band is not None:
            lower, upper = (to_page(cell, edge[row, window], zero_mv) for edge in band)
            parts.append(self._area(xs, lower, upper))
        parts.append(self._line(xs, made, RECONSTRUCTED, _TRACE_MM, f"reconstructed-{cell.lead}"))
        parts.append(self._line(xs, measured, OBSERVED, _TRACE_MM, f"observed-{cell.lead}"))
        return "".join(parts)

    def overlay(self, cell: Cell, overlay: EcgRecord, zero_mv: float) -> str:
        window = sample_window(cell, overlay)
        if window.stop <= window.start:
            return ""
        ys = to_page(cell, overlay.signal_mv[overlay.leads.index(cell.lead), window], zero_mv)
        return self._line(positions(cell, window, overlay.fs_hz), ys, OVERLAY, _THIN_MM, f"overlay-{cell.lead}")

    def waves(self, cell: Cell, waves: Sequence[Wave]) -> str:
        own = [wave for wave in waves if wave.lead == cell.lead]
        shown = own or [wave for wave in waves if wave.lead == "global"]
        half, parts = min(0.42 * self.page.pitch_mm, 13.0), []
        for wave in shown:
            start, stop = max(wave.onset_s, cell.start_s), min(wave.offset_s, cell.stop_s)
            if stop <= start:
                continue
            x, width = cell.x_mm + (start - cell.start_s) * MM_PER_S, (stop - start) * MM_PER_S
            top, colour = self.page.height_mm - cell.y_mm - half, _WAVES.get(wave.kind, _GREY)
            box = [round(value * _UNIT) for value in (x, top, width, 2 * half)]
            seconds = " to ".join(f"{value:.3f}" for value in (wave.onset_s, wave.offset_s))
            parts.append(
                f'<rect class="wave" data-kind="{wave.kind}" data-lead="{cell.lead}" x="{box[0]}" y="{box[1]}"'
                f' width="{box[2]}" height="{box[3]}" fill="{colour}" fill-opacity=".13">'
                f"<title>{wave.kind} {seconds} s</title></rect>"
            )
            if cell.start_s <= wave.peak_s <= cell.stop_s:
                at = round((cell.x_mm + (wave.peak_s - cell.start_s) * MM_PER_S) * _UNIT)
                parts.append(f'<path d="M{at} {box[1]}v120" stroke="{colour}" stroke-width="25"/>')
        return "".join(parts)

    def _points(self, xs: np.ndarray, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.rint(_UNIT * xs).astype(int), np.rint(_UNIT * (self.page.height_mm - ys)).astype(int)

    def _line(self, xs: np.ndarray, ys: np.ndarray, colour: str, thick_mm: float, name: str) -> str:
        xs, ys = xs[:: self.every], ys[:: self.every]
        finite = np.isfinite(ys)
        if not finite.any():
            return ""
        edges = np.flatnonzero(np.diff(np.concatenate(([False], finite, [False])).astype(int)))
        path = []
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            x, y = self._points(xs[start:stop], ys[start:stop])
            path.append(f"M{x[0]} {y[0]}" + _steps(x, y) if stop - start > 1 else f"M{x[0]} {y[0]}h0")
        width = round(thick_mm * _UNIT)
        return f'<path class="{name}" stroke="{colour}" stroke-width="{width}" d="{"".join(path)}"/>'

    def _area(self, xs: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> str:
        xs, lower, upper = xs[:: self.every], lower[:: self.every], upper[:: self.every]
        finite = np.isfinite(lower) & np.isfinite(upper)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], finite, [False])).astype(int)))
        path = []
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            x, low = self._points(xs[start:stop], lower[start:stop])
            high = self._points(xs[start:stop], upper[start:stop])[1]
            xx, yy = np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]])
            path.append(f"M{xx[0]} {yy[0]}" + _steps(xx, yy) + "z")
        return f'<path class="band" stroke="none" fill="{RECONSTRUCTED}" fill-opacity=".22" d="{"".join(path)}"/>'


def _steps(x: np.ndarray, y: np.ndarray) -> str:
    pairs = zip(np.diff(x).tolist(), np.diff(y).tolist(), strict=True)
    return "l" + " ".join(f"{a} {b}" for a, b in pairs)


def _calibration(page: PageLayout) -> str:
    """Pulses of 1 mV and 200 ms before every row."""
    left, tall = page.grid[0] + 7.5, CALIBRATION_MV * MM_PER_MV
    path = "".join(
        f"M{left:g} {page.height_mm - level:g}h2.5v-{tall:g}h{CALIBRATION_S * MM_PER_S:g}v{tall:g}"
        f"h{LEAD_IN_MM - 17.5:g}"
        for level in page.row_levels
    )
    return f'<path class="calibration" d="{path}" fill="none" stroke="{INK}" stroke-width="{_TRACE_MM}"/>'


def _labels(page: PageLayout, missing: frozenset[str], heights: Callable[[Cell], float]) -> str:
    parts = []
    for cell in page.cells:
        y = page.height_mm - cell.y_mm
        if cell.column:
            marks = "".join(f"M{cell.x_mm:g} {y + sign * 2.5:g}v{sign * 3}" for sign in (-1, 1))
            parts.append(f'<path d="{marks}" stroke="{INK}" stroke-width=".25"/>')
        parts.append(_text(cell.x_mm + 1, y - heights(cell) + 1.2, cell.label, 3.4, bold=True, halo=True))
        if cell.lead in missing:
            parts.append(_text(cell.x_mm + cell.width_mm / 2, y, _MISSING, 2.7, "#7d5f5f", "middle", halo=True))
    return "".join(parts)


def _header(page: PageLayout, record: EcgRecord, notes: Sequence[str]) -> str:
    left, right = page.grid[0], page.grid[0] + page.grid[2]
    patient = f"patient {record.patient.id}, " if record.patient.id is not None else ""
    parts = [
        _text(left, 9.5, _fit(record.record_id, 80), 4.6, bold=True),
        _text(left, 15.7, _fit(patient + patient_text(record), 100), 3.2),
        _text(left, 21.5, _fit(finding_text(record), 120), 2.9, _GREY),
        _text(right, 15.7, settings_text(record), 3.2, anchor="end"),
        _text(right, 21.5, f"{record.duration_s:g} s recording", 2.9, _GREY, "end"),
    ]
    parts += [_text(left, 21.5 + 5 * number, _fit(note, 150), 3.0) for number, note in enumerate(notes, 1)]
    if record.synthetic:
        parts.append(f'<rect x="{right - 33:g}" y="4.6" width="33" height="6.6" rx="1" fill="{WARNING}"/>')
        parts.append(_text(right - 16.5, 9.5, SYNTHETIC, 4.2, "#fff", "middle", bold=True))
    return "".join(parts)


def _footer(page: PageLayout, record: EcgRecord, legend: Sequence[tuple[str, str]]) -> str:
    x, y, parts = page.grid[0], page.height_mm - page.grid[1] / 2 + 1, []
    for colour, words in legend:
        parts.append(f'<path d="M{x:g} {y - 1:g}h8" style="stroke:{colour}" stroke-width="1"/>')
        parts.append(_text(x + 10, y, words, 2.9))
        x += 14 + 1.7 * len(words)
    if record.synthetic:
        parts.append(_text(page.grid[0] + page.grid[2], y, _NOTICE, 2.9, WARNING, "end"))
    return "".join(parts)


def _text(
    x: float, y: float, words: str, size: float, colour: str = INK, anchor: str = "start", *, bold: bool = False,
    halo: bool = False,
) -> str:  # fmt: skip
    if not words:
        return ""
    style = ' font-weight="bold"' if bold else ""
    style += f' stroke="{PAPER}" stroke-width=".7" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"{style}>'
        f"{escape(words)}</text>"
    )


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 2] + " …"
