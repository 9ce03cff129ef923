"""How well the volumes of generated hearts agree with the truth: errors, Bland-Altman, coverage of the intervals."""

import numpy as np

from flow.evaluation.generate import Generated
from flow.evaluation.scores import coverage, mean_estimate, over_hearts
from flow.networks.ecg_reader import ToldHeart, quantities
from flow.pipeline import ECGToCMRPipeline
from flow.training.pair_cache import Part
from flow.volumes.intervals import ends_of
from gen.simulate.cine import GROUPS
from metrics.statistics.bootstrap import Interval

#: Names in a part's facts -> names in `flow.volumes.intervals`, and the factor between their units.
NAMES = {"edv_ml": ("edv_ml", 1.0), "esv_ml": ("esv_ml", 1.0), "ef": ("ef_percent", 100.0), "mass_g": ("mass_g", 1.0)}
#: A disease group of fewer hearts has no coverage of its own.
_FEWEST = 20


def volumes(
    pipeline: ECGToCMRPipeline, part: Part, rows: np.ndarray, right: Generated, told: ToldHeart | None
) -> dict[str, Interval]:
    """Errors of the median, Bland-Altman bias and limits, coverage and width of the 90 % intervals.

    Ejection fractions are 0..1. Median and interval are those that the pipeline gives: of the distributions ``told``,
    or of the samples without; ``own_spread_90`` is the coverage of the samples' own spread.
    """
    out = {}
    clouds = None if told is None else quantities(told.cloud().numpy())
    for name, (quantity, factor) in NAMES.items():
        truth = part.fact(name)[rows].astype(float)
        samples = factor * getattr(right, name)
        middle, raw_low, raw_high = (end / factor for end in ends_of(quantity, samples, pipeline.volumes))
        low, high = raw_low, raw_high
        if clouds is not None and pipeline.telling is not None:
            middle = np.median(clouds[quantity], axis=1) / factor
            low, high = (end / factor for end in pipeline.telling.reader.intervals.ends(quantity, clouds[quantity]))
        total = ((truth - truth.mean()) ** 2).mean()
        out[f"mae_{name}"] = mean_estimate(np.abs(middle - truth))
        out[f"bias_{name}"] = mean_estimate(middle - truth)
        out |= {f"bland_altman_{name}_{key}": value for key, value in bland_altman(truth, middle).items()}
        out[f"r2_{name}"] = mean_estimate(1 - (middle - truth) ** 2 / total)
        held = coverage(low, high, truth)
        out[f"coverage_90_{name}"] = mean_estimate(held)
        out[f"own_spread_90_{name}"] = mean_estimate(coverage(raw_low, raw_high, truth))
        out[f"width_90_{name}"] = mean_estimate(high - low)
        everyone = float(np.subtract(*np.quantile(truth, [0.95, 0.05])))
        out[f"width_share_90_{name}"] = mean_estimate((high - low) / everyone)
        group = part.fact("group")[rows].astype(int)
        for number, label in enumerate(GROUPS):
            if (group == number).sum() >= _FEWEST:
                out[f"coverage_90_{name}_{label}"] = mean_estimate(held[group == number])
    return out


def bland_altman(truth: np.ndarray, measured: np.ndarray) -> dict[str, Interval]:
    """Limits of agreement of the differences measured - truth (Bland, Altman 1986).

    ``low`` and ``high`` are bias -+ ``limits``, which is 1.96 standard deviations; ``slope`` is that of
    the difference over the mean of both: below 0 where large values are read too small.
    """
    gap, mean = measured - truth, 0.5 * (measured + truth)

    centred = mean - mean.mean()

    def limit(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1)
        variance = (weights @ gap**2 - (weights @ gap) ** 2 / total) / (total - 1)
        return 1.96 * np.sqrt(np.maximum(variance, 0))

    def bias(weights: np.ndarray) -> np.ndarray:
        return weights @ gap / weights.sum(axis=1)

    def slope(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1)
        product = weights @ (centred * gap) - (weights @ centred) * (weights @ gap) / total
        return product / np.maximum(weights @ centred**2 - (weights @ centred) ** 2 / total, 1e-12)

    return {
        "limits": over_hearts(limit, len(gap)),
        "low": over_hearts(lambda w: bias(w) - limit(w), len(gap)),
        "high": over_hearts(lambda w: bias(w) + limit(w), len(gap)),
        "slope": over_hearts(slope, len(gap)),
    }
