"""Data sets written in shards: whole shards or none, resumable, and the same bytes whoever makes them.

A set of n samples is cut into shards of `DataSet.per_shard` samples, and a shard into blocks that are generated
together. Which samples share a block depends on n alone, so a resumed or shared run computes just what an undisturbed
one does, in one process or on many machines: engines hand out the numbers of shards. Finished shards are never touched
again. While shards are missing, ``.parts`` holds what is known of the finished ones; ``metadata.csv``, which makes the
folder a record set, is written last.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen.engines import FAILED, BlocksFailed, Engine, Task, check_reach, hand_out
from gen.engines.failures import note_failures
from gen.engines.lock import only_driver
from gen.files import PARTIAL, remove, write_json
from gen.io.unfinished import Resume
from gen.records import InputError
from gen.synthesis.card import write_card
from gen.synthesis.data_set import FORMATS, DataSet
from gen.synthesis.shards import (
    PARTS,
    REFUSED,
    REFUSED_COLUMNS,
    SHARD_COLUMNS,
    TABLE,
    Generate,
    Shards,
    is_there,
    merged,
    part_of,
    write_rows,
    writing,
)  # fmt: skip

__all__ = ["FORMATS", "DataSet", "Outcome", "shards_of", "share_of", "synthesize"]
MANIFEST, SHARDS = "manifest.json", "shards.csv"


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        made: samples of this run.
        found: samples that were there already.
        complete: whether the whole set is there.
        refused: (name, reason) of samples that could not be made, as far as the set goes.
    """

    made: int
    found: int
    complete: bool
    refused: tuple[tuple[str, str], ...] = ()


def share_of(text: str | None, environment: Mapping[str, str] | None = None) -> tuple[int, int]:
    """Part of the shards this process makes, (number from 0, of how many).

    Args:
        text: such as 2/4, from 1/4 to 4/4; where None, ``RANK`` and ``WORLD_SIZE`` of ``accelerate launch`` or
            ``torchrun`` count.
        environment: of the process.

    Raises:
        InputError: not of this form, or out of range.
    """
    environment = os.environ if environment is None else environment
    if text is None:
        rank, size = environment.get("RANK", ""), environment.get("WORLD_SIZE", "")
        return (int(rank), int(size)) if rank.isdigit() and size.isdigit() and int(size) > 0 else (0, 1)
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise InputError(f"--shard {text}: expected i/n with i from 1 to n, such as 1/4")
    return part - 1, parts


def synthesize(
    data: DataSet,
    generate: Generate,
    out: str | Path,
    *,
    share: tuple[int, int] = (0, 1),
    overwrite: bool = False,
    resume: Resume = "if-possible",
    merge: bool = False,
    engine: Engine | None = None,
    task: Task | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Make a data set, or go on with one; the same call finishes what a killed run left.

    Args:
        data: what is to be made.
        generate: the generator, called with one block of requests at a time.
        out: the set's folder.
        share: of the shards, see `share_of`; the process that finishes last writes the table.
        overwrite: start anew where another set is.
        resume: ``never``: start anew where an unfinished set is; ``always``: refuse to start anew.
        merge: make nothing: write the table once all shards are there.
        engine: who makes the shards; processes of this machine by default.
        task: gives the same shards to processes elsewhere, see `shards_of`.
        progress: told how many of this call's samples are there, and of how many.

    Raises:
        InputError: the folder holds something else or a set of other settings, another run is at work there, or it
            cannot be written.
        BlocksFailed: some shards could not be made; they stand in ``failed.jsonl``, the others are finished.
    """
    out, engine = Path(out), engine or Engine()
    with writing(out):
        _check(data, out, overwrite, resume, merge)
        check_reach(engine)
        out.mkdir(parents=True, exist_ok=True)
        with only_driver(out, share):
            _begin(data, out, anew=resume == "never")
            tell = progress or (lambda done, total: None)
            return _run(data, generate, out, share, merge, engine, task, tell)


def _run(
    data: DataSet,
    generate: Generate,
    out: Path,
    share: tuple[int, int],
    merge: bool,
    engine: Engine,
    task: Task | None,
    progress: Callable[[int, int], None],
) -> Outcome:
    mine = range(share[0], data.shards, share[1])
    complete = (out / TABLE).is_file()
    missing = [] if complete else [k for k in mine if not is_there(data, out, k)]
    if merge and missing:
        raise InputError(
            f"{out}: {len(missing)} of {data.shards} shards are missing ({data.file(missing[0])}, ...); "
            "accepted: --merge once all parts are made"
        )
    total, wanted = sum(len(data.shard(k)) for k in mine), sum(len(data.shard(k)) for k in missing)
    found = total - wanted
    done = dict.fromkeys(missing, 0)
    progress(found, total)

    def heard(number: int, samples: int | None) -> None:
        # A shard that is begun again does not take the count back.
        done[number] = max(done[number], len(data.shard(number)) if samples is None else samples)
        progress(found + sum(done.values()), total)

    failed = hand_out(engine, missing, make=Shards(data, generate, out), place=out / PARTS, task=task, heard=heard)
    note_failures(out, [(each, {"file": data.file(each.block)}) for each in failed])
    if failed:
        many = f"{len(failed)} of {data.shards} shards could not be made, see {out / FAILED}"
        raise BlocksFailed(f"{failed[0].reason} ({many}; the others are finished)", failed)
    complete = _finish(data, out)
    return Outcome(wanted, found, complete, _refused(data, out))


def shards_of(data: DataSet, generate: Generate, out: str | Path) -> Shards:
    """What makes the shards of a set that a driver has begun, for a `Task` on another machine.

    Raises:
        InputError: the folder is not that of this set, such as with other weights here than where it was begun.
    """
    out, wanted = Path(out), data.manifest()
    stored = _stored_manifest(out)
    if stored is None or stored.get("fingerprint") != wanted["fingerprint"]:
        found = "no set" if stored is None else f"a set of another {_differences(stored, wanted)}"
        raise InputError(f"{out}: {found} for this worker; accepted: one folder, weights and tables for all workers")
    return Shards(data, generate, out)


def check_place(out: Path, *, resume: Resume = "if-possible", merge: bool = False) -> None:
    """Refuse a folder for what is in it, whatever is to be made; see `synthesize`.

    Raises:
        InputError: it holds something else, or nothing where something has to be gone on with.
    """
    if _stored_manifest(out) is not None:
        return
    if out.exists() and (not out.is_dir() or any(not p.name.startswith(PARTIAL) for p in out.iterdir())):
        raise InputError(f"{out}: exists and is no data set made by 'physiogen synthesize'; will not write into it")
    if resume == "always" or merge:
        option = "--merge" if merge else "--resume always"
        raise InputError(f"{out}: nothing to go on with; accepted with {option}: a set that is begun")


def _check(data: DataSet, out: Path, overwrite: bool, resume: Resume, merge: bool) -> None:
    """Refuse what must not be written into, or gone on with."""
    check_place(out, resume=resume, merge=merge)
    stored, wanted = _stored_manifest(out), data.manifest()
    if stored is None or overwrite:
        return
    if _same(stored, wanted):
        if resume == "never" and (out / TABLE).is_file():
            raise InputError(f"{out}: holds the finished set; accepted with --resume never: --overwrite besides")
        return
    raise InputError(
        f"{out}: holds a data set made with other settings: {_differences(stored, wanted)}; "
        "it is not mixed with this one: choose another folder, or replace it with --overwrite"
    )


def _begin(data: DataSet, out: Path, *, anew: bool) -> None:
    """Write the manifest; what is there of the same set stays, unless it is to be made anew."""
    stored, wanted = _stored_manifest(out), data.manifest()
    if stored is not None and _same(stored, wanted) and not anew:
        return
    for item in out.iterdir():
        if not item.name.startswith(PARTIAL):
            remove(item)
    write_json(out / MANIFEST, wanted)


def _stored_manifest(out: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == "physiogen-synthesis" else None


def _same(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return not _differing(stored, wanted)


def _differing(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return [key for key in wanted if key not in ("software", "fingerprint") and stored.get(key) != wanted[key]]


def _differences(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    said = []
    for key in _differing(stored, wanted):
        plain = isinstance(wanted[key], int)
        said.append(f"{key} ({stored.get(key)} there, {wanted[key]} asked for)" if plain else key)
    return ", ".join(said)


def _refused(data: DataSet, out: Path) -> tuple[tuple[str, str], ...]:
    """Name and reason of the samples that could not be made."""
    whole = out / REFUSED
    parts = [whole] if whole.is_file() else _parts(data, out, REFUSED)
    return tuple((row["record_id"], row["reason"]) for row in merged(parts))


def _parts(data: DataSet, out: Path, ending: str) -> list[Path]:
    """Files of this ending of all shards that have one."""
    return [part for k in range(data.shards) if (part := part_of(out, k, ending)).is_file()]


def _finish(data: DataSet, out: Path) -> bool:
    """Write tables and data card once all shards are there; whether they are."""
    if (out / TABLE).is_file():
        return True
    shards, rows, refused = (_parts(data, out, ending) for ending in ("shard.csv", "csv", REFUSED))
    if min(len(shards), len(rows)) < data.shards:
        return False
    try:
        given_up = [int(row["tries"]) for row in merged(refused)]
        write_card(out, data.manifest(), data.requests.about, dict(data.card or {}), merged(rows), given_up)
        if refused:
            write_rows(out / REFUSED, merged(refused), REFUSED_COLUMNS)
        write_rows(out / SHARDS, merged(shards), SHARD_COLUMNS)
        write_rows(out / TABLE, merged(rows), data.columns)
    except FileNotFoundError:
        if not (out / TABLE).is_file():  # else another process was faster, and has removed the parts
            raise
    remove(out / PARTS)
    for left_over in out.glob(f"{PARTIAL}*"):
        remove(left_over)
    return True
