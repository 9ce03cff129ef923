"""A beating disc in the place of a heart, and its labels."""

import numpy as np

from gen.cine import LV_CAVITY, MYOCARDIUM, RV_CAVITY

FRAMES, SLICES, ROWS, COLS = 10, 3, 40, 48


def beating(slices=SLICES, frames=FRAMES, shift=0):
    """(slice, frame, row, col): a disc at row 22, column 18 that is smallest at phase 0.33, a bright still block."""
    row, col = np.mgrid[:ROWS, :COLS]
    distance = np.hypot(row - 22, col - 18)
    phase = (np.arange(frames) + shift) / frames
    radius = 7.5 + 1.5 * np.cos(2 * np.pi * (phase - 0.33) + np.pi)
    out = np.stack([np.clip(radius + 0.5 - s - distance[..., None], 0, 1) for s in range(slices)])
    out = 600 * out.transpose(0, 3, 1, 2) + 20
    out[:, :, 2:6, 40:46] = 900
    return out.astype(np.int16)


def labels_of(picture):
    disc = picture > 300
    disc[..., 2:6, 40:46] = False
    ring = np.zeros_like(disc)
    for axis in (-1, -2):
        for step in (-1, 1):
            ring |= np.roll(disc, step, axis)
    masks = np.where(disc, LV_CAVITY, np.where(ring, MYOCARDIUM, 0)).astype(np.uint8)
    masks[..., 20:24, 4:8] = RV_CAVITY
    return masks
