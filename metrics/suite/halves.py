"""The real-against-real floor, and the interval of a feature measure, from random halves of patients.

A measure of two sets depends on how many records enter it, so a floor made of two halves must not be compared with a
value on the whole. Each split therefore gives two numbers at the same n: real half against real half (the floor), and
generated half against real half (what stands beside it). The spread of the latter over splits is also the standard
error of the value on all records: the delete-half jackknife with replacement factor 1 (Shao & Wu 1989), which unlike
the bootstrap repeats no record; repeated records would look like copies to nearest-neighbour measures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from metrics.statistics.arrays import Array
from metrics.statistics.floors import kept_floor

#: From two arrays, row for row samples, to named values; the seed is for what it draws.
Compute = Callable[[Array, Array, int], Mapping[str, float]]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Halving:
    """One split: rows of two real halves of disjoint patients, and of a generated half of the second one's size."""

    first: Rows
    second: Rows
    generated: Rows


@dataclass(frozen=True)
class HalfScores:
    """What the splits gave for one name.

    Attributes:
        floor: mean of real half against real half.
        floor_range: smallest and largest of it.
        here: mean of generated half against real half.
        error: standard error of the value on all records.
        degrees: of freedom of ``error``.
        size: records a side.
    """

    floor: float
    floor_range: tuple[float, float]
    here: float
    error: float
    degrees: int
    size: int

    def facts(self, value: float, low: float = -np.inf, high: float = np.inf) -> dict[str, Any]:
        """What an `Entry` says of a value on all records: its interval, and the floor."""
        return {
            "ci": self.interval(value, low, high),
            "floor": self.floor,
            "floor_ci": self.floor_range,
            "at_floor_n": self.here,
            "floor_n": self.size,
        }

    def interval(self, value: float, low: float = -np.inf, high: float = np.inf) -> tuple[float, float] | None:
        """95 % interval around the value on all records, within the bounds of the measure."""
        if self.degrees < 1 or not np.isfinite(self.error):
            return None
        reach = float(stdtrit(self.degrees, 0.975)) * self.error
        return max(low, value - reach), min(high, value + reach)


def halvings(
    real_patients: Sequence[str], generated_patients: Sequence[str], *, count: int, seed: int
) -> list[Halving]:
    """Random splits by patient; a patient in both sets is on the same side in both.

    Split k depends on (seed, k) alone. All three row sets of a split are equally long, and ascending. The two real
    halves depend on the real patients and on how many records a side there are, on nothing else of the generated set:
    the floor of a real set is the same in every report at the same n.
    """
    known, new = sorted(set(real_patients)), sorted(set(generated_patients) - set(real_patients))
    out = []
    for k in range(count):
        second = _second_half(known, (seed, k, 0)) | _second_half(new, (seed, k, 1))
        parts = [
            np.flatnonzero([person not in second for person in real_patients]),
            np.flatnonzero([person in second for person in real_patients]),
            np.flatnonzero([person in second for person in generated_patients]),
        ]
        size = min(map(len, parts))
        # A stream for each: what is drawn of one set must not move what is drawn of another.
        drawn = (_generator((seed, k, 2 + i)).permutation(rows)[:size] for i, rows in enumerate(parts))
        out.append(Halving(*(np.sort(rows) for rows in drawn)))
    return out


def _second_half(people: Sequence[str], seed: tuple[int, ...]) -> set[str]:
    order = _generator(seed).permutation(len(people))
    return {people[i] for i in order[len(people) // 2 :]}


def _generator(seed: tuple[int, ...]) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed))


def half_scores(
    real: Array, generated: Array, splits: Sequence[Halving], compute: Compute, *, name: str
) -> dict[str, HalfScores]:
    """Run a measure on every split; what it gives for real halves is worked out once for all reports.

    Args:
        real, generated: rows are samples.
        splits: see `halvings`.
        compute: the measure.
        name: of the measure and all that it depends on beside the samples.
    """
    floors: dict[str, list[float]] = {}
    heres: dict[str, list[float]] = {}
    for k, split in enumerate(splits):
        halves = real[split.first], real[split.second]
        floor = kept_floor(f"{name}, seed {k}", halves, lambda: {n: float(v) for n, v in compute(*halves, k).items()})  # noqa: B023
        for each, value in floor.items():
            floors.setdefault(each, []).append(value)
        for each, value in compute(halves[0], generated[split.generated], k).items():
            heres.setdefault(each, []).append(value)
    size = min((len(split.first) for split in splits), default=0)
    return {
        each: HalfScores(
            floor=float(np.mean(found)),
            floor_range=(float(min(found)), float(max(found))),
            here=float(np.mean(heres[each])),
            error=float(np.std(heres[each], ddof=1)) if len(found) > 1 else float("nan"),
            degrees=len(found) - 1,
            size=size,
        )
        for each, found in floors.items()
    }
