"""The ECG codec: shapes, purity, its closed-form start, and what training stores."""

import json

import numpy as np
import pytest
import torch
from weights import awake

from gen.card import NAMELESS
from gen.checkpoint import load_model, model_config, save_checkpoint
from gen.records import InputError
from gen.simulate import simulate
from vae.codec.network import EcgCodec, from_patches, to_patches
from vae.codec.objective import charbonnier, codec_loss
from vae.codec.recipes import standardise
from vae.codec.sources import latent_statistics, linear_start, reconstruct, record_errors

TINY = {"width": 16, "token_width": 16, "blocks": 1, "token_blocks": 1}


def random_codec(seed: int = 0, **settings: object) -> EcgCodec:
    """A small codec of which no part is switched off by a zero initialisation."""
    return awake(EcgCodec(**{**TINY, **settings}), seed=seed, scale=0.03)


@pytest.fixture(scope="module")
def signals() -> np.ndarray:
    """(48, 8, 5000) mV."""
    return simulate(range(48), seed=3, noise="light").signal_mv


@pytest.fixture(scope="module")
def started(signals) -> EcgCodec:
    """A codec that is its closed-form start alone."""
    model = EcgCodec(**TINY)
    linear_start(model, signals[:40])
    return model.eval()


def test_patches_are_inverted():
    x = torch.randn(2, 8, 120)
    assert torch.equal(from_patches(to_patches(x, 40), 40), x)
    assert torch.equal(to_patches(x, 40)[1, 40 * 3 : 40 * 4, 0, 2], x[1, 3, 80:])


@pytest.mark.parametrize("tokens", [1, 7, 125])
def test_any_multiple_of_forty_samples(tokens):
    model = random_codec()
    x = torch.randn(2, 8, 40 * tokens)
    latent = model.encode(x)
    assert latent.shape == (2, model.latent_channels, tokens)
    assert latent.dtype == torch.float32
    decoded = model.decode(latent)
    assert decoded.shape == x.shape
    assert decoded.dtype == torch.float32


@pytest.mark.parametrize("shape", [(1, 12, 400), (1, 8, 401), (8, 400)])
def test_other_signals_are_refused(shape):
    with pytest.raises(InputError, match=r"time a multiple of 40"):
        random_codec().encode(torch.zeros(shape))


def test_other_latents_are_refused():
    with pytest.raises(InputError, match="32"):
        random_codec().decode(torch.zeros(1, 4, 125))


@torch.no_grad()
def test_encode_and_decode_are_pure():
    model = random_codec()
    x = torch.randn(2, 8, 400)
    kept, state = x.clone(), {name: value.clone() for name, value in model.state_dict().items()}
    latent = model.encode(x)
    kept_latent = latent.clone()
    first = model.decode(latent)
    assert torch.equal(first, model.decode(latent))
    assert torch.equal(latent, model.encode(x))
    assert torch.equal(x, kept)
    assert torch.equal(latent, kept_latent)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@torch.no_grad()
def test_the_middle_does_not_depend_on_the_length():
    """Convolutions and norms of single positions: a cut far away changes nothing."""
    model = random_codec()
    x = torch.randn(1, 8, 4000)
    whole, part = model.encode(x), model.encode(x[:, :, :3200])
    torch.testing.assert_close(whole[:, :, :60], part[:, :, :60], atol=0.02, rtol=0.02)


def test_the_start_is_a_good_transform_codec(started, signals):
    errors = record_errors(reconstruct(started, signals[40:]), signals[40:])
    assert errors["mae"].mean() < 0.02
    assert np.nanmean(errors["pearson"]) > 0.98


@torch.no_grad()
def test_the_start_is_linear_regression(started, signals):
    """With as many components as samples per token nothing is lost, whatever the ridge leaves."""
    model = EcgCodec(**TINY, latent_channels=320)
    linear_start(model, signals[:40])
    x = torch.from_numpy(signals[40:44])
    assert float((model(x) - x).abs().max()) < 0.02
    # Amplitude is carried: companding is undone.
    torch.testing.assert_close(started(3 * x), 3 * started(x), atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_wild_latents_stay_finite(started):
    latent = 50 * torch.randn(2, started.latent_channels, 25, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(started.decode(latent)).all()


def test_statistics_make_the_latent_standard(started, signals, tmp_path):
    folder = save_checkpoint(tmp_path / "codec", config=model_config(started), model=started, card=NAMELESS)
    standardise(folder, signals[:40], "fp32")
    model = load_model(EcgCodec, folder)
    with torch.no_grad():
        latent = model.encode(torch.from_numpy(signals[:40]))
        before, after = started(torch.from_numpy(signals[:4])), model(torch.from_numpy(signals[:4]))
    torch.testing.assert_close(latent.mean(dim=(0, 2)), torch.zeros(32), atol=1e-3, rtol=0)
    torch.testing.assert_close(latent.std(dim=(0, 2)), torch.ones(32), atol=1e-3, rtol=0)
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)
    # Measured again, they are what they were: the statistics are those of the latents before standardisation.
    mean, std = latent_statistics(model, signals[:40])
    torch.testing.assert_close(mean, model.latent_mean, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(std, model.latent_std, atol=1e-4, rtol=1e-3)
    card = json.loads((folder / "card.json").read_text())
    assert card["name"] == "nameless"
    assert card["facts"]["latent"]["shape"] == [32, 125]


def test_the_loss_is_zero_only_for_the_truth():
    truth = torch.randn(3, 8, 200)
    assert float(codec_loss(truth, truth)["loss"]) == 0
    assert float(codec_loss(truth + 0.01, truth)["slope"]) < 1e-6  # a shift has no slope
    assert float(codec_loss(truth + 0.01, truth)["loss"]) > 0
    assert float(charbonnier(torch.tensor(1.0))) == pytest.approx(1.0, abs=0.005)


def test_errors_in_qrs_complexes_can_count_more(signals):
    truth = torch.from_numpy(signals[:2])
    slope = truth.diff(dim=2, prepend=truth[:, :, :1]).norm(dim=1, keepdim=True)
    steep = slope > slope.quantile(0.97)
    ratio = []
    for place in (steep, ~steep):
        rebuilt = truth + 0.05 * place
        plain, more = codec_loss(rebuilt, truth), codec_loss(rebuilt, truth, qrs=2.0)
        assert float(more["loss"]) == pytest.approx(float(plain["loss"] + 2 * more["qrs"]))
        ratio.append(float(more["qrs"] / plain["relative"]))
    assert ratio[0] > 3 * ratio[1]


def test_weak_leads_count_as_strong_ones():
    truth = torch.randn(1, 8, 400)
    relative = [float(codec_loss(1.1 * a * truth, a * truth)["relative"]) for a in (0.5, 1.0)]
    assert relative[0] == pytest.approx(relative[1], rel=0.1)


def test_training_is_repeatable_and_reaches_the_networks():
    model = EcgCodec(**TINY).train()
    for head in (model.encoder.head, model.decoder.head):
        torch.nn.init.normal_(head.weight, std=0.01)
    batch = {"signal_mv": torch.randn(4, 8, 400), "sample_seed": torch.arange(4)}
    loss = model.loss(batch)["loss"]
    assert torch.equal(loss, model.loss(batch)["loss"])
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_noise_on_the_latent_spares_half_of_the_samples():
    noisy, quiet = EcgCodec(**TINY, latent_noise=0.5), EcgCodec(**TINY, latent_noise=0.0)
    quiet.load_state_dict(noisy.state_dict())
    x = torch.randn(1, 8, 400)
    with torch.no_grad():
        batches = [{"signal_mv": x, "sample_seed": torch.tensor([k])} for k in range(40)]
        same = sum(bool(noisy.loss(batch)["loss"] == quiet.loss(batch)["loss"]) for batch in batches)
    assert 10 <= same <= 30
