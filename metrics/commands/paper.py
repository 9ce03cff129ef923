"""``physiogen paper``: ECGs as pictures of paper, with the truth of every pixel."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from math import isfinite
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from gen.commands.output import counted, finish
from gen.commands.reading import Columns, Leads, Rate, Unit
from gen.paper.making import PictureSettings, make_picture
from gen.progress import Progress
from gen.records import EcgRecord, InputError

#: What is printed: parameter, its name on paper, its unit.
_PRINTED = (
    ("hr_bpm", "Vent. rate", "bpm"),
    ("pr_ms", "PR", "ms"),
    ("qrs_ms", "QRS", "ms"),
    ("qt_ms", "QT", "ms"),
    ("qtcb_ms", "QTc", "ms"),
    ("axis_deg", "Axis", "°"),
)

#: Records measured together, and pictures in work at once.
_BLOCK = 16


def paper(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="ECG files, globs, folders, record sets.")],
    out: Annotated[Path, typer.Option(help="Folder of the pictures; an unfinished one is gone on with.")],
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures that are there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Draw ECGs on paper, as hospitals print and people photograph it, with pixel truth beside every picture.

    Example: physiogen paper recordings/ --layout 3x4+1 --layout 6x2 --degrade medium -n 2 --seed 1 --out PAPER

    NAME.png is the picture, NAME.json its truth in COCO's form (boxes, polylines, corners, homography, text, visible
    samples), NAME.leads.png the mask, NAME.npz the signal; coco.json lists all. Names and places are invented.
    """
    from gen.io import expand_inputs
    from gen.io.blocks import read_files
    from gen.io.common import library
    from gen.leads import parse_leads
    from gen.paper import DEGRADATIONS, lay_out
    from gen.paper.files import open_folder, write_coco

    settings = PictureSettings(tuple(layout), degrade, number, seed, speed, gain, width, start)
    for name in settings.layouts:
        lay_out(name, duration_s=float("inf"), mm_per_s=speed, mm_per_mv=gain, width=width)
    if degrade not in DEGRADATIONS:
        raise InputError(f"--degrade {degrade}: accepted: {', '.join(DEGRADATIONS)}")
    library("cv2", "paper")
    wanted = None if leads is None else parse_leads(leads)
    files, bad = expand_inputs(inputs), []  # type: tuple[list[Path], list[str]]
    open_folder(out, asdict(settings), overwrite=overwrite)
    names: list[str] = []
    records = read_files(files, bad, fs_hz=fs, unit=unit, leads=wanted, columns=columns)
    with Progress("records", len(files)) as bar:
        for name, fault in _drawn(records, out, settings, workers):
            if fault is None:
                names.append(name)
            else:
                bad.append(fault)
            bar.update(len(names) / number)
    if not names:
        raise InputError("; ".join(bad[:3]))
    made = write_coco(out, names)
    facts = {"out": str(out), "pictures": made, **asdict(settings)}
    finish([f"{counted(made, 'picture')} with truth in {out}"], facts, bad, json=json)


def _drawn(
    records: Iterator[EcgRecord], out: Path, settings: PictureSettings, workers: int
) -> Iterator[tuple[str, str | None]]:
    """Names of pictures as they are finished, in order; with what was wrong where there is none."""
    from gen.io.blocks import in_record_blocks
    from gen.io.webdataset import safe_name
    from gen.paper.files import is_finished

    waiting: deque[tuple[str, Future[str | None] | str | None]] = deque()
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(workers, get_context("spawn"))) if workers > 1 else None
        for block in in_record_blocks(records, _BLOCK):
            wanted = [[f"{safe_name(record.record_id)}-{k}" for k in range(settings.number)] for record in block]
            open_ones = [not all(is_finished(out, name) for name in names) for names in wanted]
            measured = iter(_printed([record for record, is_open in zip(block, open_ones, strict=True) if is_open]))
            for record, names, is_open in zip(block, wanted, open_ones, strict=True):
                printed = next(measured) if is_open else {}
                for k, name in enumerate(names):
                    if is_finished(out, name):
                        waiting.append((name, None))
                        continue
                    job = (record, out, name, k, settings, printed)
                    waiting.append((name, make_picture(*job) if pool is None else pool.submit(make_picture, *job)))
            while len(waiting) > _BLOCK * settings.number:
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())


def _result(name: str, found: "Future[str | None] | str | None") -> tuple[str, str | None]:
    return name, found.result() if isinstance(found, Future) else found


def _printed(records: list[EcgRecord]) -> list[dict[str, str]]:
    """Measurements as a recorder prints them; what could not be measured is left out."""
    from metrics.measurement.records import measure_records

    measured = measure_records(records) if records else []
    return [
        {name: f"{value:.0f} {unit}" for key, name, unit in _PRINTED if isfinite(value := float(getattr(found, key)))}
        for found in measured
    ]
