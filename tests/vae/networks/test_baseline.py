"""The slow baseline: what is taken out exactly, what jumps and holes do, and what is said of leads nobody recorded."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from gen.leads import LEADS_8, LEADS_12
from gen.signals import highpass
from gen.simulate import simulate
from vae.networks.baseline import (
    DRIFT_HZ,
    DriftPrior,
    drift_covariance,
    slow_basis,
    slow_draw,
    slow_part,
    slow_with_jumps,
    whole_slow_part,
)
from vae.pipeline import load

FS = 500.0
MAIN = ("II", "V1", "V5")
TOLERANCE_MV = 0.002


@pytest.fixture(scope="module")
def shipped():
    return load()


@pytest.fixture(scope="module")
def record():
    return simulate(range(1), seed=7, noise="light").records()[0]


@pytest.fixture(scope="module")
def plain(shipped, record):
    return shipped(record, leads=MAIN).record


def steady(signal):
    """What lies above .5 Hz, without the filter's own ends."""
    return highpass(np.asarray(signal, dtype=np.float64), FS, 0.5)[..., 250:-250]


# --- the projection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [500, 777, 2500, 5000, 5500])
def test_slow_functions_are_orthonormal_and_taken_out_exactly(length):
    basis = slow_basis(length, FS)
    gram = basis.blocks @ basis.blocks.T
    torch.testing.assert_close(gram, torch.eye(len(gram), dtype=torch.float64), atol=1e-9, rtol=0)
    weights = torch.randn(3, len(gram), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    slow = weights @ basis.full
    torch.testing.assert_close(whole_slow_part(slow, basis), slow, atol=1e-8, rtol=0)
    noise = torch.randn(3, length, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rest = noise - whole_slow_part(noise, basis)
    torch.testing.assert_close(rest, noise + slow - whole_slow_part(noise + slow, basis), atol=1e-8, rtol=0)


def test_constants_and_drift_of_the_stated_band_are_held(record):
    basis, t = slow_basis(5000, FS), torch.arange(5000, dtype=torch.float64) / FS
    for hz in (0.0, 0.05, 0.1, 0.2, 0.25, 0.97 * DRIFT_HZ):
        for phase in (0.0, 0.8, 1.6):
            wave = torch.cos(2 * torch.pi * hz * t + phase)[None]
            rest = (wave - whole_slow_part(wave, basis)).numpy()
            assert np.abs(steady(rest)).max() < TOLERANCE_MV, (hz, phase)
    heart = torch.cos(2 * torch.pi * 1.0 * t)[None]
    assert whole_slow_part(heart, basis).square().mean() < 0.06 * heart.square().mean()


def test_without_holes_the_general_fit_is_the_projection():
    x = torch.randn(2, 3, 1000, generator=torch.Generator().manual_seed(2))
    basis = slow_basis(1000, FS)
    everywhere = torch.ones(x.shape, dtype=torch.bool)
    torch.testing.assert_close(slow_part(x, everywhere, basis), whole_slow_part(x, basis), atol=1e-5, rtol=0)
    nowhere = ~everywhere
    assert not slow_part(x, nowhere, basis).any()


# --- the shipped model ------------------------------------------------------------------------------------------------


def test_offsets_and_slow_drift_do_not_reach_the_rebuilt_leads(shipped, record, plain):
    t = np.arange(record.num_samples) / FS
    for added in (0.3, -2.0, 50.0, np.cos(2 * np.pi * 0.1 * t), 0.5 * np.sin(2 * np.pi * 0.28 * t + 1)):
        signal = record.signal_mv.copy()
        for lead, sign in (("II", 1), ("V1", -1), ("V5", 0.5)):
            signal[LEADS_12.index(lead)] += np.float32(sign) * added
        moved = shipped(replace(record, signal_mv=signal), leads=MAIN).record
        rows = [LEADS_12.index(lead) for lead in ("I", "V2", "V3", "V4", "V6")]
        change = steady(moved.signal_mv[rows]) - steady(plain.signal_mv[rows])
        assert np.abs(change).max() < TOLERANCE_MV


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_the_recorder_s_gain_is_followed(shipped, record, plain, gain):
    scaled = shipped(replace(record, signal_mv=gain * record.signal_mv), leads=MAIN).record
    np.testing.assert_allclose(steady(scaled.signal_mv) / gain, steady(plain.signal_mv), atol=TOLERANCE_MV)


def test_an_electrode_put_on_again_does_not_ring(shipped, record, plain):
    signal = record.signal_mv.copy()
    signal[LEADS_12.index("V1"), 2600:] += 1.0
    moved = shipped(replace(record, signal_mv=signal), leads=MAIN).record
    rows = [LEADS_12.index(lead) for lead in ("V2", "V3", "V4", "V6")]
    change = np.abs(steady(moved.signal_mv[rows]) - steady(plain.signal_mv[rows]))
    assert np.sqrt((change**2).mean()) < 0.02
    assert change[:, :1500].max() < 0.05


def test_holes_do_not_ring_under_an_offset(shipped, record):
    signal = record.signal_mv.copy()
    signal[LEADS_12.index("II"), 1500:2000] = np.nan
    holed = shipped(replace(record, signal_mv=signal), leads=MAIN).record
    signal[LEADS_12.index("II")] += 1.5
    signal[LEADS_12.index("V5")] -= 0.8
    moved = shipped(replace(record, signal_mv=signal), leads=MAIN).record
    rows = [LEADS_12.index(lead) for lead in ("V2", "V3", "V4", "V6")]
    change = steady(moved.signal_mv[rows]) - steady(holed.signal_mv[rows])
    assert np.abs(change).max() < TOLERANCE_MV


def test_the_band_says_that_offsets_cannot_be_known(shipped, record):
    offset = replace(record, signal_mv=record.signal_mv + np.float32(1.0) * (np.arange(12) % 3 - 1)[:, None])
    plain, moved = shipped(record, leads=MAIN), shipped(offset, leads=MAIN)
    row = LEADS_12.index("V3")
    widths = [np.ptp(r.bands[90], axis=0)[row].mean() for r in (plain, moved)]
    assert widths[1] > 4 * widths[0]
    steady_widths = [np.ptp(r.steady_bands[90], axis=0)[row].mean() for r in (plain, moved)]
    np.testing.assert_allclose(steady_widths[1], steady_widths[0], rtol=0.01)


# --- jumps ------------------------------------------------------------------------------------------------------------


def test_a_jump_is_found_where_it_is_and_none_where_there_is_none():
    heart = torch.from_numpy(simulate(range(4), seed=3, noise="none").signal_mv[:, 6:7])
    everywhere = torch.ones(heart.shape, dtype=torch.bool)
    quiet = slow_with_jumps(heart, everywhere, FS)
    assert np.abs(np.diff(quiet.numpy(), axis=2)).max() < 0.02
    jumped = heart.clone()
    jumped[:, :, 3100:] += 1.0
    slow = slow_with_jumps(jumped, everywhere, FS).numpy()[:, 0]
    steps = np.abs(np.diff(slow, axis=1))
    assert (np.abs(steps.argmax(axis=1) - 3099) <= 2).all()
    assert (np.abs(steps.max(axis=1) - 1) < 0.25).all()


# --- leads that nobody recorded ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [2, 3])
def test_short_strips_have_no_jumps_for_a_few_complexes_to_be_taken_for(seconds):
    signal = torch.from_numpy(simulate(range(16), seed=11, noise="none").signal_mv[:, :, : seconds * 500].copy())
    observed = torch.ones_like(signal, dtype=torch.bool)
    plain = slow_part(signal, observed, slow_basis(signal.shape[2], 500.0))
    assert float((slow_with_jumps(signal, observed, 500.0) - plain).abs().max()) < 1e-3


def test_a_small_baseline_is_shared_and_a_large_one_is_not(covariance):
    prior = DriftPrior(torch.tensor(0.01 * covariance))
    given = torch.zeros(2, 8, dtype=torch.bool)
    given[:, 6] = True
    slow = torch.zeros(2, 8, 100)
    slow[0, 6], slow[1, 6] = 0.01, 3.0
    eight, half = prior(slow, given)
    assert torch.equal(eight[:, 6], slow[:, 6])
    share = eight[:, 7, 0] / slow[:, 6, 0]
    regression = covariance[6, 7] / covariance[6, 6]
    assert 0.5 * regression < share[0] < regression
    assert abs(float(share[1])) < 0.05
    assert (half[1] > 50 * half[0]).all() or float(half[0, 1]) < float(half[1, 1]) / 20


@pytest.mark.parametrize("leads", [1, 2, 3])
def test_bands_of_offsets_hold_their_share(covariance, leads):
    """Offsets N(0, 1 mV) on given and missing leads alike."""
    count, rng = 4000, np.random.default_rng(leads)
    offsets = torch.from_numpy(rng.standard_normal((count, 8, 1)))
    given = torch.zeros(count, 8, dtype=torch.bool)
    given[:, 5 : 5 + leads] = True
    eight, half = DriftPrior(torch.tensor(0.01 * covariance))(torch.where(given[..., None], offsets, 0.0), given)
    error = (offsets - eight)[:, 0, 0].abs()
    for number, level in enumerate((0.5, 0.9)):
        assert abs(float((error <= half[:, number]).double().mean()) - level) < 0.04


def test_drift_covariance_is_that_of_what_was_put_in():
    rng = np.random.default_rng(0)
    full = slow_basis(1000, FS).full.numpy()
    root = np.linalg.cholesky(0.01 * (0.5 * np.eye(8) + 0.5))
    weights = root @ rng.standard_normal((3000, 8, len(full)))
    found = drift_covariance([(weights @ full).astype(np.float32)], FS)
    correlation = found / np.sqrt(np.outer(np.diag(found), np.diag(found)))
    np.testing.assert_allclose(correlation[~np.eye(8, dtype=bool)], 0.5, atol=0.06)


def test_draws_of_the_baseline_are_as_wide_as_their_band():
    drawn = np.stack([slow_draw(np.random.default_rng(k), 2500, FS) for k in range(300)])
    assert drawn.shape == (300, len(LEADS_8), 2500)
    assert abs(drawn.std() * norm.ppf(0.95) - 1) < 0.05
