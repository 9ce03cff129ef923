"""``physiogen study``: can readers tell generated signals from recorded ones (a visual Turing test)."""

import json as json_library
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gen.commands.reading import Resume
from gen.commands.there import check_sets, check_there
from gen.errors import InputError
from gen.progress import Progress

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Make a kit for readers who tell generated signals from recorded ones, and score their answers.",
)


@app.command()
def make(
    real: Annotated[str, typer.Option(help="Recorded signals, as for `physiogen benchmark`.")],
    generated: Annotated[str, typer.Option(help="Generated signals, likewise.")],
    out: Annotated[Path, typer.Option(help="Folder for the readers.")],
    number: Annotated[int, typer.Option("-n", "--number", help="Pictures, half of each group.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice and the order.")] = 0,
    key: Annotated[
        Path | None, typer.Option(help="File of the truth; by default beside the folder, KIT.key.json.")
    ] = None,
    cine: Annotated[bool, typer.Option("--cine", help="The sets are folders of cine loops (NPZ, NIfTI).")] = False,
    resume: Resume = "if-possible",
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a kit of pictures with an answer sheet, and its key beside it.

    Example: physiogen study make --real .data/ptb-xl:test --generated GEN -n 40 --out KIT
    """
    check_sets(real, generated)
    from metrics.reader_study.kit import key_of, make_kit

    with Progress("pictures", number) as bar:
        cases = make_kit(
            real, generated, count=number, seed=seed, out=out, key=key, cine=cine, resume=resume, progress=bar.update
        )
    place = key or key_of(out)
    if json:
        typer.echo(json_library.dumps({"out": str(out), "pictures": len(cases), "key": str(place)}))
    else:
        typer.echo(f"{len(cases)} pictures in {out}; the key, not for readers, in {place}")


@app.command()
def score(
    kit: Annotated[Path, typer.Argument(help="Folder of the kit.")],
    answers: Annotated[list[Path], typer.Argument(help="Filled sheets, one or more readers each.")],
    key: Annotated[Path | None, typer.Option(help="File of the truth; by default beside the kit.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Also write the figures to this file (JSON).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Score filled answer sheets: accuracy, d', bias, agreement of readers, quality.

    Example: physiogen study score KIT answers-1.csv answers-2.csv --out FIGURES.json
    """
    if key is None and not kit.exists() and not kit.with_name(f"{kit.name}.key.json").exists():
        raise InputError(f"{kit}: no such kit, and no key beside it; accepted: what `physiogen study make` wrote")
    check_there(answers, key=key)
    from gen.files import write_json
    from metrics.reader_study.answers import read_answers, read_key
    from metrics.reader_study.answers import score as scored

    truth = read_key(kit, key)
    figures = scored(read_answers(answers, truth), truth, seed=seed)
    if out is not None:
        write_json(out, figures)
    typer.echo(json_library.dumps(figures, indent=2) if json else as_text(figures))


def as_text(figures: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| reader | n | accuracy [95 %] | synthetic called so | real called synthetic | d' | bias |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, one in figures["readers"].items():
        rates = (
            f"{one['hit_rate']:.3f} | {one['false_alarm_rate']:.3f} | {one['d_prime']:+.2f} | {one['criterion']:+.2f}"
        )
        lines.append(f"| {name} | {one['accuracy']['n']} | {_span(one['accuracy'])} | {rates} |")
    lines.append(f"| all | {figures['answered']} | {_span(figures['accuracy'])} | | | | |")
    verdict = "differs from chance (.5)" if figures["told_apart"] else "chance (.5) is inside the interval"
    lines.append(f"\n{figures['cases']} cases; the interval of all is over cases, for these readers: {verdict}")
    kappa = figures["kappa"]
    if kappa["cohen"]:
        pairs = ", ".join(f"{name} {'undefined' if v is None else f'{v:.3f}'}" for name, v in kappa["cohen"].items())
        lines.append(f"kappa: Fleiss {_span(kappa['fleiss'])} on {kappa['shared']} cases; Cohen {pairs}")
    lines += ["\n| group | quality 1-5 [95 %] | text agreement 1-5 [95 %] |", "|---|---|---|"]
    for name, one in figures["groups"].items():
        lines.append(f"| {name} | {_span(one['quality'])} | {_span(one['text_agreement'])} |")
    return "\n".join(lines)


def _span(interval: Mapping[str, float] | None) -> str:
    from gen.results import Value

    return "not known" if interval is None else str(Value.of(interval))
