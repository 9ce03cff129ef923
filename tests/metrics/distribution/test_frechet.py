import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from gen.records import InputError
from metrics.distribution.frechet import (
    GaussianStatistics,
    bias_of_equal_sets,
    bias_table,
    expected_bias,
    fd_infinity,
    fid,
    frechet_distance,
)


def gaussian(mean, covariance):
    """Statistics that hold exactly these parameters."""
    return GaussianStatistics(1001, np.asarray(mean, float), 1000 * np.asarray(covariance, float))


def test_closed_form_of_diagonal_gaussians():
    first = gaussian([0, 1, 2], np.diag([1.0, 4.0, 9.0]))
    second = gaussian([3, 1, 1], np.diag([4.0, 4.0, 1.0]))
    # 3^2 + 1^2, and (1-2)^2 + 0 + (3-1)^2 for the standard deviations
    assert frechet_distance(reference=first, generated=second) == pytest.approx(10 + 5, rel=1e-12)


def test_closed_form_of_rotated_planes():
    # For 2 x 2 matrices tr (AB)^1/2 = sqrt(tr AB + 2 sqrt det AB).
    a, b = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[0.5, -0.2], [-0.2, 3.0]])
    root = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b)))
    value = frechet_distance(reference=gaussian([0, 0], a), generated=gaussian([1, 0], b))
    assert value == pytest.approx(1 + np.trace(a + b) - 2 * root, rel=1e-12)


def test_agrees_with_the_general_matrix_root(rng):
    x = rng.standard_normal((400, 20)) @ rng.standard_normal((20, 20))
    y = rng.standard_normal((300, 20)) @ rng.standard_normal((20, 20)) + 0.5
    cov_x, cov_y = np.cov(x.T), np.cov(y.T)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x + cov_y - 2 * np.real(sqrtm(cov_x @ cov_y)))
    assert fid(reference=x, generated=y) == pytest.approx(expected, rel=1e-9)


def test_agrees_with_torchmetrics(rng):
    torch = pytest.importorskip("torch")
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Pixels(torch.nn.Module):
        num_features = 12

        def forward(self, x):
            return x.reshape(len(x), -1)[:, :12]

    x, y = rng.standard_normal((200, 3, 2, 2)), 1.3 * rng.standard_normal((150, 3, 2, 2)) + 0.2
    oracle = FrechetInceptionDistance(feature=Pixels(), input_img_size=(3, 2, 2), normalize=False)
    oracle.set_dtype(torch.float64)
    oracle.inception = Pixels()
    oracle.used_custom_model = True
    oracle.update(torch.tensor(x), real=True)
    oracle.update(torch.tensor(y), real=False)
    value = fid(reference=x.reshape(200, -1), generated=y.reshape(150, -1))
    assert value == pytest.approx(float(oracle.compute()), rel=1e-6)


def test_equal_sets_are_at_zero_even_with_fewer_samples_than_features(rng):
    x = rng.standard_normal((30, 100))
    assert fid(reference=x, generated=x) < 1e-10


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 99), max_size=6, unique=True),
    offset=st.sampled_from([0.0, 1e3, 1e6]),
    seed=st.integers(0, 1000),
)
def test_streaming_equals_batch_for_any_cut(cuts, offset, seed):
    x = np.random.default_rng(seed).standard_normal((100, 5)) + offset
    whole = GaussianStatistics.of(x)
    parts = GaussianStatistics.stream(np.split(x, sorted(cuts)))
    assert parts.count == 100
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-12, atol=1e-14)  # a mean may lie near zero
    # Centring leaves the rounding of the offset: 1e6 * 1e-16 against a scatter of about 100.
    np.testing.assert_allclose(parts.scatter, whole.scatter, atol=1e-13 * max(1, offset) * 100)


def test_streaming_distance_equals_batch_to_1e_8(rng):
    x, y = rng.standard_normal((5000, 64)) + 3, rng.standard_normal((5000, 64)) * 1.1
    streams = [GaussianStatistics.stream(np.array_split(z, 37)) for z in (x, y)]
    value = frechet_distance(reference=streams[0], generated=streams[1])
    assert value == pytest.approx(fid(reference=x, generated=y), rel=1e-8)


def test_small_sample_bias_follows_the_table():
    # Measured elsewhere for two sets of N(0, I_64), one draw each; one draw spreads by about 3 %.
    measured = {(64, 500): 4.44, (64, 1000): 2.18, (64, 2000): 1.13}
    table = np.mean([bias_table([64], [500, 1000, 2000], seed=seed)[0] for seed in range(3)], axis=0)
    for ((_, n), expected), value in zip(measured.items(), table, strict=True):
        assert value == pytest.approx(expected, rel=0.05)
        assert value == pytest.approx(expected_bias(64, n), rel=0.06)


def test_fd_infinity_removes_the_bias(rng):
    x, y = rng.standard_normal((2, 3000, 32))
    y[:, 0] += 1
    fit = fd_infinity(reference=x, generated=y)
    assert fit.trustworthy
    assert fid(reference=x, generated=y) > 1.1
    assert fit.value == pytest.approx(1.0, abs=max(0.1, 3 * fit.standard_error))
    assert fit.slope == pytest.approx(32**2 / 2, rel=0.5)
    assert fd_infinity(reference=x, generated=y) == fit


def test_fd_infinity_of_a_set_and_its_copy_is_zero_if_drawn_together(rng):
    x = rng.standard_normal((400, 8))
    assert fd_infinity(reference=x, generated=x, paired=True).value == pytest.approx(0, abs=1e-9)
    assert fd_infinity(reference=x, generated=x).value < -0.01
    with pytest.raises(InputError, match="one per reference"):
        fd_infinity(reference=x, generated=x[1:], paired=True)


def test_fd_infinity_says_when_the_fit_cannot_be_trusted(rng):
    x, y = rng.standard_normal((2, 100, 64))
    assert not fd_infinity(reference=x, generated=y).trustworthy


def test_statistics_round_trip_and_merge(tmp_path, rng):
    x = rng.standard_normal((50, 4))
    GaussianStatistics.of(x[:20]).save(tmp_path / "a.npz", label="first")
    loaded = GaussianStatistics.load(tmp_path / "a.npz", label="first")
    merged = loaded.merge(GaussianStatistics.of(x[20:]))
    np.testing.assert_allclose(merged.covariance, np.cov(x.T), rtol=1e-12)
    with pytest.raises(InputError, match="'first'"):
        GaussianStatistics.load(tmp_path / "a.npz", label="second")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04broken"])
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz.*accepted"):
        GaussianStatistics.load(tmp_path / "a.npz")


def test_a_foreign_archive_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", mean=np.zeros(3), sigma=np.eye(3))
    with pytest.raises(InputError, match="not readable"):
        GaussianStatistics.load(tmp_path / "other.npz")
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "pickled.npz", format=objects, label="", count=1, mean=objects, scatter=objects)
    with pytest.raises(InputError, match="not readable"):
        GaussianStatistics.load(tmp_path / "pickled.npz")
    np.savez(tmp_path / "nan.npz", format="physiogen-gaussian-1", label="", count=3, mean=[np.nan], scatter=[[1.0]])
    with pytest.raises(InputError, match="damaged"):
        GaussianStatistics.load(tmp_path / "nan.npz")


def test_one_sample_has_no_covariance():
    with pytest.raises(InputError, match="at least 2"):
        frechet_distance(reference=GaussianStatistics.of(np.zeros((1, 2))), generated=gaussian([0, 0], np.eye(2)))


def test_bias_repeats_with_its_seed():
    assert bias_of_equal_sets(8, 50, seed=4) == bias_of_equal_sets(8, 50, seed=4)


def test_pure_functions_need_no_torch():
    modules = [
        "conditioning",
        "cine",
        "definitions",
        "identity",
        "distribution.diversity",
        "distribution.extractors",
        "distribution.frechet",
        "distribution.manifold",
        "distribution.mmd",
        "distribution.two_sample",
        "measurement.parameters",
        "measurement.records",
        "privacy.attacks",
        "privacy.copies",
        "report.entries",
        "statistics.bootstrap",
        "statistics.correlation",
        "statistics.ranking",
        "suite.job",
        "waveform.alignment",
        "waveform.ensemble",
        "waveform.paired",
        "waveform.physics",
    ]
    code = f"import sys\nfor m in {modules!r}: __import__('metrics.' + m)\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_streaming_equals_numpys_covariance_of_all_rows():
    from metrics.evaluation.fid_bias import streaming_error

    assert streaming_error(1500, 48) < 1e-8
