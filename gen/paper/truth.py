"""What is true of a picture, as COCO lays it out, and which pixel belongs to which lead."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_12
from gen.paper.drawing import SHIFT, Picture, Pixels, fixed_point, pulse_points, stretches
from gen.paper.layouts import SHEET_MM

#: COCO's categories; the number of a lead is also the value of its pixels in the mask.
CATEGORIES = (*LEADS_12, "text", "grid", "calibration")
_NUMBER = {name: number for number, name in enumerate(CATEGORIES, 1)}


def truth(picture: Picture, file_name: str, image_id: int = 1) -> dict[str, Any]:
    """COCO's parts of one picture, and ``paper`` with what COCO has no place for.

    Every annotation has ``bbox`` (left, top, width, height) and ``segmentation`` (a polygon); those of leads also have
    ``polylines`` (corners of the drawn stretches, within `gen.paper.drawing.TOLERANCE_PX` of every sample; `places` has
    all samples), ``first_sample`` and ``samples``, ``start_s``, ``stop_s``, ``zero_px`` (where 0 mV of the first sample
    lies), ``sign``, ``row`` and ``column``. ``paper`` has layout and scale, the corners of the sheet, homography and
    folds from the clean sheet to the picture, the spacing of the grid, and per lead the samples that can be seen.
    """
    page, warp, record = picture.page, picture.warp, picture.record
    found: list[dict[str, Any]] = []

    def note(category: str, points: npt.NDArray[np.float64], outline: npt.NDArray[np.float64], **facts: Any) -> None:
        known = points[np.isfinite(points).all(axis=1)]
        if not len(known):
            return
        low, high = known.min(axis=0), known.max(axis=0)
        found.append(
            {
                "id": len(found) + 1,
                "image_id": image_id,
                "category_id": _NUMBER[category],
                "bbox": _rounded([*low, *(high - low)]),
                "area": round(float(np.prod(high - low)), 1),
                "segmentation": [_rounded(outline.ravel())],
                "iscrowd": 0,
                **facts,
            }
        )

    for trace, lines in zip(picture.traces, picture.lines, strict=True):
        cell, points = trace.cell, trace.points
        moved = warp.forward(points)
        middle = next(one.y for one in page.cells if (one.row, one.column) == (cell.row, cell.column))
        note(
            cell.lead,
            moved,
            warp.forward(_corners(cell.x, middle - cell.height / 2, cell.x + cell.width, middle + cell.height / 2)),
            polylines=[np.round(run, 2).tolist() for run in lines],
            first_sample=trace.first,
            samples=len(points),
            start_s=cell.start_s,
            stop_s=cell.stop_s,
            zero_px=_rounded(warp.forward(np.array([[cell.x, cell.y]]))[0]),
            sign=cell.sign,
            row=cell.row,
            column=cell.column,
        )
    for text in picture.texts:
        corners = warp.forward(_corners(*text.box))
        note("text", corners, corners, text=text.text, kind=text.kind)
    left, top, width, height = page.grid
    corners = warp.forward(_corners(left, top, left + width, top + height))
    note("grid", corners, corners)
    if picture.style.pulse:
        for row in sorted({cell.row for cell in page.cells}):
            pulse = warp.forward(pulse_points(page, row))
            note("calibration", pulse, pulse, row=row)
    size = {"width": picture.pixels.shape[1], "height": picture.pixels.shape[0]}
    return {
        "info": {"description": "ECG on paper, drawn by physiogen", "synthetic_ecg": bool(record.synthetic)},
        "licenses": [],
        "images": [{"id": image_id, "file_name": file_name, **size}],
        "categories": [
            {"id": number, "name": name, "supercategory": "lead" if name in LEADS_12 else "print"}
            for name, number in _NUMBER.items()
        ],
        "annotations": found,
        "paper": _paper(picture),
    }


def _paper(picture: Picture) -> dict[str, Any]:
    page, warp, record = picture.page, picture.warp, picture.record
    sheet = _corners(0, 0, page.width, page.height)
    return {
        "record": record.record_id,
        "fs_hz": record.fs_hz,
        "samples": record.num_samples,
        "layout": page.layout,
        "mm_per_s": page.mm_per_s,
        "mm_per_mv": page.mm_per_mv,
        "sheet_mm": list(SHEET_MM),
        "px_per_mm": round(page.px_per_mm, 6),
        "grid_px": {"fine": round(page.px_per_mm, 6), "heavy": round(5 * page.px_per_mm, 6)},
        "corners": [_rounded(point) for point in warp.forward(sheet)],
        "homography": warp.homography.tolist(),
        "folds": [vars(fold) for fold in warp.folds],
        "degradations": [dict(step) for step in picture.degradations],
        "visible": visible(picture),
        "header_is_invented": True,
    }


def visible(picture: Picture) -> Mapping[str, list[list[int]]]:
    """Per lead the stretches [first, stop) of samples that are drawn."""
    found: dict[str, list[list[int]]] = {}
    for trace in picture.traces:
        edges = trace.first + stretches(trace.points)
        found.setdefault(trace.cell.lead, []).extend([int(a), int(b)] for a, b in edges)
    return {lead: _joined(parts) for lead, parts in found.items()}


def places(picture: Picture) -> npt.NDArray[np.float32]:
    """(lead, samples, 2) pixel of every sample where its lead is drawn first; NaN where it is not drawn."""
    record = picture.record
    found = np.full((*record.signal_mv.shape, 2), np.nan, dtype=np.float32)
    for trace in reversed(picture.traces):
        span = slice(trace.first, trace.first + len(trace.points))
        found[record.leads.index(trace.cell.lead), span] = picture.warp.forward(trace.points)
    return found


def lead_mask(picture: Picture) -> Pixels:
    """(height, width) uint8: the number of the lead in `CATEGORIES` whose trace covers the pixel; 0 elsewhere."""
    import cv2

    mask = np.zeros(picture.pixels.shape[:2], dtype=np.uint8)
    for trace, lines in zip(picture.traces, picture.lines, strict=True):
        runs, number = fixed_point(lines), _NUMBER[trace.cell.lead]
        cv2.polylines(mask, runs, False, number, picture.style.thickness, cv2.LINE_8, SHIFT)
    return mask


def _joined(parts: list[list[int]]) -> list[list[int]]:
    joined: list[list[int]] = []
    for first, stop in sorted(parts):
        if joined and first <= joined[-1][1]:
            joined[-1][1] = max(stop, joined[-1][1])
        else:
            joined.append([first, stop])
    return joined


def _corners(left: float, top: float, right: float, bottom: float) -> npt.NDArray[np.float64]:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float64)


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 2) for value in values]
