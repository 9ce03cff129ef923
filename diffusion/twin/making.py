"""Twins of one person written as a record set, block by block; a run that was killed is gone on with."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from diffusion.process.settings import Sampling
from diffusion.twin.change import Change
from diffusion.twin.overlay import aligned, as_beat, beats_of
from diffusion.twin.pipeline import ECGTwinPipeline
from diffusion.twin.reference import Reference
from diffusion.twin.scores import TwinScores
from gen.engines import in_order
from gen.files import check_output, commit_folder
from gen.io import RecordSetWriter
from gen.io.unfinished import Resume, unfinished
from gen.records import EcgRecord
from metrics.waveform.descriptors.beats import BeatSet

#: Twins drawn as pictures, and twins that are made together.
PLOTS, BLOCK = 16, 8
#: What a record's metadata say of a twin that is unusual.
_UNUSUAL = ("outside", "not_shown", "not_learned")


@dataclass(frozen=True)
class TwinJob:
    """What is made.

    Attributes:
        pipeline: that prepared the person.
        person, change: of the twins.
        number, seed, sampling, strength: as `ECGTwinPipeline.twins` takes them.
        format: of the records.
        plot: draw the first twins, too.
        workers: processes that make them.
        identity: JSON values that decide the set.
    """

    pipeline: ECGTwinPipeline
    person: Reference
    change: Change
    number: int
    seed: int
    sampling: Sampling
    strength: float
    format: str = "wfdb"
    plot: bool = False
    workers: int | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MadeTwin:
    """A twin in the set: its name, its scores, and what of `_UNUSUAL` its metadata say."""

    record: str
    scores: TwinScores
    unusual: Mapping[str, Any]


def write_twins(
    job: TwinJob,
    out: Path,
    *,
    overwrite: bool = False,
    resume: Resume = "if-possible",
    progress: Callable[[int], None] = lambda done: None,
    finish: Callable[[Path], None] | None = None,
) -> list[MadeTwin]:
    """Make twins into a record set, with their scores in the metadata.

    Args:
        job: what.
        out: folder of the set.
        overwrite: replace a set that is there.
        resume: see `gen.io.unfinished.unfinished`.
        progress: told how many are done.
        finish: see `gen.io.RecordSetWriter`.

    Raises:
        InputError: the set exists, cannot be written, or another process is at it.
    """
    check_output(out, overwrite=overwrite)

    def publish(folder: Path) -> None:
        commit_folder(folder, out, overwrite=overwrite)

    def block(numbers: range) -> tuple[list[EcgRecord], list[TwinScores]]:
        many = len(numbers)
        made = job.pipeline.group(
            [job.person] * many, [job.change] * many, numbers, job.seed, job.sampling, job.strength
        )
        return made, job.pipeline.scores(job.person, made, job.change)

    with unfinished(out, job.identity, publish=publish, resume=resume) as work:
        done = [_twin_of(facts) for note in work.notes for facts in note["twins"]]
        new: list[MadeTwin] = []
        progress(len(done))
        starts = range(len(done), job.number, BLOCK)
        blocks = (range(start, min(start + BLOCK, job.number)) for start in starts)
        state = work.last.get("set")
        reference = beats_of(job.person.record) if job.plot else None
        with RecordSetWriter(out, format=job.format, place=work.folder, state=state, finish=finish) as writer:
            for numbers, (made, scores) in in_order(block, blocks, workers=job.workers):
                for number, record, score in zip(numbers, made, scores, strict=True):
                    writer.add(replace(record, metadata={**record.metadata, "scores": score.as_dict()}))
                    if reference is not None and number < PLOTS:
                        _plot(reference, record, work.folder / "plots")
                    unusual = {name: record.metadata[name] for name in _UNUSUAL if record.metadata.get(name)}
                    new.append(MadeTwin(record.record_id, score, unusual))
                progress(len(done) + len(new))
                if (settled := writer.settle(BLOCK)) is not None:
                    work.note({"set": settled, "twins": [asdict(each) for each in new]})
                    done, new = done + new, []
    return done + new


def _twin_of(facts: Mapping[str, Any]) -> MadeTwin:
    return MadeTwin(facts["record"], TwinScores(**facts["scores"]), facts["unusual"])


def _plot(reference: BeatSet, record: EcgRecord, folder: Path) -> None:
    """A twin with the reference's beat at its own beats, and the median beats of both over each other."""
    from gen.plot import plot_ecg, save
    from gen.plot.beats import plot_beats

    folder.mkdir(exist_ok=True)
    own = beats_of(record)
    overlay = aligned(record, reference, own)
    save(
        plot_ecg(record, overlay=overlay, overlay_label="the reference's median beat"),
        folder / f"{record.record_id}.png",
    )
    beats = [beat for beat in (as_beat("reference", reference), as_beat("twin", own)) if beat is not None]
    if beats:
        save(plot_beats(beats, title=record.record_id), folder / f"{record.record_id}-beats.png")
