"""Figures of generated hearts with 95 % bootstrap intervals over hearts; pure functions on arrays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

REPLICATES = 1000


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval over ``n`` hearts."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def bootstrapped(statistic: Callable[[np.ndarray], float], n: int, seed: int = 0) -> Figure:
    """A statistic of row numbers with its percentile interval over resampled rows; NaN draws are left out."""
    rng = np.random.default_rng(seed)
    draws = [statistic(rng.integers(n, size=n)) for _ in range(REPLICATES)]
    low, high = np.nanquantile(draws, [0.025, 0.975]) if np.isfinite(draws).any() else (np.nan, np.nan)
    return Figure(statistic(np.arange(n)), float(low), float(high), n)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; NaN where one is constant."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def r_figure(guess: np.ndarray, truth: np.ndarray, seed: int = 0) -> Figure:
    """Correlation of guesses with the truth."""
    return bootstrapped(lambda rows: correlation(guess[rows], truth[rows]), len(truth), seed)


def r_difference(guess: np.ndarray, other: np.ndarray, truth: np.ndarray, seed: int = 0) -> Figure:
    """How much better ``guess`` correlates than ``other`` on the same hearts (paired)."""
    return bootstrapped(
        lambda rows: correlation(guess[rows], truth[rows]) - correlation(other[rows], truth[rows]), len(truth), seed
    )


def r_ratio(guess: np.ndarray, other: np.ndarray, truth: np.ndarray, seed: int = 0) -> Figure:
    """Share of the other's correlation that ``guess`` reaches on the same hearts (paired)."""
    return bootstrapped(
        lambda rows: correlation(guess[rows], truth[rows]) / correlation(other[rows], truth[rows]), len(truth), seed
    )


def reliability(samples: np.ndarray) -> float:
    """Share of the variance of ECGs' means that is not chance of their draws (one-way analysis of variance).

    Args:
        samples: (n, K) draws for n ECGs, K at least 2.

    Returns:
        0..1, NaN where the means differ by chance alone.
    """
    among = samples.mean(axis=1).var(ddof=1)
    own = among - samples.var(axis=1, ddof=1).mean() / samples.shape[1]
    return float(own / among) if own > 0 else float("nan")


def correlation_of_expectation(samples: np.ndarray, truth: np.ndarray) -> float:
    """Correlation with the truth that the mean of endlessly many draws would have.

    The mean of K draws of even a perfect model correlates less than the expectation that a regressor gives, by the
    root of the mean's `reliability` (Spearman's correction for attenuation).
    """
    return correlation(samples.mean(axis=1), truth) / float(np.sqrt(reliability(samples)))


def expectation_figure(
    samples: np.ndarray, truth: np.ndarray, other: np.ndarray | None = None, seed: int = 0
) -> Figure:
    """`correlation_of_expectation`, or the share of the other guesses' correlation that it is (paired)."""

    def statistic(rows: np.ndarray) -> float:
        found = correlation_of_expectation(samples[rows], truth[rows])
        return found if other is None else found / correlation(other[rows], truth[rows])

    return bootstrapped(statistic, len(truth), seed)


def mean_figure(values: np.ndarray, seed: int = 0) -> Figure:
    """Mean over hearts; NaN are left out."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Figure(float("nan"), float("nan"), float("nan"), 0)
    return bootstrapped(lambda rows: float(known[rows].mean()), len(known), seed)


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
