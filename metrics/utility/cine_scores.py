"""Scores of what networks read off cines, and how much better one way reads than another on the same patients."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gen.values import Value
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import resample_counts
from metrics.statistics.ranking import weighted_auroc
from metrics.utility.cines import CineSet, Readings

#: Of groups; macro means over the groups.
GROUP_SCORES = ("ACC", "AUC", "F1")


def weights_of(n: int, *, replicates: int, seed: int) -> Array:
    """(1 + replicates, n): every patient once, then bootstrap draws of patients."""
    return np.concatenate([np.ones((1, n)), resample_counts(n, replicates, seed)])


def score_draws(
    readings: Readings, truth: CineSet, names: Sequence[str], weights: Array, *, groups: int
) -> dict[str, Array]:
    """(1 + replicates,) of each score, the mean over the runs: `GROUP_SCORES`, R² of each phenotype and their mean.

    Args:
        readings: of every cine of ``truth``.
        truth: the labels.
        names: of the phenotypes; those that are nowhere known are left out.
        weights: see `weights_of`.
        groups: how many there are.
    """
    out = {
        "ACC": _mean([_accuracy(p, truth.groups, weights) for p in readings.groups]),
        "AUC": _mean([_auc(p, truth.groups, weights, groups) for p in readings.groups]),
        "F1": _mean([_f1(p.argmax(axis=1), truth.groups, weights, groups) for p in readings.groups]),
    }
    shares = {
        f"R² {name}": _mean([_r2(read[:, k], truth.phenotypes[:, k], weights) for read in readings.phenotypes])
        for k, name in enumerate(names)
        if np.isfinite(truth.phenotypes[:, k]).any()
    }
    return out | ({"R²": _mean(list(shares.values()))} if len(shares) > 1 else {}) | shares


def interval(draws: Array, n: int, *, better: bool = True) -> Value:
    """The score with its central 95 % over the draws of patients."""
    finite = draws[1:][np.isfinite(draws[1:])]
    low, high = np.quantile(finite, [0.025, 0.975]) if len(finite) else (np.nan, np.nan)
    return Value.of([float(draws[0]), float(low), float(high)], n=n, better="higher" if better else None)


def gains(of: Mapping[str, Array], over: Mapping[str, Array], names: Sequence[str], n: int) -> dict[str, Value]:
    """How much higher each score is, on the same draws of patients."""
    return {name: interval(of[name] - over[name], n) for name in names if name in of}


def _mean(draws: Sequence[Array]) -> Array:
    return np.mean(np.stack(draws), axis=0)


def _accuracy(probability: Array, groups: npt.NDArray[np.int64], weights: Array) -> Array:
    right = probability.argmax(axis=1) == groups
    return weights @ right / weights.sum(axis=1)


def _auc(probability: Array, truth: npt.NDArray[np.int64], weights: Array, groups: int) -> Array:
    """Mean over the groups of each against the rest; NaN where a draw lacks a group."""
    return _mean([weighted_auroc(probability[:, g], truth == g, weights) for g in range(groups)])


def _f1(guess: npt.NDArray[np.int64], truth: npt.NDArray[np.int64], weights: Array, groups: int) -> Array:
    scores = []
    for g in range(groups):
        both = weights @ ((guess == g) & (truth == g))
        size = weights @ (guess == g) + weights @ (truth == g)
        scores.append(np.divide(2.0 * both, size, out=np.zeros(len(weights)), where=size > 0))
    return _mean(scores)


def _r2(guess: Array, truth: Array, weights: Array) -> Array:
    known = np.isfinite(truth)
    w, y, error = weights[:, known], truth[known], (truth - guess)[known]
    total = w.sum(axis=1)
    mean = np.divide(w @ y, total, out=np.full(len(w), np.nan), where=total > 0)
    spread = w @ y**2 - total * mean**2
    return 1.0 - np.divide(w @ error**2, spread, out=np.full(len(w), np.nan), where=spread > 1e-12)
