"""``physiogen cmr``: ECG files in, beating hearts out."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gen.commands.device import Device, moved
from gen.commands.engine import Workers
from gen.commands.output import counted, finish
from gen.commands.reading import Columns, Leads, Rate, Resume, Unit
from gen.commands.there import check_readable, check_there, leads_of
from gen.errors import InputError, LeadError
from gen.progress import Progress

if TYPE_CHECKING:
    from flow.beside import RealStudy
    from flow.heart import HeartResult
    from flow.pipeline import ECGToCMRPipeline
    from gen.io.unfinished import Resume as UnfinishedResume
    from gen.records import EcgRecord

_SHOWN = {
    "edv_ml": ("EDV", "ml"),
    "esv_ml": ("ESV", "ml"),
    "ef_percent": ("EF", "%"),
    "mass_g": ("LV mass", "g"),
}
_SECTIONS = ".sections"
#: Of one ECG: row of the table, section of the page, and why there is none.
_Made = tuple[dict[str, Any] | None, dict[str, Any] | None, list[str]]
_VOLUMES = ("edv_ml", "esv_ml", "sv_ml", "ef_percent", "mass_g", "es_frame")


def cmr(
    inputs: Annotated[list[Path], typer.Argument(metavar="ECG...", help="ECG files, globs or folders.")],
    out: Annotated[Path, typer.Option(help="Folder to write: cines, page, table.")],
    format: Annotated[
        str, typer.Option(help="nifti, gif, mp4, npz, dicom, seg (masks); several with commas.")
    ] = "nifti,gif",
    samples: Annotated[int, typer.Option(min=1, help="Hearts drawn per ECG.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.")] = 0,
    age: Annotated[float | None, typer.Option(help="Years; what the file says, or unknown, by default.")] = None,
    sex: Annotated[str | None, typer.Option(help="F or M; what the file says, or unknown, by default.")] = None,
    height: Annotated[float | None, typer.Option(help="Body height in cm.")] = None,
    weight: Annotated[float | None, typer.Option(help="Body weight in kg.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the solver.")] = None,
    solver: Annotated[str | None, typer.Option(help="euler or heun.")] = None,
    levels: Annotated[
        str, typer.Option(help="Slices: mid; three (basal, mid, apical); stack (10 mm steps, base to apex).")
    ] = "mid",
    guidance: Annotated[float, typer.Option(min=0.0, help="Above 1 leans on the ECG.")] = 1.0,
    checkpoint: Annotated[Path | None, typer.Option(help="A pipeline folder instead of the shipped one.")] = None,
    beside: Annotated[
        Path | None,
        typer.Option(
            metavar="STUDY",
            help="A real cine study, or FOLDER:NAME of several: the page shows it beside the heart, volumes of both.",
        ),
    ] = None,
    allow_bad_leads: Annotated[
        bool, typer.Option("--allow-bad-leads", help="Rebuild flat or saturated leads instead of refusing the file.")
    ] = False,
    leads: Leads = None,
    fs: Rate = None,
    unit: Unit = None,
    columns: Columns = None,
    workers: Workers = None,
    resume: Resume = "if-possible",
    device: Device = "cpu",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Generate a beating heart (cine cardiac MRI, a short-axis slice or a stack) from an ECG, in phase with it.

    Volumes come with 90 % intervals, calibrated on simulated hearts. Trained on simulated hearts; not a diagnostic
    device.

    Example: physiogen cmr ecg.hea --age 63 --sex M --samples 8 --format nifti,gif --out HEART
    """
    check_there(inputs)
    wanted = leads_of(leads)
    sex = _sex(sex)
    _check_range("--age", age, 0, 120, "years")
    _check_range("--height", height, 40, 250, "cm")
    _check_range("--weight", weight, 2, 400, "kg")
    from flow.levels import check_levels, draws_slices
    from flow.weights import pipeline_folder
    from gen.files import check_output
    from gen.io import expand_inputs
    from gen.io.cine import formats_of

    formats = list(formats_of(format, "--format"))
    check_output(out, overwrite=overwrite)
    files = expand_inputs(inputs)
    reading = {"fs_hz": fs, "unit": unit, "leads": wanted, "columns": columns}
    check_readable(files, hours=True, **reading)
    study = None if beside is None else _study(beside, files)
    checkpoint = pipeline_folder(checkpoint)  # says so at once where there are none
    check_levels(levels, further=draws_slices(checkpoint))
    # Heavy: after everything that can be asked for in vain.
    from flow.pipeline import load

    pipeline = moved(load(checkpoint), device)
    drawing = {"num_samples": samples, "seed": seed, "levels": levels, "steps": steps, "solver": solver}
    drawing |= {"guidance": guidance, "allow_bad_leads": allow_bad_leads}
    patient = {"age": age, "sex": sex, "height_cm": height, "weight_kg": weight}
    job = _Job(pipeline, files, reading, patient, drawing, formats, workers if device == "cpu" else 1, study)
    bad: list[str] = []
    rows = _hearts(job, out, bad, overwrite=overwrite, resume=resume)
    finish(_lines(out, rows), {"out": str(out), "hearts": rows}, bad, json=json)


@dataclass(frozen=True)
class _Job:
    """What is read, and what is drawn of it."""

    pipeline: "ECGToCMRPipeline"
    files: list[Path]
    reading: dict[str, Any]
    patient: dict[str, Any]
    drawing: dict[str, Any]
    formats: list[str]
    workers: int | None
    study: "RealStudy | None" = None

    def identity(self) -> dict[str, Any]:
        """JSON values that decide the hearts."""
        from gen import __version__
        from gen.io.unfinished import digest_of

        facts = {"command": "cmr", "software": __version__, "inputs": digest_of(self.files)}
        settings = {**self.reading, **self.patient, **self.drawing}
        beside = None if self.study is None else self.study.cine.record_id
        weights = {"weights": self.pipeline.digest}
        return {**facts, **weights, "settings": settings, "formats": self.formats, "beside": beside}


def _hearts(
    job: _Job, out: Path, bad: list[str], *, overwrite: bool, resume: "UnfinishedResume"
) -> list[dict[str, Any]]:
    """Write hearts, tables and the page; a run that was killed goes on behind the last heart that was finished."""
    from flow.page import MOST_HEARTS, heart_section
    from flow.pipeline import with_patient
    from gen.engines import in_order
    from gen.files import commit_folder, remove, write_json
    from gen.io.blocks import Inputs
    from gen.io.unfinished import unfinished

    publish = partial(commit_folder, path=out, overwrite=overwrite)
    with (
        unfinished(out, job.identity(), publish=publish, resume=resume) as work,
        Progress("hearts", len(job.files), percent=len(job.files) == 1) as bar,
    ):
        inputs = Inputs(job.files, bad, hours=True, **job.reading)
        inputs.go_on(work.notes)
        rows = [note["row"] for note in work.notes if note["row"] is not None]
        sections = work.folder / _SECTIONS  # of the page; memory must not grow with the hearts
        sections.mkdir(exist_ok=True)

        process = os.getpid()

        def asked() -> "Iterator[tuple[EcgRecord, bool]]":
            for record in inputs:
                yield with_patient(record, **job.patient), len(rows) < MOST_HEARTS

        def heart(item: "tuple[EcgRecord, bool]") -> _Made:
            """By a worker, which writes the cines itself; a run that is gone on with writes them again."""
            record, shown = item
            failed: list[str] = []
            before = len(rows) + len(bad)
            tell = (lambda share: bar.update(before + share)) if os.getpid() == process else None
            result = _generate(job.pipeline, record, failed, {**job.drawing, "progress": tell})
            if result is None:
                return None, None, failed
            _write_heart(work.folder, result, job.formats)
            if job.study is not None:
                _write_beside(work.folder, result, job.study)
            return _row(result, job.drawing["seed"]), heart_section(result, job.study) if shown else None, failed

        made = in_order(heart, asked(), workers=job.workers)
        for taken, ((record, _), (row, section, failed)) in enumerate(made, 1):
            bad += failed
            if row is not None:
                if len(rows) < MOST_HEARTS and section is not None:
                    write_json(sections / f"{len(rows):03d}.json", section)
                rows.append(row)
                bar.update(len(rows) + len(bad), record.record_id)
            work.note({**inputs.note(taken), "row": row})
        if rows:
            _write_tables(work.folder, sections, rows, job.drawing["levels"])
            remove(sections)
        else:
            work.drop()
    return rows


def _study(path: Path, files: list[Path]) -> "RealStudy":
    from flow.beside import read_study

    if len(files) != 1:
        raise InputError(f"--beside: {len(files)} ECGs; accepted: the one ECG of the person of the study")
    try:
        return read_study(path)
    except InputError as error:
        raise InputError(f"--beside {error}") from error


def _sex(text: str | None) -> str | None:
    if text is None:
        return None
    letter = {"f": "F", "female": "F", "w": "F", "m": "M", "male": "M"}.get(text.strip().lower())
    if letter is None:
        raise InputError(f"--sex {text}: accepted: F or M; leave it out where unknown")
    return letter


def _check_range(option: str, value: float | None, low: float, high: float, unit: str) -> None:
    if value is not None and not low <= value <= high:
        raise InputError(f"{option} {value:g}: accepted: {low:g} to {high:g} {unit}; leave it out where unknown")


def _generate(
    pipeline: "ECGToCMRPipeline",
    record: "EcgRecord",
    bad: list[str],
    drawing: dict[str, Any],
) -> "HeartResult | None":
    try:
        return pipeline(record, **drawing)
    except (InputError, LeadError) as error:
        file = record.source_name
        bad.append(str(error) if file in str(error) else f"{file}: {error}")
        return None


def _write_heart(folder: Path, result: "HeartResult", formats: list[str]) -> None:
    from dataclasses import replace

    from gen.io.cine import write_cine

    name = result.ecg.record_id
    for kind in formats:
        write_cine(replace(result.cine, record_id=name), folder / name, format=kind)
        if len(result.samples) > 1:
            (folder / "samples").mkdir(exist_ok=True)
            for cine in result.samples:
                write_cine(cine, folder / "samples" / cine.record_id, format=kind)


def _write_beside(folder: Path, result: "HeartResult", study: "RealStudy") -> None:
    from flow.beside import compared

    rows = compared(study, result.shown, result.volumes)
    if rows:
        with (folder / f"{result.ecg.record_id}_beside.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["study", *rows[0]], lineterminator="\n")
            writer.writeheader()
            writer.writerows({"study": study.cine.record_id, **row} for row in rows)


def _write_tables(folder: Path, sections: Path, rows: list[dict[str, Any]], levels: str) -> None:
    from flow.page import heart_page
    from gen.files import read_json

    samples = [sample for row in rows for sample in row["samples"]]
    for name, table in (("metadata.csv", rows), ("samples.csv", samples)):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            columns = [column for column in table[0] if column != "samples"]
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)
    title = "Hearts from ECGs" if len(rows) > 1 else f"A heart from the ECG {rows[0]['record']}"
    shown = (read_json(file) for file in sorted(sections.iterdir()))
    heart_page(shown, hearts=len(rows), levels=levels, title=title).write(folder / "index.html")


def _row(result: "HeartResult", seed: int) -> dict[str, Any]:
    from flow.heart import discs_of

    patient = result.ecg.patient
    row: dict[str, Any] = {
        "record": result.ecg.record_id,
        "sample_of_file": result.cine.metadata["sample"],
        "seed": seed,
        "model": result.cine.metadata["model"],
        "age": patient.age,
        "sex": patient.sex,
        "rr_s": round(result.beats.rr_s, 4),
    }
    drawn = [
        {
            "record": row["record"],
            "sample": k,
            **{name: _rounded(table[name]) for name in _VOLUMES},
            **{name: _rounded(value) for name, value in discs_of(cine).items()},
            "synthetic": True,
        }
        for k, (table, cine) in enumerate(zip(result.tables, result.samples, strict=True), 1)
    ]
    for name in _VOLUMES:
        interval = result.volumes[name]
        row[name] = drawn[row["sample_of_file"] - 1][name]
        row |= {f"{name}_median": _rounded(interval.value)}
        row |= {f"{name}_low": _rounded(interval.low), f"{name}_high": _rounded(interval.high)}
    if result.reading is not None:
        wall = result.reading.volumes["wall_mm"]
        ends = {"median": wall.value, "low": wall.low, "high": wall.high}
        row |= {f"wall_mm_{end}": _rounded(value) for end, value in ends.items()}
        row |= {f"chance_{group}": chance for group, chance in result.reading.groups.items()}
    row |= {name: _rounded(value) for name, value in discs_of(result.cine).items()}
    words = {"beats": result.beats.description, "warnings": "; ".join(result.warnings), "synthetic": True}
    return row | words | {"samples": drawn}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _lines(out: Path, rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for row in rows:
        figures = ", ".join(f"{label} {_short(row, name)} {unit}" for name, (label, unit) in _SHOWN.items())
        warnings = f"; {row['warnings']}" if row["warnings"] else ""
        lines.append(f"{row['record']}: {figures}\n  {row['beats']}{warnings}")
    if rows:
        lines.append("  of the heart that is shown, and the interval of such ECGs; medians are in metadata.csv")
    return [*lines, f"{counted(len(rows), 'heart')} in {out}; look at {out / 'index.html'}"] if rows else []


def _short(row: dict[str, Any], name: str) -> str:
    """Value and interval, such as ``"142 (118-171)"``."""
    if row[name + "_low"] is None:
        return f"{row[name]:.0f}"
    return f"{row[name]:.0f} ({row[name + '_low']:.0f}-{row[name + '_high']:.0f})"
