"""Interval of a share that stays honest at 0 and 1, where resampling finds no spread."""

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from gen.records import InputError
from metrics.statistics.arrays import group_codes, vector
from metrics.statistics.bootstrap import Groups, Interval


def wilson(met: npt.ArrayLike, *, groups: Groups = None, level: float = 0.95) -> Interval:
    """Share of ones with the score interval (Wilson 1927).

    Several records of one patient count as one observation in the width, which is at worst too wide.

    Args:
        met: (n,) of 0 and 1; NaN is left out.
        groups: (n,) patient of each record; None: each its own.
        level: confidence.

    Raises:
        InputError: no value, or others than 0 and 1.
    """
    values = vector(met, name="met", minimum=1)
    kept = np.isfinite(values)
    patients = len(np.unique(group_codes(groups, len(values))[kept]))
    values = values[kept]
    if not len(values) or not np.isin(values, (0, 1)).all():
        raise InputError("met: accepted: 0 or 1 for every record, at least one")
    share, z = float(values.mean()), float(norm.ppf((1 + level) / 2))
    shrink = 1 + z**2 / patients
    middle = (share + z**2 / (2 * patients)) / shrink
    half = z / shrink * np.sqrt(share * (1 - share) / patients + z**2 / (4 * patients**2))
    low, high = np.clip([middle - half, middle + half], 0, 1)
    return Interval(share, min(float(low), share), max(float(high), share), level, len(values), patients, 0)
