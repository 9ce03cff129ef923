"""Which channels of a file are read, as which leads, and on which clock.

Files hold more than leads: acceleration, respiration, beat intervals, markers. A channel is read when its name is a
lead's (or when the caller names it); every other channel is left out and listed, and need not be understood at all.
A channel's number is no lead name: whoever knows the electrodes has to say them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gen.files import printable
from gen.io.common import Given, MissingFact
from gen.leads import LEADS_12, LeadError, canonical_lead, canonical_leads, derivable, to_leads
from gen.records import InputError
from gen.signals import resample

#: Holes may make up this share of a recording; more means that its time stamps are no clock.
MOST_MISSING = 0.95
#: Ratio of rates: the slowest recorder beside the fastest (125 and 8,000 Hz) is a factor of 64.
MOST_APART = 100
#: Electrodes of the brain's record use the same letters as the IEC's chest leads C1-C6.
_BRAIN = re.compile(r"(?:eeg )?(?:fp|af|fc|ft|tp|cp|po|[fotpam])(?:z|\d{1,2})(?:\b.*)?", re.IGNORECASE)
_IEC_CHEST = re.compile(r"c[1-6]", re.IGNORECASE)
#: An ECG channel that does not say which: ``ECG``, ``EKG 2``, ``Channel 3``, ``1``, no name.
_UNNAMED = re.compile(
    r"(?:(?:ecg|ekg|exg)[ _.#-]+(?:channel|chan|ch|kanal)"
    r"|ecg|ekg|exg|e\.c\.g\.|electrocardiogram|elektrokardiogramm|voltage|value|channel|chan|ch|kanal|canal|lead|samples?)?"
    r"[ _.#-]*\d{0,2}",
    re.IGNORECASE,
)


#: Bipolar leads of Holter recorders and the standard lead that is most like each; they are not the same.
_BIPOLAR = {
    "CM1": "V1", "CS1": "V1", "MCL1": "V1", "CM2": "V2", "CS2": "V2", "CM3": "V3", "CM4": "V4", "CM5": "V5",
    "CS5": "V5", "CC5": "V5", "CM6": "V6", "MCL6": "V6", "CS6": "V6",
}  # fmt: skip
#: What a message puts where only who placed the electrodes knows the lead; pasted as it is, it is refused.
PLACEHOLDER = "LEAD"


def nearest_leads(names: Sequence[str]) -> list[str]:
    """For each channel what a message suggests: the standard lead that a bipolar one is most like, or a placeholder.

    A single channel is a watch's or a belt's as a rule, so that I is the example.
    """
    near = [_bipolar(name) for name in names]
    free = "I" if len(names) == 1 else PLACEHOLDER
    seen: set[str] = set()
    found = []
    for lead in near:
        lead = lead if lead is not None and lead not in seen else free
        seen.add(lead)
        found.append(lead)
    return found


def is_bipolar(names: Sequence[str]) -> bool:
    """Whether there is a bipolar lead of a Holter recorder among channels."""
    return any(_bipolar(name) for name in names)


def _bipolar(name: str) -> str | None:
    return _BIPOLAR.get(name.strip().upper().replace("-", ""))


def is_unnamed_ecg(name: str) -> bool:
    """Whether a channel says that it is an ECG but not which lead."""
    return bool(name.strip()) and bool(_UNNAMED.fullmatch(name.strip()))


@dataclass(frozen=True)
class Channels:
    """The channels chosen: ``rows`` of the file, their ``leads``, and the names of those left out."""

    rows: list[int]
    leads: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    wanted: tuple[str, ...] | None = None  #: what the caller asked for where it is not simply ``leads``
    faults: Mapping[str, str] = field(default_factory=dict)  #: leads that could not be read, with the reason

    def finish(self, signal_mv: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """The rows read, (lead, time), as the leads that were asked for, in their order."""
        if self.wanted is None or self.wanted == self.leads:
            return signal_mv, self.leads
        return to_leads(signal_mv, self.leads, self.wanted), self.wanted

    def note(self, metadata: dict[str, Any]) -> None:
        """List what was left out in a record's metadata."""
        if self.skipped:
            metadata["skipped_channels"] = list(self.skipped)
        if self.faults:
            metadata["unreadable_leads"] = dict(self.faults)


def assume(facts: dict[str, Any], text: str) -> None:
    """Note in the facts of a record what was assumed because the file does not say it."""
    metadata = facts.setdefault("metadata", {})
    metadata["assumed"] = [*metadata.get("assumed", []), text]


def lead_names(names: Sequence[str]) -> list[str | None]:
    """The lead that each channel of a file is by its name, or None.

    ``C1`` to ``C6`` (the IEC's chest leads) count only beside other leads and not in a record of the brain.
    """
    found: list[str | None] = []
    for name in names:
        try:
            found.append(canonical_lead(name))
        except LeadError:
            found.append(None)
    chest = [i for i, name in enumerate(names) if _IEC_CHEST.fullmatch(name.strip())]
    others = any(lead is not None for i, lead in enumerate(found) if i not in chest)
    if chest and (not others or any(_BRAIN.fullmatch(name.strip()) for name in names)):
        found = [None if i in chest else lead for i, lead in enumerate(found)]
    return found


def choose(
    path: Path,
    names: Sequence[str] | None,
    given: Given,
    count: int | None = None,
    *,
    faults: Mapping[int, str] | None = None,
) -> Channels:
    """Choose the channels to read.

    Args:
        path: for messages.
        names: of the file's channels in their order; None where it names none.
        given: ``leads`` are the leads wanted; where the file names no lead they name its ECG channels in order.
        count: number of channels, where ``names`` is None.
        faults: channels that cannot be read, with the reason; they matter only when they are asked for.

    Raises:
        InputError: no lead is named by file or caller, the caller contradicts the file, or a lead is there twice.
    """
    faults = faults or {}
    try:
        wanted = None if given.leads is None else canonical_leads(given.leads)
    except LeadError as error:
        raise InputError(f"{path}: {error}") from error
    if names is None or not any(name.strip() for name in names):
        return _by_position(path, [""] * (len(names) if names is not None else count or 0), wanted, faults)
    known = lead_names(names)
    if not any(known):
        return _by_position(path, names, wanted, faults)
    return _by_name(path, names, known, wanted, faults, given.prefer)


def _by_name(
    path: Path,
    names: Sequence[str],
    known: list[str | None],
    wanted: tuple[str, ...] | None,
    faults: Mapping[int, str],
    prefer: bool,
) -> Channels:
    there = [lead for lead in known if lead]
    readable = [lead for i, lead in enumerate(known) if lead and i not in faults]
    keep = set(there)
    result = None
    if wanted is not None:
        if set(wanted) <= set(derivable(there)):
            missing = [lead for lead in wanted if lead not in there]
            keep = set(wanted) | ({lead for lead in LEADS_12[:6] if lead in readable} if missing else set())
            result = None if prefer else wanted
        elif prefer:
            keep = set(wanted) & set(there) or set(there)
        else:
            raise InputError(
                f"{path}: the file's leads are {', '.join(there)}, but {', '.join(wanted)} were given; accepted: "
                "leads of the file"
            )
    rows = [i for i, lead in enumerate(known) if lead in keep]
    unread = {i: faults[i] for i in rows if i in faults}
    rows = [i for i in rows if i not in unread]
    if unread and (not rows or (wanted is not None and not prefer)):
        first = next(iter(unread))
        raise InputError(f"{path}: channel {printable(names[first])}: {unread[first]}")
    leads = tuple(str(known[i]) for i in rows)
    for position, lead in enumerate(leads):
        if lead in leads[:position]:
            twice = " and ".join(repr(printable(names[rows[k]])) for k in (leads.index(lead), position))
            raise InputError(f"{path}: lead {lead} is given twice (as {twice})")
    skipped = tuple(printable(name) for i, name in enumerate(names) if i not in rows and (not known[i] or i in unread))
    reasons = {str(known[i]): reason for i, reason in unread.items()}
    return Channels(rows, leads, skipped, result, reasons)


def _by_position(
    path: Path, names: Sequence[str], wanted: tuple[str, ...] | None, faults: Mapping[int, str]
) -> Channels:
    """No channel bears a lead's name: the caller's leads name the ECG channels in order."""
    every = range(len(names))
    ecg = [i for i in every if _UNNAMED.fullmatch(names[i].strip())]
    if wanted is None:
        shown = ", ".join(repr(printable(names[i])) for i in (ecg or every) if names[i].strip())
        asked = ecg or list(every)
        example = ",".join(nearest_leads([names[i] for i in asked]))
        near = "; bipolar, and only like the standard leads named here" if is_bipolar(names) else ""
        of = f" (its channels are {shown}{near})" if shown else ""
        raise MissingFact(
            path, f"lead names{of}", f"--leads {example}", f"leads={example!r}",
            {"leads": LEADS_12[: len(asked)]},
        )  # fmt: skip
    for rows in (ecg, [i for i in every if i not in faults], list(every)):
        if len(rows) == len(wanted):
            bad = next((i for i in rows if i in faults), None)
            if bad is not None:
                raise InputError(f"{path}: channel {printable(names[bad])}: {faults[bad]}")
            return Channels(rows, wanted, tuple(printable(names[i]) for i in every if i not in rows))
    raise InputError(
        f"{path}: {len(wanted)} leads were given ({', '.join(wanted)}), but the file has {len(ecg) or len(names)} "
        "channels without a lead's name; accepted: one name for each"
    )


def on_one_clock(
    path: Path, signals: Sequence[np.ndarray], rates: Sequence[float], leads: Sequence[str]
) -> tuple[np.ndarray, float, dict[str, float]]:
    """Leads of several rates at the highest one; those that are faster than the rest keep every sample.

    Args:
        path: for messages.
        signals: one (time,) array per lead, all from the same start.
        rates: of each, in Hz.
        leads: their names.

    Returns:
        (lead, time), the rate in Hz, and the stored rate of every lead that was resampled.

    Raises:
        InputError: rates of which one is no ECG's.
    """
    check_rates(path, dict(zip(leads, rates, strict=True)))
    fs_hz = max(rates)
    slower = {lead: rate for lead, rate in zip(leads, rates, strict=True) if rate != fs_hz}
    if not slower:
        return _stacked(signals, max(len(signal) for signal in signals)), fs_hz, {}
    length = max(len(signal) for signal, rate in zip(signals, rates, strict=True) if rate == fs_hz)
    return _stacked([resample(s, rate, fs_hz) for s, rate in zip(signals, rates, strict=True)], length), fs_hz, slower


def check_rates(path: Path, rates: Mapping[str, float]) -> None:
    """Refuse rates that lie so far apart that bringing one to the other would make up nearly all of it.

    Raises:
        InputError: the slowest lead has less than a `MOST_APART`-th of the fastest one's rate.
    """
    slow, fast = min(rates, key=lambda lead: rates[lead]), max(rates, key=lambda lead: rates[lead])
    if not rates[slow] * MOST_APART >= rates[fast]:
        raise InputError(
            f"{path}: lead {slow} at {rates[slow]:g} Hz beside lead {fast} at {rates[fast]:g} Hz; accepted: rates "
            f"within a factor of {MOST_APART}, or --leads without one of them"
        )


def _stacked(signals: Sequence[np.ndarray], length: int) -> np.ndarray:
    if all(len(signal) == length for signal in signals):
        return np.stack(signals)
    out = np.full((len(signals), length), np.nan)
    for row, signal in zip(out, signals, strict=True):
        row[: len(signal)] = signal[:length]
    return out


def note_resampled(facts: dict[str, Any], slower: Mapping[str, float], fs_hz: float) -> None:
    """Say in the facts which leads were brought to a common rate."""
    if slower:
        facts.setdefault("metadata", {})["resampled_leads"] = dict(slower)
        text = ", ".join(f"{lead} ({rate:g} Hz)" for lead, rate in slower.items())
        assume(facts, f"leads stored at a lower rate were resampled to {fs_hz:g} Hz: {text}")


def placed(path: Path, pieces: Iterable[tuple[int, np.ndarray]], leads: int) -> np.ndarray:
    """(lead, time) with each piece (lead, samples) at its first sample, and NaN where nothing was recorded.

    Raises:
        InputError: pieces overlap, or nearly everything would be missing.
    """
    kept = sorted(((start, piece) for start, piece in pieces if piece.shape[1]), key=lambda item: item[0])
    first = kept[0][0] if kept else 0
    total = max((start + piece.shape[1] for start, piece in kept), default=0) - first
    recorded = sum(piece.shape[1] for _, piece in kept)
    check_holes(path, total, recorded)
    out = np.full((leads, total), np.nan)
    at = 0
    for start, piece in kept:
        if start - first < at:
            raise InputError(f"{path}: parts of the recording overlap in time; accepted: parts that follow each other")
        at = start - first + piece.shape[1]
        out[:, start - first : at] = piece
    return out


def check_holes(path: Path, total: int, recorded: int) -> None:
    """Refuse a recording whose time stamps leave nearly nothing of it.

    Raises:
        InputError: more than `MOST_MISSING` of the samples would be missing.
    """
    if total > max(recorded, 1) / (1 - MOST_MISSING):
        raise InputError(
            f"{path}: its time stamps span {total} samples, of which {recorded} were recorded; accepted: at most "
            f"{100 * MOST_MISSING:g} % missing"
        )
