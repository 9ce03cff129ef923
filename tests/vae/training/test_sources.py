"""Masks, variations and the source that draws training samples."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen.datasets import open_source
from gen.datasets.cache import prepare
from gen.io import write
from gen.leads import LEADS_8
from gen.simulate import simulate
from vae.networks.linear import DOWER
from vae.training.augment import Augmentation, disturb, spatial_matrix, window
from vae.training.masks import DEVICE_SETS, MAIN_SET, lead_mask, paper_mask, random_mask
from vae.training.sources import LeadSource, PlainSource, SourceSettings, unit_power_covariance

NOTHING = Augmentation(
    **dict.fromkeys(("rotation_deg", "stretch", "electrode_shift", "amplitude", "rate", "noise_mv", "drift_mv"), 0.0)
)


def row(lead: str) -> int:
    return LEADS_8.index(lead)


# --- masks -----------------------------------------------------------------------------------------------------------


def test_a_lead_mask_shows_these_leads_throughout():
    mask = lead_mask(MAIN_SET, 7)
    assert mask.shape == (8, 7)
    assert [LEADS_8[i] for i in range(8) if mask[i].all()] == list(MAIN_SET)
    assert mask.sum() == 21


def test_a_print_out_shows_each_column_for_its_part_of_the_time():
    mask = paper_mask("3x4", 1000, rhythm=None)
    seen = [{LEADS_8[i] for i in range(8) if mask[i, t]} for t in (0, 249, 250, 499, 500, 749, 750, 999)]
    limb, first, last = {"I", "II"}, {"V1", "V2", "V3"}, {"V4", "V5", "V6"}
    # aVR, aVL and aVF of the second column determine I and II.
    assert seen == [limb, limb, limb, limb, first, first, last, last]
    mask = paper_mask("6x2", 1000, rhythm="V1")
    assert mask[row("V1")].all()
    assert mask[row("I"), :500].all()
    assert not mask[row("I"), 500:].any()
    assert mask[row("V6"), 500:].all()
    with pytest.raises(ValueError, match="3x4, 6x2"):
        paper_mask("4x3", 10)


def test_training_masks_always_leave_something_to_see_and_something_to_rebuild():
    kinds = set()
    for seed in range(400):
        mask = random_mask(np.random.default_rng(seed), 800)
        assert mask.shape == (8, 800)
        assert mask.dtype == bool
        assert mask.any()
        assert not mask.all()
        kinds.add(tuple(lead for i, lead in enumerate(LEADS_8) if mask[i].all()))
    assert MAIN_SET in kinds
    assert len(kinds) > 60
    assert kinds & set(DEVICE_SETS[:3])


def test_the_share_of_the_main_set_is_kept():
    drawn = [random_mask(np.random.default_rng(seed), 200, main_share=0.4) for seed in range(2000)]
    main = {row(lead) for lead in MAIN_SET}
    share = np.mean([set(np.flatnonzero(mask.any(axis=1))) == main for mask in drawn])
    assert share == pytest.approx(0.4, abs=0.05)


# --- variations ------------------------------------------------------------------------------------------------------


def test_no_strength_is_the_identity(population, rng):
    x = population[0]
    assert np.array_equal(spatial_matrix(rng, NOTHING), np.eye(8))
    assert np.array_equal(window(x, x.shape[1], rng, NOTHING), x)
    part = window(x, 700, rng, NOTHING)
    assert any(np.array_equal(part, x[:, k : k + 700]) for k in range(x.shape[1] - 699))
    np.testing.assert_array_equal(disturb(x, 500.0, rng, NOTHING), x)


def test_a_rotation_keeps_what_is_outside_the_dipole_s_reach(rng):
    """Dower's matrix spans three dimensions; the five others pass through unchanged."""
    settings = replace(NOTHING, rotation_deg=30.0, stretch=0.3)
    outside = np.linalg.svd(DOWER)[0][:, 3:]  # orthogonal to every projection of a dipole
    for _ in range(10):
        matrix = spatial_matrix(rng, settings)
        np.testing.assert_allclose(matrix @ outside, outside, atol=1e-12)
        assert not np.allclose(matrix @ DOWER, DOWER, atol=1e-3)


def test_a_rotation_turns_the_dipole_without_stretching_it(rng):
    settings = replace(NOTHING, rotation_deg=40.0)
    angles = []
    for _ in range(200):
        turned = np.linalg.pinv(DOWER) @ spatial_matrix(rng, settings) @ DOWER
        np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-10)
        assert np.linalg.det(turned) == pytest.approx(1)
        angles.append(np.rad2deg(np.arccos(np.clip((np.trace(turned) - 1) / 2, -1, 1))))
    assert np.sqrt(np.mean(np.square(angles))) == pytest.approx(40, rel=0.12)


def test_a_shifted_electrode_lies_between_its_neighbours_and_limb_leads_stay(rng):
    settings = replace(NOTHING, electrode_shift=0.4)
    for _ in range(20):
        matrix = spatial_matrix(rng, settings)
        np.testing.assert_allclose(matrix.sum(axis=1), 1)  # a weighted mean
        assert (matrix >= 0).all()
        assert np.array_equal(matrix[:2], np.eye(8)[:2])
        assert not matrix[2:, :2].any()


def test_gain_multiplies_all_leads_alike(rng):
    matrix = spatial_matrix(rng, replace(NOTHING, amplitude=0.5))
    np.testing.assert_allclose(matrix, matrix[0, 0] * np.eye(8))
    assert matrix[0, 0] > 0
    assert matrix[0, 0] != 1


@given(rate=st.floats(0, 0.3), length=st.integers(100, 900), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_window_is_a_straight_line_s_straight_line(rate, length, seed):
    """Linear interpolation of a ramp is a ramp, inside the record, with the drawn slope."""
    ramp = np.tile(np.arange(1000, dtype=np.float32), (8, 1))
    cut = window(ramp, length, np.random.default_rng(seed), replace(NOTHING, rate=rate))
    assert cut.shape == (8, length)
    assert cut.dtype == np.float32
    assert cut.min() >= 0
    assert cut.max() <= 999
    slope = np.diff(cut[0])
    assert slope.mean() == pytest.approx(1, abs=rate + 1e-3)
    np.testing.assert_allclose(slope, slope.mean(), atol=2e-3)


def test_noise_is_independent_between_leads_and_bounded(rng):
    x = np.zeros((8, 5000), dtype=np.float32)
    noisy = disturb(x, 500.0, rng, replace(NOTHING, noise_mv=0.05))
    assert 0 < noisy.std() <= 0.05
    assert np.abs(np.corrcoef(noisy) - np.eye(8)).max() < 0.1
    drifting = disturb(x, 500.0, rng, replace(NOTHING, drift_mv=0.2))
    assert 0 < np.abs(drifting).max() <= 0.2
    assert np.abs(np.diff(drifting)).max() < 0.2 * 2 * np.pi * 0.5 / 500 * 1.01


# --- the source ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    write(simulate(range(10), seed=2, duration_s=4.0).records(), folder / "set")
    return prepare(open_source(folder / "set"), folder / "cache", duration_s=4.0)


@pytest.fixture(scope="module")
def source(cache):
    simulated = (1000 * simulate(range(4), seed=3, duration_s=4.0).signal_mv).astype(np.int16)
    return LeadSource(cache, np.arange(10), SourceSettings(window_s=2.0, simulated_share=0.3), 100.0, simulated)


def test_a_sample_is_the_same_in_any_batch_and_order(source):
    numbers = np.arange(20, 36)
    whole = source.batch(numbers, seed=4)
    assert {name: tuple(x.shape) for name, x in whole.items()} == dict.fromkeys(
        ("signal_mv", "input_mv", "observed"), (16, 8, 200)
    )
    backwards, alone = source.batch(numbers[::-1].copy(), seed=4), source.batch(numbers[5:6], seed=4)
    for name, value in whole.items():
        assert (backwards[name].flip(0) == value).all(), name
        assert (alone[name][0] == value[5]).all(), name
    other = source.batch(numbers, seed=5)
    assert not (other["signal_mv"] == whole["signal_mv"]).all()
    epoch = source.batch(np.arange(10), seed=4)["signal_mv"]
    later = source.batch(np.arange(10, 20), seed=4)["signal_mv"]
    assert not any((a == b).all() for a in epoch for b in later)  # the same records, varied anew


def test_noise_is_on_the_input_alone(source, cache):
    batch = source.batch(np.arange(8), seed=0)
    difference = (batch["input_mv"] - batch["signal_mv"]).abs()
    assert 0 < difference.max() < 0.2
    quiet = LeadSource(cache, np.arange(10), SourceSettings(window_s=2.0, augmentation=NOTHING), 500.0)
    batch = quiet.batch(np.arange(8), seed=0)
    assert (batch["input_mv"] == batch["signal_mv"]).all()


def test_a_source_without_what_it_needs_says_so(cache):
    with pytest.raises(ValueError, match="simulated"):
        LeadSource(cache, np.arange(10), SourceSettings(simulated_share=0.2), 100.0)


def test_whole_records_for_the_published_network(cache):
    batch = PlainSource(cache, np.arange(10), MAIN_SET, 100.0).batch(np.arange(10), seed=1)
    assert batch["signal_mv"].shape == (10, 8, 400)
    assert (batch["observed"].all(dim=2) == batch["observed"].any(dim=2)).all()
    assert [LEADS_8[i] for i in range(8) if batch["observed"][0, i].all()] == list(MAIN_SET)


def test_the_covariance_is_of_records_scaled_to_unit_power(cache):
    found = unit_power_covariance(cache, np.arange(10), block=3)
    x = cache.batch(np.arange(10)).astype(np.float64)
    x /= np.sqrt((x**2).mean(axis=(1, 2), keepdims=True))
    np.testing.assert_allclose(found, np.mean([a @ a.T / a.shape[1] for a in x], axis=0), atol=1e-5)
    assert np.trace(found) == pytest.approx(8)
    assert (np.linalg.eigvalsh(found) > 0).all()
