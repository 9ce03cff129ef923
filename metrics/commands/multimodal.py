"""``physiogen multimodal``: signal, picture, features and text of ECGs under one identifier."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from gen.commands.engine import Workers
from gen.commands.output import counted, finish
from gen.commands.reading import Columns, Leads, Rate, Resume, Unit
from gen.commands.there import check_there, leads_of
from gen.errors import InputError
from gen.progress import Progress
from metrics.multimodal import MARK


def multimodal(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="ECG files, globs, folders, record sets.")],
    out: Annotated[Path, typer.Option(help="Folder of the set.")],
    form: Annotated[
        Literal["meeti", "grounding"],
        typer.Option(help="meeti: a table for datasets; grounding: questions and answers."),
    ] = "meeti",
    layout: Annotated[str, typer.Option(help="Of the picture, see physiogen paper.")] = "3x4+1",
    width: Annotated[int, typer.Option(min=600, max=8000, help="Of the picture, in pixels.")] = 1700,
    seed: Annotated[int, typer.Option(min=0, help="Of the pictures' style and header.")] = 0,
    per_shard: Annotated[int, typer.Option(min=1, help="ECGs of a Parquet shard.")] = 256,
    leads: Leads = None,
    fs: Rate = None,
    unit: Unit = None,
    columns: Columns = None,
    workers: Workers = None,
    resume: Resume = "if-possible",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a set in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Hold signal, picture, beat features, report and findings of ECGs together, for language models that read ECGs.

    Example: physiogen multimodal AF --out AF-MEETI, then datasets.load_dataset("AF-MEETI")

    Twelve leads are needed, or leads that they follow from (physiogen reconstruct makes them). Every number in a text
    is one that was measured on the signal. Not for diagnosis.
    """
    check_there(inputs)
    wanted = leads_of(leads)
    from gen import __version__
    from gen.files import check_output
    from gen.io import expand_inputs
    from gen.io.blocks import Inputs
    from gen.io.common import library
    from gen.io.unfinished import digest_of
    from gen.paper import lay_out

    lay_out(layout, duration_s=float("inf"), width=width)
    files = expand_inputs(inputs)
    library("cv2", "paper")
    check_output(out, overwrite=overwrite, mark=MARK)
    reading = {"fs_hz": fs, "unit": unit, "leads": wanted, "columns": columns}
    bad: list[str] = []
    # Heavy: after everything that a file can lack.
    from metrics.measurement.delineation.delineator import shipped_digest
    from metrics.multimodal.making import SetSettings
    from metrics.multimodal.sets import make_set

    settings = SetSettings(form, layout, width, seed)
    identity = {
        "command": "multimodal",
        "software": __version__,
        "weights": shipped_digest(),
        "inputs": digest_of(files),
        "settings": {**vars(settings), **reading, "per_shard": per_shard},
    }
    with Progress("records", len(files)) as bar:
        made = make_set(
            Inputs(files, bad, hours=True, **reading),  # type: ignore[arg-type]
            out,
            settings,
            identity=identity,
            per_shard=per_shard,
            overwrite=overwrite,
            resume=resume,
            workers=workers,
            progress=bar.update,
        )
    bad += made.faults
    if not made.count:
        raise InputError("; ".join(bad[:3]) or "no ECG in the input; accepted: ECGs of twelve leads")
    facts = {"out": str(out), "records": made.count, "form": form, "layout": layout}
    finish([f"{counted(made.count, 'ECG')} with picture, features and findings in {out}"], facts, bad, json=json)
