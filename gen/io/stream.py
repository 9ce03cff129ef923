"""Writes WFDB records of any length piece by piece, in the memory of one piece."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from gen.files import atomic_files
from gen.io.annotations import write_annotations
from gen.io.comments import to_comments
from gen.io.common import number_text, to_int16_microvolt
from gen.records import EcgRecord, InputError


class WfdbStream:
    """A WFDB record that grows; nothing is at ``path`` until the ``with`` block ends well.

        with WfdbStream("OUT/a.hea", facts) as out:
            for signal_mv, beats in pieces:
                out.append(signal_mv, beats)

    Args:
        path: the header, ``NAME.hea``; ``NAME.dat`` and, where there are beats, ``NAME.atr`` come beside it.
        facts: a record with everything but the signal: rate, leads, patient, metadata. Beats are not among the metadata
            of its header, which would grow without bound.
        overwrite: replace a record that is there.
        in_place: write at ``path`` from the start, in a folder that somebody else puts in its place; what is there when
            the block ends otherwise than well can be gone on with, but for bad input, which removes it.
        state: go on from where `state` gave this; of a record without beats.
    """

    def __init__(
        self,
        path: str | Path,
        facts: EcgRecord,
        *,
        overwrite: bool = False,
        in_place: bool = False,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self.facts = Path(path), facts
        self.num_samples = 0
        self._overwrite = overwrite
        self._sums = np.zeros(len(facts.leads), dtype=np.int64)
        self._first: np.ndarray | None = None
        self._times: list[np.ndarray] = []
        self._symbols: list[str] = []
        self._blocked: list[np.ndarray] = []
        self._rhythm = ""
        self._in_place, self._state = in_place, state

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        try:
            if self._in_place:
                self._file = self.path
            else:
                self._file = self._stack.enter_context(atomic_files(self.path, overwrite=self._overwrite))
            data = self._file.with_suffix(".dat")
            if self._state is not None:
                self._restore(data, self._state)
            self._data = self._stack.enter_context(data.open("wb" if self._state is None else "ab"))
        except BaseException:
            self._stack.close()
            raise
        return self

    def _restore(self, data: Path, state: Mapping[str, Any]) -> None:
        size = state["samples"] * len(self.facts.leads) * 2
        if data.stat().st_size < size:
            raise InputError(f"{self.path}: shorter than an unfinished run noted; accepted: a new run (--resume never)")
        os.truncate(data, size)
        self.num_samples = state["samples"]
        self._sums = np.array(state["sums"], dtype=np.int64)
        self._first = None if state["first"] is None else np.array(state["first"], dtype=np.int16)

    def state(self) -> dict[str, Any]:
        """What a later run needs to go on from here; the samples so far are handed to the system."""
        self._data.flush()
        first = None if self._first is None else self._first.tolist()
        return {"samples": self.num_samples, "sums": self._sums.tolist(), "first": first}

    def append(self, signal_mv: np.ndarray, beats: Mapping[str, Any] | None = None) -> None:
        """Add samples.

        Args:
            signal_mv: (lead, time).
            beats: of this piece, see `gen.io.annotations`; times count from the start of the record.

        Raises:
            InputError: other leads, or a sample beyond what the format holds.
        """
        if signal_mv.ndim != 2 or len(signal_mv) != len(self.facts.leads):
            raise InputError(f"{self.path}: piece of shape {signal_mv.shape}; expected ({len(self.facts.leads)}, time)")
        digital = to_int16_microvolt(replace(self.facts, signal_mv=signal_mv), self.path)
        self._data.write(np.ascontiguousarray(digital.T).tobytes())
        self._sums = (self._sums + digital.sum(axis=1, dtype=np.int64)) % 65536
        if self._first is None and digital.shape[1]:
            self._first = digital[:, 0].copy()
        self.num_samples += digital.shape[1]
        if beats:
            self._times.append(np.asarray(beats["times_s"], dtype=float))
            self._symbols.append(str(beats["symbols"]))
            self._blocked.append(np.asarray(beats.get("blocked_p_s", ()), dtype=float))
            self._rhythm = self._rhythm or str(beats.get("rhythm", ""))

    @property
    def beats(self) -> int:
        """How many have been written."""
        return sum(map(len, self._times))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._finish()
            except BaseException as fault:
                self._stack.__exit__(type(fault), fault, fault.__traceback__)
                raise
        self._stack.__exit__(kind, error, trace)
        if self._in_place and isinstance(error, InputError) and not isinstance(error.__cause__, OSError):
            self._file.with_suffix(".dat").unlink(missing_ok=True)

    def _finish(self) -> None:
        if self._first is None:
            raise InputError(f"{self.path}: no samples were written")
        self._data.flush()
        facts, name = self.facts, self.path.stem
        lines = [f"{name} {len(facts.leads)} {number_text(facts.fs_hz)} {self.num_samples}"]
        lines += [
            f"{name}.dat 16 1000.0(0)/mV 16 0 {first} {checksum} 0 {lead}"
            for first, checksum, lead in zip(self._first, self._sums, facts.leads, strict=True)
        ]
        lines += [f"# {comment}" for comment in to_comments(facts, name)]
        self._file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if self.beats:
            beats = {
                "times_s": np.concatenate(self._times),
                "symbols": "".join(self._symbols),
                "blocked_p_s": np.concatenate(self._blocked),
                "rhythm": self._rhythm,
            }
            write_annotations(self._file, facts.fs_hz, self.num_samples, beats)
