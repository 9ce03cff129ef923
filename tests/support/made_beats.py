"""Beats, habits and a fitted code that tests of beats and of their pipeline share."""

import numpy as np

from diffusion.beats.code import BeatCode, Habits
from diffusion.beats.noise import BANDS
from diffusion.beats.shape import P_POINTS, POINTS, BeatShape, ends, p_ends


def some_shape(gain: float = 1.0, **changes: float) -> BeatShape:
    grid = np.linspace(0, 1, POINTS)
    leads = np.linspace(0.4, 1.2, 8)[:, None]
    qrs = np.exp(-0.5 * ((grid - 0.25) / 0.035) ** 2) - 0.3 * np.exp(-0.5 * ((grid - 0.36) / 0.03) ** 2)
    t = 0.25 * np.exp(-0.5 * ((grid - 0.74) / 0.06) ** 2)
    p = 0.12 * np.exp(-0.5 * ((np.linspace(0, 1, P_POINTS) - 0.45) / 0.13) ** 2) * p_ends(0.1, 0.16)
    times = {"on_s": -0.04, "off_s": 0.055, "t_off_s": 0.36, "pr_s": 0.16, "rr_s": 0.8} | changes
    return BeatShape(gain * leads * (qrs + t) * ends(), gain * leads * p, **times)


def some_habits(scale: float = 1e-5) -> Habits:
    power = np.full((2, 8, BANDS), scale)
    power[1] = 0.1 * scale
    return Habits(0.05, 0.2, power, np.full((8, BANDS), 1e-7))


def fitted_code() -> BeatCode:
    rng = np.random.default_rng(0)

    class Row:
        def __init__(self) -> None:
            times = {"t_off_s": 0.36, "off_s": 0.055, "pr_s": 0.16}
            times = {name: value * float(np.exp(0.1 * rng.standard_normal())) for name, value in times.items()}
            base = some_shape(float(np.exp(0.3 * rng.standard_normal())), **times)
            mixing = np.eye(8) + 0.2 * rng.standard_normal((8, 8))
            self.own, self.other, self.has_p = base.mixed(mixing), None, True
            self.habits: Habits | None = some_habits(float(np.exp(-11 + rng.standard_normal())))

    code = BeatCode()
    code.fit([Row() for _ in range(120)])
    root = np.eye(64) / 8
    agreement = np.tile(np.eye(8), (BANDS, 1, 1))
    code.set_variation(agreement, np.stack([agreement, agreement]), root, 0.5)
    return code
