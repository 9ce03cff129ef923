"""Many recordings rebuilt in bounded memory, by one writer; a run that was killed goes on to the same bytes.

    job = Job(pipeline, files, asked={"num_samples": 0}, format="wfdb")
    outcome = rebuild_files(job, "OUT", resume="if-possible")

Recordings are read and rebuilt in blocks, those of hours alone and piece by piece, see `vae.deploy.long`. Draws,
bands and plots become part of the set. After every block a note says what is done, see `gen.io.unfinished`.
"""

import csv
import io
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gen.engines import in_order
from gen.files import check_output, commit_folder
from gen.io import RecordSetWriter
from gen.io.blocks import Inputs, in_record_blocks, is_long
from gen.io.npz import save_arrays
from gen.io.unfinished import Resume, Unfinished, unfinished
from gen.leads import LeadError
from gen.records import EcgRecord, InputError
from vae.deploy.long import COLUMNS, rebuild_long
from vae.pipeline import Reconstruction, ReconstructionPipeline

#: Files read and rebuilt together; memory does not grow with the number of files.
BLOCK = 32
_HOURS = "hours.csv"


@dataclass(frozen=True)
class Job:
    """What is to be rebuilt.

    Attributes:
        pipeline: method and weights.
        files: inputs, as `gen.io.expand_inputs` gives them.
        asked: keyword arguments of the pipeline.
        format: of the set.
        plot, layout: draw every record on ECG paper.
        bands: write the bands around every record.
        reading: keyword arguments of `gen.io.blocks.Inputs`.
        identity: JSON values that decide the output; a killed run is gone on with only where they agree.
        workers: processes that rebuild, see `gen.engines.in_order`; one reads and writes besides.
    """

    pipeline: ReconstructionPipeline
    files: Sequence[Path]
    asked: Mapping[str, Any] = field(default_factory=dict)
    format: str = "wfdb"
    plot: bool = False
    layout: str = "3x4"
    bands: bool = True
    reading: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    workers: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        records: names in the set, in order; empty where nothing could be rebuilt, and then there is no set.
        bad: a line for each input that could not be used.
    """

    records: list[str]
    bad: list[str]


def rebuild_files(
    job: Job,
    out: str | Path,
    *,
    overwrite: bool = False,
    resume: Resume = "if-possible",
    progress: Callable[[int, str], None] | None = None,
    warn: Callable[[str], None] | None = None,
    finish: Callable[[Path], None] | None = None,
) -> Outcome:
    """Rebuild the twelve leads of every recording into a record set.

    Args:
        job: what.
        out: folder of the set.
        overwrite: replace a set that is there.
        resume: see `gen.io.unfinished.unfinished`.
        progress: told how many files are done, and of hours of a long one.
        warn: told of leads that were not used.
        finish: see `gen.io.RecordSetWriter`.

    Raises:
        InputError: the set exists, cannot be written, or nothing can be gone on with.
    """
    out = Path(out)
    check_output(out, overwrite=overwrite)
    with unfinished(
        out, job.identity, publish=lambda folder: commit_folder(folder, out, overwrite=overwrite), resume=resume
    ) as work:
        run = _Run(job, out, work, progress or (lambda done, text: None), warn or (lambda text: None), finish)
        outcome = run.all()
        if not outcome.records:
            work.drop()
    return outcome


class _Run:
    """One run of `rebuild_files`."""

    def __init__(
        self,
        job: Job,
        out: Path,
        work: Unfinished,
        progress: Callable[[int, str], None],
        warn: Callable[[str], None],
        finish: Callable[[Path], None] | None = None,
    ) -> None:
        self.job, self.work, self.progress, self.warn = job, work, progress, warn
        self.bad: list[str] = []
        last = work.last
        self.inputs = Inputs(job.files, self.bad, **job.reading)
        self.inputs.go_on(work.notes)
        self.writer = RecordSetWriter(out, format=job.format, place=work.folder, state=last.get("set"), finish=finish)
        self.extras = _Extras(work.folder, job, last.get("samples"))
        self.long: dict[str, Any] | None = last.get("long")
        if last:
            _cut(work.folder / _HOURS, last["hours"])

    def all(self) -> Outcome:
        taken = 0
        with self.writer:
            waiting: deque[list[EcgRecord]] = deque()

            def blocks() -> Iterator[list[EcgRecord]]:
                for block in in_record_blocks(self.inputs, BLOCK):
                    waiting.append(block)
                    yield [] if is_long(block[0]) else block  # those of hours are written as they are rebuilt, here

            for _, (rebuilt, bad) in in_order(self._rebuilt, blocks(), workers=self.job.workers):
                block = waiting.popleft()
                self.bad += bad
                if is_long(block[0]):
                    self._long(block[0], taken)
                for each in rebuilt:
                    self._add(each)
                taken += len(block)
                self._note(taken)
                self.progress(self.writer.count + len(self.bad), "")
            self.extras.close()
            done = self.writer.count > 0
        return Outcome(self.writer.record_ids() if done else [], self.bad)

    def _rebuilt(self, block: list[EcgRecord]) -> "tuple[list[_Rebuilt], list[str]]":
        """By a worker: what is written of each record, and a line for each that cannot be rebuilt."""
        bad: list[str] = []
        results = _rebuilt(self.job, block, bad) if block else []
        return [_Rebuilt.of(result, self.job) for result in results], bad

    def _add(self, result: "_Rebuilt") -> None:
        """Write a record; one that the format cannot hold is listed, while a full disk ends the run."""
        record = result.record
        try:
            self.writer.add(record)
        except InputError as error:
            if isinstance(error.__cause__, OSError):
                raise
            self.bad.append(f"{record.source_name}: {error}")
            return
        self.extras.add(result)
        for lead, reason in record.metadata.get("ignored_leads", {}).items():
            self.warn(f"warning: {record.record_id}: lead {lead} {reason}; not used as input")

    def _state(self, taken: int) -> dict[str, Any] | None:
        """What a note says; None while a shard is open."""
        made, samples = self.writer.settle(BLOCK), self.extras.settle()
        if made is None or samples is None:
            return None
        table = self.work.folder / _HOURS
        hours = table.stat().st_size if table.exists() else 0
        return {**self.inputs.note(taken), "set": made, "samples": samples, "hours": hours}

    def _note(self, taken: int) -> None:
        state = self._state(taken)
        if state is not None:
            self.work.note(state)

    def _long(self, record: EcgRecord, taken: int) -> None:
        """A recording of hours, with a row for each hour in hours.csv."""
        before: dict[str, Any] = {}

        def note(state: dict[str, Any]) -> None:
            if not before:
                before.update(self._state(taken) or {})
            if "set" in before:  # a shard is never open here: only wfdb holds recordings of hours
                self.work.note({**before, "long": {"record": record.record_id, **state}})
                before.update(names=[], bad=[])

        asked = self.job.asked
        going_on, self.long = self.long, None
        if going_on is not None and going_on["record"] != record.record_id:
            going_on = None
        try:
            if asked.get("reference"):
                raise InputError("hours long; accepted with --reference: up to an hour and a half")
            if asked.get("num_samples") or self.job.plot:
                raise InputError(f"{record.duration_s / 3600:.1f} h; accepted: no draws and no plots")
            rows = rebuild_long(
                self.job.pipeline,
                record,
                self.writer,
                leads=asked.get("leads"),
                progress=lambda text: self.progress(self.writer.count + len(self.bad), text),
                note=note,
                state=going_on,
            )
        except (InputError, LeadError) as error:
            if isinstance(error.__cause__, OSError):
                raise
            self.bad.append(_named(record, error))
            return
        table = self.work.folder / _HOURS
        new = not table.exists() or not table.stat().st_size
        with table.open("a", newline="", encoding="utf-8") as handle:
            out = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
            if new:
                out.writeheader()
            out.writerows(rows)


def _cut(table: Path, size: int) -> None:
    if table.exists() and not size:
        table.unlink()
    elif table.exists():
        os.truncate(table, size)


def _named(record: EcgRecord, error: Exception) -> str:
    return str(error) if str(error).startswith(record.source_name) else f"{record.source_name}: {error}"


def _rebuilt(job: Job, block: list[EcgRecord], bad: list[str]) -> list[Reconstruction]:
    """Reconstruct what can be; a record that cannot is listed and does not take the others with it."""
    try:
        return job.pipeline(block, **job.asked)
    except (InputError, LeadError) as error:
        if len(block) == 1:
            bad.append(_named(block[0], error))
            return []
    return [result for record in block for result in _rebuilt(job, [record], bad)]


@dataclass(frozen=True)
class _Rebuilt:
    """What is written of a reconstruction; small enough to go from one process to another."""

    record: EcgRecord
    samples: tuple[EcgRecord, ...]
    bands: bytes | None
    plotted: tuple[np.ndarray, tuple[np.ndarray, np.ndarray] | None] | None

    @classmethod
    def of(cls, result: Reconstruction, job: Job) -> "_Rebuilt":
        """With the bands as the file that will hold them."""
        bands = _bands(result) if result.bands and job.bands else None
        plotted = (result.observed, result.bands.get(90)) if job.plot else None
        return cls(result.record, result.samples, bands, plotted)


def _bands(result: Reconstruction) -> bytes:
    arrays: dict[str, Any] = {
        f"{side}_{level}_mv": np.round(edge, 3)  # whole microvolt take half the room
        for level, band in result.bands.items()
        for side, edge in zip(("lower", "upper"), band, strict=True)
    }
    arrays |= {"leads": np.array(result.record.leads), "fs_hz": np.array(result.record.fs_hz)}
    file = io.BytesIO()
    save_arrays(file, arrays)
    return file.getvalue()


class _Extras:
    """Draws, bands and plots, built inside the record set's unfinished folder so that all appear together."""

    def __init__(self, folder: Path, job: Job, state: Mapping[str, Any] | None) -> None:
        self.folder, self.job = folder, job
        self.samples: RecordSetWriter | None = None
        if state:
            self._open(state)

    def _open(self, state: Mapping[str, Any] | None) -> RecordSetWriter:
        place = self.folder / "samples"
        place.mkdir(exist_ok=True)
        self.samples = RecordSetWriter(place, format=self.job.format, place=place, state=state).__enter__()
        return self.samples

    def add(self, result: _Rebuilt) -> None:
        """Write what goes with a record."""
        name = result.record.record_id
        if result.samples:
            samples = self.samples or self._open(None)
            for sample in result.samples:
                samples.add(sample)
        if result.bands is not None:
            (self.folder / "bands").mkdir(exist_ok=True)
            (self.folder / "bands" / f"{name}.npz").write_bytes(result.bands)
        if result.plotted is not None:
            from gen.plot import plot_ecg, save

            (self.folder / "plots").mkdir(exist_ok=True)
            figure = plot_ecg(
                result.record,
                layout=self.job.layout,
                observed=result.plotted[0],
                band=result.plotted[1],
                band_label="90 % band",
            )
            save(figure, self.folder / "plots" / f"{name}.png")

    def settle(self) -> dict[str, Any] | None:
        """As `RecordSetWriter.settle`; empty without draws."""
        if self.samples is None:
            return {}
        return self.samples.settle(BLOCK * int(self.job.asked.get("num_samples", 1)))

    def close(self) -> None:
        """End the set of draws."""
        if self.samples is not None:
            self.samples.__exit__(None, None, None)
