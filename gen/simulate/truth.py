"""Known truth of a simulated recording: fiducials as a reader marks them on the drawn waves, intervals, axis, rate.

Kernels have soft edges, so the marks are read off the noise-free waves, not off kernel positions: QRS begins and ends
where the spatial velocity of all leads rises over and falls under a small share of its peak; P and T where the
spatial magnitude does. Peaks are the largest spatial magnitude.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from statistics import median
from typing import Any

import numpy as np

from gen.simulate import waves
from gen.simulate.draw import Plan, is_ectopic
from gen.simulate.population import Loops
from gen.simulate.rhythm import BEAT_TYPES, PVC

NAN3 = (float("nan"),) * 3
#: A P or T wave smaller than this (norm over the eight leads, mV) cannot be seen.
VISIBLE_MV = 0.045


@dataclass(frozen=True)
class Beat:
    """One ventricular beat (or a lone P wave); onset, peak, offset in seconds, NaN where the wave is absent."""

    kind: str  #: normal, PVC, PAC, escape, paced, or blocked (a P wave without QRS)
    p: tuple[float, float, float]
    qrs: tuple[float, float, float]
    t: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known about one simulated recording.

    Attributes:
        beats: beats whose QRS (or lone P) lies inside the recording, in order of time.
        hr_bpm: mean ventricular rate from the RR intervals inside.
        rr_s: (beat - 1,) RR intervals.
        pr_ms, qrs_ms, qt_ms: of conducted beats; NaN when there are none. For ectopic rhythms QRS and QT are theirs.
        axis_deg: frontal QRS axis.
        statements: SCP-ECG code -> 100.
        findings: details of statements, such as ``{"infarct": "acute"}``.
        report_en, report_de: free-text reports.
    """

    beats: tuple[Beat, ...]
    hr_bpm: float
    rr_s: np.ndarray
    pr_ms: float
    qrs_ms: float
    qt_ms: float
    axis_deg: float
    statements: Mapping[str, float] = field(default_factory=dict)
    findings: Mapping[str, str] = field(default_factory=dict)
    report_en: str = ""
    report_de: str = ""

    @property
    def qtc_ms(self) -> float:
        """QT corrected by Bazett's formula."""
        return float(self.qt_ms / np.sqrt(60.0 / self.hr_bpm))

    def summary(self) -> dict[str, Any]:
        """Numbers for a table; JSON values, None where not defined."""
        names = ("hr_bpm", "pr_ms", "qrs_ms", "qt_ms", "axis_deg")
        values = {name: float(getattr(self, name)) for name in names}
        return {n: round(v, 1) if isfinite(v) else None for n, v in values.items()} | {
            "beats": len(self.beats),
            "findings": dict(self.findings),
        }


@dataclass(frozen=True)
class Marks:
    """Fiducials of one beat type: P in its phase, QRS in seconds from its nominal onset, T in ST-T phase."""

    p: tuple[float, float, float]
    qrs: tuple[float, float, float]
    t: tuple[float, float, float]


_P_PHASE = np.linspace(-0.25, 1.25, 91)
_T_PHASE = np.linspace(-0.1, 1.2, 131)
_P_BASIS = waves.P(_P_PHASE)
_T_BASIS = waves.STT(_T_PHASE)


def marks(loops: Loops, field: np.ndarray, st_s: float) -> Marks:
    """Reads the fiducials off the noise-free waves of one beat type."""
    return Marks(_p_marks(loops, field), _qrs_marks(loops, field, st_s), _t_marks(loops, field))


def _p_marks(loops: Loops, field: np.ndarray) -> tuple[float, float, float]:
    size = np.linalg.norm(_P_BASIS @ (loops.p @ field.T), axis=1)
    top = int(size.argmax())
    if size[top] < VISIBLE_MV:
        return NAN3
    seen = np.flatnonzero(size > max(0.15 * size[top], 0.25 * VISIBLE_MV))
    return float(_P_PHASE[seen[0]]), float(_P_PHASE[top]), float(_P_PHASE[seen[-1]])


def _qrs_marks(loops: Loops, field: np.ndarray, st_s: float) -> tuple[float, float, float]:
    time = np.arange(-0.030, loops.qrs_s + 0.045, 0.001)
    depolarisation = waves.QRS(time / loops.qrs_s) @ (loops.qrs @ field.T)
    drawn = depolarisation + waves.STT((time - loops.qrs_s) / st_s) @ (loops.stt @ field.T)
    speed = np.linalg.norm(np.gradient(drawn, axis=0), axis=1)
    inside = np.linalg.norm(np.gradient(depolarisation, axis=0), axis=1) > 0.013 * speed.max()
    fast = np.flatnonzero((speed > 0.027 * speed.max()) & inside)
    top = int(np.linalg.norm(depolarisation, axis=1).argmax())
    return float(time[fast[0]]), float(time[top]), float(time[fast[-1]])


def _t_marks(loops: Loops, field: np.ndarray) -> tuple[float, float, float]:
    drawn = _T_BASIS @ (loops.stt @ field.T)
    size = np.linalg.norm(drawn, axis=1)
    window = (_T_PHASE > 0.28) & (_T_PHASE < 0.95)
    top = int(np.argmax(np.where(window, size, 0.0)))
    if size[top] < VISIBLE_MV:
        return NAN3
    start = int(np.searchsorted(_T_PHASE, 0.10))
    rise = drawn[top] - drawn[start]
    share = (drawn[start:top] - drawn[start]) @ rise / max(float(rise @ rise), 1e-12)
    low = np.flatnonzero(share < 0.20)
    on = start + (int(low[-1]) if len(low) else 0)
    low = np.flatnonzero(size[top:] < max(0.07 * size[top], 0.4 * VISIBLE_MV))
    off = top + (int(low[0]) if len(low) else len(size) - top - 1)
    return float(_T_PHASE[on]), float(_T_PHASE[top]), float(_T_PHASE[off])


def read_truth(plan: Plan, duration_s: float, axis: float) -> tuple[tuple[Beat, ...], dict[str, Any]]:
    """Beats inside the recording and the intervals of its conducted (or only) beats."""
    rhythm, ectopic = plan.rhythm, is_ectopic(plan)
    normal = marks(plan.normal, plan.field, median(plan.st_s.tolist()))
    other = marks(plan.ectopic, plan.field, median(plan.st_s.tolist())) if ectopic.any() else normal
    beats = []
    for onset, kind, p_on, st_s, wide in zip(
        rhythm.qrs_on.tolist(), rhythm.kind.tolist(), rhythm.p_on.tolist(), plan.st_s.tolist(), ectopic, strict=True
    ):
        if not 0.0 <= onset < duration_s:
            continue
        mark, loops = (other, plan.ectopic) if wide else (normal, plan.normal)
        p = _scaled(normal.p, p_on, plan.normal.p_s)
        qrs = _scaled(mark.qrs, onset, 1.0)
        t = _scaled(mark.t, onset + loops.qrs_s, st_s)
        beats.append(Beat(BEAT_TYPES[kind], p, qrs, t))
    for p_on in rhythm.free_p_on.tolist():
        p = _scaled(normal.p, p_on, plan.normal.p_s)
        if p[0] >= 0.0 and p[2] < duration_s:
            beats.append(Beat("blocked", p, NAN3, NAN3))
    beats.sort(key=lambda b: b.qrs[0] if isfinite(b.qrs[0]) else b.p[0])
    return tuple(beats), _intervals(beats, axis)


def _scaled(mark: tuple[float, float, float], onset: float, length: float) -> tuple[float, float, float]:
    a, b, c = mark
    return onset + a * length, onset + b * length, onset + c * length


def _intervals(beats: list[Beat], axis: float) -> dict[str, Any]:
    ventricular = [b for b in beats if isfinite(b.qrs[0])]
    own = [b for b in ventricular if b.kind != BEAT_TYPES[PVC]] or ventricular
    rr = np.diff([b.qrs[0] for b in ventricular])
    nan = float("nan")
    pr = [b.qrs[0] - b.p[0] for b in own if isfinite(b.p[0])]
    qt = [b.t[2] - b.qrs[0] for b in own if isfinite(b.t[2])]
    return {
        "hr_bpm": float(60.0 / rr.mean()) if len(rr) else nan,
        "rr_s": rr,
        "pr_ms": 1e3 * median(pr) if pr else nan,
        "qrs_ms": 1e3 * median(b.qrs[2] - b.qrs[0] for b in own) if own else nan,
        "qt_ms": 1e3 * median(qt) if qt else nan,
        "axis_deg": axis,
    }
