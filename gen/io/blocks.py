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

#: Recordings longer than this are worked on hour by hour.
LONG_S = 1.5 * 3600
HOUR_S = 3600.0
_REST_S = 60.0


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


def in_record_blocks(records: Iterable[EcgRecord], size: int) -> Iterator[list[EcgRecord]]:
    """Blocks of records in order; one that is longer than `LONG_S` stands alone, so that memory holds one of them."""
    block: list[EcgRecord] = []
    for record in records:
        if block and (len(block) == size or is_long(record)):
            yield block
            block = []
        block.append(record)
        if is_long(record):
            yield block
            block = []
    if block:
        yield block


def is_long(record: EcgRecord) -> bool:
    """Whether a recording is worked on hour by hour."""
    return record.duration_s > LONG_S


def in_hours(records: Iterable[EcgRecord]) -> Iterator[EcgRecord]:
    """Recordings longer than `LONG_S` as one record an hour, ``NAME_h00`` and so on; others as they are.

    ``metadata["start_s"]`` says where the hour begins; a rest of less than a minute belongs to the hour before.
    """
    for record in records:
        if not is_long(record):
            yield record
            continue
        step, last = round(HOUR_S * record.fs_hz), round(_REST_S * record.fs_hz)
        starts = [start for start in range(0, record.num_samples, step) if record.num_samples - start >= last]
        for number, start in enumerate(starts):
            end = record.num_samples if start == starts[-1] else start + step
            facts = {**record.metadata, "start_s": start / record.fs_hz, "part_of": record.record_id}
            name = f"{record.record_id}_h{number:02d}"
            yield replace(record, signal_mv=record.signal_mv[:, start:end], record_id=name, metadata=facts)


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
