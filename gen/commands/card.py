"""``physiogen card``: what weights are for, what they were made from, and how good they are."""

import json as json_library
from pathlib import Path
from typing import Annotated, Any

import typer

from gen.errors import InputError

_HOMES = ("vae", "diffusion", "flow", "metrics")


def card(
    weights: Annotated[
        str | None, typer.Argument(metavar="[NAME|FOLDER]", help="Shipped weights, or a checkpoint such as RUN/best.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Print the card of weights: use, limits, data with licence, training, figures; without a name, list those shipped.

    Example: physiogen card diffusion-default
    """
    if weights is None:
        tasks = {name: each["task"] for name, each in shipped_cards().items()}
        width = max(map(len, tasks), default=0)
        lines = [f"{name:{width}s}  {task}" for name, task in tasks.items()]
        typer.echo(json_library.dumps(tasks, ensure_ascii=False) if json else "\n".join(lines))
        return
    if Path(weights).exists():
        found = _read(_file_of(Path(weights)))
    else:
        places = _shipped()
        if weights not in places:
            raise InputError(f"{weights}: no such weights; accepted: {', '.join(places)}, or a checkpoint's folder")
        found = _read(places[weights])
    if json:
        typer.echo(json_library.dumps(found, ensure_ascii=False, indent=2))
        return
    from gen.evaluation.documents import render_card

    text = render_card(found, weights)
    typer.echo("\n".join(line for line in text.splitlines() if not line.startswith("<!--")).rstrip())


def shipped_cards() -> dict[str, dict[str, Any]]:
    """Cards of all weights that are installed, by the name of their page."""
    return {name: _read(path) for name, path in _shipped().items()}


def _shipped() -> dict[str, Path]:
    from gen.shipped import shipped

    found = {}
    for home in _HOMES:
        root = shipped(home)
        for path in sorted(root.rglob("card.json")):
            found["-".join((home, *path.parent.relative_to(root).parts))] = path
    return found


def _file_of(folder: Path) -> Path:
    file = folder / "card.json" if folder.is_dir() else folder
    if not file.is_file():
        raise InputError(f"{folder}: no card.json in it; accepted: a checkpoint's folder such as RUN/best")
    return file


def _read(path: Path) -> dict[str, Any]:
    from gen.card import check_card
    from gen.files import read_json

    card = read_json(path)
    check_card(card, str(path))
    return card
