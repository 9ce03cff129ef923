"""Losses against closed forms: what counts, what does not, and where the gradient goes."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from gen.simulate import simulate
from vae.networks import losses as loss


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    predicted, target = (torch.randn(4, 8, 600, generator=generator, dtype=torch.float64) for _ in range(2))
    weight = torch.ones_like(target)
    weight[:, [1, 2, 6]] = 0
    weight[0, 3, 100:200] = 0
    return predicted, target, weight


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 7), (5, 3, 4, 6)])
def test_kl_to_the_standard_normal(shape):
    mean, log_var = torch.randn(2, *shape, dtype=torch.float64)
    exact = kl_divergence(Normal(mean, (0.5 * log_var).exp()), Normal(0.0, 1.0)).sum(dim=1).mean()
    torch.testing.assert_close(loss.kl_standard(mean, log_var), exact)
    assert loss.kl_standard(torch.zeros(shape), torch.zeros(shape)) == 0
    assert loss.kl_standard(torch.zeros(shape), torch.full(shape, -1.0)) > 0  # a flipped sign would be negative


def test_kl_between_two_normals():
    mean_q, log_var_q, mean_p, log_var_p = torch.randn(4, 6, 9, dtype=torch.float64)
    q, p = Normal(mean_q, (0.5 * log_var_q).exp()), Normal(mean_p, (0.5 * log_var_p).exp())
    exact = kl_divergence(q, p).sum(dim=-1).mean()
    torch.testing.assert_close(loss.kl_between(mean_q, log_var_q, mean_p, log_var_p), exact)
    assert loss.kl_between(mean_q, log_var_q, mean_q, log_var_q).abs() < 1e-12
    zero = torch.zeros_like(mean_p)
    torch.testing.assert_close(
        loss.kl_between(mean_q, log_var_q, zero, zero), loss.kl_standard(mean_q, log_var_q, dim=1)
    )


def test_errors_are_means_over_what_counts(pair):
    predicted, target, weight = pair
    error = (predicted - target).numpy()
    chosen = [error[i][weight[i].numpy() > 0] for i in range(4)]
    assert loss.masked_mae(*pair).item() == pytest.approx(np.mean([np.abs(e).mean() for e in chosen]))
    assert loss.masked_mse(*pair).item() == pytest.approx(np.mean([(e**2).mean() for e in chosen]))
    limited = np.mean([(np.minimum(np.abs(e), 0.5) ** 2).mean() for e in chosen])
    assert loss.masked_mse(*pair, limit=0.5).item() == pytest.approx(limited)


@pytest.mark.parametrize("function", [loss.masked_mae, loss.masked_mse, loss.correlation_loss, loss.spectral_loss])
def test_what_does_not_count_changes_nothing_and_gets_no_gradient(pair, function):
    predicted, target, weight = pair
    weight = weight.amin(dim=2, keepdim=True).expand_as(weight)  # whole leads, as the spectral loss needs
    other = torch.where(weight > 0, predicted, 99.0)
    torch.testing.assert_close(function(other, target, weight), function(predicted, target, weight))
    predicted.requires_grad_()
    function(predicted, target, weight).backward()
    assert (predicted.grad[weight == 0] == 0).all()
    assert predicted.grad[weight > 0].any()


def test_a_record_without_anything_missing_gives_zero_not_nan(pair):
    predicted, target, weight = pair
    for function in (loss.masked_mae, loss.masked_mse, loss.correlation_loss, loss.spectral_loss):
        assert function(predicted, target, torch.zeros_like(weight)) == 0


def test_the_mean_does_not_depend_on_how_a_batch_is_split(pair):
    for function in (loss.masked_mae, loss.masked_mse, loss.correlation_loss, loss.spectral_loss):
        halves = [function(*(x[part] for x in pair)) for part in (slice(0, 2), slice(2, 4))]
        torch.testing.assert_close(function(*pair), sum(halves) / 2)


def test_correlation_ignores_scale_and_offset_and_is_numpy_s(pair):
    predicted, target, weight = pair
    expected = []
    for i in range(4):
        rows = [r for r in range(8) if weight[i, r].any()]
        where = [weight[i, r].numpy() > 0 for r in rows]
        r = [np.corrcoef(predicted[i, k].numpy()[w], target[i, k].numpy()[w])[0, 1] for k, w in zip(rows, where)]  # noqa: B905
        expected.append(1 - np.mean(r))
    found = loss.correlation_loss(predicted, target, weight).item()
    assert found == pytest.approx(np.mean(expected), abs=1e-6)
    assert loss.correlation_loss(3.7 * predicted - 2, target, weight).item() == pytest.approx(found, abs=1e-5)
    assert loss.correlation_loss(-predicted, target, weight).item() == pytest.approx(2 - found, abs=1e-5)
    assert loss.correlation_loss(2 * target + 1, target, weight).abs() < 1e-5


def test_the_laplace_likelihood_is_torch_s_and_trains_the_scale_alone(pair):
    predicted, target, weight = pair
    log_scale = torch.full_like(predicted, -0.7).requires_grad_()
    predicted.requires_grad_()
    found = loss.laplace_nll(predicted, log_scale, target, weight)
    density = torch.distributions.Laplace(predicted.detach(), log_scale.detach().exp()).log_prob(target)
    exact = loss.masked_mean(-density - np.log(2), weight)
    torch.testing.assert_close(found.detach(), exact)
    found.backward()
    assert predicted.grad is None
    assert log_scale.grad[weight > 0].all()
    best = (predicted.detach() - target).abs().clamp_min(1e-3).log()
    assert loss.laplace_nll(predicted, best, target, weight) < loss.laplace_nll(predicted, best + 0.3, target, weight)
    assert loss.laplace_nll(predicted, best, target, weight) < loss.laplace_nll(predicted, best - 0.3, target, weight)


def test_the_spectral_loss_sees_frequencies_and_not_their_phase():
    time = torch.arange(2048, dtype=torch.float64) / 500
    wave = torch.sin(2 * np.pi * 20 * time)[None, None]
    shifted = torch.cos(2 * np.pi * 20 * time)[None, None]
    other = torch.sin(2 * np.pi * 45 * time)[None, None]
    weight = torch.ones_like(wave)
    assert loss.spectral_loss(wave, wave, weight) == 0
    assert loss.spectral_loss(shifted, wave, weight) < 0.25 * loss.spectral_loss(other, wave, weight)


def test_the_weight_peaks_at_the_qrs():
    batch = simulate(range(8), seed=3, noise="none", conditions={"statements": ["SR"]})
    weight = loss.qrs_weight(torch.from_numpy(batch.signal_mv), batch.fs_hz, gain=2.0)[:, 0].numpy()
    assert weight.min() >= 1
    assert weight.max() <= 3
    for row, truth in zip(weight, batch.truth, strict=True):
        inside = np.zeros(row.size, dtype=bool)
        for onset, _, offset in (beat.qrs for beat in truth.beats if not np.isnan(beat.qrs[0])):
            inside[max(0, round(onset * batch.fs_hz)) : round(offset * batch.fs_hz)] = True
        assert inside.any()
        assert row[inside].mean() > 1.5 * row[~inside].mean()
        assert inside[row > 2.5].mean() > 0.8


class Features(torch.nn.Module):
    """A frozen two-stage network."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = torch.nn.ModuleList([torch.nn.Conv1d(8, 4, 5), torch.nn.Conv1d(4, 2, 5)]).double()
        self.requires_grad_(False)

    def forward(self, x):
        found = []
        for stage in self.stages:
            x = stage(x).tanh()
            found.append(x)
        return found
