"""Parts of the simulated cohort: lead field, waves, noise, rhythm, measurement, fitted population."""

import numpy as np
import pytest

from gen.evaluation.cohort import compare
from gen.simulate import simulate
from gen.simulate.fit import _pack, decompose
from gen.simulate.leadfield import DOWER, LEADS_TO_SOURCE, NEAR_FIELD, SOURCE_TO_LEADS, patient_lead_field, rotation
from gen.simulate.measure import find_beats, measure
from gen.simulate.noise import LEVELS, NoiseLevel, draw_noise
from gen.simulate.population import COLUMNS, LATENT, loops_of, population, unpack
from gen.simulate.rhythm import draw_rhythm, sinus_rr
from gen.simulate.waves import WAVES


def test_near_field_completes_the_dipole_to_the_eight_leads():
    np.testing.assert_allclose(DOWER.T @ NEAR_FIELD, 0, atol=1e-12)
    np.testing.assert_allclose(NEAR_FIELD.T @ NEAR_FIELD, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(SOURCE_TO_LEADS @ LEADS_TO_SOURCE, np.eye(8), atol=1e-12)


def test_lead_field_of_a_patient(rng):
    np.testing.assert_allclose(patient_lead_field(np.zeros(3), np.zeros(6), np.ones(8)), SOURCE_TO_LEADS, atol=1e-12)
    turn = rotation(rng.normal(0, 20, 3))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_displaced_electrodes_hear_a_mixture_of_neighbours():
    moved = patient_lead_field(np.zeros(3), np.array([0, 0.25, 0, 0, 0, 0]), np.ones(8))
    np.testing.assert_allclose(moved[3], 0.75 * SOURCE_TO_LEADS[3] + 0.25 * SOURCE_TO_LEADS[4])
    np.testing.assert_allclose(moved[[0, 1, 2, 4, 5, 6, 7]], SOURCE_TO_LEADS[[0, 1, 2, 4, 5, 6, 7]])


def test_kernels_peak_at_their_centres():
    for wave in WAVES:
        values = wave(np.asarray(wave.centres))
        np.testing.assert_allclose(np.diag(values), 1.0)
        assert wave(np.array([-wave.reach - 0.3])).max() < 0.05


def test_packed_numbers_come_back(rng):
    values = rng.standard_normal((3, 50)) * np.array([[1.0], [1e-3], [40.0]])
    error = np.abs(unpack(_pack(values)) - values)
    assert (error <= np.abs(values).max(axis=1, keepdims=True) / 6e4).all()


def test_the_population_has_the_right_shapes_and_no_patient():
    pop = population()
    assert pop.components.shape == (LATENT, COLUMNS)
    assert pop.effect.shape == (pop.covariates + len(pop.codes), COLUMNS)
    assert len(pop.regimes) == 3


def test_average_normal_heart_is_normal():
    loops = loops_of(np.zeros(LATENT), np.zeros(COLUMNS), "M", 50, 70, {"NORM": 1.0}, None)
    assert 0.075 < loops.qrs_s < 0.105
    assert 0.14 < loops.pq_s < 0.18
    assert 0.25 < loops.st_s < 0.34


def test_fast_rates_shorten_repolarisation():
    slow, fast = (
        loops_of(np.zeros(LATENT), np.zeros(COLUMNS), "F", 50, rate, {"NORM": 1.0}, None).st_s for rate in (55, 110)
    )
    assert slow > fast + 0.04


def test_noise_obeys_its_levels(rng):
    quiet = draw_noise(rng, NoiseLevel(), 5000, 500.0)
    assert not quiet.any()
    rms = {
        name: np.median([draw_noise(rng, level, 5000, 500.0).std() for _ in range(12)])
        for name, level in LEVELS.items()
    }
    assert rms["none"] == 0
    assert 0.005 < rms["light"] < 0.06
    assert rms["wearable"] > 3 * rms["light"]


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_mains_hum_is_at_its_frequency(rng, mains):
    hum = draw_noise(rng, NoiseLevel(mains_mv=0.05, mains_hz=mains), 5000, 500.0)
    spectrum = np.abs(np.fft.rfft(hum[1]))
    assert np.fft.rfftfreq(5000, 1 / 500.0)[spectrum.argmax()] == pytest.approx(mains)


def test_respiratory_arrhythmia_fades_with_age():
    young, old = (
        np.mean([sinus_rr(np.random.default_rng(k), 0.85, 40, age, 1.0, False).std() for k in range(40)])
        for age in (18, 75)
    )
    assert young > 1.3 * old


@pytest.mark.parametrize("codes", [("AFIB",), ("AFLT",), ("3AVB",), ("PACE",), ("2AVB",), ("PVC",), ()])
def test_beats_are_in_order_and_never_closer_than_refractoriness(codes):
    for k in range(20):
        rhythm = draw_rhythm(
            np.random.default_rng(k),
            frozenset(codes),
            {},
            rate=80.0,
            pq_s=0.16,
            age=60.0,
            variability=1.0,
            duration_s=10.0,
        )
        assert np.diff(rhythm.qrs_on).min() > 0.2
        assert rhythm.qrs_on[0] < (1.5 if "2AVB" in codes else 0.0)  # the last beat before may be the dropped one
        assert rhythm.qrs_on[-1] > 10.0


def test_measurement_agrees_with_truth():
    batch = simulate(range(25), seed=12, conditions={"statements": ["NORM"]})
    errors = []
    for signal, truth in zip(batch.signal_mv, batch.truth, strict=True):
        inside = [b for b in truth.beats if 0.1 < b.qrs[0] < 9.8]
        assert abs(len(find_beats(signal, 500.0)) - len(inside)) <= 2  # the first and the last may be cut
        m = measure(signal, 500.0)
        errors.append(
            [
                1e3 * (m.qrs_on - m.p_on) - truth.pr_ms,
                1e3 * (m.qrs_off - m.qrs_on) - truth.qrs_ms,
                1e3 * (m.t_off - m.qrs_on) - truth.qt_ms,
            ]
        )
    assert np.abs(np.median(errors, axis=0)).max() < 12


def test_decomposition_of_a_simulated_beat_is_of_unit_norm():
    vector = decompose(measure(simulate([0], seed=1, conditions={"statements": ["NORM"]}).signal_mv[0], 500.0))
    assert vector is not None
    assert vector.shape == (COLUMNS,)
    first = 7
    for wave in WAVES:
        assert np.linalg.norm(vector[first : first + 8 * wave.size]) == pytest.approx(1)
        first += 8 * wave.size


def test_comparison_of_a_set_with_itself_finds_no_gap():
    signals = simulate(range(12), seed=3).signal_mv
    result = compare(signals, signals)
    assert result["leads"]["correlation_gap"]["largest"] == 0
    for sides in result["features"].values():
        np.testing.assert_array_equal(sides["real"], sides["simulated"])


def test_simulated_distributions_are_near_real_ones(data_dir):
    from gen.simulate.fit import load_training

    _, signals = load_training(data_dir("ptb-xl"), step=45)
    result = compare(signals, simulate(range(60), seed=0, noise="light").signal_mv)
    for name, allowed in {
        "hr_bpm": 8,
        "pr_ms": 15,
        "qrs_ms": 8,
        "qt_ms": 20,
        "R_V5": 0.3,
        "R_V2": 0.2,
        "T_V4": 0.15,
    }.items():
        real, simulated = (result["features"][name][side][2] for side in ("real", "simulated"))
        assert abs(real - simulated) < allowed, name
    assert result["leads"]["correlation_gap"]["largest"] < 0.35


def test_durations_are_those_cardiologists_mark():
    """LUDB's annotations (Kalyakulina et al., 2020) have medians P 102, QRS 96, T 180 ms."""
    batch = simulate(range(120), seed=21)
    spans = {"p": [], "qrs": [], "t": []}
    for truth in batch.truth:
        for beat in truth.beats[2:3]:
            for name, values in spans.items():
                on, _, off = getattr(beat, name)
                values.append(1e3 * (off - on))
    for name, (low, high) in {"p": (95, 125), "qrs": (85, 105), "t": (165, 215)}.items():
        assert low < np.nanmedian(spans[name]) < high, name
