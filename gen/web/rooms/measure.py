"""Recordings in, measurements and marked traces out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.web.rooms.measured import WORDS, rows, waves
from gen.web.rooms.room import Order, add_reading, python_read, reading, reading_fields, recordings, upload
from gen.web.shown import Paper, Shown, Take
from gen.web.uploads import stage

if TYPE_CHECKING:
    from gradio.components import Component

_TABLE, _BEATS = "PARAMS.csv", "BEATS.csv"
#: ECGs of a table with a column each.
_UPRIGHT = 4


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
        return Order(argv, python, _TABLE, given={"names": names, "reading": facts, "values": values})

    def shown(self, folder: Path, order: Order, said: Sequence[str]) -> Shown:
        """See `Room`."""
        measured = rows(folder / _TABLE)
        records = recordings(folder, order.given["names"], order.given["reading"])
        found = waves(folder / _BEATS, records)
        papers = [Paper(record, waves=found.get(record.record_id, ())) for record in records]
        given, words = order.given["names"], []  # type: tuple[list[str], list[str]]
        add_reading(words, order.given["values"])  # what files do not say
        pdf = ["measure", *given, "--out", "AGAIN.csv", "--pdf", "ECG.pdf", "--overwrite", *words, "--workers", "1"]
        takes = {
            "table": Take("Table (CSV)", _TABLE),
            "beats": Take("Waves (CSV)", _BEATS),
            "pdf": Take("PDF (traces and measurements)", "ECG.pdf", pdf),
        }
        for name, label in (("wfdb", "WFDB"), ("csv", "CSV"), ("dicom", "DICOM"), ("edf", "EDF")):
            argv = ("data", "convert", *given, "--format", name, "--out", label, *words)
            takes[name] = Take(f"{label} (zip)", label, argv)
        synthetic = any(record.synthetic for record in records)
        return Shown(order.argv, order.python, said, papers, _tables(measured), takes=takes, synthetic=synthetic)


def _tables(measured: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The table in words; that of a few ECGs stands upright."""
    if not measured:
        return {}
    columns = [name for name in measured[0] if any(row[name] for row in measured)]
    heads = [WORDS.get(name, name) for name in columns]
    cells = [[row[name] or None for name in columns] for row in measured]
    if len(measured) <= _UPRIGHT:
        heads, *turned = [list(line) for line in zip(heads, *cells, strict=True)]
        return {"Measurements": (heads, turned)}
    return {"Measurements": (heads, cells)}
