"""Samplers by name; apart from what they compute, so that a mistyped one loads no network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gen.errors import InputError

TRAIN_STEPS = 1000
_COSINE = {"num_train_timesteps": TRAIN_STEPS, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
_ANCESTRAL = _COSINE | {"clip_sample": False, "timestep_spacing": "trailing"}


@dataclass(frozen=True)
class Sampler:
    """A diffusers scheduler with its settings, and the number of steps it is used with unless told otherwise."""

    scheduler: str
    settings: Mapping[str, Any]
    steps: int
    about: str


SAMPLERS: Mapping[str, Sampler] = {
    "ddpm": Sampler("DDPMScheduler", _ANCESTRAL, 1000, "ancestral sampling (Ho et al. 2020), the reference"),
    "ddim": Sampler("DDIMScheduler", _ANCESTRAL | {"set_alpha_to_one": True}, 50, "DDIM (Song et al. 2021)"),
    "dpm++": Sampler(
        "DPMSolverMultistepScheduler",
        _COSINE | {"algorithm_type": "dpmsolver++", "solver_order": 2, "final_sigmas_type": "zero"},
        16,
        "DPM-Solver++ 2M (Lu et al. 2022)",
    ),
    "sde-dpm++": Sampler(
        "DPMSolverMultistepScheduler",
        _COSINE | {"algorithm_type": "sde-dpmsolver++", "solver_order": 2, "final_sigmas_type": "zero"},
        32,
        "DPM-Solver++ 2M with fresh noise in every step, which corrects errors of earlier ones",
    ),
    "unipc": Sampler("UniPCMultistepScheduler", _COSINE | {"solver_order": 2}, 16, "UniPC (Zhao et al. 2023)"),
    "euler": Sampler("FlowMatchEulerDiscreteScheduler", {"num_train_timesteps": TRAIN_STEPS}, 32, "flow, Euler steps"),
    "heun": Sampler("FlowMatchHeunDiscreteScheduler", {"num_train_timesteps": TRAIN_STEPS}, 12, "flow, Heun steps"),
}
DEFAULT_SAMPLER = "dpm++"
#: The sampler of beats, see `diffusion.beats.network.draw_vectors`; no scheduler of diffusers.
ADAMS = "adams"


def check_sampler(name: str) -> str:
    """The name itself; raises `InputError` unless it is of `SAMPLERS`, or `ADAMS`."""
    if name not in SAMPLERS and name != ADAMS:
        raise InputError(f"sampler {name!r} is unknown; known: {', '.join((*SAMPLERS, ADAMS))}")
    return name


def check_steps(steps: int) -> int:
    """The number itself; raises `InputError` unless 1 to 1000."""
    if not 1 <= steps <= TRAIN_STEPS:
        raise InputError(f"{steps} sampling steps: expected 1 to {TRAIN_STEPS}")
    return int(steps)


def check_chosen(steps: int | None = None, sampler: str | None = None) -> None:
    """Refuse steps and a sampler as they are asked for, where they are; see `check_steps`, `check_sampler`."""
    if steps is not None:
        check_steps(steps)
    if sampler is not None:
        check_sampler(sampler)
