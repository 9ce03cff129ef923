"""Runs command lines for the page: some at a time, each in a process of its own, in the order they came.

    job = workshop.order(["synthesize", "--text", "AF", "--out", "OUT"], folder)
    await job.ended.wait()
    job.status, job.lines()

A job can be ended at any moment, waiting or running; nothing of it is kept by this module. All methods belong to the
event loop that `Workshop.open` was called in.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from gen.engines.machine import forks

#: Bytes of a job's output that are looked at.
_MOST_BYTES = 200_000
#: What the interpreter is told to start the forge with.
MODULE = ["-m", "gen.web.forge"]
FAULT = "physiogen: this is a fault of the program, not of the input"


@dataclass(eq=False)
class Job:
    """One command line.

    Attributes:
        argv: words after ``physiogen``.
        folder: where it runs; its output goes to ``LOG`` beside it.
        status: as a shell reports it; None until it has ended.
        cancelled: somebody has ended it.
        ended: set when it has ended.
    """

    argv: Sequence[str]
    folder: Path
    number: int
    status: int | None = None
    cancelled: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    process: int | None = None
    forge: "asyncio.subprocess.Process | None" = None

    @property
    def log(self) -> Path:
        """Folder of what it prints."""
        return self.folder.parent / "LOG"

    def files(self) -> dict[str, str]:
        """Where its output goes."""
        return {name: str(self.log / f"{self.number}.{name}") for name in ("out", "err", "progress")}

    def lines(self, name: str = "err") -> list[str]:
        """Lines of ``out``, ``err`` or ``progress`` so far."""
        try:
            data = Path(self.files()[name]).read_bytes()[-_MOST_BYTES:]
        except OSError:
            return []
        return [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]

    def fault(self) -> str | None:
        """The one line that says why it failed; None where it did not."""
        if self.status == 0:
            return None
        if self.cancelled:
            return "physiogen: cancelled"
        if self.status is not None and self.status < 0:
            name = signal.Signals(-self.status).name
            return f"physiogen: the command was ended by {name}; memory may have run out"
        if self.status == 2:
            said = [line for line in self.lines() if line.startswith("physiogen: ")]
            return said[-1] if said else FAULT
        return FAULT


class Workshop:
    """Jobs in order.

    Args:
        at_once: jobs that run at the same time.
        folder: where the forge keeps what it needs.
    """

    def __init__(self, at_once: int, folder: Path) -> None:
        self.at_once, self.folder = at_once, folder
        self._numbers = count(1)
        self._waiting: list[Job] = []
        self._running: dict[int, Job] = {}
        self._forge: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.warm = asyncio.Event()

    async def open(self) -> None:
        """Start to load what commands need; returns at once."""
        if forks():
            await self._forged()
        else:
            self.warm.set()

    async def close(self) -> None:
        """End everything."""
        for job in [*self._waiting, *self._running.values()]:
            self.cancel(job)
        if self._forge is not None and self._forge.returncode is None:
            self._forge.kill()
            await self._forge.wait()

    def order(self, argv: Sequence[str], folder: Path) -> Job:
        """Line up a command line; it runs in ``folder``, which exists."""
        job = Job(list(argv), folder, next(self._numbers))
        job.log.mkdir(exist_ok=True)
        self._waiting.append(job)
        self._next()
        return job

    def ahead(self, job: Job) -> int:
        """Jobs that come before this one; 0 where it runs."""
        return self._waiting.index(job) + 1 if job in self._waiting else 0

    def cancel(self, job: Job) -> None:
        """End a job, waiting or running."""
        if job.status is not None:
            return
        job.cancelled = True
        if job in self._waiting:
            self._waiting.remove(job)
            self._end(job, -signal.SIGKILL)
        elif job.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.process, signal.SIGKILL)

    def _next(self) -> None:
        while self._waiting and len(self._running) < self.at_once:
            job = self._waiting.pop(0)
            self._running[job.number] = job
            task = asyncio.get_running_loop().create_task(self._run(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, job: Job) -> None:
        order = {"job": job.number, "argv": list(job.argv), "cwd": str(job.folder), "files": job.files()}
        if not forks():
            words = [sys.executable, *MODULE, json.dumps(order)]
            alone = await asyncio.create_subprocess_exec(*words, env=self._environment(), start_new_session=True)
            job.process = alone.pid
            self._end(job, await alone.wait())
            return
        try:
            forge = job.forge = await self._forged()
            assert forge.stdin is not None
            forge.stdin.write(json.dumps(order).encode() + b"\n")
            await forge.stdin.drain()
        except OSError:
            self._end(job, 1)

    async def _forged(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._forge is None or self._forge.returncode is not None:
                self._forge = await asyncio.create_subprocess_exec(
                    sys.executable, *MODULE, stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE, env=self._environment(), start_new_session=True,
                )  # fmt: skip
                task = asyncio.get_running_loop().create_task(self._listen(self._forge))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return self._forge

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TMPDIR": str(self.folder)}

    async def _listen(self, forge: asyncio.subprocess.Process) -> None:
        assert forge.stdout is not None
        while line := await forge.stdout.readline():
            said = json.loads(line)
            if said.get("warm"):
                self.warm.set()
                continue
            job = self._running.get(said["job"])
            if job is None:
                continue
            if "pid" in said:
                job.process = said["pid"]
                if job.cancelled:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(said["pid"], signal.SIGKILL)
            else:
                self._end(job, said["status"])
        await forge.wait()
        for job in [each for each in self._running.values() if each.forge is forge]:
            self._end(job, -signal.SIGKILL)  # it has taken its jobs with it; the next one starts another

    def _end(self, job: Job, status: int) -> None:
        job.status = status
        self._running.pop(job.number, None)
        job.ended.set()
        self._next()
