"""Whether generated ECGs belong to the persons they were made for (twins)."""

import numpy as np

from gen.records import InputError
from metrics.identity import identity_scores, silhouette
from metrics.report.entries import Entry, entry, skip
from metrics.statistics.arrays import Array
from metrics.suite.job import Job

SECTION = "Identity"
_NAMES = ("identity_rank_1", "identity_rank_5", "identity_eer", "identity_silhouette")


def identity_section(job: Job) -> list[Entry]:
    """Rank-1 and rank-5 retrieval, equal error rate and silhouette against strangers of the real set."""
    if not job.extractors:
        return [skip(name, "no features: the sets lack some of the 8 independent leads", SECTION) for name in _NAMES]
    shared = set(job.real.patients) & set(job.generated.patients)
    if len(shared) < 2:
        reason = f"{len(shared)} persons are in both sets (by patient id); accepted: at least two"
        return [skip(name, reason, SECTION) for name in _NAMES]
    extractor = job.extractors[-1] if len(job.extractors) > 1 else job.extractors[0]
    real, fake = _standard(job.features(extractor, "real"), job.features(extractor, "generated"))
    try:
        found = identity_scores(
            reference=real,
            generated=fake,
            reference_persons=job.real.patients,
            generated_persons=job.generated.patients,
        )
    except InputError as error:
        return [skip(name, str(error), SECTION) for name in _NAMES]
    extra = {"extractor": extractor.name, "persons": len(shared), "same": found.same, "other": found.other}
    given = {"n": found.queries, "section": SECTION, "extra": extra}
    own = _between_visits(job, real)
    out = [
        entry(
            "identity_rank_1",
            value=found.rank_1,
            better="higher",
            ideal=1.0,
            floor=own,
            baseline=found.rank_1_chance,
            baseline_name="chance",
            summary="Share of generated ECGs whose own person is nearest in the real set; floor: real visits.",
            **given,
        ),
        entry(
            "identity_rank_5",
            value=found.rank_5,
            better="higher",
            ideal=1.0,
            baseline=min(1.0, 5 * found.rank_1_chance),
            baseline_name="chance",
            summary="Share of generated ECGs whose own person is among the five nearest.",
            **given,
        ),
        entry(
            "identity_eer",
            value=found.eer,
            better="lower",
            ideal=0.0,
            baseline=0.5,
            baseline_name="chance",
            summary="Equal error rate of accepting a claimed person.",
            **given,
        ),
    ]
    return [*out, _silhouette(job, fake, extractor.name)]


def _between_visits(job: Job, real: Array) -> float | None:
    """Rank-1 of one real ECG of a person against the others of the set: what a perfect twin can reach."""
    first: dict[str, int] = {}
    queries = []
    for row, person in enumerate(job.real.patients):
        if person in first:
            queries.append(row)
        else:
            first[person] = row
    if len(queries) < 5:
        return None
    gallery = np.setdiff1d(np.arange(len(real)), queries)
    people = np.array(job.real.patients)
    return identity_scores(
        reference=real[gallery],
        generated=real[queries],
        reference_persons=people[gallery],
        generated_persons=people[queries],
    ).rank_1


def _silhouette(job: Job, fake: Array, extractor: str) -> Entry:
    name = "identity_silhouette"
    try:
        value = silhouette(values=fake, persons=job.generated.patients)
    except InputError as error:
        return skip(name, str(error), SECTION)
    return entry(
        name,
        value=value,
        n=len(fake),
        better="higher",
        ideal=1.0,
        section=SECTION,
        summary="Mean silhouette of the generated ECGs grouped by person.",
        extra={"extractor": extractor},
    )


def _standard(real: Array, fake: Array) -> tuple[Array, Array]:
    centre, spread = real.mean(axis=0), real.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    return (real - centre) / spread, (fake - centre) / spread
