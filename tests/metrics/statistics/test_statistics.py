"""Bootstrap intervals, rank statistics and the two-sample test."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from gen.records import InputError
from metrics.distribution.two_sample import two_sample_test
from metrics.statistics.bootstrap import (
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_median,
    resample_counts,
    weighted_median,
)
from metrics.statistics.correlation import weighted_pearson
from metrics.statistics.ranking import (
    auroc,
    auroc_interval,
    equal_error_rate,
    true_positive_rate,
    true_positive_rate_interval,
    weighted_auroc,
    weighted_true_positive_rate,
)


def test_interval_of_a_mean_agrees_with_student(rng):
    x = rng.standard_normal(400) + 2
    half = stats.t.ppf(0.975, 399) * x.std(ddof=1) / 20
    for method in ("percentile", "bca"):
        found = bootstrap_mean(x, method=method, replicates=4000)
        assert found.value == pytest.approx(x.mean())
        assert found.high - found.low == pytest.approx(2 * half, rel=0.08)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_interval_covers_as_often_as_it_says(rng, method):
    hits = 0
    for trial in range(200):
        found = bootstrap_mean(rng.standard_normal(60), replicates=300, method=method, seed=trial)
        hits += found.low <= 0 <= found.high
    assert 0.89 <= hits / 200 <= 0.99


def test_bca_agrees_with_scipy_on_skewed_values(rng):
    x = rng.exponential(size=80)
    expected = stats.bootstrap((x,), np.mean, n_resamples=9999, method="BCa", rng=1).confidence_interval
    found = bootstrap_mean(x, replicates=9999)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_patients_not_records_are_drawn(rng):
    """Ten copies of each patient's value hold no more knowledge than one."""
    x = rng.standard_normal(50)
    single = bootstrap_mean(x, replicates=2000)
    grouped = bootstrap_mean(np.repeat(x, 10), groups=np.repeat(np.arange(50), 10), replicates=2000)
    blind = bootstrap_mean(np.repeat(x, 10), replicates=2000)
    assert (grouped.n, grouped.groups) == (500, 50)
    assert grouped.high - grouped.low == pytest.approx(single.high - single.low, rel=0.05)
    assert blind.high - blind.low < 0.4 * (grouped.high - grouped.low)


def test_what_was_not_measurable_is_left_out():
    found = bootstrap_mean([1.0, np.nan, 3.0, np.nan], groups=["a", "b", "c", "d"])
    assert (found.value, found.n, found.groups) == (2, 2, 2)
    assert found.failed == 2
    with pytest.raises(InputError, match="at least 2"):
        bootstrap_mean([1.0, 1.0], groups=["a", "a"])
    alone = bootstrap_mean([1.0, 2.0, np.nan], groups=["a", "a", "b"], few="unknown")
    assert (alone.value, alone.n, alone.groups, alone.failed) == (1.5, 2, 1, 1)
    assert np.isnan([alone.low, alone.high]).all()
    assert np.isnan(bootstrap_mean([np.nan, np.nan], few="unknown").value)


def test_several_values_of_a_record_are_drawn_together(rng):
    """A table (record, lead) has the interval of its flattened values with the records as groups."""
    table = rng.standard_normal((40, 5)) + rng.standard_normal((40, 1))
    table[3, 1:], table[7] = np.nan, np.nan
    found = bootstrap_mean(table)
    assert (found.value, found.n, found.failed) == (pytest.approx(np.nanmean(table)), 39, 1)
    flat = bootstrap_mean(table.ravel(), groups=np.repeat(np.arange(40), 5))
    assert (found.low, found.high) == (flat.low, flat.high)
    assert bootstrap_median(table).value == pytest.approx(np.nanmedian(table))


def test_median_weighs_as_repetitions_do(rng):
    values = rng.integers(0, 9, 31).astype(float)
    weights = rng.integers(0, 3, (50, 31)).astype(float)
    expected = [np.median(np.repeat(values, row.astype(int))) for row in weights]
    np.testing.assert_array_equal(weighted_median(values, weights), expected)
    assert np.isnan(weighted_median(values, np.zeros((1, 31)))).all()


def test_interval_of_a_median_agrees_with_order_statistics(rng):
    x = np.sort(rng.standard_normal(400))
    low, high = stats.binom.ppf([0.025, 0.975], 400, 0.5).astype(int)
    found = bootstrap_median(x, replicates=4000)
    assert (found.low, found.high) == pytest.approx((x[low], x[high]), abs=0.03)


def test_counts_add_up():
    counts = resample_counts(30, 500, 0)
    assert (counts.sum(axis=1) == 30).all()
    assert counts.mean() == pytest.approx(1)


def test_paired_difference_sees_what_two_intervals_cannot(rng):
    base = 10 * rng.standard_normal(100)
    better = base - 0.5 + 0.2 * rng.standard_normal(100)
    found = bootstrap_difference(base, better)
    assert found.interval.high < 0
    assert found.p_value < 0.01
    assert bootstrap_difference(base, base + rng.standard_normal(100)).p_value > 0.01


def test_auroc_agrees_with_sklearn_under_ties_and_weights(rng):
    scores, labels = rng.integers(0, 6, 80).astype(float), rng.random(80) < 0.4
    weights = rng.integers(0, 4, (3, 80)).astype(float)
    expected = [roc_auc_score(labels, scores, sample_weight=w) for w in weights]
    np.testing.assert_allclose(weighted_auroc(scores, labels, weights), expected, rtol=1e-12)
    assert auroc(positive=[2, 2], negative=[2]) == 0.5


def test_auroc_interval_agrees_with_its_normal_approximation(rng):
    labels = np.arange(400) < 200
    scores = rng.standard_normal(400) + labels
    found = auroc_interval(scores, labels)
    a = found.value  # Hanley & McNeil 1982
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    error = np.sqrt((a * (1 - a) + 199 * (q1 - a * a) + 199 * (q2 - a * a)) / 200**2)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_operating_points_have_their_closed_forms(rng):
    high, low = rng.standard_normal(20000) + 2, rng.standard_normal(20000)
    assert equal_error_rate(positive=high, negative=low) == pytest.approx(stats.norm.cdf(-1), abs=0.01)
    rate = true_positive_rate(positive=high, negative=low, false_positive_rate=0.01)
    assert rate == pytest.approx(stats.norm.sf(stats.norm.isf(0.01) - 2), abs=0.03)
    assert equal_error_rate(positive=[3, 4], negative=[1, 2]) == 0
    assert equal_error_rate(positive=[1.0], negative=[1.0]) == 0.5
    assert true_positive_rate(positive=[1, 1], negative=[1, 0], false_positive_rate=0.01) == 0


def test_weights_of_the_operating_point_are_repetitions(rng):
    scores, labels = rng.integers(0, 30, 300).astype(float), rng.random(300) < 0.4
    weights = rng.integers(0, 4, (4, 300)).astype(float)
    for allowed in (0.0, 0.01, 0.2, 1.0):
        expected = []
        for counts in weights.astype(int):
            again, group = np.repeat(scores, counts), np.repeat(labels, counts)
            given = {"positive": again[group], "negative": again[~group], "false_positive_rate": allowed}
            thresholds = np.unique(again)
            hits = [(given["positive"] >= t).mean() for t in thresholds if (given["negative"] >= t).mean() <= allowed]
            expected.append(max(hits, default=0.0))
            assert true_positive_rate(**given) == pytest.approx(expected[-1])
        np.testing.assert_allclose(weighted_true_positive_rate(scores, labels, weights, allowed), expected)
    assert np.isnan(weighted_true_positive_rate(scores, labels, labels[None].astype(float), 0.01)).all()


def test_operating_point_interval_covers_the_closed_form(rng):
    expected = stats.norm.sf(stats.norm.isf(0.1) - 1)
    covered = 0
    for k in range(40):
        labels = np.arange(400) < 200
        found = true_positive_rate_interval(
            rng.standard_normal(400) + labels, labels, false_positive_rate=0.1, replicates=300, seed=k
        )
        covered += found.low <= expected <= found.high
    assert covered >= 33  # of 40 at 95 %


def test_two_sample_test_is_blind_on_equal_sets(rng):
    values = [
        two_sample_test(reference=a, generated=b, replicates=100).auroc.value
        for a, b in rng.standard_normal((10, 2, 150, 6))
    ]
    assert np.mean(values) == pytest.approx(0.5, abs=0.045)


def test_two_sample_test_sees_shift_and_shape(rng):
    x, y = rng.standard_normal((2, 300, 6))
    shifted = two_sample_test(reference=x, generated=y + 0.5)
    assert shifted.linear > 0.75
    assert shifted.auroc.low > 0.6
    x, y = x[:, :2], y[:, :2]
    ring = y / np.linalg.norm(y, axis=1, keepdims=True) * 1.2  # same mean: only the local judge can see it
    found = two_sample_test(reference=x, generated=ring)
    assert found.local > 0.7
    assert found.linear < 0.65


def test_patients_stay_in_one_fold(rng):
    """Each patient has one real and one generated ECG, alike. Split up, they would give each other away."""
    person = rng.standard_normal((100, 30)) * 5
    real, fake = person + 0.1 * rng.standard_normal((2, 100, 30))
    names = [f"p{i}" for i in range(100)]
    together = two_sample_test(reference=real, generated=fake, reference_groups=names, generated_groups=names)
    apart = two_sample_test(reference=real, generated=fake)
    assert together.auroc.value == pytest.approx(0.5, abs=0.06)
    assert together.auroc.groups == 100
    assert apart.local < 0.2  # one's twin is always of the other class


def test_too_few_patients_for_the_folds(rng):
    x, y = rng.standard_normal((2, 30, 3))
    with pytest.raises(InputError, match="patients"):
        two_sample_test(reference=x, generated=y, reference_groups=[1] * 30, generated_groups=[1] * 30)


def test_correlation_weighs_as_repetitions_do(rng):
    a = rng.standard_normal(40) + 1e6
    b = 0.5 * a + rng.standard_normal(40)
    weights = rng.integers(0, 4, (20, 40)).astype(float)
    expected = [np.corrcoef(np.repeat([a, b], row.astype(int), axis=1))[0, 1] for row in weights]
    np.testing.assert_allclose(weighted_pearson(a, b, weights), expected, rtol=1e-9)
    assert np.isnan(weighted_pearson(a, b, np.eye(40)[:3])).all()
    assert np.isnan(weighted_pearson(np.ones(40), b, weights)).all()
