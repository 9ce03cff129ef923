"""Parquet shards: one row per record, the signal as nested lists of float32 millivolt, facts as plain columns."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gen.io.channels import choose
from gen.io.common import Given, dump_json, facts_of, make_record, reading
from gen.leads import canonical_leads
from gen.records import EcgRecord, InputError

#: A row group is what a reader holds in memory at once: 64 records of 12 x 5,000 samples are 15 MB.
ROWS_PER_GROUP = 64
_SAMPLES_PER_GROUP = 2**26  #: long recordings make smaller groups: list offsets have 32 bits
_NEEDED = ("signal_mv", "fs_hz", "leads")


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("record_id", pa.string()),
            ("patient_id", pa.string()),
            ("age", pa.float64()),
            ("sex", pa.string()),
            ("height_cm", pa.float64()),
            ("weight_kg", pa.float64()),
            ("fs_hz", pa.float64()),
            ("num_samples", pa.int64()),
            ("leads", pa.list_(pa.string())),
            ("report", pa.string()),
            ("statements", pa.string()),
            ("synthetic", pa.bool_()),
            ("metadata", pa.string()),
            ("label", pa.string()),
            ("signal_mv", pa.list_(pa.list_(pa.float32()))),
        ]
    )


class ParquetShard:
    """Writes one shard, a row group at a time."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        # Recorded samples take few distinct values, so a dictionary halves the file; where they do not (generated
        # signals) the writer falls back to plain values by itself.
        self._writer = pq.ParquetWriter(
            path, _schema(), compression="zstd", use_dictionary=["signal_mv.list.element.list.element"]
        )
        self._rows: list[EcgRecord] = []
        self._samples = 0

    def add(self, record: EcgRecord) -> None:
        """Append one record."""
        self._rows.append(record)
        self._samples += record.signal_mv.size
        if len(self._rows) == ROWS_PER_GROUP or self._samples > _SAMPLES_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left and the footer."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(_table(self._rows))
        self._rows, self._samples = [], 0


def _table(records: list[EcgRecord]) -> Any:
    import pyarrow as pa

    facts = [facts_of(record) for record in records]
    patients = [record.patient for record in records]
    lengths = [record.num_samples for record in records for _ in record.leads]
    rows = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32()),
        pa.array(np.concatenate([record.signal_mv.ravel() for record in records]), pa.float32()),
    )
    signals = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum([len(record.leads) for record in records])]), pa.int32()), rows
    )
    columns = [
        [record.record_id for record in records],
        [patient.id for patient in patients],
        [patient.age for patient in patients],
        [patient.sex for patient in patients],
        [patient.height_cm for patient in patients],
        [patient.weight_kg for patient in patients],
        [record.fs_hz for record in records],
        [record.num_samples for record in records],
        [list(record.leads) for record in records],
        [record.report for record in records],
        [dump_json(fact.get("statements", {})) for fact in facts],
        [record.synthetic for record in records],
        [dump_json(fact.get("metadata", {})) for fact in facts],
        [None if (label := record.metadata.get("label")) is None else str(label) for record in records],
    ]
    schema = _schema()
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=False)]
    return pa.Table.from_arrays([*arrays, signals], schema=schema)


def iter_parquet(path: Path, given: Given) -> Iterator[EcgRecord]:
    """Every record of a shard, a row group in memory at a time."""
    with reading(path, "Parquet"):
        import pyarrow.parquet as pq

        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise InputError(
            f"{path}: column {', '.join(missing)} is missing; a record set has {', '.join(_schema().names)}"
        )
    number = 0
    known = [name for name in _schema().names if name in names]
    with file:
        for group in range(file.num_row_groups):
            with reading(path, "Parquet"):
                table = file.read_row_group(group, columns=known)
            for row in range(table.num_rows):
                with reading(path, "Parquet"):
                    values = {name: table.column(name)[row] for name in known}
                    signal = _signal(values.pop("signal_mv"))
                    facts = {name: value.as_py() for name, value in values.items()}
                yield _record(path, number, signal, facts, given)
                number += 1


def row_group(path: Path, number: int) -> tuple[int, list[tuple[np.ndarray, float, tuple[str, ...]]]]:
    """The signals of the row group that record ``number`` is in, and the number of its first record.

    Raises:
        InputError: damaged, or there is no such record.
    """
    with reading(path, "Parquet"):
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            first = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if number < first + rows:
                    table = file.read_row_group(group, columns=list(_NEEDED))
                    signals, rates, names = (table.column(name) for name in _NEEDED)
                    found = [
                        (_signal(signals[k]), float(rates[k].as_py()), canonical_leads(names[k].as_py()))
                        for k in range(table.num_rows)
                    ]
                    return first, found
                first += rows
    raise InputError(f"{path}: holds only {first} records, the table names more")


def _signal(value: Any) -> np.ndarray:
    """(lead, time) from a nested list, without copying it through Python floats."""
    rows = [np.asarray(row.values.to_numpy(zero_copy_only=False), dtype=np.float32) for row in value]
    return np.stack(rows) if rows else np.zeros((0, 0), np.float32)


def _record(path: Path, number: int, signal: np.ndarray, row: dict[str, Any], given: Given) -> EcgRecord:
    where = Path(f"{path}#{number}")
    if row["leads"] is None or row["fs_hz"] is None:
        raise InputError(f"{where}: leads or fs_hz is empty")
    with reading(where, "Parquet"):
        facts: dict[str, Any] = {
            "record_id": row.get("record_id") or f"{path.stem}_{number:06d}",
            "patient": {
                "id": row.get("patient_id"),
                **{key: row.get(key) for key in ("age", "sex", "height_cm", "weight_kg")},
            },
            "report": row.get("report"),
            "statements": json.loads(row.get("statements") or "{}"),
            "synthetic": bool(row.get("synthetic")),
            "metadata": json.loads(row.get("metadata") or "{}"),
        }
    if row.get("label") is not None:
        facts["metadata"].setdefault("label", row["label"])
    if len(row["leads"]) != signal.shape[0]:
        raise InputError(f"{where}: {len(row['leads'])} lead names for {signal.shape[0]} rows of samples")
    chosen = choose(where, list(row["leads"]), given)
    chosen.note(facts["metadata"])
    signal, leads = chosen.finish(signal[chosen.rows])
    return make_record(where, signal, given.rate(where, float(row["fs_hz"])), leads, facts)


def count_parquet(path: Path) -> int:
    """Number of records, from the footer alone."""
    with reading(path, "Parquet"):
        import pyarrow.parquet as pq

        return int(pq.read_metadata(path).num_rows)
