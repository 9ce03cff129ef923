"""Accuracy on LUDB beside neurokit2: ``python -m metrics.evaluation.delineation --data .data/ludb``.

The shipped weights have learned from records 1 to 50; the figures are those of records 51 and above.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_12, parse_leads
from gen.records import EcgRecord
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


def format_consensus(errors: dict[str, dict[str, float]]) -> str:
    """A Markdown table."""
    lines = [
        "### consensus of the leads: median over a record's beats against the marks",
        "",
        "| parameter | n | measured | mean error | SD | mean abs | median abs |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in errors.items():
        lines.append(
            f"| {name} | {row['n']} | {row['measured']} | {row['mean']:+.1f} | {row['sd']:.1f} "
            f"| {row['mean_abs']:.1f} | {row['median_abs']:.1f} |"
        )
    return "\n".join(lines)


def format_score(title: str, result: Score) -> str:
    """A Markdown table."""
    lines = [
        f"### {title}",
        "",
        "| wave | mark | n | sensitivity | precision | F1 | mean ms | SD ms | mean abs ms | median abs ms | CSE ms |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result.rows():
        cse = f"{row['cse_ms']:.1f}" if row["cse_ms"] == row["cse_ms"] else ""
        lines.append(
            f"| {row['wave']} | {row['mark']} | {row['n']} | {row['sensitivity']:.4f} | {row['precision']:.4f} "
            f"| {row['f1']:.4f} | {row['mean']:+.1f} | {row['sd']:.1f} | {row['mean_abs']:.1f} "
            f"| {row['median_abs']:.1f} | {cse} |"
        )
    share = f"{100 * result.invented_p_share:.1f} %" if result.fibrillating_beats else "no such record"
    lines += ["", f"P waves invented per beat of atrial fibrillation or flutter: {share}"]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".data/ludb"), help="folder of LUDB")
    parser.add_argument("--first", type=int, default=51, help="first record (LUDB's number)")
    parser.add_argument("--last", type=int, default=200, help="last record")
    parser.add_argument("--leads", default="all", help="all, or names such as II,V2")
    parser.add_argument("--checkpoint", help="weights instead of the shipped ones")
    parser.add_argument("--systems", default="network,single,neurokit2", help="which to score")
    parser.add_argument("--no-consensus", action="store_true", help="leave out the intervals of the consensus")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    leads = LEADS_12 if chosen.leads == "all" else parse_leads(chosen.leads)
    systems: dict[str, Callable[[], System]] = {
        "network": lambda: network_system(chosen.checkpoint),
        "single": lambda: single_lead_system(chosen.checkpoint),
        "neurokit2": lambda: neurokit_system,
    }
    records = list(read_ludb(chosen.data, chosen.first, chosen.last))
    results: dict[str, Any] = {}
    if not chosen.no_consensus:
        found = consensus_errors(records, chosen.checkpoint)
        results["consensus"] = found
        if not chosen.json:
            print(format_consensus(found), end="\n\n")
    for name in chosen.systems.split(","):
        start = time.perf_counter()
        result = score(systems[name](), records, leads)
        print(f"{name}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
        title = f"{name}, LUDB {records[0].number}-{records[-1].number}, {len(records)} records, {len(leads)} lead(s)"
        results[name] = {"rows": result.rows(), "invented_p_share": result.invented_p_share, "title": title}
        if not chosen.json:
            print(format_score(title, result), end="\n\n")
    if chosen.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
