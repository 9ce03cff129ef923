"""Loss of the ECG codec."""

import torch

from vae.networks.losses import qrs_weight

#: Errors far below this (mV) count quadratically: nobody reads microvolts.
CHARBONNIER_MV = 0.003
#: Added to a lead's own RMS (mV) before errors are divided by it.
FLOOR_MV = 0.04
SLOPE_LAGS = (1, 4)
WEIGHTS = {"mae": 5.0, "relative": 1.0, "mse": 2.0, "slope": 1.0}
FS_HZ = 500.0


def codec_loss(rebuilt: torch.Tensor, truth: torch.Tensor, qrs: float = 0.0) -> dict[str, torch.Tensor]:
    """Errors in mV, relative errors and slope errors of (batch, 8, time) mV.

    ``mae`` keeps high amplitudes exact; ``relative`` and ``mse`` (each lead's error over its own RMS) let weak leads
    count, the latter as Pearson's r counts them; ``slope`` (differences over 2 and 8 ms) keeps QRS complexes as steep
    as they are.

    Args:
        rebuilt: decoded signals at 500 Hz.
        truth: what was encoded.
        qrs: weight of one more part, relative errors within QRS complexes alone, which small R waves gain from.

    Returns:
        The parts and their weighted sum ``loss``; scalars.
    """
    error = rebuilt - truth
    rms = (truth - truth.mean(dim=2, keepdim=True)).square().mean(dim=2, keepdim=True).sqrt()
    relative = 1 / (rms + FLOOR_MV)
    absolute = charbonnier(error)
    slopes = [(charbonnier(error[:, :, lag:] - error[:, :, :-lag]) * relative).mean() for lag in SLOPE_LAGS]
    parts = {
        "mae": absolute.mean(),
        "relative": (absolute * relative).mean(),
        "mse": (error * relative).square().mean(),
        "slope": torch.stack(slopes).mean(),
    }
    total = torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()
    if qrs:
        with torch.no_grad():
            inside = (qrs_weight(truth, FS_HZ, 1.0) - 1).square()
            inside = inside / inside.mean(dim=2, keepdim=True).clamp_min(1e-6)
        parts["qrs"] = (inside * absolute * relative).mean()
        total = total + qrs * parts["qrs"]
    return {"loss": total, **parts}


def charbonnier(x: torch.Tensor) -> torch.Tensor:
    """Smooth absolute value in mV."""
    return (x.square() + CHARBONNIER_MV**2).sqrt() - CHARBONNIER_MV
