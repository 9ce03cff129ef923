"""Volumes and what may surround them: a value and its interval, the volumes of curves, spread of samples.

The spread of a few samples is not an interval of known coverage; `flow.volumes.told` has that.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc

from flow.volumes.reader import VolumeReader, central

FILE = "intervals.json"
#: Share of hearts that an interval shall hold.
COVERAGE = 0.9
#: Certainty that it is that share or more, over the chance of who was in the calibration.
CONFIDENCE = 0.9


@dataclass(frozen=True)
class Interval:
    """Median and the ends of a 90 % interval; None for a single sample that nothing is told about."""

    value: float
    low: float | None
    high: float | None


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


def ends_of(name: str, samples: np.ndarray, reader: VolumeReader) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median and ends (...) of the central 90 % of samples (..., K) of a quantity, widened by the reader's error."""
    error, log = reader.error_of(name)
    return central(samples, error, log=log)


def summarise(table: Mapping[str, np.ndarray], reader: VolumeReader) -> dict[str, Interval]:
    """Median and spread of each quantity (K,) of one heart; a single sample has no interval."""
    out = {}
    for name, values in table.items():
        if len(values) == 1:
            out[name] = Interval(float(values[0]), None, None)
        else:
            out[name] = Interval(*(float(v) for v in ends_of(name, values, reader)))
    return out


def outside(n: int, coverage: float) -> int:
    """Which order statistic from either end of n is the end of the interval; 0 where n is too small.

    Between the k-th from below and the k-th from above lies a share of new hearts that is distributed as
    Beta(n + 1 - 2 k, 2 k); k is the largest for which it is at least ``coverage`` with a chance of `CONFIDENCE`.
    """
    k = 0
    while 2 * (k + 1) < n + 1 and betainc(n - 1 - 2 * k, 2 * (k + 1), coverage) <= 1.0 - CONFIDENCE:
        k += 1
    return k
