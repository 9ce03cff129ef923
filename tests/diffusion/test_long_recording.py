"""Recordings of hours: no seam, no repetition, the same samples in pieces of any length."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from diffusion.beats.recording import LongRecording
from diffusion.rhythm import RhythmRequest, RhythmStream

_spec = importlib.util.spec_from_file_location("beats_of_tests", Path(__file__).with_name("test_beats.py"))
_beats = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_beats)
CODE = _beats.fitted_code()
SHAPES = {"own": _beats.some_shape(), "other": _beats.some_shape(1.5, off_s=0.12)}


def recording(text="sinus rhythm, PVC", duration_s=200.0, *, seed=3, clean=False, fs_hz=500.0):
    stream = RhythmStream(RhythmRequest.of(text, heart_rate=75), seed, duration_s)
    return LongRecording(CODE, SHAPES, _beats.some_habits(), stream, seed, fs_hz, clean=clean)


@pytest.mark.parametrize("text", ["sinus rhythm, PVC", "atrial flutter", "atrial fibrillation"])
def test_pieces_of_any_length_are_the_same_recording(text):
    whole = np.concatenate([piece for piece, _ in recording(text).pieces(60.0)], axis=1)
    assert whole.shape == (8, 100_000)
    for size in (7.3, 41.0):
        parts = np.concatenate([piece for piece, _ in recording(text).pieces(size)], axis=1)
        np.testing.assert_allclose(parts, whole, atol=1e-9)


def test_beats_are_told_with_their_piece_and_lie_where_the_signal_is_large():
    steep, others = [], []
    for piece, plan in recording(clean=True).pieces(50.0):
        at = np.rint(plan.times_s * 500).astype(int)
        assert plan.inside.all()
        size = (piece**2).sum(axis=0)
        steep += size[at[(at > 5) & (at < size.shape[0] - 5)]].tolist()
        others.append(np.median(size))
    assert np.median(steep) > 20 * max(others)


def test_noise_has_one_power_and_no_seams():
    with_noise, without = recording(duration_s=400.0), recording(duration_s=400.0, clean=True)
    noise = np.concatenate(
        [a - b for (a, _), (b, _) in zip(with_noise.pieces(), without.pieces(), strict=True)], axis=1
    )
    fading = (np.arange(noise.shape[1]) % 20_000) < 2_000
    power = np.diff(noise, axis=1) ** 2
    ratio = power[:, fading[1:]].mean() / power[:, ~fading[1:]].mean()
    assert ratio == pytest.approx(1.0, abs=0.15)
    jumps = np.abs(np.diff(noise, axis=1)).max(axis=0)
    starts = np.arange(20_000, noise.shape[1] - 1, 20_000)
    assert jumps[starts - 1].max() < np.quantile(jumps, 0.999)


def test_nothing_repeats():
    whole = np.concatenate([piece for piece, _ in recording(duration_s=400.0).pieces()], axis=1)
    step = np.diff(whole[1])[: 199 * 1000].reshape(199, 1000)
    step = (step - step.mean(axis=1, keepdims=True)) / np.linalg.norm(step, axis=1, keepdims=True)
    assert len(np.unique(whole[1, : 199 * 1000].reshape(199, 1000).round(9), axis=0)) == 199


def test_the_seed_names_the_recording():
    a, b, c = (next(recording(seed=s).pieces(20.0))[0] for s in (3, 3, 4))
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c)
