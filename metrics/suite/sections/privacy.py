"""Copies, distances to the training set, and membership inference."""

import numpy as np

from gen.leads import LEADS_8
from gen.records import InputError
from metrics.privacy.attacks import (
    membership_black_box,
    membership_density_ratio,
    nearer_to_train,
    nearest_neighbour_ratio,
)
from metrics.privacy.copies import CopySearch, find_copies
from metrics.report.entries import Entry, from_interval, skip
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import bootstrap_mean
from metrics.statistics.proportion import bootstrap_share
from metrics.suite.aligned import AlignedSet
from metrics.suite.job import Job

SECTION = "Privacy"
_NO_TRAIN = "no training set was given (--train)"


def privacy_section(job: Job) -> list[Entry]:
    """Near copies by waveform, nearest-neighbour distances and the black-box membership attack."""
    out = [_copies(job), _repeats(job)]
    job.progress.advance(0.5)
    names = ("nearer_to_train_share", "membership_auroc", "nndr_mean")
    if job.train is None or not job.extractors:
        reason = _NO_TRAIN if job.train is None else "no features: the sets lack some of the 8 independent leads"
        return [*out, *(skip(name, reason, SECTION) for name in names)]
    return [*out, *_distances(job, job.train)]


def _copies(job: Job) -> Entry:
    if job.train is None and job.pairs is not None and not job.identical:
        reason = "paired sets and no --train: each generated record is meant to resemble a real one"
        return skip("near_copy_share", reason, SECTION)
    against = job.train if job.train is not None else job.real
    try:
        found = find_copies(reference=_eight(against), generated=_eight(job.generated), fs_hz=job.real.fs_hz)
    except InputError as error:
        return skip("near_copy_share", str(error), SECTION)
    job.drawn.copies = (against, found.top(6))
    interval = bootstrap_share(
        found.copies.astype(float), groups=job.generated.patients, replicates=1000, seed=job.seed
    )
    if found.share > 0:
        # The very same recordings were announced in the first line already.
        job.warnings.append(_sentence(job, found, against))
    return from_interval(
        "near_copy_share",
        interval,
        section=SECTION,
        records=found.copies.astype(np.float64),
        extra={
            "against": "train" if job.train is not None else "real",
            "threshold": found.threshold,
            "copies": int(found.copies.sum()),
            "top_pairs": [
                {
                    "generated": job.generated.ids[i],
                    "training": against.ids[j],
                    "correlation": round(correlation, 5),
                    "lag_s": round(lag, 4),
                }
                for i, j, correlation, lag in found.top(10)
            ],
        },
    )


def _repeats(job: Job) -> Entry:
    """Records of the generated set that are near-copies of another one of it."""
    name = "repeated_share"
    try:
        found = find_copies(
            reference=_eight(job.generated), generated=_eight(job.generated), fs_hz=job.real.fs_hz, exclude_self=True
        )
    except InputError as error:
        return skip(name, str(error), SECTION)
    equal = len(job.generated) - len(set(job.generated.fingerprints))
    real = len(job.real) - len(set(job.real.fingerprints))
    if found.share > 0:
        i, j, _, _ = found.top(1)[0]
        job.warnings.append(
            f"{int(found.copies.sum())} of {len(job.generated)} generated records are near-copies of another generated "
            f"one, {equal} of them repeat it sample for sample; the first: {job.generated.ids[i]} = "
            f"{job.generated.ids[j]}: measures of spread see fewer records than there are"
        )
    interval = bootstrap_share(
        found.copies.astype(float), groups=job.generated.patients, replicates=1000, seed=job.seed
    )
    return from_interval(
        name,
        interval,
        better="lower",
        ideal=0.0,
        section=SECTION,
        summary="Share of generated records that are near-copies of another generated one.",
        records=found.copies.astype(np.float64),
        extra={"threshold": found.threshold, "equal": equal, "equal_in_real": real},
    )


def _sentence(job: Job, found: CopySearch, against: AlignedSet) -> str:
    what = "training" if job.train is not None else "real"
    return (
        f"{int(found.copies.sum())} of {len(job.generated)} generated records are near-copies of {what} records "
        f"(correlation above {found.threshold:g}); the first: {job.generated.ids[found.top(1)[0][0]]} = "
        f"{against.ids[found.top(1)[0][1]]}"
    )


def _eight(each: AlignedSet) -> Array | np.ndarray:
    if each.leads == LEADS_8 or not each.has_8:
        return each.signal_mv
    # Eight leads hold all there is; a view of the rows that are needed would copy a memory-mapped set.
    return each.signal_mv[:, [each.leads.index(lead) for lead in LEADS_8]]


def _fresh_floor(job: Job, members: Array, holdout: Array, people: list[str]) -> tuple[float | None, float | None]:
    """Both measures for real patients in the place of the generator: half of the holdout against its other half."""
    split = next(iter(job.splits), None)
    if split is None or len(split.first) < 10:
        return None, None
    given = {"reference": members, "generated": holdout[split.first], "holdout": holdout[split.second]}
    near = nearer_to_train(**given, replicates=100, seed=job.seed).share.value
    found = membership_black_box(**given, reference_groups=people, replicates=100, seed=job.seed)
    return near, found.auroc.value


def _density_attack(job: Job, members: Array, fake: Array, holdout: Array, people: list[str]) -> list[Entry]:
    """DOMIAS: half of the holdout patients are the non-members, the others tell how dense the population is."""
    split = next(iter(job.splits), None)
    if split is None or len(split.first) < 10:
        return [skip("membership_density_auroc", "too few holdout patients for two halves", SECTION)]
    found = membership_density_ratio(
        reference=members,
        generated=fake,
        holdout=holdout[split.first],
        population=holdout[split.second],
        reference_groups=people,
        holdout_groups=[job.real.patients[i] for i in split.first],
        seed=job.seed,
    )
    made = from_interval(
        "membership_density_auroc",
        found.auroc,
        better="lower",
        ideal=0.5,
        section=SECTION,
        summary="Membership by the ratio of generated to population density (DOMIAS); .5 is ideal.",
        extra={"tpr_at_1_percent_fpr": found.tpr_at_1_percent, "attack": found.attack},
    )
    return [made]


def _distances(job: Job, train: AlignedSet) -> list[Entry]:
    extractor = job.extractors[0]
    members = job.features(extractor, "train")
    fake, holdout = job.features(extractor, "generated"), job.features(extractor, "real")
    centre, spread = holdout.mean(axis=0), holdout.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    members, fake, holdout = ((x - centre) / spread for x in (members, fake, holdout))
    people = [train.patients[i] for i in job.train_rows]
    compared = nearer_to_train(
        reference=members,
        generated=fake,
        holdout=holdout,
        groups=job.generated.patients,
        seed=job.seed,
    )
    attack = membership_black_box(
        reference=members,
        generated=fake,
        holdout=holdout,
        reference_groups=people,
        holdout_groups=job.real.patients,
        seed=job.seed,
    )
    ratio = bootstrap_mean(
        nearest_neighbour_ratio(reference=members, generated=fake), groups=job.generated.patients, seed=job.seed
    )
    fresh = _fresh_floor(job, members, holdout, people)
    dense = _density_attack(job, members, fake, holdout, people) if job.preset.thorough else []
    extra = {"extractor": extractor.name, "train_records": len(members), "holdout_records": len(holdout)}
    out = [
        from_interval(
            "nearer_to_train_share",
            compared.share,
            section=SECTION,
            floor=fresh[0],
            extra={**extra, "auroc": compared.auroc, "compared_at": compared.size},
        ),
        from_interval(
            "membership_auroc",
            attack.auroc,
            section=SECTION,
            floor=fresh[1],
            extra={**extra, "tpr_at_1_percent_fpr": attack.tpr_at_1_percent, "attack": attack.attack},
        ),
        from_interval(
            "nndr_mean",
            ratio,
            better="higher",
            section=SECTION,
            summary="Distance to the nearest over the second nearest training record, mean; near 0 is a copy.",
            extra=extra,
        ),
    ]
    for each in out[:2]:
        if each.ci is not None and each.ci[0] > 0.5:
            job.warnings.append(f"{each.name} is {each.value:.3f}, its interval lies above .5: training data leaks")
    return [*out, *dense]
