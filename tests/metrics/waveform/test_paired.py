import numpy as np
import pytest
from scipy import stats

from gen.records import InputError
from metrics.waveform.alignment import align, mean_beat, mean_beat_baseline, r_peaks
from metrics.waveform.ensemble import crps
from metrics.waveform.paired import error_sums, lead_errors, mse, paired_errors, pearson, record_errors, summarise


@pytest.fixture
def pair(rng):
    x = np.cumsum(rng.standard_normal((6, 3, 200)), axis=-1) * 0.1
    return x, 0.8 * x + 0.1 * rng.standard_normal(x.shape) + 0.05


def test_every_error_agrees_with_its_formula(pair):
    x, y = pair
    found = paired_errors(reference=x, generated=y)
    assert found.mse == pytest.approx(np.mean((x - y) ** 2))
    assert found.mae == pytest.approx(np.mean(np.abs(x - y)))
    assert found.rmse == pytest.approx(np.sqrt(found.mse))
    assert found.rmse_record_mean == pytest.approx(np.sqrt(((x - y) ** 2).mean(axis=(1, 2))).mean())
    assert found.rmse_record_mean < found.rmse  # Jensen: they are different numbers
    assert found.nrmse == pytest.approx((np.sqrt(((x - y) ** 2).mean(-1)) / np.ptp(x, axis=-1)).mean())
    energy = (x**2).sum(axis=(1, 2)) / ((x - y) ** 2).sum(axis=(1, 2))
    assert found.prd == pytest.approx((100 / np.sqrt(energy)).mean())
    assert found.snr_db == pytest.approx((10 * np.log10(energy)).mean())
    rest = ((x - x.mean(-1, keepdims=True)) ** 2).sum()
    assert found.r2 == pytest.approx(1 - ((x - y) ** 2).sum() / rest)
    values = [[stats.pearsonr(a, b)[0] for a, b in zip(p, q, strict=True)] for p, q in zip(x, y, strict=True)]
    assert found.pearson_mean == pytest.approx(np.mean(values))
    assert found.pearson_median == pytest.approx(np.median(values))
    assert found.pearson_fisher == pytest.approx(np.tanh(np.arctanh(values).mean()))


def test_only_scored_samples_count(pair):
    x, y = pair
    mask = np.array([False, True, True])[:, None]
    x, y = x.copy(), y.copy()
    y[:, 0] = 1e6
    x[:, 0] = np.nan  # an unscored lead may be missing altogether
    found = paired_errors(reference=x, generated=y, mask=mask)
    assert found == paired_errors(reference=x[:, 1:], generated=y[:, 1:])
    assert np.isnan(lead_errors(error_sums(reference=x, generated=y, mask=mask))["mse"][0])


def test_a_hole_in_time_is_scored_alone(pair):
    x, y = pair
    hole = np.arange(200) < 50
    assert mse(reference=x, generated=y, mask=hole) == pytest.approx(np.mean((x - y)[..., :50] ** 2))


def test_record_and_lead_errors_average_to_the_set(pair):
    x, y = pair
    sums = error_sums(reference=x, generated=y)
    for parts in (record_errors(sums), lead_errors(sums)):
        assert parts["mse"].mean() == pytest.approx(summarise(sums).mse)
        assert parts["pcc"].mean() == pytest.approx(summarise(sums).pearson_mean)


def test_flat_leads_have_no_correlation_and_are_counted(pair):
    x, y = (z.copy() for z in pair)
    y[2, 1] = 3.0
    found = pearson(error_sums(reference=x, generated=y))
    assert found.flat == 1
    assert np.isnan(found.values[2, 1])
    assert np.isfinite(found.mean)
    all_flat = paired_errors(reference=x, generated=np.zeros_like(x))
    assert np.isnan(all_flat.pearson_mean)
    assert all_flat.flat == 18


def test_a_large_offset_does_not_spoil_the_correlation(pair):
    x, y = pair
    near, far = (pearson(error_sums(reference=x + o, generated=y + o)).mean for o in (0, 1e5))
    assert far == pytest.approx(near, abs=1e-9)


def test_perfect_prediction(pair):
    found = paired_errors(reference=pair[0], generated=pair[0])
    assert (found.mse, found.mae, found.prd, found.r2) == (0, 0, 0, 1)
    assert found.snr_db == pytest.approx(100)
    assert found.pearson_fisher == pytest.approx(1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"generated": np.zeros((6, 3, 199))}, "shapes"),
        ({"mask": np.zeros((3, 1), dtype=bool)}, "no sample is scored"),
        ({"mask": np.ones((4, 1), dtype=bool)}, "broadcasts"),
        ({"generated": np.full((6, 3, 200), np.nan)}, "NaN"),
    ],
)
def test_bad_input_is_named(pair, given, message):
    with pytest.raises(InputError, match=message):
        error_sums(**{"reference": pair[0], "generated": pair[1], **given})


def test_one_common_lag_is_found(rng):
    x = rng.standard_normal((4, 3, 500))
    lags = [0, 37, -80, 100]
    y = np.stack([np.roll(2 * record, -lag, axis=-1) + 5 for record, lag in zip(x, lags, strict=True)])
    first, second, found = align(reference=x, generated=y, fs_hz=100, max_lag_s=1)
    np.testing.assert_array_equal(found, lags)
    np.testing.assert_allclose(second, 2 * first, atol=1e-9)


def test_a_lag_beyond_the_limit_is_not_tried(rng):
    x = rng.standard_normal((2, 1, 500))
    assert (np.abs(align(reference=x, generated=np.roll(x, 150, -1), fs_hz=100, max_lag_s=1)[2]) <= 100).all()


def beats(rng, peaks, time=1000):
    shape = np.exp(-0.5 * ((np.arange(41) - 20) / 4.0) ** 2)
    x = np.zeros((1, 2, time))
    for peak in peaks:
        x[0, :, peak - 20 : peak + 21] += [[1], [0.5]] * shape
    return x + 0.005 * rng.standard_normal(x.shape)


def test_r_peaks_and_mean_beat(rng):
    peaks = np.array([100, 300, 470, 700, 900])
    x = beats(rng, peaks)
    found = r_peaks(x[0], 250)
    np.testing.assert_allclose(found, peaks, atol=8)
    beat = mean_beat(x, 250)
    assert beat.shape == (2, 200)
    assert beat[0].max() == pytest.approx(1, abs=0.1)
    rebuilt = mean_beat_baseline(x, beat, 250)
    assert mse(reference=x, generated=rebuilt) < 0.1 * mse(reference=x, generated=np.zeros_like(x))
    assert len(r_peaks(np.zeros((2, 1000)), 250)) == 0
    assert len(r_peaks(np.zeros((2, 10)), 250)) == 0


def test_crps_of_a_gaussian_has_its_closed_form(rng):
    """CRPS(N(0,1), y) = y (2 Phi(y) - 1) + 2 phi(y) - 1/sqrt(pi) (Gneiting & Raftery 2007)."""
    y = np.array([-1.0, 0.0, 2.0])
    expected = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    draws = rng.standard_normal((4000, 3))
    np.testing.assert_allclose(crps(reference=y, generated=draws), expected, atol=0.03)


def test_crps_is_unbiased_in_the_number_of_draws(rng):
    few = crps(reference=np.zeros(50000), generated=rng.standard_normal((2, 50000))).mean()
    assert few == pytest.approx((np.sqrt(2) - 1) / np.sqrt(np.pi), abs=0.012)
    assert crps(reference=np.array([1.0]), generated=np.array([[3.0]])) == 2
