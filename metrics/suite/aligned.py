"""Brings record sets to the same leads, rate and length where that is exact, and refuses them where it is not.

The signals lie in one float32 array a set, memory-mapped to a temporary file once it is large, so that memory does
not grow with the number of records.
"""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_8, LEADS_12, canonical_leads, derivable, to_leads
from gen.records import EcgRecord, InputError
from metrics.suite.sets import EcgSet

#: A set with a larger share of records that hold NaN is refused.
LARGEST_NAN_SHARE = 0.05
#: Signals beyond this many bytes go to a temporary file.
IN_MEMORY_BYTES = 512 * 2**20
_BLOCK = 64

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Target:
    """What every record is brought to."""

    leads: tuple[str, ...]
    fs_hz: float
    num_samples: int
    seconds: float | None = None  #: records are cut to this length on request

    @property
    def text(self) -> str:
        """For the report."""
        return f"{len(self.leads)} leads, {self.fs_hz:g} Hz, {self.num_samples / self.fs_hz:g} s"


@dataclass(frozen=True, eq=False)
class AlignedSet:
    """One set after alignment.

    Attributes:
        name, kind: of the set.
        signal_mv: (n, lead, time) float32 mV, finite; perhaps memory-mapped.
        target: its leads and rate.
        facts: the records without their signals (patient, report, statements, metadata).
        patients: of each record.
        stored_leads: leads the first file held itself; the others were computed.
        excluded: records left out because of NaN.
        changes: what alignment did, in words.
    """

    name: str
    kind: str
    signal_mv: npt.NDArray[np.float32]
    target: Target
    facts: tuple[EcgRecord, ...]
    patients: tuple[str, ...]
    stored_leads: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    _keep: tuple[object, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.facts)

    @property
    def ids(self) -> tuple[str, ...]:
        """Record ids."""
        return tuple(record.record_id for record in self.facts)

    @property
    def leads(self) -> tuple[str, ...]:
        """Leads of the signals."""
        return self.target.leads

    @property
    def fs_hz(self) -> float:
        """Sampling rate of the signals."""
        return self.target.fs_hz

    @cached_property
    def fingerprints(self) -> tuple[str, ...]:
        """SHA-256 of each record's independent leads at 1 uV: equal ones are the same recording."""
        rows = [self.leads.index(lead) for lead in (LEADS_8 if self.has_8 else self.leads)]
        whole = (np.rint(np.asarray(x[rows], dtype=np.float64) * 1e3).astype("<i4") for x in self.signal_mv)
        return tuple(hashlib.sha256(microvolt.tobytes()).hexdigest() for microvolt in whole)

    def block(self, rows: slice | npt.NDArray[np.int64], leads: Sequence[str] | None = None) -> npt.NDArray[np.float32]:
        """Signals of some records, (rows, lead, time), of the leads asked for (None: all)."""
        signal = np.asarray(self.signal_mv[rows])
        return signal if leads is None else to_leads(signal, self.leads, leads)

    def record(self, position: int) -> EcgRecord:
        """One record with its aligned signal, for drawing."""
        return replace(
            self.facts[position], signal_mv=np.array(self.signal_mv[position]), fs_hz=self.fs_hz, leads=self.leads
        )

    @property
    def has_8(self) -> bool:
        """Whether the eight independent leads are there."""
        return all(lead in self.leads for lead in LEADS_8)


def choose_target(
    sets: Sequence[EcgSet], *, leads: Sequence[str] | None = None, seconds: float | None = None
) -> tuple[Target, list[str]]:
    """Leads, rate and length that the first records of the sets have in common, and what had to be done for it.

    Rates differ: the lowest is taken, because resampling downwards invents nothing.

    Raises:
        InputError: the sets hold different leads (also after computing those that follow exactly) or lengths.
    """
    first = [next(iter(each)) for each in sets]
    held = [derivable(record.leads) for record in first]
    notes: list[str] = []
    wanted = held[0] if leads is None else canonical_leads(leads)
    for each, record, there in zip(sets, first, held, strict=True):
        lacking = [lead for lead in wanted if lead not in there]
        if lacking or (leads is None and set(there) != set(wanted)):
            raise InputError(
                f"{each.name}: leads {','.join(each.file_leads or record.leads)}, but {sets[0].name} has "
                f"{','.join(sets[0].file_leads or first[0].leads)}; "
                "accepted: the same leads in any order, leads that follow exactly, or --leads naming common ones"
            )
        own = each.file_leads or record.leads
        derived = [lead for lead in wanted if lead not in own]
        if derived:
            notes.append(f"{each.name}: leads {', '.join(derived)} computed from {', '.join(own)}")
        elif tuple(lead for lead in own if lead in wanted) != tuple(wanted):
            notes.append(f"{each.name}: leads put into standard order")
    fs_hz = min(record.fs_hz for record in first)
    for each, record in zip(sets, first, strict=True):
        if record.fs_hz != fs_hz:
            notes.append(f"{each.name}: resampled from {record.fs_hz:g} to {fs_hz:g} Hz, the lowest rate of the sets")
    shortest = first[0].duration_s if seconds is None else seconds
    if seconds is not None:
        notes.append(f"records cut to their first {seconds:g} s, as asked for")
    if len(wanted) > 1:
        wanted = tuple(lead for lead in LEADS_12 if lead in wanted)
    return Target(tuple(wanted), fs_hz, round(shortest * fs_hz), seconds), notes


def align_set(
    each: EcgSet, target: Target, *, scratch: Path | None = None, advance: Advance | None = None
) -> AlignedSet:
    """Read a set and bring every record to the target.

    Args:
        each: the set.
        target: from `choose_target`.
        scratch: folder for a temporary file where the signals are large; None: the system's.
        advance: called with the number of records read since the last call.

    Raises:
        InputError: a record lacks a lead or has another length, too many records hold NaN, or fewer than two are left.
    """
    store, keep = _store((len(each), len(target.leads), target.num_samples), scratch)
    facts: list[EcgRecord] = []
    patients: list[str] = []
    excluded: list[str] = []
    changes: set[str] = set()
    for record, patient in zip(each, each.patients, strict=True):
        signal = _to_target(record, target, each.name, changes)
        if advance is not None:
            advance(1)
        if not np.isfinite(signal).all():
            excluded.append(record.record_id)
            continue
        store[len(facts)] = signal
        facts.append(replace(record, signal_mv=np.zeros((len(record.leads), 0), dtype=np.float32)))
        patients.append(patient)
    if len(excluded) > LARGEST_NAN_SHARE * len(each):
        raise InputError(
            f"{each.name}: {len(excluded)} of {len(each)} records hold NaN, the first is {excluded[0]}; "
            f"accepted: at most {LARGEST_NAN_SHARE:.0%}"
        )
    if len(set(patients)) < 2:
        raise InputError(f"{each.name}: {len(facts)} records of {len(set(patients))} patients; accepted: at least two")
    return AlignedSet(
        name=each.name,
        kind=each.kind,
        signal_mv=store[: len(facts)],
        target=target,
        facts=tuple(facts),
        patients=tuple(patients),
        stored_leads=each.file_leads or target.leads,
        excluded=tuple(excluded),
        changes=tuple(sorted(changes)),
        _keep=(keep,),
    )


def blocks(count: int, size: int = _BLOCK) -> list[slice]:
    """Slices that cut ``count`` rows into blocks."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _to_target(record: EcgRecord, target: Target, name: str, changes: set[str]) -> npt.NDArray[np.float32]:
    lacking = [lead for lead in target.leads if lead not in derivable(record.leads)]
    if lacking:
        raise InputError(
            f"{name}: record {record.record_id} has leads {','.join(record.leads)}; accepted: {','.join(target.leads)}"
        )
    if record.fs_hz != target.fs_hz:
        changes.add(f"{record.fs_hz:g} Hz resampled to {target.fs_hz:g} Hz")
    signal = record.select(target.leads).at(target.fs_hz).signal_mv
    if target.seconds is not None and signal.shape[1] > target.num_samples:
        changes.add(f"{record.duration_s:g} s cut to {target.num_samples / target.fs_hz:g} s")
        signal = signal[:, : target.num_samples]
    if signal.shape[1] != target.num_samples:
        raise InputError(
            f"{name}: record {record.record_id} is {record.duration_s:g} s long; accepted: "
            f"{target.num_samples / target.fs_hz:g} s as the others, or --seconds to cut all to one length"
        )
    return signal


def _store(shape: tuple[int, int, int], scratch: Path | None) -> tuple[npt.NDArray[np.float32], object]:
    if 4 * int(np.prod(shape)) <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype=np.float32), None
    # The file has no name once it is open, so nothing is left behind however the run ends.
    file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - lives as long as the array
    return np.memmap(file, dtype=np.float32, mode="w+", shape=shape), file
