"""The left ventricle: a truncated, nearly incompressible shell whose volume follows the given curve exactly.

Coordinates: height share s, 0 at the base and 1 at the apex of the cavity; angle as in `motion.ANGLES`; lengths in mm.
A slice stands still in the room while the base comes down, so it meets other muscle in systole (apex fixed).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from gen.cine import MYOCARDIAL_DENSITY
from gen.simulate.cine.anatomy import SEPTUM_DEG, Anatomy
from gen.simulate.cine.motion import ANGLES, Timing, filling, local_contraction, septal_flash

_GRID = (np.arange(40) + 0.5) / 40  # midpoints of s for integrals


def profile(s: np.ndarray) -> np.ndarray:
    """Cavity radius over its largest, by height share; 0 outside 0..1 (the atrium and the apex are drawn apart)."""
    s = np.asarray(s, dtype=np.float64)
    base = 1.0 - 0.25 * ((0.22 - s) / 0.22) ** 2
    apex = np.sqrt(np.clip(1.0 - (np.clip(s - 0.22, 0.0, None) / 0.78) ** 2.2, 0.0, None))
    return np.where((s < 0.0) | (s > 1.0), 0.0, np.where(s < 0.22, base, apex))


def length_of(volume_ml: float, area_mm2: float, s: float) -> float:
    """Length in mm of a cavity of this volume whose cut at height share ``s`` has this area; the usual outline."""
    return 1e3 * volume_ml / (area_mm2 * float((profile(_GRID) ** 2).mean() / profile(np.array(s)) ** 2))


@dataclass(frozen=True, eq=False)
class LeftVentricle:
    """Geometry of one heartbeat, ready to be cut at any height; made by `build`.

    Attributes:
        radius_mm: largest cavity radius at end-diastole.
        wall_mm: base thickness w0 of the wall; the wall is w0 (0.6 + 0.4 p) plus what disease adds or takes.
        length_mm: (frame,) length of the cavity.
        stretch: (frame,) length over end-diastolic length.
        contraction: (frame, angle) local contraction 0..1 before scaling.
        depth: (frame,) share of the radius lost at full contraction.
        gain, scale: (frame,) corrections by which the volume holds.
        flash_mm: (frame, angle) inward motion of the septum.
        volume_ml: (frame,) cavity volume.
        anatomy: what it was built from.
    """

    radius_mm: float
    wall_mm: float
    length_mm: np.ndarray
    stretch: np.ndarray
    contraction: np.ndarray
    depth: np.ndarray
    gain: np.ndarray
    scale: np.ndarray
    flash_mm: np.ndarray
    volume_ml: np.ndarray
    anatomy: Anatomy

    def cut(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Endo- and epicardial radius (frame, angle) in mm where frame k is cut at height share ``s[k]``.

        Below the apex of the cavity only a cap of muscle is left; above the base both are the mitral ring's.
        """
        inside = np.clip(s, 0.0, 1.0)
        rest = self._rest(inside)
        inner = self._inner(inside, rest)
        outer = np.sqrt(inner**2 + self._wall_area(inside, rest) / self.stretch[:, None])
        below = np.clip((s - 1.0) * self.length_mm / (0.8 * self.wall_mm), 0.0, 1.0)[:, None]
        return np.where(below > 0.0, 0.0, inner), outer * np.sqrt(1.0 - below**2)

    def heights(self, above_apex_mm: float) -> np.ndarray:
        """(frame,) height share that a slice fixed at this distance above the apex meets in each frame."""
        return 1.0 - above_apex_mm / self.length_mm

    def _rest(self, s: np.ndarray) -> np.ndarray:
        return self.radius_mm * profile(s)[:, None] * _outline(self.anatomy, s)

    def _inner(self, s: np.ndarray, rest: np.ndarray) -> np.ndarray:
        motion = self.depth[:, None] * self.contraction * _viable(self.anatomy, s)
        moved = rest * (1.0 - self.gain[:, None] * motion) - self.flash_mm * profile(s)[:, None]
        return np.maximum(moved, 0.08 * rest) * self.scale[:, None]

    def _wall_area(self, s: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """Twice the wall's area per radian at end-diastole; it divides by the stretch (constant volume)."""
        return (rest + _wall(self.anatomy, self.wall_mm, s)) ** 2 - rest**2

    def mass_g(self, frame: int = 0) -> float:
        """Muscle between base and apex in one frame, integrated."""
        outer2, inner2 = [], []
        for s in _GRID:
            inner, outer = self.cut(np.full(len(self.length_mm), s))
            inner2.append(inner[frame])
            outer2.append(outer[frame])
        area = 0.5 * (np.square(outer2) - np.square(inner2)).mean() * 2.0 * np.pi
        return float(area * self.length_mm[frame] / 1e3 * MYOCARDIAL_DENSITY)


def build(anatomy: Anatomy, timing: Timing, t: np.ndarray) -> LeftVentricle:
    """The left ventricle over the times ``t`` (s) of one heartbeat.

    The cavity holds ESV + SV * filling(t) at every time: the depth of contraction is scaled for that, and what a scar
    or a flash leaves is taken up by a small change of the whole radius.
    """
    volume = anatomy.edv_ml * (1.0 - anatomy.ef * (1.0 - filling(timing, t)))
    stretch = 1.0 - anatomy.shortening * (1.0 - filling(timing, t))
    radius = _radius(anatomy)
    ones = np.ones(len(t))
    depth = 1.0 - np.sqrt(volume.min() / (anatomy.edv_ml * stretch.min())) * ones
    contraction = local_contraction(timing, t)
    wall = _solve_wall(anatomy, radius)
    draft = LeftVentricle(
        radius, wall, anatomy.length_mm * stretch, stretch, contraction, depth, ones, ones,
        septal_flash(timing, t), volume, anatomy,
    )  # fmt: skip
    return _hold_volume(draft)


def wall_thickness_mm(anatomy: Anatomy, level: float = 0.45) -> float:
    """Thickest wall of a short-axis slice at end-diastole; ``level`` as a share of the height, 0 base to 1 apex."""
    return float(_wall(anatomy, _solve_wall(anatomy, _radius(anatomy)), np.array([level])).max())


def _radius(anatomy: Anatomy) -> float:
    """Largest cavity radius in mm for which the cavity holds the end-diastolic volume."""
    shape = (profile(_GRID)[:, None] * _outline(anatomy, _GRID)) ** 2
    return float(np.sqrt(anatomy.edv_ml * 1e3 / (np.pi * anatomy.length_mm * shape.mean())))


def _hold_volume(draft: LeftVentricle) -> LeftVentricle:
    """Chooses gain, then scale, so that the cavity's volume is ``volume_ml`` in each frame."""
    anatomy = draft.anatomy
    rest2 = (draft.radius_mm * profile(_GRID)[:, None] * _outline(anatomy, _GRID)) ** 2  # (s, angle)
    viable = _viable(anatomy, _GRID)
    # mean of rest^2 (1 - gain * d * c * viable)^2 over s and angle is quadratic in gain, with sums free of frames.
    first = (draft.contraction @ (rest2 * viable).mean(axis=0)) / len(ANGLES) * draft.depth
    second = (draft.contraction**2 @ (rest2 * viable**2).mean(axis=0)) / len(ANGLES) * draft.depth**2
    target = draft.volume_ml * 1e3 / (np.pi * draft.length_mm)
    missing = rest2.mean() - target
    root = np.sqrt(np.clip(first**2 - second * missing, 0.0, None))
    gain = np.divide(missing, first + root, out=np.ones_like(first), where=first + root > 1e-6)
    gain = np.clip(gain, 0.0, 1.6)
    fields = {**draft.__dict__, "gain": gain}
    rest, view = np.sqrt(rest2)[None], viable[None]
    motion = (draft.depth * gain)[:, None, None] * draft.contraction[:, None, :] * view
    inner = rest * (1.0 - motion) - draft.flash_mm[:, None, :] * profile(_GRID)[None, :, None]
    inner = np.maximum(inner, 0.08 * rest)
    fields["scale"] = np.sqrt(target / (inner**2).mean(axis=(1, 2)))
    return LeftVentricle(**fields)


def _outline(anatomy: Anatomy, s: np.ndarray) -> np.ndarray:
    """(s, angle) cavity radius over its mean: low Fourier modes, twisting a little from base to apex."""
    waves = _grid_waves() if s is _GRID else _waves(np.asarray(s))
    out = np.ones((len(s), len(ANGLES)))
    for (a, b), (cosine, sine) in zip(anatomy.modes, waves, strict=True):
        out += a * cosine + b * sine
    return out


def _waves(s: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cosine and sine (s, angle) of each mode of the outline."""
    angle = ANGLES[None, :] + 0.5 * (s[:, None] - 0.4)
    return [(np.cos(order * angle), np.sin(order * angle)) for order in range(2, 6)]


@cache
def _grid_waves() -> list[tuple[np.ndarray, np.ndarray]]:
    return _waves(_GRID)


def _scar(anatomy: Anatomy, s: np.ndarray) -> np.ndarray:
    """(s, angle) weight of the infarct, 0..1."""
    if anatomy.scar_width_rad <= 0.0:
        return np.zeros((len(s), len(ANGLES)))
    turn = np.angle(np.exp(1j * (ANGLES - np.deg2rad(anatomy.scar_deg))))
    around = np.exp(-0.5 * (turn / anatomy.scar_width_rad) ** 2)
    return np.exp(-0.5 * ((np.asarray(s) - anatomy.scar_level) / 0.28) ** 2)[:, None] * around[None, :]


def _viable(anatomy: Anatomy, s: np.ndarray) -> np.ndarray:
    """(s, angle) share of the radial motion that is left; the apex of a normal heart moves most."""
    return 1.0 - anatomy.scar_depth * _scar(anatomy, s)


def _wall(anatomy: Anatomy, wall_mm: float, s: np.ndarray) -> np.ndarray:
    """(s, angle) thickness at end-diastole; an old infarct has thinned."""
    thick = wall_mm * (0.6 + 0.4 * profile(s))[:, None] * (1.0 - 0.35 * _scar(anatomy, s))
    return thick + _septal_excess(anatomy, s)


def _septal_excess(anatomy: Anatomy, s: np.ndarray) -> np.ndarray:
    if anatomy.septal_mm <= 0.0:
        return np.zeros((len(s), len(ANGLES)))
    around = np.exp(1.5 * (np.cos(ANGLES - np.deg2rad(SEPTUM_DEG)) - 1.0))
    along = np.exp(-0.5 * ((np.asarray(s) - 0.30) / 0.30) ** 2)
    return anatomy.septal_mm * along[:, None] * around[None, :]


def _solve_wall(anatomy: Anatomy, radius: float) -> float:
    """w0 for which the muscle weighs ``mass_g``: a quadratic, as the wall is linear in w0."""
    rest = radius * profile(_GRID)[:, None] * _outline(anatomy, _GRID)
    unit = _wall(anatomy, 1.0, _GRID) - _septal_excess(anatomy, _GRID)
    extra = _septal_excess(anatomy, _GRID)
    scale = np.pi * anatomy.length_mm / 1e3 * MYOCARDIAL_DENSITY
    a = scale * (unit**2).mean()
    b = scale * (2.0 * unit * (rest + extra)).mean()
    c = scale * (2.0 * rest * extra + extra**2).mean() - anatomy.mass_g
    return float(np.clip((-b + np.sqrt(max(b * b - 4.0 * a * c, 0.0))) / (2.0 * a), 2.5, 25.0))
