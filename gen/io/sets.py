"""Reads single records and record sets, whatever their format."""

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.io import formats
from gen.io.common import Given, MissingFact, all_missing, parse_age, parse_sex, reading
from gen.io.inputs import files_in, resolve
from gen.io.table import _is_set_table, _rows
from gen.io.writer import COLUMNS, metadata_row
from gen.records import EcgRecord, InputError, Patient

if TYPE_CHECKING:
    import pandas as pd


def read(
    path: str | Path,
    *,
    fs_hz: float | None = None,
    unit: str | None = None,
    leads: Sequence[str] | str | None = None,
    columns: Sequence[str] | str | None = None,
) -> EcgRecord:
    """One ECG from any readable file: WFDB, EDF/EDF+, DICOM, CSV, NPZ, MATLAB, or a shard that holds one record.

    Args:
        path: the file; for WFDB the header, the signal file or the bare record name.
        fs_hz: sampling rate in Hz, for a file that does not say.
        unit: V, mV, uV or nV, for a file that does not say.
        leads: leads to read, in this order; for a file that names none, the names of its ECG channels in their order.
            Without it every lead of the file is read. Other channels are left out (``skipped_channels`` in the
            metadata).
        columns: what the columns of a CSV file are, in order and whatever its header says: a lead, ``time``
            (``time_ms``, ``time_us``) or ``-`` for one that is passed over; such as ``time,II,V1,-``.

    What the file does not say and was assumed stands in the metadata as ``assumed``, and is warned of.

    Raises:
        InputError: the file cannot be read, lacks something, or contradicts what was given.
    """
    file = resolve(path)
    record = _read_file(file, _given(fs_hz, unit, leads, columns))
    for text in record.metadata.get("assumed", []) if not record.synthetic else []:
        warnings.warn(f"{file}: {text}", stacklevel=2)
    return record


class NotCsv(InputError):
    """Columns were named of a file that has none."""

    WORDS = "--columns names the columns of CSV files"


def _given(
    fs_hz: float | None,
    unit: str | None,
    leads: Sequence[str] | str | None,
    columns: Sequence[str] | str | None = None,
) -> Given:
    return Given(fs_hz, unit, _names(leads), columns=_names(columns))


def _names(given: Sequence[str] | str | None) -> tuple[str, ...] | None:
    names = given.split(",") if isinstance(given, str) else given
    return None if names is None else tuple(name.strip() for name in names)


def _read_file(file: Path, given: Given) -> EcgRecord:
    if file.suffix.lower() in formats.SHARD_SUFFIXES:
        records = _iter_shard(file, given)
        record = next(records, None)
        if record is None:
            raise InputError(f"{file}: no record in it")
        if next(records, None) is not None:
            raise InputError(f"{file}: holds several records; read it as a set")
        return record
    if file.stat().st_size == 0:
        raise InputError(f"{file}: the file is empty")
    found = formats.detect(file)
    if given.columns is not None and found.name != "csv":
        raise NotCsv(f"{file}: {NotCsv.WORDS}; this one is {found.name}")
    try:
        return found.read(file, given)
    except MissingFact as missing:
        raise all_missing(lambda more: found.read(file, more), given, missing) from missing


def read_set(
    path: str | Path,
    *,
    fs_hz: float | None = None,
    unit: str | None = None,
    leads: Sequence[str] | str | None = None,
    prefer: bool = False,
    columns: Sequence[str] | str | None = None,
) -> Iterator[EcgRecord]:
    """Every record of a set, one at a time.

    A set is a folder with ``metadata.csv`` (see `gen.io.writer.COLUMNS`; only ``file`` is needed, and its non-empty
    cells win over the files), a folder of plain files (sorted, every readable file once), or a single file or shard.
    ``fs_hz``, ``unit``, ``leads`` and ``columns`` supply what files lack, as for `read`; with ``prefer`` a file that
    lacks some of the leads is read with those it has.

    Raises:
        InputError: nothing readable there, or a record cannot be read (when its turn comes).
    """
    path, given = Path(path), replace(_given(fs_hz, unit, leads, columns), prefer=prefer)
    if not path.is_dir():
        return _iter_file(resolve(path), given)
    table = path / "metadata.csv"
    if _is_set_table(table):
        return _iter_table(table, given)
    files = files_in(path)
    if not files:
        raise InputError(f"{path}: no ECG file in it; accepted: {formats.ACCEPTED}")
    return (record for file in files for record in _iter_file(file, given))


def count_set(path: str | Path) -> int:
    """Number of records that `read_set` will yield, without reading signals."""
    path = Path(path)
    if not path.is_dir():
        return _count_file(resolve(path))
    table = path / "metadata.csv"
    if _is_set_table(table):
        return sum(1 for _ in _rows(table))
    return sum(_count_file(file) for file in files_in(path))


def set_table(path: str | Path) -> "pd.DataFrame":
    """Metadata of a set, one row a record; ages and rates as numbers, ``statements`` and ``metadata`` as dicts.

    A set without ``metadata.csv`` is read through to make the table.
    """
    import pandas as pd

    path = Path(path)
    table = path / "metadata.csv"
    if path.is_dir() and _is_set_table(table):
        rows: list[dict[str, Any]] = [dict(row) for row in _rows(table)]
    else:
        files = files_in(path) if path.is_dir() else [resolve(path)]
        rows = [dict(metadata_row(record, str(file))) for file in files for record in _iter_file(file, Given())]
    frame = pd.DataFrame(rows, columns=list(dict.fromkeys([*COLUMNS, *(key for row in rows[:1] for key in row)])))
    for column in ("age", "fs_hz", "num_samples"):
        frame[column] = pd.to_numeric(frame[column], errors="coerce")
    for column in ("statements", "metadata"):
        frame[column] = [_json_cell(table, text) for text in frame[column]]
    frame["synthetic"] = [str(text).lower() == "true" for text in frame["synthetic"]]
    for column in ("patient_id", "sex", "report"):
        frame[column] = frame[column].replace({"": None})
    return frame


def _iter_file(file: Path, given: Given) -> Iterator[EcgRecord]:
    if file.suffix.lower() in formats.SHARD_SUFFIXES:
        yield from _iter_shard(file, given)
    elif file.suffix.lower() in (".npz", ".npy") and file.stat().st_size:
        from gen.io.npz import iter_npz

        try:
            yield from iter_npz(file, given)
        except MissingFact as missing:
            raise all_missing(lambda more: next(iter_npz(file, more)), given, missing) from missing
    elif file.suffix.lower() == ".json" and file.stat().st_size:
        from gen.io.devices import iter_device

        yield from iter_device(file, given)
    else:
        yield _read_file(file, given)


def _iter_shard(file: Path, given: Given) -> Iterator[EcgRecord]:
    if file.stat().st_size == 0:
        raise InputError(f"{file}: the file is empty")
    if file.suffix.lower() == ".parquet":
        from gen.io.parquet import iter_parquet

        return iter_parquet(file, given)
    from gen.io.webdataset import iter_webdataset

    return iter_webdataset(file, given)


def _count_file(file: Path) -> int:
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        from gen.io.parquet import count_parquet

        return count_parquet(file)
    if suffix == ".tar":
        from gen.io.webdataset import count_webdataset

        return count_webdataset(file)
    if suffix in (".npz", ".npy"):
        from gen.io.npz import count_npz

        return count_npz(file)
    return 1


def _iter_table(table: Path, given: Given) -> Iterator[EcgRecord]:
    """Records in the table's order; a shard is opened once, for all its rows."""
    shards: set[str] = set()
    for number, row in enumerate(_rows(table), 2):
        file = table.parent / row["file"]
        if file.suffix.lower() in formats.SHARD_SUFFIXES:
            if row["file"] not in shards:
                shards.add(row["file"])
                yield from _iter_shard(resolve(file), given)
            continue
        try:
            record = _read_file(resolve(file), given)
        except InputError as error:
            raise InputError(f"{error} ({table}, row {number})") from error
        yield _with_row(record, row, table)


def _with_row(record: EcgRecord, row: dict[str, str], table: Path) -> EcgRecord:
    """The record with what its row says; a format without room for a fact gets it back here."""
    patient = record.patient
    age, sex = parse_age(row.get("age")), parse_sex(row.get("sex"))
    statements = _json_cell(table, row.get("statements"))
    metadata = _json_cell(table, row.get("metadata"))
    with reading(table, "CSV"):
        return replace(
            record,
            record_id=row.get("record_id") or record.record_id,
            patient=Patient(
                id=row.get("patient_id") or patient.id,
                age=patient.age if age is None else age,
                sex=sex or patient.sex,
                height_cm=patient.height_cm,
                weight_kg=patient.weight_kg,
            ),
            report=row.get("report") or record.report,
            statements={code: float(value) for code, value in statements.items()} or record.statements,
            synthetic=(row.get("synthetic") or "").lower() == "true" or record.synthetic,
            metadata={**record.metadata, **metadata},
        )


def _json_cell(table: Path, text: str | None) -> dict[str, Any]:
    if not text or not isinstance(text, str):
        return {}
    with reading(table, "CSV"):
        return dict(json.loads(text))
