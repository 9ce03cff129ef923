"""Losses of lead reconstruction, each on the samples that were not observed.

All take signals scaled to unit record power, (batch, lead, time), and ``weight`` of the same shape: 1 where a sample
counts, 0 where it does not. Each returns a scalar: the mean over what counts in each record, then over the batch, so
that it does not depend on how a batch is spread over processes.
"""

import torch


def masked_mean(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean over the batch of each record's mean of ``values`` weighted by ``weight``; 0 where nothing counts."""
    return ((values * weight).flatten(1).sum(1) / weight.flatten(1).sum(1).clamp_min(1e-8)).mean()


def masked_mae(predicted: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean absolute error."""
    return masked_mean((predicted - target).abs(), weight)


def masked_mse(
    predicted: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, limit: float | None = None
) -> torch.Tensor:
    """Mean squared error; errors beyond ``limit`` count as the limit (no gradient from electrode artefacts)."""
    error = (predicted - target).abs()
    return masked_mean((error if limit is None else error.clamp_max(limit)) ** 2, weight)


def without_drift(x: torch.Tensor, fs_hz: float, width_s: float = 1.0) -> torch.Tensor:
    """Signals (batch, lead, time) less their centred moving mean over ``width_s``.

    Baseline drift holds a third of the squared error and cannot be told from other leads; taken out of the error, it
    does not drown the gradient of what can be learnt.
    """
    width = int(width_s * fs_hz) | 1
    return x - torch.nn.functional.avg_pool1d(x, width, 1, width // 2, count_include_pad=False)


def correlation_loss(predicted: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """1 - Pearson's correlation over the counted samples of each lead, mean over leads that have any."""
    count = weight.sum(dim=2).clamp_min(1e-8)

    def centred(x: torch.Tensor) -> torch.Tensor:
        return (x - ((x * weight).sum(dim=2) / count)[:, :, None]) * weight

    a, b = centred(predicted), centred(target)
    # The constant keeps flat leads, whose correlation is undefined, from dominating.
    r = (a * b).sum(dim=2) / ((a * a).sum(dim=2) * (b * b).sum(dim=2) + 1e-4).sqrt()
    return masked_mean(1 - r, (weight.sum(dim=2) > 0).to(r.dtype))


def laplace_nll(
    predicted: torch.Tensor, log_scale: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Negative log-likelihood (less the constant log 2) of a Laplace distribution around the prediction.

    The prediction is detached: this trains the scale alone, so that hard records do not count less for the mean.
    """
    error = (predicted.detach() - target).abs()
    return masked_mean(error * torch.exp(-log_scale) + log_scale, weight)


def kl_between(
    mean_q: torch.Tensor, log_var_q: torch.Tensor, mean_p: torch.Tensor, log_var_p: torch.Tensor
) -> torch.Tensor:
    """KL(q || p) of diagonal Gaussians: summed over the latent (last axis), mean over the rest."""
    ratio = (log_var_q - log_var_p).exp()
    distance = (mean_q - mean_p) ** 2 * (-log_var_p).exp()
    return 0.5 * (ratio + distance - 1 + log_var_p - log_var_q).sum(dim=-1).mean()


def kl_standard(mean: torch.Tensor, log_var: torch.Tensor, dim: int = 1) -> torch.Tensor:
    """KL(q || N(0, 1)) summed over ``dim`` (the latent channels), mean over batch and time, as WearECG reduces it."""
    return -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(dim=dim).mean()


def spectral_loss(predicted: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of log(1 + magnitude) over windows of 128 samples, on leads that count throughout."""
    whole = weight.amin(dim=2)
    window = torch.hann_window(128, device=target.device, dtype=target.dtype)

    def magnitude(x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        return torch.stft(flat, 128, hop_length=64, window=window, return_complex=True).abs().log1p()

    difference = (magnitude(predicted) - magnitude(target)).abs().mean(dim=(1, 2)).view(whole.shape)
    return masked_mean(difference, whole)


def qrs_weight(target: torch.Tensor, fs_hz: float, gain: float = 2.0) -> torch.Tensor:
    """(batch, 1, time) weights 1..1+gain that are high where the leads together change fast, i.e. in QRS complexes.

    The slope's magnitude over all leads, smoothed over 40 ms, relative to the record's 98th percentile.
    """
    slope = torch.diff(target, dim=2, prepend=target[:, :, :1]).norm(dim=1, keepdim=True)
    width = max(3, int(0.04 * fs_hz) | 1)
    smooth = torch.nn.functional.avg_pool1d(slope, width, stride=1, padding=width // 2, count_include_pad=False)
    top = torch.quantile(smooth, 0.98, dim=2, keepdim=True).clamp_min(1e-8)
    return 1 + gain * (smooth / top).clamp_max(1)
