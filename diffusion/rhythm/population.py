"""Fits `VariationModel`: how the parts of sinus variation are distributed among people."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from diffusion.rhythm.variation import HIGH, LOW, NAMES, Array, VariationModel, covariates, log_likelihood


def fit_variation(
    rr_s: Sequence[Array], age: Sequence[float], arrhythmia: Sequence[bool], *, candidates: int = 1024, rounds: int = 60
) -> VariationModel:
    """Maximum likelihood of the population's mean and covariance by expectation maximisation.

    The expectation over each person's parameters is a sum over a set of candidates, so that the likelihoods of a
    recording's intervals are computed once: first a Sobol sequence over the ranges of `diffusion.rhythm.variation`,
    then one drawn around the first result, where the candidates lie closer.

    Args:
        rr_s: intervals of each recording, seconds.
        age: years.
        arrhythmia: whether sinus arrhythmia is stated.
        candidates: size of the set, a power of two.
        rounds: of expectation and maximisation.
    """
    x = np.stack([covariates(a, float(np.mean(rr)), s) for a, rr, s in zip(age, rr_s, arrhythmia, strict=True)])
    points = qmc.Sobol(len(NAMES), seed=0).random(candidates)
    theta = LOW + (HIGH - LOW) * points
    weights = np.zeros((x.shape[1], len(NAMES)))
    weights[0] = 0.5 * (LOW + HIGH)
    covariance = np.diag(((HIGH - LOW) / 4) ** 2)
    weights, covariance = _maximise(rr_s, x, theta, np.zeros(candidates), weights, covariance, rounds)
    # Around the first result, twice as wide as people differ.
    spread = 2.0 * (covariance + np.cov((x @ weights).T))
    centre = (x @ weights).mean(axis=0)
    normal = np.clip(ndtri(np.clip(points, 1e-6, 1 - 1e-6)), -4, 4)
    theta = centre + normal @ np.linalg.cholesky(spread).T
    theta = np.clip(theta, LOW, HIGH)
    log_density = -0.5 * (normal**2).sum(axis=1)
    return VariationModel(*_maximise(rr_s, x, theta, log_density, weights, covariance, rounds))


def _maximise(
    rr_s: Sequence[Array], x: Array, theta: Array, log_density: Array, weights: Array, covariance: Array, rounds: int
) -> tuple[Array, Array]:
    """Weights and covariance after rounds of expectation over candidates drawn with a density, and maximisation."""
    likelihood = np.stack([log_likelihood(rr, theta) for rr in rr_s]) - log_density
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
    return weights, covariance
