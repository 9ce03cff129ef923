"""The noising process: exact maps between parametrisations, and an objective whose minimum is known."""

from math import pi

import pytest
import torch

from diffusion.conditions.batch import collate
from diffusion.conditions.condition import Condition
from diffusion.process import noising as process
from diffusion.process.objective import Objective, denoising_loss, draw_phi, weight_of


@pytest.fixture
def sample():
    generator = torch.Generator().manual_seed(0)
    z, n = torch.randn(2, 5, 3, 7, generator=generator)
    phi = torch.tensor([0.0, 0.3, pi / 4, 1.2, pi / 2])
    return z, n, phi


def test_state_and_velocity_give_data_and_noise_back(sample):
    z, n, phi = sample
    x, v = process.noisy(z, n, phi), process.velocity(z, n, phi)
    torch.testing.assert_close(process.data_of(x, v, phi), z)
    torch.testing.assert_close(process.noise_of(x, v, phi), n)
    torch.testing.assert_close(x[0], z[0])
    torch.testing.assert_close(x[-1], n[-1], atol=1e-6, rtol=0)


def test_velocity_is_the_derivative_of_the_state(sample):
    z, n, phi = (t.double() for t in sample)
    step = 1e-6
    slope = (process.noisy(z, n, phi + step) - process.noisy(z, n, phi - step)) / (2 * step)
    torch.testing.assert_close(slope, process.velocity(z, n, phi), atol=1e-8, rtol=0)


def test_angle_of_cumulative_alpha():
    phi = torch.linspace(0, pi / 2, 9)
    torch.testing.assert_close(process.phi_of_alpha_bar(phi.double().cos() ** 2), phi)


@pytest.mark.parametrize("sigma", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_rectified_flow_is_the_same_process_rescaled(sample, sigma):
    z, n, _ = sample
    sigmas = torch.full((5,), sigma)
    flow = (1 - sigma) * z + sigma * n
    x, phi = process.flow_input(flow, sigmas)
    torch.testing.assert_close(x, process.noisy(z, n, phi))
    velocity = process.flow_velocity(process.velocity(z, n, phi), x, phi)
    torch.testing.assert_close(velocity, n - z, atol=1e-5, rtol=0)


def _batch(count: int = 256, channels: int = 3) -> dict[str, torch.Tensor]:
    conditions = collate([Condition(heart_rate=60 + k % 40) for k in range(count)]).as_dict()
    latent = torch.randn(count, channels, 20, generator=torch.Generator().manual_seed(1))
    return {"latent": latent, "sample_seed": torch.arange(count), **conditions}


def test_the_best_guess_for_white_data_costs_what_theory_says():
    """Data and noise are both standard normal: v is independent of x, so the best guess is 0 and costs 1."""
    zero = lambda x, phi, condition, base=None: torch.zeros_like(x)  # noqa: E731
    parts = denoising_loss(zero, _batch())
    assert parts["mse"].item() == pytest.approx(1.0, abs=0.03)
    echo = lambda x, phi, condition, base=None: x  # noqa: E731
    assert denoising_loss(echo, _batch())["mse"].item() == pytest.approx(2.0, abs=0.05)


def test_channel_weights_scale_each_channel_alone():
    zero = lambda x, phi, condition, base=None: torch.zeros_like(x)  # noqa: E731
    batch = _batch()
    batch["channel_weight"] = torch.tensor([[3.0, 0.0, 0.0]]).repeat(256, 1)
    only = denoising_loss(zero, batch)["loss"]
    batch["latent"][:, 1:] *= 100
    torch.testing.assert_close(denoising_loss(zero, batch)["loss"], only)


def test_samples_do_not_depend_on_their_batch():
    seen = []

    def record(x, phi, condition, base=None):
        seen.append((x, phi, condition.numbers))
        return x

    batch = _batch(6)
    denoising_loss(record, batch)
    denoising_loss(record, {name: value[2:4] for name, value in batch.items()})
    for whole, part in zip(*seen, strict=True):
        torch.testing.assert_close(whole[2:4], part, equal_nan=True)


def test_times_and_weights():
    seeds = torch.arange(20_000)
    uniform = draw_phi(seeds, Objective(times="uniform")) / (pi / 2)
    assert uniform.mean().item() == pytest.approx(0.5, abs=0.01)
    assert uniform.std().item() == pytest.approx(12**-0.5, abs=0.01)
    logit = torch.logit((draw_phi(seeds, Objective(time_mean=0.4, time_spread=0.8)) / (pi / 2)).double())
    assert logit.mean().item() == pytest.approx(0.4, abs=0.02)
    assert logit.std().item() == pytest.approx(0.8, abs=0.02)
    settings = Objective(weighting="min-snr", gamma=5.0)
    phi = torch.linspace(0, pi / 2, 20_001)
    weight = weight_of(phi, settings)
    assert weight.mean().item() == pytest.approx(1.0, abs=1e-3)
    snr = (phi[1:].cos() / phi[1:].sin()) ** 2
    theory = snr.clamp(max=5.0) / (snr + 1)
    torch.testing.assert_close(weight[1:] / weight[10_000], theory / theory[9_999], atol=1e-4, rtol=1e-3)


def test_given_angles_leave_conditions_whole():
    seen = []

    def record(x, phi, condition, base=None):
        seen.append((phi, condition.numbers))
        return x

    batch = _batch(64)
    batch["phi"] = torch.full((64,), 0.5)
    denoising_loss(record, batch, Objective(drop_everything=1.0))
    assert (seen[0][0] == 0.5).all()
    torch.testing.assert_close(seen[0][1], batch["numbers"], equal_nan=True)
