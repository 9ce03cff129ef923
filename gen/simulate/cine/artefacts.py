"""What the scanner adds: coil gain, banding, blur in space and time, Rician noise."""

from dataclasses import dataclass

import numpy as np

from gen.simulate.cine.scene import Grid, Layout, smooth_field


@dataclass(frozen=True)
class Scanner:
    """Imaging conditions of one examination.

    Attributes:
        coil_mm: depth over which the anterior coil's gain falls to 1/e.
        coil_gain: gain at the chest wall over that far away.
        blur_px: standard deviation of the point spread in pixels.
        window: share of a frame's signal that comes from each neighbour frame (temporal resolution).
        snr: signal of blood over the noise's standard deviation.
        band_mm: distance of the banding line from the heart; beyond the image for none.
        band_deg: its direction.
        band_depth: how dark it is, 0..1.
    """

    coil_mm: float
    coil_gain: float
    blur_px: float
    window: float
    snr: float
    band_mm: float
    band_deg: float
    band_depth: float


def draw_scanner(rng: np.random.Generator, spacing_mm: float) -> Scanner:
    """Conditions of one examination; blur is that of a 1.6-2.2 mm acquisition."""
    has_band = rng.random() < 0.45
    return Scanner(
        coil_mm=float(rng.uniform(45.0, 85.0)),
        coil_gain=float(rng.uniform(1.8, 4.0)),
        blur_px=float(rng.uniform(0.62, 0.88) * np.sqrt(2.0 / spacing_mm)),
        window=float(rng.uniform(0.04, 0.16)),
        snr=float(np.exp(rng.uniform(np.log(26.0), np.log(80.0)))),
        band_mm=float(rng.uniform(62.0, 95.0)) if has_band else 1e6,
        band_deg=float(rng.uniform(0.0, 360.0)),
        band_depth=float(rng.uniform(0.3, 0.85)),
    )


def apply_scanner(
    signal: np.ndarray, grid: Grid, layout: Layout, scanner: Scanner, rng: np.random.Generator
) -> np.ndarray:
    """Magnitude image (frame, row, col) from a signed signal."""
    window = np.float32(scanner.window)
    if len(signal) > 2:
        # Neighbours are circular: retrospective gating fills a frame from all beats.
        shared = np.roll(signal, 1, axis=0) + np.roll(signal, -1, axis=0)
        signal = (1.0 - 2.0 * window) * signal + window * shared
    field = _coil(grid, layout, scanner) * _banding(grid, scanner) * (1.0 + smooth_field(rng, grid.size, 14.0, 0.03))
    signal = blur(signal, scanner.blur_px) * field
    noise = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(1.0 / scanner.snr)
    return np.hypot(signal + noise[0], noise[1])


def blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Gaussian blur of (..., row, col), edges repeated."""
    reach = max(1, round(3.0 * sigma_px))
    offset = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offset / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (-2, -1):
        size = image.shape[axis]
        matrix = np.zeros((size, size), dtype=np.float32)
        for k, weight in zip(offset, kernel, strict=True):
            np.add.at(matrix, (np.arange(size), np.clip(np.arange(size) + k, 0, size - 1)), weight)
        image = matrix @ image if axis == -2 else image @ matrix.T
    return image


def _coil(grid: Grid, layout: Layout, scanner: Scanner) -> np.ndarray:
    angle = np.deg2rad(layout.wall_deg)
    depth = layout.wall_mm + 12.0 - (grid.x * np.cos(angle) + grid.y * np.sin(angle))
    fall = np.exp(-np.clip(depth, 0.0, None) / scanner.coil_mm)
    middle = np.exp(-(layout.wall_mm + 12.0) / scanner.coil_mm)
    gain = (1.0 + (scanner.coil_gain - 1.0) * fall) / (1.0 + (scanner.coil_gain - 1.0) * middle)
    return gain.astype(np.float32)


def _banding(grid: Grid, scanner: Scanner) -> np.ndarray:
    if scanner.band_mm > 1e3:
        return np.ones((1, 1), dtype=np.float32)
    angle = np.deg2rad(scanner.band_deg)
    along = grid.x * np.cos(angle) + grid.y * np.sin(angle)
    across = grid.y * np.cos(angle) - grid.x * np.sin(angle)
    distance = along - scanner.band_mm + 0.002 * across**2
    return (1.0 - scanner.band_depth * np.exp(-0.5 * (distance / 6.5) ** 2)).astype(np.float32)
