"""What commands on many files share at their end: the result on stdout, what failed on stderr, and the exit status."""

import json as json_library
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer


def say(line: str) -> None:
    """A line on stderr, whatever line breaks it holds."""
    typer.echo(" ".join(line.split()), err=True)


def counted(number: int, word: str) -> str:
    """``1 record``, ``2 records``."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def records_per_s(number: int, seconds: float) -> str:
    """``120 records/s``, ``0.31 records/s``: two digits of what is slow, for it is not 0."""
    rate = number / max(seconds, 1e-9)
    return f"{rate:.0f} records/s" if rate >= 10 else f"{rate:.2g} records/s"


def finish(
    lines: Iterable[str], facts: Mapping[str, Any], failed: Sequence[str] = (), *, json: bool, shown: int | None = None
) -> None:
    """Print a result and end the command.

    Args:
        lines: for people.
        facts: for machines; ``failed`` is added.
        failed: a line for each input that could not be used.
        json: print ``facts`` instead of ``lines``.
        shown: failed inputs that are listed; all by default.

    Raises:
        typer.Exit: status 2, if anything failed.
    """
    if json:
        typer.echo(json_library.dumps({**facts, "failed": list(failed)}))
    else:
        for line in lines:
            typer.echo(line)
    for line in failed[:shown]:
        say(f"physiogen: {line}")
    if shown is not None and len(failed) > shown:
        say(f"physiogen: {len(failed) - shown} further ones cannot be used")
    if failed:
        raise typer.Exit(2)
