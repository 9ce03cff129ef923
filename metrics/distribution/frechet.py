"""Fréchet distance between two feature sets seen as Gaussians, in one pass and in bounded memory.

FD = |mu_r - mu_g|^2 + tr(S_r + S_g - 2 (S_r^1/2 S_g S_r^1/2)^1/2)   (Dowson & Landau 1982; Heusel et al. 2017)

A finite sample makes FD too large: two sets of n draws from one N(0, I_d) give about d^2/(2n) + 2d/n. So FD is only
comparable at equal n, and `fd_infinity` extrapolates it to n = infinity (Chong & Forsyth 2020).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gen.files import replacing
from gen.records import InputError
from metrics.statistics.arrays import Array, feature_pair, features

_FORMAT = "physiogen-gaussian-1"


@dataclass(frozen=True, eq=False)
class GaussianStatistics:
    """Count, mean and scatter of a feature set: all that the Fréchet distance needs of it.

    Attributes:
        count: samples seen.
        mean: (d,).
        scatter: (d, d) sum over samples of (x - mean)(x - mean)^T.
    """

    count: int
    mean: Array
    scatter: Array

    @classmethod
    def of(cls, values: npt.ArrayLike) -> "GaussianStatistics":
        """Statistics of feature rows (n, d) that are in memory."""
        rows = features(values, name="features")
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(len(rows), mean, centred.T @ centred)

    @classmethod
    def stream(cls, blocks: Iterable[npt.ArrayLike]) -> "GaussianStatistics":
        """Statistics of any number of blocks (n_i, d), holding one block at a time."""
        parts = (cls.of(block) for block in blocks)
        try:
            return reduce(cls.merge, parts)
        except TypeError as error:
            raise InputError("features: no block at all; accepted: at least one") from error

    def merge(self, other: "GaussianStatistics") -> "GaussianStatistics":
        """Statistics of both sets together (Chan, Golub & LeVeque 1983); exact, in any order.

        Raises:
            InputError: the two have different feature widths.
        """
        if self.mean.shape != other.mean.shape:
            raise InputError(f"statistics: widths {len(self.mean)} and {len(other.mean)}; accepted: equal widths")
        count = self.count + other.count
        step = other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(step, step) * (self.count * other.count / count)
        return GaussianStatistics(count, self.mean + step * (other.count / count), scatter)

    @property
    def covariance(self) -> Array:
        """Unbiased covariance (d, d).

        Raises:
            InputError: fewer than two samples.
        """
        if self.count < 2:
            raise InputError(f"statistics: {self.count} samples; accepted: at least 2 for a covariance")
        return self.scatter / (self.count - 1)

    def save(self, path: str | Path, *, label: str = "") -> None:
        """Write as .npz (no pickle), complete or not at all; ``label`` says where the numbers come from."""
        path = Path(path)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, format=_FORMAT, label=label, count=self.count, mean=self.mean, scatter=self.scatter)

    @classmethod
    def load(cls, path: str | Path, *, label: str | None = None) -> "GaussianStatistics":
        """Read what `save` wrote.

        Raises:
            InputError: no such file, another kind of file, damaged numbers, or another label than asked for.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                found = {key: file[key] for key in ("format", "label", "count", "mean", "scatter")}
        except Exception as error:  # numpy raises five kinds for a foreign file, none of them documented
            raise InputError(f"{path}: not readable as feature statistics; accepted: .npz written here") from error
        mean, scatter = found["mean"], found["scatter"]
        width = mean.size
        sound = (
            str(found["format"]) == _FORMAT
            and mean.shape == (width,)
            and scatter.shape == (width, width)
            and found["count"].ndim == 0
            and all(np.issubdtype(a.dtype, np.number) and np.isfinite(a).all() for a in (mean, scatter, found["count"]))
            and int(found["count"]) > 0
        )
        if not sound:
            raise InputError(f"{path}: damaged or foreign feature statistics; accepted: .npz written here")
        if label is not None and str(found["label"]) != label:
            raise InputError(f"{path}: statistics of {str(found['label'])!r}; accepted: {label!r}")
        return cls(int(found["count"]), mean.astype(np.float64), scatter.astype(np.float64))


def frechet_distance(*, reference: GaussianStatistics, generated: GaussianStatistics) -> float:
    """Squared 2-Wasserstein distance of two Gaussians, in squared feature units; 0 is best.

    tr (S_r^1/2 S_g S_r^1/2)^1/2 equals the sum of the singular values of S_r^1/2 S_g^1/2. That form needs no root of
    rounding noise: with fewer samples than features it keeps 1e-15 where the root of the product keeps 1e-8.

    Raises:
        InputError: different widths, or fewer than two samples in a set.
    """
    if reference.mean.shape != generated.mean.shape:
        raise InputError(
            f"generated: {len(generated.mean)} features; accepted: {len(reference.mean)} as in the reference"
        )
    (values_r, vectors_r), (values_g, vectors_g) = (_eigen(s.covariance) for s in (reference, generated))
    # Rotations leave singular values alone, so L_r^1/2 V_r^T V_g L_g^1/2 has those of S_r^1/2 S_g^1/2.
    core = np.sqrt(values_r)[:, None] * (vectors_r.T @ vectors_g) * np.sqrt(values_g)
    shared = np.linalg.svd(core, compute_uv=False).sum()
    step = reference.mean - generated.mean
    return max(0.0, float(step @ step + values_r.sum() + values_g.sum() - 2 * shared))


def fid(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """Fréchet distance between feature sets (n, d) and (m, d); 0 is best. State n with it.

    Raises:
        InputError: fewer than two samples in a set, other widths, or values that are not finite.
    """
    first, second = feature_pair(reference, generated, minimum=2)
    return frechet_distance(reference=GaussianStatistics.of(first), generated=GaussianStatistics.of(second))


@dataclass(frozen=True)
class FdInfinity:
    """Fréchet distance extrapolated to infinitely many samples.

    Attributes:
        value: intercept of FD against 1/n, in squared feature units; can be slightly negative for equal sets.
        standard_error: of the intercept, from the fit's residuals.
        slope: bias times n.
        sizes, distances: the points of the fit.
        trustworthy: the smallest size exceeds the feature width; below that the bias is not linear in 1/n.
    """

    value: float
    standard_error: float
    slope: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]
    trustworthy: bool


def fd_infinity(
    *,
    reference: npt.ArrayLike,
    generated: npt.ArrayLike,
    points: int = 10,
    repeats: int | None = None,
    smallest: float = 0.3,
    paired: bool = False,
    seed: int = 0,
) -> FdInfinity:
    """Fit FD of random subsets against 1/n and read it off at 1/n = 0.

    Both sets are thinned to the same n, so the bias of both goes. Draw k has its own seed (seed, k) and is made from
    the sorted rows, so that the order of the samples does not matter.

    Args:
        reference, generated: features (n, d), (m, d).
        points: subset sizes, evenly spaced in 1/n.
        repeats: subsets averaged at each size; None takes 5, fewer beyond 256 features, where each costs a second.
        smallest: smallest subset as a share of the smaller set.
        paired: generated sample i was made from reference i (a reconstruction, a copy): they are drawn together.
            Drawn apart, their shared chance would go as n falls, and the fit would end far below 0.
        seed: of the subsets.

    Raises:
        InputError: fewer than 20 samples in a set, fewer than three points, other widths.
    """
    first, second = feature_pair(reference, generated, minimum=20)
    repeats = max(1, min(5, 1280 // first.shape[1])) if repeats is None else repeats
    if points < 3 or repeats < 1 or not 0 < smallest < 1:
        raise InputError(
            f"points={points}, repeats={repeats}, smallest={smallest}; accepted: at least 3, at least 1, and 0 to 1"
        )
    if paired and len(first) != len(second):
        raise InputError(f"generated: {len(second)} samples; accepted: {len(first)}, one per reference if paired")
    order = [np.lexsort(rows[:, :4].T[::-1]) for rows in (first, second)]
    first, second = first[order[0]], second[order[0] if paired else order[1]]
    largest = min(len(first), len(second))
    sizes = np.rint(1 / np.linspace(1 / (smallest * largest), 1 / largest, points)).astype(int)
    distances = [
        float(
            np.mean([_subset_distance(first, second, int(n), (seed, k * repeats + r), paired) for r in range(repeats)])
        )
        for k, n in enumerate(sizes)
    ]
    design = np.stack([np.ones(points), 1 / sizes], axis=1)
    coefficients, *_ = np.linalg.lstsq(design, distances, rcond=None)
    residual = np.asarray(distances) - design @ coefficients
    spread = residual @ residual / (points - 2) * np.linalg.inv(design.T @ design)[0, 0]
    return FdInfinity(
        value=float(coefficients[0]),
        standard_error=float(np.sqrt(spread)),
        slope=float(coefficients[1]),
        sizes=tuple(int(size) for size in sizes),
        distances=tuple(distances),
        trustworthy=bool(sizes.min() > first.shape[1]),
    )


def bias_of_equal_sets(width: int, count: int, *, seed: int = 0) -> float:
    """FD between two independent sets of ``count`` draws from one N(0, I_width): the pure small-sample bias."""
    blocks = [_normal_statistics(width, count, np.random.SeedSequence((seed, side))) for side in (0, 1)]
    return frechet_distance(reference=blocks[0], generated=blocks[1])


def expected_bias(width: int, count: int) -> float:
    """First-order bias d^2/(2n) + 2d/n of `bias_of_equal_sets`, good for n well above d."""
    return width**2 / (2 * count) + 2 * width / count


def bias_table(widths: Sequence[int], counts: Sequence[int], *, seed: int = 0) -> Array:
    """(widths, counts) of `bias_of_equal_sets`."""
    return np.array([[bias_of_equal_sets(width, count, seed=seed) for count in counts] for width in widths])


def _normal_statistics(width: int, count: int, seed: np.random.SeedSequence) -> GaussianStatistics:
    rng = np.random.default_rng(seed)
    return GaussianStatistics.stream(
        rng.standard_normal((min(5000, count - start), width)) for start in range(0, count, 5000)
    )


def _subset_distance(first: Array, second: Array, size: int, seed: tuple[int, int], paired: bool) -> float:
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    one = rng.choice(len(first), size, replace=False)
    two = one if paired else rng.choice(len(second), size, replace=False)
    return fid(reference=first[one], generated=second[two])


def _eigen(covariance: Array) -> tuple[Array, Array]:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.clip(values, 0, None), vectors  # rounding leaves -1e-17 where the variance is 0
