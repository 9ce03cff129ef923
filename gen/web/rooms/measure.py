"""Recordings in, measurements and marked traces out."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.plot.svg import Wave
from gen.records import EcgRecord
from gen.web.rooms.room import Order, add_reading, python_read, reading, reading_fields, recordings, upload
from gen.web.shown import Paper, Shown, Take
from gen.web.uploads import stage

if TYPE_CHECKING:
    from gradio.components import Component

_TABLE, _BEATS = "PARAMS.csv", "BEATS.csv"


class Measure:
    """See `gen.web.rooms.room.Room`."""

    name = "Measure"
    hint = "Rate, intervals, axis and voltages of any ECG; the waves that they come from are marked on the trace."
    button = "Measure"

    def fields(self) -> "dict[str, Component]":
        """See `Room`."""
        return {"files": upload("Recordings, or a zip of them"), **reading_fields()}

    def order(self, folder: Path, values: Mapping[str, Any], limit_bytes: int) -> Order:
        """See `Room`."""
        names = stage(values.get("files"), folder, limit_bytes, "a recording")
        argv = ["measure", *names, "--out", _TABLE, "--beats", _BEATS]
        add_reading(argv, values)
        facts = reading(values)
        python = (
            "import physiogen\nfrom metrics.measurement.records import measure_records\n\n"
            f"measure_records([{', '.join(python_read(name, facts) for name in names)}])"
        )
        argv += ["--workers", "1"]
        return Order(argv, python, _TABLE, given={"names": names, "reading": facts})

    def shown(self, folder: Path, order: Order, said: Sequence[str]) -> Shown:
        """See `Room`."""
        with (folder / _TABLE).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        records = recordings(folder, order.given["names"], order.given["reading"])
        waves = _waves(folder / _BEATS, records)
        papers = [Paper(record, waves=waves.get(record.record_id, ())) for record in records]
        columns = list(rows[0]) if rows else ["record"]
        cells = [[row[name] or None for name in columns] for row in rows]
        pdf = [*order.argv[: order.argv.index("--out")], "--out", "AGAIN.csv", "--pdf", "ECG.pdf", "--overwrite"]
        takes = {
            "table": Take("Table (CSV)", _TABLE),
            "beats": Take("Waves (CSV)", _BEATS),
            "pdf": Take(
                "PDF (traces and measurements)", "ECG.pdf", [*pdf, *order.argv[order.argv.index(_BEATS) + 1 :]]
            ),
        }
        synthetic = any(record.synthetic for record in records)
        tables = {"Measurements": (columns, cells)}
        return Shown(order.argv, order.python, said, papers, tables, takes=takes, synthetic=synthetic)


def _waves(path: Path, records: Sequence[EcgRecord]) -> dict[str, list[Wave]]:
    """Waves of the recordings that are shown."""
    rates = {record.record_id: record.fs_hz for record in records}
    found: dict[str, list[Wave]] = {name: [] for name in rates}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["record"] in rates:
                at = [int(row[name]) / rates[row["record"]] for name in ("onset", "peak", "offset")]
                found[row["record"]].append(Wave(row["lead"], row["wave"], *at))
    return found
