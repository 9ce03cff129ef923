"""Fits the uncertainty of a checkpoint on validation records: the width of its bands and the spread of its draws.

    physiogen train vae/bands --data CACHE --set checkpoint=RUN/best --out BANDS

The network predicts a scale for every missing sample, the drift prior the half-width that the baseline alone needs
(`vae.networks.baseline`). The square of a band's half-width is the sum of that half-width's square and that of a factor
times the scale; the factor of a level and lead is chosen so that the bands hold their share of validation records
(split conformal prediction, Vovk et al. 2005), pooled over the input sets of ``vae.evaluation.reconstruction``.
Coverage is then reported on the test fold.

A network trained before there was a drift prior gets one here, from the training part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri

from gen.checkpoint import checkpoint_digest, load_checkpoint, save_checkpoint
from gen.leads import LEADS_8, parse_leads
from gen.records import InputError
from gen.signals import resample
from gen.training import Fit, OfCache, Recipe
from gen.training.config import StorageType
from gen.training.declared import Declared
from vae.networks.baseline import LEVELS, Basis, DriftPrior, drift_covariance, slow_basis, whole_slow_part
from vae.networks.lead_vae import TYPICAL_LEVEL, LeadVAE
from vae.pipeline import load
from vae.predictors import NetworkPredictor, Windows
from vae.training.masks import INPUT_SETS

#: Every 5th sample (10 ms apart at 500 Hz): neighbours say nearly the same, and memory stays small.
_STRIDE = 5


def errors(
    predictor: NetworkPredictor, signal: np.ndarray, leads: Sequence[str]
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What there is to a missing lead's errors in complete signals (n, 8, time) mV.

    Returns:
        lead -> error (n, time), predicted scale (n, time), and half-widths (n, level) that the baseline needs; mV.
    """
    observed = np.zeros(signal.shape, dtype=bool)
    observed[:, [LEADS_8.index(lead) for lead in leads]] = True
    found: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {
        lead: [] for lead in LEADS_8 if lead not in leads
    }
    for start in range(0, len(signal), 32):
        part = slice(start, start + 32)
        nothing = np.full((len(signal[part]), 4, signal.shape[2]), np.nan, dtype=np.float32)
        batch = Windows(signal[part], observed[part], nothing, ((0, ""),) * len(signal[part]))
        prediction = predictor(batch, 0)
        assert prediction.scale_mv is not None
        error, scale = signal[part] - prediction.mean_mv, np.maximum(prediction.scale_mv, 1e-6)
        half = prediction.slow_half_mv
        half = np.zeros((len(error), len(LEVELS), len(LEADS_8)), np.float32) if half is None else half
        for lead, values in found.items():
            row = LEADS_8.index(lead)
            values.append((error[:, row], scale[:, row], half[:, :, row]))
    return {
        lead: tuple(np.concatenate(part) for part in zip(*values, strict=True))  # type: ignore[misc]
        for lead, values in found.items()
    }


def calibrate(predictor: NetworkPredictor, signal: np.ndarray) -> dict[str, dict[str, list[float]]]:
    """Bands and residual from complete validation signals (n, 8, time) mV, every input set weighing the same.

    Returns:
        ``band_factors``: level in percent -> factor per lead of ``LEADS_8``. ``residual``: see
            `vae.predictors.Residual`;
        its gain makes 90 % of a Gaussian as wide as the 90 % band, since errors have heavier tails than a Gaussian.
    """
    pooled: dict[int, dict[str, list[np.ndarray]]] = {level: {lead: [] for lead in LEADS_8} for level in LEVELS}
    power, count = np.zeros(signal.shape[2] // 2 + 1), 0
    slow = predictor.model.drift is not None if isinstance(predictor.model, LeadVAE) else False
    for text in INPUT_SETS:
        for lead, (error, scale, half) in errors(predictor, signal, parse_leads(text)).items():
            for number, level in enumerate(LEVELS):
                left = error[:, ::_STRIDE] ** 2 - half[:, number, None] ** 2
                pooled[level][lead].append((left / scale[:, ::_STRIDE] ** 2).ravel())
            # The baseline has draws of its own.
            steady = error - whole_slow_part(torch.from_numpy(error), _basis(error, predictor)).numpy()
            values = (steady if slow else error) / scale
            # Records with an artefact would otherwise decide the shape alone.
            unit = values / np.maximum(values.std(axis=1, keepdims=True), 1e-9)
            power += (np.abs(np.fft.rfft(unit, axis=1)) ** 2).sum(axis=0)
            count += len(values)
    factors = {
        str(level): [
            float(np.sqrt(max(0.0, np.quantile(np.concatenate(pooled[level][lead]), level / 100)))) for lead in LEADS_8
        ]
        for level in LEVELS
    }
    hz, amplitude = _smooth_spectrum(np.sqrt(power / count), predictor.fs_hz, signal.shape[2])
    gain = [factor / ndtri(0.95) for factor in factors["90"]]
    return {"band_factors": factors, "residual": {"hz": hz, "amplitude": amplitude, "gain": gain}}


def _basis(signal: np.ndarray, predictor: NetworkPredictor) -> Basis:
    return slow_basis(signal.shape[-1], predictor.fs_hz)


def _smooth_spectrum(amplitude: np.ndarray, fs_hz: float, length: int) -> tuple[list[float], list[float]]:
    """A spectrum averaged in 48 bands of equal ratio from 0.1 Hz to half the rate; the mean (0 Hz) has none."""
    hz = np.fft.rfftfreq(length, 1 / fs_hz)
    edges = np.geomspace(0.1, fs_hz / 2, 49)
    found = [(0.0, 0.0)]
    for low, high in pairwise(edges):
        inside = (hz >= low) & (hz < high)
        if inside.any():
            found.append((float(hz[inside].mean()), float(np.sqrt((amplitude[inside] ** 2).mean()))))
    return [h for h, _ in found], [a for _, a in found]


DECLARED = Declared("vae")


@dataclass(frozen=True)
class BandsRecipe:
    """Settings of ``vae/bands``.

    Attributes:
        checkpoint: trained LeadVAE, RUN/best.
        dtype: how the weights are stored: fp32, fp16, bf16 or int8.
    """

    checkpoint: str = ""
    dtype: StorageType = "int8"


class _Bands(OfCache[BandsRecipe], Fit[BandsRecipe]):
    """The network's checkpoint with bands."""

    places = ("checkpoint",)
    split = "fitted on fold 9"

    def inputs(self) -> dict[str, str]:
        return {**super().inputs(), "network": checkpoint_digest(self._folder)}

    @property
    def _folder(self) -> Path:
        if not self.settings.checkpoint:
            raise InputError("vae/bands: no network given; accepted: --set checkpoint=RUN/best")
        return Path(self.settings.checkpoint)

    def fit(self, card: Mapping[str, Any]) -> dict[str, Any]:
        predictor = load(self._folder).predictor
        if not isinstance(predictor, NetworkPredictor):
            raise InputError(f"{self._folder}: no network; accepted: a checkpoint of vae/default")
        found, added = load_checkpoint(self._folder), {}
        if isinstance(predictor.model, LeadVAE) and predictor.model.drift is None:
            train = self.cache.split("train")
            if not len(train):
                raise InputError(f"{self.cache.path}: no training part, which a prior of the baseline is measured on")
            blocks = (self.cache.batch(train[k : k + 256]) for k in range(0, len(train), 256))
            covariance = drift_covariance(blocks, self.cache.fs_hz).round(8).tolist()
            added = {"drift_covariance": covariance, "level": TYPICAL_LEVEL}
            predictor.model.drift = DriftPrior(torch.tensor(covariance))
            predictor.model.level = TYPICAL_LEVEL
        signal = np.nan_to_num(self.cache.batch(self.cache.split("val")))
        fitted = calibrate(predictor, resample(signal, self.cache.fs_hz, predictor.fs_hz))
        known = found.card or dict(card)
        facts = {**known.get("facts", {}), "bands": "fitted on fold 9 by physiogen train vae/bands"}
        if added:
            facts["baseline"] = "trained without a prior of the baseline, which physiogen train vae/bands added"
        config = {**found.config, **added, **fitted}
        # What was stored in int8 before comes out the same.
        path = save_checkpoint(
            self.out, config=config, model=found.tensors, card={**known, "facts": facts}, dtype=self.settings.dtype
        )
        return {"checkpoint": str(path), "factors_90": dict(zip(LEADS_8, fitted["band_factors"]["90"], strict=True))}


bands = Recipe(DECLARED.about("bands"), BandsRecipe, _Bands)
