"""The published autoencoder: its size, shapes and pure scaling."""

import pytest
import torch

from gen import registry
from gen.checkpoint import model_config, save_checkpoint
from gen.records import InputError
from vae.codec.diffusets import DiffusetsVAE


@pytest.fixture(scope="module")
def model() -> DiffusetsVAE:
    torch.manual_seed(0)
    return DiffusetsVAE().eval()


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_it_has_the_published_size(model):
    assert round(count(model.encoder) / 1e6, 2) == 12.22
    assert round(count(model.decoder) / 1e6, 2) == 17.33
    assert round(count(model) / 1e6, 2) == 29.55


@torch.no_grad()
def test_twelve_leads_of_1024_samples_become_4_by_128(model):
    latent = model.encode(torch.randn(1, 12, 1024))
    assert latent.shape == (1, 4, 128)
    before = latent.clone()
    first = model.decode(latent)
    assert first.shape == (1, 12, 1024)
    assert torch.equal(latent, before)  # the public code scales in place


def test_the_loss_reaches_every_weight():
    model = DiffusetsVAE()
    batch = {"signal_mv": torch.randn(2, 12, 64), "sample_seed": torch.arange(2)}
    model.loss(batch)["loss"].backward()
    assert all(p.grad is not None for p in model.parameters())


def test_other_shapes_are_refused(model):
    with pytest.raises(InputError, match="12"):
        model.encode(torch.zeros(1, 8, 1024))
    with pytest.raises(InputError, match="multiple of 8"):
        model.encode(torch.zeros(1, 12, 1001))


def test_it_is_a_codec_by_name_but_never_untrained_by_accident(tmp_path):
    loader = registry.get("gen.codecs", "diffusets")
    with pytest.raises(InputError, match="no weights are shipped"):
        loader()
    assert loader(untrained=True).latent_channels == 4
    saved = DiffusetsVAE(fs_hz=100.0)
    save_checkpoint(tmp_path / "codec", config=model_config(saved), model=saved)
    assert loader(tmp_path / "codec").fs_hz == 100.0
