"""Fits the uncertainty of a checkpoint on validation records: the width of its bands and the spread of its draws.

    python -m vae.calibrate --data CACHE --checkpoint RUN/best --out vae/weights/default

The network predicts a scale for every missing sample. A band is the mean plus and minus a factor times that scale;
the factor of a level and lead is the quantile of |error| / scale over validation records (split conformal prediction,
Vovk et al. 2005), pooled over the input sets of ``vae.evaluation.reconstruction``. Coverage is then reported on the
test fold.
"""

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.stats import norm

from gen.checkpoint import load_checkpoint, save_checkpoint
from gen.datasets.cache import SignalCache
from gen.leads import LEADS_8, parse_leads
from gen.signals import resample
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
        batch = Windows(signal[part], observed[part], nothing, ((0, 0),) * len(signal[part]))
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a checkpoint with bands."""
    parser = argparse.ArgumentParser(prog="python -m vae.calibrate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="cache made by `physiogen data prepare`")
    parser.add_argument("--checkpoint", type=Path, required=True, help="trained LeadVAE")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint folder to write")
    parser.add_argument("--card", type=Path, help="JSON whose entries are added to the model card")
    options = parser.parse_args(arguments)
    cache = SignalCache.open(options.data)
    predictor = load(options.checkpoint).predictor
    assert isinstance(predictor, NetworkPredictor)
    signal = np.nan_to_num(cache.batch(cache.split("val")))
    fitted = calibrate(predictor, resample(signal, cache.fs_hz, predictor.fs_hz))
    found = load_checkpoint(options.checkpoint)
    extra = json.loads(options.card.read_text()) if options.card else {}
    card = dict(found.card)
    if card:
        card = {**card, "facts": {**card.get("facts", {}), "bands": "fitted on fold 9"}, **extra}
    save_checkpoint(
        options.out,
        config={**found.config, **fitted},
        model=found.tensors,
        card=card,
    )
    print(json.dumps(fitted["band_factors"]))


if __name__ == "__main__":
    main()
