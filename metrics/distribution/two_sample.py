"""Can a classifier tell generated from real? AUROC 0.5 means no (Lopez-Paz & Oquab 2017).

Two judges vote: a linear one (logistic regression) and a local one (nearest neighbours), because each is blind to
differences the other sees. Every sample is scored by judges that saw neither it nor anything of its patient.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from gen.records import InputError
from metrics.statistics.arrays import Array, feature_pair, group_codes
from metrics.statistics.bootstrap import Groups, Interval
from metrics.statistics.distances import nearest
from metrics.statistics.ranking import auroc, auroc_interval

_NEIGHBOURS = 15
_COMPONENTS = 32  # nearest neighbours mean little in a thousand noisy dimensions


@dataclass(frozen=True)
class TwoSampleResult:
    """What the judges found.

    Attributes:
        auroc: of both judges' mean rank, with its interval over patients; 0.5 is best, 1 is told apart. The interval
            takes the judges as given: on equal sets it holds 0.5 in about 82 of 100 trials, not in 95.
        linear, local: AUROC of each judge alone.
    """

    auroc: Interval
    linear: float
    local: float


def two_sample_test(
    *,
    reference: npt.ArrayLike,
    generated: npt.ArrayLike,
    reference_groups: Groups = None,
    generated_groups: Groups = None,
    folds: int = 5,
    replicates: int = 1000,
    seed: int = 0,
) -> TwoSampleResult:
    """Cross-validated classifier two-sample test.

    Args:
        reference, generated: features (n, d), (m, d).
        reference_groups, generated_groups: patient of each sample; a patient in both sets (a twin or a reconstruction)
            stays in one fold. None: each sample its own.
        folds: of the cross-validation.
        replicates: of the bootstrap.
        seed: of folds and bootstrap.

    Raises:
        InputError: fewer than four samples a fold in a set, or fewer patients than folds.
    """
    first, second = feature_pair(reference, generated, minimum=4 * folds)
    groups = joint_groups(reference_groups, generated_groups, len(first), len(second))
    values = np.concatenate([first, second])
    labels = np.arange(len(values)) >= len(first)
    linear, local = np.empty(len(values)), np.empty(len(values))
    for test in patient_folds(labels, groups, folds, seed):
        train = ~test
        seen, unseen = _standardise(values[train], values[test])
        # Ranks make the scores of different folds comparable.
        linear[test] = rankdata(_linear_scores(seen, labels[train], unseen)) / test.sum()
        local[test] = rankdata(_local_scores(seen, labels[train], unseen)) / test.sum()
    return TwoSampleResult(
        auroc=auroc_interval(linear + local, labels, groups=groups, replicates=replicates, seed=seed),
        linear=auroc(positive=linear[labels], negative=linear[~labels]),
        local=auroc(positive=local[labels], negative=local[~labels]),
    )


def two_sample_auroc(*, reference: npt.ArrayLike, generated: npt.ArrayLike, folds: int = 5, seed: int = 0) -> float:
    """AUROC of real against generated; 0.5 is best. See `two_sample_test`."""
    return two_sample_test(reference=reference, generated=generated, folds=folds, replicates=100, seed=seed).auroc.value


def joint_groups(reference: Groups, generated: Groups, n: int, m: int) -> npt.NDArray[np.int64]:
    """Patient codes (n + m,) of both sets; a patient in both is one. None: every sample its own.

    Raises:
        InputError: not one group per sample.
    """
    if reference is not None and generated is not None:
        if len(reference) != n or len(generated) != m:
            raise InputError(f"groups: {len(reference)} and {len(generated)}; accepted: one per sample, {n} and {m}")
        return group_codes([*map(str, reference), *map(str, generated)], n + m)
    first, second = group_codes(reference, n), group_codes(generated, m)
    return np.concatenate([first, second + first.max() + 1])


def patient_folds(
    labels: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64], folds: int, seed: int
) -> list[npt.NDArray[np.bool_]]:
    """Test masks (n,) of a cross-validation; whole groups, dealt so that each fold gets its share of both classes.

    Args:
        labels: (n,) class of each sample.
        groups: (n,) patient codes, 0 and up.
        folds: how many.
        seed: of the deal.

    Raises:
        InputError: fewer patients than folds, or a fold of one class.
    """
    number = int(groups.max()) + 1
    if number < folds:
        raise InputError(f"groups: {number} patients; accepted: at least {folds}, one a fold")
    rng = np.random.default_rng(seed)
    share = np.bincount(groups, labels, minlength=number) / np.bincount(groups, minlength=number)
    order = np.lexsort([rng.random(number), np.round(share, 1)])
    fold_of_group = np.empty(number, dtype=np.int64)
    fold_of_group[order] = np.arange(number) % folds
    masks = [fold_of_group[groups] == fold for fold in range(folds)]
    for test in masks:
        if any(len(set(labels[part])) < 2 for part in (test, ~test)):
            raise InputError("groups: a fold holds one class only; accepted: more patients, or fewer folds")
    return masks


def _standardise(train: Array, test: Array) -> tuple[Array, Array]:
    centre, spread = train.mean(axis=0), train.std(axis=0)
    # A column that is constant but for rounding must not be blown up into a feature.
    varies = spread > 1e-9 * (np.abs(centre) + spread.max(initial=0) + 1e-300)
    spread = np.where(varies, spread, np.inf)
    return (train - centre) / spread, (test - centre) / spread


def _linear_scores(train: Array, labels: npt.NDArray[np.bool_], test: Array) -> Array:
    from sklearn.linear_model import LogisticRegression

    # The penalty grows with the number of features, so that 1024 of them on 500 samples do not just memorise.
    model = LogisticRegression(C=1 / np.sqrt(train.shape[1]), class_weight="balanced", max_iter=300, tol=1e-3)
    return model.fit(train, labels).decision_function(test)


def _local_scores(train: Array, labels: npt.NDArray[np.bool_], test: Array) -> Array:
    """Log ratio of the distances to the nearest real and generated samples (mean over the nearest few)."""
    if train.shape[1] > _COMPONENTS:
        directions = np.linalg.eigh(train.T @ train)[1][:, -_COMPONENTS:]
        train, test = train @ directions, test @ directions
    real, fake = train[~labels], train[labels]
    k = min(_NEIGHBOURS, len(real), len(fake))
    to_real, to_fake = (np.log(nearest(test, points, k)[0] + 1e-12).mean(axis=1) for points in (real, fake))
    return to_real - to_fake
