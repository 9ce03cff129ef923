"""What of a record was recorded: leads that are whole enough to find beats in, and holes that no interval may cross."""

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Signal = npt.NDArray[np.float32]
#: Start and end in seconds.
Stretch = tuple[float, float]

#: A lead is whole when it has this share of the samples of the lead that has most.
WHOLE = 0.9
#: Where no lead has this share of the record, beats are sought in what was drawn at each time.
LEAST_SHARE = 0.5
#: Shorter holes hide no complex, seconds.
HOLE_S = 0.1
#: Values that stand still in all leads for so long may have been filled in, seconds,
STILL_S = 1.0
#: where the interval around them is longer than usual by this factor.
LONGER = 1.5


def whole_leads(present: Mask) -> npt.NDArray[np.intp]:
    """Rows of (lead, time) that were recorded all the time, as far as any was; none where all are partial."""
    share = present.mean(axis=-1)
    if share.max() <= LEAST_SHARE:
        return np.zeros(0, dtype=np.intp)
    return np.flatnonzero(share >= WHOLE * share.max())


def composite(signal_mv: Signal, present: Mask) -> Signal:
    """Rows that hold what was recorded at each time, one lead after another, as on a print-out in columns.

    Args:
        signal_mv: (lead, time) mV.
        present: (lead, time).

    Returns:
        (row, time): as many rows as leads were recorded at most times; every piece has its own zero. NaN where fewer
        were recorded.
    """
    count = present.sum(axis=0)
    rows = max(1, int(np.median(count[count > 0])))
    out = np.full((rows, signal_mv.shape[1]), np.nan, dtype=np.float32)
    order = np.argsort(~present, axis=0, kind="stable")[:rows]  # of each time: the leads that are there come first
    for row in range(rows):
        lead = order[row]
        there = count > row
        starts = np.flatnonzero(np.concatenate([[True], (lead[1:] != lead[:-1]) | (there[1:] != there[:-1])]))
        for first, last in zip(starts, np.append(starts[1:], len(lead)), strict=True):
            if there[first]:
                piece = signal_mv[lead[first], first:last]
                out[row, first:last] = piece - np.median(piece)
    return out


def holes(signal_mv: Signal, fs_hz: float) -> list[Stretch]:
    """Stretches in which nothing was recorded: (lead, time) is NaN or infinite in all leads."""
    return _runs(np.asarray(~np.isfinite(signal_mv).any(axis=0)), fs_hz, HOLE_S)


def filled_in(signal_mv: Signal, fs_hz: float, beats_s: npt.NDArray[np.floating]) -> list[Stretch]:
    """Stretches that a recorder filled with one value, by what they do to the rhythm.

    Clean signals may stand still between beats too, but then they do so between all of them: a stretch counts where the
    interval around it is `LONGER` than the usual one without such a stretch.

    Args:
        signal_mv: (lead, time).
        fs_hz: its rate.
        beats_s: (beat,) seconds.
    """
    with np.errstate(invalid="ignore"):
        moves = (np.abs(np.diff(signal_mv, axis=1)) > 0).any(axis=0)
    recorded = np.isfinite(signal_mv).any(axis=0)
    stretches = _runs(np.append(~moves, False) & recorded, fs_hz, STILL_S)
    if not stretches or len(beats_s) < 2:
        return []
    rr = np.diff(beats_s)
    over = crossed(beats_s[:-1], beats_s[1:], stretches)
    usual = float(np.median(rr if over.all() else rr[~over]))
    found = []
    for first, last in stretches:
        around = rr[(beats_s[:-1] < last) & (beats_s[1:] > first)]
        if len(around) and around.max() > LONGER * usual:
            found.append((first, last))
    return found


def _runs(mask: Mask, fs_hz: float, least_s: float) -> list[Stretch]:
    """Runs of True that are long enough, in seconds."""
    change = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    pairs = zip(change[::2].tolist(), change[1::2].tolist(), strict=True)
    return [(a / fs_hz, b / fs_hz) for a, b in pairs if b - a >= least_s * fs_hz]


def crossed(start_s: npt.NDArray[np.floating], end_s: npt.NDArray[np.floating], gaps: list[Stretch]) -> Mask:
    """Which of the stretches from ``start_s`` to ``end_s`` meet a hole; those with NaN do not."""
    met = np.zeros(len(start_s), dtype=bool)
    for first, last in gaps:
        met |= (start_s < last) & (end_s > first)
    return met
