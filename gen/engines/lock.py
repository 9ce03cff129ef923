"""One driver at a time on a folder; parts of one job, each with its share, beside each other."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gen.files import PARTIAL
from gen.records import InputError

_NAME = f"{PARTIAL}driver"
#: Of this process; a forked one must not keep them when this one is gone.
_held: set[int] = set()


def _leave_to_parent() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


@contextmanager
def only_driver(folder: Path, share: tuple[int, int] = (0, 1)) -> Iterator[None]:
    """Keep other drivers away from a folder that is there; the lock goes with the process.

    Where the file system has no locks, nobody is kept out.

    Args:
        folder: of the job.
        share: part of it, (number from 0, of how many); different parts may be at work at once.

    Raises:
        InputError: another process is at work on it, or on this share of it.
    """
    part, parts = share
    taken: list[tuple[int, Path]] = []
    try:
        taken.append((_locked(folder, folder / _NAME, alone=parts == 1), folder / _NAME))
        if parts > 1:
            own = folder / f"{_NAME}-{part + 1}-of-{parts}"
            taken.append((_locked(folder, own, alone=True), own))
        yield
    finally:
        for descriptor, path in reversed(taken):
            _release(descriptor, path)


def _locked(folder: Path, path: Path, *, alone: bool) -> int:
    """Descriptor of a lock file that is locked."""
    try:
        import fcntl
    except ImportError:
        fcntl = None  # type: ignore[assignment]
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        _held.add(descriptor)
        if fcntl is None:
            return descriptor
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.read(descriptor, 200).decode(errors="replace").strip() or "of parts of it"
            _close(descriptor)
            raise InputError(
                f"{folder}: another run is at work there ({who}); accepted: one at a time, or parts with --shard i/n"
            ) from None  # no trouble with writing
        except OSError:
            return descriptor  # a file system without locks
        with suppress(OSError):
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                if alone:
                    os.truncate(descriptor, 0)
                    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor
        _close(descriptor)  # of a file that the one before has just removed


def _release(descriptor: int, path: Path) -> None:
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the last one removes it
        path.unlink(missing_ok=True)
    _close(descriptor)


def _close(descriptor: int) -> None:
    _held.discard(descriptor)
    os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for whoever is inside such a block with the same file; the file stays."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
