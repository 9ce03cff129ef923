"""Recordings of minutes to days, written piece by piece: ``physiogen synthesize --seconds 86400``."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diffusion.beat_pipeline import BeatPipeline
from diffusion.beats.recording import LongRecording
from diffusion.conditions.condition import Condition
from diffusion.conditions.request import Prepared, report_of, request_of, statements_of
from diffusion.continuation import continuation
from diffusion.pipeline import ECGPipeline
from diffusion.process.settings import LONGEST_S, Sampling
from diffusion.rhythm import BeatPlan, events_of
from gen import __version__
from gen.files import check_output, commit_folder
from gen.io import RecordSetWriter
from gen.io.kept import digest_of_arrays
from gen.io.unfinished import Resume, unfinished
from gen.leads import LEADS_8_TO_12, LEADS_12
from gen.records import EcgRecord, InputError, Patient
from gen.signals import resample

#: Longest recording, seconds: a week.
MOST_S = 7 * 86_400.0
#: Seconds of a piece, of the strip that the beats are drawn with, and seen around a piece for its filter.
PIECE_S, _STRIP_S, _AROUND_S = 60.0, 10.0, 2.0
#: Pieces between two notes of what is done.
NOTED = 10


def check_length(seconds: float, pipeline: ECGPipeline, fs_hz: float | None) -> BeatPipeline:
    """The pipeline itself; raises `InputError` where it cannot draw a recording of some length and rate."""
    if not isinstance(pipeline, BeatPipeline):
        raise InputError(f"duration {seconds:g} s: these weights draw strips; longer ones are drawn beat by beat")
    if seconds > MOST_S:
        raise InputError(f"duration {seconds:g} s: expected {MOST_S:g} s at most")
    if fs_hz is not None and fs_hz != round(fs_hz):
        raise InputError(f"sampling rate {fs_hz:g} Hz: recordings over {LONGEST_S:g} s need a whole number")
    return pipeline


def write_recordings(
    pipeline: BeatPipeline,
    conditions: Sequence[Condition],
    numbers: Sequence[int],
    seed: int,
    settings: Sampling,
    seconds: float,
    out: str | Path,
    *,
    overwrite: bool = False,
    resume: Resume = "if-possible",
    progress: Callable[[float, float], None] = lambda done, total: None,
) -> int:
    """Write one WFDB record with annotations for each condition; how many. A run that was killed is gone on with.

    Args:
        pipeline: draws them.
        conditions: one a record.
        numbers: of the samples.
        seed: they are of.
        settings: of sampling.
        seconds: length of each.
        out: folder of the record set.
        overwrite: replace a set that is there.
        resume: see `gen.io.unfinished.unfinished`.
        progress: told how many seconds of signal are there, and of how many.

    Raises:
        InputError: see `check_length`, or the folder cannot be written.
    """
    check_length(seconds, pipeline, settings.fs_hz)
    settings = replace(settings, duration_s=_STRIP_S)

    def recording(k: int) -> tuple[LongRecording, EcgRecord]:
        prepared = Prepared.of([conditions[k]], [numbers[k]], seed, literal=settings.literal)
        facts = _facts(pipeline, conditions[k], numbers[k], seed, settings)
        return pipeline.recording(prepared, settings, seconds), facts

    asked = [[number, request_of(condition)] for number, condition in zip(numbers, conditions, strict=True)]
    identity = {"asked": asked, "sampling": settings.signature(), "weights": pipeline.digests}
    _write(
        out, recording, len(conditions), seconds, seed, identity, settings,
        overwrite=overwrite, resume=resume, progress=progress,
    )  # fmt: skip
    return len(conditions)


def _write(
    out: str | Path,
    recording: Callable[[int], tuple[LongRecording, EcgRecord]],
    count: int,
    seconds: float,
    seed: int,
    identity: Mapping[str, Any],
    settings: Sampling,
    *,
    overwrite: bool,
    resume: Resume,
    progress: Callable[[float, float], None] = lambda done, total: None,
) -> None:
    """Write recordings piece by piece into a set; what is noted is gone on from, within a recording, too."""
    out = Path(out)
    check_output(out, overwrite=overwrite)
    whole = {"command": "synthesize", "software": __version__, "seconds": seconds, "seed": seed, **identity}

    def publish(folder: Path) -> None:
        commit_folder(folder, out, overwrite=overwrite)

    with unfinished(out, whole, publish=publish, resume=resume) as work:
        last = dict(work.last)
        with RecordSetWriter(out, format="wfdb", place=work.folder, state=last.get("set")) as writer:
            for k in range(last.get("record", 0), count):
                made, facts = recording(k)
                begun = {"record": k, "set": writer.settle(1)}
                before, file = last.pop("first", 0), last.pop("file", None)
                with writer.growing(facts, state=file) as stream:
                    if before:
                        nothing = np.zeros((len(facts.leads), 0), dtype=np.float32)
                        for plan in _plans(made, before):
                            stream.append(nothing, events_of(plan, plan.start_s))
                    for number, (signal, plan) in enumerate(pieces(made, settings.fs_hz, begin=before), 1):
                        stream.append(signal, events_of(plan, plan.start_s))
                        progress(seconds * k + plan.start_s + plan.duration_s, seconds * count)
                        if number % NOTED == 0:
                            behind = round((plan.start_s + plan.duration_s) * made.fs_hz)
                            work.note({**begun, "first": behind, "file": stream.state()})
                work.note({"record": k + 1, "set": writer.settle(1)})


def _plans(recording: LongRecording, end: int) -> Iterator[BeatPlan]:
    """Beats of the pieces before a sample."""
    step = round(PIECE_S * recording.fs_hz)
    for first in range(0, end, step):
        yield recording.plan(first, min(step, end - first))


def write_continuation(
    pipeline: BeatPipeline,
    record: EcgRecord,
    seed: int,
    settings: Sampling,
    seconds: float,
    out: str | Path,
    *,
    overwrite: bool = False,
    resume: Resume = "if-possible",
) -> None:
    """Write the recording that goes on where another ends; a run that was killed is gone on with.

    Raises:
        InputError: see `check_length` and `diffusion.continuation.continuation`.
    """
    check_length(seconds, pipeline, settings.fs_hz)
    recording = continuation(pipeline, record, seed, seconds, clean=settings.clean)
    patient = Patient(age=record.patient.age, sex=record.patient.sex)
    facts = _facts(pipeline, Condition(age=patient.age, sex=patient.sex), 0, seed, settings)
    facts = replace(
        facts,
        statements=record.statements,
        metadata={**facts.metadata, "continues": str(record.metadata.get("source_file", record.record_id))},
    )
    heard = digest_of_arrays([record.signal_mv])
    identity = {"continues": heard, "facts": facts.metadata, "weights": pipeline.digests}
    _write(out, lambda k: (recording, facts), 1, seconds, seed, identity, settings, overwrite=overwrite, resume=resume)


def pieces(
    recording: Any, fs_hz: float | None = None, piece_s: float = PIECE_S, begin: int = 0
) -> Iterator[tuple[np.ndarray, BeatPlan]]:
    """Twelve leads (12, time) float32 mV side by side at a rate, in whole microvolts, and the beats of each piece.

    Args:
        recording: see `diffusion.beats.recording.LongRecording`.
        fs_hz: rate, a whole number; the recording's own where None.
        piece_s: length of a piece, whole seconds.
        begin: own sample of the recording to begin with, where a piece begins.
    """
    own = recording.fs_hz
    rate = own if fs_hz is None else float(fs_hz)
    total = round(recording.stream.duration_s * own)
    step, around = round(piece_s * own), round(_AROUND_S * own)
    for first in range(begin, total, step):
        length = min(step, total - first)
        signal, plan = recording.piece(first, length)
        if rate != own:
            # Whole seconds around the piece: its samples lie where they do in the whole, and the filter sees no end.
            before = min(around, first)
            wide, _ = recording.piece(first - before, before + length + around)
            skip, count = round(before / own * rate), round((first + length) / own * rate) - round(first / own * rate)
            signal = resample(wide, own, rate)[:, skip : skip + count]
        twelve = np.einsum("al,lt->at", LEADS_8_TO_12, np.round(signal, 3))
        yield twelve.astype(np.float32), plan


def _facts(pipeline: BeatPipeline, condition: Condition, number: int, seed: int, settings: Sampling) -> EcgRecord:
    rate = settings.fs_hz or pipeline.fs_hz
    return EcgRecord(
        np.zeros((len(LEADS_12), 0), dtype=np.float32),
        rate,
        LEADS_12,
        record_id=f"s{seed}_{number:07d}",
        patient=Patient(age=condition.age, sex=condition.sex),
        report=report_of(condition),
        statements=statements_of(condition),
        synthetic=True,
        metadata={
            "generator": "physiogen diffusion",
            "model": pipeline.digests["denoiser"],
            "seed": seed,
            "sample": number,
            "sampling": settings.signature(),
            "noise": "none" if settings.clean else "as recorded",
            "request": request_of(condition),
        },
    )


class Clock:
    """Says on a stream how far a long run is, at most every few seconds."""

    def __init__(self, say: Callable[[str], None], every_s: float = 5.0) -> None:
        self._say, self._every, self._start = say, every_s, time.monotonic()
        self._told = self._start

    def __call__(self, done: float, total: float) -> None:
        """Tell of ``done`` of ``total`` seconds of signal."""
        now = time.monotonic()
        if now - self._told >= self._every:
            self._told = now
            self._say(f"{done:.0f} of {total:.0f} s ({done / (now - self._start):.0f} times real time)")
