"""Samplers by name: diffusers' schedulers around one network that predicts v at every angle phi.

Diffusion samplers (ddpm, ddim, dpm++, sde-dpm++, unipc) run on the cosine schedule with v-prediction; flow
samplers (euler, heun) follow rectified flow, whose states and velocities are exact functions of the same v
(`diffusion.process.noising`).
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from math import pi
from typing import Any

import numpy as np
import torch

from diffusion.process.named import ADAMS, DEFAULT_SAMPLER, SAMPLERS, check_sampler, check_steps
from diffusion.process.noising import flow_input, flow_velocity, phi_of_alpha_bar
from gen.records import InputError

#: (x, phi (batch,)) -> v; x and v (batch, channel, position).
Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def make_scheduler(name: str, **changes: Any) -> Any:
    """A scheduler by the name of its sampler.

    Args:
        name: of `SAMPLERS`.
        changes: further settings of the diffusers class.

    Raises:
        InputError: unknown name, or `ADAMS`, which draws beats alone.
    """
    if name == ADAMS:
        raise InputError(f"sampler {name!r} draws beats; latents are drawn by: {', '.join(SAMPLERS)}")
    check_sampler(name)
    import diffusers

    chosen = SAMPLERS[name]
    return getattr(diffusers, chosen.scheduler)(**{**chosen.settings, **changes})


def chosen_scheduler(named: Any, card: Mapping[str, Any]) -> Any:
    """A scheduler as a user names it (or hands it in), else the one that the weights' card names, else the default."""
    if named is not None and not isinstance(named, str):
        return named
    best = card.get("sampling") or {}
    return make_scheduler(named or best.get("scheduler") or DEFAULT_SAMPLER)


def name_of(scheduler: Any) -> str:
    """Name of the sampler that a scheduler is, as it is set; its class name where it is none of `SAMPLERS`."""
    for name, known in SAMPLERS.items():
        same = type(scheduler).__name__ == known.scheduler
        if same and _plain(make_scheduler(name).config) == _plain(scheduler.config):
            return name
    return type(scheduler).__name__


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A scheduler's settings without diffusers' book-keeping, comparable after a trip through JSON."""
    return {key: value for key, value in config.items() if not key.startswith("_")}


def default_steps(scheduler: Any) -> int:
    """Steps that a scheduler is used with unless told otherwise."""
    name, kind = type(scheduler).__name__, scheduler.config.get("algorithm_type")
    alike = [s for s in SAMPLERS.values() if s.scheduler == name and s.settings.get("algorithm_type", kind) == kind]
    return alike[0].steps if alike else 50


def check_scheduler(scheduler: Any) -> Any:
    """The scheduler itself; raises `InputError` where it would read the network's v as something else."""
    kind = scheduler.config.get("prediction_type", "v_prediction")
    if not is_flow(scheduler) and kind != "v_prediction":
        raise InputError(f"{type(scheduler).__name__} expects {kind}; the network predicts v (v_prediction)")
    return scheduler


def is_flow(scheduler: Any) -> bool:
    """Whether states are those of rectified flow, (1 - sigma) z + sigma n."""
    return type(scheduler).__name__.startswith("FlowMatch")


def sample(
    velocity: Velocity,
    noise: torch.Tensor,
    scheduler: Any,
    steps: int,
    seeds: torch.Tensor,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
    after_step: Callable[[int, torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Run a sampler from noise to data.

    Args:
        velocity: the network with its conditions.
        noise: (batch, channel, position) standard normal.
        scheduler: of `make_scheduler`, or any of diffusers with v-prediction.
        steps: see `SAMPLERS`; Heun evaluates the network twice per step.
        seeds: (batch,) int64; the noise that a stochastic sampler draws in step i of a sample depends on its seed and
            i alone.
        progress: wraps the steps, such as tqdm.
        after_step: told the number of each step and the state after it.

    Returns:
        (batch, channel, position) float32.
    """
    set_steps(check_scheduler(scheduler), check_steps(steps), noise.device)
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    x = noise.float() * float(getattr(scheduler, "init_noise_sigma", 1.0))
    for i in progress(range(len(scheduler.timesteps))):
        t = scheduler.timesteps[i]
        options = {"generator": step_generators(seeds, i)} if takes_generator else {}
        x = scheduler.step(_output(velocity, x, scheduler, i), t, x, **options).prev_sample.float()
        if after_step is not None:
            after_step(i, x)
    return x


def _output(velocity: Velocity, x: torch.Tensor, scheduler: Any, i: int) -> torch.Tensor:
    """What the scheduler wants to know at its step i."""
    t = scheduler.timesteps[i]
    if is_flow(scheduler):
        state, phi = flow_input(x, scheduler.sigmas[i].to(x).expand(len(x)))
        return flow_velocity(velocity(state, phi).float(), state, phi)
    if hasattr(scheduler, "sigmas"):  # sigma / alpha of the step, exact also where the timestep is rounded
        angle = torch.atan(scheduler.sigmas[i].double()).float()
    else:
        angle = phi_of_alpha_bar(scheduler.alphas_cumprod[int(t)])
    state = scheduler.scale_model_input(x, t)
    return velocity(state, angle.to(x).expand(len(x))).float()


def set_steps(scheduler: Any, steps: int, device: torch.device | str) -> None:
    """Choose the scheduler's steps; those of flows are equidistant in phi, where v changes evenly."""
    name = type(scheduler).__name__
    phi = 0.5 * pi * (1 - torch.arange(steps, dtype=torch.float64) / steps)
    sigma = phi.sin() / (phi.sin() + phi.cos())
    if name == "FlowMatchEulerDiscreteScheduler":
        scheduler.set_timesteps(sigmas=sigma.tolist(), device=device)
    else:
        scheduler.set_timesteps(steps, device=device)
    if name == "FlowMatchHeunDiscreteScheduler":  # its own steps cannot be chosen, and waste the last one
        twice = torch.cat([sigma[:1], sigma[1:].repeat_interleave(2)]).float().to(device)
        scheduler.timesteps = twice * scheduler.config.num_train_timesteps
        scheduler.sigmas = torch.cat([twice, twice.new_zeros(1)])
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)


def step_generators(seeds: torch.Tensor, step: int) -> list[torch.Generator]:
    """One generator for each sample, for what a scheduler draws in a step.

    A torch generator keeps 32 bits of its seed, so two samples in a hundred thousand may share one. Seeded anew for
    every step, they share a single step and not a course.
    """
    states = [np.random.SeedSequence((int(seed), step)).generate_state(1, np.uint64)[0] for seed in seeds.tolist()]
    return [torch.Generator().manual_seed(int(state >> 1)) for state in states]
