"""Options of bulk commands: who makes the blocks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gen.errors import InputError

if TYPE_CHECKING:
    from gen.engines import Engine as Engines

Engine = Annotated[str, typer.Option(help="Who makes the blocks: local, ray or slurm.")]
Workers = Annotated[int | None, typer.Option(help="Processes (actors, tasks); by the cores and the work by default.")]
Address = Annotated[
    str | None, typer.Option(help="With --engine ray: HOST:PORT of a cluster, or auto; one of this machine by default.")
]
Slurm = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="With --engine slurm: settings of submitit's jobs; may be repeated."),
]
BlockLimit = Annotated[
    float | None, typer.Option(help="Seconds that a block may take before it is given to another worker.")
]


def engine_of(
    name: str, workers: int | None, address: str | None, slurm: Sequence[str] | None, limit_s: float | None
) -> "Engines":
    """The engine that these options name.

    Raises:
        InputError: unknown, not installed, or options of another engine.
    """
    from gen.engines import Engine as Chosen

    if slurm and name != "slurm":
        raise InputError("--slurm belongs to --engine slurm")
    settings: dict[str, Any] = {}
    for text in slurm or ():
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"--slurm {text}: expected KEY=VALUE, such as timeout_min=240 or slurm_partition=cpu")
        settings[key] = int(value) if value.lstrip("-").isdigit() else value
    return Chosen(name, workers, limit_s, address=address, slurm=settings)
