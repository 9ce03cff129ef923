"""Figures of generated hearts with 95 % bootstrap intervals over hearts; pure functions on arrays."""

from collections.abc import Mapping

import numpy as np

from gen.signals import pearson
from metrics.statistics.bootstrap import Interval, Statistic, bootstrap, bootstrap_mean
from metrics.statistics.correlation import weighted_pearson

#: Bootstrap draws.
REPLICATES = 1000


def over_hearts(statistic: Statistic, n: int, seed: int = 0) -> Interval:
    """A statistic of weights (replicates, n) with its BCa interval over hearts; NaN draws are left out."""
    return bootstrap(statistic, n, replicates=REPLICATES, seed=seed)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; NaN for fewer than three pairs, and where one is constant."""
    return float(pearson(a, b)) if len(a) >= 3 else float("nan")


def correlation_estimate(guess: np.ndarray, truth: np.ndarray, seed: int = 0) -> Interval:
    """Correlation of guesses with the truth."""
    return over_hearts(lambda w: weighted_pearson(guess, truth, w), len(truth), seed)


def r_difference(guess: np.ndarray, other: np.ndarray, truth: np.ndarray, seed: int = 0) -> Interval:
    """How much better ``guess`` correlates than ``other`` on the same hearts (paired)."""
    return over_hearts(
        lambda w: weighted_pearson(guess, truth, w) - weighted_pearson(other, truth, w), len(truth), seed
    )


def r_ratio(guess: np.ndarray, other: np.ndarray, truth: np.ndarray, seed: int = 0) -> Interval:
    """Share of the other's correlation that ``guess`` reaches on the same hearts (paired)."""
    return over_hearts(
        lambda w: weighted_pearson(guess, truth, w) / weighted_pearson(other, truth, w), len(truth), seed
    )


def reliability(samples: np.ndarray) -> float:
    """Share of the variance of ECGs' means that is not chance of their draws (one-way analysis of variance).

    Args:
        samples: (n, K) draws for n ECGs, K at least 2.

    Returns:
        0..1, NaN where the means differ by chance alone.
    """
    return float(_reliability(samples, np.ones((1, len(samples))))[0])


def _reliability(samples: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`reliability` (replicates,) under weights (replicates, n) of the ECGs."""
    mean = samples.mean(axis=1) - samples.mean()
    total = weights.sum(axis=1)
    among = (weights @ mean**2 - (weights @ mean) ** 2 / total) / (total - 1)
    own = among - weights @ samples.var(axis=1, ddof=1) / total / samples.shape[1]
    return np.divide(own, among, out=np.full(len(weights), np.nan), where=own > 0)


def correlation_of_expectation(samples: np.ndarray, truth: np.ndarray) -> float:
    """Correlation with the truth that the mean of endlessly many draws would have.

    The mean of K draws of even a perfect model correlates less than the expectation that a regressor gives, by the
    root of the mean's `reliability` (Spearman's correction for attenuation).
    """
    return float(_of_expectation(samples, truth, np.ones((1, len(truth))))[0])


def _of_expectation(samples: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weighted_pearson(samples.mean(axis=1), truth, weights) / np.sqrt(_reliability(samples, weights))


def expectation_estimate(
    samples: np.ndarray, truth: np.ndarray, other: np.ndarray | None = None, seed: int = 0
) -> Interval:
    """`correlation_of_expectation`, or the share of the other guesses' correlation that it is (paired)."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        found = _of_expectation(samples, truth, weights)
        return found if other is None else found / weighted_pearson(other, truth, weights)

    return over_hearts(statistic, len(truth), seed)


def mean_estimate(values: np.ndarray, seed: int = 0) -> Interval:
    """Mean over hearts; NaN are left out, and there are no bounds for fewer than two hearts."""
    return bootstrap_mean(values, replicates=REPLICATES, seed=seed, few="unknown")


def frame_gap(first: np.ndarray, second: np.ndarray, frames: int) -> np.ndarray:
    """Distance of frames around a loop, in frames."""
    gap = np.abs(first - second) % frames
    return np.minimum(gap, frames - gap)


def coverage(low: np.ndarray, high: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,) 1 where an interval holds the truth, 0 where not."""
    return ((truth >= low) & (truth <= high)).astype(float)


def end_systole(curve: np.ndarray) -> np.ndarray:
    """Frame of the smallest volume along the last axis."""
    return curve.argmin(axis=-1)


def group_table(
    groups: np.ndarray, names: tuple[str, ...], values: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> list[dict[str, object]]:
    """Mean truth and mean generated value per disease group; ``values`` name -> (truth, generated), (n,) each."""
    rows: list[dict[str, object]] = []
    for number, group in enumerate(names):
        there = groups == number
        if there.any():
            row: dict[str, object] = {"group": group, "n": int(there.sum())}
            for name, (truth, made) in values.items():
                row[name] = [round(float(truth[there].mean()), 3), round(float(made[there].mean()), 3)]
            rows.append(row)
    return rows


def ridge(x: np.ndarray, y: np.ndarray, new: np.ndarray, strength: float) -> np.ndarray:
    """Ridge regression on standardised inputs; ``strength`` is the penalty per training row."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread < 1e-9, 1.0, spread)
    a, b = (x - mean) / spread, (new - mean) / spread
    weight = np.linalg.solve(a.T @ a + strength * len(y) * np.eye(a.shape[1]), a.T @ (y - y.mean()))
    return b @ weight + y.mean()


def boosting(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Boosted trees."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(max_iter=200, learning_rate=0.05, max_leaf_nodes=12, random_state=0)
    return np.asarray(model.fit(x, y).predict(new))
