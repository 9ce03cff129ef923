"""How far something is: a bar on a terminal, else lines; the first within two seconds, then one every ten.

    with Progress("records", total=400) as progress:
        for done, record in enumerate(records, 1):
            ...
            progress.update(done)

Everything goes to standard error. Nothing is printed for what ends before the first line is due. `Heartbeat` speaks for
commands that load, read or write something before, between and after.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TextIO

FIRST_S, EVERY_S = 1.2, 10.0
#: Of the heartbeat, which begins when Python has taken its time already.
_FIRST_BEAT_S = 0.9
#: When the last line was printed (`time.monotonic`); None before the first.
_last: float | None = None
#: Those that are telling by themselves: bars on a terminal, and lines.
_bars = _tellers = 0
_told: TextIO | None = None


def tell_to(stream: TextIO, *, first_s: float, every_s: float) -> None:
    """Send the progress of this process elsewhere than to standard error, at another pace: to a page that shows it."""
    global FIRST_S, EVERY_S, _told
    FIRST_S, EVERY_S, _told = first_s, every_s, stream


@contextmanager
def resting() -> Iterator[None]:
    """No heartbeat inside: for what waits for somebody instead of being at work."""
    global _bars
    _bars += 1
    try:
        yield
    finally:
        _bars -= 1


def _said() -> None:
    global _last
    _last = time.monotonic()


class Heartbeat:
    """Says that a command is at work wherever nothing else says so: before the first line of a `Progress`, after it.

    Args:
        name: of the command.
        stream: where to; standard error by default.
        first_s: seconds of silence until the first line.
        every_s: seconds of silence until further ones.
    """

    def __init__(
        self, name: str, stream: TextIO | None = None, first_s: float = _FIRST_BEAT_S, every_s: float = EVERY_S
    ) -> None:
        self._name, self._stream = name, stream or _told or sys.stderr
        self._waits = (first_s, every_s)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        global _last
        _last, self._began = None, time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        first_s, every_s = self._waits
        while not self._ended.wait(first_s / 10):
            silence = time.monotonic() - (self._began if _last is None else _last)
            if _bars or (_tellers and _last is not None):
                continue
            if silence >= (first_s if _last is None else every_s):
                so_far = format_seconds(time.monotonic() - self._began)
                print(f"{self._name}: at work, {so_far} so far", file=self._stream, flush=True)
                _said()


class Progress:
    """What is done of a total, what comes next, and the time left.

    Args:
        title: what is counted, such as "records" or "step".
        total: of the work, in any unit; None where it is not known.
        done: of it already, so that a resumed run's time left is right.
        percent: show the share instead of the two numbers.
        stream: where to; standard error by default. `silent` shows nothing at all.
        first_s: seconds until the first line; `FIRST_S` by default.
        every_s: seconds between lines; `EVERY_S` by default.
    """

    def __init__(
        self,
        title: str,
        total: float | None = None,
        *,
        done: float = 0,
        percent: bool = False,
        stream: TextIO | None = None,
        first_s: float | None = None,
        every_s: float | None = None,
    ) -> None:
        self.title, self.total, self.done, self.percent = title, total, done, percent
        self.note = ""
        self._start, self._began = done, time.monotonic()
        self._left: float | None = None
        self._stream = stream or _told or sys.stderr
        self._waits = (FIRST_S if first_s is None else first_s, EVERY_S if every_s is None else every_s)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._bar: Any = None

    @classmethod
    def silent(cls) -> "Progress":
        """One that shows nothing: of the processes that are not the main one."""
        made = cls("")
        made._ended.set()
        return made

    def __enter__(self) -> Self:
        if self._ended.is_set():
            return self
        self._began = time.monotonic()
        if self._stream.isatty():
            global _bars
            self._bar = _bar(self, self._stream)
            _bars += 1
        else:
            global _tellers
            _tellers += 1
            self._thread = threading.Thread(target=self._tell, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._bar is not None:
            global _bars
            self._bar.stop()
            _bars -= 1
            _said()
        if self._thread is not None:
            global _tellers
            _tellers -= 1
            self._thread.join()

    def update(
        self, done: float, note: str | None = None, *, total: float | None = None, left_s: float | None = None
    ) -> None:
        """Note how far it is; cheap enough to call at every step.

        Args:
            done: of the total.
            note: a few words on the state.
            total: where it has become known only now, or has changed.
            left_s: seconds left, where the caller knows better than proportion.
        """
        self.done, self._left = done, left_s
        if note is not None:
            self.note = note
        if total is not None:
            self.total = total
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=self.total, description=self._described())

    def callback(self, total: float | None = None) -> Callable[..., None]:
        """`update` as functions of the suite report: called with (done), (done, total) or (done, total, note)."""

        def tell(done: float, of: float | None = total, note: str | None = None) -> None:
            self.update(done, note, total=of)

        return tell

    def after(self, before: float) -> Callable[[float], None]:
        """`update` for one of several loops under one bar: ``before`` were done by those before it."""
        return lambda done: self.update(before + done)

    def say(self, text: str) -> None:
        """Print one line at once, above a bar."""
        if self._ended.is_set() and self._bar is None and self._thread is None:
            return
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=self._stream, flush=True)
        _said()

    def noted(self, text: str) -> None:
        """Print one line at once, and keep it as the state that later lines tell."""
        self.note = text
        self.say(text)

    def left_s(self) -> float | None:
        """Seconds left; None while nothing is known of it."""
        return self.proportional_s() if self._left is None else self._left

    def proportional_s(self) -> float | None:
        """Seconds left if the rest goes as fast as what was done; None while nothing was."""
        new = self.done - self._start
        if self.total is None or new <= 0:
            return None
        return max(0.0, (time.monotonic() - self._began) / new * (self.total - self.done))

    def line(self) -> str:
        """The state as one line."""
        left = self.left_s()
        time_text = f"{format_seconds(time.monotonic() - self._began)} so far" if left is None else ""
        parts = [self._counted(), self.note, time_text or f"{format_seconds(left or 0.0)} left"]
        return ", ".join(part for part in parts if part)

    def _counted(self) -> str:
        if self.total is None:
            return f"{self.title} {self.done:g}" if self.done else self.title
        if self.percent:
            return f"{self.title} {100 * self.done / max(self.total, 1e-9):.0f} %"
        return f"{self.title} {self.done:.10g}/{self.total:.10g}"

    def _described(self) -> str:
        return f"{self.title}: {self.note}" if self.note else self.title

    def _tell(self) -> None:
        wait = self._waits[0]
        while not self._ended.wait(wait):
            print(self.line(), file=self._stream, flush=True)
            _said()
            wait = self._waits[1]


def _bar(progress: Progress, stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    count = TaskProgressColumn() if progress.percent else MofNCompleteColumn()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), count, TimeRemainingColumn())
    bar = Bar(*columns, console=Console(file=stream), transient=True)
    bar.add_task(progress.title, total=progress.total, completed=int(progress.done))
    bar.start()
    return bar


def format_seconds(seconds: float) -> str:
    """A duration to read: ``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
