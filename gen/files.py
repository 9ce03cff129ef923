"""Files that appear whole or not at all: written under a temporary name beside the target, then renamed. JSON, too."""

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gen.errors import InputError

#: What marks the name of anything unfinished; the process and the target's own name (with its suffix) follow.
PARTIAL = ".partial-"


@contextmanager
def replacing(path: str | Path, *, durable: bool = False) -> Iterator[Path]:
    """A path beside ``path`` for a file or a folder; what stands there takes its place when the block ends well.

    Otherwise it vanishes, and what was at ``path`` stays. The temporary name ends like the target's, so that writers
    which go by the suffix do the same.

    Args:
        path: the target; its folder must be there.
        durable: force the bytes to the disk before the target gets its name, for what must survive a power cut.

    Raises:
        OSError: the file system does not let it.
    """
    path = Path(path)
    temporary = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
    remove(temporary)
    previous = _previous(path)
    try:
        yield temporary
        if durable:
            _to_disk(temporary)
        if temporary.is_dir():
            if path.exists():
                path.rename(previous)
            temporary.rename(path)
        else:
            temporary.replace(path)
    except BaseException:
        remove(temporary)
        if previous.exists() and not path.exists():
            previous.rename(path)
        raise
    remove(previous)


@contextmanager
def replace_folder(folder: str | Path, *, durable: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that takes its place when the block ends well, and vanishes otherwise.

    Raises:
        InputError: the folder cannot be made.
    """
    folder = Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        recover_folder(folder)
        with replacing(folder, durable=durable) as temporary:
            temporary.mkdir()
            yield temporary
    except OSError as error:
        if error.filename is not None and not _lies_beside(Path(error.filename), folder):
            raise  # of a file that was read, not of this folder
        raise InputError(f"{folder}: cannot be written ({error.strerror or one_line(error)})") from error


def _lies_beside(path: Path, folder: Path) -> bool:
    return folder.absolute().parent.is_relative_to(path.absolute()) or path.absolute().is_relative_to(
        folder.absolute().parent
    )


def recover_folder(folder: Path) -> None:
    """Put right what a process killed inside `replace_folder` left: bring the old folder back, drop the unfinished."""
    previous = _previous(folder)
    if previous.exists():
        if folder.exists():
            shutil.rmtree(previous)
        else:
            previous.rename(folder)
    remove_left_over(folder)


def remove_left_over(path: Path) -> None:
    """Remove what killed processes left of writing ``path``; what another living process is writing stays."""
    for unfinished in path.parent.glob(f"{PARTIAL}*-{glob.escape(path.name)}"):
        process = unfinished.name[len(PARTIAL) : -len(path.name) - 1]
        if process.isdigit() and not _runs_elsewhere(int(process)):
            remove(unfinished)


def _runs_elsewhere(process: int) -> bool:
    if process == os.getpid() or os.name == "nt":  # Windows has no way to ask without ending it
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def _previous(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _to_disk(path: Path) -> None:
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb+") as handle:
                os.fsync(handle.fileno())


def move(source: Path, target: Path) -> None:
    """Give a finished file or folder another place on the same file system, in one step; a file there is replaced."""
    source.replace(target)


def remove(path: Path) -> None:
    """Remove a file or a folder; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any, *, sort_keys: bool = False, durable: bool = False) -> None:
    """Write JSON, whole or not at all; numbers keep every bit."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=sort_keys) + "\n", durable=durable)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        InputError: the file is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object")
    return value


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a text in UTF-8, whole or not at all."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_atomically(path: Path, content: bytes) -> None:
    """Write bytes, whole or not at all; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def folder_digest(folder: Path) -> str:
    """SHA-256 of the names and sizes of all files below a folder: tells data sets apart without reading them.

    Raises:
        InputError: no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\t{path.stat().st_size}\n".encode())
    return digest.hexdigest()


def is_disk_full(error: OSError) -> bool:
    """Whether there is no room left, on the disk or in a quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def one_line(error: BaseException) -> str:
    """An exception's message without line breaks, at most 200 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return printable(text if len(text) <= 200 else text[:197] + "...")


def printable(text: object) -> str:
    """Text out of a file made safe for a one-line message: control characters become ``?``, 200 characters."""
    return "".join(char if char.isprintable() else "?" for char in str(text))[:200]


def check_output(path: Path, *, overwrite: bool, mark: str = "metadata.csv") -> None:
    """Refuse to write where something is already.

    A folder is only ever replaced when it is one of ours, which holds the file ``mark`` (that of a record set where not
    given): a mistyped path must not cost anybody their files.

    Raises:
        InputError: the output exists and ``overwrite`` is off, or it is a folder of something else.
    """
    if not path.exists() or (path.is_dir() and not _contents(path)):
        return
    if not overwrite:
        raise InputError(f"{path}: exists; use --overwrite")
    if not path.is_dir():
        raise InputError(f"{path}: is a file; accepted: a folder")
    if not (path / mark).is_file():
        kind = "record set" if mark == "metadata.csv" else "earlier output of this command"
        raise InputError(f"{path}: exists and is no {kind} (no {mark}); will not replace it")


def refuse_foreign(folder: Path, ours: Iterable[str], kind: str) -> None:
    """Refuse to replace what is none of ours: a folder that holds something and none of these names.

    Raises:
        InputError: so it is.
    """
    if folder.is_dir() and _contents(folder) and not any((folder / name).exists() for name in ours):
        raise InputError(f"{folder}: holds files and no {kind}; will not replace it; accepted: another folder")


def _contents(folder: Path) -> list[Path]:
    """What is in a folder, apart from unfinished outputs and what a file system keeps for itself."""
    return [item for item in folder.iterdir() if not item.name.startswith(PARTIAL) and item.name != "lost+found"]


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
        inside = path.is_dir() and makes_inside(path)
        for attempt in range(1000):
            name = f"{PARTIAL}{os.getpid()}-{attempt}"
            temporary = path / name if inside else path.parent / f".{path.name}{name}"
            try:
                temporary.mkdir()
            except FileExistsError:
                continue
            return temporary
    raise InputError(f"{path}: cannot make a temporary folder beside it")


def makes_inside(folder: Path) -> bool:
    """Whether what takes a folder's place has to be made inside it: a mounted one, the current one, no room beside."""
    return os.path.ismount(folder) or os.path.samefile(folder, os.curdir) or not os.access(folder.parent, os.W_OK)


def commit_file(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Give a finished file its name, in another folder too.

    Raises:
        InputError: something is there and ``overwrite`` is off, or it cannot be written.
    """
    check_file(path, overwrite=overwrite)
    with _errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.replace(path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with replacing(path) as beside:  # another file system
                shutil.copyfile(temporary, beside)


def check_file(path: Path, *, overwrite: bool) -> None:
    """Refuse to write a file where something is already.

    Raises:
        InputError: it is there and ``overwrite`` is off, or it is a folder.
    """
    if path.is_dir() or (path.exists() and not overwrite):
        raise InputError(f"{path}: exists; use --overwrite" if not path.is_dir() else f"{path}: is a folder")


def commit_folder(temporary: Path, path: Path, *, overwrite: bool, mark: str = "metadata.csv") -> None:
    """Give a finished folder its name; an old one is kept until the new one is in place. See `check_output`."""
    check_output(path, overwrite=overwrite, mark=mark)  # again: somebody else may have finished first
    if temporary.parent == path:
        _move_up(temporary, path, mark)
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


def _move_up(temporary: Path, path: Path, mark: str) -> None:
    """Replace a folder's contents by those of a temporary folder inside it, the mark last."""
    with _errors(path):
        new = sorted(temporary.iterdir(), key=lambda item: item.name == mark)
        old = temporary / f"{PARTIAL}old"
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
    check_file(path, overwrite=overwrite)
    temporary = begin(path)
    try:
        with _errors(path):
            yield temporary / path.name
            # The main file goes last: it exists only once its companions do.
            for file in sorted(temporary.iterdir(), key=lambda item: item.name == path.name):
                os.replace(file, path.parent / file.name)
    finally:
        discard(temporary)
