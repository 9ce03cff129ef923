"""What a run says while it goes on: ``log.jsonl``, TensorBoard, and progress on standard error."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gen.files import write_text
from gen.records import InputError


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
