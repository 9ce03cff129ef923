"""A whole set, block by block: built beside its place by several processes, and gone on with after a kill.

    from metrics.multimodal.sets import export_set

    export_set("AF", "meeti")            # AF is a record set; the table lies in AF/meeti

What is made of a block depends on its records alone, so any number of processes, and a run that was killed and gone on
with, come to the same bytes.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from gen.engines import in_order
from gen.files import check_output, commit_folder
from gen.io.blocks import in_record_blocks
from gen.io.sets import count_set, read_set
from gen.io.unfinished import Resume, unfinished
from gen.io.webdataset import safe_name
from gen.records import EcgRecord
from metrics.multimodal import LAYOUT, MARK, WIDTH
from metrics.multimodal.making import Origin, SetSettings, join_items, make_block, readme

#: ECGs of a Parquet shard; of a process at a time.
PER_SHARD = 256


class Source(Protocol):
    """Records one after the other, and the place in them that a later run starts from; see `gen.io.blocks.Inputs`."""

    def __iter__(self) -> Iterator[EcgRecord]: ...

    def note(self, taken: int) -> dict[str, Any]:
        """What a later run needs to go on behind the first ``taken`` records."""

    def go_on(self, notes: Sequence[Mapping[str, Any]]) -> None:
        """Start behind what these notes say is done."""


class OfSet:
    """Records of a set on the disk, as its table and files say."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._done = folder, 0

    def __iter__(self) -> Iterator[EcgRecord]:
        return islice(read_set(self.folder), self._done, None)

    def note(self, taken: int) -> dict[str, Any]:
        """How many are done."""
        return {"done": self._done + taken}

    def go_on(self, notes: Sequence[Mapping[str, Any]]) -> None:
        """Pass over those that are done."""
        self._done = notes[-1]["done"] if notes else 0


@dataclass(frozen=True)
class Made:
    """What a run did: ECGs in the set, and a line for each that could not be."""

    count: int
    faults: tuple[str, ...]


def make_set(
    source: Source,
    out: Path,
    settings: SetSettings,
    *,
    identity: Mapping[str, Any],
    per_shard: int = PER_SHARD,
    origin: Origin | None = None,
    overwrite: bool = False,
    resume: Resume = "if-possible",
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Made:
    """Make a set of all records; where none can be used there is no set.

    Args:
        source: of the records; what it cannot read is its own business.
        out: folder of the set.
        settings: of the set.
        identity: JSON values that decide the output, see `gen.io.unfinished.unfinished`.
        per_shard: ECGs of a block.
        origin: for the card.
        overwrite: replace a set that is there.
        resume: see `gen.io.unfinished.unfinished`.
        workers: processes; as many as there are cores where None.
        progress: told how many ECGs are made.

    Raises:
        InputError: the set exists, cannot be written, or nothing can be gone on with.
    """

    def publish(folder: Path) -> None:
        commit_folder(folder, out, overwrite=overwrite, mark=MARK)

    check_output(out, overwrite=overwrite, mark=MARK)
    with unfinished(out, identity, publish=publish, resume=resume) as work:
        source.go_on(work.notes)
        count, synthetic, number = work.last.get("made", (0, 0, 0))
        stems = {stem for note in work.notes for stem in note["stems"]}
        faults = [line for note in work.notes for line in note["faults"]]
        waiting: deque[tuple[int, list[str], list[str]]] = deque()  # records taken, file names and faults of a block

        def blocks() -> Iterator[tuple[int, list[EcgRecord]]]:
            for k, block in enumerate(in_record_blocks(source, per_shard), number):
                own, names, twice = _apart(block, stems)
                waiting.append((len(block), names, twice))
                yield k, own

        def make(numbered: tuple[int, list[EcgRecord]]) -> tuple[int, int, list[str]]:
            made, bad = make_block(numbered[1], work.folder, numbered[0], settings)
            return len(made), sum(record.synthetic for record in made), bad

        taken = 0
        for (k, _), (made, software, bad) in in_order(make, blocks(), workers=workers):
            size, names, twice = waiting.popleft()
            count, synthetic, number, taken = count + made, synthetic + software, k + 1, taken + size
            faults += [*twice, *bad]
            note = {"made": [count, synthetic, number], "stems": names, "faults": [*twice, *bad]}
            work.note({**source.note(taken), **note})
            if progress is not None:
                progress(count)
        if count:
            if settings.form == "grounding":
                join_items(work.folder, number)
            (work.folder / MARK).write_text(readme(settings, count, synthetic, origin), encoding="utf-8")
        else:
            work.drop()
    return Made(count, tuple(faults))


def _apart(block: Sequence[EcgRecord], stems: set[str]) -> tuple[list[EcgRecord], list[str], list[str]]:
    """Records whose file names are free, these names, which are taken from now on, and a line for each other one."""
    own, names, faults = [], [], []
    for record in block:
        stem = safe_name(record.record_id)
        if stem in stems:
            faults.append(f"{record.record_id}: another record has this file name; accepted: each once")
            continue
        stems.add(stem)
        own.append(record)
        names.append(stem)
    return own, names, faults


def export_set(
    folder: str | Path,
    form: str,
    *,
    seed: int = 0,
    origin: Origin | None = None,
    anew: bool = False,
    resume: Resume = "if-possible",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Made | None:
    """Make a set of a record set's own records, in a folder of the form's name inside it; None where it is there.

    The values are measured on what the record set's files hold, whatever their format rounds.

    Args:
        folder: a record set.
        form: ``meeti`` or ``grounding``.
        seed: of the pictures' style and header.
        origin: for the card.
        anew: make it again where it is there.
        resume: see `gen.io.unfinished.unfinished`.
        workers: processes; as many as there are cores where None.
        progress: told how many ECGs are made, and of how many.

    Raises:
        InputError: it cannot be written.
    """
    from gen import __version__
    from metrics.measurement.delineation.delineator import shipped_digest

    folder = Path(folder)
    out, settings = folder / form, SetSettings(form, LAYOUT, WIDTH, seed)
    if (out / MARK).is_file() and not anew:
        return None
    identity = {
        "command": "export",
        "software": __version__,
        "weights": shipped_digest(),
        "settings": {**vars(settings), "per_shard": PER_SHARD},
    }
    tell, total = progress or (lambda done, many: None), count_set(folder)
    return make_set(
        OfSet(folder), out, settings, identity=identity, origin=origin, overwrite=anew, resume=resume, workers=workers,
        progress=lambda done: tell(done, total),
    )  # fmt: skip
