"""How well the volumes of generated hearts agree with the truth: errors, Bland-Altman, coverage of the intervals."""

import numpy as np

from flow.evaluation.generate import Generated
from flow.evaluation.scores import bootstrapped, coverage, mean_figure
from flow.pipeline import ECGToCMRPipeline
from flow.training.pair_cache import Part
from flow.volumes.intervals import Calibration, ends_of
from gen.simulate.cine import GROUPS
from metrics.statistics.bootstrap import Interval

#: Names in a part's facts -> names in `flow.volumes.intervals`, and the factor between their units.
NAMES = {"edv_ml": ("edv_ml", 1.0), "esv_ml": ("esv_ml", 1.0), "ef": ("ef_percent", 100.0), "mass_g": ("mass_g", 1.0)}
#: A disease group of fewer hearts has no coverage of its own.
_FEWEST = 20


def volumes(pipeline: ECGToCMRPipeline, part: Part, rows: np.ndarray, right: Generated) -> dict[str, Interval]:
    """Errors of the median over samples, Bland-Altman bias and limits, coverage and width of the 90 % intervals.

    Ejection fractions are 0..1. ``uncalibrated_90`` is the coverage of the samples' own spread.
    """
    out = {}
    for name in NAMES:
        truth = part.fact(name)[rows].astype(float)
        middle, low, high = interval_of(pipeline, name, getattr(right, name), pipeline.calibration)
        _, raw_low, raw_high = interval_of(pipeline, name, getattr(right, name), None)
        total = ((truth - truth.mean()) ** 2).mean()
        out[f"mae_{name}"] = mean_figure(np.abs(middle - truth))
        out[f"bias_{name}"] = mean_figure(middle - truth)
        out |= {f"bland_altman_{name}_{key}": value for key, value in bland_altman(truth, middle).items()}
        out[f"r2_{name}"] = bootstrapped(
            lambda k, t=truth, m=middle, v=total: float(1 - ((m[k] - t[k]) ** 2).mean() / v),  # type: ignore[misc]
            len(truth),
        )
        held = coverage(low, high, truth)
        out[f"coverage_90_{name}"] = mean_figure(held)
        out[f"uncalibrated_90_{name}"] = mean_figure(coverage(raw_low, raw_high, truth))
        out[f"width_90_{name}"] = mean_figure(high - low)
        group = part.fact("group")[rows].astype(int)
        for number, label in enumerate(GROUPS):
            if (group == number).sum() >= _FEWEST:
                out[f"coverage_90_{name}_{label}"] = mean_figure(held[group == number])
    return out


def interval_of(
    pipeline: ECGToCMRPipeline, name: str, samples: np.ndarray, calibration: Calibration | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median and ends of the interval (n,) of samples (n, K), in the unit of the facts."""
    quantity, factor = NAMES[name]
    middle, low, high = ends_of(quantity, factor * samples, pipeline.volumes, calibration)
    return middle / factor, low / factor, high / factor


def bland_altman(truth: np.ndarray, measured: np.ndarray) -> dict[str, Interval]:
    """Limits of agreement of the differences measured - truth (Bland, Altman 1986).

    ``low`` and ``high`` are bias -+ ``limits``, which is 1.96 standard deviations; ``slope`` is that of
    the difference over the mean of both: below 0 where large values are read too small.
    """
    gap, mean = measured - truth, 0.5 * (measured + truth)

    def edge(rows: np.ndarray, side: float) -> float:
        return float(gap[rows].mean() + side * 1.96 * gap[rows].std(ddof=1))

    def slope(rows: np.ndarray) -> float:
        centred = mean[rows] - mean[rows].mean()
        return float((centred * gap[rows]).sum() / max((centred**2).sum(), 1e-12))

    return {
        "limits": bootstrapped(lambda rows: float(1.96 * gap[rows].std(ddof=1)), len(gap)),
        "low": bootstrapped(lambda rows: edge(rows, -1.0), len(gap)),
        "high": bootstrapped(lambda rows: edge(rows, 1.0), len(gap)),
        "slope": bootstrapped(slope, len(gap)),
    }
