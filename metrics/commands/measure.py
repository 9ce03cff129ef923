"""``physiogen measure``: ECG parameters per record as a table, and fiducials per beat and lead."""

import csv
import json as json_library
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from gen.commands.engine import Workers
from gen.commands.output import counted, finish, records_per_s
from gen.commands.reading import Columns, Leads, Rate, Resume, Unit
from gen.commands.there import check_readable, check_there, leads_of
from gen.errors import InputError

if TYPE_CHECKING:
    from gen.io.unfinished import Resume as UnfinishedResume
    from gen.records import EcgRecord
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
#: Records measured together, and seconds of them at most.
_BLOCK, _BLOCK_S = 32, 1800.0


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
    workers: Workers = None,
    resume: Resume = "if-possible",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace tables that are there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, with rhythm and beats.")] = False,
) -> None:
    """Measure ECGs: rate, PR, QRS, QT, axis, voltages; empty cells where a record does not allow it, with the reason.

    Example: physiogen measure recordings/ --out PARAMS.csv --beats BEATS.csv

    Lead 'global' in BEATS.csv is the consensus of all leads, which the parameters are taken from. Not for diagnosis.
    """
    check_there(inputs)
    wanted = leads_of(leads)
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: expected at least 1")
    from gen.files import check_file
    from gen.io import expand_inputs

    _check_files(out, beats, pdf)
    for path in (out, beats, pdf):
        if path is not None:
            check_file(path, overwrite=overwrite)
    if pdf is not None and resume == "always":
        raise InputError("--resume always: a PDF is drawn in one go; accepted with --pdf: never or if-possible")
    reading = {"fs_hz": fs, "unit": unit, "leads": wanted, "columns": columns}
    files = expand_inputs(inputs)
    check_readable(files, **reading)
    bad: list[str] = []
    job = _Job(files, reading, out, beats, pdf, described=json, overwrite=overwrite, workers=workers)
    start = time.perf_counter()
    counts, described = _measured(job, bad, "never" if pdf else resume)
    seconds = time.perf_counter() - start
    many, missing = counted(counts["records"], "record"), counts["not_measurable"]
    lines = [f"{many} measured in {out}, {missing} without a result ({records_per_s(counts['records'], seconds)})"]
    lines += [f"waves of every lead in {beats}"] if beats else []
    lines += [f"{counted(counts['records'], 'page')} in {pdf}"] if pdf else []
    named = {"out": out, "beats": beats, "pdf": pdf}
    facts: dict[str, Any] = {key: str(path) if path else None for key, path in named.items()} | {"counts": counts}
    facts["records_per_s"] = float(f"{counts['records'] / max(seconds, 1e-9):.3g}")
    facts |= {"measured": described} if json else {}
    finish(lines, facts, bad, json=json)


def _check_files(out: Path, beats: Path | None, pdf: Path | None) -> None:
    if beats is not None and beats.resolve() == out.resolve():
        raise InputError(f"{out}: --out and --beats are the same file")
    if pdf is not None and pdf.suffix.lower() != ".pdf":
        raise InputError(f"--pdf {pdf}: accepted: a name that ends in .pdf")


@dataclass(frozen=True)
class _Job:
    """What is read, and the files that are written."""

    files: Sequence[Path]
    reading: dict[str, Any]
    out: Path
    beats: Path | None
    pdf: Path | None
    described: bool
    overwrite: bool
    workers: int | None

    def identity(self) -> dict[str, Any]:
        """JSON values that decide the tables."""
        from gen import __version__
        from gen.io.unfinished import digest_of
        from metrics.measurement.delineation.delineator import shipped_digest

        facts = {"command": "measure", "software": __version__, "inputs": digest_of(self.files)}
        tables = {"beats": self.beats is not None, "described": self.described, "pdf": self.pdf is not None}
        return {**facts, "weights": shipped_digest(), "settings": self.reading, "tables": tables}

    def publish(self, folder: Path) -> None:
        """Put the finished files in their places, the table last."""
        from gen.files import commit_file

        for name, path in (("pages.pdf", self.pdf), ("beats.csv", self.beats), ("params.csv", self.out)):
            if path is not None:
                commit_file(folder / name, path, overwrite=self.overwrite)


def _measured(job: _Job, bad: list[str], resume: "UnfinishedResume") -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Write the tables; a run that was killed goes on behind the last block that it had written."""
    from gen.io.blocks import Inputs
    from gen.io.unfinished import unfinished
    from metrics.report.ecg_pdf import MeasuredPages

    names = ["params.csv", *(["beats.csv"] if job.beats else []), *(["described.jsonl"] if job.described else [])]
    with unfinished(job.out, job.identity(), publish=job.publish, resume=resume) as work, ExitStack() as stack:
        inputs = Inputs(job.files, bad, hours=True, **job.reading)
        inputs.go_on(work.notes)
        handles = {}
        for name in names:
            path = work.folder / name
            if work.notes:
                os.truncate(path, work.last["sizes"][name])
            handles[name] = stack.enter_context(path.open("a" if work.notes else "w", newline="", encoding="utf-8"))
        pages = stack.enter_context(MeasuredPages(work.folder / "pages.pdf")) if job.pdf else None
        tables = _Tables(handles, pages)
        if not work.notes:
            tables.heads()
        counts = work.last.get("counts", {"records": 0, "not_measurable": 0, "beats": 0})
        before = counts["records"]
        for _ in _measure(inputs, tables, counts, len(job.files), job.workers):
            note = {**inputs.note(counts["records"] - before), "sizes": tables.sizes(), "counts": counts}
            if pages is None:
                work.note(note)
        if not counts["records"]:
            raise InputError("; ".join(bad[:3]) + (f"; and {len(bad) - 3} more" if len(bad) > 3 else ""))
        described = []
        if job.described:
            handles["described.jsonl"].flush()
            with (work.folder / "described.jsonl").open(encoding="utf-8") as lines:
                described = [json_library.loads(line) for line in lines]
    return counts, described


class _Tables:
    """The files of one run."""

    def __init__(self, handles: Mapping[str, TextIO], pages: "MeasuredPages | None") -> None:
        self._handles, self._pages = handles, pages
        self._rows = {name: csv.writer(file, lineterminator="\n") for name, file in handles.items() if ".csv" in name}
        self.per_lead = "beats.csv" in handles

    def heads(self) -> None:
        """Write the names of the columns."""
        self._rows["params.csv"].writerow(PARAMS_COLUMNS)
        if self.per_lead:
            self._rows["beats.csv"].writerow(BEATS_COLUMNS)

    def add(self, record: "EcgRecord", parameters: "Parameters", beats: list[list[str]]) -> None:
        """Write what was measured of a record; ``beats``: rows of the table of beats."""
        self._rows["params.csv"].writerow(_parameter_row(record, parameters))
        if self.per_lead:
            self._rows["beats.csv"].writerows(beats)
        if self._pages is not None:
            self._pages.add(record, parameters)
        if "described.jsonl" in self._handles:
            self._handles["described.jsonl"].write(json_library.dumps(_described(record, parameters)) + "\n")

    def sizes(self) -> dict[str, int]:
        """Size of every file, with all that was added."""
        for file in self._handles.values():
            file.flush()
        return {name: os.fstat(file.fileno()).st_size for name, file in self._handles.items()}


def _measure(
    records: "Iterable[EcgRecord]", tables: _Tables, counts: dict[str, int], total: int, workers: int | None
) -> Iterator[None]:
    """Measure and write; after every block it is told."""
    from gen.engines import in_order
    from gen.io.blocks import in_record_blocks
    from metrics.measurement.delineation.delineator import shipped
    from metrics.measurement.records import measure_and_delineate

    shipped()  # loaded once, before workers share it

    def work(block: "list[EcgRecord]") -> "list[tuple[Parameters, list[list[str]]]]":
        found = measure_and_delineate(block, per_lead=tables.per_lead)
        return [
            (parameters, list(_beat_rows(record, waves)) if tables.per_lead and waves is not None else [])
            for record, (parameters, waves) in zip(block, found, strict=True)
        ]

    blocks = in_record_blocks(records, _BLOCK, most_s=_BLOCK_S)
    for block, measured in in_order(work, blocks, workers=workers):
        for record, (parameters, beat_rows) in zip(block, measured, strict=True):
            tables.add(record, parameters, beat_rows)
            counts["records"] += 1
            counts["not_measurable"] += parameters.failure is not None
            counts["beats"] += parameters.beats
        yield
        if total > _BLOCK and counts["records"] % 320 == 0:
            typer.echo(f"{counts['records']} of {max(total, counts['records'])} records", err=True)


def _parameter_row(record: "EcgRecord", parameters: "Parameters") -> list[str]:
    cells, more = (
        [_cell(float(getattr(parameters, name)), decimals) for name, decimals in columns.items()]
        for columns in (PARAMS, MORE)
    )
    return [record.record_id, *cells, parameters.failure or "", *more, parameters.rhythm.code or ""]


def _described(record: "EcgRecord", p: "Parameters") -> dict[str, Any]:
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


def _beat_rows(record: "EcgRecord", waves: "Delineation") -> Iterator[list[str]]:
    start = round(float(record.metadata.get("start_s", 0.0)) * record.fs_hz) if "part_of" in record.metadata else 0
    name = str(record.metadata.get("part_of", record.record_id))  # samples count from the start of the recording
    for lead in ("global", *waves.per_lead):
        for wave in waves.waves(lead):
            marks = (wave.onset, wave.peak, wave.offset)
            samples = [str(start + min(round(mark * record.fs_hz), record.num_samples - 1)) for mark in marks]
            yield [name, lead, wave.kind, *samples]
