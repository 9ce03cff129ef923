"""A two-sample judge that looks at waveforms: random forests on descriptors, one for each family and one for all.

    from metrics.judges.forest import judge
    found = judge(real, generated, reference=others)     # EcgRecord objects, or Descriptors that are there already
    found["spectrum"].auroc.value, found["all"].telling[0]

AUROC .5 means that the forest cannot tell generated from recorded, 1 that it always can. Every record is scored by
forests that saw neither it nor anything of its patient. Lopez-Paz & Oquab 2017 (classifier two-sample tests), Breiman
2001 (forests).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from gen.records import EcgRecord, InputError
from metrics.distribution.two_sample import joint_groups, patient_folds
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import Groups, Interval
from metrics.statistics.floors import kept_floor
from metrics.statistics.ranking import auroc_interval
from metrics.waveform.descriptors import FAMILIES, Descriptors, describe

TREES, FOLDS = 300, 5
ALL = "all"
#: A descriptor that more of a set lacks than this is left out: whether it can be read would be all that it says.
_MOST_MISSING = 0.5
_TELLING = 3
_ALONE = 1e-12


@dataclass(frozen=True)
class Telling:
    """A descriptor that tells the sets apart.

    Attributes:
        name: of the descriptor.
        importance: share of the forests' impurity decrease that is due to it (all descriptors: 1).
        real, generated: medians.
        direction: ``higher`` or ``lower`` in the generated set, ``as high`` where only the spread differs.
    """

    name: str
    importance: float
    real: float
    generated: float
    direction: str

    def __str__(self) -> str:
        return f"{self.name}: {self.real:.3g} recorded, {self.generated:.3g} generated"


@dataclass(frozen=True)
class Verdict:
    """What the judge of one family found.

    Attributes:
        auroc: with its interval over patients, the forests taken as given.
        floor: the same of recorded against recorded; None where it was not asked for.
        telling: the descriptors that tell most, each of another kind (the same in another lead is not repeated).
        descriptors: how many entered.
    """

    auroc: Interval
    floor: Interval | None
    telling: tuple[Telling, ...]
    descriptors: int


@dataclass(frozen=True)
class Judgement(Mapping[str, Verdict]):
    """Verdicts by family, `ALL` first, and what could not be judged.

    Attributes:
        verdicts: by family.
        left_out: descriptors that too few records of a set have.
        skipped: family -> why there is no verdict.
        floor_name: what the floor is.
    """

    verdicts: Mapping[str, Verdict]
    left_out: tuple[str, ...]
    skipped: Mapping[str, str]
    floor_name: str

    def __getitem__(self, family: str) -> Verdict:
        return self.verdicts[family]

    def __iter__(self) -> Iterator[str]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)


Set = Descriptors | Iterable[EcgRecord] | npt.NDArray[np.floating]


def judge(
    real: Set,
    generated: Set,
    *,
    reference: Set | None = None,
    real_groups: Groups = None,
    generated_groups: Groups = None,
    reference_groups: Groups = None,
    families: Sequence[str] = (ALL, *FAMILIES),
    floor: bool = True,
    fs_hz: float | None = None,
    leads: Sequence[str] | None = None,
    trees: int = TREES,
    folds: int = FOLDS,
    replicates: int = 1000,
    seed: int = 0,
    jobs: int | None = 1,
) -> Judgement:
    """Whether forests tell generated from recorded ECGs, by family of descriptors.

    Args:
        real, generated: `Descriptors`, `EcgRecord` objects, or arrays (n, lead, time) in mV.
        reference: recorded ECGs of other people, for the floor; None: the floor is one half of the real set's patients
            against the other, at half the records.
        real_groups, generated_groups, reference_groups: patient of each record; a patient in both sets (a twin, a
            reconstruction) stays in one fold. None: each record its own.
        families: of `FAMILIES`, and ``all``.
        floor: whether to compute it.
        fs_hz, leads: of arrays.
        trees, folds: of each forest, and of the cross-validation.
        replicates: of the bootstrap over patients.
        seed: of folds, forests and bootstrap; the same seed gives the same figures.
        jobs: threads of scikit-learn.

    Raises:
        InputError: fewer than four records a fold in a set, fewer patients than folds, sets of different descriptors,
            or records that cannot be described.
    """
    one, two = (_described(each, fs_hz, leads) for each in (real, generated))
    other = None if reference is None or not floor else _described(reference, fs_hz, leads)
    for name, each in (("generated", two), ("reference", other)):
        if each is not None and each.names != one.names:
            raise InputError(f"{name}: descriptors of other leads than real; accepted: the same leads in all sets")
    for name, each in (("real", one), ("generated", two)):
        if len(each) < 4 * folds:
            raise InputError(f"{name}: {len(each)} records; accepted: at least {4 * folds}")
    kept = measured_columns(one, two)
    left_out = tuple(name for k, name in enumerate(one.names) if k not in set(kept))
    groups = joint_groups(real_groups, generated_groups, len(one), len(two))
    first, second, floor_groups, floor_name = _floor_sets(one, groups[: len(one)], other, reference_groups, folds, seed)
    verdicts: dict[str, Verdict] = {}
    skipped: dict[str, str] = {}
    for family in families:
        columns = [k for k in kept if family in (ALL, one.families[k])]
        if not columns:
            skipped[family] = "no descriptor of it can be read in most records of both sets"
            continue
        given = {"trees": trees, "folds": folds, "replicates": replicates, "seed": seed, "jobs": jobs}
        found = forest_test(one.columns(columns), two.columns(columns), groups, **given)  # type: ignore[arg-type]
        if floor and first is not None and second is not None:
            sides = first.columns(columns), second.columns(columns)
            base = kept_floor(
                f"forest of {trees} trees, {folds} folds, {replicates} replicates, seed {seed}",
                (*(side.values for side in sides), floor_groups),
                lambda: asdict(forest_test(*sides, floor_groups, **given).auroc),  # type: ignore[arg-type]  # noqa: B023
            )
            found = replace(found, floor=Interval(**base))
        verdicts[family] = found
    return Judgement(verdicts, left_out, skipped, floor_name if floor else "")


def measured_columns(*sets: Descriptors) -> list[int]:
    """Columns that most records of every set have."""
    missing = np.stack([np.isnan(each.values).mean(axis=0) for each in sets]).max(axis=0)
    return np.flatnonzero(missing <= _MOST_MISSING).tolist()


def forest_test(
    real: Descriptors,
    generated: Descriptors,
    groups: npt.NDArray[np.int64],
    *,
    trees: int = TREES,
    folds: int = FOLDS,
    replicates: int = 1000,
    seed: int = 0,
    jobs: int | None = 1,
) -> Verdict:
    """Cross-validated forest of real against generated; ``groups``: patient code of all records, real ones first."""
    from sklearn.ensemble import RandomForestClassifier

    values = np.concatenate([real.values, generated.values]).astype(np.float32)
    labels = np.arange(len(values)) >= len(real)
    scores = np.empty(len(values))
    importance = np.zeros(values.shape[1])
    for number, test in enumerate(patient_folds(labels, groups, folds, seed)):
        forest = RandomForestClassifier(trees, random_state=seed * folds + number, n_jobs=jobs)
        forest.fit(values[~test], labels[~test])
        # Ranks make the scores of different folds comparable.
        scores[test] = rankdata(forest.predict_proba(values[test])[:, 1]) / test.sum()
        importance += forest.feature_importances_ / folds
    interval = auroc_interval(scores, labels, groups=groups, replicates=replicates, seed=seed)
    return Verdict(interval, None, _telling(real, generated, importance), values.shape[1])


def _telling(real: Descriptors, generated: Descriptors, importance: Array) -> tuple[Telling, ...]:
    found: list[Telling] = []
    kinds: set[str] = set()
    for k in np.argsort(-importance, kind="stable").tolist():
        kind = _kind(real.names[k])
        if len(found) == _TELLING or importance[k] <= 0:
            break
        if kind in kinds:
            continue
        kinds.add(kind)
        one, two = (float(np.nanmedian(each.values[:, k])) for each in (real, generated))
        direction = "as high" if abs(one - two) <= _ALONE else "higher" if two > one else "lower"
        found.append(Telling(real.names[k], float(importance[k]), one, two, direction))
    return tuple(found)


def _kind(name: str) -> str:
    """Name without its leads."""
    from gen.leads import LEADS_12

    return "_".join(piece for piece in name.split("_") if piece not in LEADS_12)


def _floor_sets(
    real: Descriptors,
    groups: npt.NDArray[np.int64],
    other: Descriptors | None,
    other_groups: Groups,
    folds: int,
    seed: int,
) -> tuple[Descriptors | None, Descriptors | None, npt.NDArray[np.int64], str]:
    if other is not None:
        codes = joint_groups(groups.tolist(), None if other_groups is None else other_groups, len(real), len(other))
        if other_groups is not None:
            # Real patients are numbers here, the reference's have names: they must not meet by chance.
            names = [f"reference {each}" for each in other_groups]
            codes = joint_groups([f"real {each}" for each in groups], names, len(real), len(other))
        return real, other, codes, "recorded against other recordings"
    people = np.unique(groups)
    rng = np.random.default_rng(np.random.SeedSequence((seed, 5)))
    chosen = np.isin(groups, rng.permutation(people)[: len(people) // 2])
    if min(chosen.sum(), (~chosen).sum()) < 4 * folds:
        return None, None, groups, ""
    order = np.concatenate([np.flatnonzero(chosen), np.flatnonzero(~chosen)])
    codes = np.unique(groups[order], return_inverse=True)[1]
    return real.rows(chosen), real.rows(~chosen), codes, "half of the real set against the other half"


def _described(each: Set, fs_hz: float | None, leads: Sequence[str] | None) -> Descriptors:
    return each if isinstance(each, Descriptors) else describe(each, fs_hz, leads)
