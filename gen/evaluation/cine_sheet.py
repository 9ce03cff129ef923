"""Contact sheet: simulated short axes beside real ones of the Sunnybrook set, end-diastole and end-systole.

``physiogen evaluate cine-cohort --picture docs/cine-contact-sheet.png --real .data/sunnybrook``
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from gen.cine import CineRecord
from gen.files import atomic_files
from gen.simulate.cine.anatomy import GROUPS, group_of
from gen.simulate.cine.cohort import simulate_cine
from gen.simulate.heart import draw_heart

_FRAMES = 25  # every frame of the sheet is drawn from a loop this long: enough for end-systole, half the work


def first_of_each_group(seed: int, rare: Mapping[str, float], per_group: int = 2, limit: int = 4000) -> list[int]:
    """Indices of the first patients of every group, in the order of `GROUPS`."""
    found: dict[str, list[int]] = {group: [] for group in GROUPS}
    for index in range(limit):
        group = group_of(draw_heart(seed, index, oversample=rare))
        if len(found[group]) < per_group:
            found[group].append(index)
        if all(len(v) == per_group for v in found.values()):
            break
    return [index for group in GROUPS for index in found[group]]


def pair(record: CineRecord, number: int) -> np.ndarray:
    """End-diastole (frame 0) and end-systole of one slice side by side, (row, 2 col) 0..1."""
    end = record.end_systole
    if end is None:  # unlabelled: the frame least like the first
        end = int(((record.frames[number] - record.frames[number, :1]) ** 2).mean(axis=(1, 2)).argmax())
    # A little brighter, as a viewer's window would be.
    return np.clip(np.hstack([record.frames[number, 0], record.frames[number, end]]), 0, 1) ** 0.8


def tiles(seed: int, real: Path | None, rare: Mapping[str, float]) -> list[tuple[str, np.ndarray]]:
    """Titles and pictures: simulated mid slices of each group, one stack, then real studies."""
    indices = first_of_each_group(seed, rare)
    found = []
    for record in simulate_cine(indices, seed=seed, frames=_FRAMES, oversample=rare):
        facts = record.metadata
        ef = 100 * (record.ef or 0.0)
        found.append((f"simulated {facts['group']}, EF {ef:.0f} %", pair(record, 0)))
    stack = simulate_cine(indices[:1], seed=seed, frames=_FRAMES, levels="stack", oversample=rare)[0]
    found += [(f"simulated stack, slice {k + 1}", pair(stack, k)) for k in _spread(stack.num_slices, 4)]
    if real is not None:
        from gen.datasets.cine import open_cine  # reading DICOM is not needed without real data

        for record in open_cine(real, frames=_FRAMES):
            numbers = _spread(record.num_slices, 4)
            found += [(f"real {record.record_id[:10]}, slice {k + 1}", pair(record, k)) for k in numbers]
    return found


def _spread(count: int, wanted: int) -> Iterable[int]:
    return np.rint(np.linspace(0.15, 0.8, wanted) * (count - 1)).astype(int).tolist()


def draw_sheet(pictures: list[tuple[str, np.ndarray]], path: Path, columns: int = 4) -> Path:
    """Write the tiles with their titles as one PNG; an existing file is replaced."""
    from PIL import Image, ImageDraw

    height, width = pictures[0][1].shape
    gap, title = 4, 13
    lines = -(-len(pictures) // columns)
    sheet = Image.new("L", (columns * (width + gap), lines * (height + title + gap)), 0)
    pen = ImageDraw.Draw(sheet)
    for k, (text, picture) in enumerate(pictures):
        x, y = (k % columns) * (width + gap), (k // columns) * (height + title + gap)
        pen.text((x + 2, y + 1), text, fill=200)
        sheet.paste(Image.fromarray((255 * picture).astype(np.uint8)), (x, y + title))
    with atomic_files(path, overwrite=True) as temporary:
        # 40 greys are enough to judge a heart by, and half the size.
        sheet.quantize(40).save(temporary, format="PNG", optimize=True)
    return path
