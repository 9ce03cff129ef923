"""Many files as one stream of records with names of their own, cut into blocks that are worked on together."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from gen.io.sets import read_set
from gen.leads import LeadError
from gen.records import EcgRecord, InputError

Item = TypeVar("Item")


def read_files(
    files: Sequence[Path], bad: list[str], *, fs_hz: float | None = None, unit: str | None = None
) -> Iterator[EcgRecord]:
    """Every record of every file, one at a time.

    Files of one name in several folders give ``name``, ``name_2`` and so on; ``metadata["source_file"]`` says which is
    which. A file that cannot be read does not stop the others.

    Args:
        files: as `gen.io.expand_inputs` gives them; a shard holds several records.
        bad: gets one line for every file that could not be read.
        fs_hz, unit: of files that do not state them.
    """
    names: set[str] = set()
    for file in files:
        try:
            for record in read_set(file, fs_hz=fs_hz, unit=unit):
                name, number = record.record_id, 2
                while name in names:
                    name, number = f"{record.record_id}_{number}", number + 1
                names.add(name)
                yield replace(record, record_id=name, metadata={**record.metadata, "source_file": str(file)})
        except (InputError, LeadError) as error:
            bad.append(str(error))


def in_blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of ``size`` items in order, the last one perhaps shorter."""
    block: list[Item] = []
    for item in items:
        block.append(item)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block
