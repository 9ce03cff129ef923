"""``physiogen data convert``: recordings of any format as a record set of another one."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gen import registry
from gen.commands.output import counted, finish
from gen.commands.reading import Columns, Leads, Rate, Resume, Unit
from gen.commands.there import check_there, leads_of
from gen.errors import InputError
from gen.progress import Progress

if TYPE_CHECKING:
    from gen.io import RecordSetWriter
    from gen.records import EcgRecord

#: Entry points of what writes a record to be looked at, by its ending.
SHEETS = "gen.sheets"
#: Records between two notes of what is done.
_BLOCK = 64
#: Columns of a patient table beside the record's name.
PATIENT_COLUMNS = ("patient_id", "age", "sex", "height_cm", "weight_kg")


def convert(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="ECG files, globs, folders, record sets.")],
    out: Annotated[Path, typer.Option(help="Folder of the record set.")],
    format: Annotated[
        str, typer.Option(help="wfdb, edf, dicom, csv, npz, parquet, webdataset, aecg or fhir.")
    ] = "wfdb",
    attach: Annotated[
        str | None,
        typer.Option(
            help="Also write pdf (trace and measurements) or, with fhir, wfdb, edf, dicom, aecg, which it refers to; "
            "several with commas."
        ),
    ] = None,
    patients: Annotated[
        Path | None, typer.Option(help="CSV: record_id and any of patient_id, age, sex, height_cm, weight_kg.")
    ] = None,
    leads: Leads = None,
    fs: Rate = None,
    unit: Unit = None,
    columns: Columns = None,
    resume: Resume = "if-possible",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a record set in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write recordings in another format, as they are: rate, leads, missing samples and the synthetic mark stay.

    Example: physiogen data convert recordings/ --format fhir --attach wfdb,edf,dicom --out SET

    The README of the set says what its format cannot hold. A run that was killed goes on where it was when the same
    command is given again.
    """
    check_there(inputs, patients=patients)
    wanted = leads_of(leads)
    from gen import __version__
    from gen.files import check_output, commit_folder
    from gen.io import RecordSetWriter, expand_inputs
    from gen.io.blocks import Inputs
    from gen.io.formats import writable
    from gen.io.unfinished import digest_of, unfinished

    writable(format)
    companions = _companions(format, attach)
    writers = _writers(companions)
    known = None if patients is None else read_patients(patients)
    check_output(out, overwrite=overwrite)
    bad: list[str] = []
    files = expand_inputs(inputs)
    reading = {"fs_hz": fs, "unit": unit, "leads": wanted, "columns": columns}
    identity = {
        "command": "data convert",
        "software": __version__,
        "inputs": digest_of(files),
        "settings": {**reading, "format": format, "attach": companions},
        "patients": None if patients is None else digest_of([patients]),
    }

    def publish(folder: Path) -> None:
        commit_folder(folder, out, overwrite=overwrite)

    with unfinished(out, identity, publish=publish, resume=resume) as work, Progress("records", len(files)) as bar:
        records = Inputs(files, bad, **reading)  # type: ignore[arg-type]
        records.go_on(work.notes)
        with RecordSetWriter(out, format=format, place=work.folder, state=work.last.get("set")) as writer:
            for taken, record in enumerate(records, 1):
                named = record if known is None else with_patient(record, known)
                try:
                    _add(writer, named, writers)
                except InputError as error:
                    if isinstance(error.__cause__, OSError):
                        raise
                    bad.append(str(error))
                bar.update(writer.count)
                if taken % _BLOCK == 0 and (state := writer.settle(_BLOCK)) is not None:
                    work.note({**records.note(taken), "set": state})
            if not writer.count:
                raise InputError("; ".join(bad[:3]))
    lines = [f"{counted(writer.count, 'record')} in {out}, format {format}"]
    facts = {"out": str(out), "records": writer.count, "format": format, "attached": list(companions)}
    finish(lines, facts, bad, json=json)


def _companions(format: str, attach: str | None) -> tuple[str, ...]:
    from gen.io.fhir import ATTACHED
    from gen.io.formats import FORMATS

    names = tuple(dict.fromkeys(part.strip() for part in (attach or "").split(",") if part.strip()))
    sheets = registry.names(SHEETS)
    files = [name for name, one in FORMATS.items() if one.writer and one.suffixes[0] in ATTACHED]
    for name in names:
        if name not in (*files, *sheets):
            raise InputError(f"--attach {name}: accepted: {', '.join((*files, *sheets))}")
        if name in files and format != "fhir":
            raise InputError(f"--attach {name}: belongs to --format fhir; accepted otherwise: {', '.join(sheets)}")
    return names


def _writers(companions: tuple[str, ...]) -> "dict[str, Callable[[EcgRecord, Path], None]]":
    """What writes each file that goes with a record, by its ending."""
    from gen.io.formats import FORMATS

    return {
        FORMATS[name].suffixes[0] if name in FORMATS else f".{name}": (
            FORMATS[name].write if name in FORMATS else registry.get(SHEETS, name)
        )
        for name in companions
    }


def _add(
    writer: "RecordSetWriter", record: "EcgRecord", companions: "dict[str, Callable[[EcgRecord, Path], None]]"
) -> None:
    """One record with the files that belong to it; none of them, if one cannot hold it."""
    from gen.io.webdataset import safe_name

    writer.check(record)  # or the files of another record of this name would be lost
    stem = writer.folder / safe_name(record.record_id)
    try:
        for ending, write in companions.items():
            write(record, stem.with_name(stem.name + ending))
        writer.add(record)
    except InputError:
        for ending in companions:
            for suffix in (ending, ".dat") if ending == ".hea" else (ending,):
                stem.with_name(stem.name + suffix).unlink(missing_ok=True)
        raise


def read_patients(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a patient table by record.

    Raises:
        InputError: it cannot be read, has no column ``record_id``, an unknown column, or a record twice.
    """
    from gen.io.common import reading

    with reading(path, "CSV"):
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    columns = list(rows[0]) if rows else []
    unknown = [name for name in columns if name not in ("record_id", *PATIENT_COLUMNS)]
    if "record_id" not in columns or unknown or len(columns) < 2:
        fault = f"unknown column {unknown[0]}" if unknown else "no column record_id, or nothing beside it"
        raise InputError(f"{path}: {fault}; accepted: record_id, {', '.join(PATIENT_COLUMNS)}")
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, 2):
        if row["record_id"] in found or None in row.values():
            raise InputError(f"{path}: row {number} names a record again, or lacks cells")
        found[row["record_id"]] = row
    return found


def with_patient(record: "EcgRecord", known: Mapping[str, Mapping[str, str]]) -> "EcgRecord":
    """The record with what the table says of its patient; what it does not say stays.

    Raises:
        InputError: a number that is none.
    """
    from gen.io.common import parse_age, parse_sex
    from gen.records import Patient

    row = {name: value.strip() for name, value in known.get(record.record_id, {}).items() if value.strip()}
    was = record.patient
    try:
        patient = Patient(
            id=row.get("patient_id", was.id),
            age=parse_age(row["age"]) if "age" in row else was.age,
            sex=parse_sex(row["sex"]) if "sex" in row else was.sex,
            height_cm=float(row["height_cm"]) if "height_cm" in row else was.height_cm,
            weight_kg=float(row["weight_kg"]) if "weight_kg" in row else was.weight_kg,
        )
    except ValueError as error:
        raise InputError(f"{record.record_id}: patient table: {error}") from error
    return replace(record, patient=patient)
