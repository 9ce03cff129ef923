"""True masking, phase, sizes and losses of the encoder."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from flow.networks.pamae import EcgFeatures, PhaseAwareMAE, circular_error_deg, targets_of, volumes_loss
from flow.networks.pamae_published import ReferencePAMAE


def _batch(n: int, model: PhaseAwareMAE) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    count = model.num_tokens * model.phases
    return {
        "signal_mv": torch.randn(n, 8, 2000, generator=g),
        "beat_mv": torch.randn(n, 8, 160, generator=g),
        "rr_s": torch.full((n,), 0.8),
        "phase": 6.28 * torch.rand(n, count, generator=g),
        "phase_valid": torch.ones(n, count, dtype=torch.bool),
        "targets": torch.tensor([[4.8, 4.6, 0.3, 0.37]] * n),
        "sample_seed": torch.arange(n),
    }


def test_dropped_patches_never_reach_the_encoder(make_encoder: Callable[..., PhaseAwareMAE]) -> None:
    model = make_encoder()
    patches, _ = model.patches(torch.randn(2, 8, 2000))
    keep = torch.arange(0, 200, 2).expand(2, -1)
    changed = patches.clone()
    changed[:, 1::2] += 100.0
    with torch.no_grad():
        first, second = model.encode_visible(patches, keep), model.encode_visible(changed, keep)
    assert first.shape == (2, 100, 24)
    assert torch.equal(first, second)


def test_loss_is_on_the_dropped_patches_alone(make_encoder: Callable[..., PhaseAwareMAE]) -> None:
    model = make_encoder(full_share=1.0)
    assert float(model.loss(_batch(3, model))["reconstruction"].detach()) == 0.0
    model = make_encoder(full_share=0.0)
    losses = model.loss(_batch(3, model))
    assert float(losses["reconstruction"].detach()) > 0
    losses["loss"].backward()
    assert all(p.grad is not None for p in model.parameters())


def test_phase_is_trained_where_it_is_valid_only(make_encoder: Callable[..., PhaseAwareMAE]) -> None:
    model = make_encoder(full_share=1.0).eval()
    batch = _batch(2, model)
    batch["phase_valid"][:, ::2] = False
    changed = dict(batch, phase=torch.where(batch["phase_valid"], batch["phase"], torch.tensor(3.0)))
    with torch.no_grad():
        assert torch.equal(model.loss(batch)["phase"], model.loss(changed)["phase"])


def test_unknown_figures_do_not_count(make_encoder: Callable[..., PhaseAwareMAE]) -> None:
    model = make_encoder()
    batch = _batch(2, model)
    batch["targets"][:] = math.nan
    losses = model.loss(batch)
    assert float(losses["figures"].detach()) == 0.0
    assert math.isfinite(float(losses["loss"].detach()))


def test_figures_loss_is_the_normal_likelihood() -> None:
    told = EcgFeatures(torch.zeros(1), torch.zeros(1), torch.tensor([[0.5, 9.0]]), torch.tensor([[0.2, 0.0]]))
    wanted = torch.tensor([[1.5, math.nan]])
    normal = torch.distributions.Normal(0.5, math.exp(0.2))
    expected = -normal.log_prob(torch.tensor(1.5)) - 0.5 * math.log(2 * math.pi)
    assert volumes_loss(told, wanted) == pytest.approx(float(expected), abs=1e-6)


def test_circular_error_wraps() -> None:
    angle = torch.tensor([0.02, 3.0, 1.0])
    predicted = torch.stack([torch.sin(angle), torch.cos(angle)], dim=-1)
    truth = torch.tensor([2 * math.pi - 0.02, 3.0, 1.0 + math.pi / 2])
    error = circular_error_deg(predicted, truth, torch.tensor([True, True, True]))
    assert error.numpy() == pytest.approx([math.degrees(0.04), 0.0, 90.0], abs=1e-3)


def test_token_times_are_the_middles_of_the_patches(make_encoder: Callable[..., PhaseAwareMAE]) -> None:
    model = make_encoder()
    times = model.token_times_s
    assert float(times[0]) == pytest.approx(np.arange(10).mean() / 200.0)
    assert float(model.phase_times_s()[:2].mean()) == pytest.approx(float(times[0]))


def test_targets_are_invertible() -> None:
    values = [torch.tensor([150.0]), torch.tensor([100.0]), torch.tensor([0.6]), torch.tensor([0.37])]
    log_edv, log_mass, logit, share = targets_of(*values)[0].tolist()
    assert math.exp(log_edv) == pytest.approx(150.0, rel=1e-5)
    assert math.exp(log_mass) == pytest.approx(100.0, rel=1e-5)
    assert 1 / (1 + math.exp(-logit)) == pytest.approx(0.6, rel=1e-5)
    assert share == pytest.approx(0.37)


def test_reference_has_the_published_size() -> None:
    model = ReferencePAMAE()
    assert model.encoder_parameters() == 4_374_658  # 4.37 M
    assert sum(p.numel() for p in model.decoder.parameters()) == 916_556  # 0.92 M


def test_reference_hides_before_the_encoder() -> None:
    model = ReferencePAMAE(mask_ratio=0.5)
    phase = torch.zeros(2, 25)
    batch = {"signal_mv": torch.randn(2, 12, 200), "phase": phase, "phase_valid": torch.ones(2, 25)}
    batch["sample_seed"] = torch.arange(2)
    features, angles = model(batch["signal_mv"])
    assert features.shape == (2, 25, 768)
    assert angles.shape == (2, 25, 2)
    losses = model.loss(batch)
    losses["loss"].backward()
    assert model.hidden.grad is not None
    assert float(model.hidden.grad.abs().sum()) > 0
