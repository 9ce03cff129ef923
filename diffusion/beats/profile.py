"""How noisy recordings are, lead by lead and band by band, as a few numbers and what they leave out.

Powers of a band are not normal in any scale: some recorders hum, most do not; some people move, most lie still. Each
band has a table of its own that makes them normal. What the components of those numbers miss is drawn from its
covariance, so that the bands of a generated recording scatter as those of recorded ones do.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import ndtr
from torch import nn

from diffusion.beats.noise import BANDS, line_bands, line_floor
from diffusion.beats.shape import NUM_LEADS

Array = npt.NDArray[np.float64]

#: Components; between complexes, in them, and the fine structure of the complex.
REST_WIDTH, PARTS = 40, 3
SIZE = PARTS * NUM_LEADS * BANDS
#: Points of a band's table, and how far they reach in standard deviations.
_KNOTS, _REACH = 41, 3.0
_GRID = np.linspace(-_REACH, _REACH, _KNOTS)
#: Share of the variance that is taken as each number's own in what the components miss.
_OWN = 0.03
_LINES = line_bands()


class Buffers(nn.Module):
    """A module that is read as arrays."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))
        self._arrays: dict[str, tuple[torch.Tensor, int, Array]] = {}

    def array(self, name: str) -> Array:
        """A buffer as float64."""
        buffer, kept = self._buffers[name], self._arrays.get(name)
        assert buffer is not None
        if kept is None or kept[0] is not buffer or kept[1] != buffer._version:
            kept = self._arrays[name] = (buffer, buffer._version, buffer.double().cpu().numpy())
        return kept[2]

    def set_arrays(self, **arrays: Array) -> None:
        """Set buffers."""
        for name, value in arrays.items():
            self.get_buffer(name).copy_(torch.from_numpy(np.ascontiguousarray(value)))


class Profile(Buffers):
    """Buffers: a table for each band, components, and a root of the covariance of what they miss."""

    def __init__(self) -> None:
        super().__init__(
            {
                "table": (PARTS, BANDS, _KNOTS),
                "mean": (SIZE,),
                "basis": (REST_WIDTH, SIZE),
                "root": (SIZE, SIZE),
            }
        )

    def fit(self, power_mv2: Array) -> None:
        """Learn from powers (n, PARTS, 8, BANDS) mV^2."""
        levels = _levels(power_mv2)
        pooled = levels.transpose(1, 3, 0, 2).reshape(PARTS, BANDS, -1)
        table = np.quantile(pooled, ndtr(_GRID), axis=-1).transpose(1, 2, 0)
        # Where many are equal the table must still rise.
        table = np.maximum.accumulate(table, axis=-1) + 1e-5 * np.arange(_KNOTS)
        rows = np.stack([self._normal(row, table) for row in levels])
        mean, basis = components(rows, REST_WIDTH)
        missed = rows - mean
        missed = missed - (missed @ basis.T) @ basis
        covariance = missed.T @ missed / len(missed)
        covariance = (1 - _OWN) * covariance + _OWN * np.diag(np.diag(covariance))
        values, vectors = np.linalg.eigh(covariance)
        root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        self.set_arrays(table=table, mean=mean, basis=basis, root=root)

    def vector(self, power_mv2: Array) -> Array:
        """(REST_WIDTH,) of powers (PARTS, 8, BANDS) mV^2."""
        rows = self._normal(_levels(power_mv2[None])[0], self.array("table"))
        return np.asarray((rows - self.array("mean")) @ self.array("basis").T)

    def power_mv2(self, vector: Array, missed: Array | None = None) -> Array:
        """(PARTS, 8, BANDS) mV^2.

        Args:
            vector: see `vector`.
            missed: (SIZE,) standard normal, what the components leave out; None: nothing.
        """
        rows = vector @ self.array("basis") + self.array("mean")
        if missed is not None:
            rows = rows + self.array("root") @ missed
        # The tables' grid is even: linear interpolation in all of them at once.
        place = (np.clip(rows.reshape(PARTS, NUM_LEADS, BANDS), -_REACH, _REACH) + _REACH) / (_GRID[1] - _GRID[0])
        low = np.minimum(place.astype(np.intp), _KNOTS - 2)
        table, row, column = self.array("table"), np.arange(PARTS)[:, None, None], np.arange(BANDS)
        below, above = table[row, column, low], table[row, column, low + 1]
        power = np.exp(below + (place - low) * (above - below))
        for part in range(2):
            power[part][:, _LINES] *= line_floor(power[part])
        return power

    @staticmethod
    def _normal(levels: Array, table: Array) -> Array:
        out = np.empty_like(levels)
        for part in range(PARTS):
            for band in range(BANDS):
                out[part, :, band] = np.interp(levels[part, :, band], table[part, band], _GRID)
        return out.ravel()


def _levels(power_mv2: Array) -> Array:
    """Logarithms of powers (n, PARTS, 8, BANDS); the mains against what their neighbours would make of their band."""
    power = power_mv2.copy()
    for row in power:
        for part in range(2):
            row[part][:, _LINES] /= line_floor(row[part])
    return np.log(power)


def components(rows: Array, count: int) -> tuple[Array, Array]:
    """Mean and (count, width) orthonormal principal components of rows."""
    mean = rows.mean(axis=0)
    _, vectors = np.linalg.eigh((rows - mean).T @ (rows - mean))
    return mean, vectors[:, ::-1][:, :count].T
