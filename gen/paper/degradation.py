"""What paper suffers before it is a picture: pen, stains, folds, perspective, light, print raster, blur, JPEG.

What moves pixels (folds, perspective) is done here, since the truth must move with them. What changes their colours is
augraphy's (ink, stains, shadow, light, photocopies, pen strokes) and OpenCV's (blur).
"""

import contextlib
import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from gen.engines.machine import in_one_thread
from gen.io.common import library
from gen.paper.drawing import Picture, Pixels
from gen.paper.geometry import Fold, Warp, perspective
from gen.records import InputError

EXTRA = "paper"
#: Pixels of the width that sizes in `DEGRADATIONS` are of.
_WIDTH = 1700
Effect = Callable[[ModuleType, np.random.Generator], Any]


@dataclass(frozen=True)
class Level:
    """How much a picture suffers.

    Attributes:
        tilt: largest shift of a corner, as a share of the picture's width.
        folds: creases at most.
        lift: how far a crease rises, in pixels of a picture `_WIDTH` wide.
        before: effects on the sheet, each with its chance.
        after: effects on the picture of it.
        blur: largest SD of the blur, in the same pixels.
        quality: lowest and highest of JPEG.
    """

    tilt: float
    folds: int
    lift: float
    before: Mapping[str, float]
    after: Mapping[str, float]
    blur: float
    quality: tuple[int, int]


DEGRADATIONS: dict[str, Level | None] = {
    "none": None,
    "light": Level(0.006, 0, 0.0, {"colour": 0.5, "bleed": 0.5}, {"noise": 0.7}, 0.6, (60, 95)),
    "medium": Level(
        0.03, 1, 5.0, {"colour": 0.7, "bleed": 0.5, "pen": 0.3, "raster": 0.15}, {"light": 0.6, "noise": 0.7}, 1.0,
        (40, 85),
    ),
    "heavy": Level(
        0.06, 2, 9.0, {"colour": 0.8, "pen": 0.6, "stain": 0.6, "copy": 0.4, "raster": 0.3},
        {"shadow": 0.6, "light": 0.6, "noise": 0.8}, 1.6, (22, 60),
    ),
}  # fmt: skip


#: What augraphy makes of each name; ranges are chosen so that traces stay readable to people.
_EFFECTS: dict[str, Effect] = {
    "colour": lambda a, g: a.ColorPaper(hue_range=(20, 45), saturation_range=(5, 30), p=1),
    "bleed": lambda a, g: a.InkBleed(intensity_range=(0.2, 0.5), kernel_size=(3, 3), severity=(0.2, 0.4), p=1),
    "pen": lambda a, g: a.Scribbles(
        scribbles_type="lines", scribbles_count_range=(1, 2), scribbles_size_range=(250, 500), p=1
    ),
    "stain": lambda a, g: a.Stains(stains_blend_alpha=float(g.uniform(0.2, 0.5)), p=1),
    "copy": lambda a, g: a.BadPhotoCopy(noise_type=1, noise_side="random", noise_value=(120, 200), p=1),
    "raster": lambda a, g: a.Dithering(dither="ordered", order=(3, 5), p=1),
    "shadow": lambda a, g: a.ShadowCast(shadow_opacity_range=(0.2, 0.5), shadow_iterations_range=(1, 1), p=1),
    "light": lambda a, g: a.LightingGradient(
        max_brightness=255, min_brightness=int(g.integers(90, 160)), mode="gaussian", p=1
    ),
    "noise": lambda a, g: a.SubtleNoise(subtle_range=int(g.integers(4, 12)), p=1),
}


def degrade(picture: Picture, level: str, generator: np.random.Generator) -> Picture:
    """A sheet as somebody photographs or copies it; the truth's geometry moves along.

    Args:
        picture: as `gen.paper.draw` made it.
        level: one of `DEGRADATIONS`.
        generator: everything is drawn from it; equal states give equal pixels.

    Raises:
        InputError: an unknown level, or augraphy is not installed.
    """
    if level not in DEGRADATIONS:
        raise InputError(f"degrade {level}: accepted: {', '.join(DEGRADATIONS)}")
    plan = DEGRADATIONS[level]
    if plan is None:
        return picture
    library("cv2", EXTRA)
    augraphy = library("augraphy", EXTRA)
    done: list[dict[str, Any]] = []

    def suffer(pixels: Pixels, chances: Mapping[str, float]) -> Pixels:
        for name, chance in chances.items():
            drawn, seed = generator.random() < chance, int(generator.integers(2**32))
            if drawn:
                pixels = _applied(_EFFECTS[name], augraphy, pixels, seed)
                done.append({"effect": name})
        return pixels

    pixels = suffer(picture.pixels, plan.before)
    warp = _warp(picture, plan, generator)
    table = generator.integers(40, 190) + generator.integers(-18, 19, 3)
    pixels = _warped(pixels, warp, tuple(int(v) for v in table.clip(0, 255)))
    done.append({"effect": "perspective", "folds": len(warp.folds)})
    pixels = suffer(pixels, plan.after)
    scale = pixels.shape[1] / _WIDTH
    blur, quality = float(generator.uniform(0, plan.blur)) * scale, int(generator.integers(*plan.quality))
    pixels = _recoded(_blurred(pixels, blur), quality)
    done += [{"effect": "blur", "sd_px": round(blur, 2)}, {"effect": "jpeg", "quality": quality}]
    return replace(picture, pixels=pixels, warp=warp, degradations=tuple(done))


def _applied(effect: Effect, augraphy: ModuleType, pixels: Pixels, seed: int) -> Pixels:
    """An effect of augraphy, which draws from the process's generators: they are set, and put back after.

    Some effects keep a copy of the picture in a folder of the working directory, where later ones of any run would find
    it: they work in a folder that is removed.
    """
    import cv2

    before = random.getstate(), np.random.get_state()  # noqa: NPY002 - augraphy draws from it
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    cv2.setRNGSeed(seed & 0x7FFFFFFF)
    try:
        # Some of them leave the process's libraries with more threads.
        with in_one_thread(), tempfile.TemporaryDirectory(prefix="physiogen-") as folder, contextlib.chdir(folder):
            changed = effect(augraphy, np.random.default_rng(seed))(pixels.copy())
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
    if changed.ndim == 2:
        changed = cv2.cvtColor(changed, cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(changed[..., :3], dtype=np.uint8)


def _warp(picture: Picture, plan: Level, generator: np.random.Generator) -> Warp:
    height, width = picture.pixels.shape[:2]
    sheet = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
    # Corners move inwards alone, so that the whole sheet is in the picture.
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    corners = sheet + inwards * generator.uniform(0, plan.tilt * width, (4, 2))
    count, lift = int(generator.integers(0, plan.folds + 1)), plan.lift * width / _WIDTH
    places = generator.uniform(0.15, 0.85, count) * width
    folds = tuple(
        Fold(float(x), float(generator.uniform(-lift, lift)), float(generator.uniform(0.1, 0.3) * width))
        for x in places
    )
    return Warp(perspective(corners, width, height), folds)


def _warped(pixels: Pixels, warp: Warp, table: tuple[int, ...]) -> Pixels:
    """The sheet on a table of one colour, with light and dark along its creases."""
    import cv2

    height, width = pixels.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2).astype(np.float64)
    source = warp.backward(grid).astype(np.float32).reshape(height, width, 2)
    moved = cv2.remap(
        pixels, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=table
    )
    shade = np.zeros((height, width), dtype=np.float32)
    for fold in warp.folds:
        distance = (source[..., 0] - fold.x) / (0.02 * width)
        shade += np.sign(fold.lift) * 28 * distance * np.exp(-0.5 * distance**2)
    inside = ((source >= 0) & (source <= (width - 1, height - 1))).all(axis=-1)
    if warp.folds:
        moved = np.clip(moved + np.where(inside, shade, 0)[..., None], 0, 255).astype(np.uint8)
    return np.asarray(moved, dtype=np.uint8)


def _blurred(pixels: Pixels, sd_px: float) -> Pixels:
    import cv2

    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sd_px), dtype=np.uint8) if sd_px > 0.2 else pixels


def _recoded(pixels: Pixels, quality: int) -> Pixels:
    """Pixels as JPEG leaves them."""
    import cv2

    _, code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), dtype=np.uint8)
