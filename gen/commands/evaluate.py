"""``physiogen evaluate``: every figure of the documents, by the name of the evaluation that gives it."""

import json as json_library
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from gen import registry
from gen.commands.options import command_of
from gen.errors import InputError
from gen.evaluations import GROUP, Evaluation, evaluations
from gen.progress import Progress

_SHARED: dict[str, Any] = {
    "json": (Annotated[bool, typer.Option("--json", help="Print the results as JSON.")], False),
    "out": (Annotated[Path | None, typer.Option(help="Also write the results to this file (JSON).")], None),
    "card": (
        Annotated[Path | None, typer.Option(help="Note the figures in the card of this checkpoint folder.")],
        None,
    ),
}


class EvaluationGroup(TyperGroup):
    """A command group whose members are the entry points of group ``gen.evaluations``."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all installed evaluations."""
        return registry.names(GROUP)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """One evaluation as a command, with its settings as options."""
        if cmd_name not in registry.names(GROUP):
            return None
        return command_of(cmd_name, registry.get(GROUP, cmd_name), _run, **_SHARED)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the evaluation that is asked for."""
        known = registry.names(GROUP)
        if args[0] not in known:
            close = get_close_matches(args[0], known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise InputError(f"no evaluation {args[0]!r}; {hint}known: {', '.join(known)}")
        return args[0], self.get_command(ctx, args[0]), args[1:]


app = typer.Typer(
    cls=EvaluationGroup,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Measure how good a model or a part of the suite is; without a name, list what can be measured.\n\n"
    "Example: physiogen evaluate reconstruction --data CACHE --split test --leads I --out FILE.json\n\n"
    "`physiogen evaluate NAME --help` shows the options of one.",
    subcommand_metavar="[NAME] [OPTIONS]...",
)


@app.callback(invoke_without_command=True)
def evaluate(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the documents with the stored results; exit 1 if they differ.")
    ] = False,
    render: Annotated[
        bool, typer.Option("--render", help="Write result pages, model cards and tables from the stored data.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """The list, or the check of the documents; a named evaluation runs by itself."""
    if check or render:
        option = "--check" if check else "--render"
        if context.invoked_subcommand is not None or (check and render):
            raise InputError(f"{option} {context.invoked_subcommand or '--render'}: accepted: {option} alone")
        _check() if check else _render()
    elif context.invoked_subcommand is None:
        found = evaluations()
        rows = [{"name": name, "measures": kind.summary(), "needs": kind.needs} for name, kind in found.items()]
        typer.echo(json_library.dumps(rows, ensure_ascii=False) if json else _listed(rows))


def _listed(rows: list[dict[str, str]]) -> str:
    heads = {"name": "name", "measures": "measures", "needs": "needs"}
    widths = {key: max(len(row[key]) for row in [heads, *rows]) for key in heads}
    lines = ["  ".join(row[key].ljust(widths[key]) for key in heads).rstrip() for row in [heads, *rows]]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths.values()), *lines[1:]])


def _run(settings: Evaluation, json: bool, out: Path | None, card: Path | None) -> None:
    """Measure and print; nothing is written before all figures are there."""
    from gen.evaluation.notes import check_card_folder, check_file, note

    if out is not None:
        check_file(out)
    if card is not None:
        check_card_folder(card)
    with Progress(settings.name) as bar:
        found = settings.run(bar.noted)
    if out is not None:
        found.write(out)
    typer.echo(found.to_json().rstrip("\n") if json else found.to_markdown().rstrip("\n"))
    if card is not None:
        note(card, found)


def _check() -> None:
    from gen.evaluation.documents import check

    complaints = check(Path.cwd())
    for line in complaints:
        typer.echo(line)
    if complaints:
        raise typer.Exit(1)
    typer.echo("documents and stored results agree")


def _render() -> None:
    from gen.evaluation.documents import render

    for path in render(Path.cwd()):
        typer.echo(path.relative_to(Path.cwd()))
