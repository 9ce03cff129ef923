"""``physiogen pack``: a checkpoint, or a pipeline's folder of checkpoints, with weights small enough to ship."""

import json as json_library
from pathlib import Path
from typing import Annotated, Literal

import typer

from gen.errors import InputError


def pack(
    source: Annotated[Path, typer.Argument(help="Checkpoint folder, or one that has several.")],
    target: Annotated[Path, typer.Argument(help="Where to.")],
    dtype: Annotated[Literal["fp32", "bf16", "fp16", "int8"], typer.Option(help="Storage of the weights.")] = "int8",
    card: Annotated[
        list[str] | None, typer.Option(metavar="KEY=JSON", help="Entry for the model cards; may be repeated.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in TARGET.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Copy a checkpoint with its weights in another storage type.

    Example: physiogen pack RUN/pipeline WEIGHTS --dtype int8
    """
    entries = _entries(card or [])
    if not source.exists():
        raise InputError(f"{source}: no such folder; accepted: a checkpoint, or a folder that has several")
    if target.exists() and not overwrite:
        raise InputError(f"{target}: exists; use --overwrite")
    from gen.pack import pack as write

    size = write(source, target, dtype, entries)
    if json:
        typer.echo(json_library.dumps({"out": str(target), "bytes": size}))
    else:
        typer.echo(f"{target}: {size / 2**20:.1f} MB")


def _entries(texts: list[str]) -> dict[str, object]:
    out: dict[str, object] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        try:
            out[key] = json_library.loads(value)
        except ValueError as error:
            raise InputError(f"--card {text}: not KEY=JSON ({error}); accepted: such as --card step=3") from error
        if not sign or not key:
            raise InputError(f"--card {text}: accepted: KEY=JSON")
    return out
