"""Flow matching and the velocity networks against what must hold."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from flow.networks.conditions import NUMBERS, Conditions
from flow.networks.objective import Context, flow_loss, make_scheduler, sample, start_point
from flow.networks.velocity import VelocityDiT, patches, unpatched
from flow.networks.velocity_published import ReferenceDiT
from gen.records import InputError, Patient


def _context(n: int, seed: int = 0) -> Context:
    g = torch.Generator().manual_seed(seed)
    tokens, summary = torch.randn(n, 50, 24, generator=g), torch.randn(n, 20, generator=g)
    return Context(tokens, summary, torch.randn(n, len(NUMBERS), generator=g), torch.ones(n, dtype=torch.bool))


class Gaussian:
    """Exact velocity where hearts are N(mean, spread^2) and the start is N(template, alpha^2), elementwise."""

    drop_ecg = drop_number = 0.0
    time_shape = "uniform"
    weights = 1.0

    def __init__(self, alpha: float, mean: float, spread: float) -> None:
        self.alpha, self.mean, self.spread, self.template = alpha, mean, spread, torch.tensor(0.7)

    def __call__(self, x: torch.Tensor, time: torch.Tensor, context: Context) -> torch.Tensor:
        t = time[:, None]
        variance = (1 - t) ** 2 * self.spread**2 + t**2 * self.alpha**2
        centred = x - (1 - t) * self.mean - t * self.template
        slope = (t * self.alpha**2 - (1 - t) * self.spread**2) / variance
        return self.template - self.mean + slope * centred


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_sampling_turns_the_start_into_the_hearts(solver: str) -> None:
    model = Gaussian(1.0, 2.0, 0.5)
    noise = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))
    found = sample(model, noise, _context(2000), steps=40, solver=solver)
    # The ODE carries quantile to quantile: the exact map is linear.
    tolerance = 0.05 if solver == "euler" else 0.01
    assert float((found - (2.0 + 0.5 * noise)).abs().max()) < tolerance * 4
    assert float(found.mean()) == pytest.approx(2.0, abs=0.03)


def test_heun_is_more_accurate_than_euler_at_equal_steps() -> None:
    model, noise = Gaussian(1.0, 2.0, 0.3), torch.linspace(-2, 2, 50)[:, None]
    errors = {
        s: float((sample(model, noise, _context(50), steps=8, solver=s) - (2.0 + 0.3 * noise)).abs().max())
        for s in ("euler", "heun")
    }
    assert errors["heun"] < 0.5 * errors["euler"]


def test_the_exact_velocity_has_the_least_loss() -> None:
    g = torch.Generator().manual_seed(0)
    latent = 2.0 + 0.5 * torch.randn(1500, 1, generator=g)
    batch = {"latent": latent, "tokens": torch.zeros(1500, 50, 24), "summary": torch.zeros(1500, 20)}
    batch |= {"numbers": torch.zeros(1500, 6), "sample_seed": torch.arange(1500)}
    best = float(flow_loss(Gaussian(1.0, 2.0, 0.5), batch)["loss"])
    assert best < float(flow_loss(Gaussian(1.0, 2.2, 0.5), batch)["loss"])
    assert best < float(flow_loss(Gaussian(1.0, 2.0, 0.8), batch)["loss"])


def test_schedulers_run_from_one_to_zero() -> None:
    euler = make_scheduler("euler", 5)
    assert euler.sigmas.tolist() == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
    assert float(make_scheduler("heun", 5).sigmas[-1]) == 0.0
    with pytest.raises(InputError, match="accepted"):
        make_scheduler("magic", 5)


def test_start_is_template_plus_alpha_noise(make_network: Callable[..., VelocityDiT]) -> None:
    network = make_network(alpha=0.5)
    network.template.fill_(3.0)
    noise = torch.randn(2, network.size)
    assert torch.allclose(start_point(network, noise), 3.0 + 0.5 * noise)


def test_pack_and_patches_round_trip(make_network: Callable[..., VelocityDiT]) -> None:
    network = make_network()
    anatomy, motion, figures = torch.randn(2, 4, 4, 4), torch.randn(2, 50, 5), torch.randn(2, 4)
    back = network.unpack(network.pack(anatomy, motion, figures))
    assert torch.equal(back[2], figures)
    assert float(network.weights.mean()) == pytest.approx(1.0, rel=1e-5)
    assert torch.equal(back[0], anatomy)
    assert torch.equal(back[1], motion)
    assert torch.equal(unpatched(patches(anatomy, network.patch), network.patch, network.anatomy_shape), anatomy)


def test_withheld_conditions_are_not_looked_at(make_network: Callable[..., VelocityDiT]) -> None:
    network, x, time = make_network(), torch.randn(2, 318), torch.tensor([0.3, 0.8])
    a, b = _context(2, 0), _context(2, 1)
    assert x.shape[1] == network.size
    numbers = torch.full_like(a.numbers, math.nan)
    with torch.no_grad():
        first, second = (network(x, time, Context(c.tokens, c.summary, numbers, ~c.has_ecg)) for c in (a, b))
        told = network(x, time, Context(a.tokens, a.summary, numbers, a.has_ecg))
        age = numbers.clone()
        age[:, 1] = 0.5
        aged = network(x, time, Context(a.tokens, a.summary, age, ~a.has_ecg))
    assert torch.equal(first, second)
    assert not torch.allclose(first, told)
    assert not torch.allclose(first, aged)


def test_the_order_of_the_ecg_tokens_matters(make_network: Callable[..., VelocityDiT]) -> None:
    network, c = make_network(), _context(1)
    turned = Context(c.tokens.roll(10, 1), c.summary, c.numbers, c.has_ecg)
    x, time = torch.randn(1, network.size), torch.tensor([0.5])
    with torch.no_grad():
        assert not torch.allclose(network(x, time, c), network(x, time, turned), atol=1e-5)


def test_guidance_one_is_the_plain_sample(make_network: Callable[..., VelocityDiT]) -> None:
    network, noise = make_network(), torch.randn(3, 318)
    plain = sample(network, noise, _context(3), steps=2)
    assert torch.equal(plain, sample(network, noise, _context(3), steps=2, guidance=1.0))
    assert not torch.allclose(plain, sample(network, noise, _context(3), steps=2, guidance=3.0))


def test_a_sample_does_not_depend_on_the_batch(make_network: Callable[..., VelocityDiT]) -> None:
    network, noise, c = make_network(), torch.randn(4, 318), _context(4)
    together = sample(network, noise, c, steps=3)
    alone = sample(network, noise[2:3], Context(*(getattr(c, k)[2:3] for k in vars(c))), steps=3)
    assert torch.allclose(together[2:3], alone, atol=1e-5)


def test_loss_reaches_every_weight(make_network: Callable[..., VelocityDiT]) -> None:
    network, c = make_network(drop_ecg=0.5, drop_number=0.5), _context(8)
    batch = {"latent": torch.randn(8, network.size), "tokens": c.tokens, "summary": c.summary, "numbers": c.numbers}
    batch["sample_seed"] = torch.arange(8)
    network.loss(batch)["loss"].backward()
    assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in network.parameters())


def test_default_network_fits_a_file() -> None:
    assert sum(p.numel() for p in VelocityDiT().parameters()) * 2 < 16e6  # stored as fp16


def test_reference_has_the_published_size() -> None:
    with torch.device("meta"):
        model = ReferenceDiT()
    assert sum(p.numel() for p in model.parameters()) == 72_757_252  # 72.8 M


def test_reference_trains() -> None:
    model = ReferenceDiT(frames=5, size=3, width=16, depth=2, heads=2, token_width=8)
    batch = {"latent": torch.randn(2, 4, 5, 3, 3), "tokens": torch.randn(2, 5, 8), "sample_seed": torch.arange(2)}
    loss = model.loss(batch)["loss"]
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert model(batch["latent"], torch.rand(2), batch["tokens"]).shape == batch["latent"].shape


def test_unknown_numbers_are_nan() -> None:
    values = Conditions.of(0.9, Patient(age=60.0, sex="M"), 0.45).values[0]
    assert values[0] == pytest.approx(0.0)
    assert values[1] == pytest.approx(0.0)
    assert values[2] == pytest.approx(1.0)
    assert np.isnan(values[3:5]).all()
    assert np.isnan(Conditions.of(0.9, Patient()).values[0, 1:]).all()
