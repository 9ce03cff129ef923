"""What a run says while it goes on: ``log.jsonl``, TensorBoard, and progress on standard error."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from gen.files import write_text
from gen.records import InputError

_LINE_EVERY_S = 15.0


class RunLog:
    """Appends lines to ``log.jsonl`` and passes them on.

    Lines after ``resumed_step`` are dropped first: a resumed run writes them again.
    """

    def __init__(
        self, out: Path, *, resumed_step: int, tensorboard: bool, hook: Callable[[dict[str, Any]], None] | None
    ) -> None:
        self._path = out / "log.jsonl"
        self._hook = hook
        self._board = _summary_writer(out / "tensorboard", resumed_step) if tensorboard else None
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else []
        kept = [line for line in lines if _step_of(line) <= resumed_step]
        write_text(self._path, "".join(line + "\n" for line in kept))

    def write(self, line: Mapping[str, Any]) -> None:
        """Add one line; its numbers also go to TensorBoard under their names."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self._board is not None:
            for name, value in _numbers(line).items():
                self._board.add_scalar(name, value, line["step"])
            self._board.flush()
        if self._hook is not None:
            self._hook(dict(line))

    def close(self) -> None:
        """Close what is open."""
        if self._board is not None:
            self._board.close()


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):  # the last line of a killed run may be cut
        return float("inf")


def _numbers(line: Mapping[str, Any]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in line.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}/{key}": inner for key, inner in value.items() if isinstance(inner, int | float)}
        elif isinstance(value, int | float) and name != "step":
            flat[f"train/{name}"] = value
    return flat


def _summary_writer(folder: Path, resumed_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("tensorboard=true needs TensorBoard: pip install 'physiogen[tensorboard]'") from error
    return SummaryWriter(str(folder), purge_step=resumed_step + 1 if resumed_step else None)


class ProgressLine:
    """Progress with the time left: a live bar on a terminal, else a line every fifteen seconds."""

    def __init__(
        self, total: int, start: int, seconds: float, max_seconds: float | None, stream: TextIO | None
    ) -> None:
        self._total, self._start, self._before, self._max_seconds = total, start, seconds, max_seconds
        self._stream = stream
        self._began = self._printed = time.monotonic()
        self._bar = _rich_bar(total, start, stream) if stream is not None and stream.isatty() else None

    def update(self, step: int, loss: float) -> None:
        """Show that ``step`` steps are done."""
        if self._stream is None:
            return
        text = f"loss {loss:.4g}, {format_seconds(self._left(step))} left"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step, description=text)
        elif time.monotonic() - self._printed >= _LINE_EVERY_S or step == self._start + 1:
            self._printed = time.monotonic()
            self.say(f"step {step}/{self._total}, {text}")

    def say(self, text: str) -> None:
        """Print one line."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False)
        elif self._stream is not None:
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _left(self, step: int) -> float:
        elapsed = time.monotonic() - self._began
        left = elapsed / max(1, step - self._start) * (self._total - step)
        return left if self._max_seconds is None else max(0.0, min(left, self._max_seconds - self._before - elapsed))


def _rich_bar(total: int, start: int, stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = Progress(BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), console=Console(file=stream))
    bar.add_task("", total=total, completed=start)
    bar.start()
    return bar


def progress_stream(is_main: bool) -> TextIO | None:
    """Standard error for the main process; nothing for the others."""
    return sys.stderr if is_main else None


def format_seconds(seconds: float) -> str:
    """A duration to read: ``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
