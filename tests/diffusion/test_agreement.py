"""How leads agree in noise: measured on noise whose agreement is known, and drawn for other people."""

import numpy as np
import pytest

from diffusion.beats.agreement import LeadAgreement, quiet_agreement
from diffusion.beats.noise import BANDS, EDGES_HZ, lead_roots

FS_HZ, LENGTH = 500.0, 20000
#: Bands of enough noise to see how leads agree in it.
BROAD = np.flatnonzero((np.diff(EDGES_HZ) > 6) & (EDGES_HZ[1:] <= 200.0))


def made(correlation: float) -> np.ndarray:
    """(8, 8) in which two limb leads agree, and each chest lead with its neighbours."""
    out = np.eye(8)
    for a, b in [(0, 1), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7)]:
        out[a, b] = out[b, a] = correlation / 2
    return out


def noise(matrix: np.ndarray, seed: int) -> np.ndarray:
    return np.linalg.cholesky(matrix) @ np.random.default_rng(seed).standard_normal((8, LENGTH))


def test_agreement_of_known_noise_is_found_in_all_bands() -> None:
    matrix = made(0.8)
    found = quiet_agreement(noise(matrix, 0), FS_HZ, np.ones(LENGTH, dtype=bool))
    assert np.allclose(np.diagonal(found, axis1=1, axis2=2), 1)
    assert np.abs(found[BROAD] - matrix).max() < 0.22  # four standard deviations of a narrow band
    assert np.abs(found[BROAD].mean(axis=0) - matrix).max() < 0.05


def test_complexes_and_movements_count_for_nothing() -> None:
    matrix, apart = np.eye(8), np.ones(LENGTH, dtype=bool)
    signal = noise(matrix, 1)
    shared = np.random.default_rng(2).standard_normal(LENGTH)
    beats = np.arange(LENGTH) % 400 < 50
    apart[np.arange(LENGTH) % 400 < 80] = False
    signal[:, beats] += 30 * shared[beats]
    signal[:, 6000:7000] += 10 * shared[6000:7000]
    found = quiet_agreement(signal, FS_HZ, apart)[BROAD].mean(axis=0)
    everything = quiet_agreement(signal, FS_HZ, np.ones(LENGTH, dtype=bool))[BROAD].mean(axis=0)
    assert np.abs(found - matrix).max() < 0.35
    assert everything[0, 5] > 2 * found[0, 5]


def test_drawn_agreement_is_one_and_scatters_as_measured() -> None:
    rng = np.random.default_rng(3)
    measured = np.stack([np.tile(made(float(rng.uniform(-0.6, 0.9))), (BANDS, 1, 1)) for _ in range(200)])
    model = LeadAgreement()
    model.fit(measured)
    drawn = np.stack([model.draw(rng) for _ in range(300)])
    assert np.allclose(np.diagonal(drawn, axis1=2, axis2=3), 1)
    assert np.isfinite(lead_roots(drawn)).all()  # positive definite
    assert np.abs(drawn.mean(axis=0) - measured.mean(axis=0)).max() < 0.05
    assert drawn[:, 10, 0, 1].std() == pytest.approx(measured[:, 10, 0, 1].std(), rel=0.15)
    # All bands of a recording move together, as they were made.
    assert np.corrcoef(drawn[:, 5, 0, 1], drawn[:, 15, 0, 1])[0, 1] > 0.95
    assert np.array_equal(model.draw(np.random.default_rng(4)), model.draw(np.random.default_rng(4)))
