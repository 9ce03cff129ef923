"""``physiogen twin``: one ECG of a person and a change in, the ECGs this person would show out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gen.commands.device import Device, moved
from gen.commands.engine import Workers
from gen.commands.output import counted, finish, say
from gen.commands.reading import Columns, Leads, Rate, Unit
from gen.commands.there import check_there
from gen.leads import parse_leads
from gen.progress import Progress
from gen.records import EcgRecord, InputError

if TYPE_CHECKING:
    from diffusion.twin.change import Change
    from diffusion.twin.pipeline import ECGTwinPipeline
    from diffusion.twin.reference import Reference
    from diffusion.twin.scores import TwinScores

#: Twins drawn by --plot, and twins that are made together.
_PLOTS, _BLOCK = 16, 8


def twin(
    reference: Annotated[list[Path], typer.Argument(metavar="REFERENCE...", help="ECG files of one person.")],
    out: Annotated[Path, typer.Option(help="Folder of the record set to write.")],
    text: Annotated[str | None, typer.Option(help="Findings of the twin, in place of the person's own.")] = None,
    add: Annotated[str | None, typer.Option(help="Findings that come to the person's own.")] = None,
    remove: Annotated[str | None, typer.Option(help="Findings that go.")] = None,
    hr: Annotated[float | None, typer.Option(help="Heart rate in bpm, 20 to 300.")] = None,
    age: Annotated[float | None, typer.Option(help="Age in years, 0 to 120.")] = None,
    same: Annotated[bool, typer.Option("--same", help="Another recording in the person's own condition.")] = False,
    report: Annotated[str | None, typer.Option(help="Findings of the reference; its own report by default.")] = None,
    number: Annotated[int, typer.Option("-n", "--number", help="ECGs to make.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Names the samples.")] = 0,
    strength: Annotated[
        float, typer.Option(help="1: the whole change of the beat; less: a part of it; 0: the person's own beat.")
    ] = 1.0,
    seconds: Annotated[float, typer.Option(help="Length of each ECG, 2 to 60 s.")] = 10.0,
    steps: Annotated[int | None, typer.Option(help="Sampling steps, 1 to 1000.")] = None,
    sampler: Annotated[
        str | None,
        typer.Option(help="Of latent weights (--checkpoint): ddpm, ddim, dpm++, sde-dpm++, unipc, euler or heun."),
    ] = None,
    guidance: Annotated[
        str | None, typer.Option(help="Of latent weights: 3, or by group: text=4,rate=2,reference=1.5.")
    ] = None,
    negative: Annotated[str | None, typer.Option(help="Of latent weights: findings to stay away from.")] = None,
    format: Annotated[str, typer.Option(help="wfdb, edf, dicom, csv, npz, parquet, webdataset, aecg, fhir.")] = "wfdb",
    checkpoint: Annotated[Path | None, typer.Option(help="Weights of your own instead of the shipped ones.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw twins over the reference into OUT/plots.")] = False,
    leads: Leads = None,
    fs: Rate = None,
    unit: Unit = None,
    columns: Columns = None,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Go on where nothing in a text was understood.")
    ] = False,
    allow_contradictions: Annotated[
        bool, typer.Option("--allow-contradictions", help="Go on where the findings asked for exclude each other.")
    ] = False,
    workers: Workers = None,
    device: Device = "cpu",
    float32: Annotated[bool, typer.Option("--float32", help="Of latent weights: compute in float32, slower.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Generate the ECG that a person would show in another condition.

    Example: physiogen twin strip.hea --text "left bundle branch block" --hr 95 -n 4 --seed 3 --out TWINS --plot

    What the reference shows by itself is measured. Two scores are printed for every twin: identity kept and change
    achieved. Synthetic; not for diagnosis.
    """
    _check(number, strength, sampler)
    check_there(reference, checkpoint=checkpoint)
    from diffusion.conditions.condition import Condition
    from diffusion.process.settings import requested_sampling
    from diffusion.twin.change import Change
    from gen.engines import in_order
    from gen.io import RecordSetWriter
    from gen.io.formats import writable
    from gen.synthesis.contradictory import refuse

    writable(format)
    change = Change(text=text, add=add, remove=remove, heart_rate=hr, age=age, same=same).checked(allow_unknown)
    Condition(age=age, heart_rate=hr)  # refuses numbers out of range before anything is loaded
    if not allow_contradictions:
        refuse({"text": text, "heart_rate": hr} if hr is not None else {"text": text})
    settings = requested_sampling(
        steps=steps, sampler=sampler, guidance=guidance, negative=negative, float32=float32, duration_s=seconds
    )
    records = _read(reference, fs, unit, leads, columns)
    with RecordSetWriter(out, format=format, overwrite=overwrite) as writer:
        pipeline, sampling = _pipeline(checkpoint, device, settings)
        pipeline.set_progress_bar_config(disable=True)
        person = pipeline.prepare(records, report=report)
        _tell(person, change)
        twins: list[EcgRecord] = []
        scores: list[TwinScores] = []

        def block(numbers: range) -> "tuple[list[EcgRecord], list[TwinScores]]":
            many = len(numbers)
            made = pipeline.group([person] * many, [change] * many, numbers, seed, sampling, strength)
            return made, pipeline.scores(person, made, change)

        blocks = (range(start, min(start + _BLOCK, number)) for start in range(0, number, _BLOCK))
        with Progress("ECGs", number) as bar:
            for _, (made, found) in in_order(block, blocks, workers=workers if device == "cpu" else 1):
                for record, score in zip(made, found, strict=True):
                    writer.add(replace(record, metadata={**record.metadata, "scores": score.as_dict()}))
                twins, scores = twins + made, scores + found
                bar.update(len(twins))
        if plot:
            _plot(person, twins, writer.folder / "plots")
    lines = [f"{counted(len(twins), 'synthetic ECG')} of one person in {out}"]
    lines += [f"{record.record_id}: {_words(found)}" for record, found in zip(twins, scores, strict=True)]
    _warn(twins)
    lines += [f"plots beside the reference in {out / 'plots'}"] if plot else []
    finish(lines, _result(out, person, twins, scores, seed), json=json)


def _check(number: int, strength: float, sampler: str | None) -> None:
    if number < 1:
        raise InputError(f"-n {number}: expected at least 1")
    if not 0 <= strength <= 1:
        raise InputError(f"--strength {strength:g}: expected 0 (the reference) to 1 (from noise)")
    if sampler is not None and strength < 1:
        raise InputError("--sampler: an edit (--strength below 1) has its own, deterministic one")


def _read(
    paths: Sequence[Path], fs: float | None, unit: str | None, leads: str | None, columns: str | None
) -> list[EcgRecord]:
    """Recordings of all files; every one has to be readable and of the same person."""
    from diffusion.twin.change import one_person
    from gen.io import expand_inputs
    from gen.io.blocks import Inputs

    bad: list[str] = []
    wanted = None if leads is None else parse_leads(leads)
    files = expand_inputs(list(paths))
    records = list(Inputs(files, bad, fs_hz=fs, unit=unit, leads=wanted, columns=columns))
    if bad:
        raise InputError(bad[0])
    one_person(records)
    return records


def _pipeline(checkpoint: Path | None, device: str, settings: Mapping[str, Any]) -> "tuple[ECGTwinPipeline, Any]":
    from diffusion.twin.beat_twin import load

    pipeline = moved(load(checkpoint), device)
    return pipeline, pipeline.sampling(**settings)


def _tell(person: "Reference", change: "Change") -> None:
    """Say on stderr what was done to the reference, and what contradicts itself or was not understood."""
    from gen.text import ReadText, contradictions, read_text

    for line in person.notes:
        say(f"warning: {line}")
    target = person.under(change)
    read = target.text or ReadText()
    numbers = {"heart_rate": target.heart_rate} if target.heart_rate is not None else {}
    for line in contradictions(replace(read, numbers={**read.numbers, **numbers})):
        say(f"warning: contradiction: {line}")
    unknown = [word for text in (change.text, change.add, change.remove) if text for word in read_text(text).unknown]
    if unknown:
        say(f"warning: not understood: {', '.join(unknown[:20])}")


def _warn(twins: Sequence[EcgRecord]) -> None:
    """Say on stderr what is unusual about twins, as their metadata do."""
    for record in twins:
        facts = record.metadata
        for line in facts.get("outside", ()):
            say(f"warning: {record.record_id}: {line}")
        if facts.get("not_shown"):
            say(f"warning: {record.record_id}: not to be seen by its criterion: {', '.join(facts['not_shown'])}")
    for code in sorted({code for record in twins for code in record.metadata.get("not_learned", ())}):
        say(f"warning: {code}: what it does to a beat is not learned; rhythm and numbers alone follow it")


def _plot(person: "Reference", twins: Sequence[EcgRecord], folder: Path) -> None:
    """Each twin with the reference's beat at its own beats, and the median beats of both over each other."""
    from diffusion.twin.overlay import aligned, as_beat, beats_of
    from gen.plot import plot_ecg, save
    from gen.plot.beats import plot_beats

    folder.mkdir(exist_ok=True)
    reference = beats_of(person.record)
    for record in twins[:_PLOTS]:
        own = beats_of(record)
        overlay = aligned(record, reference, own)
        save(
            plot_ecg(record, overlay=overlay, overlay_label="the reference's median beat"),
            folder / f"{record.record_id}.png",
        )
        beats = [beat for beat in (as_beat("reference", reference), as_beat("twin", own)) if beat is not None]
        if beats:
            save(plot_beats(beats, title=record.record_id), folder / f"{record.record_id}-beats.png")


def _result(
    out: Path, person: "Reference", twins: Sequence[EcgRecord], scores: "Sequence[TwinScores]", seed: int
) -> dict[str, Any]:
    from diffusion.conditions.request import request_of

    return {
        "out": str(out),
        "seed": seed,
        "reference": {"condition": request_of(person.condition), "notes": list(person.notes)},
        "twins": [{"record": r.record_id, **s.as_dict()} for r, s in zip(twins, scores, strict=True)],
    }


def _words(found: "TwinScores") -> str:
    limit = "" if found.threshold is None else f" (one person from {found.threshold:.2f})"
    if found.achieved is None:
        change = "nothing that can be measured was asked for"
    else:
        missed = [name for name, met in found.checks.items() if not met]
        met = f"{sum(found.checks.values())} of {len(found.checks)}"
        change = f"change achieved {met}" + (f", missed: {', '.join(missed)}" if missed else "")
    return f"identity kept {found.identity:.2f}{limit}; {change}"
