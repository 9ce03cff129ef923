"""Waves as sums of Gaussian loops: every kernel is a moment of the wave with its own source vector.

A wave lives in its own phase (0 at its onset, 1 at its offset), so that a longer QRS or QT stretches the loop without
changing its form. Kernel k of a wave adds ``source_k * exp(-(phase - centre_k)^2 / (2 width^2))``; ``source_k`` is a
vector of `gen.simulate.leadfield` (3 dipole + 5 near-field components).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class WaveBasis:
    """Kernels of one wave in phase units."""

    name: str
    centres: tuple[float, ...]
    width: float
    reach: float  #: how far beyond phase 0..1 the kernels are drawn

    @property
    def size(self) -> int:
        """Number of kernels."""
        return len(self.centres)

    def __call__(self, phase: np.ndarray) -> np.ndarray:
        """Kernel values, (..., time) -> (..., time, kernel), in the precision of ``phase``."""
        scale = np.float64(np.sqrt(0.5) / self.width)
        z = (phase * phase.dtype.type(scale))[..., None] - (np.asarray(self.centres) * scale).astype(phase.dtype)
        np.multiply(z, z, out=z)
        np.negative(z, out=z)
        return np.exp(z, out=z)


def _even(first: float, last: float, count: int) -> tuple[float, ...]:
    return tuple(np.linspace(first, last, count).round(6).tolist())


P = WaveBasis("P", _even(0.14, 0.86, 5), 0.13, 0.25)
QRS = WaveBasis("QRS", _even(0.05, 0.95, 15), 0.053, 0.10)
STT = WaveBasis("STT", _even(0.0, 0.90, 8), 0.100, 0.20)
WAVES = (QRS, STT, P)
