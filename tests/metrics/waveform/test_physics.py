import numpy as np
import pytest
from scipy import stats

from gen.leads import LEADS_12, to_12
from gen.records import InputError
from metrics.waveform import physics

FS_HZ = 200.0
T = np.arange(2000) / FS_HZ


def tone(frequency, amplitude=1.0, records=3, leads=2):
    return np.broadcast_to(amplitude * np.sin(2 * np.pi * frequency * T + 0.3), (records, leads, len(T))).copy()


def test_derived_limb_leads_are_exact_and_a_violation_is_measured(rng):
    x = to_12(rng.standard_normal((5, 8, 300)))
    assert physics.limb_lead_residual_mv(generated=x) < 1e-15
    x[:, LEADS_12.index("III")] += 0.1  # one of the four identities is off by 0.1: RMS 0.1 / 2
    assert physics.limb_lead_residual_mv(generated=x) == pytest.approx(0.05)


def test_large_flat_and_clipped(rng):
    x = 0.3 * rng.standard_normal((4, 2, 500))
    x[0, 0, 7] = -10.5
    x[1, 1] = 0.2
    x[2, 0] = np.clip(5 * x[2, 0], -1, 1)
    x[2, 0, 100:120] = 1
    assert physics.above_share(generated=x) == 0.25
    np.testing.assert_array_equal(np.argwhere(physics.flat_leads(generated=x)), [[1, 1]])
    np.testing.assert_array_equal(np.argwhere(physics.clipped_leads(generated=x, fs_hz=FS_HZ)), [[2, 0]])


def test_a_round_top_is_not_clipped():
    assert not physics.clipped_leads(generated=tone(5), fs_hz=FS_HZ).any()


def test_drift_and_mains_power_of_pure_tones():
    drift, heart = tone(0.2), tone(2.0)
    assert physics.drift_power(generated=drift, fs_hz=FS_HZ) == pytest.approx(0.5, rel=0.1)  # A^2 / 2
    assert (physics.drift_power(generated=heart + 7, fs_hz=FS_HZ) < 1e-3).all()
    assert physics.mains_power(generated=heart + tone(50, 0.1), fs_hz=FS_HZ) == pytest.approx(0.005, rel=0.05)
    assert (physics.mains_power(generated=heart, fs_hz=FS_HZ) < 1e-6).all()
    with pytest.raises(InputError, match="110 Hz"):
        physics.mains_power(generated=heart, fs_hz=100)


def test_muscle_noise_is_not_taken_for_mains(rng):
    noise = rng.standard_normal((50, 2, 2000))
    share = physics.mains_power(generated=noise, fs_hz=FS_HZ).mean() / noise.var()
    assert share < 0.01


def test_gain_shifts_the_spectrum_by_its_decibels(rng):
    x = rng.standard_normal((20, 2, 2000))
    value = physics.log_psd_distance(reference=x, generated=2 * x, fs_hz=FS_HZ)
    assert value == pytest.approx(20 * np.log10(2), rel=1e-3)
    assert physics.log_psd_distance(reference=x, generated=x, fs_hz=FS_HZ) == 0


def test_lead_correlation_distance_has_its_closed_form(rng):
    x = rng.standard_normal((4, 2, 5000))
    same = np.stack([x[:, 0], x[:, 0]], axis=1)
    opposite = np.stack([x[:, 0], -x[:, 0]], axis=1)
    value = physics.lead_correlation_distance(reference=same, generated=opposite)
    assert value == pytest.approx(np.sqrt(8))  # two entries off by 2
    assert physics.lead_correlation_distance(reference=same, generated=3 * same + 1) == pytest.approx(0, abs=1e-9)


def test_amplitude_wasserstein_agrees_with_scipy(rng):
    x, y = rng.standard_normal((3, 2, 400)), 1.5 * rng.standard_normal((4, 2, 400)) + 0.2
    found = physics.amplitude_wasserstein(reference=x, generated=y)
    expected = [stats.wasserstein_distance(x[:, lead].ravel(), y[:, lead].ravel()) for lead in (0, 1)]
    np.testing.assert_allclose(found, expected, rtol=0.02)
    np.testing.assert_allclose(physics.amplitude_wasserstein(reference=x, generated=x + 0.25), 0.25, rtol=1e-9)


def test_autocorrelation_sees_the_rhythm_not_the_size():
    slow, fast = tone(1.0), tone(1.4)
    assert physics.autocorrelation_distance(reference=slow, generated=5 * slow, fs_hz=FS_HZ) < 1e-9
    assert physics.autocorrelation_distance(reference=slow, generated=fast, fs_hz=FS_HZ) > 0.5


@pytest.mark.parametrize(
    "distance",
    [
        lambda x, y: physics.log_psd_distance(reference=x, generated=y, fs_hz=FS_HZ),
        lambda x, y: physics.lead_correlation_distance(reference=x, generated=y),
        lambda x, y: physics.amplitude_wasserstein(reference=x, generated=y).mean(),
        lambda x, y: physics.autocorrelation_distance(reference=x, generated=y, fs_hz=FS_HZ),
    ],
)
def test_more_noise_is_further_and_direction_does_not_matter(rng, distance):
    x = np.cumsum(rng.standard_normal((10, 2, 1000)), axis=-1) * 0.1
    x += np.roll(x[:, ::-1], 5, axis=-1)
    noise = rng.standard_normal(x.shape)
    scores = [distance(x, x + level * noise) for level in (0, 0.3, 1, 3)]
    assert scores[0] == pytest.approx(0, abs=1e-12)
    assert (np.diff(scores) > 0).all()
    assert distance(x + noise, x) == pytest.approx(distance(x, x + noise))


def test_sets_of_other_shapes_are_refused():
    with pytest.raises(InputError, match=r"\(lead, time\)"):
        physics.lead_correlation_distance(reference=np.ones((2, 3, 10)), generated=np.ones((2, 2, 10)))
