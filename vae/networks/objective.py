"""What the default model is trained on: errors on unobserved samples, the evidence bound, and the scale."""

from dataclasses import dataclass
from typing import Protocol

import torch

from gen.randomness import Stream, seeded_normal, seeded_uniform
from vae.networks import losses as loss


@dataclass
class Encoded:
    """What the encoder knows about a batch of records from their observed samples.

    Shapes: ``scale_mv`` (batch, 1, 1); ``filled`` (batch, 8, time) in units of the scale; ``condition`` (batch, C);
    ``mean`` and ``log_var`` (batch, latent): the prior p(z | observed).
    """

    scale_mv: torch.Tensor
    filled: torch.Tensor
    condition: torch.Tensor
    bottleneck: torch.Tensor
    skips: list[torch.Tensor]
    mean: torch.Tensor
    log_var: torch.Tensor


@dataclass
class Decoded:
    """Decoder output, both (batch, 8, time) mV: the mean and the Laplace scale around it."""

    mean_mv: torch.Tensor
    scale_mv: torch.Tensor


class ConditionalVAE(Protocol):
    """What the objective asks of a network; see `vae.networks.lead_vae.LeadVAE` for each."""

    fs_hz: float

    def encode(self, signal_mv: torch.Tensor, observed: torch.Tensor) -> Encoded:
        """What is known from observed samples."""
        ...

    def posterior_of(self, signal_mv: torch.Tensor, scale_mv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance (batch, latent) of z given all samples."""
        ...

    def decode(self, encoded: Encoded, z: torch.Tensor) -> Decoded:
        """The signals that a latent stands for."""
        ...


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights of the parts; see `vae.networks.losses` for each."""

    mae: float = 1.0
    mse: float = 0.5
    correlation: float = 0.5
    spectral: float = 0.1
    likelihood: float = 0.1
    kl: float = 1e-3
    raw: float = 0.5
    """Absolute error with drift; the other errors are taken without it, see `vae.networks.losses.without_drift`."""
    qrs_gain: float = 0.5
    """Extra weight of QRS complexes in the absolute error, see `vae.networks.losses.qrs_weight`."""
    posterior_share: float = 0.4
    """Share of samples decoded from the posterior; the others are decoded from the prior's mean."""
    error_limit: float = 10.0
    """Squared errors are cut at this many record RMS."""


def reconstruction_loss(
    model: ConditionalVAE, batch: dict[str, torch.Tensor], weights: LossWeights
) -> dict[str, torch.Tensor]:
    """Loss of one batch.

    Args:
        model: the network.
        batch: ``signal_mv`` (batch, 8, time), the truth; ``input_mv``, the same with recording noise; ``observed``
            (batch, 8, time) bool; ``sample_seed`` (batch,).
        weights: weights of the parts.

    Returns:
        "loss" and its parts, scalars.
    """
    truth, observed, seeds = batch["signal_mv"], batch["observed"], batch["sample_seed"]
    encoded = model.encode(batch["input_mv"], observed)
    mean_q, log_var_q = model.posterior_of(truth, encoded.scale_mv)
    noise = seeded_normal(mean_q.shape[1:], seeds, mean_q.device)
    from_posterior = seeded_uniform((1,), seeds, mean_q.device, stream=Stream.NOISE_CHOICE) < weights.posterior_share
    z = torch.where(from_posterior, mean_q + noise * (0.5 * log_var_q).exp(), encoded.mean)
    decoded = model.decode(encoded, z)
    target = truth / encoded.scale_mv
    predicted = decoded.mean_mv / encoded.scale_mv
    log_scale = (decoded.scale_mv / encoded.scale_mv).log()
    missing = (~observed).to(target.dtype)
    in_qrs = missing * loss.qrs_weight(target, model.fs_hz, weights.qrs_gain)
    # The drift of the error, not of each signal: what of the drift is predicted still counts.
    steady = target + loss.without_drift(predicted - target, model.fs_hz)
    parts = {
        "mae": loss.masked_mae(steady, target, in_qrs),
        "mse": loss.masked_mse(steady, target, missing, weights.error_limit),
        "raw": loss.masked_mae(predicted, target, missing),
        "correlation": loss.correlation_loss(steady, target, missing),
        "spectral": loss.spectral_loss(predicted, target, missing),
        "likelihood": loss.laplace_nll(predicted, log_scale, target, missing),
        "kl": loss.kl_between(mean_q, log_var_q, encoded.mean, encoded.log_var),
    }
    total = sum(getattr(weights, name) * value for name, value in parts.items())
    return {"loss": total, **parts}
