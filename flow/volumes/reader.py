"""Volumes from a single short-axis loop: cavity and muscle areas of the labels, by a regression fitted on hearts of
known volume.

One slice does not hold a ventricle, so log volume is a linear function of log areas (a body of given shape scales so);
the regression's own error is measured when it is fitted, and `central` makes it a part of every interval.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gen.cine import LV_CAVITY, MYOCARDIUM
from gen.records import InputError

_SMALLEST_MM2 = 20.0
_RIDGE = 1e-3


@dataclass(frozen=True)
class VolumeReader:
    """Reads volumes off labels.

    Attributes:
        volume: weights of 1, log cavity area, log area at the R peak, log muscle area at the R peak -> log ml.
        mass: weights of 1, log cavity area, log muscle area (both at the R peak) -> log g.
        volume_error, mass_error: standard deviation of the log error on the hearts it was fitted on.
        ef_error: standard deviation of the error of the ejection fraction, 0..1, on these.
    """

    volume: tuple[float, ...]
    mass: tuple[float, ...]
    volume_error: float
    mass_error: float
    ef_error: float = 0.0

    def error_of(self, name: str) -> tuple[float, bool]:
        """Reading error of a quantity and whether it is one of its logarithm; `central` takes both."""
        if name in ("edv_ml", "esv_ml", "sv_ml"):
            return self.volume_error, True
        if name == "mass_g":
            return self.mass_error, True
        return {"ef": self.ef_error, "ef_percent": 100 * self.ef_error}.get(name, 0.0), False

    def read(self, masks: np.ndarray, pixel_mm2: float) -> tuple[np.ndarray, np.ndarray]:
        """Volume curves (n, frame) in ml and masses (n,) in g of labels (n, frame, row, col)."""
        cavity, muscle = _areas(masks, pixel_mm2)
        curve = np.exp(_volume_inputs(cavity, muscle) @ np.array(self.volume))
        return _smooth(curve), np.exp(_mass_inputs(cavity, muscle) @ np.array(self.mass))

    def to_json(self) -> dict[str, Any]:
        """JSON values; inverse of `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "VolumeReader":
        """From `to_json`.

        Raises:
            InputError: not such values.
        """
        try:
            errors = (float(stored[name]) for name in ("volume_error", "mass_error", "ef_error"))
            return cls(tuple(stored["volume"]), tuple(stored["mass"]), *errors)
        except (KeyError, TypeError) as error:
            raise InputError(f"no volume reader in the checkpoint ({error})") from error

    @classmethod
    def fit(cls, masks: np.ndarray, pixel_mm2: float, curve_ml: np.ndarray, mass_g: np.ndarray) -> "VolumeReader":
        """Fit on hearts of known volume curve (n, frame) and mass (n,); at least ten.

        Raises:
            InputError: too few hearts.
        """
        if len(masks) < 10:
            raise InputError(f"{len(masks)} hearts to fit volumes on; at least 10 are needed")
        cavity, muscle = _areas(masks, pixel_mm2)
        x, y = _volume_inputs(cavity, muscle), np.log(curve_ml)
        volume = _least_squares(x.reshape(-1, x.shape[-1]), y.ravel())
        x_mass = _mass_inputs(cavity, muscle)
        mass = _least_squares(x_mass, np.log(mass_g))
        read = _smooth(np.exp(x @ volume))
        return cls(
            tuple(volume.tolist()),
            tuple(mass.tolist()),
            float((y - x @ volume).std()),
            float((np.log(mass_g) - x_mass @ mass).std()),
            float((_emptied(read) - _emptied(curve_ml)).std()),
        )


def central(samples: np.ndarray, error: float, *, log: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median and the ends of the central 90 % over the last axis, widened by an independent reading error.

    Args:
        samples: (..., K).
        error: its standard deviation.
        log: the error is one of the logarithm.

    Returns:
        Median, low and high, each (...).
    """
    values = np.log(np.maximum(samples, 1e-6)) if log else np.asarray(samples, dtype=np.float64)
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=-1)
    spread = np.maximum(values.std(axis=-1), 1e-9)
    wider = np.sqrt(1.0 + (error / spread) ** 2)
    # Identical samples have no shape to widen: theirs is that of a normal distribution.
    below = np.where(spread > 1e-6, (middle - low) * wider, 1.645 * error)
    above = np.where(spread > 1e-6, (high - middle) * wider, 1.645 * error)
    found = middle, middle - below, middle + above
    return tuple(np.exp(v) if log else v for v in found)


def _emptied(curve: np.ndarray) -> np.ndarray:
    return 1.0 - curve.min(axis=1) / curve.max(axis=1)


def _areas(masks: np.ndarray, pixel_mm2: float) -> tuple[np.ndarray, np.ndarray]:
    """Cavity and muscle areas (n, frame) in mm2."""
    cavity = (masks == LV_CAVITY).sum(axis=(2, 3)) * pixel_mm2
    muscle = (masks == MYOCARDIUM).sum(axis=(2, 3)) * pixel_mm2
    return np.maximum(cavity, _SMALLEST_MM2), np.maximum(muscle, _SMALLEST_MM2)


def _volume_inputs(cavity: np.ndarray, muscle: np.ndarray) -> np.ndarray:
    still = np.broadcast_to(np.log(cavity[:, :1]), cavity.shape)
    wall = np.broadcast_to(np.log(muscle[:, :1]), cavity.shape)
    return np.stack([np.ones(cavity.shape), np.log(cavity), still, wall], axis=-1)


def _mass_inputs(cavity: np.ndarray, muscle: np.ndarray) -> np.ndarray:
    return np.stack([np.ones(len(cavity)), np.log(cavity[:, 0]), np.log(muscle[:, 0])], axis=-1)


def _least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    penalty = _RIDGE * len(y) * np.diag([0.0, *np.ones(x.shape[1] - 1)])
    centre = np.concatenate([[0.0], x[:, 1:].mean(axis=0)])
    z = x - centre
    weight = np.linalg.solve(z.T @ z + penalty * x[:, 1:].var(), z.T @ y)
    weight[0] -= centre @ weight
    return weight


def _smooth(curve: np.ndarray) -> np.ndarray:
    """Mean with a quarter of each neighbour round the cycle: a pixel more or less is no event."""
    return 0.5 * curve + 0.25 * (np.roll(curve, 1, axis=1) + np.roll(curve, -1, axis=1))
