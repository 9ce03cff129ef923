"""Whether a generator gives away its training patients: distances in feature space and membership inference.

Features should tolerate shifts in time (beat-aligned or pooled), not be raw samples. `metrics.privacy.copies`
searches the
waveforms themselves for copies.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.statistics.arrays import Array, feature_pair
from metrics.statistics.bootstrap import Groups, Interval, bootstrap_mean
from metrics.statistics.distances import nearest
from metrics.statistics.ranking import auroc, auroc_interval, true_positive_rate_interval


def nearest_neighbour_ratio(*, reference: npt.ArrayLike, generated: npt.ArrayLike) -> Array:
    """Distance to the nearest over the second nearest training sample, (n,) in [0, 1]; near 0 is a copy.

    Args:
        reference: training features (m, d).
        generated: features (n, d).

    Raises:
        InputError: fewer than two training samples, other widths, or values that are not finite.
    """
    train, fake = feature_pair(reference, generated)
    distance = nearest(fake, train, 2)[0]
    # Two copies in the training set put both distances at 0: that is a copy, not a 1.
    return np.divide(distance[:, 0], distance[:, 1], out=np.zeros(len(fake)), where=distance[:, 1] > 0)


@dataclass(frozen=True, eq=False)
class HoldoutComparison:
    """Whether generated samples lie nearer to the training set than to patients the generator never saw.

    Attributes:
        share: of generated samples nearer to the training set, with its interval; 0.5 is ideal, 1 is memorised.
        auroc: of 'distance to training is smaller than distance to holdout' over all pairs; 0.5 is ideal.
        to_train, to_holdout: (n,) distance to the nearest sample of each, in feature units.
        size: samples taken of each.
    """

    share: Interval
    auroc: float
    to_train: Array
    to_holdout: Array
    size: int


def nearer_to_train(
    *,
    reference: npt.ArrayLike,
    generated: npt.ArrayLike,
    holdout: npt.ArrayLike,
    groups: Groups = None,
    replicates: int = 1000,
    seed: int = 0,
) -> HoldoutComparison:
    """Compare the distance to the nearest training sample with that to the nearest holdout sample.

    The larger of the two sets is thinned to the size of the smaller one: more points are nearer by number alone. The
    interval is over the generated samples; another draw of training and holdout patients adds to it. Generated samples
    far from all real ones share one nearest real sample, and then the share is a coin thrown once (0 or 1): believe
    `membership_black_box` there, which treats members and strangers alike whatever the generator does.

    Args:
        reference: training features (m, d).
        generated: features (n, d).
        holdout: features (h, d) of patients the generator was not trained on.
        groups: of the generated samples (several draws for one condition).
        replicates: of the bootstrap.
        seed: of thinning and bootstrap.

    Raises:
        InputError: fewer than two samples in a set, other widths, or values that are not finite.
    """
    train, fake = feature_pair(reference, generated, minimum=2)
    unseen = feature_pair(train, holdout, minimum=2)[1]
    size = min(len(train), len(unseen))
    to_train, to_holdout = (nearest(fake, _thin(rows, size, seed), 1)[0][:, 0] for rows in (train, unseen))
    nearer = (to_train < to_holdout) + 0.5 * (to_train == to_holdout)
    return HoldoutComparison(
        share=bootstrap_mean(nearer, groups=groups, replicates=replicates, method="percentile", seed=seed),
        auroc=auroc(positive=-to_train, negative=-to_holdout),
        to_train=to_train,
        to_holdout=to_holdout,
        size=size,
    )


def nearer_to_train_share(
    *, reference: npt.ArrayLike, generated: npt.ArrayLike, holdout: npt.ArrayLike, seed: int = 0
) -> float:
    """Share of generated samples nearer to training than to holdout; 0.5 is ideal. See `nearer_to_train`."""
    return nearer_to_train(
        reference=reference, generated=generated, holdout=holdout, replicates=100, seed=seed
    ).share.value


@dataclass(frozen=True)
class MembershipInference:
    """How well an attacker tells training patients from others.

    Attributes:
        auroc: with its interval over patients; 0.5 is ideal, 1 is everything given away.
        tpr: share of members found when at most 1 % of the others are accused, with its interval; 0.01 is ideal.
        attack: which.
    """

    auroc: Interval
    tpr: Interval
    attack: str

    @property
    def tpr_at_1_percent(self) -> float:
        """Value of ``tpr``."""
        return self.tpr.value


def membership_black_box(
    *,
    reference: npt.ArrayLike,
    generated: npt.ArrayLike,
    holdout: npt.ArrayLike,
    reference_groups: Groups = None,
    holdout_groups: Groups = None,
    replicates: int = 1000,
    seed: int = 0,
) -> MembershipInference:
    """Attack that sees only samples: a patient with a generated ECG nearby was in the training set.

    Args:
        reference: features (m, d) of members (training patients).
        generated: features (n, d).
        holdout: features (h, d) of non-members.
        reference_groups, holdout_groups: patients.
        replicates, seed: of the bootstrap.

    Raises:
        InputError: as `nearer_to_train`.
    """
    members, fake = feature_pair(reference, generated, minimum=2)
    others = feature_pair(members, holdout, minimum=2)[1]
    scores = [-nearest(rows, fake, 1)[0][:, 0] for rows in (members, others)]
    return _membership(scores[0], scores[1], reference_groups, holdout_groups, replicates, seed, "distance")


def membership_auroc(
    *, reference: npt.ArrayLike, generated: npt.ArrayLike, holdout: npt.ArrayLike, seed: int = 0
) -> float:
    """AUROC of the black-box attack; 0.5 is ideal. See `membership_black_box`."""
    return membership_black_box(
        reference=reference, generated=generated, holdout=holdout, replicates=100, seed=seed
    ).auroc.value


def membership_white_box(
    member_losses: npt.ArrayLike,
    holdout_losses: npt.ArrayLike,
    *,
    member_groups: Groups = None,
    holdout_groups: Groups = None,
    replicates: int = 1000,
    seed: int = 0,
) -> MembershipInference:
    """Attack that holds the model: a low training loss gives a member away.

    Any model that scores one sample plugs in here, such as a denoiser's error at fixed noise levels and noise.

    Args:
        member_losses, holdout_losses: (m,) and (h,), or (m, t) and (h, t) with the losses at t noise levels, which
            are standardised level by level (over both sets) and averaged.
        member_groups, holdout_groups: patients.
        replicates, seed: of the bootstrap.

    Raises:
        InputError: shapes do not fit, or a loss is not finite.
    """
    first, second = (np.asarray(x, dtype=np.float64) for x in (member_losses, holdout_losses))
    first, second = (x[:, None] if x.ndim == 1 else x for x in (first, second))
    first, second = feature_pair(first, second, minimum=2)
    both = np.concatenate([first, second])
    spread = both.std(axis=0)
    scores = -((both - both.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).mean(axis=1)
    return _membership(
        scores[: len(first)], scores[len(first) :], member_groups, holdout_groups, replicates, seed, "loss"
    )


def membership_density_ratio(
    *,
    reference: npt.ArrayLike,
    generated: npt.ArrayLike,
    holdout: npt.ArrayLike,
    population: npt.ArrayLike,
    k: int = 1,
    reference_groups: Groups = None,
    holdout_groups: Groups = None,
    replicates: int = 1000,
    seed: int = 0,
) -> MembershipInference:
    """DOMIAS (van Breugel et al. 2023): members lie where the generator is denser than the population.

    log p_generated(x) - log p_population(x), with k-nearest-neighbour densities, p ~ k / (n r_k^d); the factors that
    are the same for every x do not change the ranking and are left out.

    Args:
        reference: features (m, d) of members.
        generated: features (n, d).
        holdout: features (h, d) of non-members.
        population: features (p, d) of further patients, disjoint from both, which calibrate 'dense'.
        k: neighbour that measures density; 1 finds a single copy, more smooths over it.
        reference_groups, holdout_groups: patients.
        replicates, seed: of the bootstrap.

    Raises:
        InputError: fewer than k samples, other widths, or values that are not finite.
    """
    members, fake = feature_pair(reference, generated, minimum=k)
    others = feature_pair(members, holdout, minimum=2)[1]
    known = feature_pair(members, population, minimum=k)[1]
    scores = [np.log(_radius(rows, known, k)) - np.log(_radius(rows, fake, k)) for rows in (members, others)]
    return _membership(scores[0], scores[1], reference_groups, holdout_groups, replicates, seed, "density ratio")


def _radius(queries: Array, points: Array, k: int) -> Array:
    return np.maximum(nearest(queries, points, k)[0][:, -1], 1e-12)  # an exact copy has no finite density


def _thin(rows: Array, size: int, seed: int) -> Array:
    if len(rows) == size:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), size, replace=False))]


def _membership(
    members: Array, others: Array, member_groups: Groups, other_groups: Groups, replicates: int, seed: int, attack: str
) -> MembershipInference:
    first = [f"member:{g}" for g in (range(len(members)) if member_groups is None else member_groups)]
    second = [f"other:{g}" for g in (range(len(others)) if other_groups is None else other_groups)]
    if member_groups is not None and other_groups is not None:
        shared = set(map(str, member_groups)) & set(map(str, other_groups))
        if shared:
            raise InputError(f"groups: {len(shared)} patients are members and non-members; accepted: disjoint patients")
    scores, labels = np.concatenate([members, others]), np.arange(len(members) + len(others)) < len(members)
    draws: dict[str, Any] = {"groups": first + second, "replicates": replicates, "seed": seed}
    return MembershipInference(
        auroc=auroc_interval(scores, labels, **draws),
        tpr=true_positive_rate_interval(scores, labels, false_positive_rate=0.01, **draws),
        attack=attack,
    )
