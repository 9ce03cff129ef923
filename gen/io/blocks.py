"""Many files as one stream of records with names of their own, cut into blocks that are worked on together."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gen.files import printable
from gen.io.formats import SHARD_SUFFIXES
from gen.io.sets import NotCsv, read_set
from gen.leads import LeadError
from gen.records import EcgRecord, InputError

#: Recordings longer than this are worked on hour by hour.
LONG_S = 1.5 * 3600
HOUR_S = 3600.0
_REST_S = 60.0
_MAY_BE_CSV = (".csv", ".tsv", ".txt")


class Inputs:
    """Every record of every file, one at a time, and the place in them that a later run starts from.

    Files of one name in several folders give ``name``, ``name_2`` and so on; ``metadata["source_file"]`` says which is
    which. A file that cannot be read does not stop the others. What was left out or assumed is told on stderr, each
    text once.

    Args:
        files: as `gen.io.expand_inputs` gives them; a shard holds several records.
        bad: gets one line for every file that could not be read.
        fs_hz, unit: of files that do not state them.
        leads: leads wanted; where a file has some of them, its other channels are not read, and a single file has to
            have them all. They name the ECG channels of a file that names no lead. None for every lead there is.
        columns: what the columns of CSV files are, see `gen.io.read`.
        hours: give recordings of hours as `in_hours` does.
    """

    def __init__(
        self,
        files: Sequence[Path],
        bad: list[str],
        *,
        fs_hz: float | None = None,
        unit: str | None = None,
        leads: Sequence[str] | None = None,
        columns: Sequence[str] | str | None = None,
        hours: bool = False,
        quiet: bool = False,
    ) -> None:
        self.files, self.bad = files, bad
        self._quiet = quiet  # what is left out or assumed is told by a later look at the same files
        self._given = {"fs_hz": fs_hz, "unit": unit, "leads": leads, "columns": columns}
        self._hours = hours
        self._start = self._at = (0, 0)  # file, records of it that are done
        self._names: set[str] = set()
        self._log: list[tuple[int, str]] = []  # file and name of every record given since the last note
        self._noted = self._noted_bad = 0

    def __iter__(self) -> Iterator[EcgRecord]:
        told: set[str] = set()
        for index in range(self._start[0], len(self.files)):
            skip = self._start[1] if index == self._start[0] else 0
            try:
                for record in self._read(index, told):
                    if skip:
                        skip -= 1
                        continue
                    yield record
            except NotCsv as error:  # as many more are, one line says all
                others = sum(file.suffix.lower() not in _MAY_BE_CSV for file in self.files) - 1
                if self.files[index].suffix.lower() in _MAY_BE_CSV or not any(
                    NotCsv.WORDS in line for line in self.bad
                ):
                    more = f", and {others} further files are no CSV" if others > 0 else ""
                    self.bad.append(f"{error}{more}")
            except (InputError, LeadError) as error:
                if str(error) not in self.bad:  # a run that is gone on with may have met it
                    self.bad.append(str(error))

    def _read(self, index: int, told: set[str]) -> Iterator[EcgRecord]:
        file = self.files[index]
        passed = self._start[1] if index == self._start[0] else 0
        number = 0
        # Of many files some lack a lead that is wanted; of a single one it was asked for.
        prefer = len(self.files) > 1 or file.suffix.lower() in SHARD_SUFFIXES
        for record in read_set(file, prefer=prefer, **self._given):  # type: ignore[arg-type]
            name, copy = record.record_id, 2
            while name in self._names:
                name, copy = f"{record.record_id}_{copy}", copy + 1
            self._names.add(name)
            if not self._quiet:
                _tell(file, record, told)
            named = replace(record, record_id=name, metadata={**record.metadata, "source_file": str(file)})
            for part in in_hours([named]) if self._hours else [named]:
                number += 1
                if number > passed:
                    self._log.append((index, name))
                yield part

    def note(self, taken: int) -> dict[str, Any]:
        """What a later run needs to go on behind the first ``taken`` records that this iteration gave.

        Names and bad files are those since the last note.
        """
        new, self._log = self._log[: taken - self._noted], self._log[taken - self._noted :]
        for file, _ in new:
            self._at = (file, self._at[1] + 1 if file == self._at[0] else 1)
        bad = self.bad[self._noted_bad :]
        self._noted, self._noted_bad = taken, len(self.bad)
        return {"at": list(self._at), "names": list(dict.fromkeys(new)), "bad": bad}

    def go_on(self, notes: Sequence[Mapping[str, Any]]) -> None:
        """Start behind what these notes say is done; before the iteration."""
        if not notes:
            return
        index, done = notes[-1]["at"]
        self._start = self._at = (index, done)
        for note in notes:
            self._names.update(name for file, name in note["names"] if file < index)
            self.bad += [line for line in note["bad"] if line not in self.bad]
        self._noted_bad = len(self.bad)


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


def in_record_blocks(
    records: Iterable[EcgRecord], size: int, *, most_s: float | None = None
) -> Iterator[list[EcgRecord]]:
    """Blocks of records in order; one that is longer than ``most_s`` stands alone, so that memory holds one of them.

    Args:
        records: any.
        size: records of a block.
        most_s: seconds of a block; `LONG_S` of a single record where not given, and then the sum does not count.
    """
    block: list[EcgRecord] = []
    seconds = 0.0
    for record in records:
        seconds += record.duration_s
        alone = is_long(record) if most_s is None else record.duration_s > most_s
        full = most_s is not None and seconds > most_s
        if block and (len(block) == size or alone or full):
            yield block
            block, seconds = [], record.duration_s
        block.append(record)
        if alone:
            yield block
            block, seconds = [], 0.0
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
