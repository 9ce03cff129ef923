"""Files that appear whole or not at all: written under a temporary name beside the target, then renamed. JSON, too."""

import glob
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gen.records import InputError


@contextmanager
def replace_folder(folder: str | Path) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that takes its place when the block ends well, and vanishes otherwise."""
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        recover_folder(folder)
        temporary.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from error
    previous = folder.with_name(f".{folder.name}.old")
    try:
        yield temporary
        if folder.exists():
            folder.rename(previous)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if previous.exists() and not folder.exists():
            previous.rename(folder)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Put right what a process killed inside `replace_folder` left: bring the old folder back, drop the unfinished."""
    previous = folder.with_name(f".{folder.name}.old")
    if previous.exists():
        if folder.exists():
            shutil.rmtree(previous)
        else:
            previous.rename(folder)
    for unfinished in folder.parent.glob(f".{glob.escape(folder.name)}.*.tmp"):
        shutil.rmtree(unfinished)


def write_json(path: Path, value: Any) -> None:
    """Write JSON under a temporary name, then rename; numbers keep every bit."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        InputError: the file is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object")
    return value


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: a temporary name in the same folder, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def one_line(error: BaseException) -> str:
    """An exception's message without line breaks, at most 200 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return printable(text if len(text) <= 200 else text[:197] + "...")


def printable(text: object) -> str:
    """Text out of a file made safe for a one-line message: control characters become ``?``, 200 characters."""
    return "".join(char if char.isprintable() else "?" for char in str(text))[:200]


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse to write where something is already.

    A folder is only ever replaced when it is a record set: a mistyped path must not cost anybody their files.

    Raises:
        InputError: the output exists and ``overwrite`` is off, or it is a folder that holds no record set.
    """
    if not path.exists() or (path.is_dir() and not _contents(path)):
        return
    if not overwrite:
        raise InputError(f"{path}: exists; use --overwrite")
    if path.is_dir() and not (path / "metadata.csv").is_file():
        raise InputError(f"{path}: exists and is no record set (no metadata.csv); will not replace it")


def _contents(folder: Path) -> list[Path]:
    """What is in a folder, apart from unfinished outputs and what a file system keeps for itself."""
    return [item for item in folder.iterdir() if not item.name.startswith(".partial-") and item.name != "lost+found"]


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror or one_line(error)})") from error


def begin(path: Path) -> Path:
    """A fresh temporary folder beside ``path``, on the same file system so that renaming is one step.

    A mounted folder (a container's volume) or the current one cannot be replaced: there it lies inside.
    """
    with _errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        inside = path.is_dir() and (
            os.path.ismount(path) or os.path.samefile(path, os.curdir) or not os.access(path.parent, os.W_OK)
        )
        for attempt in range(1000):
            name = f".partial-{os.getpid()}-{attempt}"
            temporary = path / name if inside else path.parent / f".{path.name}{name}"
            try:
                temporary.mkdir()
            except FileExistsError:
                continue
            return temporary
    raise InputError(f"{path}: cannot make a temporary folder beside it")


def commit_folder(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Give a finished folder its name; an old record set is kept until the new one is in place."""
    check_output(path, overwrite=overwrite)  # again: somebody else may have finished first
    if temporary.parent == path:
        _move_up(temporary, path)
        return
    old = None
    with _errors(path):
        if path.exists() and _contents(path):
            old = begin(path) / "old"
            path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            if old is not None:
                old.rename(path)
            raise
        finally:
            if old is not None:
                shutil.rmtree(old.parent, ignore_errors=True)


def _move_up(temporary: Path, path: Path) -> None:
    """Replace a folder's contents by those of a temporary folder inside it, the table last."""
    with _errors(path):
        new = sorted(temporary.iterdir(), key=lambda item: item.name == "metadata.csv")
        old = temporary / ".partial-old"
        old.mkdir()
        for item in _contents(path):
            item.rename(old / item.name)
        for item in new:
            item.rename(path / item.name)
    discard(temporary)


def discard(temporary: Path) -> None:
    """Remove a temporary folder after a failure."""
    shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def atomic_files(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a path of the same name in a temporary folder; what is written there moves to ``path``'s folder at the end.

    Several files may be written (a header beside its signal); each replaces its namesake by a rename.

    Raises:
        InputError: the output exists and ``overwrite`` is off, or it cannot be written.
    """
    if path.is_dir() or (path.exists() and not overwrite):
        raise InputError(f"{path}: exists; use --overwrite" if not path.is_dir() else f"{path}: is a folder")
    temporary = begin(path)
    try:
        with _errors(path):
            yield temporary / path.name
            # The main file goes last: it exists only once its companions do.
            for file in sorted(temporary.iterdir(), key=lambda item: item.name == path.name):
                os.replace(file, path.parent / file.name)
    finally:
        discard(temporary)
