"""Many files as one stream of records with names of their own, cut into blocks that are worked on together."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from gen.files import printable
from gen.io.sets import read_set
from gen.leads import LeadError
from gen.records import EcgRecord, InputError

Item = TypeVar("Item")


def read_files(
    files: Sequence[Path],
    bad: list[str],
    *,
    fs_hz: float | None = None,
    unit: str | None = None,
    leads: Sequence[str] | None = None,
    columns: Sequence[str] | str | None = None,
) -> Iterator[EcgRecord]:
    """Every record of every file, one at a time.

    Files of one name in several folders give ``name``, ``name_2`` and so on; ``metadata["source_file"]`` says which is
    which. A file that cannot be read does not stop the others.

    Args:
        files: as `gen.io.expand_inputs` gives them; a shard holds several records.
        bad: gets one line for every file that could not be read.
        fs_hz, unit: of files that do not state them.
        leads: leads wanted; where a file has some of them, its other channels are not read. They name the ECG channels
            of a file that names no lead. None for every lead there is.
        columns: what the columns of CSV files are, see `gen.io.read`.

    What was left out or assumed is told on stderr, each text once.
    """
    names: set[str] = set()
    told: set[str] = set()
    for file in files:
        try:
            for record in read_set(file, fs_hz=fs_hz, unit=unit, leads=leads, prefer=True, columns=columns):
                name, number = record.record_id, 2
                while name in names:
                    name, number = f"{record.record_id}_{number}", number + 1
                names.add(name)
                _tell(file, record, told)
                yield replace(record, record_id=name, metadata={**record.metadata, "source_file": str(file)})
        except (InputError, LeadError) as error:
            bad.append(str(error))


def _tell(file: Path, record: EcgRecord, told: set[str]) -> None:
    """Say on stderr what of a file was left out or assumed; what many files share is said for the first of them."""
    if record.synthetic:
        return  # a set of ours, whose source was told of when it was made
    metadata = record.metadata
    skipped = [str(name) for name in metadata.get("skipped_channels", [])]
    texts = [f"not read (no lead): {', '.join(skipped)}"] if skipped else []
    texts += [f"lead {lead} not read: {why}" for lead, why in dict(metadata.get("unreadable_leads", {})).items()]
    texts += [str(text) for text in metadata.get("assumed", [])]
    for text in texts:
        if text not in told:
            told.add(text)
            print(f"warning: {file}: {printable(text)}", file=sys.stderr)


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
