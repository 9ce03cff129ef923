"""Encoded training sets: what is written comes back, and a source's samples depend on their number alone."""

import numpy as np
import pytest
import torch

from diffusion.conditions.condition import Condition
from diffusion.training.examples import WINDOW_S, simulated, vary
from diffusion.training.latents import Example, LatentSet, LatentSource, channel_weights, write_latents
from gen.quantities import QUANTITIES
from gen.records import InputError
from gen.signals import rms_mv


class PatchCodec:
    """Eight leads averaged over 40 samples; the second half of the channels decodes to nothing."""

    fs_hz = 500.0

    def encode(self, signal_mv):
        return torch.nn.functional.avg_pool1d(signal_mv, 40).repeat(1, 2, 1)

    def decode(self, latent):
        return latent[:, :8].repeat_interleave(40, dim=2)


def _example(count, offset=0.0):
    signal = np.random.default_rng(0).normal(size=(count, 8, 400)).astype(np.float32) + offset
    first = [Condition(text="AF", heart_rate=60 + k) for k in range(count)]
    second = [Condition(text="sinus rhythm, LBBB, no LVH", heart_rate=60 + k) for k in range(count)]
    return Example(signal, [first, second])


def test_round_trip_and_wordings(tmp_path):
    write_latents(tmp_path / "set", iter([_example(5), _example(3)]), PatchCodec(), {"codec": "x"})
    latents = LatentSet.open(tmp_path / "set")
    assert len(latents) == 8
    assert latents.facts == {"codec": "x", "records": 8}
    rows, wordings = np.array([1, 1, 6]), np.array([0, 1, 0])
    batch = latents.batch(rows, wordings)
    assert batch["latent"].shape == (3, 16, 10)
    expected = PatchCodec().encode(torch.from_numpy(_example(5).signal_mv))[1]
    torch.testing.assert_close(batch["latent"][0], expected, atol=2e-3, rtol=0)
    assert batch["token_mask"].sum(dim=1).tolist() == [1, 3, 1]
    assert batch["numbers"][:, list(QUANTITIES).index("heart_rate")].tolist() == [61, 61, 61]


def test_nothing_or_damage_is_said(tmp_path):
    with pytest.raises(InputError, match="no recording to encode"):
        write_latents(tmp_path / "none", iter([]), PatchCodec(), {})
    assert not (tmp_path / "none").exists()
    write_latents(tmp_path / "set", iter([_example(2)]), PatchCodec(), {})
    (tmp_path / "set" / "sex.npy").unlink()
    with pytest.raises(InputError, match="not a complete set"):
        LatentSet.open(tmp_path / "set")


def test_source_mixes_sets_in_shares_and_by_number_alone(tmp_path):
    for name, offset in (("a", 0.0), ("b", 100.0)):
        write_latents(tmp_path / name, iter([_example(20, offset)]), PatchCodec(), {})
    sets = [LatentSet.open(tmp_path / name) for name in ("a", "b")]
    source = LatentSource(sets, [0.25, 0.75], np.arange(16.0))
    batch = source.batch(np.arange(2000), seed=3)
    far = (batch["latent"].mean(dim=(1, 2)) > 50).float().mean().item()
    assert far == pytest.approx(0.75, abs=0.03)
    assert batch["channel_weight"].shape == (2000, 16)
    part = source.batch(np.arange(700, 710), seed=3)
    torch.testing.assert_close(part["latent"], batch["latent"][700:710])
    torch.testing.assert_close(part["numbers"], batch["numbers"][700:710], equal_nan=True)
    with pytest.raises(ValueError, match="add up to"):
        LatentSource(sets, [0.5, 0.4])


def test_channel_weights_find_the_channels_that_matter():
    weights = channel_weights(PatchCodec(), torch.randn(4, 16, 10, generator=torch.Generator().manual_seed(0)))
    assert weights[:8] == pytest.approx(2.0, rel=1e-4)
    assert weights[8:] == pytest.approx(0.0, abs=1e-6)
    assert weights.mean() == pytest.approx(1.0)


def test_rms_is_of_the_heart_not_of_drift():
    time = np.arange(5000) / 500
    wave = 0.3 * np.sqrt(2) * np.sin(2 * np.pi * 8 * time)
    drift = 2.0 * np.sin(2 * np.pi * 0.1 * time)
    signal = np.tile(wave + drift, (2, 8, 1)).astype(np.float32)
    assert rms_mv(signal, 500.0) == pytest.approx(0.3, rel=0.05)


def test_variations_keep_limb_leads_apart_from_chest_leads():
    signal = np.zeros((8, 5000), dtype=np.float32)
    signal[0], signal[5] = 1.0, 2.0
    varied = vary(signal, np.random.default_rng(4))
    assert varied.shape == (8, round(WINDOW_S * 500))
    assert (varied[1] == 0).all()
    gain = varied[0, 0]
    assert 0.5 < gain < 2
    assert (varied[0] == gain).all()
    assert varied[2:].sum(axis=0) == pytest.approx(2 * gain, rel=0.3)


def test_simulated_examples_say_what_they_show():
    (example,) = simulated(24, seed=5)
    assert example.signal_mv.shape == (24, 8, round(WINDOW_S * 500))
    assert len(example.wordings) == 3
    assert all(c.source == "simulated" for c in example.wordings[0])
    rates = [c.heart_rate for c in example.wordings[0]]
    assert min(rates) < 60
    assert max(rates) > 110
    assert all(0.02 < c.rms_mv < 2 for c in example.wordings[0])
