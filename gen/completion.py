"""One way in for a recording: checked, without leads that cannot be used, completed, and at the rate wanted.

Every model that takes a recording comes through here; what differs between them is a `Policy`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from gen import registry
from gen.leads import LEADS_8, LEADS_12, derivable
from gen.quality import QualityReport, bad_leads, quality_report
from gen.records import EcgRecord, InputError
from gen.signals import fill_gaps

#: Rebuilds the twelve leads of a record that has some of them.
Reconstructor = Callable[[EcgRecord], EcgRecord]
#: Range of a lead in mV that an ECG does not exceed.
_ECG_SIZE_MV = 20.0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a caller accepts, and wants.

    Attributes:
        purpose: what the recording is to be, for messages ("a reference").
        shortest_s: least length.
        most_missing: share of missing samples that a lead may have; with more it is unusable.
        drop_bad: take unusable leads as missing instead of refusing the recording.
        whole: check the recording as a whole too: names of leads, unit, length.
        fill: bridge holes that are left.
        fs_hz: rate wanted; the recording's own where None.
    """

    purpose: str = "a recording"
    shortest_s: float = 1.0
    most_missing: float = 0.5
    drop_bad: bool = False
    whole: bool = True
    fill: bool = False
    fs_hz: float | None = None


@dataclass(frozen=True, eq=False)
class Checked:
    """A recording with its usable leads.

    Attributes:
        record: the leads that may be taken as observed.
        dropped: lead -> why it is none of them.
        quality: of the recording; None where it was not judged as a whole.
    """

    record: EcgRecord
    dropped: dict[str, str]
    quality: QualityReport | None = None


@dataclass(frozen=True, eq=False)
class Completed(Checked):
    """A recording with all twelve leads.

    Attributes:
        kept: leads that were recorded and used.
        rebuilt: leads that a model had to rebuild; those that follow from others exactly are none of them.
    """

    kept: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()


def check(record: EcgRecord, policy: Policy) -> Checked:
    """Usable leads of a recording.

    Raises:
        InputError: it is too short, something is wrong with it as a whole, a lead is unusable (unless ``drop_bad``),
            or all are.
    """
    name = record.source_name
    if record.duration_s < policy.shortest_s:
        raise InputError(
            f"{name}: {record.duration_s:.2f} s long; {policy.purpose} needs at least {policy.shortest_s:g} s"
        )
    quality = quality_report(record, policy.most_missing) if policy.whole else None
    bad = bad_leads(record, max_nan_share=policy.most_missing) if quality is None else quality.lead_reasons
    reasons = "; ".join(quality.reasons if quality else (f"lead {lead} {reason}" for lead, reason in bad.items()))
    if quality is not None and quality.record_reasons:
        raise InputError(f"{name}: not usable as {policy.purpose}: {reasons}")
    if len(bad) == len(record.leads):
        raise InputError(f"{name}: no usable lead; {reasons}{_unit_hint(record, bad)}")
    if bad and not policy.drop_bad:
        raise InputError(f"{name}: {reasons} (--allow-bad-leads rebuilds such leads as if they were missing)")
    kept = tuple(lead for lead in record.leads if lead not in bad)
    return Checked(record.select(kept) if bad else record, dict(bad), quality)


def _unit_hint(record: EcgRecord, bad: Mapping[str, str]) -> str:
    """A question for the unit where every lead has an ECG's size a thousand times off; else nothing."""
    if not np.isfinite(record.signal_mv).any(axis=1).all():
        return ""
    size = float(np.median(np.nanmax(record.signal_mv, axis=1) - np.nanmin(record.signal_mv, axis=1)))
    for fault, scale, times in (("is flat (range", 1e3, "a thousand times as much"), ("is ", 1e-3, "a thousandth")):
        if all(reason.startswith(fault) for reason in bad.values()) and 0.3 <= scale * size <= _ECG_SIZE_MV:
            return f"; {times} would be an ECG's size: check the unit (--unit)"
    return ""


def complete(record: EcgRecord, policy: Policy, rebuild: Reconstructor | None = None) -> Completed:
    """All twelve leads of a recording: as recorded, derived where that is exact, rebuilt by a model where it is not.

    Args:
        record: any leads, rate and length.
        policy: what is accepted and wanted.
        rebuild: the model; the installed reconstruction, loaded once in a process, where not given.

    Raises:
        InputError: see `check`; or leads are missing and no reconstruction is installed.
    """
    finite = np.isfinite(record.signal_mv)
    if not finite.all():
        record = replace(record, signal_mv=np.where(finite, record.signal_mv, np.nan))
    checked = check(record, policy)
    seen = checked.record
    there = derivable(seen.leads)
    missing = tuple(lead for lead in LEADS_12 if lead not in there)
    if missing:
        whole = _rebuilt(seen, rebuild)
        whole = replace(whole, signal_mv=fill_gaps(whole.signal_mv)) if policy.fill else whole
    elif policy.fill:
        eight = seen.select(LEADS_8)
        whole = replace(eight, signal_mv=fill_gaps(eight.signal_mv)).to_12()
    else:
        whole = seen.to_12()
    if policy.fs_hz is not None:
        whole = whole.at(policy.fs_hz)
    return Completed(whole, checked.dropped, checked.quality, tuple(seen.leads), missing)


def _rebuilt(seen: EcgRecord, rebuild: Reconstructor | None) -> EcgRecord:
    if rebuild is None:
        if "reconstruct" not in registry.names("gen.pipelines"):
            raise InputError(f"{seen.source_name}: has {', '.join(seen.leads)} only; accepted: the twelve leads")
        rebuild = installed()
    whole = rebuild(seen)
    return replace(whole, record_id=seen.record_id, report=seen.report, statements=seen.statements)


@cache
def installed() -> Reconstructor:
    """The installed reconstruction, loaded at the first call: reading its weights takes half a second."""
    pipeline = registry.load("reconstruct")
    return lambda record: pipeline(record, allow_bad_leads=True).record
