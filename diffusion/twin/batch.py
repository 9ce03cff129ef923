"""One twin of each of many people, computed together: several times faster than one after another."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from diffusion.process.settings import Sampling
from diffusion.twin.change import Change
from diffusion.twin.reference import Reference, check_strength
from gen.records import EcgRecord, InputError

if TYPE_CHECKING:
    from diffusion.twin.pipeline import ECGTwinPipeline

BATCH = 32


def usable_people(
    pipeline: "ECGTwinPipeline", records: Sequence[EcgRecord], tell: Callable[[str], None] = lambda line: None
) -> list[Reference | None]:
    """What `ECGTwinPipeline.prepare` makes of each record; None, and a line to ``tell``, where it is no reference."""
    people: list[Reference | None] = []
    for record in records:
        try:
            people.append(pipeline.prepare(record))
        except InputError as error:
            people.append(None)
            tell(str(error))
    return people


def twins_of(
    pipeline: "ECGTwinPipeline",
    people: Sequence[Reference],
    changes: Sequence[Change],
    settings: Sampling,
    *,
    seed: int = 0,
    first: int = 0,
    strength: float = 1.0,
    batch_size: int = BATCH,
) -> list[EcgRecord]:
    """A twin of each person under the change of the same place.

    Person k is given sample number ``first + k`` of the seed: no two share their noise, and what is made does not
    depend on the batches.

    Args:
        pipeline: that prepared the people.
        people, changes: equally many.
        settings: of sampling.
        seed, first: name the samples.
        strength: see `ECGTwinPipeline.__call__`.
        batch_size: people at a time.

    Raises:
        InputError: not one change for each person, one that names nothing, or a strength out of range.
    """
    if len(people) != len(changes):
        raise InputError(f"{len(changes)} changes for {len(people)} people; accepted: one for each")
    check_strength(strength)
    made: list[EcgRecord] = []
    for begin in range(0, len(people), batch_size):
        group = people[begin : begin + batch_size]
        own = [change.checked() for change in changes[begin : begin + batch_size]]
        numbers = range(first + begin, first + begin + len(group))
        made += pipeline.group(group, own, numbers, seed, settings, strength)
    return made
