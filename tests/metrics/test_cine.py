import numpy as np
import pytest

from gen.records import InputError
from metrics import cine


def test_psnr_has_its_closed_form():
    x = np.zeros((2, 16, 16))
    np.testing.assert_allclose(cine.psnr(reference=x, generated=x + 0.1, data_range=1), 20)
    assert np.isinf(cine.psnr(reference=x, generated=x, data_range=1)).all()


def test_ssim_agrees_with_torchmetrics(rng):
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.image import structural_similarity_index_measure

    x = rng.random((4, 40, 48))
    y = np.clip(x + 0.2 * rng.standard_normal(x.shape), 0, 1)
    _, local = structural_similarity_index_measure(
        torch.tensor(y)[:, None], torch.tensor(x)[:, None], sigma=1.5, data_range=1.0, return_full_image=True
    )
    # torchmetrics averages over the reflected border too; the published definition is the inside.
    expected = local[:, 0, 5:-5, 5:-5].mean(dim=(1, 2)).numpy()
    np.testing.assert_allclose(cine.ssim(reference=x, generated=y, data_range=1), expected, rtol=1e-6)


def test_ssim_is_one_for_equal_frames_and_falls_with_noise(rng):
    x = rng.random((1, 32, 32))
    noise = rng.standard_normal(x.shape)
    scores = [cine.ssim(reference=x, generated=x + level * noise, data_range=1)[0] for level in (0, 0.1, 0.3, 1)]
    assert scores[0] == pytest.approx(1)
    assert (np.diff(scores) < 0).all()
    with pytest.raises(InputError, match="11 x 11"):
        cine.ssim(reference=x[:, :9], generated=x[:, :9], data_range=1)


def test_a_closed_loop_has_a_gap_of_one_and_an_open_one_more():
    phase = 2 * np.pi * np.arange(20) / 20
    texture = np.random.default_rng(0).random((2, 12, 12))
    closed = np.cos(phase)[:, None, None] * texture[0] + np.sin(phase)[:, None, None] * texture[1]
    assert cine.periodicity_gap(generated=closed) == pytest.approx(1, rel=0.25)
    drifting = np.arange(20)[:, None, None] * texture[0]
    assert cine.periodicity_gap(generated=drifting) == pytest.approx(19)
    assert cine.periodicity_gap(generated=np.ones((5, 4, 4))) == 0


def test_dice_of_shifted_squares():
    a, b = np.zeros((2, 1, 20, 20), dtype=bool)
    a[:, :10, :10] = True
    b[:, 5:15, :10] = True
    assert cine.dice(reference=a, generated=b) == pytest.approx(0.5)
    assert np.isnan(cine.dice(reference=a & ~a, generated=a & ~a)).all()


def ventricle(edv, ef, es, frames=20):
    """Volume curve that falls from ``edv`` at frame 0 to its least at frame ``es``."""
    phase = np.interp(np.arange(frames), [0, es, frames], [0, np.pi, 2 * np.pi])
    return edv * (1 - ef / 100 * (1 - np.cos(phase)) / 2)


def test_volumes_of_a_known_ventricle():
    found = cine.ventricle_volumes(np.stack([ventricle(150, 60, 8), ventricle(200, 30, 7)]))
    np.testing.assert_allclose(found.edv_ml, [150, 200])
    np.testing.assert_allclose(found.esv_ml, [60, 140])
    np.testing.assert_allclose(found.ef_percent, [60, 30])
    np.testing.assert_array_equal(found.es_frame, [8, 7])
    np.testing.assert_allclose(found.sv_ml, [90, 60])
    assert np.isnan(cine.ventricle_volumes(np.zeros((1, 5))).ef_percent).all()


def test_frames_are_counted_around_the_loop():
    np.testing.assert_allclose(cine.circular_frame_error([19, 0, 10], [0, 19, 0], 20), [0.05, 0.05, 0.5])


def test_negative_volumes_are_refused():
    with pytest.raises(InputError, match="not negative"):
        cine.ventricle_volumes(-np.ones((1, 5)))
