"""``physiogen measure``: ECG parameters per record as a table, and fiducials per beat and lead."""

import csv
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gen.commands.output import counted, finish
from gen.commands.reading import Columns, Leads, Rate, Unit
from gen.leads import parse_leads
from gen.records import EcgRecord, InputError

if TYPE_CHECKING:
    from metrics.measurement.delineation import Delineation
    from metrics.measurement.parameters import Parameters
    from metrics.report.ecg_pdf import MeasuredPages

#: Columns of PARAMS.csv with their decimals; the rest are text.
PARAMS: dict[str, int] = {
    "hr_bpm": 1, "pr_ms": 0, "qrs_ms": 0, "qt_ms": 0, "qtcb_ms": 0, "qtcf_ms": 0, "axis_deg": 0, "sokolow_mv": 3,
    "cornell_mv": 3, "rr_cv": 4, "p_present": 3, "quality": 3,
}  # fmt: skip
#: Columns after those: variability of RR intervals, and the rhythm as an SCP-ECG code.
MORE: dict[str, int] = {"rr_ms": 0, "sdnn_ms": 1, "rmssd_ms": 1, "pnn50": 4, "rr_lag1": 3}
PARAMS_COLUMNS = ("record", *PARAMS, "failure", *MORE, "rhythm")
BEATS_COLUMNS = ("record", "lead", "wave", "onset", "peak", "offset")
_BLOCK = 32

_Block = TypeVar("_Block")
_Result = TypeVar("_Result")


def measure(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="ECG files, globs, folders, record sets.")],
    out: Annotated[Path, typer.Option(help="CSV table to write, one row a record.")],
    beats: Annotated[
        Path | None, typer.Option(help="Also write onset, peak and offset of every wave of every lead, in samples.")
    ] = None,
    pdf: Annotated[
        Path | None, typer.Option(help="Also write a PDF: for every record a page with trace and measurements.")
    ] = None,
    leads: Leads = None,
    fs: Rate = None,
    unit: Unit = None,
    columns: Columns = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace tables that are there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, with rhythm and beats.")] = False,
) -> None:
    """Measure ECGs: rate, PR, QRS, QT, axis, voltages; empty cells where a record does not allow it, with the reason.

    Example: physiogen measure recordings/ --out PARAMS.csv --beats BEATS.csv

    Lead 'global' in BEATS.csv is the consensus of all leads, which the parameters are taken from. Not for diagnosis.
    """
    from gen.files import atomic_files
    from gen.io import expand_inputs
    from gen.io.blocks import in_hours, read_files
    from metrics.report.ecg_pdf import MeasuredPages

    _check_files(out, beats, pdf)
    wanted = None if leads is None else parse_leads(leads)
    files = expand_inputs(inputs)
    bad: list[str] = []
    described: list[dict[str, Any]] | None = [] if json else None
    start = time.perf_counter()
    with ExitStack() as stack:
        tables = [stack.enter_context(atomic_files(path, overwrite=overwrite)) for path in (out, beats) if path]
        handles = [stack.enter_context(path.open("w", newline="", encoding="utf-8")) for path in tables]
        writers = [csv.writer(handle, lineterminator="\n") for handle in handles]
        for writer, heads in zip(writers, (PARAMS_COLUMNS, BEATS_COLUMNS), strict=False):
            writer.writerow(heads)
        pages = None
        if pdf is not None:
            pages = stack.enter_context(MeasuredPages(stack.enter_context(atomic_files(pdf, overwrite=overwrite))))
        records = in_hours(read_files(files, bad, fs_hz=fs, unit=unit, leads=wanted, columns=columns))
        counts = _measure(records, writers, len(files), described, pages)
        if not counts["records"]:
            raise InputError("; ".join(bad[:3]) + (f"; and {len(bad) - 3} more" if len(bad) > 3 else ""))
    seconds = time.perf_counter() - start
    rate = counts["records"] / max(seconds, 1e-9)
    many, missing = counted(counts["records"], "record"), counts["not_measurable"]
    lines = [f"{many} measured in {out}, {missing} without a result ({rate:.0f} records/s)"]
    lines += [f"waves of every lead in {beats}"] if beats else []
    lines += [f"{counted(counts['records'], 'page')} in {pdf}"] if pdf else []
    named = {"out": out, "beats": beats, "pdf": pdf}
    facts: dict[str, Any] = {key: str(path) if path else None for key, path in named.items()} | {"counts": counts}
    facts |= {"records_per_s": round(rate, 1)} | ({} if described is None else {"measured": described})
    finish(lines, facts, bad, json=json)


def _check_files(out: Path, beats: Path | None, pdf: Path | None) -> None:
    if beats is not None and beats.resolve() == out.resolve():
        raise InputError(f"{out}: --out and --beats are the same file")
    if pdf is not None and pdf.suffix.lower() != ".pdf":
        raise InputError(f"--pdf {pdf}: accepted: a name that ends in .pdf")


def _measure(
    records: Iterator[EcgRecord],
    writers: list[Any],
    total: int,
    described: list[dict[str, Any]] | None,
    pages: "MeasuredPages | None" = None,
) -> dict[str, int]:
    from gen.io.blocks import in_blocks
    from metrics.measurement.records import measure_and_delineate

    counts = {"records": 0, "not_measurable": 0, "beats": 0}
    work = partial(measure_and_delineate, per_lead=len(writers) > 1)
    for block, measured in _in_parallel(work, in_blocks(records, _BLOCK)):
        for record, (parameters, waves) in zip(block, measured, strict=True):
            writers[0].writerow(_parameter_row(record, parameters))
            if len(writers) > 1 and waves is not None:
                writers[1].writerows(_beat_rows(record, waves))
            if pages is not None:
                pages.add(record, parameters)
            if described is not None:
                described.append(_described(record, parameters))
            counts["records"] += 1
            counts["not_measurable"] += parameters.failure is not None
            counts["beats"] += parameters.beats
        if total > _BLOCK and counts["records"] % 320 == 0:
            typer.echo(f"{counts['records']} of {max(total, counts['records'])} records", err=True)
    return counts


def _in_parallel(work: Callable[[_Block], _Result], blocks: Iterable[_Block]) -> Iterator[tuple[_Block, _Result]]:
    """Blocks with their results, in order; a few blocks are worked on at once, while the next ones are read."""
    import torch

    from metrics.measurement.delineation.delineator import shipped

    shipped()  # loaded once, before the threads ask for it
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one thread per block: most of the work is not torch's
    waiting: deque[tuple[_Block, Future[_Result]]] = deque()
    try:
        with ThreadPoolExecutor(workers) as pool:
            for block in blocks:
                waiting.append((block, pool.submit(work, block)))
                if len(waiting) > workers:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
    finally:
        torch.set_num_threads(threads)


def _parameter_row(record: EcgRecord, parameters: "Parameters") -> list[str]:
    cells, more = (
        [_cell(float(getattr(parameters, name)), decimals) for name, decimals in columns.items()]
        for columns in (PARAMS, MORE)
    )
    return [record.record_id, *cells, parameters.failure or "", *more, parameters.rhythm.code or ""]


def _described(record: EcgRecord, p: "Parameters") -> dict[str, Any]:
    """What --json says of a record: its parameters, its rhythm in words, and the kind of every beat."""
    numbers = {
        name: round(value, decimals) if isfinite(value := float(getattr(p, name))) else None
        for name, decimals in {**PARAMS, **MORE}.items()
    }
    rhythm = {"code": p.rhythm.code, "statement": p.rhythm.words, "atrial_bpm": p.rhythm.atrial_bpm}
    beats = [{"qrs_onset": round(onset * record.fs_hz), "kind": kind} for onset, kind in p.beat_kinds]
    return {"record": record.record_id, **numbers, "failure": p.failure, "rhythm": rhythm, "beats": beats}


def _cell(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if isfinite(value) else ""


def _beat_rows(record: EcgRecord, waves: "Delineation") -> Iterator[list[str]]:
    start = round(float(record.metadata.get("start_s", 0.0)) * record.fs_hz) if "part_of" in record.metadata else 0
    name = str(record.metadata.get("part_of", record.record_id))  # samples count from the start of the recording
    for lead in ("global", *waves.per_lead):
        for wave in waves.waves(lead):
            marks = (wave.onset, wave.peak, wave.offset)
            samples = [str(start + min(round(mark * record.fs_hz), record.num_samples - 1)) for mark in marks]
            yield [name, lead, wave.kind, *samples]
