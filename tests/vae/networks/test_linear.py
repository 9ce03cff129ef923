"""The linear and trivial methods against independent solutions."""

import numpy as np
import pytest

from gen.leads import LEADS_8, LeadError
from gen.signals import resample
from vae.networks import linear as baselines
from vae.networks.linear import DOWER, FIR_FS_HZ, FIR_REACH, LinearStatistics

MAIN = ("II", "V1", "V5")


def rows(leads) -> list[int]:
    return [LEADS_8.index(lead) for lead in leads]


def mask(signal: np.ndarray, leads) -> np.ndarray:
    observed = np.zeros(signal.shape, dtype=bool)
    observed[:, rows(leads)] = True
    return observed


def mse(predicted, truth, leads=MAIN) -> float:
    missing = [i for i in range(8) if LEADS_8[i] not in leads]
    return float(((predicted - truth)[:, missing] ** 2).mean())


@pytest.fixture(scope="module")
def slow(population) -> np.ndarray:
    """(64, 8, 1000) mV at 100 Hz."""
    return resample(population, 500.0, FIR_FS_HZ)


@pytest.fixture(scope="module")
def statistics(slow) -> LinearStatistics:
    return LinearStatistics.of(slow, FIR_FS_HZ)


def test_the_moments_are_means_over_records_and_time(slow, statistics):
    x = slow.astype(np.float64)
    np.testing.assert_allclose(statistics.covariance, np.einsum("nat,nbt->ab", x, x) / (64 * 1000), rtol=1e-9)
    centre = 2 * FIR_REACH
    for lag in (-20, -3, 0, 7):
        a, b = x[:, :, max(0, -lag) : 1000 - max(0, lag)], x[:, :, max(0, lag) : 1000 + min(0, lag)]
        expected = np.einsum("nat,nbt->ab", a, b) / (64 * (1000 - abs(lag)))
        np.testing.assert_allclose(statistics.lagged[:, :, centre + lag], expected, atol=1e-9)


@pytest.mark.parametrize("leads", [MAIN, ("I",), ("I", "II", "V2"), LEADS_8[:-1]])
def test_least_squares_is_numpy_s_on_the_fitted_set(slow, statistics, leads):
    found = baselines.least_squares(slow, mask(slow, leads), statistics)
    flat = slow.transpose(1, 0, 2).reshape(8, -1).astype(np.float64)
    weights = np.linalg.lstsq(flat[rows(leads)].T, flat.T, rcond=None)[0].T
    expected = np.einsum("wl,nlt->nwt", weights, slow[:, rows(leads)])
    missing = [i for i in range(8) if LEADS_8[i] not in leads]
    np.testing.assert_allclose(found[:, missing], expected[:, missing], atol=2e-4)
    assert np.array_equal(found[:, rows(leads)], slow[:, rows(leads)])


def test_the_filter_is_the_least_squares_filter_of_its_moments(slow, statistics):
    """Solved a second way: an explicit design matrix over shifted copies, on the inner part of one long record."""
    leads = ("II", "V5")
    long = slow[:6].transpose(1, 0, 2).reshape(1, 8, -1)
    found = baselines.fir_least_squares(long, mask(long, leads), LinearStatistics.of(long, FIR_FS_HZ), FIR_FS_HZ)
    inner = slice(FIR_REACH, long.shape[2] - FIR_REACH)
    shifted = [np.roll(long[0, row].astype(np.float64), -tap)[inner] for row in rows(leads) for tap in range(-10, 11)]
    design = np.stack(shifted, axis=1)
    row = LEADS_8.index("V2")
    weights = np.linalg.lstsq(design, long[0, row, inner].astype(np.float64), rcond=None)[0]
    best = design @ weights
    truth = long[0, row, inner]
    explained = np.mean((truth - best) ** 2)
    assert np.mean((truth - found[0, row, inner]) ** 2) == pytest.approx(explained, rel=0.02)


def test_a_filter_contains_the_instantaneous_map(slow, statistics):
    observed = mask(slow, MAIN)
    plain = mse(baselines.least_squares(slow, observed, statistics), slow)
    filtered = mse(baselines.fir_least_squares(slow, observed, statistics, FIR_FS_HZ), slow)
    assert filtered < plain
    # Moments that vanish at every other lag leave only the middle tap.
    lagged = np.zeros_like(statistics.lagged)
    lagged[:, :, 2 * FIR_REACH] = statistics.covariance
    middle = LinearStatistics(statistics.covariance, lagged)
    np.testing.assert_allclose(
        baselines.fir_least_squares(slow, observed, middle, FIR_FS_HZ),
        baselines.least_squares(slow, observed, statistics),
        atol=2e-3,
    )


@pytest.mark.parametrize("length", [500, 4999, 5000, 5003])
def test_the_filter_takes_any_length_at_500_hz(population, statistics, length):
    x = np.concatenate([population[:2], population[:2, :, :10]], axis=2)[:, :, :length]
    found = baselines.fir_least_squares(x, mask(x, MAIN), statistics, 500.0)
    assert found.shape == x.shape
    assert np.isfinite(found).all()
    assert mse(found, x) < mse(np.zeros_like(x), x)


@pytest.mark.parametrize("leads", [MAIN, ("I",), ("V1", "V6")])
def test_weights_of_one_s_own_are_at_least_as_good_for_every_record(slow, statistics, leads):
    observed = mask(slow, leads)
    own = baselines.per_patient(slow, observed)
    population = baselines.least_squares(slow, observed, statistics)
    for k in range(len(slow)):
        assert mse(own[k : k + 1], slow[k : k + 1], leads) <= mse(population[k : k + 1], slow[k : k + 1], leads) + 1e-6


def test_nearest_copies_the_lead_that_correlates_best(slow, statistics):
    found = baselines.copy_nearest(slow, mask(slow, MAIN), statistics)
    flat = slow.transpose(1, 0, 2).reshape(8, -1)
    for row, lead in enumerate(LEADS_8):
        products = [flat[row] @ flat[other] / np.linalg.norm(flat[other]) for other in rows(MAIN)]
        source = row if lead in MAIN else rows(MAIN)[int(np.argmax(products))]
        assert np.array_equal(found[:, row], slow[:, source])


def test_dower_is_exact_for_a_dipole(rng):
    dipole = rng.normal(size=(3, 3, 400)).astype(np.float32)
    signal = np.einsum("lx,nxt->nlt", DOWER, dipole).astype(np.float32)
    for leads in (MAIN, ("I", "II", "V2"), LEADS_8):
        np.testing.assert_allclose(baselines.dower(signal, mask(signal, leads)), signal, atol=1e-4)


@pytest.mark.parametrize("method", ["least_squares", "fir_least_squares", "copy_nearest", "dower"])
@pytest.mark.parametrize("value", [1e3, np.nan])
def test_what_is_not_observed_has_no_influence(slow, statistics, method, value):
    extra = {"least_squares": (statistics,), "copy_nearest": (statistics,), "dower": ()}
    arguments = extra.get(method, (statistics, FIR_FS_HZ))
    observed = mask(slow, MAIN)
    function = getattr(baselines, method)
    changed = np.where(observed, slow, np.float32(value))
    assert np.array_equal(function(changed, observed, *arguments), function(slow, observed, *arguments))


def test_the_upper_reference_is_the_one_that_reads_the_truth(slow):
    observed = mask(slow, MAIN)
    other = np.where(observed, slow, slow[::-1])
    assert not np.allclose(baselines.per_patient(other, observed), baselines.per_patient(slow, observed))


def test_holes_are_refused_by_name(slow, statistics):
    observed = mask(slow, MAIN)
    observed[0, 1, 300:] = False
    with pytest.raises(LeadError, match=r"'fir' takes whole leads.*default"):
        baselines.fir_least_squares(slow, observed, statistics, FIR_FS_HZ)


def test_shipped_moments_predict_simulated_hearts(slow):
    """They come from real patients: in a simulated heart they should find most of the signal, if not all of it."""
    from vae.predictors import WEIGHTS

    shipped = LinearStatistics.load(WEIGHTS / "linear")
    found = baselines.least_squares(slow, mask(slow, MAIN), shipped)
    assert mse(found, slow) < 0.5 * mse(np.zeros_like(slow), slow)
