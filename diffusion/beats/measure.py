"""The beats of recordings: their plan, and the median form of the prevailing and of the other ones."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from diffusion.beats.shape import (
    NUM_LEADS,
    P_BEFORE_S,
    P_LENGTH_S,
    P_POINTS,
    BeatShape,
    add_p,
    add_qrst,
    cut,
    ends,
    grid_s,
    p_ends,
    strip,
    stt_stretch,
)
from diffusion.rhythm.plan import BeatKind, BeatPlan

Array = npt.NDArray[np.float64]
#: Beats that a recording needs.
LEAST_BEATS = 3
_LEVEL_S = (0.028, 0.006)


@dataclass(frozen=True, eq=False)
class ObservedBeats:
    """Beats of one recording.

    Attributes:
        plan: when they are.
        shapes: "own", the prevailing form, and "other", of ventricular beats, where there are any.
        forms: (beat,) names of ``shapes``.
        has_p: whether P waves were found.
    """

    plan: BeatPlan
    shapes: dict[str, BeatShape]
    forms: list[str]
    has_p: bool

    def strip(self, length: int, fs_hz: float, start_s: float = 0.0) -> Array:
        """(8, length) mV: beats alone, from ``start_s`` on."""
        plan = self.plan
        return strip(
            self.shapes,
            plan.times_s - start_s,
            self.forms,
            plan.p_times_s - start_s if self.has_p else np.empty(0),
            plan.previous_rr_s(),
            length,
            fs_hz,
        )


def forms_of(kinds: npt.NDArray[np.int8]) -> list[str]:
    """Form of each beat: ventricular beats among others are of another form."""
    wide = (kinds == BeatKind.VENTRICULAR) | (kinds == BeatKind.PACED)
    escape = kinds == BeatKind.ESCAPE
    strange = wide | escape
    if strange.mean() > 0.5:  # then they are the person's own
        strange = strange & (kinds == BeatKind.VENTRICULAR) & ~(kinds == np.bincount(kinds).argmax())
    return ["other" if s else "own" for s in strange]


def observed_beats(
    signal_mv: npt.NDArray[np.floating],
    fs_hz: float,
    plan: BeatPlan,
    intervals: tuple[float, float, float],
    *,
    forms: Sequence[str] | None = None,
) -> ObservedBeats | None:
    """Median forms of a recording's beats.

    Args:
        signal_mv: (8, time).
        fs_hz: its rate.
        plan: its beats.
        intervals: QRS and QT (NaN where unknown) and P duration in seconds.
        forms: of the beats; by their kinds where None.

    Returns:
        None where no beat of the prevailing form lies wholly inside.
    """
    names = list(forms) if forms is not None else forms_of(plan.kinds)
    own = np.array([f == "own" for f in names])
    rr = plan.previous_rr_s()
    usual = float(np.median(rr[own])) if own.any() else float(np.median(rr))
    qrs_s, qt_s, p_s = intervals
    on = -plan.onset_to_reference_s
    if qt_s != qt_s:
        qt_s = float(np.clip(0.39 * (usual / 1.0) ** 0.5, qrs_s + 0.12, 0.5))
    qt_s = max(qt_s, qrs_s + 0.08)
    plan, has_p, pr_s = _steady(plan, own)
    level = signal_mv.astype(np.float64) - level_before(signal_mv, fs_hz, plan.times_s + on)
    first = BeatShape(np.zeros((NUM_LEADS, 1)), np.zeros((NUM_LEADS, 1)), on, on + qrs_s, on + qt_s, pr_s, usual)
    shape = _qrst(level, fs_hz, first, plan.times_s[own], stt_stretch(rr, usual)[own])
    if shape is None:
        return None
    shapes = {"own": shape}
    without = level.copy()
    for _ in range(2):
        rest = level.copy()
        negative = np.zeros_like(rest)
        add_qrst(negative, shape, plan.times_s[own], stt_stretch(rr, usual)[own], fs_hz)
        rest -= negative
        if has_p:
            p = _p(rest, fs_hz, plan.p_times_s, p_s, pr_s)
            shape = replace(shape, p=p)
            waves = np.zeros_like(rest)
            add_p(waves, shape, plan.p_times_s, fs_hz)
            without = level - waves
        again = _qrst(without, fs_hz, shape, plan.times_s[own], stt_stretch(rr, usual)[own])
        shape = replace(again, p=shape.p) if again is not None else shape
    if shape.p.shape[1] != P_POINTS:
        shape = replace(shape, p=np.zeros((NUM_LEADS, P_POINTS)))
    shapes["own"] = shape
    if not own.all():
        wide = replace(shape, off_s=on + max(qrs_s, 0.15), t_off_s=on + max(qt_s, 0.40), p=np.zeros_like(shape.p))
        other = _qrst(without, fs_hz, wide, plan.times_s[~own], np.ones(int((~own).sum())))
        shapes["other"] = other if other is not None else wide
    return ObservedBeats(plan, shapes, names, has_p)


def _steady(plan: BeatPlan, own: npt.NDArray[np.bool_]) -> tuple[BeatPlan, bool, float]:
    """Marks of P waves scatter by some milliseconds; where conduction is steady they are put at its median PR."""
    found = plan.pr_s[own & np.isfinite(plan.pr_s)]
    enough = len(found) >= max(2, 0.4 * own.sum())
    if plan.atrial in ("fibrillation", "flutter") or (not enough and len(plan.p_times_s) < 3):
        return replace(plan, p_times_s=np.empty(0), pr_s=np.full(len(plan), np.nan)), False, 0.16
    if not enough:
        return plan, True, float(np.median(found)) if len(found) else 0.16
    pr = float(np.median(found))
    if np.median(np.abs(found - pr)) > 0.020:
        return plan, True, pr
    led = own & (np.isfinite(plan.pr_s) | (plan.kinds == BeatKind.NORMAL))
    steady = np.where(led, np.where(np.abs(plan.pr_s - pr) > 0.045, plan.pr_s, pr), plan.pr_s)
    steady = np.where(led & ~np.isfinite(steady), pr, steady)
    onsets = plan.times_s - plan.onset_to_reference_s - steady
    onsets = onsets[np.isfinite(onsets)]
    free = plan.blocked_p_s
    free = free[[not np.any(np.abs(onsets - f) < 0.12) for f in free]] if len(free) and len(onsets) else free
    return replace(plan, pr_s=steady, p_times_s=np.unique(np.concatenate([onsets, free]))), True, pr


def level_before(signal_mv: npt.NDArray[np.floating], fs_hz: float, onsets_s: Array) -> Array:
    """(8, time) level before each QRS, joined by straight lines."""
    padded = np.cumsum(np.pad(signal_mv.astype(np.float64), [(0, 0), (1, 0)]), axis=1)
    length = signal_mv.shape[1]
    a = np.clip(np.rint((onsets_s - _LEVEL_S[0]) * fs_hz).astype(int), 0, length - 2)
    b = np.clip(np.rint((onsets_s - _LEVEL_S[1]) * fs_hz).astype(int), a + 1, length - 1)
    levels = (padded[:, b] - padded[:, a]) / (b - a)
    time = np.arange(length)
    return np.stack([np.interp(time, 0.5 * (a + b), row) for row in levels])


def _qrst(signal: Array, fs_hz: float, like: BeatShape, times_s: Array, stretch: Array) -> BeatShape | None:
    knots = np.tile(like.knots_s, (len(times_s), 1))
    knots[:, 3:] += ((stretch - 1) * (like.t_off_s - like.off_s))[:, None]
    grids = np.stack([grid_s(k) for k in knots]) + times_s[:, None] if len(times_s) else np.empty((0, 1))
    if not len(times_s):
        return None
    pieces, inside = cut(signal, fs_hz, grids)
    core = (grids[:, 12] >= 0) & (grids[:, 120] <= (signal.shape[1] - 1) / fs_hz)
    chosen = pieces[inside] if inside.any() else pieces[core]
    if not len(chosen):
        return None
    return replace(like, qrst=np.median(chosen, axis=0) * ends())


def _p(signal: Array, fs_hz: float, onsets_s: Array, p_s: float, pr_s: float) -> Array:
    time = np.linspace(-P_BEFORE_S, P_LENGTH_S - P_BEFORE_S, P_POINTS)
    pieces, inside = cut(signal, fs_hz, onsets_s[:, None] + time)
    chosen = pieces[inside] if inside.any() else pieces
    middle = np.median(chosen, axis=0)
    line = middle[:, :8].mean(axis=1, keepdims=True)
    line = line + (0 - line) * np.linspace(0, 1, P_POINTS)  # its onset's level counts as zero, as QRS's does
    duration = p_s if p_s == p_s else 0.11
    return (middle - line) * p_ends(duration, max(pr_s, 0.08))


def observe(
    signal_mv: npt.NDArray[np.floating], fs_hz: float, codes: Sequence[Collection[str]]
) -> list[ObservedBeats | None]:
    """Beats of recordings (n, 8, time) without gaps; None where too little can be measured."""
    from diffusion.rhythm.observed import plan_of
    from gen.leads import LEADS_8
    from metrics.measurement.records import measure_and_delineate

    out: list[ObservedBeats | None] = []
    found = measure_and_delineate(signal_mv.astype(np.float32), fs_hz, LEADS_8)
    for signal, said, (p, waves) in zip(signal_mv, codes, found, strict=True):
        if waves is None or p.failure is not None or p.qrs_ms != p.qrs_ms or p.beats < LEAST_BEATS:
            out.append(None)
            continue
        plan = plan_of(signal, fs_hz, p, waves, said)
        out.append(observed_beats(signal, fs_hz, plan, (p.qrs_ms / 1e3, p.qt_ms / 1e3, p.p_ms / 1e3)))
    return out
