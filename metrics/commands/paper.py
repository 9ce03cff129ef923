"""``physiogen paper``: ECGs as pictures of paper, with the truth of every pixel."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gen.commands.output import counted, finish
from gen.commands.reading import Columns, Leads, Rate, Resume, Unit
from gen.commands.there import check_there, leads_of
from gen.errors import InputError
from gen.progress import Progress

if TYPE_CHECKING:
    from gen.paper.making import PictureSettings
    from gen.records import EcgRecord

#: What is printed: parameter, its name on paper, its unit.
_PRINTED = (
    ("hr_bpm", "Vent. rate", "bpm"),
    ("pr_ms", "PR", "ms"),
    ("qrs_ms", "QRS", "ms"),
    ("qt_ms", "QT", "ms"),
    ("qtcb_ms", "QTc", "ms"),
    ("axis_deg", "Axis", "°"),
)

#: Records measured together; a killed run loses the pictures of such a block and of what was read ahead.
_BLOCK = 16


def paper(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="ECG files, globs, folders, record sets.")],
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")],
    layout: Annotated[
        list[str], typer.Option(help="3x4, 3x4+1, 3x4+3, 6x2, 6x2+1, 12x1 or cabrera; of several one is drawn.")
    ] = ["3x4+1"],  # noqa: B006 - typer copies it
    degrade: Annotated[str, typer.Option(help="none, light (a scan), medium (a photo) or heavy (old paper).")] = "none",
    number: Annotated[int, typer.Option("-n", "--number", min=1, metavar="K", help="Pictures of each record.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of style, header and damage.")] = 0,
    speed: Annotated[float, typer.Option(help="25 or 50 mm/s.")] = 25.0,
    gain: Annotated[float, typer.Option(help="5, 10 or 20 mm/mV.")] = 10.0,
    width: Annotated[int, typer.Option(min=600, max=8000, help="Pixels; 1700 is 150 dpi of a letter sheet.")] = 1700,
    start: Annotated[float, typer.Option(min=0.0, help="Second of the record that the sheet begins with.")] = 0.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw.")] = 2,
    leads: Leads = None,
    fs: Rate = None,
    unit: Unit = None,
    columns: Columns = None,
    resume: Resume = "if-possible",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a folder of pictures.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Draw ECGs on paper, as hospitals print and people photograph it, with pixel truth beside every picture.

    Example: physiogen paper recordings/ --layout 3x4+1 --layout 6x2 --degrade medium -n 2 --seed 1 --out PAPER

    NAME.png is the picture, NAME.json its truth in COCO's form (boxes, polylines, corners, homography, text, visible
    samples), NAME.leads.png the mask, NAME.npz the signal; coco.json lists all. Names and places are invented.
    """
    check_there(inputs)
    wanted = leads_of(leads)
    from gen import __version__
    from gen.files import check_output, commit_folder
    from gen.io import expand_inputs
    from gen.io.blocks import Inputs
    from gen.io.common import library
    from gen.io.unfinished import digest_of, unfinished
    from gen.paper import DEGRADATIONS, lay_out
    from gen.paper.files import COCO, write_coco
    from gen.paper.making import PictureSettings

    settings = PictureSettings(tuple(layout), degrade, number, seed, speed, gain, width, start)
    for name in settings.layouts:
        lay_out(name, duration_s=float("inf"), mm_per_s=speed, mm_per_mv=gain, width=width)
    if degrade not in DEGRADATIONS:
        raise InputError(f"--degrade {degrade}: accepted: {', '.join(DEGRADATIONS)}")
    files = expand_inputs(inputs)
    library("cv2", "paper")
    if degrade != "none":
        library("augraphy", "paper")
    check_output(out, overwrite=overwrite, mark=COCO)
    reading = {"fs_hz": fs, "unit": unit, "leads": wanted, "columns": columns}
    bad: list[str] = []
    records = Inputs(files, bad, hours=True, **reading)  # type: ignore[arg-type]
    identity = {
        "command": "paper",
        "software": __version__,
        "inputs": digest_of(files),
        "settings": {**asdict(settings), **reading},
    }

    def publish(folder: Path) -> None:
        commit_folder(folder, out, overwrite=overwrite, mark=COCO)

    with unfinished(out, identity, publish=publish, resume=resume) as work, Progress("records", len(files)) as bar:
        records.go_on(work.notes)
        names = [name for note in work.notes for name in note["pictures"]]
        for taken, made, faults in _drawn(records, work.folder, settings, workers, names):
            names += made
            bad += faults
            work.note({**records.note(taken), "pictures": made})
            bar.update(len(names) / number)
        if names:
            write_coco(work.folder, names)
        else:
            work.drop()
    if not names:
        raise InputError("; ".join(bad[:3]))
    facts = {"out": str(out), "pictures": len(names), **asdict(settings)}
    finish([f"{counted(len(names), 'picture')} with truth in {out}"], facts, bad, json=json)


@dataclass(frozen=True, eq=False)
class _Task:
    """A picture to draw; without a record, the end of a block: how many records are done, and what was wrong."""

    name: str
    record: "EcgRecord | None"
    k: int = 0
    printed: Mapping[str, str] = field(default_factory=dict)
    taken: int = 0
    faults: tuple[str, ...] = ()


def _drawn(
    records: "Iterable[EcgRecord]", folder: Path, settings: "PictureSettings", workers: int, names: Sequence[str]
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Block by block how many records are done, the pictures of the block, and what was wrong with its records."""
    from gen.engines import in_order
    from gen.paper.making import make_picture

    def draw(task: _Task) -> str | None:
        if task.record is None:
            return None
        return make_picture(task.record, folder, task.name, task.k, settings, task.printed)

    made: list[str] = []
    wrong: list[str] = []
    for task, fault in in_order(draw, _tasks(records, settings.number, names), workers=workers):
        if task.record is None:
            yield task.taken, made, [*task.faults, *dict.fromkeys(wrong)]
            made, wrong = [], []
        elif fault is None:
            made.append(task.name)
        else:
            wrong.append(fault)


def _tasks(records: "Iterable[EcgRecord]", number: int, names: Sequence[str]) -> Iterator[_Task]:
    from gen.io.blocks import LONG_S, in_record_blocks
    from gen.io.webdataset import safe_name

    stems = {name.rpartition("-")[0] for name in names}
    taken = 0
    for block in in_record_blocks(records, _BLOCK, most_s=LONG_S):
        faults: list[str] = []
        for record, printed in zip(block, _printed(block), strict=True):
            stem = safe_name(record.record_id)
            if stem in stems:
                faults.append(f"{record.record_id}: another record has this file name; accepted: each once")
                continue
            stems.add(stem)
            yield from (_Task(f"{stem}-{k}", record, k, printed) for k in range(number))
        taken += len(block)
        yield _Task("", None, taken=taken, faults=tuple(faults))


def _printed(records: "list[EcgRecord]") -> list[dict[str, str]]:
    """Measurements as a recorder prints them; what could not be measured is left out."""
    from metrics.measurement.records import measure_records

    measured = measure_records(records)
    return [
        {name: f"{value:.0f} {unit}" for key, name, unit in _PRINTED if isfinite(value := float(getattr(found, key)))}
        for found in measured
    ]
