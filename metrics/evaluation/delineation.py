"""Accuracy on LUDB beside neurokit2: ``physiogen evaluate delineation --data .data/ludb``.

The shipped weights have learned from records 1 to 50; the figures are those of records 51 and above.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gen.checkpoint import checkpoint_digest
from gen.evaluations import Progress
from gen.leads import LEADS_12, parse_leads
from gen.records import EcgRecord, InputError
from gen.results import Data, Node, Results, Value
from metrics.evaluation.settings import Delineation as Settings
from metrics.measurement.delineation.delineator import shipped_digest
from metrics.measurement.delineation.ludb import AnnotatedRecord, read_ludb
from metrics.measurement.delineation.preprocess import FS_HZ
from metrics.measurement.delineation.scoring import Score
from metrics.measurement.delineation.waves import Wave

#: Takes a record and lead names, gives waves per lead.
System = Callable[[EcgRecord, Sequence[str]], dict[str, list[Wave]]]


def network_system(folder: str | None = None) -> System:
    """The network on all twelve leads, from a checkpoint or the shipped one."""
    from metrics.measurement.delineation.delineator import delineate, ready, shipped

    model = ready(folder) if folder else shipped()

    def run(record: EcgRecord, leads: Sequence[str]) -> dict[str, list[Wave]]:
        found = delineate(record.signal_mv[None], record.fs_hz, record.leads, per_lead=True, model=model)[0]
        return {lead: found.waves(lead) for lead in leads}

    return run


def single_lead_system(folder: str | None = None) -> System:
    """The network on each lead alone, as for a wearable."""
    from metrics.measurement.delineation.delineator import delineate, ready, shipped

    model = ready(folder) if folder else shipped()

    def run(record: EcgRecord, leads: Sequence[str]) -> dict[str, list[Wave]]:
        rows = record.select(leads).signal_mv[:, None]
        found = delineate(rows, record.fs_hz, leads[:1], per_lead=True, model=model)
        return {lead: one.waves(leads[0]) for lead, one in zip(leads, found, strict=True)}

    return run


def neurokit_system(record: EcgRecord, leads: Sequence[str]) -> dict[str, list[Wave]]:
    """neurokit2 (dwt), each lead alone."""
    from metrics.measurement.delineation.baseline import neurokit_waves

    return {lead: neurokit_waves(record.lead(lead), record.fs_hz) for lead in leads}


def score(system: System, records: Sequence[AnnotatedRecord], leads: Sequence[str]) -> Score:
    """Score of a system against the cardiologists' marks on these leads."""
    total = Score()
    for item in records:
        found = system(item.record, leads)
        for lead in leads:
            if item.waves[lead]:
                total.add(item.waves[lead], found[lead], item.span(lead), atrial_fibrillation=item.atrial_fibrillation)
    return total


def consensus_errors(records: Sequence[AnnotatedRecord], folder: str | None = None) -> dict[str, dict[str, float]]:
    """PR, QRS, QT and rate of the consensus against those of the marks (majority of the leads)."""
    from metrics.measurement.beats import MIN_BEATS, associate, intervals
    from metrics.measurement.delineation.data import annotated
    from metrics.measurement.delineation.delineator import delineate, ready, shipped
    from metrics.measurement.delineation.segments import segment

    model = ready(folder) if folder else shipped()
    labels = annotated(records).label
    errors: dict[str, list[float]] = {}
    for item, label in zip(records, labels, strict=True):
        known = np.flatnonzero(label & 0x20) / FS_HZ
        marks = ((label[None, None] >> np.arange(3)[:, None]) & 1).astype(np.float64)
        truth = associate(*segment(marks)[0])
        triple = delineate(item.record.signal_mv[None], item.record.fs_hz, item.record.leads, model=model)[0].consensus
        beats = associate(*triple)
        inside = beats.take((beats.qrs_on > known[0] - 0.1) & (beats.qrs_on < known[-1]))
        if len(truth) < MIN_BEATS or len(inside) < MIN_BEATS:
            continue
        wanted, got = intervals(truth, truth), intervals(inside, inside)
        for name in ("hr_bpm", "pr_ms", "qrs_ms", "qt_ms"):
            if name in wanted:
                errors.setdefault(name, []).append(got.get(name, np.nan) - wanted[name])
    return {name: _summary(np.array(values)) for name, values in errors.items()}


def _summary(error: npt.NDArray[np.float64]) -> dict[str, float]:
    found = error[np.isfinite(error)]
    return {
        "n": len(error),
        "measured": len(found),
        "mean": float(found.mean()),
        "sd": float(found.std()),
        "mean_abs": float(np.abs(found).mean()),
        "median_abs": float(np.median(np.abs(found))),
    }


def consensus_values(errors: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, Value]]:
    """A row for each parameter: errors of the median over a record's beats."""
    units = {"hr_bpm": "bpm"}
    rows = {}
    for name, row in errors.items():
        n, unit = int(row["n"]), units.get(name, "ms")
        values = {
            "mean error": Value.of(row["mean"], n=n, unit=unit),
            "SD": Value.of(row["sd"], n=n, unit=unit, better="lower"),
            "mean absolute error": Value.of(row["mean_abs"], n=n, unit=unit, better="lower"),
            "median absolute error": Value.of(row["median_abs"], n=n, unit=unit, better="lower"),
        }
        rows[name] = {"measured": Value(int(row["measured"]), n=n), **values}
    return rows


def score_values(result: Score) -> dict[str, dict[str, Value]]:
    """A row for each wave and mark; the limit is that of the CSE working party (1985)."""
    rows = {}
    for row in result.rows():
        n = int(row["n"])
        values = {
            name: Value.of(row[name.lower()], n=n, better="higher") for name in ("sensitivity", "precision", "F1")
        }
        for name, key in (("mean error", "mean"), ("SD", "sd")):
            values[name] = Value.of(row[key], n=n, unit="ms", better="lower" if key == "sd" else None)
        for name, key in (("mean absolute error", "mean_abs"), ("median absolute error", "median_abs")):
            values[name] = Value.of(row[key], n=n, unit="ms", better="lower")
        values["CSE limit of SD"] = Value.of(row["cse_ms"], unit="ms", better="reference")
        rows[f"{row['wave']} {row['mark']}"] = values
    return rows


def run(settings: Settings, progress: Progress) -> Results:
    """The consensus of the leads, then each system."""
    leads = LEADS_12 if settings.leads == "all" else parse_leads(settings.leads)
    folder = None if settings.checkpoint is None else str(settings.checkpoint)
    systems: dict[str, Callable[[], System]] = {
        "network": lambda: network_system(folder),
        "single": lambda: single_lead_system(folder),
        "neurokit2": lambda: neurokit_system,
    }
    wanted = [name.strip() for name in settings.systems.split(",")]
    unknown = [name for name in wanted if name not in systems]
    if unknown:
        raise InputError(f"--systems {unknown[0]}: accepted: {', '.join(systems)}")
    records = list(read_ludb(settings.data, settings.first, settings.last))
    if not records:
        raise InputError(f"--first {settings.first} --last {settings.last}: no record of LUDB; accepted: 1 to 200")
    values: dict[str, Node] = {}
    if not settings.no_consensus:
        values["consensus of the leads"] = consensus_values(consensus_errors(records, folder))
    for name in wanted:
        start = time.perf_counter()
        result = score(systems[name](), records, leads)
        progress(f"{name}: {time.perf_counter() - start:.1f} s")
        values[name] = score_values(result)
        if result.fibrillating_beats:
            share = Value(result.invented_p_share, n=result.fibrillating_beats, better="lower")
            values[f"{name}, false P waves"] = {"P waves per beat of atrial fibrillation or flutter": share}
    digest = shipped_digest() if folder is None else checkpoint_digest(folder)
    return settings.results(
        values,
        data=[Data("LUDB", f"records {records[0].number}-{records[-1].number}")],
        n=len(records),
        notes=[f"{len(leads)} leads."],
        weights=digest,
    )
