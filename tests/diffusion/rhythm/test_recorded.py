"""Drawn sinus rhythm and fibrillation against recordings of fold 9, and the fit against a known population."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from diffusion.rhythm import RhythmRequest, draw_rhythm, observed_plans
from diffusion.rhythm.fit import Example, sinus_examples
from diffusion.rhythm.population import fit_variation
from diffusion.rhythm.variation import NAMES, Variation, VariationModel, intervals, log_likelihood

DATA = Path(".data/ptb-xl")


@pytest.fixture(scope="module")
def recorded():
    if not DATA.is_dir():
        pytest.skip("PTB-XL is not there")
    from gen.datasets import open_source

    source = open_source(DATA)
    rows = source.split("val")[:45]
    codes = [frozenset(json.loads(source.table["statements"].iloc[int(k)])) for k in rows]
    records = [source[int(k)] for k in rows]
    plans = observed_plans(records, list(codes))
    return [Example(p, c, r.patient.age or 90.0) for p, c, r in zip(plans, codes, records, strict=True) if p]


def variation(rr):
    d = rr - rr.mean()
    return rr.std() / rr.mean(), (d[1:] * d[:-1]).sum() / (d**2).sum()


def test_sinus_rhythm_varies_as_recorded_in_size_and_memory(recorded):
    real, drawn = [], []
    for seed, example in enumerate(sinus_examples(recorded)):
        real.append(variation(example.plan.rr_s))
        request = RhythmRequest(
            codes=example.codes & {"SR", "SARRH"}, heart_rate=example.plan.heart_rate_bpm, age=example.age
        )
        drawn += [variation(draw_rhythm(request, 4 * seed + k).rr_s) for k in range(4)]
    real, drawn = np.array(real), np.array(drawn)
    assert len(real) > 25
    ratio = np.median(drawn[:, 0]) / np.median(real[:, 0])
    assert 0.7 < ratio < 1.4
    assert abs(np.median(drawn[:, 1]) - np.median(real[:, 1])) < 0.15
    assert ks_2samp(np.log(real[:, 0]), np.log(drawn[:, 0])).pvalue > 0.01


def test_references_of_a_steady_rhythm_are_found_to_a_millisecond(recorded):
    """Neighbouring intervals of the steadiest recordings differ by what the heart does, not by the sampling."""
    steady = np.sort([np.abs(np.diff(e.plan.rr_s)).mean() for e in sinus_examples(recorded)])
    assert steady[0] < 0.003


def test_likelihood_is_that_of_a_gaussian_with_the_stated_covariance():
    from scipy.stats import multivariate_normal

    rr = np.array([0.80, 0.83, 0.79, 0.85, 0.82])
    part = Variation(0.03, 6.0, 0.01, 0.25, 12.0, 0.006, 0.001)
    theta = np.log([[getattr(part, name) for name in NAMES]])
    end = np.cumsum(rr)
    lag = np.abs(end[:, None] - end)
    cov = 0.03**2 * np.exp(-lag / 6) + 0.01**2 * np.exp(-lag / 12) * np.cos(2 * np.pi * 0.25 * lag)
    cov += (0.006**2 + 1e-8) * np.eye(5)
    cov += (0.001 / rr.mean()) ** 2 * (2 * np.eye(5) - np.eye(5, k=1) - np.eye(5, k=-1)) + 0.3**2
    y = np.log(rr) - np.log(rr).mean()
    wanted = multivariate_normal(np.zeros(5), cov).logpdf(y) + 2.5 * np.log(2 * np.pi)
    assert log_likelihood(rr, theta)[0] == pytest.approx(wanted, abs=1e-6)


def test_intervals_have_the_stated_variance_and_correlation():
    rng = np.random.default_rng(0)
    part = Variation(0.03, 8.0, 0.02, 0.25, 20.0, 0.01)
    stream = intervals(rng, 0.8, part)
    y = np.log(np.array([next(stream) for _ in range(60_000)]) / 0.8)
    assert y.std() == pytest.approx(np.sqrt(0.03**2 + 0.02**2 + 0.01**2), rel=0.05)
    for k in (1, 2, 3, 5):
        lag = 0.8 * k
        wanted = 0.03**2 * np.exp(-lag / 8) + 0.02**2 * np.exp(-lag / 20) * np.cos(2 * np.pi * 0.25 * lag)
        assert np.mean(y[k:] * y[:-k]) == pytest.approx(wanted, abs=1.5e-4)


def test_the_population_fit_finds_how_much_people_vary():
    rng = np.random.default_rng(1)
    mean = np.log([0.03, 6.0, 0.01, 0.22, 14.0, 0.006, 0.001])
    weights = np.zeros((4, len(NAMES)))
    weights[0] = mean
    truth = VariationModel(weights, np.diag([0.5, 0.2, 0.3, 0.15, 0.2, 0.4, 0.1]) ** 2)
    rr, age = [], rng.uniform(30, 85, 150)
    for a in age:
        stream = intervals(rng, 0.85, truth.draw(rng, a, 0.85))
        rr.append(np.array([next(stream) for _ in range(11)]))
    found = fit_variation(rr, age.tolist(), [False] * 150, candidates=512)
    assert np.exp(found.weights[0, 0]) == pytest.approx(0.03, rel=0.35)
    cv = [np.std(r) / np.mean(r) for r in rr]
    again = []
    for a in age:
        stream = intervals(rng, 0.85, found.draw(rng, a, 0.85))
        again.append(np.array([next(stream) for _ in range(11)]))
    assert np.median([np.std(r) / np.mean(r) for r in again]) == pytest.approx(np.median(cv), rel=0.3)


def test_a_person_s_habits_follow_their_intervals():
    from diffusion.rhythm.table import read_table

    rng, model = np.random.default_rng(2), read_table().variation
    lively, steady = (
        np.exp(np.log(0.85) + s * np.random.default_rng(3).standard_normal(20).cumsum() * 0.5) for s in (0.06, 0.003)
    )
    sizes = [[model.draw_given(rng, rr, 60.0).slow for _ in range(20)] for rr in (lively, steady)]
    assert np.median(sizes[0]) > 3 * np.median(sizes[1])
