"""Numbers of a heart that are fixed while the rest is drawn."""

import pytest
import torch

from flow.networks.objective import Context, sample


class Correlated:
    """Exact velocity to a two-dimensional normal distribution of correlation rho from a standard normal start."""

    alpha, drop_ecg, drop_number, time_shape, weights = 1.0, 0.0, 0.0, "uniform", 1.0
    template = torch.zeros(2)

    def __init__(self, rho: float) -> None:
        self.covariance = torch.tensor([[1.0, rho], [rho, 1.0]])

    def __call__(self, x: torch.Tensor, time: torch.Tensor, context: Context) -> torch.Tensor:
        t, one = float(time[0]), torch.eye(2)
        total = (1 - t) ** 2 * self.covariance + t**2 * one
        return x @ torch.linalg.solve(total, t * one - (1 - t) * self.covariance)


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_known_numbers_stay_and_the_rest_goes_with_them(solver: str) -> None:
    n = 3000
    noise = torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    context = Context(torch.zeros(n, 1, 1), torch.zeros(n, 1), torch.zeros(n, 6), torch.ones(n, dtype=torch.bool))
    known = torch.stack([torch.full((n,), 2.0), torch.full((n,), float("nan"))], dim=1)
    free = sample(Correlated(0.8), noise, context, steps=20, solver=solver)
    assert float(torch.corrcoef(free.T)[0, 1]) == pytest.approx(0.8, abs=0.05)
    fixed = sample(Correlated(0.8), noise, context, steps=20, solver=solver, known=known)
    assert torch.equal(fixed[:, 0], known[:, 0])
    # The rest is drawn towards its conditional mean of 1.6; replacing falls short of it (Lugmayr et al. 2022).
    assert 0.5 < float(fixed[:, 1].mean()) < 1.6
    # What the same noise would give anyway changes little: so slices of one heart are drawn.
    own = torch.stack([free[:, 0], known[:, 1]], dim=1)
    again = sample(Correlated(0.8), noise, context, steps=20, solver=solver, known=own)
    assert float(torch.corrcoef(torch.stack([again[:, 1], free[:, 1]]))[0, 1]) > 0.99
    alone = sample(Correlated(0.0), noise, context, steps=20, solver=solver, known=known)
    independent = sample(Correlated(0.0), noise, context, steps=20, solver=solver)
    assert torch.allclose(alone[:, 1], independent[:, 1], atol=1e-5)
