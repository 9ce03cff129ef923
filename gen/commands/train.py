"""``physiogen train RECIPE --data DIR --out RUN``: train a model by the name of its recipe."""

import inspect
import json as json_library
import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
from typer.core import TyperCommand

from gen import registry
from gen.errors import InputError
from gen.overrides import check_overrides, needed_data, parse_overrides
from gen.runs import check_run, holds_run

#: Words for weights to start from, in any recipe.
_STARTS = ("default", "none")
_RESUME = "--resume"
#: Of a prepared cache, and of one that is not finished.
_OF_CACHE = ("manifest.json", "build")
Going = Literal["if-possible", "always", "never"]

# Named as its only command is, so that `physiogen --help` finds what it says.
train = typer.Typer(add_completion=False, rich_markup_mode="markdown", help="Train a model.")


class _Command(TyperCommand):
    """A command whose ``--resume`` may stand alone, for if-possible."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a lone ``--resume`` its value."""
        words: list[str] = []
        for word, following in zip(args, (*args, "-")[1:], strict=True):
            words.append(f"{_RESUME}=if-possible" if word == _RESUME and following not in get_args(Going) else word)
        return super().parse_args(ctx, words)


@train.command(name="train", cls=_Command)
def run(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe, such as vae/default, or package.module:FUNCTION.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run: log, exact state, checkpoints best/ and last/.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Training data, as `physiogen data prepare` or `simulate` wrote them.")
    ] = None,
    resume: Annotated[
        Going,
        typer.Option(_RESUME, help="Go on with the run in --out, exactly; alone, it means if-possible."),
    ] = "never",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in --out.")] = False,
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(help="Weights to start from: default (the shipped ones) or a folder; short for --set init=..."),
    ] = None,
    settings: Annotated[
        bool, typer.Option("--settings", help="List what --set can change, with defaults and meanings, and stop.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train a model.

    Example: physiogen train vae/default --data CACHE --out RUN --set steps=2000 --set lr=3e-4

    Fine-tune the generator on recordings of your own: physiogen train diffusion/beats-tune --data MINE --out RUN

    The same command after `accelerate launch --no_python` trains on several GPUs or machines, and after
    `torchrun --nproc-per-node N --no-python` on several processes of one machine without a GPU.
    """
    if data is not None and not data.exists():
        raise InputError(f"{data}: no such folder; --data takes what `physiogen data prepare` wrote")
    if out is None and not settings:
        raise InputError("Missing option '--out'. (physiogen train --help)")
    if out is not None:
        check_run(out, resume=resume != "never", overwrite=overwrite)
        if resume == "always" and not holds_run(out):
            raise InputError(f"{out}: nothing to go on with; accepted: a run of the same recipe (--resume if-possible)")
    if init is not None:
        set = [f"init={init}", *(set or [])]
    changes = parse_overrides(set or [])
    check_overrides(recipe, changes)
    _check_start(changes.get("init", ""))
    if not settings:
        _check_data(recipe, data)
    # Torch and the models are only loaded from here on.
    function = find_recipe(recipe)
    if settings:
        typer.echo(_listed(recipe, function, json=json))
        return
    extra: dict[str, Any] = {}
    if overwrite:
        if "overwrite" not in inspect.signature(function).parameters:
            raise InputError(f"recipe {recipe} cannot overwrite a run; give another --out")
        extra["overwrite"] = True
    result = function(data=data, out=out, resume=resume != "never", overrides=changes, **extra)
    if int(os.environ.get("RANK", "0")) == 0:
        typer.echo(json_library.dumps(result, default=str) if json else format_result(result))


def _check_data(recipe: str, data: Path | None) -> None:
    """Refuse data that a shipped recipe cannot learn from, as far as a glance at the folder tells."""
    needed = needed_data(recipe)
    if data is None and needed is not None:
        raise InputError(f"recipe {recipe} needs --data: {needed}")
    if data is None or needed is None or any((data / name).exists() for name in _OF_CACHE):
        return
    if "physiogen data prepare" in needed:
        raise InputError(f"{data}: no signal cache; accepted: a folder written by 'physiogen data prepare'")
    if "physiogen data pairs" in needed:
        raise InputError(f"{data}: no finished cache of simulated pairs; accepted: {needed}")


def _check_start(init: str) -> None:
    """Refuse weights to start from that are nowhere, before torch is loaded; a recipe knows which words it takes."""
    if init in ("", *_STARTS) or Path(init).exists():
        return
    near = get_close_matches(init, _STARTS)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"init {init}: no such weights; {hint}accepted: default (the shipped ones), none, or a folder")


def _listed(name: str, recipe: Any, *, json: bool) -> str:
    """The settings of a recipe, as a table or as JSON."""
    from gen.training.explained import as_table, settings_of

    if not hasattr(recipe, "settings"):
        raise InputError(f"recipe {name} does not say what its settings are")
    rows = settings_of(recipe.settings())
    if json:
        return json_library.dumps([{"name": r.name, "default": r.default, "meaning": r.meaning} for r in rows])
    return as_table(rows) if rows else f"{name} has no settings"


def find_recipe(name: str) -> Callable[..., Mapping[str, Any]]:
    """The function behind a recipe's name.

    Raises:
        InputError: no such recipe; the known ones are listed.
    """
    try:
        found = registry.get("gen.recipes", name)
    except (registry.RegistryError, AttributeError) as error:
        known = ", ".join(registry.names("gen.recipes")) or "none"
        raise InputError(f"unknown recipe {name!r}; known: {known}") from error
    except ModuleNotFoundError as error:
        if error.name is not None and name.partition(":")[0].startswith(error.name):
            known = ", ".join(registry.names("gen.recipes")) or "none"
            raise InputError(f"unknown recipe {name!r}; known: {known}") from error
        raise
    if not callable(found):
        raise InputError(f"recipe {name!r} is a {type(found).__name__}; expected a function")
    return found


def format_result(result: Mapping[str, Any]) -> str:
    """Lines ``name  value`` in one column, with nested results dotted."""
    rows = list(_rows(result))
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _rows(result: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in result.items():
        if isinstance(value, Mapping):
            rows += _rows(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, f"{value:.6g}" if isinstance(value, float) else str(value)))
    return rows
