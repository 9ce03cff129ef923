"""Blocks that could not be made: ``failed.jsonl``, one line each, until a later run makes them."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from gen.records import InputError

FAILED = "failed.jsonl"


@dataclass(frozen=True)
class Failed:
    """A block that could not be made.

    Attributes:
        block: its number.
        tries: how often it was tried.
        reason: of the last try, in one line.
    """

    block: int
    tries: int
    reason: str


class BlocksFailed(InputError):
    """Some blocks could not be made; the others are finished. ``failed`` has them."""

    def __init__(self, message: str, failed: Sequence[Failed]) -> None:
        super().__init__(message)
        self.failed = tuple(failed)


def note_failures(folder: Path, failed: Sequence[tuple[Failed, Mapping[str, str]]]) -> None:
    """Write the list of failed blocks, each with facts, or remove it where there is none.

    A full disk takes nothing but the list.
    """
    path = folder / FAILED
    with suppress(OSError):
        if not failed:
            path.unlink(missing_ok=True)
            return
        lines = [json.dumps({**asdict(each), **facts}) for each, facts in failed]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
