"""A person as the generator knows them: a recording made ready, the own condition, and the base vector."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from diffusion.conditions.condition import Condition
from diffusion.twin.change import Change, target_condition
from gen import registry
from gen.leads import LEADS_8, LEADS_12, LeadError
from gen.quality import bad_leads, quality_report
from gen.records import EcgRecord, InputError
from gen.signals import fill_gaps

SHORTEST_S, WINDOW_S = 4.0, 10.0
#: A lead with fewer missing samples has its holes filled; with more it is rebuilt from the others.
_HOLES = 0.2


@dataclass(frozen=True, eq=False)
class Reference:
    """A person as the generator knows them.

    Attributes:
        record: twelve leads at the codec's rate, the first recording where there are several.
        condition: the person's own, as reported and measured.
        base: (1, width) unit vector.
        notes: what was done to the recording, one line each.
        latent: (1, channel, position) of the record's first ten seconds, where it is known.
    """

    record: EcgRecord
    condition: Condition
    base: torch.Tensor
    notes: tuple[str, ...] = ()
    latent: torch.Tensor | None = None
    _targets: dict[Change, Condition] = field(default_factory=dict, init=False, repr=False)

    def under(self, change: Change) -> Condition:
        """The person's condition after a change, worked out once; see `diffusion.twin.change.target_condition`."""
        if change not in self._targets:
            self._targets[change] = target_condition(self.condition, change)
        return self._targets[change]


def usable(record: EcgRecord, fs_hz: float) -> tuple[EcgRecord, list[str]]:
    """A reference with twelve leads at a rate, and what had to be done to it.

    Raises:
        InputError: it is too short, in another unit, has exchanged leads, or has no lead to rebuild the others from.
    """
    name = name_of(record)
    if record.duration_s < SHORTEST_S:
        raise InputError(f"{name}: {record.duration_s:.2f} s long; a reference needs {SHORTEST_S:g} s")
    quality = quality_report(record)
    of_all = [line for line in quality.reasons if not line.startswith("lead ")]  # single leads can be rebuilt
    if of_all or all(lead.problem for lead in quality.leads.values()):
        raise InputError(f"{name}: not usable as a reference: {'; '.join(quality.reasons)}")
    notes = [f"{name}: the electrodes of the arms look exchanged"] if quality.arms_reversed else []
    wrong = bad_leads(record, max_nan_share=_HOLES)
    good = [lead for lead in record.leads if lead not in wrong]
    try:
        whole = record.select(good).select(LEADS_8)
    except LeadError:
        return _rebuilt(record, good, fs_hz, notes)
    filled = replace(whole, signal_mv=fill_gaps(whole.signal_mv))
    return filled.to_12().at(fs_hz), notes


def _rebuilt(record: EcgRecord, good: Sequence[str], fs_hz: float, notes: list[str]) -> tuple[EcgRecord, list[str]]:
    """Missing leads from those that are there, by the shipped reconstruction."""
    rebuild = registry.load("reconstruct")
    seen = record.select(good)
    whole = rebuild(seen, allow_bad_leads=True).record
    lost = [lead for lead in LEADS_12 if lead not in good]
    line = f"{name_of(record)}: leads {', '.join(lost)} are missing or unusable and were rebuilt from {', '.join(good)}"
    filled = replace(whole, signal_mv=fill_gaps(whole.signal_mv), report=record.report, statements=record.statements)
    return filled.at(fs_hz), [*notes, line]


def name_of(record: EcgRecord) -> str:
    """File of a recording, or its name."""
    return str(record.metadata.get("source_file", record.record_id))


def check_strength(strength: float) -> None:
    """Raise `InputError` for a strength of an edit that cannot be."""
    if not 0 <= strength <= 1:
        raise InputError(f"strength {strength:g}: expected 0 (the reference) to 1 (from noise)")
