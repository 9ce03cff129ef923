"""Interval of a share that stays honest at 0 and 1, where resampling finds no spread."""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from gen.records import InputError
from metrics.statistics.arrays import group_codes, vector
from metrics.statistics.bootstrap import Groups, Interval, bootstrap_mean


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
    share, z = float(values.mean()), float(ndtri((1 + level) / 2))
    shrink = 1 + z**2 / patients
    middle = (share + z**2 / (2 * patients)) / shrink
    half = z / shrink * np.sqrt(share * (1 - share) / patients + z**2 / (4 * patients**2))
    low, high = np.clip([middle - half, middle + half], 0, 1)
    return Interval(share, min(float(low), share), max(float(high), share), level, len(values), patients, 0)


def bootstrap_share(
    met: npt.ArrayLike, *, groups: Groups = None, replicates: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Mean share with its interval over patients: resampled, and `wilson`'s where all are 0 or all are 1.

    Args:
        met: (n,) from 0 to 1, such as yes or no, or the share of a record's leads; NaN is left out.
        groups, replicates, level, seed: as `metrics.statistics.bootstrap.bootstrap_mean`.

    Raises:
        InputError: no value, or one outside of 0 to 1; fewer than two patients where values differ.
    """
    values = vector(met, name="met", minimum=1)
    known = values[np.isfinite(values)]
    if not len(known) or known.min() < 0 or known.max() > 1:
        raise InputError("met: accepted: 0 to 1 for every record, at least one")
    if known.max() == 0 or known.min() == 1:
        return wilson(values, groups=groups, level=level)
    return bootstrap_mean(met, groups=groups, replicates=replicates, level=level, seed=seed)
