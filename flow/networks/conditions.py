"""What the velocity network is told besides the ECG: cycle length, age, sex, body size, slice level; each optional."""

import math
from dataclasses import dataclass

import numpy as np

from gen.records import Patient

#: Order of the numbers; each is a network input with a learned value for "unknown".
NUMBERS = ("rr", "age", "sex", "height", "weight", "level")


@dataclass(frozen=True)
class Conditions:
    """Numbers (n, 6) float32 near unit scale, NaN where unknown; see `NUMBERS`."""

    values: np.ndarray

    @classmethod
    def of(cls, rr_s: float, patient: Patient, level: float | None = None) -> "Conditions":
        """Conditions of one heart.

        Args:
            rr_s: length of the heart cycle.
            patient: age in years, sex, height, weight; each may be None.
            level: height of the slice, 0 base to 1 apex.
        """
        nan = math.nan
        row = np.array(
            [
                rr_s,
                nan if patient.age is None else patient.age,
                nan if patient.sex is None else float(patient.sex == "M"),
                nan if patient.height_cm is None else patient.height_cm,
                nan if patient.weight_kg is None else patient.weight_kg,
                nan if level is None else level,
            ]
        )
        return cls(scaled(row[None]))


def scaled(raw: np.ndarray) -> np.ndarray:
    """Raw numbers (n, 6): s, years, 1 for male, cm, kg, level -> near unit scale, float32."""
    centre = np.array([0.0, 60.0, 0.5, 170.0, 76.0, 0.45])
    spread = np.array([0.2, 18.0, 0.5, 10.0, 16.0, 0.2])
    out = np.array(raw, dtype=np.float64)
    out[:, 0] = np.log(out[:, 0] / 0.9)
    return ((out - centre) / spread).astype(np.float32)


FRAMES = 50
