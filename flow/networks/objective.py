"""Flow matching from a template: straight paths from a mean heart plus noise to a heart, and the way back by an ODE.

Start point z_1 = template + alpha * eps, heart z_0, path z_t = (1 - t) z_0 + t z_1, velocity z_1 - z_0 (Lipman et al.
2023, Liu et al. 2023; the template start is that of arXiv 2601.20904, whose time runs the other way). Time is
diffusers' sigma: 1 at the start point, 0 at the heart.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch

from gen.randomness import Stream, seeded_normal, seeded_uniform
from gen.records import InputError

SOLVERS = ("euler", "heun")


@dataclass(frozen=True)
class Context:
    """Conditions of a batch.

    Attributes:
        tokens: (batch, frame, token_width) ECG features of one heart cycle from the R peak.
        summary: (batch, summary_width + told) summary of the ECG and the figures it tells.
        numbers: (batch, 6) see `flow.networks.conditions.NUMBERS`; NaN where unknown.
        has_ecg: (batch,) bool; where False, tokens and summary are not looked at.
    """

    tokens: torch.Tensor
    summary: torch.Tensor
    numbers: torch.Tensor
    has_ecg: torch.Tensor

    def expand(self, count: int) -> "Context":
        """A batch of one as one of ``count``."""
        return Context(*(value.expand(count, *value.shape[1:]) for value in vars(self).values()))

    def without_ecg(self) -> "Context":
        """The same with the ECG withheld."""
        return replace(self, has_ecg=torch.zeros_like(self.has_ecg))


class Velocity(Protocol):
    """What the loss and the sampler need of a network."""

    alpha: float
    drop_ecg: float
    drop_number: float
    time_shape: str
    template: Any
    weights: Any

    def __call__(self, packed: torch.Tensor, time: torch.Tensor, context: Any) -> torch.Tensor:
        """Velocity (batch, size)."""
        ...


def flow_loss(model: Velocity, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Mean squared error of the velocity; each condition of each sample is withheld by chance.

    Args:
        model: the velocity network.
        batch: ``latent`` (batch, size) standardised, ``tokens``, ``summary``, ``numbers``, ``sample_seed``.
    """
    heart, seeds = batch["latent"], batch["sample_seed"]
    start = start_point(model, seeded_normal(heart.shape[1:], seeds, heart.device, stream=Stream.FLOW_NOISE))
    time = draw_time(seeds, heart.device, model.time_shape)
    drop = seeded_uniform((1 + batch["numbers"].shape[1],), seeds, heart.device, stream=Stream.FLOW_DROP)
    numbers = batch["numbers"].masked_fill(drop[:, 1:] < model.drop_number, float("nan"))
    context = Context(batch["tokens"], batch["summary"], numbers, drop[:, 0] >= model.drop_ecg)
    between = (1 - time[:, None]) * heart + time[:, None] * start
    error = model(between, time, context) - (start - heart)
    return {"loss": (model.weights * error.float().square()).mean()}


def start_point(model: Velocity, noise: torch.Tensor) -> torch.Tensor:
    """Template plus alpha times standard normal noise (batch, size)."""
    return model.template + model.alpha * noise


def draw_time(seeds: torch.Tensor, device: torch.device, shape: str) -> torch.Tensor:
    """(batch,) training times in (0, 1), uniform or logit-normal."""
    if shape == "uniform":
        return seeded_uniform((1,), seeds, device, stream=Stream.FLOW_TIME)[:, 0]
    if shape == "logit-normal":
        return torch.sigmoid(seeded_normal((1,), seeds, device, stream=Stream.FLOW_TIME)[:, 0])
    raise InputError(f"time_shape {shape!r}: must be uniform or logit-normal")


def make_scheduler(solver: str, steps: int) -> Any:
    """The flow-matching scheduler of diffusers with ``steps`` even steps from 1 to 0.

    Raises:
        InputError: unknown solver or fewer than one step.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler

    if solver not in SOLVERS or steps < 1:
        raise InputError(f"solver {solver!r} with {steps} steps; accepted: {' or '.join(SOLVERS)}, 1 step or more")
    scheduler: Any
    if solver == "euler":
        scheduler = FlowMatchEulerDiscreteScheduler()
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / steps, steps).tolist())
        return scheduler
    scheduler = FlowMatchHeunDiscreteScheduler()
    scheduler.set_timesteps(steps + 1)  # its last step goes from 0.001 to 0
    return scheduler


@torch.no_grad()
def sample(
    model: Velocity,
    noise: torch.Tensor,
    context: Any,
    *,
    steps: int = 8,
    solver: str = "euler",
    guidance: float = 1.0,
    known: torch.Tensor | None = None,
    pull: Callable[[torch.Tensor], torch.Tensor] | None = None,
    progress: Callable[[float], None] | None = None,
) -> torch.Tensor:
    """Hearts (batch, size) from noise (batch, size).

    Args:
        model: the velocity network.
        noise: standard normal.
        context: conditions, as the network takes them.
        steps, solver: of the ODE, see `make_scheduler`.
        guidance: 1 samples the learned distribution; above 1 leans on the ECG (Ho and Salimans 2022) at twice the cost.
        known: (batch, size) numbers of the heart that are fixed, NaN where it is free; they are kept on their straight
            path, which draws the rest towards what goes with them (replacement, short of exact conditioning).
        pull: moves the hearts (batch, size) that a step predicts, see `flow.networks.steering`.
        progress: told what share is done.
    """
    scheduler = make_scheduler(solver, steps)
    x = start = start_point(model, noise)
    for number, timestep in enumerate(scheduler.timesteps, 1):
        time = (timestep / scheduler.config["num_train_timesteps"]).to(x.device).expand(len(x))
        velocity = model(x, time, context)
        if guidance != 1.0:
            without = model(x, time, context.without_ecg())
            velocity = without + guidance * (velocity - without)
        if pull is not None:
            left = time[:, None]
            velocity = (x - pull(x - left * velocity)) / left
        x = scheduler.step(velocity, timestep, x).prev_sample
        if known is not None:
            sigma = scheduler.sigmas[scheduler.step_index]
            x = torch.where(known.isfinite(), (1 - sigma) * known + sigma * start, x)
        if progress is not None:
            progress(number / len(scheduler.timesteps))
    return x
