"""Editing: a latent noised part of the way, and brought back under other conditions (SDEdit, Meng et al. 2022)."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import torch

from diffusion.process.noising import noisy
from diffusion.process.samplers import Velocity


@dataclass(frozen=True, eq=False)
class Start:
    """Where an edit starts from.

    Attributes:
        latent: (1, channel, position), or one for each sample.
        strength: 0 (the latent itself) to 1 (noise), the part of the way to noise that it goes.
    """

    latent: torch.Tensor
    strength: float


def edit(
    velocity: Velocity,
    start: torch.Tensor,
    noise: torch.Tensor,
    strength: float,
    steps: int,
    after_step: Callable[[int, torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Noise a latent part of the way and come back.

    The way back is DDIM's, which in angles is a rotation: x(phi - d) = cos(d) x(phi) - sin(d) v(phi).

    Args:
        velocity: (x, phi) -> v.
        start: (batch, channel, position) of the reference.
        noise: (batch, channel, position), the same as from-noise generation starts from.
        strength: 0 to 1, as a share of the quarter turn from data to noise.
        steps: of a whole quarter turn; an edit takes its share of them, at least one.
        after_step: told the number of each step and the state after it.
    """
    if strength <= 0:
        return start.float().clone()
    count = max(1, round(strength * steps))
    phi = start.new_full((len(start),), 0.5 * pi * strength)
    angle = torch.tensor(0.5 * pi * strength / count)
    x = noisy(start.float(), noise, phi)
    for i in range(count):
        x = angle.cos() * x - angle.sin() * velocity(x, phi - i * angle)
        if after_step is not None:
            after_step(i, x)
    return x
