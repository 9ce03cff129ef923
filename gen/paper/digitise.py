"""A plain column-wise digitiser, which proves that picture and truth belong together: it is told the truth's boxes.

No contribution to digitisation: it follows the darkest ink of each column within a lead's box.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.paper.drawing import Pixels

Array = npt.NDArray[np.float64]
_GAP = 3


def digitise(
    pixels: Pixels,
    annotation: Mapping[str, Any],
    paper: Mapping[str, Any],
    *,
    prints: Sequence[Sequence[float]] = (),
    dark: float = 140.0,
) -> Array:
    """Millivolts of the samples that one annotation of a lead shows.

    Args:
        pixels: (height, width, 3) uint8 of an undegraded picture.
        annotation: of a lead, as `gen.paper.truth` gives it; its box and zero line are used, its polylines are not.
        paper: the truth's ``paper``.
        prints: boxes of text, which is no trace.
        dark: grey level below which a pixel is ink.

    Returns:
        (samples,) mV at the record's own rate; NaN where no ink was found.
    """
    left, top, width, height = annotation["bbox"]
    x0, x1 = max(0, int(np.floor(left))), min(pixels.shape[1], int(np.ceil(left + width)) + 1)
    y0, y1 = max(0, int(np.floor(top)) - 2), min(pixels.shape[0], int(np.ceil(top + height)) + 3)
    grey = pixels[y0:y1, x0:x1].astype(np.float64).mean(axis=2)
    for box in prints:
        grey[
            max(0, int(box[1]) - y0) : max(0, int(np.ceil(box[1] + box[3])) + 1 - y0),
            max(0, int(box[0]) - x0) : max(0, int(np.ceil(box[0] + box[2])) + 1 - x0),
        ] = 255
    scale = paper["px_per_mm"]
    zero_x, zero_y = annotation["zero_px"]
    top, bottom, middle = _edges(np.clip(dark - grey, 0, None), zero_y - y0)
    count = annotation["samples"]
    first_s = annotation["first_sample"] / paper["fs_hz"] - annotation["start_s"]
    at = zero_x + (first_s + np.arange(count) / paper["fs_hz"]) * paper["mm_per_s"] * scale
    if not np.isfinite(top).any():
        return np.full(count, np.nan)
    rows = y0 + _between(top, bottom, middle, at - x0)
    return annotation["sign"] * (zero_y - rows) / (paper["mm_per_mv"] * scale)


def _edges(ink: Array, start: float) -> tuple[Array, Array, Array]:
    """First and last row of the trace's ink in every column, and its centre of mass.

    Of several stretches of ink in a column the longest of those that go on from the column before is taken.
    """
    spans, middle = np.full((ink.shape[1], 2), np.nan), np.full(ink.shape[1], np.nan)
    last = (start, start)
    for column in range(ink.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], ink[:, column] > 0, [False]]).astype(int)))
        if len(edges):
            # The soft edge of a steep stroke is broken here and there: gaps of a few pixels are none.
            broken = edges[1:-1].reshape(-1, 2)
            kept = broken[broken[:, 1] - broken[:, 0] > _GAP]
            runs = np.concatenate([edges[:1], kept.ravel(), edges[-1:]]).reshape(-1, 2)
            gap = np.maximum(runs[:, 0] - last[1], last[0] - (runs[:, 1] - 1)).clip(0)
            near = runs[gap <= max(_GAP, gap.min())]
            low, stop = near[int((near[:, 1] - near[:, 0]).argmax())]
            spans[column] = last = low, stop - 1
            middle[column] = np.average(np.arange(low, stop), weights=ink[low:stop, column] + 1e-9)
    return spans[:, 0], spans[:, 1], middle


def _between(top: Array, bottom: Array, middle: Array, x: Array) -> Array:
    """The trace's rows at places ``x``, from the edges of its ink.

    A pen dilates the trace by half its width. Eroding the upper edge by as much gives the trace back everywhere but in
    narrow valleys (a closing), eroding the lower one everywhere but on narrow peaks (an opening); where the two differ,
    the one that is farther from the level around is right.
    """
    columns, known = np.arange(len(top)), np.isfinite(top)
    top, bottom, middle = (np.interp(columns, columns[known], edge[known]) for edge in (top, bottom, middle))
    half = float(np.median(bottom - top)) / 2
    near = np.round(x).astype(int)[:, None] + np.arange(-4, 5)
    reached = np.abs(near - x[:, None]) <= half + 0.5
    near = near.clip(0, len(top) - 1)
    closed = np.where(reached, top[near], -np.inf).max(axis=1) + half
    opened = np.where(reached, bottom[near], np.inf).min(axis=1) - half
    from scipy.ndimage import median_filter  # half a second, which a mistyped layout need not wait for

    around = np.interp(x, columns, median_filter((top + bottom) / 2, 25, mode="nearest"))
    differ = np.abs(closed - opened) > 2 * half + 1
    return np.where(differ, np.where(around - closed > opened - around, closed, opened), np.interp(x, columns, middle))
