"""Distances class by class: what is left where two sets hold other shares of the diagnoses."""

import numpy as np

from gen.datasets.scp import SUPERCLASSES
from metrics.definitions import ALL
from metrics.report.entries import Entry, entry
from metrics.statistics.arrays import Array
from metrics.suite.halves import half_scores, halvings
from metrics.suite.job import Job, draw
from metrics.suite.sections.conditioning import label_matrix

#: Records of a class on either side below which its distance would be mostly chance.
FEWEST = 20
_SIDES = ("real", "generated")


def class_entries(job: Job, section: str) -> list[Entry]:
    """KID of each superclass of which both sets have records, by the first extractor; ``kid of NORM`` and so on.

    A record of several classes counts in each. Floors are those of the class: its real records, halved by patient.
    """
    sides = (job.real, job.generated)
    labels = [label_matrix(each, SUPERCLASSES) > 0 for each in sides]
    extractor = job.extractors[0]
    out = []
    for k, name in enumerate(SUPERCLASSES):
        rows = [np.flatnonzero(side[:, k]) for side in labels]
        size = min(map(len, rows))
        people = [[each.patients[i] for i in part] for each, part in zip(sides, rows, strict=True)]
        if size < FEWEST or min(len(set(each)) for each in people) < 2:
            continue
        real, fake = (
            job.features(extractor, which)[part] for which, part in zip(("real", "generated"), rows, strict=True)
        )
        first, second = (each[draw(len(each), size, (job.seed, 71, k))] for each in (real, fake))
        found = halvings(people[0], people[1], count=job.preset.halvings, seed=job.seed)
        splits = [split for split in found if len(split.first) >= FEWEST // 2]
        halves = half_scores(real, fake, splits, _kid, name="kid").get("kid") if splits else None
        value = _kid(first, second, job.seed)["kid"]
        out.append(
            entry(
                f"kid of {name}",
                value=value,
                n=size,
                better="lower",
                ideal=0.0,
                **({} if halves is None else halves.facts(value)),
                baseline=_noise(job, real),
                baseline_name="noise",
                section=section,
                summary=f"KID of the records with a statement of {name} alone: what the mix of classes has no part in.",
                extra={"extractor": extractor.name, "records": [len(part) for part in rows]},
            )
        )
    return out


def _noise(job: Job, real: Array) -> float:
    noise = job.features(job.extractors[0], "noise")
    return _kid(real[: len(noise)], noise, job.seed)["kid"]


def _kid(real: Array, fake: Array, seed: int) -> dict[str, float]:
    return {"kid": ALL["kid"](reference=real, generated=fake)}
