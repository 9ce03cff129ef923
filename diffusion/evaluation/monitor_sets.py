"""Record sets for a personal monitor, made of simulated hearts.

A monitor that watches one person meets that person's ECG in conditions it has never seen on them. Here the people are
simulated hearts, so every condition of each of them is known. A folder gets five record sets:

    population   other hearts, one ECG each, as labelled training data of a general classifier
    references   each person's first visit: sinus rhythm, normal ECG
    visits       later visits, normal or with one event (`EVENTS`); what the monitor is tested on
    twins        what the pipeline makes of the reference: the person with each event, and normal at other rates
    own          the person truly recorded in the conditions of the twins: the ceiling, which nobody has in practice

``physiogen evaluate personal-monitor`` trains and scores monitors with them.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffusion.twin.batch import BATCH, twins_of, usable_people
from diffusion.twin.change import Change
from gen.io import RecordSetWriter
from gen.records import EcgRecord, InputError

if TYPE_CHECKING:
    from diffusion.process.settings import Sampling
    from diffusion.twin.pipeline import ECGTwinPipeline
    from diffusion.twin.reference import Reference

#: Cohorts of their own; see `diffusion.twin.recipes` and `diffusion.evaluation.twins` for the others.
POPULATION_COHORT, PERSONS_COHORT = 6_000_011, 7_000_003
#: Statement -> how it is asked for. A normal ECG has none of them.
EVENTS = {
    "AFIB": "atrial fibrillation",
    "PVC": "ventricular premature complexes",
    "STD_": "ST depression",
    "IMI": "inferior infarct",
}
#: Rates of all recordings, bpm.
RATES = (55.0, 110.0)


def requests(count: int, normal: int, rng: np.random.Generator) -> list[tuple[str | None, float]]:
    """(event or None, rate) of so many ECGs for each event and ``normal`` without."""
    codes = [None] * normal + [code for code in EVENTS for _ in range(count)]
    return [(code, float(rate)) for code, rate in zip(codes, rng.uniform(*RATES, len(codes)), strict=True)]


def examined(cohort: int, heart: int, visit: int, request: tuple[str | None, float]) -> EcgRecord:
    """A simulated heart in a condition; visits of one person are of one age."""
    from gen.simulate import draw_heart, simulate

    code, rate = request
    statements = ["AFIB"] if code == "AFIB" else ["SR", code or "NORM"]
    specification = {"statements": statements, "heart_rate": rate, "age": draw_heart(cohort, heart).age}
    return simulate([heart], seed=cohort, visit=visit, noise="light", conditions=specification).records()[0]


def population(hearts: int, seed: int) -> Iterator[EcgRecord]:
    """One ECG of each heart: three in seven normal, the events equally frequent."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, 1)))
    cycle = [None, None, None, *EVENTS]
    for heart in range(hearts):
        yield examined(POPULATION_COHORT, heart, 0, (cycle[heart % len(cycle)], float(rng.uniform(*RATES))))


def own_visits(hearts: Sequence[int], count: int, normal: int, seed: int, first: int) -> Iterator[EcgRecord]:
    """Visits ``first`` and on of each heart."""
    for heart in hearts:
        rng = np.random.default_rng(np.random.SeedSequence((seed, heart, first)))
        for k, request in enumerate(requests(count, normal, rng)):
            yield examined(PERSONS_COHORT, heart, first + k, request)


def twins(
    pipeline: "ECGTwinPipeline",
    people: "Sequence[Reference]",
    settings: "Sampling",
    count: int,
    normal: int,
    seed: int,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[EcgRecord]:
    """Synthetic ECGs of each person: so many for each event, and normal ones, all at rates drawn from `RATES`."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, 2)))
    asked = [(person, request) for person in people for request in requests(count, normal, rng)]
    for begin in range(0, len(asked), BATCH):
        group = asked[begin : begin + BATCH]
        changes = [Change(add=EVENTS[code] if code else None, heart_rate=rate) for _, (code, rate) in group]
        yield from twins_of(pipeline, [person for person, _ in group], changes, settings, seed=seed, first=begin)
        tell(f"{begin + len(group)} of {len(asked)} twins")


def write_sets(
    out: Path,
    pipeline: "ECGTwinPipeline",
    *,
    persons: int,
    hearts: int,
    count: int,
    normal: int,
    seed: int = 0,
    steps: int | None = None,
    overwrite: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, int]:
    """Write the five sets; returns the number of records of each.

    Args:
        out: folder.
        pipeline: that makes the twins.
        persons: simulated people; those whose first visit is no usable reference are left out.
        hearts: of the population.
        count, normal: twins of each person for each event, and without one; as many recordings in ``own``. ``visits``
            have half of each.
        seed: of rates and twins.
        steps: sampling steps; the weights' own by default.
        overwrite: replace sets that are there.
        tell: called with lines of progress.

    Raises:
        InputError: a number is below 1, or nobody's first visit can be used.
    """
    if min(persons, hearts, count, normal) < 1:
        raise InputError(f"persons {persons}, hearts {hearts}, count {count}, normal {normal}: accepted: at least 1")
    first = [examined(PERSONS_COHORT, heart, 0, (None, 70.0)) for heart in range(persons)]
    prepared = usable_people(pipeline, first, tell)
    kept = [heart for heart, person in enumerate(prepared) if person is not None]
    if not kept:
        raise InputError(f"{persons} persons: no first visit can be used as a reference; accepted: more persons")
    known = [person for person in prepared if person is not None]
    half, half_normal = max(1, count // 2), max(1, normal // 2)
    settings = pipeline.sampling(num_inference_steps=steps)
    later = 1 + half_normal + half * len(EVENTS)
    sets: dict[str, Callable[[], Iterator[EcgRecord]]] = {
        "population": lambda: population(hearts, seed),
        "references": lambda: iter([first[heart] for heart in kept]),
        "visits": lambda: own_visits(kept, half, half_normal, seed, 1),
        "own": lambda: own_visits(kept, count, normal, seed, later),
        "twins": lambda: twins(pipeline, known, settings, count, normal, seed, tell),
    }
    written: dict[str, int] = {}
    for name, make in sets.items():
        with RecordSetWriter(out / name, format="npz", overwrite=overwrite) as writer:
            for record in make():
                writer.add(record)
        written[name] = writer.count
    return written
