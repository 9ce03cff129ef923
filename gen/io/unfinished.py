"""Outputs of long runs: built beside their place, and gone on with after the run was killed.

    inputs = Inputs(files, ...)
    with unfinished("OUT", identity, publish=commit) as work:
        inputs.go_on(work.notes)                       # where the run before stopped
        for taken, record in enumerate(inputs, 1):
            ...                                        # written into work.folder
            work.note(inputs.note(taken))              # from here a later run goes on

What was written counts from the moment its note is there: a later run cuts off whatever came after, so that
it ends with the bytes of a run that was never disturbed.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

from gen.files import PARTIAL, discard, is_disk_full, makes_inside, one_line, remove
from gen.records import InputError

Resume = Literal["if-possible", "always", "never"]
#: Of an unfinished output; a record set that is being built has no other file of this name.
NOTES = f"{PARTIAL}notes.jsonl"


class Unfinished:
    """An output under construction.

    Attributes:
        folder: where it is built.
        notes: of the run that is gone on with, in order; empty at the start.
        kept: whether something is done that a later run can go on from.
        published: whether the output gets its place in the end.
    """

    def __init__(self, folder: Path, notes: list[dict[str, Any]], file: IO[str]) -> None:
        self.folder, self.notes, self._file = folder, notes, file
        self.kept, self.published = bool(notes), True

    @property
    def last(self) -> dict[str, Any]:
        """The last note; empty where there is none."""
        return self.notes[-1] if self.notes else {}

    def note(self, note: Mapping[str, Any]) -> None:
        """Say that everything up to here is done and on its way to the disk."""
        self._file.write(json.dumps(note) + "\n")
        self._file.flush()
        self.kept = True

    def drop(self) -> None:
        """Nothing came of it: at the end of the block nothing is published and nothing kept."""
        self.kept = self.published = False


@contextmanager
def unfinished(
    target: Path,
    identity: Mapping[str, Any],
    *,
    publish: Callable[[Path], None],
    resume: Resume = "if-possible",
) -> Iterator[Unfinished]:
    """Build an output in a folder beside ``target``, or go on with what a killed run left there.

    Bad input leaves nothing. An interruption, a full disk or a kill leaves what was noted, and the same call goes on.

    Args:
        target: of the output, a file or a folder.
        identity: JSON values that decide the output; where they differ, nothing is gone on with.
        publish: puts what was built in its place; called at the end of the block.
        resume: ``always``: refuse to start anew; ``never``: always do.

    Raises:
        InputError: nothing to go on with, or of other settings, with ``always``; another process is at work there.
    """
    wanted = json.loads(json.dumps(dict(identity)))
    folder = _place(target)
    notes = _found(target, folder, wanted, resume)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / NOTES).open("a" if notes else "w", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target}: cannot write ({error.strerror or one_line(error)})") from error
    with file:
        _lock(file, target)
        work = Unfinished(folder, notes, file)
        if notes:
            _remove_torn(folder)
            print(f"{target}: going on where an earlier run stopped", file=sys.stderr)
        else:
            file.write(json.dumps(wanted) + "\n")
            file.flush()
        try:
            yield work
        except BaseException as error:
            bad_input = isinstance(error, ValueError) and not isinstance(error.__cause__, OSError)
            if bad_input or not work.kept:
                discard(folder)
            if _is_full(error):
                what = "what is finished is kept" if work.kept else "nothing was finished yet"
                raise InputError(
                    f"{target}: disk full; {what}: free some space and run the same command again"
                ) from error
            raise
    if not work.published:
        discard(folder)
        return
    (folder / NOTES).unlink()
    try:
        publish(folder)
    finally:
        discard(folder)


def _is_full(error: BaseException) -> bool:
    """Whether a disk without room is behind an error."""
    return any(isinstance(each, OSError) and is_disk_full(each) for each in (error, error.__cause__))


def _place(target: Path) -> Path:
    """Beside the output; inside, where the output is a folder that cannot be renamed."""
    with suppress(OSError):
        if target.is_dir() and makes_inside(target):
            return target / f"{PARTIAL}unfinished"
    return target.parent / f".{target.name or target.resolve().name}{PARTIAL}unfinished"


def _found(target: Path, folder: Path, wanted: dict[str, Any], resume: Resume) -> list[dict[str, Any]]:
    """Notes of the run to go on with."""
    lines = _lines(folder / NOTES) if resume != "never" else []
    differing = sorted(key for key in {*wanted, *lines[0]} if lines[0].get(key) != wanted.get(key)) if lines else []
    if len(lines) > 1 and not differing:
        return _cut(folder / NOTES, lines)
    if resume == "always":
        fault = f"made with other {', '.join(differing)}" if differing else "nothing to go on with"
        raise InputError(f"{target}: {fault}; accepted: an unfinished run of the same command (--resume if-possible)")
    if len(lines) > 1:
        print(f"{target}: an unfinished run had other {', '.join(differing)}: starting anew", file=sys.stderr)
    if folder.exists():
        with suppress(FileNotFoundError), (folder / NOTES).open("a", encoding="utf-8") as file:
            _lock(file, target)  # not from under the hands of a process that writes there
        discard(folder)
    return []


def _lines(path: Path) -> list[dict[str, Any]]:
    """Notes that were written whole, the identity first."""
    found: list[dict[str, Any]] = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            found.append(json.loads(line))
    except (OSError, ValueError):
        pass  # none, or the last one is torn
    return found


def _cut(path: Path, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write the notes again without a torn last one."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return lines[1:]


def _remove_torn(folder: Path) -> None:
    """What a killed process was just making inside."""
    for item in folder.rglob(f"*{PARTIAL}*"):
        if item.name != NOTES:
            remove(item)


def _lock(file: IO[str], target: Path) -> None:
    """One writer at a time; the lock goes with the process. Where the system has none, nobody is kept out."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(f"{target}: another process is writing it; accepted: one at a time") from error
    except OSError:
        return  # a file system without locks


def digest_of(files: Sequence[Path]) -> str:
    """SHA-256 of names, sizes and times of files, signals beside headers too: tells whether inputs are as they were."""
    digest = hashlib.sha256()
    for file in files:
        for path in dict.fromkeys((file, file.with_suffix(".dat"))):
            with suppress(OSError):
                facts = path.stat()
                digest.update(f"{path}\t{facts.st_size}\t{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()
