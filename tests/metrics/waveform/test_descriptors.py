"""Waveform descriptors on signals whose spectrum, rhythm, beats and step are known."""

import numpy as np
import pytest

from gen.leads import LEADS_8
from gen.records import EcgRecord, InputError
from gen.simulate import iter_cohort
from metrics.waveform.descriptors import FAMILIES, describe
from metrics.waveform.descriptors import amplitude as amplitudes
from metrics.waveform.descriptors import coherence as coherences
from metrics.waveform.descriptors import spectrum as spectra
from metrics.waveform.descriptors.beats import BEFORE_S, BeatSet, align, part, variability, windows
from metrics.waveform.descriptors.beats import NAMES as BEATS
from metrics.waveform.descriptors.quantisation import quantisation
from metrics.waveform.descriptors.rhythm import NAMES as RHYTHM
from metrics.waveform.descriptors.rhythm import rhythm

FS_HZ = 500.0
SIZE = 200


def column(names, values, name):
    return values[..., list(names).index(name)]


def of_rr(rr):
    values = rhythm([np.concatenate([[0.0], np.cumsum(rr)])])[0]
    return dict(zip(RHYTHM, values, strict=True))


def bump(length, middle, width):
    return np.exp(-0.5 * ((np.arange(length) - middle) / width) ** 2)


def beat_set(beats, rr_s=0.8):
    """Beats (beat, lead, time) as cut out of a record."""
    count = len(beats)
    return BeatSet(np.arange(count) * rr_s, beats, np.median(beats, axis=0), np.full(count, rr_s), 0.09)


def heartbeat(leads=8):
    """P, QRS with S, and T in leads of growing size, (lead, time) at 250 Hz."""
    middle = BEFORE_S * 250
    shape = 0.1 * bump(SIZE, middle - 40, 5) + bump(SIZE, middle, 3) - 0.4 * bump(SIZE, middle + 10, 3)
    shape += 0.3 * bump(SIZE, middle + 65, 14)
    return np.linspace(0.5, 1.5, leads)[:, None] * shape


class TestSpectrum:
    def test_white_noise_has_its_density_in_every_band_and_every_lead(self, rng):
        sd = 0.02
        values = spectra.spectrum((sd * rng.standard_normal((4, 2, 20_000))).astype(np.float32), FS_HZ)
        level = 10 * np.log10(sd**2 / (FS_HZ / 2))
        names = spectra.names(("I", "V1"))
        for name in names:
            found = column(names, values, name)
            if name.startswith("power") and "0.05" not in name and "0.5_2" not in name:
                assert found == pytest.approx(level, abs=1.0), name
            if name.startswith("noise_floor"):
                assert np.all((found < level) & (found > level - 5.5)), name  # the quietest fifth lies below the mean
            if name.startswith("mains"):
                assert np.all(np.abs(found) < 4), name

    def test_a_line_and_a_drift_are_read_where_they_are(self, rng):
        time = np.arange(5000) / FS_HZ
        noise = 1e-3 * rng.standard_normal((1, 1, 5000))
        plain = spectra.spectrum(noise.astype(np.float32), FS_HZ)[0]
        drift = spectra.spectrum((noise + 0.3 * np.sin(2 * np.pi * 0.3 * time)).astype(np.float32), FS_HZ)[0]
        line = spectra.spectrum((noise + 0.01 * np.sin(2 * np.pi * 50 * time)).astype(np.float32), FS_HZ)[0]
        names = spectra.names(("I",))
        # .045 mV^2 of drift in .45 Hz.
        assert column(names, drift, "power_0.05_0.5hz_db_I") == pytest.approx(10 * np.log10(0.045 / 0.45), abs=1.5)
        assert column(names, line, "mains_50hz_db_I") > 20
        same = [k for k, name in enumerate(names) if name not in ("mains_50hz_db_I", "power_40_48hz_db_I")]
        assert line[same][2:] == pytest.approx(plain[same][2:], abs=0.5)

    def test_missing_samples_are_no_signal_of_their_own(self, rng):
        signal = (0.02 * rng.standard_normal((1, 1, 20_000))).astype(np.float32)
        holed = signal.copy()
        holed[..., 6000:9000] = np.nan
        names = spectra.names(("I",))
        whole, rest = spectra.spectrum(signal, FS_HZ)[0], spectra.spectrum(holed, FS_HZ)[0]
        fast = [k for k, name in enumerate(names) if "0.05" not in name and "0.5_2" not in name]
        assert rest[fast] == pytest.approx(whole[fast], abs=1.0)
        assert np.isnan(column(names, rest, "power_0.05_0.5hz_db_I"))

    def test_bands_above_the_nyquist_frequency_are_not_read(self, rng):
        names = spectra.names(("I",))
        values = spectra.spectrum(rng.standard_normal((1, 1, 1000)).astype(np.float32), 100.0)[0]
        read = {name for name, value in zip(names, values, strict=True) if np.isfinite(value)}
        assert "power_40_48hz_db_I" in read
        assert not {name for name in read if any(high in name for high in ("_58hz", "_98hz", "_238hz", "mains"))}

    def test_an_empty_band_reads_as_the_resolution_not_as_minus_infinity(self):
        time = np.arange(5000) / FS_HZ
        values = spectra.spectrum(np.sin(2 * np.pi * 3 * time)[None, None].astype(np.float32), FS_HZ)[0]
        least = 10 * np.log10(spectra.LEAST_DENSITY)
        assert column(spectra.names(("I",)), values, "power_152_178hz_db_I") == pytest.approx(least, abs=0.01)


class TestRhythm:
    def test_a_steady_rhythm_does_not_vary(self):
        found = of_rr(np.full(10, 0.8))
        assert found["rr_mean_s"] == pytest.approx(0.8)
        assert found["rr_cv_log"] == pytest.approx(np.log10(0.001 / 0.8))
        assert found["rr_lag1"] == found["rr_breathing"] == found["rr_premature_share"] == 0

    def test_alternation(self):
        """Of n values +-d in turn: SD d, RMSSD 2 d, autocorrelation at lag k (-1)^k (n - k) / n."""
        found = of_rr(0.8 + 0.1 * (-1.0) ** np.arange(10))
        assert found["rr_cv_log"] == pytest.approx(np.log10(0.1 / 0.8))
        assert found["rr_rmssd_log"] == pytest.approx(np.log10(0.2 / 0.8))
        assert found["rr_successive_ratio"] == pytest.approx(2.0)
        assert [found[f"rr_lag{k}"] for k in (1, 2, 3)] == pytest.approx([-0.9, 0.8, -0.7])

    def test_breathing_is_a_sine_of_its_band_and_drift_is_none(self):
        times = np.cumsum(np.full(30, 0.8))
        breathing = of_rr(0.8 + 0.03 * np.sin(2 * np.pi * 0.25 * times))
        assert breathing["rr_breathing"] > 0.9
        assert breathing["rr_lag1"] > 0
        drifting = of_rr(np.linspace(0.7, 0.9, 30))
        assert drifting["rr_drift"] > 0.98
        assert drifting["rr_breathing"] < 0.3

    def test_a_premature_beat_and_its_pause(self):
        found = of_rr(np.array([0.8, 0.8, 0.5, 1.1, 0.8, 0.8, 0.8, 0.8]))
        assert found["rr_premature_share"] == pytest.approx(1 / 8)
        assert found["rr_pause_share"] == pytest.approx(1 / 8)

    def test_too_few_beats_are_nan(self):
        assert np.isnan(of_rr(np.array([0.8, 0.9]))["rr_cv_log"])
        assert np.isnan(rhythm([np.array([])])[0]).all()


class TestBeats:
    def test_gains_of_beats_are_their_share_of_energy(self):
        """A beat of (1 + e) times the median beat differs by e^2 of its energy."""
        gains = np.array([0.8, 0.9, 1.0, 1.0, 1.0, 1.1, 1.2])
        found = dict(zip(BEATS, variability([beat_set(gains[:, None, None] * heartbeat())])[0], strict=True))
        for wave in ("p", "qrs", "t"):
            assert found[f"{wave}_variability_median_log"] == pytest.approx(np.log10(0.1**2), abs=1e-6)
            assert found[f"{wave}_variability_upper_log"] == pytest.approx(np.log10(0.2**2), abs=1e-6)
        assert found["beat_gain_sd_log"] == pytest.approx(np.log10(1.4826 * 0.1), abs=1e-6)
        assert found["different_beat_share"] == 0

    def test_a_beat_of_another_form_is_counted_and_moves_no_median(self):
        beats = np.repeat(heartbeat()[None], 8, axis=0)
        beats[3] = -beats[3]
        found = dict(zip(BEATS, variability([beat_set(beats)])[0], strict=True))
        assert found["different_beat_share"] == pytest.approx(1 / 8)
        assert found["qrs_variability_median_log"] == pytest.approx(-4)
        assert found["qrs_variability_upper_log"] > -0.5

    def test_beats_are_aligned_to_fractions_of_a_sample(self, rng):
        true = 150 + np.cumsum(rng.uniform(180, 220, 9))
        time = np.arange(2400)
        signal = sum(np.exp(-0.5 * ((time - at) / 4) ** 2) for at in true)[None] * np.array([[1.0], [-0.5]])
        found = align(signal, np.rint(true + rng.integers(-6, 7, 9)))
        assert found - found.mean() == pytest.approx(true - true.mean(), abs=0.15)

    def test_cubic_cuts_are_exact_on_cubics(self):
        time = np.arange(100.0)
        cut = windows((1e-4 * time**3)[None], np.array([20.3, 40.75]), 10)
        assert cut[:, 0] == pytest.approx(1e-4 * (np.array([[20.3], [40.75]]) + np.arange(10)) ** 3)

    def test_coherence_is_one_between_leads_that_share_a_source_and_low_between_noises(self, rng):
        names = coherences.names(LEADS_8)
        found = coherences.coherence([beat_set(np.repeat(heartbeat()[None], 6, axis=0))], LEADS_8)[0]
        assert found == pytest.approx(np.ones(len(names)), abs=1e-6)
        apart = coherences.coherence([beat_set(rng.standard_normal((40, 8, SIZE)))], LEADS_8)[0]
        assert np.median(apart[-28:]) < 0.5

    def test_amplitudes_are_those_of_the_median_beat(self):
        beats = np.repeat(heartbeat()[None], 7, axis=0)
        beats[0] *= 5
        found = dict(zip(amplitudes.names(LEADS_8), amplitudes.amplitude([beat_set(beats)], LEADS_8)[0], strict=True))
        size = dict(zip(LEADS_8, np.linspace(0.5, 1.5, 8), strict=True))
        qrs = heartbeat()[:, part("qrs")]
        for k, lead in enumerate(LEADS_8):
            assert found[f"r_mv_{lead}"] == pytest.approx(qrs[k].max())
            assert found[f"s_mv_{lead}"] == pytest.approx(-qrs[k].min())
            assert found[f"p_mv_{lead}"] == pytest.approx(0.1 * size[lead], rel=0.05)
            assert found[f"t_mv_{lead}"] == pytest.approx(0.3 * size[lead], rel=0.05)
        assert found["sokolow_mv"] == pytest.approx(found["s_mv_V1"] + found["r_mv_V6"])

    def test_fewer_than_four_beats_are_nan(self):
        few = BeatSet(np.arange(3.0), np.empty((0, 8, SIZE)), np.full((8, SIZE), np.nan), np.array([]), 0.1)
        assert np.isnan(variability([few])).all()
        assert np.isnan(amplitudes.amplitude([few], LEADS_8)).all()
        assert np.isnan(coherences.coherence([few], LEADS_8)).all()


@pytest.mark.parametrize("step_uv", [2.44140625, 4.88, 5.0, 10.0])
def test_the_step_of_stored_values_is_found(rng, step_uv):
    signal = np.cumsum(0.01 * rng.standard_normal((2, 3, 4000)), axis=-1)
    stored = np.round(signal * 1e3 / step_uv) * step_uv / 1e3
    assert quantisation(stored.astype(np.float32))[:, 0] == pytest.approx(np.log2(step_uv), abs=0.02)
    assert quantisation(signal.astype(np.float32))[:, 0] == pytest.approx(0.0)
    assert np.isnan(quantisation(np.zeros((1, 3, 100), np.float32))).all()


@pytest.fixture(scope="module")
def cohort():
    return list(iter_cohort(6, 0, 1, noise="light", fs_hz=250.0, duration_s=10.0))


def test_records_of_twelve_and_of_eight_leads_say_the_same_whatever_comes_with_them(cohort):
    found = describe(cohort)
    assert len(found.names) == len(set(found.names)) == found.values.shape[1] == len(found.families)
    assert set(found.families) == set(FAMILIES)
    eight = describe([record.select(LEADS_8) for record in cohort[:3]], batch=2)
    assert eight.names == found.names
    np.testing.assert_allclose(eight.values, found.values[:3], rtol=1e-3, atol=2e-2)
    array = describe(np.stack([record.signal_mv for record in cohort[3:]]), 250.0, cohort[0].leads)
    np.testing.assert_allclose(array.values, found.values[3:], rtol=1e-3, atol=2e-2)
    assert np.isfinite(found.family("rhythm").values[:, 0]).all()


def test_what_lies_above_40_hz_is_the_spectrums_affair_alone(cohort, rng):
    signal = np.stack([record.select(LEADS_8).signal_mv for record in cohort])
    noise = np.fft.rfft(rng.standard_normal(signal.shape), axis=-1)
    noise[..., np.fft.rfftfreq(signal.shape[-1], 1 / 250.0) < 60] = 0
    noisy = (signal + 0.02 * np.fft.irfft(noise, signal.shape[-1], axis=-1)).astype(np.float32)
    plain, found = describe(signal, 250.0), describe(noisy, 250.0)
    for family in ("rhythm", "coherence", "amplitude"):
        close = np.isclose(found.family(family).values, plain.family(family).values, rtol=0.05, atol=0.05)
        assert close.mean() > 0.99, family  # the larger half of a biphasic wave may change sides
    high = found.names.index("power_75_98hz_db_V1")
    assert np.all(found.values[:, high] > plain.values[:, high] + 3)


def test_one_lead_alone_is_described(cohort):
    found = describe([record.select(("II",)) for record in cohort[:2]])
    assert "r_mv_II" in found.names
    assert not found.family("coherence").names


def test_bad_input_is_named(cohort):
    with pytest.raises(InputError, match="sampling rate"):
        describe(np.zeros((2, 8, 1000)))
    with pytest.raises(InputError, match="leads without names"):
        describe(np.zeros((2, 5, 1000)), 500.0)
    with pytest.raises(InputError, match=r"at least 2 s"):
        describe(np.zeros((2, 8, 100)), 500.0)
    with pytest.raises(InputError, match="same leads"):
        describe([cohort[0], cohort[1].select(("II",))])
    with pytest.raises(InputError, match="no record"):
        describe(iter(list[EcgRecord]()))
    with pytest.raises(InputError, match="unknown"):
        describe(cohort[:1]).family("colour")
