"""Worker processes of this machine: each makes one thing at a time, and any of them may die at any moment.

What a worker was at when it died, or took too long over, is given to another. A process that ends takes its workers
with it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from gen.engines.machine import live_as_worker, one_thread
from gen.engines.task import Task, Tell
from gen.files import one_line
from gen.records import InputError

Serve = Callable[[Any, Tell], Any]
#: Seconds that a worker gets to put its things away.
_GRACE_S = 5.0


@dataclass(frozen=True)
class Told:
    """So much of an item is done."""

    index: int
    done: int


@dataclass(frozen=True)
class Result:
    """An item is finished; ``value`` is what was made of it."""

    index: int
    value: Any


@dataclass(frozen=True)
class Lost:
    """An item that was given up after some tries; ``trace`` is empty where no fault of the program is behind it."""

    index: int
    tries: int
    reason: str
    trace: str = ""


class Worker(Protocol):
    """A process at the other end of ``connection``."""

    connection: Connection

    def kill(self) -> None:
        """End it at once."""
        ...

    def stop(self) -> str:
        """End it, in good order if it can; how it ended, in words."""
        ...


class Forked:
    """A worker that shares the memory of the process that starts it."""

    def __init__(self, open_serve: Callable[[], Serve], others: Iterable[Worker]) -> None:
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        foreign = [self.connection, *(worker.connection for worker in others)]

        def body() -> None:
            for each in foreign:
                each.close()  # else nobody would notice that the other end is gone
            serve_all(Connection(theirs.detach()), open_serve)

        self._process = get_context("fork").Process(target=body, daemon=True)
        self._process.start()
        theirs.close()

    def kill(self) -> None:
        """See `Worker`."""
        self._process.kill()

    def stop(self) -> str:
        """See `Worker`."""
        self.connection.close()
        self._process.join(0.1)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(_GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        return _ending(self._process.exitcode)


class Started:
    """A worker that is a program of its own and loads what its task needs."""

    def __init__(self, task: Task) -> None:
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        words = [sys.executable, "-m", "gen.engines.worker", str(theirs.fileno()), task.target]
        with theirs:
            self._process = subprocess.Popen(
                [*words, json.dumps(dict(task.arguments))], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )

    def kill(self) -> None:
        """See `Worker`."""
        self._process.kill()

    def stop(self) -> str:
        """See `Worker`."""
        self.connection.close()
        for end in (lambda: None, self._process.terminate, self._process.kill):
            end()
            try:
                self._process.wait(0.1 if end is not self._process.terminate else _GRACE_S)
                break
            except subprocess.TimeoutExpired:
                continue
        return _ending(self._process.wait())


def _ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"the worker ended with status {code}"
    name = signal.Signals(-code).name
    return f"the worker was ended by {name}" + ("; memory may have run out" if name == "SIGKILL" else "")


def serve_all(connection: Connection, open_serve: Callable[[], Serve]) -> None:
    """The life of a worker: items in, results out, until nobody sends any more."""
    live_as_worker()
    try:
        serve = open_serve()
    except Exception as error:
        _send(connection, ("unable", _reason(error), _trace(error)))
        return
    one_thread()  # of libraries that were loaded only now
    _send(connection, ("ready",))
    while True:
        try:
            item = connection.recv()
        except (EOFError, OSError):
            return
        try:
            value = serve(item, lambda done: _send(connection, ("told", done)))
        except Exception as error:
            _send(connection, ("failed", _reason(error), _trace(error)))
        else:
            _send(connection, ("made", value))


def _send(connection: Connection, message: tuple[Any, ...]) -> None:
    try:
        connection.send(message)
    except (BrokenPipeError, ConnectionResetError):
        os._exit(1)  # nobody is there any more


def _reason(error: Exception) -> str:
    return one_line(error) if isinstance(error, InputError) else f"{type(error).__name__}: {one_line(error)}"


def _trace(error: Exception) -> str:
    return "" if isinstance(error, ValueError | OSError | MemoryError) else traceback.format_exc()


@dataclass
class _Seat:
    """A worker's place in the pool, and what it is at."""

    worker: Worker
    index: int | None = None
    since: float = 0.0
    ready: bool = False


class Pool:
    """Some workers, and items that go to whichever is free.

    Args:
        start: starts a worker; given those that are there.
        count: of workers, at most.
        limit_s: seconds an item may take; a worker that takes longer is ended.
        tries: how often an item is given out before it is `Lost`.
    """

    def __init__(
        self, start: Callable[[list[Worker]], Worker], count: int, *, limit_s: float | None = None, tries: int = 3
    ) -> None:
        self._start, self._count, self._limit_s, self._most = start, count, limit_s, tries
        self._seats: list[_Seat] = []
        self._unable = 0

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        seats, self._seats = self._seats, []
        for seat in seats:
            seat.worker.stop()

    def run(self, items: Iterable[Any], *, ahead: int | None = None) -> Iterator[Told | Result | Lost]:
        """Hand out items; what becomes of them as it happens, numbered from 0 in the order of ``items``.

        Args:
            items: taken one by one, when a worker is free.
            ahead: no item is taken that is more than so many behind the oldest unfinished one.
        """
        source = enumerate(items)
        waiting: deque[int] = deque()  # to be given out again
        held: dict[int, Any] = {}
        tried: dict[int, int] = {}
        more, next_index = True, 0
        while True:
            while (
                more
                and not waiting
                and self._free(len(held))
                and (ahead is None or next_index - min(held, default=next_index) < ahead)
            ):
                try:
                    index, item = next(source)
                except StopIteration:
                    more = False
                    break
                held[index], next_index = item, index + 1
                tried[index] = 0
                waiting.append(index)
                self._give(waiting, held, tried)
            self._give(waiting, held, tried)
            if not held:
                return
            for seat in self._news():
                for event in self._hear(seat, waiting, tried):
                    if not isinstance(event, Told):
                        del held[event.index], tried[event.index]
                        self._unable = 0 if isinstance(event, Result) else self._unable
                    yield event

    def _free(self, busy: int) -> bool:
        return busy < self._count

    def _give(self, waiting: deque[int], held: dict[int, Any], tried: dict[int, int]) -> None:
        while waiting:
            seat = next((each for each in self._seats if each.index is None), None)
            if seat is None:
                if len(self._seats) >= self._count:
                    return
                seat = _Seat(self._start([each.worker for each in self._seats]))
                self._seats.append(seat)
            seat.index, seat.since = waiting.popleft(), time.monotonic()
            tried[seat.index] += 1
            with suppress(BrokenPipeError, ConnectionResetError):  # it has died; its silence is heard next
                seat.worker.connection.send(held[seat.index])

    def _news(self) -> list[_Seat]:
        """Seats with something to hear, or whose time is up."""
        busy = [seat for seat in self._seats if seat.index is not None]
        timeout = None
        if self._limit_s is not None:
            started = [seat.since for seat in busy if seat.ready]
            timeout = max(0.0, min(started) + self._limit_s - time.monotonic()) if started else 1.0
        ready = wait([seat.worker.connection for seat in busy], timeout)
        return [seat for seat in busy if seat.worker.connection in ready or self._late(seat)]

    def _late(self, seat: _Seat) -> bool:
        return self._limit_s is not None and seat.ready and time.monotonic() - seat.since > self._limit_s

    def _hear(self, seat: _Seat, waiting: deque[int], tried: dict[int, int]) -> Iterator[Told | Result | Lost]:
        assert seat.index is not None
        index = seat.index
        if self._late(seat) and not seat.worker.connection.poll():
            seat.worker.kill()
            self._leave(seat)
            yield from self._again(index, f"took longer than {self._limit_s:g} s", "", waiting, tried)
            return
        try:
            kind, *rest = seat.worker.connection.recv()
        except (EOFError, OSError):
            yield from self._again(index, self._leave(seat), "", waiting, tried)
            return
        if kind == "ready":
            seat.ready, seat.since = True, time.monotonic()
        elif kind == "told":
            yield Told(index, rest[0])
        elif kind == "made":
            seat.index = None
            yield Result(index, rest[0])
        elif kind == "failed":
            seat.index = None
            yield from self._again(index, rest[0], rest[1], waiting, tried)
        else:  # unable to start
            self._leave(seat)
            self._unable += 1
            if self._unable >= self._most:
                tried[index] = self._most  # nobody will be able to
            yield from self._again(index, rest[0], rest[1], waiting, tried)

    def _leave(self, seat: _Seat) -> str:
        self._seats.remove(seat)
        return seat.worker.stop()

    def _again(
        self, index: int, reason: str, trace: str, waiting: deque[int], tried: dict[int, int]
    ) -> Iterator[Told | Result | Lost]:
        if tried[index] >= self._most:
            yield Lost(index, tried[index], reason, trace)
        else:
            waiting.append(index)
