"""Distribution measures in feature space, each with its floor, its interval and what noise gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gen.records import InputError
from metrics.definitions import ALL, Role
from metrics.distribution.extractors import Extractor
from metrics.distribution.frechet import fd_infinity
from metrics.distribution.manifold import manifold_scores, zero_radii
from metrics.distribution.two_sample import two_sample_test
from metrics.report.entries import Entry, entry, skip
from metrics.statistics.arrays import Array
from metrics.suite.halves import Compute, HalfScores, half_scores
from metrics.suite.job import Job
from metrics.suite.sections.by_class import class_entries

SECTION = "Distribution of features"
_OUTLIER_SHARE = 0.25


@dataclass(frozen=True)
class Measure:
    """Measures of `metrics.definitions` that are computed together.

    Attributes:
        names: keys of what ``compute`` returns.
        compute: from features (n, d), (n, d) and a seed.
    """

    names: tuple[str, ...]
    compute: Compute

    @property
    def minimum(self) -> int:
        """Records a side below which they are skipped."""
        return max(ALL[name].reported_from for name in self.names)

    @property
    def slow(self) -> bool:
        """Whether fewer splits stand behind floor and interval."""
        return any(ALL[name].slow for name in self.names)


def _manifold(real: Array, fake: Array, seed: int) -> Mapping[str, float]:
    scores = manifold_scores(reference=real, generated=fake)
    return {name: getattr(scores, name) for name in ("precision", "recall", "density", "coverage")}


def _manifold_3(real: Array, fake: Array, seed: int) -> Mapping[str, float]:
    scores = manifold_scores(reference=real, generated=fake, k=3)
    return {"precision_k3": scores.precision, "recall_k3": scores.recall}


#: Distances cost most of the time; what can be read off the same ones is.
_TOGETHER = (
    Measure(("precision", "recall", "density", "coverage"), _manifold),
    Measure(("precision_k3", "recall_k3"), _manifold_3),
)


def measures_of(*roles: Role) -> list[Measure]:
    """The measures of `metrics.definitions` with one of these roles, in the order of its table."""
    names = [each.name for role in roles for each in ALL.values() if each.role == role]
    shared = {name: measure for measure in _TOGETHER for name in measure.names}
    return list(dict.fromkeys(shared.get(name) or _alone(name) for name in names))


def _alone(name: str) -> Measure:
    def compute(real: Array, fake: Array, seed: int) -> Mapping[str, float]:
        return {name: ALL[name](reference=real, generated=fake, seed=seed)}

    return Measure((name,), compute)


def features_section(job: Job) -> list[Entry]:
    """FID, FD-infinity, KID, precision, recall, density, coverage, two-sample AUROC; for every extractor."""
    measures = measures_of("distribution", *(("thorough",) if job.preset.thorough else ()))
    out: list[Entry] = []
    for number, extractor in enumerate(job.extractors):
        suffix = "" if number == 0 else f"@{extractor.name}"
        try:
            out += _scores(job, extractor, measures, suffix, SECTION)
            out.append(_infinity(job, extractor, suffix))
        except InputError as error:
            names = [name for measure in measures for name in measure.names]
            out += [skip(name + suffix, str(error), SECTION) for name in (*names, "fid_infinity")]
        job.progress.advance(1 / len(job.extractors))
    if job.extractors:
        out += class_entries(job, SECTION)
    else:
        reason = f"no features: the sets hold leads {','.join(job.real.leads)}, extractors need the 8 independent ones"
        names = [name for measure in measures for name in measure.names]
        out = [skip(name, reason, SECTION) for name in (*names, "fid_infinity")]
    return out


def diversity_section(job: Job) -> list[Entry]:
    """Spread and effective number of samples, beside the real set's."""
    if not job.extractors:
        return [
            skip(name, "no features", "Diversity") for measure in measures_of("diversity") for name in measure.names
        ]
    out = _scores(job, job.extractors[0], measures_of("diversity"), "", "Diversity")
    spread = next(each for each in out if each.name == "spread_ratio")
    if spread.value is not None and spread.value < 0.5:
        job.warnings.append(f"collapse: the generated set spreads {spread.value:.2f} times as far as the real one")
    return out


def _scores(job: Job, extractor: Extractor, measures: Sequence[Measure], suffix: str, section: str) -> list[Entry]:
    real, fake = (job.features(extractor, which) for which in ("real", "generated"))
    noise = job.features(extractor, "noise")
    rows = job.equal_rows
    _warn_of_outliers(job, real, extractor)
    _warn_of_duplicates(job, real, fake, extractor)
    out: list[Entry] = []
    for measure in measures:
        size = len(rows[0])
        if size < measure.minimum:
            reason = f"{size} records a side; accepted: at least {measure.minimum}"
            out += [skip(name + suffix, reason, section) for name in measure.names]
            continue
        values = measure.compute(real[rows[0]], fake[rows[1]], job.seed)
        halves = _halves(job, real, fake, measure)
        trivial = measure.compute(real[: len(noise)], noise, job.seed)
        for name in measure.names:
            made = _entry(name, suffix, values[name], halves.get(name), trivial[name], size, extractor)
            out.append(_with_own_interval(job, made, real[rows[0]], fake[rows[1]]) if "auroc" in name else made)
    return [_with_section(each, section) for each in out]


def _warn_of_outliers(job: Job, real: Array, extractor: Extractor) -> None:
    """FID and KID are moments: a few far records can decide them."""
    size = ((real - real.mean(axis=0)) ** 2).sum(axis=1)
    few = max(1, len(real) // 100)
    share = float(np.sort(size)[-few:].sum() / max(size.sum(), 1e-300))
    if share > _OUTLIER_SHARE:
        job.warnings.append(
            f"{extractor.name}: {few} of {len(real)} real records hold {share:.0%} of the feature variance; fid, kid "
            "and fid_infinity on these features measure those records, read precision to coverage instead"
        )


def _warn_of_duplicates(job: Job, real: Array, fake: Array, extractor: Extractor) -> None:
    """Nearest-neighbour measures see nothing around a point that is there more often than neighbours are looked at."""
    for name, values, hurt in (("real", real, "precision, density and coverage"), ("generated", fake, "recall")):
        for k in (5, 3):
            count = zero_radii(values, k)
            if count:
                job.warnings.append(
                    f"{extractor.name}: {count} of {len(values)} {name} records have {k} exact copies or more in their "
                    f"set: their neighbourhood (k = {k}) is a point, which lowers {hurt} down to 0"
                )
                break


def _halves(job: Job, real: Array, fake: Array, measure: Measure) -> dict[str, HalfScores]:
    count = job.preset.slow_halvings if measure.slow else job.preset.halvings
    splits = [split for split in job.splits[:count] if len(split.first) >= max(20, measure.minimum // 2)]
    return half_scores(real, fake, splits, measure.compute, name=",".join(measure.names)) if splits else {}


def _entry(
    name: str,
    suffix: str,
    value: float,
    halves: HalfScores | None,
    trivial: float,
    size: int,
    extractor: Extractor,
) -> Entry:
    return entry(
        name + suffix,
        value=value,
        n=size,
        **({} if halves is None else halves.facts(value, *ALL[name].bounds)),
        baseline=trivial,
        baseline_name="noise",
        extra={"extractor": extractor.name},
    )


def _with_own_interval(job: Job, made: Entry, real: Array, fake: Array) -> Entry:
    """The two-sample test bootstraps its own scores over patients; few halves would give a wider interval."""
    rows = job.equal_rows
    found = two_sample_test(
        reference=real,
        generated=fake,
        reference_groups=[job.real.patients[i] for i in rows[0]],
        generated_groups=[job.generated.patients[i] for i in rows[1]],
        seed=job.seed,
    )
    extra = {**made.extra, "linear": found.linear, "local": found.local}
    return replace(made, value=found.auroc.value, ci=(found.auroc.low, found.auroc.high), extra=extra)


def _with_section(each: Entry, section: str) -> Entry:
    return replace(each, section=section)


def _quick_infinity(real: Array, fake: Array, seed: int) -> Mapping[str, float]:
    return {"fid_infinity": fd_infinity(reference=real, generated=fake, seed=seed, repeats=1, points=6).value}


_INFINITY = Measure(("fid_infinity",), _quick_infinity)


def _infinity(job: Job, extractor: Extractor, suffix: str) -> Entry:
    """FD-infinity; its floor needs no equal n, because it is extrapolated itself."""
    rows = job.equal_rows
    size = len(rows[0])
    if size < _INFINITY.minimum:
        reason = f"{size} records a side; accepted: at least {_INFINITY.minimum}"
        return skip(f"fid_infinity{suffix}", reason, SECTION)
    real, fake = job.features(extractor, "real"), job.features(extractor, "generated")
    found = fd_infinity(
        reference=real[rows[0]], generated=fake[rows[1]], paired=job.paired_rows, seed=job.seed, repeats=2
    )

    halves = _halves(job, real, fake, _INFINITY).get("fid_infinity")
    noise = job.features(extractor, "noise")
    trivial = _quick_infinity(real[: len(noise)], noise, job.seed)["fid_infinity"]
    made = _entry("fid_infinity", suffix, found.value, halves, trivial, size, extractor)
    extra = {**made.extra, "trustworthy": found.trustworthy, "standard_error_of_fit": found.standard_error}
    if not found.trustworthy:
        job.warnings.append(
            f"fid_infinity{suffix}: the fit reaches down to {min(found.sizes)} records, below the {extractor.dim} "
            "features; the bias is not linear in 1/n there"
        )
    return replace(made, section=SECTION, extra=extra)
