"""Who is there: a visitor's files and results, apart from everybody else's, and gone when the visitor leaves.

A visitor is one open page. Results are reached by addresses that nobody can guess, and by nothing else.
"""

import asyncio
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gen.web.workshop import Job, Workshop

if TYPE_CHECKING:
    from gen.web.shown import Shown


@dataclass(eq=False)
class Work:
    """What a visitor had made in one room.

    Attributes:
        token: part of its addresses.
        folder: where its command runs.
        shown: what is shown of it, once it is there.
        job: its command, once it is lined up.
    """

    token: str
    folder: Path
    shown: "Shown | None" = None
    job: Job | None = None
    cancelled: bool = False

    @property
    def place(self) -> Path:
        """Everything of it."""
        return self.folder.parent


@dataclass(eq=False)
class Visitor:
    """One open page."""

    name: str
    folder: Path
    work: dict[str, Work] = field(default_factory=dict)
    uploads: set[Path] = field(default_factory=set)


class Visitors:
    """All who are there.

    Args:
        folder: for their files.
        workshop: that makes what they ask for.
    """

    def __init__(self, folder: Path, workshop: Workshop) -> None:
        self.folder, self.workshop = folder, workshop
        self._there: dict[str, Visitor] = {}
        self._work: dict[str, Work] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def visitor(self, name: str) -> Visitor:
        """The visitor of a session."""
        if name not in self._there:
            folder = self.folder / secrets.token_urlsafe(12)
            folder.mkdir(mode=0o700)
            self._there[name] = Visitor(name, folder)
        return self._there[name]

    def begin(self, visitor: Visitor, room: str) -> Work:
        """A place for new work in a room; what was there is removed."""
        self.drop(visitor, room)
        token = secrets.token_urlsafe(24)
        work = Work(token, visitor.folder / token / "WORK")
        work.folder.mkdir(parents=True, mode=0o700)
        visitor.work[room] = work
        self._work[token] = work
        return work

    def drop(self, visitor: Visitor, room: str) -> None:
        """End and remove what a visitor has in a room."""
        work = visitor.work.pop(room, None)
        if work is not None:
            self._remove(work)

    def find(self, token: str) -> Work | None:
        """Work by its token."""
        return self._work.get(token)

    def hold(self, visitor: Visitor, paths: Iterable[str]) -> None:
        """Note uploads, so that they go with their visitor."""
        visitor.uploads |= {Path(path) for path in paths}

    def leave(self, name: str) -> None:
        """Remove a visitor with all files; uploads that another visitor has too stay for that one."""
        visitor = self._there.pop(name, None)
        if visitor is None:
            return
        for work in visitor.work.values():
            self._remove(work)
        shutil.rmtree(visitor.folder, ignore_errors=True)
        others = {path for each in self._there.values() for path in each.uploads}
        for path in visitor.uploads - others:
            path.unlink(missing_ok=True)

    def _remove(self, work: Work) -> None:
        work.cancelled = True
        self._work.pop(work.token, None)
        if work.job is None or work.job.status is not None:
            shutil.rmtree(work.place, ignore_errors=True)
            return
        self.workshop.cancel(work.job)
        task = asyncio.get_running_loop().create_task(_remove_after(work.job, work.place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _remove_after(job: Job, place: Path) -> None:
    """Remove a folder when nobody writes into it any more."""
    await job.ended.wait()
    shutil.rmtree(place, ignore_errors=True)
