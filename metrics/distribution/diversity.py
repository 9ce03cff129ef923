"""How varied a generated set is, in itself and beside the real one."""

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.statistics.arrays import Array, feature_pair, features
from metrics.statistics.distances import squared_distance_blocks


def vendi_score(*, generated: npt.ArrayLike) -> float:
    """Effective number of different samples, exp(-sum l log l) over the eigenvalues l of the similarity matrix / n.

    Similarity is the cosine of features (Friedman & Dieng 2023), so the score runs from 1 (all alike) to min(n, d).

    Args:
        generated: features (n, d).

    Raises:
        InputError: no sample, values that are not finite, or a feature row that is all 0 (no direction).
    """
    rows = features(generated, name="generated")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not norms.all():
        raise InputError(
            f"generated: {int((norms == 0).sum())} feature rows are all 0; accepted: rows with a direction"
        )
    unit = rows / norms
    # The n x n similarity and the d x d matrix share their eigenvalues other than 0.
    small = unit @ unit.T if len(unit) < unit.shape[1] else unit.T @ unit
    values = np.linalg.eigvalsh(small / len(unit))
    values = values[values > 1e-15]
    return float(np.exp(-(values * np.log(values)).sum()))


def standardised_vendi_score(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """`vendi_score` of directions from the real mean, in units of the real spread.

    Cosines of features that are all positive are all near 1, and would make every set look alike.
    """
    real, fake = feature_pair(reference, generated)
    scale = real.std(axis=0)
    return vendi_score(generated=(fake - real.mean(axis=0)) / np.where(scale > 0, scale, 1.0))


def spread_ratio(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """Mean pairwise feature distance of the generated set over that of the real one; 1 is best, below .5 is collapse.

    Raises:
        InputError: fewer than two samples in a set, or real samples that are all equal.
    """
    first, second = feature_pair(reference, generated, minimum=2)
    real = _mean_distance(first)
    if real == 0:
        raise InputError("reference: all samples are equal; accepted: a set with spread")
    return _mean_distance(second) / real


def _mean_distance(points: Array) -> float:
    total = sum(float(np.sqrt(squared).sum()) for _, squared in squared_distance_blocks(points, points))
    return total / (len(points) * (len(points) - 1))
