"""What lies around the heart in one slice: chest wall, lungs, liver, stomach, aorta. It stands still during a beat."""

from dataclasses import dataclass

import numpy as np

from gen.simulate.cine.tissue import Signals


@dataclass(frozen=True)
class Grid:
    """Pixel centres in mm from the middle of the image, x to the right, y up.

    Attributes:
        size: rows and columns.
        spacing_mm: size of a pixel.
    """

    size: int
    spacing_mm: float

    @property
    def x(self) -> np.ndarray:
        """(1, col) float32."""
        return ((np.arange(self.size) - (self.size - 1) / 2) * self.spacing_mm).astype(np.float32)[None, :]

    @property
    def y(self) -> np.ndarray:
        """(row, 1) float32; the first row is at the top."""
        return -self.x.T


@dataclass(frozen=True)
class Layout:
    """Where the surroundings are; drawn once per examination, shared by its slices.

    Attributes:
        wall_deg: direction from the heart to the nearest chest wall.
        wall_mm: distance from the middle of the image to the inside of that wall.
        chest_mm: radius of the chest's curve.
        fat_mm: subcutaneous fat.
        dome_mm: height of the diaphragm under the heart (negative: below the middle of the image).
        dome_tilt: slope of the diaphragm.
        stomach: centre x, y and radii of the stomach in mm, and how full of gas it is (0..1).
        aorta: centre x, y and radius of the descending aorta.
    """

    wall_deg: float
    wall_mm: float
    chest_mm: float
    fat_mm: float
    dome_mm: float
    dome_tilt: float
    stomach: tuple[float, float, float, float, float]
    aorta: tuple[float, float, float]


def draw_layout(rng: np.random.Generator, *, fat_mm: float, reach_mm: float, floor_mm: float) -> Layout:
    """Surroundings for a heart that reaches ``reach_mm`` towards the chest wall and down to ``floor_mm``."""
    z = rng.standard_normal(10)
    return Layout(
        wall_deg=float(np.clip(124.0 + 10.0 * z[0], 102.0, 146.0)),
        wall_mm=reach_mm + 3.0 + 4.0 * abs(float(z[1])),
        chest_mm=float(np.clip(135.0 + 25.0 * z[2], 90.0, 200.0)),
        fat_mm=fat_mm,
        dome_mm=floor_mm - 5.0 - 3.0 * abs(float(z[3])),
        dome_tilt=0.08 * float(z[4]) - 0.05,
        stomach=(
            44.0 + 9.0 * float(z[5]), floor_mm - 31.0 - 5.0 * abs(float(z[6])),
            28.0 + 5.0 * float(z[7]), 19.0 + 3.0 * float(z[8]), float(rng.random()),
        ),
        aorta=(90.0 + 9.0 * float(z[9]), float(rng.uniform(-60.0, -12.0)), float(rng.uniform(9.0, 12.5))),
    )  # fmt: skip


def cover(distance: np.ndarray, soft_mm: float) -> np.ndarray:
    """Share of a pixel that lies inside, from the signed distance of its centre (negative inside)."""
    return np.clip(0.5 - distance / np.float32(soft_mm), 0.0, 1.0)


def paint(image: np.ndarray, share: np.ndarray, value: np.ndarray | float) -> None:
    """Lay tissue of signal ``value`` over an image where ``share`` says so; in place."""
    image += share * (value - image)


def draw_scene(
    grid: Grid,
    layout: Layout,
    signals: Signals,
    level: float,
    rng: np.random.Generator,
    slice_rng: np.random.Generator,
) -> np.ndarray:
    """Signed signal of everything but the heart, (row, col) float32.

    Args:
        grid: pixels.
        layout: where things are.
        signals: tissue signals.
        level: height share of the slice (0 base, 1 apex); liver and stomach rise around the apex.
        rng: shape of organs, to be started anew for each slice of an examination.
        slice_rng: vessels of this slice.
    """
    x, y, soft = grid.x, grid.y, grid.spacing_mm
    image = np.full((grid.size, grid.size), signals.lung, dtype=np.float32)
    _lung_vessels(image, grid, signals, slice_rng)
    _aorta(image, grid, layout, signals)
    dome = layout.dome_mm + 10.0 * (level - 0.45)
    _below_diaphragm(image, grid, layout, signals, dome, rng)
    angle = np.deg2rad(layout.wall_deg)
    depth = layout.chest_mm - layout.wall_mm
    cx, cy = -depth * np.cos(angle), -depth * np.sin(angle)
    # A chest is wider than deep.
    along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    across = ((y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)) / 1.12
    wall = np.hypot(along, across) - layout.chest_mm
    around = np.arctan2(across, along)
    _chest_wall(image, wall, around, layout, signals, soft, rng)
    return image


def _lung_vessels(image: np.ndarray, grid: Grid, signals: Signals, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(26, 44))):
        px, py = rng.uniform(-95.0, 95.0, 2)
        radius, bright = rng.uniform(0.5, 1.7), rng.uniform(0.25, 0.75)
        slant, stretch = rng.uniform(0.0, np.pi), rng.uniform(1.0, 2.6)
        row, col = grid.size / 2 - py / grid.spacing_mm, grid.size / 2 + px / grid.spacing_mm
        low = np.maximum(np.array([row, col]).astype(int) - 4, 0)
        box = (slice(low[0], low[0] + 9), slice(low[1], low[1] + 9))
        u, v = grid.x[:, box[1]] - px, grid.y[box[0]] - py
        a, b = u * np.cos(slant) + v * np.sin(slant), v * np.cos(slant) - u * np.sin(slant)
        paint(image[box], cover(np.hypot(a / stretch, b) - radius, 1.5 * grid.spacing_mm), bright * signals.blood)


def _aorta(image: np.ndarray, grid: Grid, layout: Layout, signals: Signals) -> None:
    cx, cy, radius = layout.aorta
    distance = np.hypot(grid.x - cx, grid.y - cy) - radius
    paint(image, cover(distance - 2.0, grid.spacing_mm), signals.muscle)
    paint(image, cover(distance, grid.spacing_mm), 0.9 * signals.blood)


def _below_diaphragm(
    image: np.ndarray, grid: Grid, layout: Layout, signals: Signals, dome: float, rng: np.random.Generator
) -> None:
    x, y, soft = grid.x, grid.y, grid.spacing_mm
    ripple = 2.0 * np.sin(x / 23.0 + 6.0 * rng.random())
    top = dome - 0.0028 * (x + 12.0) ** 2 + layout.dome_tilt * x + ripple
    below = (y - top).astype(np.float32)
    fat = 2.0 + 3.0 * rng.random() + np.clip(-(x + 40.0) / 18.0, 0.0, 4.0)
    paint(image, cover(below - fat, soft), signals.fat)
    liver = signals.liver * (1.0 + smooth_field(rng, grid.size, 9.0, 0.05))
    paint(image, cover(below, soft), liver)
    for _ in range(int(rng.integers(8, 15))):
        px = rng.uniform(-95.0, 30.0)
        py = rng.uniform(-95.0, dome - 6.0)
        radius, turn = rng.uniform(0.8, 2.4), rng.uniform(0.0, np.pi)
        a = (x - px) * np.cos(turn) + (y - py) * np.sin(turn)
        b = (y - py) * np.cos(turn) - (x - px) * np.sin(turn)
        inside = cover(np.hypot(a / rng.uniform(1.0, 3.5), b) - radius, 1.5 * soft) * cover(below + 4.0, soft)
        paint(image, inside, rng.uniform(0.5, 0.8) * signals.blood)
    cx, cy, rx, ry, gas = layout.stomach
    cy += dome - layout.dome_mm
    bulge = 1.0 + 0.10 * np.sin(2.0 * np.arctan2(y - cy, x - cx) + 6.0 * rng.random())
    inside = (np.hypot((x - cx) / rx, (y - cy) / ry) / bulge - 1.0) * ry
    paint(image, cover(inside - 5.0, soft) * cover(below, soft), signals.fat)
    paint(image, cover(inside - 2.5, soft) * cover(below + 1.0, soft), signals.muscle)
    # Gas rises to the front (here upwards); food and folds below it.
    content = signals.fluid * 0.45 * (1.0 + smooth_field(rng, grid.size, 3.0, 0.35))
    level = cy + ry * (2.0 * gas - 1.2)
    content = np.where(y > level, 0.03, content)
    paint(image, cover(inside, soft) * cover(below + 2.0, soft), content)
    spleen = np.hypot((x - cx - rx - 16.0) / 15.0, (y - cy + 4.0) / 24.0) - 1.0
    paint(image, cover(spleen * 15.0, soft) * cover(below + 3.0, soft), signals.spleen)


def _chest_wall(
    image: np.ndarray,
    wall: np.ndarray,
    around: np.ndarray,
    layout: Layout,
    signals: Signals,
    soft: float,
    rng: np.random.Generator,
) -> None:
    """Pleural fat, muscle with ribs, subcutaneous fat, air; ``wall`` is the distance outwards from the inside in mm."""
    muscle = 8.0 + 4.0 * rng.random()
    arc = around * layout.chest_mm
    ripple = 1.5 * np.sin(arc / 17.0 + 6.0 * rng.random())
    # Fat between breastbone and heart fills the angle on the right ventricle's side.
    pad = rng.uniform(5.0, 20.0) * np.exp(-0.5 * ((around - rng.uniform(0.15, 0.5)) / rng.uniform(0.15, 0.35)) ** 2)
    streaks = 1.0 + smooth_field(rng, image.shape[0], 2.5, 0.25)
    paint(image, cover(-wall - pad + ripple, soft), signals.fat * 0.7 * streaks)
    flesh = signals.muscle * (1.0 + smooth_field(rng, image.shape[0], 4.0, 0.12))
    paint(image, cover(-wall + 2.0 + ripple, soft), flesh)
    gap, start = rng.uniform(24.0, 32.0), rng.uniform(-15.0, 15.0)
    for k in range(-4, 5):
        rib = np.hypot((arc - start - k * gap) / 1.7, wall - 0.55 * muscle) - 4.0
        paint(image, cover(rib, soft), 0.05)
        paint(image, cover(rib + 1.6, soft), signals.fat * 0.45)
    skin = muscle + layout.fat_mm * (1.0 + 0.25 * np.sin(1.7 * around + 6.0 * rng.random()))
    fat = signals.fat * (1.0 + smooth_field(rng, image.shape[0], 3.0, 0.08))
    paint(image, cover(muscle - wall, soft), fat)
    paint(image, cover(skin - wall, soft), 0.012)


def smooth_field(rng: np.random.Generator, size: int, scale_px: float, amplitude: float) -> np.ndarray:
    """(size, size) float32 smooth random field of zero mean and given standard deviation."""
    coarse = max(int(np.ceil(size / scale_px)) + 3, 4)
    noise = rng.standard_normal((coarse, coarse)).astype(np.float32)
    weight = _cubic_weights(size, coarse, scale_px)
    # 0.48 is the standard deviation that cubic B-splines leave of white noise in two dimensions.
    return np.float32(amplitude / 0.48) * (weight @ noise @ weight.T)


def _cubic_weights(size: int, coarse: int, scale_px: float) -> np.ndarray:
    """(size, coarse) cubic B-spline weights at the pixels of a grid with knots ``scale_px`` apart."""
    at = np.arange(size) / scale_px + 1.0
    d = np.abs(at[:, None] - np.arange(coarse)[None, :])
    near = 2.0 / 3.0 - d * d + 0.5 * d**3
    far = np.clip(2.0 - d, 0.0, None) ** 3 / 6.0
    return np.where(d < 1.0, near, far).astype(np.float32)
