"""gen.signals: resampling and filters against closed forms."""

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from gen.signals import bandpass, fill_gaps, highpass, lowpass, millivolt_factor, notch, pearson, resample

FS_HZ = 500.0


def sine(frequency_hz: float, seconds: float = 10.0, fs_hz: float = FS_HZ) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * fs_hz)) / fs_hz)


def gain(filtered: np.ndarray, original: np.ndarray) -> float:
    """Amplitude ratio away from the ends."""
    middle = slice(len(original) // 4, -(len(original) // 4))
    return float(np.std(filtered[middle]) / np.std(original[middle]))


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("mV", 1), ("uV", 1e-3), ("\N{MICRO SIGN}V", 1e-3), ("\N{GREEK SMALL LETTER MU}V", 1e-3), ("V", 1e3), ("nV", 1e-6),
     (" MV ", 1), ("microvolt", 1e-3), ("Millivolt", 1)],
)  # fmt: skip
def test_units_of_voltage(unit, factor):
    assert millivolt_factor(unit) == factor


@pytest.mark.parametrize("unit", ["", "mmHg", "adu", "NU", "m", "mVs"])
def test_other_units_are_refused(unit):
    with pytest.raises(ValueError, match="cannot be converted to mV; accepted: V, mV, uV, nV"):
        millivolt_factor(unit)


@pytest.mark.parametrize("new_fs_hz", [100, 128, 240, 250, 257, 300, 360, 1000, 62.5])
@pytest.mark.parametrize("fs_hz", [100, 257, 360, 500, 1000])
def test_a_slow_sine_is_the_same_sine_at_any_rate(fs_hz, new_fs_hz):
    """Sample n stands at n / fs before and after: a shift of half a sample would show as an error of 3 %."""
    out = resample(sine(3, fs_hz=fs_hz), fs_hz, new_fs_hz)
    expected = sine(3, fs_hz=new_fs_hz)
    assert out.shape == expected.shape
    inner = slice(len(out) // 10, -(len(out) // 10))
    np.testing.assert_allclose(out[inner], expected[inner], atol=0.01)


def test_what_the_new_rate_cannot_hold_is_removed_not_aliased():
    too_fast = sine(80)  # would fold to 20 Hz at 100 Hz
    assert gain(resample(too_fast, 500, 100), sine(20, fs_hz=100)) < 0.01
    assert np.std(too_fast[::5]) > 0.5  # plain decimation does alias


@given(
    length=st.integers(1, 400),
    fs_hz=st.sampled_from([100, 250, 300, 333.3, 500]),
    new_fs_hz=st.sampled_from([50, 100, 128, 500, 999.9]),
    value=st.floats(-50, 50, width=32),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=80, deadline=None)
def test_length_dtype_and_constants(length, fs_hz, new_fs_hz, value, dtype):
    out = resample(np.full((2, length), value, dtype), fs_hz, new_fs_hz)
    assert out.shape == (2, max(1, round(length * new_fs_hz / fs_hz)))
    assert out.dtype == dtype
    np.testing.assert_allclose(out, value, atol=2e-3 * max(1, abs(value)))  # an offset does not ring at the ends


def test_the_same_rate_changes_nothing(rng):
    signal = rng.normal(size=(2, 50))
    assert resample(signal, 360, 360) is signal


@pytest.mark.parametrize(("fs_hz", "new_fs_hz"), [(0, 100), (100, 0), (-1, 5)])
def test_rates_must_be_positive(fs_hz, new_fs_hz):
    with pytest.raises(ValueError, match="must be above 0 Hz"):
        resample(np.zeros(10), fs_hz, new_fs_hz)


def test_leads_are_resampled_independently(rng):
    signal = rng.normal(size=(3, 4, 600))
    out = resample(signal, 300, 500)
    np.testing.assert_allclose(out[1, 2], resample(signal[1, 2], 300, 500), atol=1e-12)


@pytest.mark.parametrize("new_fs_hz", [100, 250, 1000])
def test_gaps_stay_where_they_were(new_fs_hz):
    signal = np.stack([sine(1), sine(1)])
    signal[0, 1000:2000] = np.nan  # seconds 2 to 4
    out = resample(signal, FS_HZ, new_fs_hz)
    gap = np.flatnonzero(np.isnan(out[0])) / new_fs_hz
    assert gap[0] == pytest.approx(2, abs=1 / new_fs_hz + 1 / FS_HZ)
    assert gap[-1] == pytest.approx(4, abs=1 / new_fs_hz + 1 / FS_HZ)
    assert len(gap) == pytest.approx(2 * new_fs_hz, abs=2)
    assert np.isfinite(out[1]).all()
    assert np.isnan(resample(np.full(100, np.nan), 500, new_fs_hz)).all()


def test_fill_gaps_interpolates():
    signal = np.array([[np.nan, 1, np.nan, np.nan, 4, np.nan], [np.nan] * 6, [0, 1, 2, 3, 4, 5]])
    before = signal.copy()
    np.testing.assert_allclose(fill_gaps(signal), [[1, 1, 2, 3, 4, 4], [0] * 6, [0, 1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(signal, before)


@pytest.mark.parametrize(
    ("apply", "kept_hz", "removed_hz"),
    [
        (lambda x: lowpass(x, FS_HZ, 40), 5, 120),
        (lambda x: highpass(x, FS_HZ, 0.5), 5, 0.1),
        (lambda x: bandpass(x, FS_HZ, 0.5, 40), 5, 120),
        (lambda x: bandpass(x, FS_HZ, 0.5, 40), 5, 0.1),
        (lambda x: notch(x, FS_HZ, 50), 30, 50),
        (lambda x: notch(x, FS_HZ, 60), 50, 60),
    ],
)
def test_filters_keep_and_remove(apply, kept_hz, removed_hz):
    kept, removed = sine(kept_hz, 40), sine(removed_hz, 40)
    assert gain(apply(kept), kept) == pytest.approx(1, abs=0.02)
    assert gain(apply(removed), removed) < 0.05
    middle = slice(5000, -5000)
    np.testing.assert_allclose(apply(kept)[middle], kept[middle], atol=0.03)  # zero phase: nothing is delayed


def test_half_power_twice_at_the_cutoff():
    """Forward and backward: a Butterworth filter has 1/sqrt(2) at its cutoff in one pass, 1/2 in two."""
    assert gain(lowpass(sine(40, 40), FS_HZ, 40), sine(40, 40)) == pytest.approx(0.5, abs=0.01)
    assert gain(highpass(sine(0.5, 200), FS_HZ, 0.5), sine(0.5, 200)) == pytest.approx(0.5, abs=0.01)


def test_highpass_removes_an_offset_to_the_ends():
    # An odd continuation at the ends mirrors a constant into itself, so nothing rings.
    np.testing.assert_allclose(highpass(np.full(2500, 3.0), FS_HZ), 0, atol=1e-6)


def test_a_filter_above_the_band_changes_nothing():
    slow = sine(5, fs_hz=60)
    np.testing.assert_array_equal(notch(slow, 60, 50), slow)
    np.testing.assert_array_equal(lowpass(slow, 60, 40), slow)
    assert np.isfinite(bandpass(slow, 60, 0.5, 40)).all()


@pytest.mark.parametrize("apply", [lowpass, highpass, notch, lambda x, fs: bandpass(x, fs, 0.5, 40)])
def test_short_and_float32_signals_pass(apply):
    for length in (1, 2, 7, 100):
        out = apply(np.ones((2, length), np.float32), FS_HZ)
        assert out.shape == (2, length)
        assert out.dtype == np.float32
        assert np.isfinite(out).all()


def test_correlation_is_numpy_s(rng):
    a, b = rng.normal(size=(2, 4, 3, 50))
    expected = [[np.corrcoef(a[i, j], b[i, j])[0, 1] for j in range(3)] for i in range(4)]
    np.testing.assert_allclose(pearson(a, b), expected)
    np.testing.assert_allclose(pearson(a.astype(np.float32), b.astype(np.float32)), expected, rtol=1e-5)
    still = np.full((1, 50), np.float32(0.1))  # whose mean in float32 is not 0.1
    assert np.isnan(pearson(still, b[:1, 0])).all()
    assert np.isnan(pearson(b[:1, 0], still)).all()


@pytest.mark.parametrize("shape", [(2000,), (3, 2000), (2, 3, 400), (3, 20)])
def test_a_kept_design_filters_as_scipy_does(shape, rng):
    x = rng.standard_normal(shape).cumsum(axis=-1)
    sos = scipy.signal.butter(3, [0.7, 40.0], btype="bandpass", fs=200.0, output="sos")
    wanted = scipy.signal.sosfiltfilt(sos, x, axis=-1, padlen=min(shape[-1] - 1, 400))
    for _ in range(2):
        assert np.array_equal(bandpass(x, 200.0, 0.7, 40.0), wanted)
