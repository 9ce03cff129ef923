"""Beats from waves, and the intervals between their marks."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from metrics.measurement.delineation.fast import HIDDEN_P_S
from metrics.measurement.delineation.segments import Segments
from metrics.measurement.missing import Stretch, crossed

Array = npt.NDArray[np.float64]
MIN_BEATS = 2
#: PR intervals (P onset to QRS onset) that conduction can make, seconds.
SHORTEST_PR_S, LONGEST_PR_S = 0.06, 0.45
#: PR intervals that vary by more (median absolute deviation, seconds) are no conduction.
STEADY_PR_S = 0.035
#: Share of beats that need a P wave (or T wave) for the interval to be stated.
ENOUGH = 0.5


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats in order of time; (beat,) seconds, NaN where a beat has no such wave."""

    p_on: Array
    p_off: Array
    qrs_on: Array
    qrs_off: Array
    t_on: Array
    t_off: Array

    def __len__(self) -> int:
        return len(self.qrs_on)

    def take(self, which: npt.NDArray[np.generic]) -> "Beats":
        """Some of them, by mask or index."""
        return Beats(*(getattr(self, f.name)[which] for f in fields(self)))


def associate(p: Segments, qrs: Segments, t: Segments) -> Beats:
    """Give every complex the P wave before it and the T wave after it."""
    count = len(qrs)
    nan = np.full(count, np.nan)
    if not count:
        return Beats(nan, nan, nan, nan, nan, nan)
    p_on, p_off, t_on, t_off = nan.copy(), nan.copy(), nan.copy(), nan.copy()
    after = np.searchsorted(qrs.onset, p.centre)
    for k, following in enumerate(after.tolist()):  # in order of time: the last P before a complex stays
        if following < count and SHORTEST_PR_S <= qrs.onset[following] - p.onset[k] <= LONGEST_PR_S:
            p_on[following], p_off[following] = p.onset[k], p.offset[k]
    before = np.searchsorted(qrs.onset, t.centre) - 1
    for k, own in enumerate(before.tolist()):
        if own >= 0:
            t_on[own], t_off[own] = t.onset[k], t.offset[k]
    return Beats(p_on, p_off, qrs.onset, qrs.offset, t_on, t_off)


def connected(beats: Beats, gaps: list[Stretch]) -> npt.NDArray[np.bool_]:
    """(beat - 1,) whether the interval to the next beat was recorded: one across a hole is no RR interval."""
    return ~crossed(beats.qrs_on[:-1], beats.qrs_on[1:], gaps)


def intervals(beats: Beats, dominant: Beats, whole: npt.NDArray[np.bool_] | None = None) -> dict[str, float]:
    """Rate and variability from all beats, intervals from the dominant ones; NaN where not measurable.

    Args:
        beats: all of them.
        dominant: those of the prevailing form.
        whole: (beat - 1,) intervals that were recorded; see `connected`.
    """
    every = 1e3 * np.diff(beats.qrs_on)
    known = np.ones(len(every), dtype=bool) if whole is None else whole
    found: dict[str, float] = {"beats": len(beats), "hr_bpm": float("nan"), "rr_ms": float("nan")}
    found |= variability(np.where(known, every, np.nan))
    pr = dominant.qrs_on - dominant.p_on
    has_p = np.isfinite(pr)
    # The P wave of the first beat may lie before the record.
    complete = has_p | (dominant.qrs_on > LONGEST_PR_S)
    found["p_present"] = float(has_p[complete].mean()) if complete.any() else float("nan")
    if has_p.any() and has_p[complete].mean() >= ENOUGH and _spread(pr[has_p]) <= STEADY_PR_S:
        found["pr_ms"] = 1e3 * float(np.median(pr[has_p]))
        lasting = (dominant.p_off - dominant.p_on)[has_p]
        if np.isclose(lasting, HIDDEN_P_S, atol=1e-6).mean() < ENOUGH:  # else the beginning of P was not seen
            found["p_ms"] = 1e3 * float(np.median(lasting))
    found["qrs_ms"] = 1e3 * float(np.median(dominant.qrs_off - dominant.qrs_on))
    has_t = np.isfinite(dominant.t_off)
    if has_t.mean() >= ENOUGH or has_t.sum() >= 3:
        found["qt_ms"] = 1e3 * float(np.median((dominant.t_off - dominant.qrs_on)[has_t]))
        found["t_ms"] = 1e3 * float(np.median((dominant.t_off - dominant.t_on)[has_t]))
    return found


def variability(rr_ms: Array) -> dict[str, float]:
    """Rate and variability of RR intervals in order, NaN where one is not known.

    SDNN is the standard deviation, RMSSD the root mean square of successive differences, pNN50 the share of these over
    50 ms (Task Force of ESC and NASPE, 1996); the lag-1 correlation is that of each interval with the next one.
    """
    rr = rr_ms[np.isfinite(rr_ms)]
    if not len(rr):
        return {}
    found = {"hr_bpm": 60e3 / float(rr.mean()), "rr_ms": float(rr.mean())}
    if len(rr) < 2:
        return found
    found |= {"rr_sd_ms": float(rr.std()), "rr_cv": float(rr.std() / rr.mean())}
    step = np.diff(rr_ms)  # NaN next to an interval that is not known
    step = step[np.isfinite(step)]
    if len(step):
        found["rmssd_ms"] = float(np.sqrt(np.mean(step**2)))
        found["pnn50"] = float(np.mean(np.abs(step) > 50.0))
    both = np.isfinite(rr_ms[:-1]) & np.isfinite(rr_ms[1:])
    before, after = rr_ms[:-1][both], rr_ms[1:][both]
    if len(before) >= 3 and min(before.std(), after.std()) > 1e-9:
        found["rr_lag1"] = float(np.corrcoef(before, after)[0, 1])
    return found


def _spread(values: Array) -> float:
    return float(np.median(np.abs(values - np.median(values))))
