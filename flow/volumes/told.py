"""Intervals from the distribution that a reader tells, with a stated coverage.

Of hearts that were not trained on, the place of the truth in the told distribution is measured: the share of it that
lies below. Two order statistics of these places are the levels at which the interval of a new ECG is cut from its own
distribution (distributional conformal prediction: Chernozhukov et al. 2021), so that it is as wide and as skewed as
what the ECG tells. They are chosen as for a tolerance interval (Wilks 1941): for ECGs drawn like those of the
calibration it is 90 % certain that the intervals hold the truth in at least the stated share. How many hearts are left
outside is fixed by that; how they are shared between the ends is chosen among the splits whose intervals are at most
`MOST_WIDER` times as wide as the narrowest: the one that holds most of every disease group of `FEWEST` hearts, up to
`GROUP_FLOOR` of each. A group that ECGs do not tell from others, and whose hearts are far from theirs, is held by no
useful interval. ECGs with leads that were not recorded have levels of their own.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flow.networks.ecg_reader import quantities
from flow.volumes.intervals import CONFIDENCE, COVERAGE, FILE, Interval, outside
from gen.files import read_json, write_json
from gen.records import InputError

QUANTITIES = tuple(quantities(np.zeros((1, 5))))
#: Share of each disease group that is held as far as `MOST_WIDER` allows.
GROUP_FLOOR, FEWEST = 0.8, 20
#: What it may cost: mean width over that of the narrowest split.
MOST_WIDER = 1.1
#: ECGs with all leads, and with leads that were not recorded.
KINDS = ("whole", "few")


@dataclass(frozen=True)
class ToldIntervals:
    """Levels at which intervals are cut from told distributions.

    Attributes:
        coverage, confidence: see the module.
        hearts: how many they were measured on.
        levels: kind of `KINDS` -> quantity -> lower and upper level, 0..1.
        source: where the hearts came from.
    """

    coverage: float
    confidence: float
    hearts: int
    levels: dict[str, dict[str, tuple[float, float]]]
    source: dict[str, Any]

    @classmethod
    def fit(
        cls,
        clouds: Mapping[str, Mapping[str, np.ndarray]],
        truth: Mapping[str, np.ndarray],
        group: np.ndarray,
        *,
        source: Mapping[str, Any],
        coverage: float = COVERAGE,
    ) -> "ToldIntervals":
        """Measure them.

        Args:
            clouds: kind of `KINDS` -> quantity -> (n, points) told for the same hearts.
            truth: quantity -> (n,).
            group: (n,) disease groups.
            source: see the attributes.
            coverage: share of hearts that an interval shall hold.

        Raises:
            InputError: too few hearts for such intervals.
        """
        n = len(group)
        if not outside(n, coverage):
            raise InputError(f"{n} hearts to calibrate intervals on; more are needed for {coverage:.0%}")
        levels = {
            kind: {name: _levels(clouds[kind][name], truth[name], group, 2 * outside(n, coverage)) for name in truth}
            for kind in KINDS
        }
        return cls(coverage, CONFIDENCE, n, levels, dict(source))

    def ends(self, name: str, cloud: np.ndarray, kind: str = "whole") -> tuple[np.ndarray, np.ndarray]:
        """Ends (n,) of the intervals of a quantity from told distributions (n, points)."""
        return cut(np.sort(cloud, axis=1), *self.levels[kind][name])

    def intervals(self, cloud: Mapping[str, np.ndarray], kind: str) -> dict[str, Interval]:
        """Median and interval of every quantity of one ECG, whose distribution is quantity -> (points,)."""
        out = {}
        for name, values in cloud.items():
            low, high = self.ends(name, values[None], kind)
            out[name] = Interval(float(np.median(values)), float(low[0]), float(high[0]))
        return out

    def save(self, folder: Path, model: str) -> Path:
        """Write it into a checkpoint folder, bound to the checkpoint of digest ``model``."""
        write_json(folder / FILE, {"model": model, **asdict(self)})
        return folder / FILE

    @classmethod
    def load(cls, folder: Path, model: str) -> "ToldIntervals":
        """From `save`.

        Raises:
            InputError: none there, damaged, or measured on another reader.
        """
        path = folder / FILE
        if not path.is_file():
            raise InputError(f"{folder}: no {FILE}; accepted: the folder OUT/reader that `train flow/reader` leaves")
        stored = read_json(path)
        if stored.get("model") != model:
            raise InputError(f"{path}: calibrated for another reader; train flow/reader again")
        try:
            levels = {
                kind: {name: (float(ends[0]), float(ends[1])) for name, ends in stored["levels"][kind].items()}
                for kind in KINDS
            }
            found = cls(
                float(stored["coverage"]),
                float(stored["confidence"]),
                int(stored["hearts"]),
                levels,
                dict(stored["source"]),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{path}: no calibration of intervals ({type(error).__name__}: {error})") from error
        if any(set(each) != set(QUANTITIES) for each in levels.values()):
            raise InputError(f"{path}: not of the quantities {', '.join(QUANTITIES)}")
        return found


def cut(ordered: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends (n,) at two levels of ascending values (n, points): a value between them has a place between the levels."""
    points = ordered.shape[1]
    first = max(int(np.ceil(low * points)) - 1, 0)
    return ordered[:, first], ordered[:, min(int(np.floor(high * points)), points - 1)]


def places(cloud: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,) shares of told distributions (n, points) below the truth (n,)."""
    return (cloud < truth[:, None]).mean(axis=1)


def _levels(cloud: np.ndarray, truth: np.ndarray, group: np.ndarray, left_out: int) -> tuple[float, float]:
    """The two levels that leave ``left_out`` hearts outside, at least one at either end."""
    ordered, place = np.sort(cloud, axis=1), places(cloud, truth)
    ranked, names = np.sort(place), [each for each in np.unique(group) if (group == each).sum() >= FEWEST]
    found = []
    for below in range(1, left_out):
        low, high = float(ranked[below - 1]), float(ranked[below - left_out])
        ends = cut(ordered, low, high)
        held = (truth >= ends[0]) & (truth <= ends[1])
        shares = [min(GROUP_FLOOR, float(held[group == each].mean())) for each in names]
        found.append((low, high, float((ends[1] - ends[0]).mean()), sum(shares)))
    most = MOST_WIDER * min(each[2] for each in found)
    return max((each for each in found if each[2] <= most), key=lambda each: (each[3], -each[2]))[:2]
