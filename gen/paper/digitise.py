"""A plain column-wise digitiser, which proves that picture and truth belong together: it is told the truth's boxes.

No contribution to digitisation: it follows the ink of each column within a lead's box. A pen is wider than a column, so
that its ink shows several columns together; what was read is drawn with the same pen and corrected by what differs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from gen.paper.drawing import SHIFT, Pixels

Array = npt.NDArray[np.float64]
#: Gaps of a few pixels in the ink of a steep stroke are none.
_GAP = 3
#: Share of ink below which a pixel is paper.
_FAINT = 0.02
#: Grey levels of the paper and its grid begin here; each has at least this share of the pixels around.
_PAPER, _SHARE, _AROUND_PX = 150, 0.02, 100
#: Rounds of correction (Landweber 1951), and the part of a difference that each makes good.
_ROUNDS, _STEP = 4, 0.7
_PENS = (1, 2, 3, 4)


def digitise(
    pixels: Pixels,
    annotation: Mapping[str, Any],
    paper: Mapping[str, Any],
    *,
    prints: Sequence[Sequence[float]] = (),
) -> Array:
    """Millivolts of the samples that one annotation of a lead shows.

    Args:
        pixels: (height, width, 3) uint8 of an undegraded picture.
        annotation: of a lead, as `gen.paper.truth` gives it; its box and zero line are used, its polylines are not.
        paper: the truth's ``paper``.
        prints: boxes of text, which is no trace.

    Returns:
        (samples,) mV at the record's own rate; NaN where no ink was found.
    """
    left, top, width, height = annotation["bbox"]
    x0, x1 = max(0, int(np.floor(left))), min(pixels.shape[1], int(np.ceil(left + width)) + 1)
    y0, y1 = max(0, int(np.floor(top)) - 3), min(pixels.shape[0], int(np.ceil(top + height)) + 4)
    ink = _ink(pixels, slice(y0, y1), slice(x0, x1))
    for box in prints:
        ink[
            max(0, int(box[1]) - y0) : max(0, int(np.ceil(box[1] + box[3])) + 1 - y0),
            max(0, int(box[0]) - x0) : max(0, int(np.ceil(box[0] + box[2])) + 1 - x0),
        ] = 0
    zero_x, zero_y = annotation["zero_px"]
    scale, count = paper["px_per_mm"], annotation["samples"]
    seen, amount = _followed(ink, zero_y - y0)
    if np.isfinite(seen).sum() < 2:
        return np.full(count, np.nan)
    first_s = annotation["first_sample"] / paper["fs_hz"] - annotation["start_s"]
    at = zero_x + (first_s + np.arange(count) / paper["fs_hz"]) * paper["mm_per_s"] * scale - x0
    rows = y0 + _corrected(seen, amount, at, ink.shape)
    return annotation["sign"] * (zero_y - rows) / (paper["mm_per_mv"] * scale)


def _ink(pixels: Pixels, rows: slice, columns: slice) -> Array:
    """How much of each pixel is ink, 0 to 1, from the channel in which paper and grid are lightest."""
    around = pixels[
        max(0, rows.start - _AROUND_PX) : rows.stop + _AROUND_PX,
        max(0, columns.start - _AROUND_PX) : columns.stop + _AROUND_PX,
    ].max(axis=2)
    shares = np.bincount(around.ravel(), minlength=256) / around.size
    light = np.flatnonzero(shares[_PAPER:] > _SHARE)
    white = float(_PAPER + light[0]) if light.size else 255.0
    grey = pixels[rows, columns].max(axis=2).astype(np.float64)
    return np.asarray(np.clip((white - grey) / max(white - grey.min(), 1.0), 0, 1))


def _followed(ink: Array, start: float) -> tuple[Array, Array]:
    """Middle and amount of the trace's ink in every column.

    Of several stretches of ink in a column the longest of those that go on from the column before is taken.
    """
    middle, amount = np.full(ink.shape[1], np.nan), np.full(ink.shape[1], np.nan)
    last = (start, start)
    for column in range(ink.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], ink[:, column] > _FAINT, [False]]).astype(int)))
        if len(edges):
            broken = edges[1:-1].reshape(-1, 2)
            kept = broken[broken[:, 1] - broken[:, 0] > _GAP]
            runs = np.concatenate([edges[:1], kept.ravel(), edges[-1:]]).reshape(-1, 2)
            gap = np.maximum(runs[:, 0] - last[1], last[0] - (runs[:, 1] - 1)).clip(0)
            near = runs[gap <= max(_GAP, gap.min())]
            low, stop = near[int((near[:, 1] - near[:, 0]).argmax())]
            last = low, stop - 1
            part = ink[low:stop, column]
            amount[column] = part.sum()
            middle[column] = (np.arange(low, stop) * part).sum() / amount[column]
    return middle, amount


def _corrected(seen: Array, amount: Array, at: Array, shape: tuple[int, ...]) -> Array:
    """Rows of the trace at places ``at``: those which, drawn with the pen, have the ink's middle where it was seen."""
    columns, known = np.arange(len(seen)), np.isfinite(seen)
    seen = np.interp(columns, columns[known], seen[known])
    usual = float(np.median(amount[known]))
    first = CubicSpline(columns, seen)(at)
    drawn = {pen: _drawn(at, first, pen, shape)[1] for pen in _PENS}
    pen = min(_PENS, key=lambda each: abs(float(np.nanmedian(drawn[each])) - usual))
    reach = np.ones(2 * pen + 1) / (2 * pen + 1)  # the columns that the pen shows together
    rows = seen.copy()
    for _ in range(_ROUNDS):
        middle, _ = _drawn(at, CubicSpline(columns, rows)(at), pen, shape)
        differs = np.where(np.isfinite(middle), seen - middle, 0.0)
        rows += _STEP * np.convolve(np.pad(differs, pen, mode="edge"), reach, "valid")
        rows = rows.clip(-_GAP, shape[0] + _GAP)
    return np.asarray(CubicSpline(columns, rows)(at))


def _drawn(at: Array, rows: Array, pen: int, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Middle and amount of the ink in every column, if a trace is drawn there; NaN where it is not."""
    import cv2

    sheet = np.zeros(shape, dtype=np.uint8)
    points = np.round(np.stack([at, rows], axis=1) * 2**SHIFT).astype(np.int32)
    cv2.polylines(sheet, [points], False, 255, pen, cv2.LINE_AA, SHIFT)
    ink = sheet.astype(np.float64) / 255
    amount = ink.sum(axis=0)
    amount[amount == 0] = np.nan
    return (np.arange(shape[0])[:, None] * ink).sum(axis=0) / amount, amount
