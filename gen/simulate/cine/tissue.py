"""Signal of tissues in balanced steady-state free precession (bSSFP) at 1.5 T, and how a loop's contrast varies."""

from dataclasses import dataclass, fields

import numpy as np

#: Tissue -> proton density, T1 and T2 in ms. Inflow of fresh spins makes blood brighter than its steady state.
_TISSUES = {
    "blood": (1.38, 1500.0, 250.0),
    "muscle_heart": (0.86, 1000.0, 50.0),
    "scar": (0.95, 1050.0, 58.0),
    "fat": (1.0, 260.0, 80.0),
    "liver": (0.86, 590.0, 45.0),
    "spleen": (0.82, 1050.0, 78.0),
    "muscle": (0.95, 900.0, 42.0),
    "lung": (0.13, 1200.0, 60.0),
    "fluid": (1.0, 2200.0, 500.0),
}


def bssfp_signal(proton_density: float, t1_ms: float, t2_ms: float, *, tr_ms: float, flip_deg: float) -> float:
    """Steady-state signal at TE = TR/2: PD sin a (1-E1) / (1 - (E1-E2) cos a - E1 E2) exp(-TE/T2)."""
    e1, e2 = np.exp(-tr_ms / t1_ms), np.exp(-tr_ms / t2_ms)
    angle = np.deg2rad(flip_deg)
    level = np.sin(angle) * (1.0 - e1) / (1.0 - (e1 - e2) * np.cos(angle) - e1 * e2)
    return float(proton_density * level * np.exp(-0.5 * tr_ms / t2_ms))


@dataclass(frozen=True)
class Signals:
    """Signal of each tissue in units of the left ventricle's blood.

    Fat has the opposite sign: at TE = TR/2 its phase is turned against water, so a pixel shared by both is dark. That
    draws the black lines around organs that are seen in real cines.
    """

    blood: float
    muscle_heart: float
    scar: float
    fat: float
    liver: float
    spleen: float
    muscle: float
    lung: float
    fluid: float


def draw_signals(rng: np.random.Generator) -> Signals:
    """Signals of one examination: flip angle and repetition time vary, and so do tissues."""
    flip, tr = rng.uniform(42.0, 62.0), rng.uniform(2.8, 3.6)
    level = {name: bssfp_signal(*values, tr_ms=tr, flip_deg=flip) for name, values in _TISSUES.items()}
    spread = np.exp(0.07 * rng.standard_normal(len(level)))
    relative = {n: v / level["blood"] * k for (n, v), k in zip(level.items(), spread, strict=True)}
    relative |= {"blood": 1.0, "fat": -relative["fat"]}
    # Muscle with or without scar belongs to one person: only their ratio is tissue.
    relative["scar"] = 1.15 * relative["muscle_heart"]
    return Signals(**{f.name: float(relative[f.name]) for f in fields(Signals)})
