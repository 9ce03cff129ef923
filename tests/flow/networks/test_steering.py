"""Steering: a linear reading of latents, and hearts moved until they are read as wanted."""

import numpy as np
import pytest
import torch

from flow.networks.objective import Context, sample
from flow.networks.steering import Steering
from flow.networks.velocity import VelocityDiT

FIGURES = 4


@pytest.fixture(scope="module")
def hearts() -> tuple[np.ndarray, np.ndarray]:
    """Latents (900, 64), the last four being the figures that are linear in the others but for a little noise."""
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((900, 60)) @ np.diag(np.linspace(2.0, 0.1, 60))
    latents[:, 1] += 0.7 * latents[:, 0]
    figures = latents @ rng.standard_normal((60, FIGURES)) / 4 + 0.5
    figures += 0.05 * rng.standard_normal(figures.shape)
    return np.concatenate([latents, figures], axis=1).astype(np.float32), figures.astype(np.float32)


@pytest.fixture(scope="module")
def steering(hearts: tuple[np.ndarray, np.ndarray]) -> Steering:
    latents, figures = hearts
    return Steering.fit(latents[:700], figures[:700], "codec")


def test_figures_are_read_of_unseen_hearts(steering: Steering, hearts: tuple[np.ndarray, np.ndarray]) -> None:
    latents, figures = hearts
    told = steering.read(torch.from_numpy(latents[700:])).numpy()
    assert np.abs(told - figures[700:]).mean() < 0.08
    # The figures that a packed latent ends with are not what is read.
    blank = latents[700:].copy()
    blank[:, -FIGURES:] = 0
    assert np.allclose(steering.read(torch.from_numpy(blank)).numpy(), told)


def test_moved_hearts_are_read_as_wanted_and_others_stay(
    steering: Steering, hearts: tuple[np.ndarray, np.ndarray]
) -> None:
    latents, figures = (torch.from_numpy(x[700:]) for x in hearts)
    moved = steering(latents, figures.roll(1, dims=0))
    assert torch.allclose(steering.read(moved), figures.roll(1, dims=0), atol=1e-4)
    assert torch.equal(moved[:, -FIGURES:], latents[:, -FIGURES:])
    assert torch.allclose(steering(latents, steering.read(latents)), latents, atol=1e-5)


def test_the_way_there_is_the_regression_of_latents_on_figures(
    steering: Steering, hearts: tuple[np.ndarray, ...]
) -> None:
    """Number 1 goes with number 0, so that both move; a number that the figures do not depend on stays."""
    latents, figures = hearts
    told = steering.read(torch.from_numpy(latents[:700])).numpy().astype(np.float64)
    seen = latents[:700].astype(np.float64)
    slope = np.linalg.lstsq(told - told.mean(axis=0), seen - seen.mean(axis=0), rcond=None)[0].T
    assert np.allclose(steering.gain.numpy()[:-FIGURES], slope[:-FIGURES], atol=1e-3)
    assert steering.lowest.numpy() == pytest.approx(figures[:700].min(axis=0))
    far = torch.full((2, FIGURES), 99.0)
    assert torch.equal(steering.within(far), steering.highest.expand(2, -1))


def test_the_solver_ends_at_the_figures(make_network: type[VelocityDiT]) -> None:
    """Whatever the network says: the last predicted heart is the heart, and that one has been moved."""
    network = make_network()
    rng = np.random.default_rng(1)
    latents = rng.standard_normal((300, network.size)).astype(np.float32)
    figures = (latents[:, :50] @ rng.standard_normal((50, FIGURES)) / 7).astype(np.float32)
    steering = Steering.fit(latents, figures)
    wanted = torch.from_numpy(figures[:3])
    context = Context(torch.zeros(3, 50, 24), torch.zeros(3, 20), torch.zeros(3, 6), torch.ones(3, dtype=torch.bool))
    noise = torch.from_numpy(rng.standard_normal((3, network.size)).astype(np.float32))
    for solver in ("euler", "heun"):
        found = sample(network, noise, context, steps=3, solver=solver, pull=lambda h: steering(h, wanted))
        assert torch.allclose(steering.read(found), wanted, atol=0.02)
        free = sample(network, noise, context, steps=3, solver=solver)
        assert not torch.allclose(steering.read(free), wanted, atol=0.3)
