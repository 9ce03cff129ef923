"""P waves of fast regular rhythms: what lies on the T wave before is found when time goes slower.

Above some 110 beats per minute the P wave stands on the end of the T wave. The network has seen few of these, but many
slow rhythms; played so slowly that it beats 90 times a minute, the same recording shows it T and P apart. What it finds
counts only where nearly every complex of a regular rhythm follows a P wave at one distance, as in conduction one to
one: fibrillation is irregular, and a reading that is not sure finds P waves here and there.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from metrics.measurement.delineation.segments import STEADY_PR_S, Segments

#: Rate in bpm from which P waves are sought again, and the rate that the recording is played at.
FAST_BPM, PLAYED_BPM = 110.0, 90.0
#: RR intervals of a regular rhythm vary by less than this share of their mean.
REGULAR = 0.08
#: Share of complexes after a P wave that is enough, before and after.
ENOUGH, FOUND = 0.7, 0.75
#: PR intervals of conduction one to one, seconds.
SHORTEST_PR_S, LONGEST_PR_S = 0.07, 0.35
#: A shorter P wave (seconds) has its beginning under the T wave; it then begins so long before its end, which is the
#: usual duration, and has no measured one.
SHORTEST_P_S, HIDDEN_P_S = 0.09, 0.105

Triple = tuple[Segments, Segments, Segments]
#: Delineates (lead, time) taken for a rate: the consensus, and every lead.
Delineate = Callable[[float], tuple[Triple, Sequence[Triple]]]


def fast_p(consensus: Triple, delineate: Delineate, fs_hz: float) -> tuple[Segments, list[Segments] | None] | None:
    """P waves of a fast rhythm by slower time, of all leads together and of each; None where there is nothing better.

    Where most complexes follow a P wave already, only the beginnings that lie under the T wave are put right: then the
    waves of each lead stay, and None stands for them.

    Args:
        consensus: waves as they were found.
        delineate: finds waves of the recording as if it had been sampled at a rate.
        fs_hz: its true rate.
    """
    p, qrs, _ = consensus
    if len(qrs) < 5:
        return None
    rr = np.diff(qrs.onset)
    rate = 60.0 / float(np.median(rr))
    if rate < FAST_BPM or float(rr.std() / rr.mean()) > REGULAR:
        return None
    if conducted(p, qrs).mean() >= ENOUGH:
        return (_whole(p), None) if (p.offset - p.onset < SHORTEST_P_S).any() else None
    slower = PLAYED_BPM / rate
    (again, _, _), leads = delineate(fs_hz * slower)
    found = _outside(_scaled(again, slower), qrs)
    distance = _distances(found, qrs)
    follow = conducted(found, qrs)
    own = distance[follow]
    steady = np.abs(own - np.median(own)) < STEADY_PR_S if len(own) else follow
    if follow.mean() < FOUND or steady.mean() < FOUND or len(found) > 1.2 * len(qrs):
        return None
    return _whole(found), [_whole(_outside(_scaled(lead, slower), qrs)) for lead, _, _ in leads]


def _whole(p: Segments) -> Segments:
    """Waves whose beginning lies under the T wave, with the usual duration before their end, which is seen."""
    return Segments(np.where(p.offset - p.onset < SHORTEST_P_S, p.offset - HIDDEN_P_S, p.onset), p.offset, p.weight)


def _scaled(waves: Segments, factor: float) -> Segments:
    return Segments(waves.onset * factor, waves.offset * factor, waves.weight * factor)


def _outside(waves: Segments, qrs: Segments) -> Segments:
    """Waves that reach into no complex."""
    inside = (waves.onset[:, None] < qrs.offset) & (waves.offset[:, None] > qrs.onset)
    return waves.take(np.flatnonzero(~inside.any(axis=1)))


def _distances(p: Segments, qrs: Segments) -> npt.NDArray[np.float64]:
    """(complex,) seconds from the onset of the last P wave before each complex; NaN where there is none."""
    if not len(p):
        return np.full(len(qrs), np.nan)
    before = np.searchsorted(p.onset, qrs.onset) - 1
    return np.where(before >= 0, qrs.onset - p.onset[np.maximum(before, 0)], np.nan)


def conducted(p: Segments, qrs: Segments) -> npt.NDArray[np.bool_]:
    """(complex,) whether a P wave stands before it at a distance that conduction can make."""
    distance = _distances(p, qrs)
    longest = min(LONGEST_PR_S, float(np.median(np.diff(qrs.onset))))
    return (distance >= SHORTEST_PR_S) & (distance <= longest)
