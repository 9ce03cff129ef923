"""Fixed random convolutions as features of frames and loops: a distance between sets without downloaded weights.

In the manner of `metrics.distribution.extractors.RandomConvolutions`: no training, the same on every machine. A
frame gives how
strong each filter's response is and which sign it leans to, and its grey values; a loop gives the mean of its frames'
features and the size of their change from frame to frame.
"""

import numpy as np
from scipy import ndimage

FILTERS, TAPS = 20, 5
_SCALES = (1.0, 2.0, 4.0)


def filters(seed: int = 0) -> np.ndarray:
    """(FILTERS, TAPS, TAPS) kernels without a mean and of unit norm."""
    kernels = np.random.default_rng(seed).standard_normal((FILTERS, TAPS, TAPS))
    kernels -= kernels.mean(axis=(1, 2), keepdims=True)
    return kernels / np.linalg.norm(kernels, axis=(1, 2), keepdims=True)


def frame_features(frames: np.ndarray) -> np.ndarray:
    """Features (n, 2 * FILTERS + 4) of frames (n, row, col) with values 0..1; row k depends on frame k alone."""
    return np.stack([_one(frame.astype(np.float64)) for frame in frames])


def loop_features(loops: np.ndarray, step: int = 5) -> np.ndarray:
    """Features (n, d) of loops (n, frame, row, col): mean over every ``step``-th frame, and mean size of the change."""
    out = []
    for loop in loops:
        each = frame_features(loop[::step])
        change = np.abs(np.diff(each, axis=0, append=each[:1])).mean(axis=0)
        out.append(np.concatenate([each.mean(axis=0), change]))
    return np.stack(out)


def _one(frame: np.ndarray) -> np.ndarray:
    values = []
    for number, kernel in enumerate(filters()):
        scale = _SCALES[number % len(_SCALES)]
        smooth = ndimage.gaussian_filter(frame, 0.5 * scale)[:: int(scale), :: int(scale)]
        response = ndimage.correlate(smooth, kernel, mode="reflect")
        size = np.sqrt((response**2).mean() + 1e-8)
        values += [np.log(size), np.maximum(response / size, 0).mean()]
    return np.array([*values, *np.quantile(frame, [0.1, 0.5, 0.9]), frame.mean()])
