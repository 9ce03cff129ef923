"""Heart rate, intervals, axis, amplitudes: their distributions, and their errors where the sets are paired."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import wasserstein_distance

from metrics.report.entries import Entry, entry, from_interval, skip
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import bootstrap_mean
from metrics.statistics.proportion import bootstrap_share
from metrics.suite.halves import half_scores
from metrics.suite.job import Job
from metrics.suite.measured import Measured

SECTION = "ECG parameters"
#: Parameter -> unit; the names of the columns of ``physiogen measure``.
UNITS = {
    "hr_bpm": "bpm",
    "pr_ms": "ms",
    "qrs_ms": "ms",
    "qt_ms": "ms",
    "qtcf_ms": "ms",
    "axis_deg": "°",
    "sokolow_mv": "mV",
    "cornell_mv": "mV",
    "rr_cv": "",
}
#: Fewer measured records than this on a side give no distribution worth comparing.
_FEWEST = 10
#: Below this probability a record would rather be refused by readers; see `gen.quality`.
_ACCEPTED = 0.5


def parameters_section(job: Job) -> list[Entry]:
    """Wasserstein distance of each parameter's distribution; absolute errors and bias where the sets are paired."""
    found = {"real": job.parameters("real"), "generated": job.parameters("generated")}
    reason = next((each for each in found.values() if isinstance(each, str)), None)
    if reason is not None:
        return [skip("parameters", reason, SECTION), skip("hr_mae_bpm", reason, SECTION)]
    real, fake = found["real"], found["generated"]
    assert not isinstance(real, str)
    assert not isinstance(fake, str)
    for each, found_in in ((job.real, real), (job.generated, fake)):
        poor = int((found_in.values["quality"] < _ACCEPTED).sum())
        if poor:
            job.warnings.append(
                f"{each.name}: {poor} of {len(each)} records are of a quality that readers would not accept"
            )
    out = [_coverage(job, real, fake)]
    out += [_distribution(job, name, real.values[name], fake.values[name]) for name in UNITS if name in fake.values]
    if job.pairs is not None:
        out += [each for name in UNITS if name in fake.values for each in _errors(job, name, real, fake)]
    job.drawn.parameters = {
        name: (real.values[name], fake.values[name], unit) for name, unit in UNITS.items() if name in fake.values
    }
    return out


def difference(name: str, first: Array, second: Array) -> Array:
    """Second minus first; angles by the short way round."""
    change = second - first
    return (change + 180) % 360 - 180 if name == "axis_deg" else change


def _coverage(job: Job, real: Measured, fake: Measured) -> Entry:
    shares = [np.isfinite(each.values["hr_bpm"]).astype(float) for each in (fake, real)]
    mine, theirs = (
        bootstrap_share(share, groups=each.patients, replicates=1000, seed=job.seed)
        for share, each in zip(shares, (job.generated, job.real), strict=True)
    )
    return from_interval(
        "measured_share",
        mine,
        better="higher",
        ideal=1.0,
        floor=theirs.value,
        floor_ci=(theirs.low, theirs.high),
        section=SECTION,
        summary="Share of records in which a heart rate could be measured; the rest enter no parameter.",
        records=shares[0],
        extra={"measured_with": fake.method},
    )


def _distribution(job: Job, name: str, real: Array, fake: Array) -> Entry:
    key = f"{name}_wasserstein"
    seen = [np.isfinite(each) for each in (real, fake)]
    if min(int(each.sum()) for each in seen) < _FEWEST:
        counts = f"{int(seen[0].sum())} real and {int(seen[1].sum())} generated records"
        return skip(key, f"measurable in {counts}; accepted: at least {_FEWEST} each", SECTION)

    def compute(first: Array, second: Array, seed: int) -> Mapping[str, float]:
        return {key: _wasserstein(first[:, 0], second[:, 0])}

    value = _wasserstein(real, fake)
    splits = [split for split in job.splits if min(map(len, (split.first, split.generated))) >= _FEWEST]
    halves = half_scores(real[:, None], fake[:, None], splits, compute, name=key).get(key)
    return entry(
        key,
        value=value,
        n=int(seen[1].sum()),
        unit=UNITS[name],
        better="lower",
        ideal=0.0,
        **({} if halves is None else halves.facts(value, 0.0)),
        section=SECTION,
        summary=f"Wasserstein distance of the distributions of {name}.",
        extra={
            "real_median": float(np.median(real[seen[0]])),
            "generated_median": float(np.median(fake[seen[1]])),
            "real_coverage": float(seen[0].mean()),
            "coverage": float(seen[1].mean()),
        },
    )


def _wasserstein(first: Array, second: Array) -> float:
    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    return float(wasserstein_distance(first, second)) if len(first) and len(second) else float("nan")


def _errors(job: Job, name: str, real: Measured, fake: Measured) -> list[Entry]:
    assert job.pairs is not None
    key = "hr_mae_bpm" if name == "hr_bpm" else f"{name}_mae"
    change = difference(name, real.values[name][job.pairs.real], fake.values[name][job.pairs.generated])
    there = np.isfinite(real.values[name][job.pairs.real])
    found = np.isfinite(change)
    if found.sum() < 2:
        return [skip(key, f"measurable in both records of {int(found.sum())} pairs; accepted: at least 2", SECTION)]
    patients = [job.real.patients[i] for i in job.pairs.real]
    interval = bootstrap_mean(np.abs(change), groups=patients, replicates=1000, seed=job.seed)
    records = np.full(len(job.generated), np.nan)
    records[job.pairs.generated] = np.abs(change)
    errors = change[found]
    extra = {
        "median_absolute_error": float(np.median(np.abs(errors))),
        "bias": float(errors.mean()),
        "limits_of_agreement": float(1.96 * errors.std(ddof=1)),
        "coverage": float(found.sum() / max(1, there.sum())),
        "against": "paired real record",
    }
    if name == "hr_bpm":
        # Records that cannot be measured count against the generator here.
        for limit in (5, 10):
            extra[f"within_{limit}_bpm"] = float((np.abs(errors) <= limit).sum() / max(1, there.sum()))
    return [
        from_interval(
            key,
            interval,
            unit=UNITS[name],
            better="lower",
            ideal=0.0,
            section=SECTION,
            summary=f"Mean absolute error of {name} against the paired real record.",
            records=records,
            extra=extra,
        )
    ]
