"""Every measure in the registry keeps the same promises; a new one is tested by being listed."""

from typing import Any

import numpy as np
import pytest

from gen.leads import to_12
from metrics.definitions import DEFINITIONS, MetricDefinition

CONTRACT = [
    "fid",
    "fid_infinity",
    "kid",
    "precision",
    "recall",
    "density",
    "coverage",
    "two_sample_auroc",
    "mse",
    "mae",
    "pcc",
    "limb_lead_residual_mv",
    "hr_mae_bpm",
    "near_copy_share",
    "nearer_to_train_share",
    "membership_auroc",
]
FS_HZ = 100.0
N = 60


def ecg_like(rng: np.random.Generator, count: int) -> np.ndarray:
    """Beats at random instants, so that no two look alike; (count, 8, 400) mV."""
    beat = np.exp(-0.5 * ((np.arange(21) - 10) / 2.0) ** 2)
    impulses = (rng.random((count, 1, 400)) < 0.02) * rng.normal(1, 0.3, (count, 8, 400))
    return np.apply_along_axis(np.convolve, -1, impulses, beat, "same") + rng.normal(0, 0.02, (count, 8, 400))


def worsened(entry: MetricDefinition, level: float) -> dict[str, Any]:
    """Arguments at a noise level: 0 returns the reference itself, more is further from it."""
    rng = np.random.default_rng(5)
    if entry.kind in ("features", "features and holdout"):
        reference, noise, holdout = rng.standard_normal((3, N, 4))
        # Noise alone widens the generated balls, which recall takes for a gift; the shift leaves the real support.
        shift = 1.5 + 0.3 * noise if entry.kind == "features" else noise
        return {"reference": reference, "generated": reference + level * shift, "holdout": holdout}
    if entry.kind == "paired values":
        reference = rng.uniform(40, 180, N)
        return {"reference": reference, "generated": reference + 20 * level * rng.standard_normal(N)}
    reference = ecg_like(rng, 12)
    twelve = entry.name == "limb_lead_residual_mv"
    reference = to_12(reference) if twelve else reference
    noise = rng.standard_normal(reference.shape)
    if entry.copying == "worst":  # share of copies falls step by step instead of all at once
        level = level * np.linspace(0, 1, len(reference))[:, None, None]
    return {"reference": reference, "generated": reference + level * noise, "fs_hz": FS_HZ}


def badness(entry: MetricDefinition, value: float) -> float:
    return value if entry.better == "lower" else -value


each = pytest.mark.parametrize("name", sorted(DEFINITIONS))


def test_the_contract_names_are_all_there():
    assert set(CONTRACT) <= set(DEFINITIONS)


@each
def test_declares_itself(name):
    entry = DEFINITIONS[name]
    assert entry.name == name
    assert entry.better in ("lower", "higher")
    assert entry.summary.endswith(".")
    assert entry.min_samples >= 1


@each
def test_worse_input_scores_worse_at_three_levels(name):
    """Fidelity falls with noise; for privacy it is the copy (level 0) that is worst."""
    entry = DEFINITIONS[name]
    scores = [badness(entry, entry(**worsened(entry, level))) for level in (0.0, 0.25, 1.0, 3.0)]
    if entry.copying == "worst":
        scores = scores[::-1]
    assert all(np.diff(scores) >= 0), scores
    assert scores[-1] > scores[0]
    if entry.copying == "best" and name not in ("kid", "two_sample_auroc", "density", "fid_infinity"):
        assert scores[0] == pytest.approx(badness(entry, entry.ideal), abs=1e-9)


@each
def test_order_of_samples_does_not_matter(name):
    entry = DEFINITIONS[name]
    given = worsened(entry, 0.5)
    rng = np.random.default_rng(1)
    count = len(given["generated"])
    order = rng.permutation(count)
    paired = entry.kind.startswith("paired")
    moved = dict(given, generated=given["generated"][order])
    moved["reference"] = given["reference"][order if paired else rng.permutation(count)]
    # A seeded measure draws subsets or folds, so another order is another draw.
    tolerance = {"abs": 0.05, "rel": 0.1} if entry.seeded else {"rel": 1e-9, "abs": 1e-12}
    assert entry(**moved) == pytest.approx(entry(**given), **tolerance)


@each
def test_swap_behaves_as_declared(name):
    entry = DEFINITIONS[name]
    if not entry.symmetric:
        pytest.skip("declared not symmetric")
    given = worsened(entry, 0.5)
    swapped = dict(given, reference=given["generated"], generated=given["reference"])
    assert entry(**swapped) == pytest.approx(entry(**given), rel=1e-9)


@each
def test_the_same_seed_repeats(name):
    entry = DEFINITIONS[name]
    given = worsened(entry, 0.5)
    assert entry(**given, seed=3) == entry(**given, seed=3)


@each
def test_block_size_changes_nothing(name, monkeypatch):
    entry = DEFINITIONS[name]
    given = worsened(entry, 0.5)
    whole = entry(**given)
    monkeypatch.setattr("metrics.statistics.distances.BLOCK_BYTES", 8 * N * 7)
    assert entry(**given) == pytest.approx(whole, rel=1e-10)


@each
def test_too_few_samples_raise(name):
    entry = DEFINITIONS[name]
    given = worsened(entry, 0.5)
    for key in ("reference", "generated"):
        if key == "generated" or entry.compares:
            few = dict(given, **{key: given[key][: entry.min_samples - 1]})
            with pytest.raises(ValueError, match="accepted"):
                entry(**few)


@each
def test_nan_is_refused(name):
    entry = DEFINITIONS[name]
    if entry.kind == "paired values":
        pytest.skip("there NaN means not measurable")
    given = worsened(entry, 0.5)
    given["generated"].flat[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        entry(**given)


def test_a_missing_argument_is_named():
    with pytest.raises(ValueError, match="holdout"):
        DEFINITIONS["membership_auroc"](reference=np.zeros((9, 2)), generated=np.zeros((9, 2)))
