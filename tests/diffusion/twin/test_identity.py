"""Identity encoder: the loss as a formula, what is masked, both configurations, retrieval figures."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from diffusion.conditions.batch import ConditionBatch, collate
from diffusion.conditions.condition import Condition
from diffusion.twin.identity import (
    IdentityEncoder,
    contrastive_loss,
    cropped,
    leakage,
    probe_r2,
    reference_settings,
    retrieval,
)
from diffusion.twin.recipes import IdentityRecipe, _identity_network
from gen.checkpoint import load_model, save_checkpoint
from gen.checkpoint import model_config as config_of
from gen.overrides import apply_overrides
from gen.records import InputError

SMALL = {"latent_channels": 4, "width": 32, "depth": 2, "heads": 2, "base_width": 8}


def unit(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_with_one_positive_each_it_is_infonce():
    base, person = unit(8, 5), torch.arange(4).repeat(2)
    score = 3.0 * base @ base.T
    score.fill_diagonal_(-torch.inf)
    target = torch.cat([torch.arange(4, 8), torch.arange(4)])
    assert contrastive_loss(base, person, 3.0).item() == pytest.approx(F.cross_entropy(score, target).item(), rel=1e-5)


def test_other_ecgs_of_the_person_are_no_negatives():
    """Moving one positive towards the anchor changes nothing about another positive's share."""
    base, person = unit(6, 5), torch.tensor([0, 0, 0, 1, 2, 3])
    score = 2.0 * base @ base.T
    against = [torch.logsumexp(score[i, 3:], 0) for i in range(3)]
    expected = torch.stack(
        [torch.logaddexp(score[i, j], against[i]) - score[i, j] for i in range(3) for j in range(3) if i != j]
    ).mean()
    assert contrastive_loss(base, person, 2.0).item() == pytest.approx(expected.item(), rel=1e-5)


def test_memory_adds_strangers_and_skips_empty_places():
    base, person, memory = unit(4, 5), torch.tensor([0, 0, 1, 1]), unit(3, 5, seed=1)
    plain = contrastive_loss(base, person, 2.0)
    assert contrastive_loss(base, person, 2.0, memory, torch.full((3,), -1)).item() == pytest.approx(plain.item())
    assert contrastive_loss(base, person, 2.0, memory, torch.tensor([7, 8, 9])) > plain


def test_a_batch_of_strangers_costs_nothing_and_has_a_gradient():
    base = unit(4, 5).requires_grad_()
    loss = contrastive_loss(base, torch.arange(4), 2.0)
    assert loss.item() == 0
    loss.backward()
    assert torch.isfinite(base.grad).all()


def test_leakage_sees_a_linear_trace_only():
    rate = torch.linspace(40, 160, 200)[:, None]
    blind, telling = unit(200, 6), F.normalize(torch.cat([rate - 100, 20 * torch.ones(200, 5)], dim=1), dim=-1)
    assert 0.8 < leakage(telling, rate) <= 1
    assert leakage(blind, rate) < 3 * 6 / 200  # chance of a fit: width / batch
    half = rate.clone()
    half[::2] = torch.nan
    assert torch.isfinite(leakage(telling, half))
    assert leakage(telling, torch.full_like(rate, torch.nan)) == 0
    assert probe_r2(telling, rate[:, 0]) > 0.5
    assert probe_r2(blind, rate[:, 0]) < 0.1


def test_the_gradient_of_leakage_takes_the_trace_away():
    rate = torch.linspace(-1, 1, 256)[:, None]
    base = torch.cat([unit(256, 7), 0.5 * rate], dim=1)
    before = leakage(base, rate)
    for _ in range(200):
        base.requires_grad_()
        (gradient,) = torch.autograd.grad(leakage(base, rate), base)
        base = (base - 3 * gradient).detach()
    assert before > 0.8
    assert leakage(base, rate) < before / 4


def test_a_crop_is_a_stretch_of_the_latent_and_depends_on_the_sample_alone():
    latent = torch.arange(100.0).expand(6, 3, 100)
    seeds = torch.arange(6) + 5
    seen = cropped(latent, seeds, 0.6)
    assert seen.shape == (6, 3, 60)
    assert torch.equal(seen - seen[:, :, :1], torch.arange(60.0).expand(6, 3, 60))
    assert len(set(seen[:, 0, 0].tolist())) > 1
    assert torch.equal(cropped(latent[3:4], seeds[3:4], 0.6), seen[3:4])
    assert torch.equal(cropped(latent, seeds, 1.0), latent)
    with pytest.raises(ValueError, match="crop 0: expected"):
        IdentityEncoder(**SMALL, crop=0)


@pytest.mark.parametrize("setting", [{"crop": "0"}, {"heads": "5"}])
def test_settings_that_make_no_network_are_refused_in_a_line(setting):
    with pytest.raises(InputError, match=r"diffusion/identity: .* expected"):
        _identity_network(apply_overrides(IdentityRecipe(), setting), 16)


def test_retrieval_figures():
    gallery = torch.eye(10)
    perfect = retrieval(gallery, gallery)
    assert (perfect["rank_1"], perfect["rank_5"], perfect["same"], perfect["other"]) == (1, 1, 1, 0)
    assert perfect["eer"] == pytest.approx(0, abs=1e-9)
    assert 0 < perfect["threshold"] <= 1
    chance = retrieval(unit(400, 16), unit(400, 16, seed=1))
    assert chance["rank_1"] < 0.02
    assert chance["eer"] == pytest.approx(0.5, abs=0.06)
    owner = torch.tensor([3, 3, 1])
    assert retrieval(gallery, gallery[owner], owner)["rank_1"] == 1


@pytest.mark.parametrize("settings", [SMALL, {**reference_settings(), "latent_channels": 4}], ids=["default", "paper"])
def test_vectors_have_length_one_and_ignore_padding_and_source(settings):
    torch.manual_seed(0)
    model = IdentityEncoder(**settings).eval()
    latent = torch.randn(2, 4, 20)
    short = collate([Condition(text="AF", heart_rate=80, age=50)] * 2)
    wide = ConditionBatch.cat([short, collate([Condition(text="AF, LBBB, LVH, old inferior infarct, PVC")])])
    wide = ConditionBatch(**{name: value[:2] for name, value in wide.as_dict().items()})
    simulated = collate([Condition(text="AF", heart_rate=80, age=50, source="simulated")] * 2)
    with torch.inference_mode():
        base = model(latent, short)
        assert base.shape == (2, settings["base_width"])
        assert torch.allclose(base.norm(dim=1), torch.ones(2), atol=1e-5)
        assert torch.allclose(model(latent, wide), base, atol=1e-5)
        assert torch.allclose(model(latent, simulated), base, atol=1e-6)
        assert not torch.allclose(model(latent, collate([Condition(heart_rate=150)] * 2)), base, atol=1e-4)
        assert not torch.allclose(model(latent.flip(-1), short), base, atol=1e-4)


def test_the_published_configuration():
    model = IdentityEncoder(**reference_settings())
    assert len(model.layers) == 3
    assert (model.stem.out_features, model.base_width) == (256, 256)
    assert isinstance(model.head, torch.nn.Identity)
    assert model.log_scale.exp().item() == pytest.approx(1 / 0.07)
    # What is explained is only ever taken away: with the rest switched off, the stream cannot grow.
    layer = model.layers[0]
    for part in (layer.attention.out, layer.mlp[-1]):
        torch.nn.init.zeros_(part.weight)
        torch.nn.init.zeros_(part.bias)
    x, memory = torch.randn(1, 6, 256), torch.randn(1, 16, 256)
    turn = (torch.ones(6, 2, 1, 32), torch.zeros(6, 2, 1, 32))
    assert (layer(x, turn, memory, torch.zeros(1, 1, 1, 16)) <= x).all()


def test_learning_tells_persons_apart_and_fills_the_memory():
    """Persons differ by a constant pattern, visits by strong noise and a rate that shows in the signal."""
    torch.manual_seed(0)
    model = IdentityEncoder(**SMALL, memory=64)
    pattern = torch.randn(64, 4, 1)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)

    def batch(step, count=32):
        rng = np.random.default_rng(step)
        person = torch.from_numpy(np.repeat(rng.permutation(64)[: count // 2], 2))
        latent = pattern[person] + torch.from_numpy(rng.normal(0, 1.5, (count, 4, 12))).float()
        conditions = collate([Condition(heart_rate=float(r)) for r in rng.uniform(50, 120, count)]).as_dict()
        return {"latent": latent, "person": person, "sample_seed": torch.arange(count) + 1000 * step, **conditions}

    first = model.loss(batch(10_000))["contrast"].item()
    for step in range(60):
        optimizer.zero_grad()
        model.loss(batch(step))["loss"].backward()
        optimizer.step()
    assert model.loss(batch(10_000))["contrast"].item() < 0.7 * first
    assert (model.queue_person >= 0).all()
    assert not model.queue.requires_grad
    before = model.queue.clone()
    model.eval().loss(batch(5))
    assert torch.equal(model.queue, before)


def test_a_checkpoint_holds_no_memory(tmp_path):
    model = IdentityEncoder(**SMALL, memory=16)
    save_checkpoint(tmp_path / "c", config=config_of(model), model=model)
    again = load_model(IdentityEncoder, tmp_path / "c")
    assert "queue" not in model.state_dict()
    latent, condition = torch.randn(1, 4, 10), collate([Condition(heart_rate=70)])
    with torch.inference_mode():
        assert torch.equal(again(latent, condition), model.eval()(latent, condition))
