"""How noisy recordings are: tables, components and what they miss give the powers of recordings back."""

import numpy as np

from diffusion.beats.noise import BANDS, EDGES_HZ, line_bands, line_floor
from diffusion.beats.profile import SIZE, Profile
from diffusion.beats.variation import keeps_baseline

WIDTHS = np.diff(EDGES_HZ)


def some_powers(count: int = 400, seed: int = 0) -> np.ndarray:
    """(count, 3, 8, BANDS): loud and quiet recordings, some with mains, bands and leads that scatter."""
    rng = np.random.default_rng(seed)
    loud = rng.standard_normal((count, 1, 1, 1)) ** 3 / 2
    log = -10 + loud + 0.4 * rng.standard_normal((count, 3, 8, BANDS))
    power = np.exp(log) * WIDTHS
    hums = rng.random(count) < 0.2
    power[hums, :2, :, line_bands()[0]] *= 30
    return power


def fitted() -> tuple[Profile, np.ndarray]:
    power = some_powers()
    profile = Profile()
    profile.fit(power)
    return profile, power


def test_powers_drawn_are_distributed_as_recorded_ones() -> None:
    profile, power = fitted()
    rng = np.random.default_rng(1)
    vectors = np.stack([profile.vector(row) for row in power])
    drawn = np.stack([profile.power_mv2(v, rng.standard_normal(SIZE)) for v in vectors])
    for part in range(2):
        for band in (0, 10, line_bands()[0], BANDS - 1):
            quantiles = (np.quantile(np.log(x[:, part, :, band]), (0.1, 0.5, 0.9)) for x in (power, drawn))
            first, second = quantiles
            assert np.allclose(first, second, atol=0.3), (part, band)
    # Without what the components miss, leads of one recording are more alike.
    smooth = np.stack([profile.power_mv2(v) for v in vectors])
    assert np.log(smooth[:, 0, :, 5]).std(axis=1).mean() < 0.6 * np.log(drawn[:, 0, :, 5]).std(axis=1).mean()


def test_mains_stay_rare() -> None:
    profile, power = fitted()
    rng = np.random.default_rng(2)
    line = line_bands()[0]
    share = []
    for kind in (power, [profile.power_mv2(profile.vector(row), rng.standard_normal(SIZE)) for row in power]):
        floors = np.stack([line_floor(row[0])[:, 0] for row in kind])
        share.append(float((np.stack([row[0][:, line] for row in kind]) > 8 * floors).mean()))
    assert abs(share[0] - share[1]) < 0.05
    assert 0.1 < share[1] < 0.3


def test_recorders_that_take_the_baseline_away_are_known() -> None:
    power = np.tile(1e-5 * WIDTHS, (2, 8, 1))
    power[0, :, 0] *= 20
    assert keeps_baseline(power)
    power[0, :, 0] *= 0.01
    assert not keeps_baseline(power)
