"""``physiogen teach``: text -> ECG on paper, the answer hidden."""

import json as json_library
from pathlib import Path
from typing import Annotated

import typer

from diffusion.process.named import check_chosen
from gen.commands.reading import Resume
from gen.commands.there import check_there
from gen.errors import InputError
from gen.progress import Progress


def teach(
    out: Annotated[Path | None, typer.Option(help="Folder to make.")] = None,
    score: Annotated[
        Path | None, typer.Option(help="Make nothing: score this record set's rare findings instead.")
    ] = None,
    conditions: Annotated[
        Path | None, typer.Option(help="Table: text, age, sex, heart_rate, ...; default: rare findings.")
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", help="ECGs of each condition.")] = 1,
    seed: Annotated[int, typer.Option(help="Names the samples and their order.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Sampling steps; default: the weights' own.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Weights of your own instead of the shipped ones.")] = None,
    resume: Resume = "if-possible",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a record set in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make a page of ECGs to read, each with its answer hidden.

    Every row of a table of conditions becomes a case: an ECG on paper, and under "Show the answer" what was asked for,
    what was measured on the generated ECG, and how rare it is in the training recordings. Cases are shuffled. The
    folder is a record set, whose `metadata.csv` holds the answers.

    `--score FOLDER` prints how many ECGs of a set meet the criterion of a rare finding that they are said to have, and
    how many others do (of common ones: `physiogen evaluate adherence`).

    Example: physiogen teach --out CASES --seed 3
    """
    if (out is None) == (score is None):
        raise InputError(f"--out, --score: {'both are' if out else 'neither is'} given; accepted: one of them")
    check_there(score=score, conditions=conditions, checkpoint=checkpoint)
    check_chosen(steps)
    if seed < 0:
        raise InputError(f"--seed {seed}: expected 0 or more")
    if out is not None:
        from gen.files import check_output

        check_output(out, overwrite=overwrite)
        from diffusion.teaching_cases import CONDITIONS, requests_of

        requests = requests_of(conditions or CONDITIONS, number)
    # Heavy: after everything that can be asked for in vain.
    from diffusion import teaching

    if score is not None:
        lines = teaching.score(score)
        typer.echo(json_library.dumps({"score": lines}) if json else "\n".join(lines))
        return
    from diffusion.beat_pipeline import load

    assert out is not None
    with Progress("cases", len(requests)) as bar:
        teaching.teach(
            load(checkpoint),
            requests,
            out,
            seed=seed,
            steps=steps,
            overwrite=overwrite,
            resume=resume,
            progress=bar.update,
        )
    page = out / teaching.PAGE
    if json:
        typer.echo(json_library.dumps({"out": str(out), "cases": len(requests), "page": str(page)}))
    else:
        typer.echo(f"{len(requests)} synthetic cases; open {page}")
