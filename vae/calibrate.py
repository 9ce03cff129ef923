"""Fits the width of the uncertainty bands on validation records and stores it in a checkpoint.

    python -m vae.calibrate --data CACHE --checkpoint RUN/best --out vae/weights/default

The network predicts a scale for every missing sample. A band is the mean plus and minus a factor times that scale;
the factor of a level and lead is the quantile of |error| / scale over validation records (split conformal prediction,
Vovk et al. 2005), pooled over the input sets of ``vae.evaluate``. Coverage is then reported on the test fold.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gen.checkpoint import load_checkpoint, save_checkpoint
from gen.datasets.cache import SignalCache
from gen.leads import LEADS_8, parse_leads
from vae.evaluate import INPUT_SETS
from vae.pipeline import LEVELS, NetworkPredictor, Windows, load

#: Every 25th sample (50 ms apart at 500 Hz): neighbours say nearly the same, and memory stays small.
_STRIDE = 25


def error_ratios(predictor: NetworkPredictor, signal: np.ndarray, leads: Sequence[str]) -> dict[str, np.ndarray]:
    """|error| / predicted scale of every missing lead of complete signals (n, 8, time) mV; lead -> (values,)."""
    observed = np.zeros(signal.shape, dtype=bool)
    observed[:, [LEADS_8.index(lead) for lead in leads]] = True
    found: dict[str, list[np.ndarray]] = {lead: [] for lead in LEADS_8 if lead not in leads}
    for start in range(0, len(signal), 32):
        part = slice(start, start + 32)
        nothing = np.full((len(signal[part]), 4, signal.shape[2]), np.nan, dtype=np.float32)
        batch = Windows(signal[part], observed[part], nothing, ((0, 0),) * len(signal[part]))
        prediction = predictor(batch, 0)
        assert prediction.scale_mv is not None
        ratio = np.abs(prediction.mean_mv - signal[part]) / np.maximum(prediction.scale_mv, 1e-6)
        for lead, values in found.items():
            values.append(ratio[:, LEADS_8.index(lead), ::_STRIDE].ravel())
    return {lead: np.concatenate(values) for lead, values in found.items()}


def band_factors(predictor: NetworkPredictor, signal: np.ndarray) -> dict[str, list[float]]:
    """Level in percent -> factor per lead of ``LEADS_8``, every input set weighing the same."""
    pooled: dict[str, list[np.ndarray]] = {lead: [] for lead in LEADS_8}
    for text in INPUT_SETS:
        for lead, values in error_ratios(predictor, signal, parse_leads(text)).items():
            pooled[lead].append(values)
    return {
        str(level): [float(np.quantile(np.concatenate(pooled[lead]), level / 100)) for lead in LEADS_8]
        for level in LEVELS
    }


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
    factors = band_factors(predictor, np.nan_to_num(cache.batch(cache.split("val"))))
    found = load_checkpoint(options.checkpoint)
    extra = json.loads(options.card.read_text()) if options.card else {}
    card = {**found.card, "bands": "fitted on fold 9 by python -m vae.calibrate", **extra}
    save_checkpoint(
        options.out,
        config={**found.config, "band_factors": factors},
        model=found.tensors,
        card=card,
    )
    print(json.dumps(factors))


if __name__ == "__main__":
    main()
