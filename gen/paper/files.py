"""A picture with its truth on disk, and the list of a folder of them.

``NAME.png`` the picture, ``NAME.leads.png`` the mask, ``NAME.npz`` the signal with what can be seen of it,
``NAME.json`` the truth; ``coco.json`` lists all pictures.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gen.files import write_json
from gen.paper.drawing import Picture
from gen.paper.truth import lead_mask, places, truth

COCO = "coco.json"
#: A list of lists of points, and the comma behind it.
_POLYLINES = re.compile(r'"polylines":\[(?:\[[-0-9.,\[\]e]*\])?\],')


def write_picture(folder: Path, name: str, picture: Picture, facts: Mapping[str, Any]) -> None:
    """Write a picture and its truth; ``facts`` are added to the truth's ``paper``."""
    import cv2

    told = truth(picture, f"{name}.png")
    told["paper"] |= dict(facts)
    # What is drawn has large even areas, which filters make no smaller, only slower.
    how = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    how += [] if picture.degradations else [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    for ending, pixels in ((".png", picture.pixels), (".leads.png", lead_mask(picture))):
        good, code = cv2.imencode(".png", pixels, how)
        if not good:
            raise OSError(f"{folder / name}{ending}: OpenCV could not encode it")
        (folder / f"{name}{ending}").write_bytes(code.tobytes())
    record, where = picture.record, places(picture)
    np.savez(
        folder / f"{name}.npz",
        allow_pickle=False,
        signal_mv=record.signal_mv,
        visible=np.isfinite(where).all(axis=-1),
        pixel=where,
        leads=np.array(record.leads),
        fs_hz=np.array(record.fs_hz),
    )
    (folder / f"{name}.json").write_text(json.dumps(told, separators=(",", ":")), encoding="utf-8")


def _without_polylines(path: Path) -> Any:
    """A picture's truth but the polylines: COCO does not hold them, and their numbers are nearly all of the file.

    They are cut out of the text as `write_picture` wrote it, which is five times as fast as reading and dropping them.
    """
    return json.loads(_POLYLINES.sub("", path.read_text(encoding="utf-8")))


def write_coco(folder: Path, names: Iterable[str]) -> int:
    """All pictures as one COCO file, with boxes and polygons; polylines stay with each picture.

    Returns:
        How many there are.
    """
    images: list[Any] = []
    annotations: list[Any] = []
    categories: list[Any] = []
    for name in names:
        told = _without_polylines(folder / f"{name}.json")
        number, categories = len(images) + 1, told["categories"]
        images += [{**image, "id": number} for image in told["images"]]
        for note in told["annotations"]:
            annotations.append(note | {"id": len(annotations) + 1, "image_id": number})
    info = {"description": "ECGs on paper, drawn by physiogen"}
    write_json(
        folder / COCO,
        {"info": info, "licenses": [], "images": images, "categories": categories, "annotations": annotations},
    )
    return len(images)
