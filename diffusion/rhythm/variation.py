"""How sinus intervals vary: breathing, slow drift and what is left, as a Gaussian process over the beats' times.

The logarithm of an interval is its mean plus three parts: an Ornstein-Uhlenbeck process (drift, SD ``slow``, time
constant ``slow_s``), a damped oscillation (breathing, SD ``breath``, frequency ``breath_hz``, coherence time
``breath_s``) and white noise (SD ``white``). All three are Markov, so intervals are drawn one after the other for as
long as wanted. How large the parts are differs from person to person: their logarithms are Gaussian given age, rate
and whether an arrhythmia is stated, fitted to recordings by maximum likelihood (`diffusion.rhythm.fit`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, exp, pi, sin

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Parts of a `Variation` in the order of the fitted table; all as logarithms.
NAMES = ("slow", "slow_s", "breath", "breath_hz", "breath_s", "white", "jitter_s")
#: Ranges that are searched and drawn from.
LOW = np.log([0.002, 1.5, 0.0015, 0.09, 3.0, 0.0005, 0.0003])
HIGH = np.log([0.15, 25.0, 0.15, 0.50, 60.0, 0.08, 0.006])
#: Over minutes a resting heart's rate wanders farther than ten seconds show: SD and time constant of a second drift.
_WANDER, _WANDER_S = 0.04, 240.0
#: No interval is shorter or longer than the mean times these.
_SHORTEST, _LONGEST = 0.5, 2.0
_LARGE = 1e9


@dataclass(frozen=True)
class Variation:
    """Size and time of the parts; relative to the mean interval, seconds, and Hz. Jitter is of the measurement."""

    slow: float
    slow_s: float
    breath: float
    breath_hz: float
    breath_s: float
    white: float
    jitter_s: float = 0.0

    def scaled(self, factor: float) -> "Variation":
        """All parts larger or smaller, the times as they are."""
        return Variation(
            self.slow * factor, self.slow_s, self.breath * factor, self.breath_hz, self.breath_s, self.white * factor
        )


@dataclass(frozen=True, eq=False)
class VariationModel:
    """Distribution of `Variation` among people.

    Attributes:
        weights: (covariate, part) of the mean of the logarithms; covariates of `covariates`.
        covariance: (part, part) of the logarithms around it.
    """

    weights: Array
    covariance: Array

    def mean(self, age: float, rr_s: float, arrhythmia: bool) -> Array:
        """(part,) mean of the logarithms."""
        return covariates(age, rr_s, arrhythmia) @ self.weights

    def draw(self, rng: np.random.Generator, age: float, rr_s: float, arrhythmia: bool = False) -> Variation:
        """One person's."""
        root = np.linalg.cholesky(self.covariance + 1e-9 * np.eye(len(NAMES)))
        theta = self.mean(age, rr_s, arrhythmia) + root @ rng.standard_normal(len(NAMES))
        return Variation(*np.exp(np.clip(theta, LOW, HIGH)).tolist())

    def draw_given(
        self, rng: np.random.Generator, rr_s: Array, age: float, arrhythmia: bool = False, count: int = 1500
    ) -> Variation:
        """A person's, given intervals (beat,) that were seen: from the posterior, by importance sampling."""
        mean = self.mean(age, float(np.mean(rr_s)), arrhythmia)
        root = np.linalg.cholesky(self.covariance + 1e-9 * np.eye(len(NAMES)))
        theta = np.clip(mean + rng.standard_normal((count, len(NAMES))) @ root.T, LOW, HIGH)
        fit = log_likelihood(rr_s, theta)
        weight = np.exp(fit - fit.max())
        chosen = theta[int(np.searchsorted(np.cumsum(weight), rng.random() * weight.sum()))]
        return Variation(*np.exp(chosen).tolist())


def covariates(age: float, rr_s: float, arrhythmia: bool) -> Array:
    """(4,) 1, age, rate, and whether sinus arrhythmia is stated; centred."""
    return np.array([1.0, (age - 60.0) / 20.0, np.log(rr_s / 0.85), float(arrhythmia)])


def log_likelihood(rr_s: Array, theta: Array) -> Array:
    """Log likelihood of intervals that follow each other, whatever their mean.

    Args:
        rr_s: (beat,) seconds.
        theta: (candidate, part) logarithms in the order of `NAMES`.

    Returns:
        (candidate,).
    """
    slow, slow_s, breath, breath_hz, breath_s, white, jitter = (np.exp(p)[:, None, None] for p in theta.T)
    end = np.cumsum(rr_s)
    lag = np.abs(end[:, None] - end[None, :])[None]
    count = len(rr_s)
    cov = slow**2 * np.exp(-lag / slow_s)
    cov += breath**2 * np.exp(-lag / breath_s) * np.cos(2 * np.pi * breath_hz * lag)
    cov += (white**2 + 1e-8) * np.eye(count)
    # An error of one beat's time lengthens one interval and shortens the next.
    moved = 2.0 * np.eye(count) - np.eye(count, k=1) - np.eye(count, k=-1)
    cov += (jitter / rr_s.mean()) ** 2 * moved
    cov += 0.3**2  # the mean is free
    # The Cholesky factor of [[cov, y], [y', large]] holds inverse(root) y in its last row.
    whole = np.full((len(theta), count + 1, count + 1), _LARGE)
    whole[:, :count, :count] = cov
    whole[:, count, :count] = whole[:, :count, count] = np.log(rr_s) - np.log(rr_s).mean()
    root = np.linalg.cholesky(whole)
    z, scale = root[:, count, :count], np.einsum("kii->ki", root)[:, :count]
    return -0.5 * (z**2).sum(axis=1) - np.log(scale).sum(axis=1)


def intervals(rng: np.random.Generator, mean_s: float, part: Variation, *, wander: bool = False) -> Iterator[float]:
    """Sinus intervals around a mean, seconds, without end.

    Args:
        rng: taken from as intervals are; nothing else may draw from it.
        mean_s: mean interval.
        part: how they vary.
        wander: let the rate drift over minutes too, as in a long recording.
    """
    slow, far = part.slow * float(rng.standard_normal()), _WANDER * float(rng.standard_normal())
    wave = part.breath * complex(rng.standard_normal(), rng.standard_normal())
    while True:
        draws = rng.standard_normal((64, 5)).tolist()
        for a, b, c, d, e in draws:
            relative = slow + wave.real + part.white * d + (far if wander else 0.0)
            rr = mean_s * min(max(exp(relative), _SHORTEST), _LONGEST)
            yield rr
            keep = exp(-rr / part.slow_s)
            slow = keep * slow + part.slow * (1 - keep * keep) ** 0.5 * a
            keep = exp(-rr / part.breath_s)
            turn = 2 * pi * part.breath_hz * rr
            spin = complex(cos(turn), sin(turn))
            wave = keep * spin * wave + part.breath * (1 - keep * keep) ** 0.5 * complex(b, c)
            if wander:
                keep = exp(-rr / _WANDER_S)
                far = keep * far + _WANDER * (1 - keep * keep) ** 0.5 * e
