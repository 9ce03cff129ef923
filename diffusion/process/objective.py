"""What denoisers are trained on: squared error of v, with times and weights of choice."""

from dataclasses import dataclass
from math import pi
from typing import Literal, Protocol

import torch

from diffusion.conditions.batch import ConditionBatch, drop_at_random
from diffusion.process.noising import noisy, velocity
from gen.randomness import Stream, seeded_normal, seeded_uniform


class Denoiser(Protocol):
    """What the objective, the samplers and the pipeline ask of a network."""

    def __call__(
        self, x: torch.Tensor, phi: torch.Tensor, condition: ConditionBatch, base: torch.Tensor | None = None
    ) -> torch.Tensor:
        """V (batch, channel, position) at states x and angles phi (batch,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Settings of the denoising loss."""

    times: Literal["logit-normal", "uniform"] = "logit-normal"
    """Distribution of phi / (pi/2): logistic of a normal (Esser et al. 2024), or uniform (the cosine schedule)."""
    time_mean: float = 0.0
    """Mean of that normal."""
    time_spread: float = 1.2
    """Its standard deviation."""
    weighting: Literal["none", "min-snr"] = "none"
    """min-SNR (Hang et al. 2023) for v: min(SNR, gamma) / (SNR + 1), scaled to mean one over uniform times."""
    gamma: float = 5.0
    """Bound of the signal-to-noise ratio in min-SNR."""
    drop_each: float = 0.1
    """Probability that a group of conditions is left out, see `diffusion.conditions.condition.drop_at_random`."""
    drop_everything: float = 0.1
    """Probability that all groups are left out together."""
    drop_within: float = 0.3
    """Probability that a single number is left out."""
    drop_base: float = 0.15
    """Probability that an identity embedding is left out, independently of everything else."""


def draw_phi(seeds: torch.Tensor, settings: Objective) -> torch.Tensor:
    """Angles (batch,), one for each sample seed."""
    if settings.times == "uniform":
        return 0.5 * pi * seeded_uniform((), seeds, stream=Stream.TIME)
    normal = seeded_normal((), seeds, stream=Stream.TIME)
    return 0.5 * pi * torch.sigmoid(settings.time_mean + settings.time_spread * normal)


def weight_of(phi: torch.Tensor, settings: Objective) -> torch.Tensor:
    """Weight (batch,) of the squared error of v."""
    if settings.weighting == "none":
        return torch.ones_like(phi)
    signal, noise = phi.cos() ** 2, phi.sin() ** 2
    # With t = phi / (pi/2) uniform, the mean of min(SNR, gamma) / (SNR + 1) has a closed form.
    bound = torch.atan(torch.tensor(settings.gamma) ** -0.5).item()
    below = gamma_mean(settings.gamma, bound)
    return torch.minimum(signal, settings.gamma * noise) / below


def gamma_mean(gamma: float, bound: float) -> float:
    """Mean of min(cos^2, gamma sin^2) over a quarter turn; they meet at ``bound``."""
    primitive = torch.tensor([bound]).mul(2).sin().item()
    return (gamma * (2 * bound - primitive) + (pi - 2 * bound) - primitive) / (2 * pi)


def denoising_loss(
    model: Denoiser, batch: dict[str, torch.Tensor], settings: Objective | None = None
) -> dict[str, torch.Tensor]:
    """Loss of one batch.

    Args:
        model: the network.
        batch: ``latent`` (batch, channel, position) of unit variance, ``sample_seed`` (batch,), the tensors of a
            `ConditionBatch`, and optionally ``base`` (batch, width) of the persons, NaN where unknown,
            ``channel_weight`` (batch, channel), weights of the channels' errors, and ``phi`` (batch,), angles to use
            instead of drawn ones (nothing is left out then).
        settings: of the objective.

    Returns:
        "loss", and "mse" without weights.
    """
    settings = settings or Objective()
    z, seeds = batch["latent"].float(), batch["sample_seed"]
    condition = ConditionBatch.from_dict(batch)
    phi, base = batch.get("phi"), batch.get("base")
    if phi is None:
        phi = draw_phi(seeds, settings).to(z.device)
        condition = drop_at_random(
            condition,
            seeds,
            each=settings.drop_each,
            everything=settings.drop_everything,
            within=settings.drop_within,
        )
        if base is not None:
            absent = seeded_uniform((1,), seeds, base.device, stream=Stream.BASE) < settings.drop_base
            base = torch.where(absent, torch.nan, base)
    noise = seeded_normal(z.shape[1:], seeds, z.device)
    predicted = model(noisy(z, noise, phi), phi, condition, base).float()
    error = (predicted - velocity(z, noise, phi)) ** 2
    weighted = error if "channel_weight" not in batch else error * batch["channel_weight"][:, :, None]
    per_sample = weighted.mean(dim=(1, 2))
    return {"loss": (per_sample * weight_of(phi, settings)).mean(), "mse": error.mean()}
