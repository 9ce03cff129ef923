"""Draws the beating heart of one slice over its surroundings, with the labels of every pixel."""

from dataclasses import dataclass

import numpy as np

from gen.cine import LV_CAVITY, MYOCARDIUM, RV_CAVITY
from gen.simulate.cine.anatomy import Anatomy
from gen.simulate.cine.motion import ANGLES
from gen.simulate.cine.right import RightVentricle, ellipse_distance
from gen.simulate.cine.scene import Grid, cover, paint, smooth_field
from gen.simulate.cine.tissue import Signals
from gen.simulate.cine.ventricle import LeftVentricle

#: Parallel planes over which a slice averages (partial volume), as shares of its thickness.
_PLANES = (-0.33, 0.0, 0.33)
_RV_WALL_MM = 3.5
_MARGIN_MM = 16.0


@dataclass(frozen=True, eq=False)
class HeartLoop:
    """Both ventricles over one heartbeat and where they are.

    Attributes:
        left, right: geometry.
        centre_mm: (frame, 2) of the left ventricle, x to the right and y up.
        axis_mm: shift of the centre from base to apex (the long axis is never quite normal to the slices).
        turn_rad: turn of the whole heart in the image.
    """

    left: LeftVentricle
    right: RightVentricle
    centre_mm: np.ndarray
    axis_mm: np.ndarray
    turn_rad: float

    @property
    def anatomy(self) -> Anatomy:
        """What the heart was built from."""
        return self.left.anatomy


@dataclass(frozen=True, eq=False)
class _Cut:
    """One slice through the heart: contours per frame in mm, for each averaged plane."""

    inner: list[np.ndarray]
    outer: list[np.ndarray]
    s: np.ndarray
    ellipse: np.ndarray


def draw_slice(
    heart: HeartLoop,
    scene: np.ndarray,
    grid: Grid,
    signals: Signals,
    *,
    above_apex_mm: float,
    thickness_mm: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Signed signal (frame, row, col) float32 and labels uint8 of one slice.

    Labels are those of the slice's middle plane at the pixel centres; the signal averages `_PLANES`.

    Args:
        heart: geometry and position.
        scene: (row, col) signed signal of the surroundings.
        grid: pixels.
        signals: tissue signals.
        above_apex_mm: distance of the slice from the end-diastolic apex.
        thickness_mm: over which the signal averages.
        rng: texture of this slice.
    """
    cut = _cut(heart, above_apex_mm, thickness_mm)
    level = 1.0 - above_apex_mm / heart.left.length_mm[0]
    centre = heart.centre_mm + heart.axis_mm[None, :] * level
    frames = len(centre)
    image = np.broadcast_to(scene, (frames, *scene.shape)).copy()
    labels = np.zeros(image.shape, dtype=np.uint8)
    box = _box(cut, centre, grid, heart.turn_rad)
    x = (grid.x[None, :, box[1]] - centre[:, 0, None, None]).astype(np.float32)
    y = (grid.y[None, box[0]] - centre[:, 1, None, None]).astype(np.float32)
    texture = smooth_field(rng, grid.size, 4.0, 0.06)[box[0], box[1]]
    view = image[:, box[0], box[1]]
    labels[:, box[0], box[1]] = _paint_heart(view, x, y, heart, cut, signals, grid.spacing_mm, texture, rng)
    return image, labels


def _cut(heart: HeartLoop, above_apex_mm: float, thickness_mm: float) -> _Cut:
    left = heart.left
    inner, outer = [], []
    for plane in _PLANES:
        s = left.heights(above_apex_mm + plane * thickness_mm)
        i, o = left.cut(s)
        inner.append(i.astype(np.float32))
        outer.append(o.astype(np.float32))
    s = left.heights(above_apex_mm)
    ellipse = heart.right.ellipse(s, left.cut(np.clip(s, 0.0, 1.0))[1].mean(axis=1))
    return _Cut(inner, outer, s, ellipse)


def _box(cut: _Cut, centre: np.ndarray, grid: Grid, turn: float) -> tuple[slice, slice]:
    """Rows and columns that hold the heart in all frames."""
    outer = max(float(o.max()) for o in cut.outer)
    cx, cy, a, b, axis = cut.ellipse.T
    axis = axis + turn
    cx, cy = cx * np.cos(turn) - cy * np.sin(turn), cx * np.sin(turn) + cy * np.cos(turn)
    wide, high = np.hypot(a * np.cos(axis), b * np.sin(axis)), np.hypot(a * np.sin(axis), b * np.cos(axis))
    x0 = (centre[:, 0] + np.minimum(-outer, cx - wide)).min() - _MARGIN_MM
    x1 = (centre[:, 0] + np.maximum(outer, cx + wide)).max() + _MARGIN_MM
    y0 = (centre[:, 1] + np.minimum(-outer, cy - high)).min() - _MARGIN_MM
    y1 = (centre[:, 1] + np.maximum(outer, cy + high)).max() + _MARGIN_MM
    middle, n = (grid.size - 1) / 2, grid.size
    col = np.clip([int(x0 / grid.spacing_mm + middle), int(x1 / grid.spacing_mm + middle) + 2], 0, n)
    row = np.clip([int(middle - y1 / grid.spacing_mm), int(middle - y0 / grid.spacing_mm) + 2], 0, n)
    return slice(int(row[0]), int(row[1])), slice(int(col[0]), int(col[1]))


def _polar(table: np.ndarray, low: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Values of a (frame, angle) table at the angle of every pixel; ``low`` indexes the flattened, wrapped table."""
    wrapped = np.concatenate([table, table[:, :1]], axis=1).ravel()
    first = np.take(wrapped, low)
    return first + share * (np.take(wrapped, low + 1) - first)


def _angle_index(x: np.ndarray, y: np.ndarray, turn: float) -> tuple[np.ndarray, np.ndarray]:
    count = len(ANGLES)
    position = (np.arctan2(y, x) - np.float32(turn)) * np.float32(count / (2 * np.pi))
    position = np.mod(position, np.float32(count))
    low = np.minimum(position.astype(np.int32), count - 1)
    share = position - low
    return low + (np.arange(len(x), dtype=np.int32) * (count + 1))[:, None, None], share


def _paint_heart(
    image: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    heart: HeartLoop,
    cut: _Cut,
    signals: Signals,
    soft: float,
    texture: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Paints the heart over ``image`` (frame, row, col) in place; returns the labels."""
    turn = heart.turn_rad
    radius = np.hypot(x, y)
    low, share = _angle_index(x, y, turn)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    own_x, own_y = x * cos + y * sin, y * cos - x * sin  # the heart's own axes
    right = ellipse_distance(own_x, own_y, cut.ellipse)
    right += _free_wall(rng, own_x, own_y, cut.ellipse)
    outer = [radius - _polar(o, low, share) for o in cut.outer]
    inner = [radius - _polar(i, low, share) for i in cut.inner]
    whole = _soft_minimum(outer[1], right - _RV_WALL_MM, 9.0)
    _paint_fat(image, whole, own_x, own_y, signals, soft, rng)
    muscle = signals.muscle_heart * (1.0 + texture)
    paint(image, cover(right - _RV_WALL_MM, soft), muscle)
    swirl = 1.0 + texture[::-1, ::-1] + _flicker(rng, len(x))[:, None, None]
    flow = signals.blood * swirl
    _paint_right(image, right, flow, signals, soft, own_x, own_y, cut, rng)
    paint(image, _mean_cover(outer, soft), _muscle_signal(heart, cut, low, share, signals, muscle))
    cavity = _mean_cover(inner, soft)
    paint(image, cavity, flow * (1.0 - _trabeculation(heart, cut, inner[1], low, share, rng)))
    _paint_papillaries(image, own_x, own_y, heart, cut, inner[1], muscle, soft)
    labels = np.zeros(image.shape, dtype=np.uint8)
    labels[(right < 0.0)] = RV_CAVITY
    labels[outer[1] < 0.0] = MYOCARDIUM
    labels[inner[1] < 0.0] = LV_CAVITY
    # Above the mitral ring there is atrium and outflow tract, which count for neither ventricle.
    labels[cut.s < 0.0] = 0
    return labels


def _mean_cover(distances: list[np.ndarray], soft: float) -> np.ndarray:
    total = cover(distances[0], soft)
    for distance in distances[1:]:
        total += cover(distance, soft)
    return total / np.float32(len(distances))


def _soft_minimum(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Union of two shapes whose corner is filled over ``width`` mm."""
    h = np.clip(0.5 + 0.5 * (b - a) / width, 0.0, 1.0)
    return b + h * (a - b) - np.float32(width) * h * (1.0 - h)


def _free_wall(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, ellipse: np.ndarray) -> np.ndarray:
    """Unevenness of the right ventricle's outline in mm, moving with it."""
    u = x - ellipse[:, 0, None, None].astype(np.float32)
    v = y - ellipse[:, 1, None, None].astype(np.float32)
    p = rng.uniform(0.0, 6.28, 2).astype(np.float32)
    return np.float32(1.1) * (np.sin(u * np.float32(0.13) + p[0]) * np.sin(v * np.float32(0.12) + p[1]))


def _paint_fat(
    image: np.ndarray,
    whole: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    signals: Signals,
    soft: float,
    rng: np.random.Generator,
) -> None:
    """Pericardium and the fat under and outside it: patches, thick in the grooves, not an even ring."""
    phase = rng.uniform(0.0, 2 * np.pi, 3)
    angle = np.arctan2(y[0], x[0] + 22.0)  # seen from between the ventricles; fat moves little
    patch = (
        1.0
        + 1.1 * np.sin(2 * angle + phase[0])
        + 0.8 * np.sin(3 * angle + phase[1])
        + 0.5 * np.sin(7 * angle + phase[2])
    )
    thick = np.clip(patch * rng.uniform(1.2, 2.6), 0.2, 6.5).astype(np.float32)
    paint(image, cover(whole - thick - 2.2, soft) * np.clip(0.75 * thick - 0.8, 0.0, 1.0), signals.fat * 0.85)
    paint(image, cover(whole - thick - 0.9, soft), 0.10)
    paint(image, cover(whole - thick, soft), signals.fat * 0.9)


def _flicker(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(frame,) smooth periodic change of blood signal by inflow; a standard deviation of about 4 %."""
    t = 2 * np.pi * np.arange(frames) / frames
    z = rng.standard_normal((3, 2)) * np.array([[0.035], [0.025], [0.015]])
    waves = [z[k, 0] * np.cos((k + 1) * t) + z[k, 1] * np.sin((k + 1) * t) for k in range(3)]
    return np.sum(waves, axis=0).astype(np.float32)


def _paint_right(
    image: np.ndarray,
    right: np.ndarray,
    flow: np.ndarray,
    signals: Signals,
    soft: float,
    x: np.ndarray,
    y: np.ndarray,
    cut: _Cut,
    rng: np.random.Generator,
) -> None:
    """Right-ventricular blood with trabeculae near the free wall and a moderator band."""
    level = rng.uniform(0.78, 1.0)
    depth = np.clip(-right / 9.0, 0.0, 1.0)
    p = rng.uniform(0.0, 6.28, 4).astype(np.float32)
    net = np.sin(x * 0.42 + p[0] + 1.2 * np.sin(y * 0.21 + p[1])) * np.sin(y * 0.47 + p[2] + np.sin(x * 0.19 + p[3]))
    coarse = np.clip(0.2 + 1.2 * np.clip(cut.s, 0.0, 1.0), 0.0, 1.0)[:, None, None].astype(np.float32)
    dark = np.clip(net, 0.0, 1.0) * (1.0 - depth) * coarse * np.float32(0.65)
    paint(image, cover(right, 1.4 * soft), flow * np.float32(level) * (1.0 - dark))
    if 0.3 < float(cut.s[0]) < 0.8:
        cx, cy = cut.ellipse[:, 0, None, None], cut.ellipse[:, 1, None, None]
        shift = cut.ellipse[:, 3, None, None] * rng.uniform(-0.2, 0.5)
        band = np.hypot(x - (cx - shift).astype(np.float32), y - (cy - 1.4 * shift).astype(np.float32)) - 2.4
        paint(image, cover(band, soft) * np.float32(0.8), signals.muscle_heart)


def _muscle_signal(
    heart: HeartLoop, cut: _Cut, low: np.ndarray, share: np.ndarray, signals: Signals, muscle: np.ndarray
) -> np.ndarray:
    """Myocardial signal, a little brighter in a scar."""
    anatomy = heart.anatomy
    if anatomy.scar_width_rad <= 0.0:
        return muscle
    turn = np.angle(np.exp(1j * (ANGLES - np.deg2rad(anatomy.scar_deg))))
    around = np.exp(-0.5 * (turn / anatomy.scar_width_rad) ** 2)
    along = np.exp(-0.5 * ((cut.s - anatomy.scar_level) / 0.28) ** 2)
    weight = _polar((along[:, None] * around[None, :]).astype(np.float32), low, share)
    return muscle * (1.0 + weight * np.float32(signals.scar / signals.muscle_heart - 1.0))


def _trabeculation(
    heart: HeartLoop, cut: _Cut, inner: np.ndarray, low: np.ndarray, share: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Darkening of the blood's rim by trabeculae, stronger towards the apex."""
    order = np.arange(7, 15)[:, None]
    a, b = heart.anatomy.trabeculae.T
    wave = (a[:, None] * np.cos(order * ANGLES) + b[:, None] * np.sin(order * ANGLES)).sum(axis=0) / 0.03
    wave = np.clip(0.35 + 0.5 * wave + 0.15 * rng.standard_normal(len(ANGLES)), 0.0, 1.0)
    strength = 0.25 + 0.5 * np.clip(cut.s, 0.0, 1.0)
    rim = _polar((strength[:, None] * wave[None, :]).astype(np.float32), low, share)
    return rim * np.clip(1.0 + inner / np.float32(5.0), 0.0, 1.0)


def _paint_papillaries(
    image: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    heart: HeartLoop,
    cut: _Cut,
    inner: np.ndarray,
    muscle: np.ndarray,
    soft: float,
) -> None:
    """Two muscles near the wall in the middle third; they turn and thicken with contraction, labelled as cavity."""
    anatomy, c = heart.anatomy, heart.right.contraction
    twist = np.deg2rad(-3.0 + 13.0 * np.clip(cut.s, 0.0, 1.0)) * c
    there = np.clip((cut.s - 0.22) / 0.1, 0.0, 1.0) * np.clip((0.84 - cut.s) / 0.1, 0.0, 1.0)
    if not there.any():
        return
    for degrees, size in zip(anatomy.papillary_deg, anatomy.papillary_mm, strict=True):
        angle = np.deg2rad(degrees) + twist
        index = np.rint(np.mod(angle, 2 * np.pi) * len(ANGLES) / (2 * np.pi)).astype(int) % len(ANGLES)
        wall = cut.inner[1][np.arange(len(c)), index]
        thick = size * (1.0 + 0.12 * c)
        out = np.maximum(wall - thick * (0.95 + 0.25 * (1.0 - c)), 0.0)
        u = x - (out * np.cos(angle))[:, None, None].astype(np.float32)
        v = y - (out * np.sin(angle))[:, None, None].astype(np.float32)
        cos, sin = np.cos(angle)[:, None, None].astype(np.float32), np.sin(angle)[:, None, None].astype(np.float32)
        along, across = u * cos + v * sin, (v * cos - u * sin) * np.float32(1.15)
        disc = np.hypot(along, across) - thick[:, None, None].astype(np.float32)
        inside = cover(disc, soft) * cover(inner, soft) * there[:, None, None].astype(np.float32)
        paint(image, inside, muscle)
