"""Fits the uncertainty of a checkpoint on validation records: the width of its bands and the spread of its draws.

    physiogen train vae/bands --data CACHE --set checkpoint=RUN/best --out BANDS

The network predicts a scale for every missing sample. A band is the mean plus and minus a factor times that scale;
the factor of a level and lead is the quantile of |error| / scale over validation records (split conformal prediction,
Vovk et al. 2005), pooled over the input sets of ``vae.evaluation.reconstruction``. Coverage is then reported on the
test fold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from gen.checkpoint import checkpoint_digest, load_checkpoint, save_checkpoint
from gen.leads import LEADS_8, parse_leads
from gen.records import InputError
from gen.signals import resample
from gen.training import Fit, OfCache, Recipe
from gen.training.declared import Declared
from vae.pipeline import LEVELS, load
from vae.predictors import NetworkPredictor, Windows
from vae.training.masks import INPUT_SETS

#: Every 5th sample (10 ms apart at 500 Hz): neighbours say nearly the same, and memory stays small.
_STRIDE = 5


def error_ratios(predictor: NetworkPredictor, signal: np.ndarray, leads: Sequence[str]) -> dict[str, np.ndarray]:
    """Error / predicted scale of every missing lead of complete signals (n, 8, time) mV; lead -> (n, time)."""
    observed = np.zeros(signal.shape, dtype=bool)
    observed[:, [LEADS_8.index(lead) for lead in leads]] = True
    found: dict[str, list[np.ndarray]] = {lead: [] for lead in LEADS_8 if lead not in leads}
    for start in range(0, len(signal), 32):
        part = slice(start, start + 32)
        nothing = np.full((len(signal[part]), 4, signal.shape[2]), np.nan, dtype=np.float32)
        batch = Windows(signal[part], observed[part], nothing, ((0, ""),) * len(signal[part]))
        prediction = predictor(batch, 0)
        assert prediction.scale_mv is not None
        ratio = (signal[part] - prediction.mean_mv) / np.maximum(prediction.scale_mv, 1e-6)
        for lead, values in found.items():
            values.append(ratio[:, LEADS_8.index(lead)])
    return {lead: np.concatenate(values) for lead, values in found.items()}


def calibrate(predictor: NetworkPredictor, signal: np.ndarray) -> dict[str, dict[str, list[float]]]:
    """Bands and residual from complete validation signals (n, 8, time) mV, every input set weighing the same.

    Returns:
        ``band_factors``: level in percent -> factor per lead of ``LEADS_8``. ``residual``: see
            `vae.predictors.Residual`;
        its gain makes 90 % of a Gaussian as wide as the 90 % band, since errors have heavier tails than a Gaussian.
    """
    pooled: dict[str, list[np.ndarray]] = {lead: [] for lead in LEADS_8}
    power, count = np.zeros(signal.shape[2] // 2 + 1), 0
    for text in INPUT_SETS:
        for lead, values in error_ratios(predictor, signal, parse_leads(text)).items():
            pooled[lead].append(np.abs(values[:, ::_STRIDE]).ravel())
            # Records with an artefact would otherwise decide the shape alone.
            unit = values / np.maximum(values.std(axis=1, keepdims=True), 1e-9)
            power += (np.abs(np.fft.rfft(unit, axis=1)) ** 2).sum(axis=0)
            count += len(values)
    factors = {
        str(level): [float(np.quantile(np.concatenate(pooled[lead]), level / 100)) for lead in LEADS_8]
        for level in LEVELS
    }
    hz, amplitude = _smooth_spectrum(np.sqrt(power / count), predictor.fs_hz, signal.shape[2])
    gain = [factor / norm.ppf(0.95) for factor in factors["90"]]
    return {"band_factors": factors, "residual": {"hz": hz, "amplitude": amplitude, "gain": gain}}


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
    """

    checkpoint: str = ""


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
        signal = np.nan_to_num(self.cache.batch(self.cache.split("val")))
        fitted = calibrate(predictor, resample(signal, self.cache.fs_hz, predictor.fs_hz))
        found = load_checkpoint(self._folder)
        known = found.card or dict(card)
        facts = {**known.get("facts", {}), "bands": "fitted on fold 9 by physiogen train vae/bands"}
        config = {**found.config, **fitted}
        path = save_checkpoint(self.out, config=config, model=found.tensors, card={**known, "facts": facts})
        return {"checkpoint": str(path), "factors_90": dict(zip(LEADS_8, fitted["band_factors"]["90"], strict=True))}


bands = Recipe(DECLARED.about("bands"), BandsRecipe, _Bands)
