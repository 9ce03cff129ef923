"""A person as the generator knows them: a recording made ready, the own condition, and the identity embedding."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from diffusion.beats.own import OwnBeats
from diffusion.conditions.condition import Condition
from diffusion.conditions.request import request_of
from diffusion.twin.change import Change, target_condition
from gen.completion import Policy, Reconstructor, complete
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError
from metrics.measurement.parameters import Parameters

SHORTEST_S, WINDOW_S = 4.0, 10.0
#: A lead with fewer missing samples has its holes filled; with more it is rebuilt from the others.
_POLICY = Policy(purpose="a reference", shortest_s=SHORTEST_S, most_missing=0.2, drop_bad=True, fill=True)


@dataclass(frozen=True, eq=False)
class Seen:
    """What one recording shows of a person: the condition it was recorded in, its beats, and what is measured on it."""

    condition: Condition
    beats: OwnBeats
    measured: Parameters


@dataclass(frozen=True, eq=False)
class Reference:
    """A person as the generator knows them.

    Attributes:
        record: twelve leads at the codec's rate, the first recording where there are several.
        condition: the person's own, as reported and measured.
        base: (1, width) unit vector.
        notes: what was done to the recording, one line each.
        latent: (1, channel, position) of the record's first ten seconds, where it is known.
        seen: beats of each recording, where twins are made of them.
    """

    record: EcgRecord
    condition: Condition
    base: torch.Tensor
    notes: tuple[str, ...] = ()
    latent: torch.Tensor | None = None
    seen: tuple[Seen, ...] = ()
    _targets: dict[Change, Condition] = field(default_factory=dict, init=False, repr=False)

    def under(self, change: Change) -> Condition:
        """The person's condition after a change, worked out once; see `diffusion.twin.change.target_condition`."""
        if change not in self._targets:
            self._targets[change] = target_condition(self.condition, change)
        return self._targets[change]

    def nearest(self, target: Condition) -> Seen:
        """The recording whose findings, then rate, are nearest to a condition."""

        def far(seen: Seen) -> tuple[int, float]:
            own = seen.condition
            differ = {c for x in (own, target) if x.text is not None for c in x.text.codes()}
            differ -= {c for c in differ if all(x.text is not None and c in x.text.codes() for x in (own, target))}
            rates = (own.heart_rate, target.heart_rate)
            apart = 0.0 if None in rates else abs(float(np.log(rates[0] / rates[1])))  # type: ignore[operator]
            return len(differ), apart

        return min(self.seen, key=far)


def usable(record: EcgRecord, fs_hz: float, rebuild: Reconstructor | None = None) -> tuple[EcgRecord, list[str]]:
    """A reference with twelve leads at a rate, and what had to be done to it; see `gen.completion.complete`.

    Raises:
        InputError: it is too short, in another unit, has exchanged leads, or has no lead to rebuild the others from.
    """
    found = complete(record, replace(_POLICY, fs_hz=fs_hz), rebuild)
    name = record.source_name
    if found.quality is not None and found.quality.arms_reversed:
        raise InputError(f"{name}: not usable as a reference: the electrodes of the arms look exchanged")
    notes = []
    if found.rebuilt:
        lost = ", ".join(lead for lead in LEADS_12 if lead not in found.kept)
        notes.append(f"{name}: leads {lost} are missing or unusable and were rebuilt from {', '.join(found.kept)}")
    return found.record, notes


def check_strength(strength: float) -> None:
    """Raise `InputError` for a strength of an edit that cannot be."""
    if not 0 <= strength <= 1:
        raise InputError(f"strength {strength:g}: expected 0 (the reference) to 1 (the whole change)")


def with_provenance(record: EcgRecord, person: Reference, target: Condition, strength: float) -> EcgRecord:
    """A twin's record, which says whose twin it is."""
    source = person.record
    name = record.record_id.replace("synthetic_", f"{source.record_id}_twin_")
    facts = {
        "generator": "physiogen twin",
        "reference": source.source_name,
        "reference_condition": request_of(person.condition),
        "strength": strength,
    }
    if person.notes:
        facts["reference_notes"] = list(person.notes)
    patient = replace(source.patient, age=target.age, sex=target.sex)
    return replace(record, record_id=name, patient=patient, metadata={**record.metadata, **facts})
