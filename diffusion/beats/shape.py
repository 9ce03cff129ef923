"""`BeatShape`: one form of beat in eight leads on a grid of its own time, and its drawing at given moments.

The grid follows the waves: QRS and ST-T have as many points in a short beat as in a long one, so intervals and forms
are apart: a wide complex differs in ``off_s - on_s``, a long QT in ``t_off_s``, and PR in where the P wave is put.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline, PPoly

Array = npt.NDArray[np.float64]

NUM_LEADS = 8
#: Points before QRS, in QRS, in ST-T and after T; stretches before and after are of fixed length.
LEAD_IN, QRS, STT, TAIL = 10, 64, 72, 13
POINTS = LEAD_IN + QRS + STT + TAIL
LEAD_IN_S, TAIL_S = 0.040, 0.120
#: The P wave from its onset on: fixed in time.
P_POINTS, P_BEFORE_S, P_LENGTH_S = 52, 0.040, 0.204
#: QT follows the RR interval to this power, by way of an average over some beats.
QT_POWER, QT_MEMORY = 0.35, 0.25
#: Share of a beat's mixing that ST-T takes part in.
STT_MIXED = 0.5


@dataclass(frozen=True, eq=False)
class BeatShape:
    """One form of beat; times count from the reference of QRS (see `diffusion.rhythm.plan.BeatPlan`).

    Attributes:
        qrst: (8, POINTS) mV against the level before QRS; zero at both ends.
        p: (8, P_POINTS) mV from ``P_BEFORE_S`` before P onset on; zero at both ends.
        on_s, off_s, t_off_s: begin and end of QRS, end of T.
        pr_s: P onset to QRS onset.
        rr_s: interval to which ST-T belongs.
    """

    qrst: Array
    p: Array
    on_s: float
    off_s: float
    t_off_s: float
    pr_s: float
    rr_s: float

    @property
    def knots_s(self) -> Array:
        """Times of the grid's corners."""
        return np.array([self.on_s - LEAD_IN_S, self.on_s, self.off_s, self.t_off_s, self.t_off_s + TAIL_S])

    def mixed(self, matrix: npt.NDArray[np.floating]) -> "BeatShape":
        """With leads (new) = matrix (8, 8) times leads."""
        return replace(self, qrst=matrix @ self.qrst, p=matrix @ self.p)


#: Grid positions of the corners.
CORNERS = np.cumsum([0, LEAD_IN, QRS, STT, TAIL - 1]).astype(np.float64)
_MIXED_AT = (0.0, CORNERS[2], CORNERS[2] + 8, CORNERS[4])


def grid_s(knots_s: Array) -> Array:
    """(POINTS,) times of the grid's points."""
    return np.interp(np.arange(POINTS), CORNERS, knots_s)


def ends() -> Array:
    """(POINTS,) weights that let a beat begin and end at zero."""
    weight = np.ones(POINTS)
    weight[:LEAD_IN] = ramp(LEAD_IN)
    weight[-TAIL:] = ramp(TAIL)[::-1]
    return weight


def p_ends(p_s: float, pr_s: float) -> Array:
    """(P_POINTS,) weights that end a P wave before QRS, and 40 ms after its own end."""
    time = np.linspace(-P_BEFORE_S, P_LENGTH_S - P_BEFORE_S, P_POINTS)
    last = min(p_s + 0.040, pr_s, P_LENGTH_S - P_BEFORE_S)
    rise = np.clip((time + P_BEFORE_S) / P_BEFORE_S, 0, 1)
    fall = np.clip((last - time) / 0.040, 0, 1)
    return np.sin(0.5 * np.pi * rise) ** 2 * np.sin(0.5 * np.pi * fall) ** 2


def ramp(count: int) -> Array:
    """Rise from zero to (nearly) one."""
    return np.sin(0.5 * np.pi * np.arange(count) / count) ** 2


def add_qrst(
    out: Array, shape: BeatShape, times_s: Array, stretch: Array, fs_hz: float, mixing: Array | None = None
) -> None:
    """Add QRS and ST-T of beats to a signal.

    Args:
        out: (8, time) mV, added to.
        shape: of the beats.
        times_s: (beat,) of their references.
        stretch: (beat,) factor on the length of ST-T.
        fs_hz: rate of the signal.
        mixing: (beat, 8, 8) added to the unit matrix of the leads, beat by beat; or None.
    """
    length = out.shape[1]
    spans = []
    for k, (time, factor) in enumerate(zip(times_s.tolist(), stretch.tolist(), strict=True)):
        knots = stretched(shape.knots_s, factor) + time
        first, last = max(0, int(np.ceil(knots[0] * fs_hz))), min(length - 1, int(np.floor(knots[-1] * fs_hz)))
        if last >= first:
            spans.append((k, first, last + 1, np.interp(np.arange(first, last + 1) / fs_hz, knots, CORNERS)))
    if not spans:
        return
    places = np.concatenate([at for *_, at in spans])
    parts = _qrst_spline(shape.qrst)(places).T
    # ST-T is turned less: of its own directions the QRS complexes that mixing is measured on say little.
    mixed = None if mixing is None else np.interp(places, _MIXED_AT, (1.0, 1.0, STT_MIXED, STT_MIXED))
    begin = 0
    for k, first, stop, at in spans:
        part = parts[:, begin : begin + len(at)]
        if mixing is not None and mixed is not None:
            part = part + (mixing[k] @ part) * mixed[begin : begin + len(at)]
        out[:, first:stop] += part
        begin += len(at)


def add_p(out: Array, shape: BeatShape, onsets_s: Array, fs_hz: float) -> None:
    """Add P waves by their onsets (wave,) to a signal (8, time)."""
    spans = []
    for onset in onsets_s.tolist():
        first = max(0, int(np.ceil((onset - P_BEFORE_S) * fs_hz)))
        last = min(out.shape[1] - 1, int(np.floor((onset + P_LENGTH_S - P_BEFORE_S) * fs_hz)))
        if last >= first:
            spans.append((first, last + 1, np.arange(first, last + 1) / fs_hz - onset))
    if not spans:
        return
    waves, begin = _p_spline(shape.p)(np.concatenate([time for *_, time in spans])).T, 0
    for first, stop, time in spans:
        out[:, first:stop] += waves[:, begin : begin + len(time)]
        begin += len(time)


@lru_cache(maxsize=2)
def _unit_splines(points: int, first: float, last: float) -> tuple[Array, Array]:
    """Grid (points,) and coefficients (4 * (points - 1), points) of splines through a single point of it each.

    A spline is linear in what it goes through, so any is their sum: no system of equations for every beat.
    """
    grid = np.linspace(first, last, points)
    return grid, CubicSpline(grid, np.eye(points)).c.reshape(-1, points)


def _spline(values: Array, first: float, last: float) -> PPoly:
    """The cubic spline (not-a-knot) through (lead, point) on an even grid; evaluated at (n,) it gives (n, lead)."""
    grid, unit = _unit_splines(values.shape[1], first, last)
    return PPoly.construct_fast((unit @ values.T).reshape(4, values.shape[1] - 1, len(values)), grid)


def _qrst_spline(qrst: Array) -> PPoly:
    return _spline(qrst, 0.0, POINTS - 1.0)


def _p_spline(p: Array) -> PPoly:
    return _spline(p, -P_BEFORE_S, P_LENGTH_S - P_BEFORE_S)


def stretched(knots_s: Array, factor: float) -> Array:
    """Corners with ST-T stretched."""
    knots = knots_s.copy()
    more = (factor - 1) * (knots_s[3] - knots_s[2])
    knots[3:] += more
    return knots


def stt_stretch(previous_rr_s: Array, rr_s: float) -> Array:
    """(beat,) factor on the length of ST-T, from the intervals before the beats and the one it was measured at."""
    memory, out = rr_s, np.empty(len(previous_rr_s))
    for k, rr in enumerate(previous_rr_s.tolist()):
        memory += QT_MEMORY * (rr - memory)
        out[k] = (0.75 * memory + 0.25 * rr) / rr_s
    return np.clip(out, 0.3, 2.5) ** QT_POWER


def cut(signal: Array, fs_hz: float, grids_s: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """(beat, 8, point) at times (beat, point), interpolated; and whether all lie inside."""
    at = grids_s * fs_hz
    inside = (at[:, 0] >= 0) & (at[:, -1] <= signal.shape[1] - 1)
    low = np.clip(np.floor(at).astype(int), 1, signal.shape[1] - 3)
    u = np.clip(at - low, -1, 2)
    # Cubic (Catmull-Rom) between samples.
    a, b, c, d = (signal[:, low + k] for k in (-1, 0, 1, 2))
    out = b + 0.5 * u * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a)))
    return out.transpose(1, 0, 2), inside


def strip(
    shapes: Mapping[str, BeatShape],
    times_s: Array,
    forms: "list[str]",
    p_onsets_s: Array,
    previous_rr_s: Array,
    length: int,
    fs_hz: float,
) -> Array:
    """(8, length) mV: the beats alone, all of one form alike.

    Args:
        shapes: by form.
        times_s: (beat,) references.
        forms: of the beats.
        p_onsets_s: (wave,) onsets of P waves; drawn with the form "own".
        previous_rr_s: (beat,) intervals before the beats.
        length: samples.
        fs_hz: rate.
    """
    out = np.zeros((NUM_LEADS, length))
    for form, shape in shapes.items():
        own = np.array([f == form for f in forms], dtype=bool)
        if own.any():
            add_qrst(out, shape, times_s[own], stt_stretch(previous_rr_s, shape.rr_s)[own], fs_hz)
    if len(p_onsets_s):
        add_p(out, shapes["own"], p_onsets_s, fs_hz)
    return out
