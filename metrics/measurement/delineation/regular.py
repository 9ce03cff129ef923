"""P waves that a steady atrial rhythm promises: where the next one is due, less certain ones count too.

In AV block and beside premature beats P waves lie on T waves and complexes, and the network is not sure of them. Atria
that beat at one rate say where to look: a run of lower probability is a P wave if it is due there.
"""

import numpy as np
import numpy.typing as npt

from metrics.measurement.delineation.preprocess import FS_HZ
from metrics.measurement.delineation.segments import Segments

#: P waves that are needed to know the rate of the atria.
FEWEST = 4
#: Shortest and longest interval of atria that are not in flutter, seconds.
SHORTEST_S, LONGEST_S = 0.35, 1.6
#: Intervals are multiples of one within this share of it, and so are this share of them.
WITHIN, STEADY = 0.15, 0.8
#: Probability of a less certain run, at its edges and at its highest; and its shortest length, seconds.
EDGE, LEAST, SHORTEST_RUN_S = 0.2, 0.3, 0.024
#: A run is due so near to a multiple of the interval from a P wave at most so many intervals away.
DUE, FARTHEST = 0.12, 2


def promised(p: Segments, qrs: Segments, probability: npt.NDArray[np.floating]) -> Segments:
    """P waves, completed by less certain ones that are due.

    Args:
        p, qrs: waves of a record.
        probability: (time,) of P at 250 Hz.
    """
    interval = atrial_interval(p)
    if interval is None:
        return p
    runs = _runs(probability)
    taken = [k for k in range(len(runs)) if _free(runs, k, p, qrs) and _due(runs.centre[k], p.centre, interval)]
    if not taken:
        return p
    more = runs.take(np.array(taken))
    onset, offset = np.concatenate([p.onset, more.onset]), np.concatenate([p.offset, more.offset])
    order = np.argsort(onset)
    return Segments(onset[order], offset[order], np.concatenate([p.weight, more.weight])[order])


def atrial_interval(p: Segments) -> float | None:
    """Seconds from P wave to P wave of steady atria, some of them perhaps not found; None where there is no one rate.

    At least once two P waves must follow each other at that interval: half of it would fit any regular rhythm.
    """
    if len(p) < FEWEST:
        return None
    apart = np.diff(p.centre)
    for first in np.sort(apart):
        if not SHORTEST_S <= first <= LONGEST_S:
            continue
        times = np.maximum(np.rint(apart / first), 1)
        interval = float(apart.sum() / times.sum())
        if (np.abs(apart / interval - times) < WITHIN).mean() >= STEADY:
            return interval
    return None


def _runs(probability: npt.NDArray[np.floating]) -> Segments:
    above = np.concatenate([[0], (probability > EDGE).astype(np.int8), [0]])
    change = np.diff(above)
    first, last = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    sure = [
        float(probability[a:b].max()) >= LEAST and b - a >= SHORTEST_RUN_S * FS_HZ and a > 0 and b < len(probability)
        for a, b in zip(first, last, strict=True)
    ]
    chosen = np.flatnonzero(np.array(sure, dtype=bool))
    weight = np.array([float(probability[first[k] : last[k]].sum()) / FS_HZ for k in chosen])
    return Segments(first[chosen] / FS_HZ, (last[chosen] - 1) / FS_HZ, weight)


def _free(runs: Segments, k: int, p: Segments, qrs: Segments) -> bool:
    """Whether a run overlaps no P wave, and has its middle in no complex."""
    beside = not bool(((p.onset < runs.offset[k]) & (p.offset > runs.onset[k])).any())
    return beside and not bool(((qrs.onset <= runs.centre[k]) & (qrs.offset >= runs.centre[k])).any())


def _due(at: float, known: npt.NDArray[np.float64], interval: float) -> bool:
    times = (at - known) / interval
    near = np.rint(times)
    return bool(((np.abs(times - near) < DUE) & (near != 0) & (np.abs(near) <= FARTHEST)).any())
