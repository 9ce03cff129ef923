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
    if weights is not None and Path(weights).exists():
        found = {weights: _of_folder(Path(weights))}
    else:
        found = shipped_cards()
        if weights is not None:
            if weights not in found:
                raise InputError(f"{weights}: no such weights; accepted: {', '.join(found)}, or a checkpoint's folder")
            found = {weights: found[weights]}
    if weights is None:
        tasks = {name: each["task"] for name, each in found.items()}
        width = max(map(len, tasks), default=0)
        lines = [f"{name:{width}s}  {task}" for name, task in tasks.items()]
        typer.echo(json_library.dumps(tasks, ensure_ascii=False) if json else "\n".join(lines))
        return
    if json:
        typer.echo(json_library.dumps(found[weights], ensure_ascii=False, indent=2))
        return
    from gen.evaluation.documents import render_card

    text = render_card(found[weights], weights)
    typer.echo("\n".join(line for line in text.splitlines() if not line.startswith("<!--")).rstrip())


def shipped_cards() -> dict[str, dict[str, Any]]:
    """Cards of all weights that are installed, by the name of their page."""
    from gen.card import check_card
    from gen.files import read_json
    from gen.shipped import shipped

    found = {}
    for home in _HOMES:
        root = shipped(home)
        for path in sorted(root.rglob("card.json")):
            name = "-".join((home, *path.parent.relative_to(root).parts))
            found[name] = read_json(path)
            check_card(found[name], str(path))
    return found


def _of_folder(folder: Path) -> dict[str, Any]:
    from gen.card import check_card
    from gen.files import read_json

    file = folder / "card.json" if folder.is_dir() else folder
    if not file.is_file():
        raise InputError(f"{folder}: no card.json in it; accepted: a checkpoint's folder such as RUN/best")
    card = read_json(file)
    check_card(card, str(file))
    return card
