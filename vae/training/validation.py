"""Scores of a reconstruction against the truth, on the leads that were not observed."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from gen.datasets.cache import SignalCache
from gen.leads import LEADS_8
from gen.precision import reduced_precision
from gen.signals import pearson, resample
from vae.networks.lead_vae import LeadVAE
from vae.networks.wearecg import WearECG

#: Predicts (n, 8, time) mV from signals (n, 8, time) mV and observed (n, 8, time) bool.
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]


def summary(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """MSE (mV^2), MAE (mV), mean and median of Pearson's r over records and leads; (n, lead, time) each."""
    error = predicted.astype(np.float64) - truth
    r = pearson(predicted, truth)
    return {
        "mse": float((error**2).mean()),
        "mae": float(np.abs(error).mean()),
        "pearson_mean": float(np.nanmean(r)),
        "pearson_median": float(np.nanmedian(r)),
    }


def network_method(model: LeadVAE | WearECG, fs_hz: float, batch_size: int = 32) -> Method:
    """The network with its latent's mean as a `Method` for signals at ``fs_hz``; bfloat16 on the CPU."""

    @torch.no_grad()
    def predict(signal: np.ndarray, observed: np.ndarray) -> np.ndarray:
        network_hz = float(model.fs_hz)
        signal = resample(signal, fs_hz, network_hz)
        observed = observed[:, :, :: round(fs_hz / network_hz)]
        out = np.empty_like(signal)
        length = signal.shape[2]
        pad = -length % model.multiple
        for start in range(0, len(signal), batch_size):
            part = slice(start, start + batch_size)
            x = torch.nn.functional.pad(torch.from_numpy(signal[part]), (0, pad))
            mask = torch.nn.functional.pad(torch.from_numpy(observed[part]), (0, pad))
            with reduced_precision():
                out[part] = model.forward(x, mask).mean_mv[..., :length].float().numpy()
        return resample(out, network_hz, fs_hz)

    return predict


def validator(
    cache: SignalCache, indices: np.ndarray, leads: Sequence[str], fs_hz: float = 100.0
) -> Callable[[torch.nn.Module], dict[str, float]]:
    """Validation for training: errors at ``fs_hz`` on the missing leads of these records."""
    signal = np.nan_to_num(cache.batch(indices))
    observed = np.zeros(signal.shape, dtype=bool)
    observed[:, [LEADS_8.index(lead) for lead in leads]] = True
    scored = [i for i, lead in enumerate(LEADS_8) if lead not in leads]
    truth = resample(signal[:, scored], cache.fs_hz, fs_hz)

    def validate(model: torch.nn.Module) -> dict[str, float]:
        assert isinstance(model, LeadVAE | WearECG)
        predicted = network_method(model, cache.fs_hz)(signal, observed)
        return summary(resample(predicted[:, scored], cache.fs_hz, fs_hz), truth)

    return validate
