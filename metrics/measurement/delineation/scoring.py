"""How good a delineation is: detections within 150 ms of the cardiologists' marks, and how far off they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from metrics.measurement.delineation.waves import WAVES, Wave

Times = npt.NDArray[np.float64]

#: A mark within this of the reference's is the same, seconds (AAMI EC57, as for beats).
TOLERANCE_S = 0.150
#: Two standard deviations of expert readers in ms (CSE Working Party 1985).
CSE_MS = {
    ("P", "onset"): 10.2,
    ("P", "offset"): 12.7,
    ("QRS", "onset"): 6.5,
    ("QRS", "offset"): 11.6,
    ("T", "offset"): 30.6,
}
MARKS = ("onset", "peak", "offset")


def match(
    reference: npt.NDArray[np.float64], found: npt.NDArray[np.float64], tolerance: float = TOLERANCE_S
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pair marks one to one, the closest first.

    Returns:
        Indices into ``reference`` and into ``found`` of the pairs.
    """
    distance = np.abs(reference[:, None] - found[None, :])
    pairs = [(int(i), int(j)) for i, j in zip(*np.nonzero(distance <= tolerance), strict=True)]
    pairs.sort(key=lambda pair: distance[pair])
    taken: dict[int, int] = {}
    used: set[int] = set()
    for i, j in pairs:
        if i not in taken and j not in used:
            taken[i] = j
            used.add(j)
    return np.array(list(taken), dtype=np.intp), np.array(list(taken.values()), dtype=np.intp)


@dataclass
class Tally:
    """Counts of one mark of one wave, over any number of leads.

    Attributes:
        hits, misses, extra: detections, reference marks without one, detections without a mark.
        errors_s: found minus reference, of the hits.
    """

    hits: int = 0
    misses: int = 0
    extra: int = 0
    errors_s: list[float] = field(default_factory=list)

    def add(self, reference: Times, found: Times, span: tuple[float, float], unmarked: Times | None = None) -> None:
        """Count one lead; detections outside ``span`` or near ``unmarked`` waves are neither right nor wrong."""
        i, j = match(reference, found)
        self.hits += len(i)
        self.misses += len(reference) - len(i)
        spare = np.delete(found, j)
        counted = (spare >= span[0]) & (spare <= span[1])
        if unmarked is not None and len(unmarked) and len(spare):
            counted &= np.abs(spare[:, None] - unmarked[None]).min(axis=1) > 1.5 * TOLERANCE_S
        self.extra += int(counted.sum())
        self.errors_s += (found[j] - reference[i]).tolist()

    @property
    def sensitivity(self) -> float:
        """Share of reference marks that were found."""
        return self.hits / max(self.hits + self.misses, 1)

    @property
    def precision(self) -> float:
        """Share of detections that are right."""
        return self.hits / max(self.hits + self.extra, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.hits / max(2 * self.hits + self.misses + self.extra, 1)

    def errors_ms(self) -> dict[str, float]:
        """Mean, standard deviation, mean and median absolute error in ms."""
        if not self.errors_s:
            return dict.fromkeys(("mean", "sd", "mean_abs", "median_abs"), float("nan"))
        error = 1e3 * np.array(self.errors_s)
        absolute = np.abs(error)
        return {
            "mean": float(error.mean()),
            "sd": float(error.std()),
            "mean_abs": float(absolute.mean()),
            "median_abs": float(np.median(absolute)),
        }


class Score:
    """Tallies of all waves and marks, and of P waves where there are none."""

    def __init__(self) -> None:
        self.tallies = {(kind, mark): Tally() for kind in WAVES for mark in MARKS}
        self.fibrillating_beats = 0
        self.invented_p = 0

    def add(
        self,
        reference: Sequence[Wave],
        found: Iterable[Wave],
        span: tuple[float, float],
        *,
        atrial_fibrillation: bool = False,
    ) -> None:
        """Count one lead.

        Args:
            reference, found: waves of the lead.
            span: seconds between which the reference is complete.
            atrial_fibrillation: P waves found here are invented.
        """
        found = list(found)
        for (kind, mark), tally in self.tallies.items():
            missing = [wave.peak for wave in reference if wave.kind == kind and not np.isfinite(getattr(wave, mark))]
            tally.add(_times(reference, kind, mark), _times(found, kind, mark), span, np.array(missing))
        if atrial_fibrillation:
            peaks = _times(found, "P", "peak")
            self.fibrillating_beats += sum(wave.kind == "QRS" for wave in reference)
            self.invented_p += int(((peaks >= span[0]) & (peaks <= span[1])).sum())

    def rows(self) -> list[dict[str, float | str]]:
        """One row for each wave and mark."""
        out: list[dict[str, float | str]] = []
        for (kind, mark), tally in self.tallies.items():
            row: dict[str, float | str] = {"wave": kind, "mark": mark, "n": tally.hits + tally.misses}
            row |= {"sensitivity": tally.sensitivity, "precision": tally.precision, "f1": tally.f1}
            out.append(row | tally.errors_ms() | {"cse_ms": CSE_MS.get((kind, mark), float("nan"))})
        return out

    @property
    def invented_p_share(self) -> float:
        """P waves found per beat of atrial fibrillation or flutter; NaN without such beats."""
        return self.invented_p / self.fibrillating_beats if self.fibrillating_beats else float("nan")


def _times(waves: Sequence[Wave], kind: str, mark: str) -> npt.NDArray[np.float64]:
    times = np.array([getattr(wave, mark) for wave in waves if wave.kind == kind], dtype=np.float64)
    return times[np.isfinite(times)]
