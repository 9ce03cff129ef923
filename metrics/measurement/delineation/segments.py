"""From probabilities per sample to waves: runs, then the few rules that every ECG obeys."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metrics.measurement.delineation.preprocess import FS_HZ
from metrics.measurement.delineation.waves import WAVES

Array = npt.NDArray[np.float64]

#: Runs of one wave that are closer than this are one, seconds.
GAP_S = {"P": 0.03, "QRS": 0.03, "T": 0.05}
#: Shorter runs are none, seconds.
SHORTEST_S = {"P": 0.03, "QRS": 0.024, "T": 0.05}
#: Least mean probability within a wave.
CERTAINTY = {"P": 0.6, "QRS": 0.6, "T": 0.55}
#: Two ventricular complexes are at least so far apart, seconds.
REFRACTORY_S = 0.20
#: RR intervals that vary by more than this share of their mean are irregular.
IRREGULAR = 0.12
#: Conducted P waves keep their distance from QRS to within this, seconds.
STEADY_PR_S = 0.04
#: P waves taken for complexes have less than this share of the others' height and steepness,
LONE_P = 0.4
#: no more than this height in any lead, mV,
LARGEST_P_MV = 0.5
#: and the others are a rhythm: one complex in so many seconds at least. A jump of the baseline is none.
SLOWEST_S = 4.5


@dataclass(frozen=True, eq=False)
class Segments:
    """Waves of one kind in one lead, in order of time.

    Attributes:
        onset, offset: (wave,) seconds.
        weight: (wave,) probability summed over the wave, in seconds.
    """

    onset: Array
    offset: Array
    weight: Array

    def __len__(self) -> int:
        return len(self.onset)

    def take(self, which: npt.NDArray[np.generic]) -> "Segments":
        """Some of them, by mask or index."""
        return Segments(self.onset[which], self.offset[which], self.weight[which])

    @property
    def centre(self) -> Array:
        """Midpoints, seconds."""
        return 0.5 * (self.onset + self.offset)


def segment(probability: npt.NDArray[np.floating]) -> list[tuple[Segments, Segments, Segments]]:
    """P, QRS and T of every row.

    Args:
        probability: (row, 3, time) at 250 Hz.

    Returns:
        One triple per row. Waves cut by the ends of the record are left out, a T wave and a P wave lie between
        complexes, and one T at most follows a complex.
    """
    rows = len(probability)
    found = [_runs(probability[:, channel], WAVES[channel]) for channel in range(len(WAVES))]
    return [_consistent(found[0][row], found[1][row], found[2][row]) for row in range(rows)]


def _runs(probability: npt.NDArray[np.floating], kind: str) -> list[Segments]:
    """Runs above one half of every row of (row, time), with edges interpolated between samples."""
    rows, time = probability.shape
    above = np.zeros((rows, time + 2), dtype=np.int8)
    above[:, 1:-1] = probability > 0.5
    change = np.diff(above, axis=1)
    row, first = np.nonzero(change == 1)
    last = np.nonzero(change == -1)[1] - 1
    flat = probability.astype(np.float64)
    total = np.concatenate([np.zeros((rows, 1)), np.cumsum(flat, axis=1)], axis=1)
    weight = (total[row, last + 1] - total[row, first]) / FS_HZ
    onset = _crossing(flat, row, first, -1) / FS_HZ
    offset = _crossing(flat, row, last, 1) / FS_HZ
    limits = np.searchsorted(row, np.arange(rows + 1))
    out = []
    for k in range(rows):
        part = slice(limits[k], limits[k + 1])
        joined = _join(Segments(onset[part], offset[part], weight[part]), GAP_S[kind])
        length = joined.offset - joined.onset
        certain = joined.weight >= CERTAINTY[kind] * length
        whole = (joined.onset > 0) & (joined.offset < (time - 1) / FS_HZ)
        out.append(joined.take((length >= SHORTEST_S[kind]) & certain & whole))
    return out


def _crossing(probability: Array, row: npt.NDArray[np.intp], at: npt.NDArray[np.intp], step: int) -> Array:
    """Where the probability passes one half between sample ``at`` (above) and its neighbour (not above)."""
    neighbour = np.clip(at + step, 0, probability.shape[1] - 1)
    inside, outside = probability[row, at], probability[row, neighbour]
    share = np.where(neighbour == at, 0.0, (inside - 0.5) / np.maximum(inside - outside, 1e-9))
    return at + step * np.clip(share, 0, 1)


def _join(runs: Segments, gap_s: float) -> Segments:
    if len(runs) < 2:
        return runs
    apart = np.concatenate([[True], runs.onset[1:] - runs.offset[:-1] >= gap_s])
    if apart.all():
        return runs
    start = np.flatnonzero(apart)
    end = np.append(start[1:], len(runs)) - 1
    return Segments(runs.onset[start], runs.offset[end], np.add.reduceat(runs.weight, start))


def _consistent(p: Segments, qrs: Segments, t: Segments) -> tuple[Segments, Segments, Segments]:
    qrs = _refractory(qrs)
    return _outside(p, qrs), qrs, _one_each(_outside(t, qrs), qrs)


def _refractory(qrs: Segments) -> Segments:
    """Of complexes that are too close together, the one with the larger weight."""
    while len(qrs) > 1:
        close = np.flatnonzero(np.diff(qrs.centre) < REFRACTORY_S)
        if not len(close):
            break
        k = close[0]
        qrs = qrs.take(np.arange(len(qrs)) != (k if qrs.weight[k] < qrs.weight[k + 1] else k + 1))
    return qrs


def _outside(waves: Segments, qrs: Segments) -> Segments:
    """Waves whose middle lies in no complex."""
    if not len(waves) or not len(qrs):
        return waves
    before = np.searchsorted(qrs.onset, waves.centre) - 1
    inside = (before >= 0) & (waves.centre <= qrs.offset[np.maximum(before, 0)])
    return waves.take(~inside)


def _one_each(t: Segments, qrs: Segments) -> Segments:
    """The heaviest T of every interval between complexes."""
    interval = np.searchsorted(qrs.onset, t.centre)
    keep = [int(k) for i in np.unique(interval) for k in [np.flatnonzero(interval == i)]
            for k in [k[np.argmax(t.weight[k])]]]  # fmt: skip
    return t.take(np.array(keep, dtype=int))


def without_lone_p(
    p: Segments, qrs: Segments, t: Segments, signal_mv: npt.NDArray[np.floating]
) -> tuple[Segments, Segments, Segments]:
    """P waves that no complex follows, as in AV block, are P waves: next to real complexes they are small and slow.

    A complex is one only where its height and its steepness are in line with the others: complexes of both groups
    differ by the factor of `LONE_P` or more, the smaller ones are no larger than a P wave can be, and the larger ones
    are frequent enough to be a rhythm. The wave of the T channel that was sought after a false complex stays.

    Args:
        p, qrs, t: waves of a record.
        signal_mv: (lead, time) at 250 Hz, what they were found in.
    """
    if len(qrs) < 3:
        return p, qrs, t
    spans = [
        signal_mv[:, max(0, int(a * FS_HZ) - 2) : int(b * FS_HZ) + 4]
        for a, b in zip(qrs.onset.tolist(), qrs.offset.tolist(), strict=True)
    ]
    heights = np.array([np.ptp(part, axis=1) for part in spans])
    height = np.sqrt((heights**2).mean(axis=1))
    steep = np.array([np.sqrt((np.abs(np.diff(part, axis=1)).max(axis=1) ** 2).mean()) for part in spans])
    order = np.argsort(height)
    ratio = height[order][1:] / np.maximum(height[order][:-1], 1e-6)
    for cut in np.argsort(-ratio):  # the widest gap between two heights first
        if ratio[cut] < 1.3:
            break
        small, large = order[: cut + 1], order[cut + 1 :]
        lone = (
            (np.median(height[small]) < LONE_P * np.median(height[large]))
            and (steep[small].max() < LONE_P * np.median(steep[large]))
            and (heights[small].max() < LARGEST_P_MV)
            and len(large) * SLOWEST_S * FS_HZ >= signal_mv.shape[1]
        )
        if lone:
            false = np.zeros(len(qrs), dtype=bool)
            false[small] = True
            return _merged(p, qrs.take(false)), qrs.take(~false), t
    return p, qrs, t


def _merged(first: Segments, second: Segments) -> Segments:
    """Waves of both, in order; of two that overlap the first one's."""
    apart = [
        not bool(((first.onset < b) & (first.offset > a)).any())
        for a, b in zip(second.onset, second.offset, strict=True)
    ]
    second = second.take(np.array(apart, dtype=bool))
    onset = np.concatenate([first.onset, second.onset])
    order = np.argsort(onset)
    return Segments(
        onset[order],
        np.concatenate([first.offset, second.offset])[order],
        np.concatenate([first.weight, second.weight])[order],
    )


def without_flicker(p: Segments, qrs: Segments, t: Segments) -> tuple[Segments, Segments, Segments]:
    """No P waves at all where the rhythm is irregular and few complexes follow a P at a steady distance.

    Then they are waves of atrial fibrillation that happened to lie before a complex. Premature beats and second-degree
    block are irregular too, but most of their complexes follow a P, or the P waves come at one rate of their own;
    complete block has few, but is regular.
    """
    if len(qrs) < 4 or not len(p):
        return p, qrs, t
    rr = np.diff(qrs.onset)
    following = np.searchsorted(qrs.onset, p.centre)
    distance = qrs.onset[np.minimum(following, len(qrs) - 1)] - p.onset
    conducted = distance[(following < len(qrs)) & (distance > 0.06) & (distance < 0.45)]
    steady = np.abs(conducted - np.median(conducted)) < STEADY_PR_S if len(conducted) else conducted
    if rr.std() / rr.mean() > IRREGULAR and steady.sum() < 0.5 * len(qrs) and not _regular(p.onset):
        p = p.take(np.zeros(len(p), dtype=bool))
    return p, qrs, t


def _regular(onset: Array) -> bool:
    """Whether waves come at one rate, some of them perhaps hidden: intervals are multiples of the usual one."""
    if len(onset) < 5:
        return False
    apart = np.diff(onset)
    times = apart / np.median(apart)
    return bool((np.abs(times - np.rint(times)) < 0.1).mean() >= 0.8)


def supported(waves: Segments, consensus: Segments, margin_s: float) -> Segments:
    """Waves of a lead whose middle lies within a wave of the consensus, widened by a margin."""
    if not len(waves) or not len(consensus):
        return waves.take(np.zeros(len(waves), dtype=bool))
    index = np.clip(np.searchsorted(consensus.centre, waves.centre), 1, max(len(consensus) - 1, 1))
    near = np.stack([np.minimum(index - 1, len(consensus) - 1), np.minimum(index, len(consensus) - 1)])
    hit = (waves.centre >= consensus.onset[near] - margin_s) & (waves.centre <= consensus.offset[near] + margin_s)
    return waves.take(hit.any(axis=0))
