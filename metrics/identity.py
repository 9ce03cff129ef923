"""Whether a generated ECG belongs to the person it was made for: retrieval, verification, separation.

The features must come from an extractor that is independent of the generator. Strangers should share the condition
(``strata``): otherwise telling atrial fibrillation from sinus rhythm passes for knowing the person.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.statistics.arrays import Array, feature_pair, features, group_codes
from metrics.statistics.bootstrap import Groups, Interval, Statistic, bootstrap, bootstrap_mean
from metrics.statistics.ranking import equal_error_rate, equal_error_threshold, error_where_equal

Labels = Sequence[object] | npt.NDArray


@dataclass(frozen=True)
class IdentityScores:
    """Identity of generated ECGs against a gallery of real ones.

    Attributes:
        rank_1, rank_5: share whose own person is the nearest, or among the five nearest persons of the gallery.
        rank_1_chance: what guessing among the same strangers gives.
        eer: equal error rate of accepting a claimed identity by cosine; 0.5 is chance.
        threshold: the cosine from which on a claim is accepted at that error rate.
        same, other: mean cosine to the own person, and to strangers.
        queries: generated ECGs that had their own person and at least one stranger in the gallery.
    """

    rank_1: float
    rank_5: float
    rank_1_chance: float
    eer: float
    threshold: float
    same: float
    other: float
    queries: int


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Generated ECGs (queries) compared with the gallery.

    Attributes:
        rows: (q,) which generated ECGs could be compared.
        rank: (q,) place of the own person among the persons of the gallery; ties count half.
        chance: (q,) share of guesses that are right.
        same, other: cosines of each query to its own person's ECGs and to strangers'.
    """

    rows: npt.NDArray[np.int64]
    rank: Array
    chance: Array
    same: tuple[Array, ...]
    other: tuple[Array, ...]


def compare_identities(
    *,
    reference: npt.ArrayLike,
    generated: npt.ArrayLike,
    reference_persons: Labels,
    generated_persons: Labels,
    reference_strata: Labels | None = None,
    generated_strata: Labels | None = None,
) -> Comparisons:
    """Compare each generated ECG with real ECGs by cosine.

    Args:
        reference: gallery features (m, d) of real ECGs.
        generated: features (n, d).
        reference_persons, generated_persons: who.
        reference_strata, generated_strata: condition of each; strangers of another condition do not compete.

    Raises:
        InputError: shapes or labels do not fit, or no generated ECG has its person and a stranger in the gallery.
    """
    gallery, fake = feature_pair(reference, generated)
    who = _codes(reference_persons, generated_persons, len(gallery), len(fake))
    given = reference_strata is not None and generated_strata is not None
    strata = _codes(reference_strata, generated_strata, len(gallery), len(fake)) if given else None
    cosine = _unit(fake) @ _unit(gallery).T
    rows, ranks, chances, same, other = [], [], [], [], []
    for i, row in enumerate(cosine):
        own = who[0] == who[1][i]
        stranger = ~own if strata is None else ~own & (strata[0] == strata[1][i])
        if not own.any() or not stranger.any():
            continue
        best_other = _best_per_person(row[stranger], who[0][stranger])
        mine = row[own].max()
        rows.append(i)
        ranks.append(1 + np.count_nonzero(best_other > mine) + np.count_nonzero(best_other == mine) / 2)
        chances.append(1 / (1 + len(best_other)))
        same.append(row[own])
        other.append(row[stranger])
    if not ranks:
        raise InputError(
            "persons: no generated ECG has its person and a stranger in the gallery; accepted: at least one"
        )
    return Comparisons(np.array(rows), np.array(ranks, dtype=np.float64), np.array(chances), tuple(same), tuple(other))


def identity_scores(
    *,
    reference: npt.ArrayLike,
    generated: npt.ArrayLike,
    reference_persons: Labels,
    generated_persons: Labels,
    reference_strata: Labels | None = None,
    generated_strata: Labels | None = None,
) -> IdentityScores:
    """Retrieve the person of each generated ECG from real ECGs by cosine; as `compare_identities`."""
    found = compare_identities(
        reference=reference,
        generated=generated,
        reference_persons=reference_persons,
        generated_persons=generated_persons,
        reference_strata=reference_strata,
        generated_strata=generated_strata,
    )
    return scores_of(found)


def scores_of(found: Comparisons) -> IdentityScores:
    """The scores of comparisons."""
    near, far = np.concatenate(found.same), np.concatenate(found.other)
    return IdentityScores(
        rank_1=float(np.mean(found.rank <= 1)),
        rank_5=float(np.mean(found.rank <= 5)),
        rank_1_chance=float(np.mean(found.chance)),
        eer=equal_error_rate(positive=near, negative=far),
        threshold=equal_error_threshold(positive=near, negative=far),
        same=float(near.mean()),
        other=float(far.mean()),
        queries=len(found.rows),
    )


def identity_intervals(
    found: Comparisons, *, groups: Groups = None, replicates: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """``rank_1``, ``rank_5``, ``eer``, ``same`` and ``other`` with intervals; queries are drawn, the gallery stays.

    Args:
        found: the comparisons.
        groups: (q,) person of each query of ``found.rows``, drawn together; None: each its own.
        replicates, seed: of the bootstrap.

    Returns:
        One interval each; its bounds are NaN for a single person.
    """
    sums = {name: np.array([c.sum() for c in getattr(found, name)]) for name in ("same", "other")}
    sizes = {name: np.array([len(c) for c in getattr(found, name)]) for name in ("same", "other")}
    # Of each query: how many of its cosines reach each threshold, that is every own cosine, from above and below it.
    limits = np.unique(np.concatenate(found.same))[::-1]

    def reached(cosines: tuple[Array, ...]) -> Array:
        rows = []
        for each in cosines:
            ordered = np.sort(each)
            above = len(each) - np.searchsorted(ordered, limits, side="right")
            rows.append(np.stack([above, len(each) - np.searchsorted(ordered, limits, side="left")], axis=1).ravel())
        return np.array(rows, dtype=np.float64)

    hits, alarms = reached(found.same), reached(found.other)

    def error(weights: Array) -> Array:
        return error_where_equal(
            1 - weights @ hits / (weights @ sizes["same"])[:, None],
            weights @ alarms / (weights @ sizes["other"])[:, None],
        )

    statistics: dict[str, Statistic] = {
        "rank_1": lambda weights: weights @ (found.rank <= 1) / weights.sum(axis=1),
        "rank_5": lambda weights: weights @ (found.rank <= 5) / weights.sum(axis=1),
        "eer": error,
        "same": lambda weights: weights @ sums["same"] / (weights @ sizes["same"]),
        "other": lambda weights: weights @ sums["other"] / (weights @ sizes["other"]),
    }
    return {
        name: bootstrap(statistic, len(found.rows), groups=groups, replicates=replicates, seed=seed, few="unknown")
        for name, statistic in statistics.items()
    }


def separation(*, values: npt.ArrayLike, persons: Labels, replicates: int = 2000, seed: int = 0) -> dict[str, Interval]:
    """How near a person's ECGs lie to each other, and to those of other persons.

    Args:
        values: features (n, d).
        persons: (n,) who; two persons or more, each with two ECGs or more.
        replicates, seed: of the bootstrap.

    Returns:
        ``intra`` (mean cosine of a person's ECGs with each other), ``inter`` (with other persons') and ``silhouette``
        (cosine distance), each a mean over persons with an interval over them.

    Raises:
        InputError: fewer than two persons, or one with a single ECG.
    """
    rows = features(values, name="values", minimum=4)
    who = group_codes(persons, len(rows))
    sizes = np.bincount(who)
    if len(sizes) < 2 or sizes.min() < 2:
        raise InputError(f"persons: {len(sizes)}, with {sizes.min()} ECGs or more; accepted: at least two of each")
    unit = _unit(rows)
    cosine, own = unit @ unit.T, who[:, None] == who
    each = {
        "intra": (np.where(own, cosine, 0).sum(axis=1) - cosine.diagonal()) / (own.sum(axis=1) - 1),
        "inter": np.where(own, 0, cosine).sum(axis=1) / (~own).sum(axis=1),
        "silhouette": silhouettes(values=rows, persons=who, metric="cosine"),
    }
    return {
        name: bootstrap_mean(np.bincount(who, found) / sizes, replicates=replicates, seed=seed)
        for name, found in each.items()
    }


def silhouette(*, values: npt.ArrayLike, persons: Labels, metric: str = "euclidean") -> float:
    """Mean of `silhouettes`."""
    return float(silhouettes(values=values, persons=persons, metric=metric).mean())


def silhouettes(*, values: npt.ArrayLike, persons: Labels, metric: str = "euclidean") -> Array:
    """Silhouette (b - a) / max(a, b) of each sample, -1 to 1 (Rousseeuw 1987): how well persons form clusters; (n,).

    a is the mean distance to the own person's other ECGs, b the smallest mean distance to another person's; a person
    with one ECG counts 0.

    Args:
        values: features (n, d).
        persons: (n,) who.
        metric: "euclidean" or "cosine" distance.

    Raises:
        InputError: fewer than two persons, no person with two ECGs, or another metric.
    """
    from sklearn.metrics import silhouette_samples

    rows = features(values, name="values", minimum=3)
    codes = group_codes(persons, len(rows))
    if metric not in ("euclidean", "cosine"):
        raise InputError(f"metric {metric!r}; accepted: euclidean, cosine")
    if not 2 <= len(np.unique(codes)) < len(rows):
        raise InputError("persons: accepted: at least two, one of them with two ECGs")
    return np.asarray(silhouette_samples(rows, codes, metric=metric), dtype=np.float64)


def _codes(
    first: Labels | None, second: Labels | None, n: int, m: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    one, two = list(map(str, first if first is not None else ())), list(map(str, second if second is not None else ()))
    if len(one) != n or len(two) != m:
        raise InputError(f"labels: {len(one)} and {len(two)} given; accepted: one per sample, {n} and {m}")
    codes = group_codes([*one, *two], n + m)
    return codes[:n], codes[n:]


def _best_per_person(cosine: Array, persons: npt.NDArray[np.int64]) -> Array:
    codes = np.unique(persons, return_inverse=True)[1]
    best = np.full(codes.max() + 1, -np.inf)
    np.maximum.at(best, codes, cosine)
    return best


def _unit(x: Array) -> Array:
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norm > 0, norm, np.inf)
