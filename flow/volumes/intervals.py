"""Intervals of the volumes with a stated coverage.

The spread of a few samples is not an interval: the network draws hearts that are too alike, and six of them say little
about their own spread. So the intervals are calibrated by split conformal prediction (Papadopoulos et al. 2002; both
tails apart, Romano et al. 2019): on hearts that were not trained on, the distance from the samples' median to the truth
is measured in units of the spread, and two order statistics of that distance stretch the spread of a new ECG. They are
chosen as for a tolerance interval (Wilks 1941): for ECGs drawn like those of the calibration it is 90 % certain that
the intervals hold the truth in at least the stated share, whatever the network does. The promise is for all hearts
together, not for each disease. `flow.calibrate` measures and writes it.
"""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import betainc

from flow.volumes.reader import VolumeReader, central
from gen.files import read_json, write_json
from gen.records import InputError

FILE = "intervals.json"
#: Share of hearts that an interval shall hold.
COVERAGE = 0.9
#: Certainty that it is that share or more, over the chance of who was in the calibration.
CONFIDENCE = 0.9
#: Quantities with intervals -> whether their spread is one of the logarithm.
QUANTITIES = {
    "edv_ml": True,
    "esv_ml": True,
    "sv_ml": True,
    "ef_percent": False,
    "mass_g": True,
    "es_frame": False,
}
#: Where a quantity ends.
_MOST = {"ef_percent": 100.0}
#: The usual spread never counts more than this many samples.
_HEAVIEST = 100.0


@dataclass(frozen=True)
class Interval:
    """Median over the samples and the ends of a 90 % interval (None for a single sample)."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Calibration:
    """What stretches the spread of samples into an interval.

    Attributes:
        coverage: share of hearts whose truth an interval holds at least.
        confidence: certainty that it does, see `CONFIDENCE`.
        hearts: how many it was measured on.
        samples: numbers of samples per ECG, ascending, for which ``low`` and ``high`` are tabulated.
        usual: quantity -> usual spread of the samples of one ECG.
        weight: quantity -> samples that the usual spread counts as, against those at hand; many where ECGs do not
            differ in their spread beyond chance.
        low, high: quantity -> ends of the interval around the median in units of the spread, one per ``samples``.
        drawn: ``steps``, ``solver``, ``guidance`` that the samples were drawn with.
        source: where the hearts came from.
    """

    coverage: float
    confidence: float
    hearts: int
    samples: tuple[int, ...]
    usual: dict[str, float]
    weight: dict[str, float]
    low: dict[str, tuple[float, ...]]
    high: dict[str, tuple[float, ...]]
    drawn: dict[str, Any]
    source: dict[str, Any]

    @classmethod
    def fit(
        cls,
        samples: Mapping[str, np.ndarray],
        truth: Mapping[str, np.ndarray],
        reader: VolumeReader,
        *,
        drawn: Mapping[str, Any],
        source: Mapping[str, Any],
        coverage: float = COVERAGE,
    ) -> "Calibration":
        """Measure it.

        Args:
            samples: quantity -> (hearts, K) of generated hearts, K at least 2; see `volume_table`.
            truth: quantity -> (hearts,).
            reader: its error is a part of the spread.
            drawn, source: see the attributes.
            coverage: share of hearts that an interval shall hold.

        Raises:
            InputError: too few hearts for such intervals, or a single sample of each.
        """
        hearts, most = next(iter(samples.values())).shape
        if not outside(hearts, coverage) or most < 2:
            least = next(n for n in itertools.count(2) if outside(n, coverage))
            raise InputError(
                f"{hearts} hearts with {most} samples each to calibrate intervals on; at least {least} with 2 needed"
            )
        counts = tuple(range(2, most + 1))
        usual, weight, low, high = {}, {}, {}, {}
        for name, log in QUANTITIES.items():
            values, target = _scaled(samples[name], log), _scaled(truth[name], log)
            usual[name], weight[name] = _usual(values)
            errors = usual[name], weight[name], reader.error_of(name)[0]
            ends = [_ends(values[:, :count], target, errors, coverage) for count in counts]
            low[name], high[name] = (tuple(round(end[side], 4) for end in ends) for side in (0, 1))
        return cls(coverage, CONFIDENCE, hearts, counts, usual, weight, low, high, dict(drawn), dict(source))

    def ends(self, name: str, samples: np.ndarray, reader: VolumeReader) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Median and ends of the interval (...) of samples (..., K) of a quantity, K at least 2."""
        log, count = QUANTITIES[name], samples.shape[-1]
        row = int(np.searchsorted(self.samples, count, side="right")) - 1
        values = _scaled(samples, log)
        middle = np.median(values, axis=-1)
        spread = _spread(values, self.usual[name], self.weight[name], reader.error_of(name)[0])
        found = middle, middle + self.low[name][row] * spread, middle + self.high[name][row] * spread
        middle, low, high = (np.exp(v) if log else v for v in found)
        return middle, np.maximum(low, 0.0), np.minimum(high, _MOST.get(name, np.inf))

    def to_json(self) -> dict[str, Any]:
        """JSON values; inverse of `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], where: str = "intervals") -> "Calibration":
        """From `to_json`.

        Raises:
            InputError: not such values, or not of all quantities.
        """
        try:
            spreads = [{name: float(stored[key][name]) for name in QUANTITIES} for key in ("usual", "weight")]
            tables = [
                {name: tuple(float(v) for v in stored[side][name]) for name in QUANTITIES} for side in ("low", "high")
            ]
            found = cls(
                coverage=float(stored["coverage"]),
                confidence=float(stored["confidence"]),
                hearts=int(stored["hearts"]),
                samples=tuple(int(n) for n in stored["samples"]),
                usual=spreads[0],
                weight=spreads[1],
                low=tables[0],
                high=tables[1],
                drawn=dict(stored["drawn"]),
                source=dict(stored["source"]),
            )
            if not found.samples or any(len(ends) != len(found.samples) for side in tables for ends in side.values()):
                raise ValueError("tables of unequal length")
            return found
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{where}: no calibration of intervals ({type(error).__name__}: {error})") from error


def save_calibration(calibration: Calibration, folder: Path, model: str) -> Path:
    """Write it into a pipeline folder, bound to the pipeline of digest ``model``."""
    write_json(folder / FILE, {"model": model, **calibration.to_json()})
    return folder / FILE


def load_calibration(folder: Path, model: str) -> Calibration | None:
    """The calibration in a pipeline folder; None where there is none.

    Raises:
        InputError: damaged, or measured on another pipeline than the one of digest ``model``.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    stored = read_json(path)
    if stored.get("model") != model:
        raise InputError(
            f"{path}: calibrated for another pipeline; run `physiogen train flow/intervals` again, or remove it"
        )
    return Calibration.from_json(stored, str(path))


def volume_table(curve_ml: np.ndarray, mass_g: np.ndarray) -> dict[str, np.ndarray]:
    """Quantities (...) of volume curves (..., frame) and masses (...)."""
    edv, esv = curve_ml.max(axis=-1), curve_ml.min(axis=-1)
    return {
        "edv_ml": edv,
        "esv_ml": esv,
        "sv_ml": edv - esv,
        "ef_percent": 100 * (1 - esv / edv),
        "mass_g": np.asarray(mass_g, dtype=np.float64),
        "es_frame": curve_ml.argmin(axis=-1).astype(np.float64),
    }


def ends_of(
    name: str, samples: np.ndarray, reader: VolumeReader, calibration: Calibration | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median and ends of the interval (...) of samples (..., K) of a quantity.

    Without a calibration the ends are the central 90 % of the samples, widened by the reader's error.
    """
    if calibration is not None:
        return calibration.ends(name, samples, reader)
    error, log = reader.error_of(name)
    return central(samples, error, log=log)


def summarise(
    table: Mapping[str, np.ndarray], reader: VolumeReader, calibration: Calibration | None
) -> dict[str, Interval]:
    """Median and interval of each quantity (K,) of one heart; a single sample has no interval."""
    out = {}
    for name, values in table.items():
        if len(values) == 1:
            out[name] = Interval(float(values[0]), None, None)
        else:
            out[name] = Interval(*(float(v) for v in ends_of(name, values, reader, calibration)))
    return out


def _scaled(values: np.ndarray, log: bool) -> np.ndarray:
    return np.log(np.maximum(values, 1e-6)) if log else np.asarray(values, dtype=np.float64)


def _usual(values: np.ndarray) -> tuple[float, float]:
    """Usual spread of rows of samples (n, K), and how many samples it is worth (empirical Bayes, by moments).

    Standard deviations of K normal samples scatter by a relative variance of 1 / (2 (K - 1)); what they scatter beyond
    that is a difference between ECGs, as large as that of 1 / (2 weight).
    """
    own = values.std(axis=1, ddof=1)
    beyond = own.var() / max(own.mean() ** 2, 1e-12) - 0.5 / (values.shape[1] - 1)
    weight = min(_HEAVIEST, 0.5 / max(beyond, 1e-9))
    return round(float(np.sqrt((own**2).mean())), 6), round(float(weight), 2)


def _spread(values: np.ndarray, usual: float, weight: float, error: float) -> np.ndarray:
    """Spread (...) of samples (..., K): their own variance and the usual one by weight, and the reader's error."""
    own = values.shape[-1] - 1
    pooled = (own * values.var(axis=-1, ddof=1) + weight * usual**2) / (own + weight)
    return np.sqrt(np.maximum(pooled + error**2, 1e-12))


def _ends(
    values: np.ndarray, truth: np.ndarray, errors: tuple[float, float, float], coverage: float
) -> tuple[float, float]:
    """Ends of the interval in units of the spread, as order statistics; they never leave the median outside."""
    score = np.sort((truth - np.median(values, axis=1)) / _spread(values, *errors))
    end = outside(len(score), coverage)
    return min(float(score[end - 1]), 0.0), max(float(score[-end]), 0.0)


def outside(n: int, coverage: float) -> int:
    """Which order statistic from either end of n is the end of the interval; 0 where n is too small.

    Between the k-th from below and the k-th from above lies a share of new hearts that is distributed as
    Beta(n + 1 - 2 k, 2 k); k is the largest for which it is at least ``coverage`` with a chance of `CONFIDENCE`.
    """
    k = 0
    while 2 * (k + 1) < n + 1 and betainc(n - 1 - 2 * k, 2 * (k + 1), coverage) <= 1.0 - CONFIDENCE:
        k += 1
    return k
