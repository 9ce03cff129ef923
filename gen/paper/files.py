"""A picture with its truth on disk, and a folder of them that goes on where it stopped.

``NAME.png`` the picture, ``NAME.leads.png`` the mask, ``NAME.npz`` the signal with what can be seen of it, and last
``NAME.json`` the truth: a picture without it is unfinished and is made again.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gen.files import read_json, replacing, write_json
from gen.io.common import library
from gen.paper.drawing import Picture
from gen.paper.truth import lead_mask, places, truth
from gen.records import InputError

PLAN, COCO = "paper.json", "coco.json"


def write_picture(folder: Path, name: str, picture: Picture, facts: Mapping[str, Any]) -> None:
    """Write a picture and its truth; ``facts`` are added to the truth's ``paper``."""
    cv2 = library("cv2", "paper")
    told = truth(picture, f"{name}.png")
    told["paper"] |= dict(facts)
    # What is drawn has large even areas, which filters make no smaller, only slower.
    how = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    how += [] if picture.degradations else [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    for ending, pixels in ((".png", picture.pixels), (".leads.png", lead_mask(picture))):
        good, code = cv2.imencode(".png", pixels, how)
        if not good:
            raise OSError(f"{folder / name}{ending}: OpenCV could not encode it")
        with replacing(folder / f"{name}{ending}") as temporary:
            temporary.write_bytes(code.tobytes())
    record = picture.record
    where = places(picture)
    arrays = {
        "signal_mv": record.signal_mv,
        "visible": np.isfinite(where).all(axis=-1),
        "pixel": where,
        "leads": np.array(record.leads),
        "fs_hz": np.array(record.fs_hz),
    }
    with replacing(folder / f"{name}.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    with replacing(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(told, separators=(",", ":")), encoding="utf-8")


def is_finished(folder: Path, name: str) -> bool:
    """Whether a picture and all that belongs to it are there."""
    return (folder / f"{name}.json").is_file()


def open_folder(folder: Path, settings: Mapping[str, Any], *, overwrite: bool) -> None:
    """Make a folder for pictures, or go on with one that was made with the same settings.

    Raises:
        InputError: it holds something else, or pictures made with other settings.
    """
    plan = folder / PLAN
    if overwrite and plan.is_file():
        for path in folder.iterdir():
            if path.suffix in (".png", ".json", ".npz"):
                path.unlink()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: a file; accepted: a folder")
    if plan.is_file():
        before = read_json(plan)
        if differing := [key for key, value in settings.items() if before.get(key) != json.loads(json.dumps(value))]:
            key = differing[0]
            raise InputError(
                f"{folder}: holds pictures made with {key} {before.get(key)}, not {settings[key]}; "
                "accepted: the same settings to go on, another folder, or --overwrite"
            )
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty and holds no {PLAN}; accepted: a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(plan, dict(settings))


def write_coco(folder: Path, names: Iterable[str]) -> int:
    """All pictures as one COCO file, with boxes and polygons; polylines stay with each picture.

    Returns:
        How many there are.
    """
    images: list[Any] = []
    annotations: list[Any] = []
    categories: list[Any] = []
    for name in names:
        told = read_json(folder / f"{name}.json")
        number, categories = len(images) + 1, told["categories"]
        images += [{**image, "id": number} for image in told["images"]]
        for note in told["annotations"]:
            kept = {key: value for key, value in note.items() if key != "polylines"}
            annotations.append(kept | {"id": len(annotations) + 1, "image_id": number})
    info = {"description": "ECGs on paper, drawn by physiogen"}
    write_json(
        folder / COCO,
        {"info": info, "licenses": [], "images": images, "categories": categories, "annotations": annotations},
    )
    return len(images)
