"""Atrioventricular block, told from the P waves that no complex follows and from PR around them.

Second degree: some P waves that come on time are not conducted, the others are; in Wenckebach periods (Mobitz I) PR
grows until one is dropped and is shorter after it, in Mobitz II and 2:1 block it stays. Complete block: a regular
rhythm of the ventricles, and P waves that keep no distance to it (Barold and Hayes 2001, "Second-degree
atrioventricular block: a reappraisal"; Kusumoto et al. 2019, ACC/AHA/HRS guideline on bradycardia).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metrics.measurement.beats import Beats
from metrics.measurement.delineation.regular import atrial_interval
from metrics.measurement.delineation.segments import Segments

Array = npt.NDArray[np.float64]

#: So many P waves that are not conducted make a block.
FEWEST = 2
#: A P wave is on time within this share of the atrial interval from where another one puts it.
ON_TIME = 0.15
#: PR is shorter by so many seconds after a dropped beat of a Wenckebach period; with one dropped beat alone by more.
SHORTER_S, ONCE_SHORTER_S = 0.02, 0.05
#: Median absolute deviation of PR (seconds) of P waves that are conducted, and the share of beats that have one.
STEADY_S, CONDUCTED = 0.02, 0.75
#: Share of intervals in which a block of 2:1 shows a P wave that is not conducted.
EVERY_SECOND = 0.5
#: Variation of the intervals of ventricles that beat by themselves, and their highest rate, bpm.
OWN_CV, OWN_BPM = 0.09, 65.0


@dataclass(frozen=True)
class Block:
    """Atrioventricular block.

    Attributes:
        code: "2AVB" or "3AVB".
        form: of second degree: "Mobitz I", "Mobitz II", "2:1"; else empty.
        atrial_bpm: rate of the P waves.
    """

    code: str
    form: str
    atrial_bpm: float


def block_of(beats: Beats, p_waves: Segments) -> Block | None:
    """The block that P waves and complexes show, or None."""
    if len(beats) < 3 or len(p_waves) < 3:
        return None
    interval = _atrial_interval(p_waves)
    lone = _lone(beats, p_waves, interval)
    pr = beats.qrs_on - beats.p_on
    rr = np.diff(beats.qrs_on)
    rate = round(60.0 / interval, 1)
    regular = bool(rr.std() < OWN_CV * rr.mean())
    if not regular and _wenckebach(beats, pr, lone, interval):
        return Block("2AVB", "Mobitz I", rate)
    if len(lone) < FEWEST:
        return None
    known = pr[np.isfinite(pr)]
    steady = len(known) >= 2 and float(np.median(np.abs(known - np.median(known)))) < STEADY_S
    if steady and np.isfinite(pr).mean() >= CONDUCTED:
        if regular and len(lone) < EVERY_SECOND * (len(beats) - 1):
            return None  # some waves that are no P, in a rhythm without a pause
        return Block("2AVB", "2:1" if regular else "Mobitz II", rate)
    if regular:
        # One rate of its own, and P waves anywhere: faster ones, or a rate that no node has.
        independent = 60.0 / float(rr.mean()) < OWN_BPM or interval < 0.8 * float(rr.mean())
        return Block("3AVB", "", rate) if independent else None
    return Block("2AVB", "", rate) if np.isfinite(pr).mean() >= CONDUCTED else None


def _atrial_interval(p_waves: Segments) -> float:
    """Seconds from P wave to P wave, also where some lie in complexes and are not seen."""
    return atrial_interval(p_waves) or float(np.median(np.diff(p_waves.onset)))


def _lone(beats: Beats, p_waves: Segments, interval: float) -> Array:
    """Onsets of P waves on time that no complex follows; what comes after the last complex may yet be followed."""
    onset = p_waves.onset
    alone = onset[~np.isin(onset, beats.p_on) & (onset < beats.qrs_on[-1])]
    kept = []
    for at in alone.tolist():
        times = (at - onset[onset < at]) / interval  # an early one resets what comes after it
        near = np.abs(times - np.rint(times)) < ON_TIME
        kept.append(bool((near & (np.rint(times) > 0) & (times < 2.5)).any()))
    return np.asarray(alone[np.array(kept, dtype=bool)])


def _wenckebach(beats: Beats, pr: Array, lone: Array, interval: float) -> bool:
    """Whether PR falls wherever a beat was dropped: a P wave without a complex, or room for just one."""
    falls = []
    for k in range(len(beats) - 1):
        if not (np.isfinite(pr[k]) and np.isfinite(pr[k + 1])):
            continue
        between = ((lone > beats.qrs_on[k]) & (lone < beats.p_on[k + 1])).any()
        room = abs((beats.p_on[k + 1] - beats.p_on[k]) / interval - 2) < ON_TIME
        if between or room:
            falls.append(pr[k] - pr[k + 1])
    if not falls:
        return False
    if len(falls) == 1:
        return falls[0] >= ONCE_SHORTER_S
    return bool((np.array(falls) >= SHORTER_S).mean() >= CONDUCTED)
