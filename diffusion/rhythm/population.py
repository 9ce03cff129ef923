"""Fits `VariationModel`: how the parts of sinus variation are distributed among people."""

from collections.abc import Sequence

import numpy as np

from diffusion.rhythm.variation import HIGH, LOW, NAMES, Array, VariationModel, covariates, log_likelihood


def fit_variation(
    rr_s: Sequence[Array], age: Sequence[float], arrhythmia: Sequence[bool], *, candidates: int = 8192, rounds: int = 15
) -> VariationModel:
    """Maximum likelihood of the population's mean and covariance by expectation maximisation.

    The expectation over each person's parameters is a sum over candidates (a Sobol sequence over the ranges of
    `diffusion.rhythm.variation`), so that the likelihoods of a recording's intervals are computed once.

    Args:
        rr_s: intervals of each recording, seconds.
        age: years.
        arrhythmia: whether sinus arrhythmia is stated.
        candidates: a power of two.
        rounds: of expectation and maximisation. Some ten beats say little about one person, and the covariance goes
            on shrinking for long; 15 rounds were nearest to the recordings of fold 9.
    """
    x = np.stack([covariates(a, float(np.mean(rr)), s) for a, rr, s in zip(age, rr_s, arrhythmia, strict=True)])
    from scipy.stats import qmc

    theta = LOW + (HIGH - LOW) * qmc.Sobol(len(NAMES), seed=0).random(candidates)
    likelihood = np.stack([log_likelihood(rr, theta).astype(np.float32) for rr in rr_s])
    weights = np.zeros((x.shape[1], len(NAMES)))
    weights[0] = 0.5 * (LOW + HIGH)
    covariance = np.diag(((HIGH - LOW) / 4) ** 2)
    for _ in range(rounds):
        inverse = np.linalg.inv(covariance)
        mean = x @ weights
        quadratic = np.einsum("kp,pq,kq->k", theta, inverse, theta)[None] - 2 * mean @ inverse @ theta.T
        score = likelihood - 0.5 * quadratic
        score -= score.max(axis=1, keepdims=True)
        share = np.exp(score)
        share /= share.sum(axis=1, keepdims=True)
        expected = share @ theta
        weights = np.linalg.lstsq(x, expected, rcond=None)[0]
        mean = x @ weights
        second = (theta * share.sum(axis=0)[:, None]).T @ theta
        cross = mean.T @ expected
        covariance = (second - cross - cross.T + mean.T @ mean) / len(x)
        # The candidates are no finer than this; a part that hardly differs between people must not freeze.
        covariance += np.diag(((HIGH - LOW) * 0.02) ** 2)
    return VariationModel(weights, covariance)
