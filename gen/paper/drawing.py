"""The clean sheet: ruled paper, traces, labels, pulse and header, with everything's place in pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gen.leads import derivable
from gen.paper.geometry import IDENTITY, Warp
from gen.paper.layouts import LEAD_IN_MM, Page, PaperCell
from gen.paper.style import Style
from gen.records import EcgRecord, InputError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Pixels = npt.NDArray[np.uint8]
#: Bits of the fraction of a pixel that OpenCV draws with.
SHIFT = 4
SYNTHETIC = "SYNTHETIC ECG"
#: Drawn lines may be this far from the samples: .002 mV at 10 mm/mV and 1,700 pixels.
TOLERANCE_PX = 0.12


@dataclass(frozen=True)
class TextBox:
    """A line of print: its text and its rectangle (left, top, right, bottom) on the clean sheet, in pixels."""

    text: str
    box: tuple[float, float, float, float]
    kind: str


@dataclass(frozen=True)
class Trace:
    """The drawn samples of one cell.

    Attributes:
        cell: where.
        first: index of the first drawn sample of the record.
        points: (n, 2) pixels on the clean sheet, one per sample; NaN where nothing was recorded.
    """

    cell: PaperCell
    first: int
    points: npt.NDArray[np.float64]

    @cached_property
    def lines(self) -> list[npt.NDArray[np.float64]]:
        """As it lies on the clean sheet, `simplified`."""
        return simplified(self.points)


@dataclass(frozen=True)
class Picture:
    """A sheet as pixels, and where everything on it lies.

    Attributes:
        pixels: (height, width, 3) uint8; blue, green, red.
        page, style: what was drawn.
        record: of whom; leads that follow from others are among its leads.
        traces, texts: on the clean sheet.
        warp: from the clean sheet to ``pixels``.
        degradations: what was done to the picture, in order, with its strength.
    """

    pixels: Pixels
    page: Page
    style: Style
    record: EcgRecord
    traces: tuple[Trace, ...]
    texts: tuple[TextBox, ...]
    warp: Warp = IDENTITY
    degradations: tuple[Mapping[str, Any], ...] = field(default=())

    @cached_property
    def lines(self) -> tuple[list[npt.NDArray[np.float64]], ...]:
        """Every trace as it lies in the picture, `simplified`."""
        if self.warp.still:
            return tuple(trace.lines for trace in self.traces)
        return tuple(simplified(self.warp.forward(trace.points)) for trace in self.traces)


def draw(record: EcgRecord, page: Page, style: Style) -> Picture:
    """Draw the leads of a record that the page has places for, those included that follow from its leads.

    Raises:
        InputError: the record has none of the page's leads; or OpenCV is not installed.
    """
    leads = derivable(record.leads)
    shown = record.select(leads) if set(leads) - set(record.leads) else record
    if not any(cell.lead in shown.leads for cell in page.cells):
        raise InputError(f"{record.record_id}: no lead of layout {page.layout}")
    pixels = _ruled(page, style)
    traces = []
    for cell in page.cells:
        if cell.lead in shown.leads:
            trace = _trace(shown, page, cell)
            _draw_lines(pixels, trace.lines, style)
            traces.append(trace)
    if style.pulse:
        for row in sorted({cell.row for cell in page.cells}):
            _draw_lines(pixels, simplified(pulse_points(page, row)), style)
    texts = _write(pixels, page, style, record, traces)
    return Picture(pixels, page, style, shown, tuple(traces), texts)


def pulse_points(page: Page, row: int) -> npt.NDArray[np.float64]:
    """The calibration pulse of a row: 1 mV for 200 ms, in pixels."""
    level = next(cell.y for cell in page.cells if cell.row == row)
    left, scale = (LEAD_IN_MM - 11) * page.px_per_mm, page.px_per_mm
    x = left + np.array([0, 2, 2, 2 + 0.2 * page.mm_per_s, 2 + 0.2 * page.mm_per_s, 4 + 0.2 * page.mm_per_s]) * scale
    return np.stack([x, level - np.array([0, 0, 1, 1, 0, 0]) * page.px_per_mv], axis=1)


def _trace(record: EcgRecord, page: Page, cell: PaperCell) -> Trace:
    first = int(np.ceil(cell.start_s * record.fs_hz - 1e-9))
    stop = min(record.num_samples, int(np.ceil(cell.stop_s * record.fs_hz - 1e-9)))
    values = cell.sign * record.signal_mv[record.leads.index(cell.lead), first:stop].astype(np.float64)
    # The zero line of the cell is the trace's own: an offset of the recorder would carry it off the paper.
    known = values[np.isfinite(values)]
    middle = float(np.median(known)) if known.size else 0.0
    seconds = np.arange(first, stop) / record.fs_hz - cell.start_s
    y = cell.y - (values - middle) * page.px_per_mv
    points = np.stack([cell.x + seconds * page.px_per_s, y], axis=1)
    return Trace(replace(cell, y=cell.y + middle * page.px_per_mv), first, points)


def _ruled(page: Page, style: Style) -> Pixels:
    """White paper with lines every millimetre and heavy ones every five."""
    left, top, width, height = page.grid
    xs = np.round(left + np.arange(round(width / page.px_per_mm) + 1) * page.px_per_mm).astype(int)
    ys = np.round(top + np.arange(round(height / page.px_per_mm) + 1) * page.px_per_mm).astype(int)
    blank = np.full((page.width, 3), 255, dtype=np.uint8)
    between, fine, heavy = blank.copy(), blank.copy(), blank.copy()  # rows of pixels: of no line, and along one
    if style.dotted:
        fine[xs] = style.fine
    else:
        between[xs] = style.fine
        fine[xs[0] : xs[-1] + 1] = style.fine
    for row in (between, fine):
        row[xs[::5]] = style.heavy
    heavy[xs[0] : xs[-1] + 1] = style.heavy
    pixels = np.full((page.height, page.width, 3), 255, dtype=np.uint8)
    pixels[ys[0] : ys[-1] + 1] = between
    pixels[ys] = fine
    pixels[ys[::5]] = heavy
    return pixels


def _draw_lines(pixels: Pixels, lines: Sequence[npt.NDArray[np.float64]], style: Style) -> None:
    import cv2

    cv2.polylines(pixels, fixed_point(lines), False, style.ink, style.thickness, cv2.LINE_AA, SHIFT)


def fixed_point(runs: Sequence[npt.NDArray[np.float64]]) -> list[npt.NDArray[np.int32]]:
    """Polylines as OpenCV draws them with ``shift=SHIFT``."""
    return [np.round(run * 2**SHIFT).astype(np.int32) for run in runs]


def stretches(points: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """First index and the one after the last (n, 2) of every stretch of points without NaN."""
    known = np.isfinite(points).all(axis=1)
    return np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int))).reshape(-1, 2)


def simplified(points: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Stretches of a polyline without the points that lie within `TOLERANCE_PX` of the line between others."""
    import cv2

    runs = (points[first:stop].astype(np.float32) for first, stop in stretches(points))
    return [cv2.approxPolyDP(run[:, None], TOLERANCE_PX, False)[:, 0].astype(np.float64) for run in runs]


def _write(pixels: Pixels, page: Page, style: Style, record: EcgRecord, traces: list[Trace]) -> tuple[TextBox, ...]:
    """Print what is said beside the traces into the pixels; every line of it with its box."""
    texts: list[TextBox] = []
    mm = page.px_per_mm

    def write(text: str, x: float, y: float, size_mm: float, kind: str, colour: tuple[int, int, int]) -> None:
        texts.append(TextBox(text, _print(pixels, text, x, y, max(8, round(size_mm * mm)), colour), kind))

    for number, line in enumerate(style.header):
        write(line, 8 * mm, (4 + 6.2 * number) * mm, 4.0, "header", style.ink)
    scale = f"{page.mm_per_s:g} mm/s   {page.mm_per_mv:g} mm/mV"
    write(scale, 8 * mm, page.height - 8 * mm, 3.4, "scale", style.ink)
    if record.synthetic:
        write(SYNTHETIC, page.width - 62 * mm, 5 * mm, 5.0, "mark", (30, 30, 180))
    drawn = np.concatenate([trace.points for trace in traces])
    for cell in page.cells:
        size = min(4.2, 0.3 * cell.height / mm)
        write(cell.label, *_free(drawn, cell, page, size * mm), size, "lead", style.ink)
    return tuple(texts)


def _print(
    pixels: Pixels, text: str, x: float, y: float, size: int, colour: tuple[int, int, int]
) -> tuple[float, float, float, float]:
    """Print a line whose upper left corner is (x, y); its box."""
    left, top = round(x), round(y)
    ink, box = _ink(text, size)
    part = pixels[top : top + ink.shape[0], left : left + ink.shape[1]]
    share = ink[: part.shape[0], : part.shape[1]]
    part[:] = np.round(part + share * (np.array(colour, dtype=np.float32) - part))
    return left + box[0], top + box[1], left + box[2], top + box[3]


@lru_cache(maxsize=256)
def _ink(text: str, size: int) -> tuple[npt.NDArray[np.float32], tuple[float, float, float, float]]:
    """How much ink (height, width, 1) a line of print leaves, and its box in it: the same on every sheet."""
    from PIL import Image, ImageDraw

    font = _font(size)
    box = font.getbbox(text)
    ink = Image.new("L", (int(np.ceil(box[2])) + 2, int(np.ceil(box[3])) + 2))
    ImageDraw.Draw(ink).text((0, 0), text, fill=255, font=font)
    share: npt.NDArray[np.float32] = np.asarray(ink, dtype=np.float32)[:, :, None] / np.float32(255)
    return share, box


def _free(points: npt.NDArray[np.float64], cell: PaperCell, page: Page, height: float) -> tuple[float, float]:
    """Where a lead's name begins so that no trace crosses it: at the start of its cell, as high as there is room."""
    mm, width = page.px_per_mm, 2.2 * height
    highest, lowest = cell.y - 0.5 * cell.height, cell.y + 0.5 * cell.height - 1.5 * height
    points = points[(points[:, 0] > cell.x) & (points[:, 0] < cell.x + 25 * mm + width)]
    for x in cell.x + np.arange(1.0, min(20.0, cell.width / mm / 2), 3.0) * mm:
        levels = points[(points[:, 0] > x - mm) & (points[:, 0] < x + width + mm), 1]
        for y in np.arange(highest, lowest, mm / 2):
            if not ((levels > y - 0.5 * mm) & (levels < y + 1.3 * height + 0.5 * mm)).any():
                return float(x), float(y)
    return float(cell.x + mm), float(highest)


@lru_cache(maxsize=16)
def _font(size: int) -> "FreeTypeFont":
    from PIL import ImageFont

    return ImageFont.load_default(size)  # type: ignore[return-value]
