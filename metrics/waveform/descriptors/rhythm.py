"""Rhythm from the times of beats alone."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

NAMES = (
    "rr_mean_s", "rr_cv_log", "rr_rmssd_log", "rr_successive_ratio", "rr_lag1", "rr_lag2", "rr_lag3", "rr_breathing",
    "rr_drift", "rr_range", "rr_premature_share", "rr_pause_share",
)  # fmt: skip
#: Fewer intervals than this have no variability worth stating, and than `_FEWEST_LAG` no correlation at lag 3.
_FEWEST, _FEWEST_LAG = 3, 5
#: RR intervals do not vary by less than the sampling of recorders lets see, seconds.
_LEAST_S = 0.001
#: Breathing of people at rest, Hz.
_BREATHING_HZ = np.arange(0.15, 0.401, 0.0125)
_PREMATURE, _PAUSE = 0.85, 1.2


def rhythm(times_s: "list[Array]") -> Array:
    """Descriptors (n, d) as `NAMES`; NaN with too few beats.

    ``rr_cv_log`` and ``rr_rmssd_log`` are log10 of the coefficient of variation and of RMSSD / mean RR.
    ``rr_lag1`` to ``rr_lag3`` are autocorrelations of the series of RR intervals. ``rr_breathing`` is the share of its
    variance that one sine of .15 to .4 Hz explains, ``rr_drift`` what a straight line does. Premature intervals are
    below .85 of the record's median, pauses above 1.2.

    Args:
        times_s: (beat,) seconds of every record, ascending.
    """
    return np.array([_of(times) for times in times_s]).reshape(len(times_s), len(NAMES))


def _of(times: Array) -> list[float]:
    rr = np.diff(times)
    if len(rr) < _FEWEST:
        return [float(rr.mean()) if len(rr) else np.nan] + [np.nan] * (len(NAMES) - 1)
    mean, middle = float(rr.mean()), float(np.median(rr))
    change = np.diff(rr)
    spread = max(float(rr.std()), _LEAST_S)
    successive = max(float(np.sqrt((change**2).mean())), _LEAST_S)
    return [
        mean,
        float(np.log10(spread / mean)),
        float(np.log10(successive / mean)),
        successive / spread,
        *(autocorrelation(rr, lag) for lag in (1, 2, 3)),
        _explained_by_sine(times[1:], rr),
        float(np.corrcoef(times[1:], rr)[0, 1] ** 2) if rr.std() > 0 else 0.0,
        float(np.ptp(rr)) / mean,
        float((rr < _PREMATURE * middle).mean()),
        float((rr > _PAUSE * middle).mean()),
    ]


def autocorrelation(series: Array, lag: int) -> float:
    """Autocorrelation at a lag: sum of products of deviations over their sum of squares; NaN for short series."""
    if len(series) < max(_FEWEST_LAG, lag + 2):
        return float("nan")
    deviation = series - series.mean()
    power = float((deviation**2).sum())
    return float((deviation[lag:] * deviation[:-lag]).sum() / power) if power > 1e-12 else 0.0


def _explained_by_sine(times: Array, rr: Array) -> float:
    """Largest share of variance explained by a sine of the breathing band (Lomb's periodogram)."""
    if len(rr) < _FEWEST_LAG:
        return float("nan")
    deviation = rr - rr.mean()
    power = float((deviation**2).sum())
    if power <= 1e-12:
        return 0.0
    angle = 2 * np.pi * _BREATHING_HZ[:, None] * times
    shift = 0.5 * np.arctan2(np.sin(2 * angle).sum(axis=1), np.cos(2 * angle).sum(axis=1))[:, None]
    cosine, sine = np.cos(angle - shift), np.sin(angle - shift)
    explained = (cosine @ deviation) ** 2 / np.maximum((cosine**2).sum(axis=1), 1e-9)
    explained += (sine @ deviation) ** 2 / np.maximum((sine**2).sum(axis=1), 1e-9)
    return float(min(1.0, explained.max() / power))
