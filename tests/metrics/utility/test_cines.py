"""Networks that read cines, their folds and their scores."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, r2_score, roc_auc_score

from gen.records import InputError
from metrics.utility.cine_scores import gains, interval, score_draws, weights_of
from metrics.utility.cines import CineSet, FitConfig, Readings, Way, read_folds, stratified_folds

TINY = FitConfig(pretrain=30, steps=10, batch_size=16, widths=(4, 8, 8), lr=5e-3)


def discs(n, seed, groups=2):
    """A disc whose radius is its group's, and says a phenotype; a second one is nowhere known."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) % groups
    radius = 4.0 + 5.0 * group + rng.uniform(-1, 1, n)
    x = np.arange(24) - 11.5
    inside = np.hypot(x[:, None], x[None]) < radius[:, None, None]
    frames = (0.8 * inside + 0.1 * rng.random(inside.shape))[:, None].repeat(2, axis=1).astype(np.float32)
    return CineSet(frames, group, np.stack([radius, np.full(n, np.nan)], axis=1))


def read(real, way=None, *, few=True, folds=4, seeds=(0,), config=TINY):
    return read_folds(real, way or Way(), groups=2, folds=folds, few=few, seeds=seeds, config=config)


def test_folds_share_every_group_and_belong_to_the_seed():
    groups = np.repeat([0, 1, 2], [20, 8, 5])
    fold = stratified_folds(groups, 4, 0)
    for group, least in ((0, 5), (1, 2), (2, 1)):
        counts = np.bincount(fold[groups == group], minlength=4)
        assert counts.min() >= least
        assert np.ptp(counts) <= 1
    np.testing.assert_array_equal(fold, stratified_folds(groups, 4, 0))
    assert (fold != stratified_folds(groups, 4, 1)).any()
    with pytest.raises(InputError, match="group 2 has 5 cines; accepted: as many as folds"):
        stratified_folds(groups, 6, 0)


@pytest.mark.parametrize("few", [True, False])
def test_nobody_is_read_by_a_network_that_has_seen_them(few):
    """Labels by chance can be learned by heart, and then no other picture tells them."""
    rng = np.random.default_rng(3)
    n = 80
    chance = CineSet(rng.random((n, 2, 24, 24)).astype(np.float32), rng.permutation(n) % 2, np.zeros((n, 1)))
    config = FitConfig(pretrain=1, steps=40, batch_size=20, widths=(4, 8, 16), lr=1e-2)
    found = read(chance, few=few, config=config)
    assert found.groups.shape == (3 if few else 1, n, 2)
    assert np.isfinite(found.groups).all()
    assert 0.25 < (found.groups.argmax(axis=2) == chance.groups).mean() < 0.7


def test_the_same_seed_reads_the_same_and_labels_are_learned():
    real = discs(40, 1)
    first, again = read(real), read(real)
    np.testing.assert_array_equal(first.groups, again.groups)
    assert (first.groups.argmax(axis=2) == real.groups).mean() > 0.9
    assert np.corrcoef(first.phenotypes[0, :, 0], real.phenotypes[:, 0])[0, 1] > 0.8


def test_pretraining_on_the_same_kind_helps_and_on_wrong_labels_does_not():
    real, before = discs(40, 1), discs(120, 2)
    short = FitConfig(pretrain=50, steps=2, batch_size=16, widths=(4, 8, 8), lr=5e-3)
    weights = weights_of(40, replicates=100, seed=0)
    score = {
        name: score_draws(read(real, way, config=short), real, ("radius", "none"), weights, groups=2)
        for name, way in {
            "alone": Way(whole=False),
            "before": Way(before),
            "wrong": Way(before.relabelled(0)),
        }.items()
    }
    assert gains(score["before"], score["alone"], ("R² radius",), 40)["R² radius"].low > 0
    assert score["wrong"]["R² radius"][0] < score["before"]["R² radius"][0]
    assert "R²" not in score["alone"]  # one phenotype is known: its own R² is the mean
    none = gains(score["before"], score["before"], ("AUC",), 40)["AUC"]
    assert (none.value, none.low, none.high) == (0, 0, 0)


def test_other_labels_are_nobodys_own():
    base = CineSet(np.zeros((9, 1, 4, 4), np.float32), np.arange(9), np.arange(9.0)[:, None])
    other = base.relabelled(5)
    assert (other.groups != base.groups).all()
    np.testing.assert_array_equal(np.sort(other.groups), base.groups)
    np.testing.assert_array_equal(other.groups, other.phenotypes[:, 0])


def test_scores_are_those_of_scikit_learn_and_weights_are_repeats():
    rng = np.random.default_rng(0)
    truth = CineSet(np.zeros((60, 1, 4, 4), np.float32), np.arange(60) % 3, rng.normal(size=(60, 2)))
    chance = rng.dirichlet(np.ones(3), (1, 60))
    chance[0, np.arange(60), truth.groups] += 0.3
    chance /= chance.sum(axis=2, keepdims=True)
    guess = truth.phenotypes + rng.normal(size=(1, 60, 2))
    repeats = rng.integers(1, 3, 60)
    weights = np.stack([np.ones(60), repeats])
    found = score_draws(Readings(chance, guess), truth, ("a", "b"), weights, groups=3)
    for k, rows in enumerate((np.arange(60), np.repeat(np.arange(60), repeats))):
        y, p = truth.groups[rows], chance[0, rows]
        assert found["ACC"][k] == pytest.approx(accuracy_score(y, p.argmax(axis=1)))
        assert found["F1"][k] == pytest.approx(f1_score(y, p.argmax(axis=1), average="macro"))
        assert found["AUC"][k] == pytest.approx(roc_auc_score(y, p, multi_class="ovr"))
        for c, name in enumerate("ab"):
            assert found[f"R² {name}"][k] == pytest.approx(r2_score(truth.phenotypes[rows, c], guess[0, rows, c]))
        assert found["R²"][k] == pytest.approx((found["R² a"][k] + found["R² b"][k]) / 2)


def test_an_interval_holds_the_middle_of_the_draws():
    draws = np.concatenate([[0.5], np.arange(1001) / 1000])
    value = interval(draws, 7)
    assert (value.value, value.low, value.high, value.n) == (0.5, pytest.approx(0.025), pytest.approx(0.975), 7)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="accepted: "):
        CineSet(np.zeros((2, 4, 4), np.float32), np.zeros(2, int), np.zeros((2, 1)))
