"""Whether the generator did what it was asked: requested rate, and requested statements as a classifier sees them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gen.leads import LEADS_8
from gen.records import EcgRecord, InputError
from metrics.conditioning import request_error, statement_accuracy
from metrics.report.entries import Entry, entry, from_interval, skip
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import bootstrap_mean
from metrics.suite.aligned import AlignedSet, blocks
from metrics.suite.job import Job
from metrics.suite.sections.text import text_entries

SECTION = "Conditioning"
#: Where a record may say what it was asked for, and under which names.
_REQUESTS = ("request", "requested", "conditions", "condition")
_RATES = ("heart_rate", "heart_rate_bpm", "hr", "hr_bpm", "rate")


def requested_rate(record: EcgRecord) -> float | None:
    """Heart rate in bpm that a generated record was asked for, or None if it does not say."""
    places: list[Any] = [record.metadata.get(name) for name in _REQUESTS]
    for place in places:
        if isinstance(place, Mapping):
            for name in _RATES:
                if isinstance(place.get(name), (int, float)):
                    return float(place[name])
    for name in ("requested_heart_rate", "requested_hr_bpm", "heart_rate"):
        if isinstance(record.metadata.get(name), (int, float)):
            return float(record.metadata[name])
    return None


def conditioning_section(job: Job) -> list[Entry]:
    """Requested against measured heart rate, requested statements as a classifier sees them, and the text."""
    return [*_rate(job), *_statements(job), *text_entries(job)]


def _rate(job: Job) -> list[Entry]:
    names = ("hr_mae_bpm", "hr_slope", "hr_within_5_bpm", "hr_within_10_bpm")
    asked = np.array([np.nan if rate is None else rate for rate in map(requested_rate, job.generated.facts)])
    stated = np.isfinite(asked)
    if stated.sum() < 2:
        if job.pairs is not None:
            return []  # hr_mae_bpm is then against the paired real record
        reason = "no generated record says which heart rate was asked for (metadata: request.heart_rate)"
        return [skip(name, reason, SECTION) for name in names]
    found = job.parameters("generated")
    if isinstance(found, str):
        return [skip(name, found, SECTION) for name in names]
    got = found.values["hr_bpm"]
    if np.isfinite(got[stated]).sum() < 2:
        return [skip(name, "fewer than two heart rates could be measured", SECTION) for name in names]
    result = request_error(reference=asked[stated], generated=got[stated])
    patients = job.generated.patients
    error = np.abs(got - asked)
    # Asking another record's rate is what a generator that ignores the condition amounts to.
    turned = np.roll(asked[stated], 1)
    ignored = float(np.nanmean(np.abs(got[stated] - turned)))
    interval = bootstrap_mean(error, groups=patients, replicates=1000, seed=job.seed)
    extra = {"bias": result.bias, "coverage": result.coverage, "against": "request"}
    out = [
        from_interval(
            "hr_mae_bpm",
            interval,
            unit="bpm",
            better="lower",
            ideal=0.0,
            section=SECTION,
            baseline=ignored,
            baseline_name="shuffled requests",
            summary="Mean absolute error of the measured against the requested heart rate.",
            records=error,
            extra=extra,
        )
    ]
    for name, value, better in (
        ("hr_slope", result.slope, "higher"),
        ("hr_within_5_bpm", result.within_5, "higher"),
        ("hr_within_10_bpm", result.within_10, "higher"),
    ):
        summary = {
            "hr_slope": "Slope of measured on requested heart rate; 1 is best, 0 ignores the condition.",
            "hr_within_5_bpm": "Share of all requests met within 5 bpm; not measurable is a failure.",
            "hr_within_10_bpm": "Share of all requests met within 10 bpm; not measurable is a failure.",
        }[name]
        given = {"n": result.n, "better": better, "ideal": 1.0, "section": SECTION, "summary": summary}
        out.append(entry(name, value=value, **given))
    return out


def _statements(job: Job) -> list[Entry]:
    name = "statement_auroc"
    if not any(record.statements for record in job.generated.facts):
        return [skip(name, "no generated record carries statements", SECTION)]
    if not job.real.has_8:
        return [skip(name, "the classifier needs the 8 independent leads", SECTION)]
    try:
        from metrics.judges.classifier.model import shipped

        classifier = shipped()
    except (InputError, ImportError) as error:
        return [skip(name, f"no classifier: {error}", SECTION)]
    classes = classifier.classes["super"]
    labels = {which: label_matrix(each, classes) for which, each in _sides(job)}
    scores = {which: probabilities(each, classifier) for which, each in _sides(job)}
    try:
        mine = statement_accuracy(
            reference=labels["generated"], generated=scores["generated"], shuffles=100, seed=job.seed
        )
    except InputError as error:
        return [skip(name, str(error), SECTION)]
    try:
        real = statement_accuracy(reference=labels["real"], generated=scores["real"], shuffles=20, seed=job.seed).macro
    except InputError:
        real = None
    per_class = {label: float(value) for label, value in zip(classes, mine.auroc, strict=True) if np.isfinite(value)}
    return [
        entry(
            name,
            value=mine.macro,
            n=len(job.generated),
            better="higher",
            ideal=1.0,
            floor=real,
            baseline=mine.macro_shuffled,
            baseline_name="shuffled requests",
            section=SECTION,
            summary="Macro AUROC of a PTB-XL classifier for the superclasses of the stated codes; floor: real records.",
            extra={"p_value": mine.p_value, "per_class": per_class, "classifier": classifier.digest},
        )
    ]


def _sides(job: Job) -> tuple[tuple[str, AlignedSet], tuple[str, AlignedSet]]:
    return ("generated", job.generated), ("real", job.real)


def label_matrix(each: AlignedSet, classes: tuple[str, ...]) -> Array:
    """(n, class) of 0 and 1: superclasses of each record's statements."""
    from gen.datasets.scp import aggregate

    found = [aggregate(record.statements, "super") for record in each.facts]
    return np.array([[float(name in labels) for name in classes] for labels in found])


def probabilities(each: AlignedSet, classifier: Any, level: str = "super") -> Array:
    """(n, class) probabilities of a classifier, a block of records at a time."""
    return np.concatenate(
        [classifier.probabilities(each.block(part, LEADS_8), each.fs_hz)[level] for part in blocks(len(each))]
    )
