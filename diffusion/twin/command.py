"""``physiogen twin``: one ECG of a person and a change in, the ECGs this person would show out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffusion.process.named import check_chosen
from gen.commands.device import Device, moved
from gen.commands.engine import Workers
from gen.commands.output import counted, finish, say
from gen.commands.reading import Columns, Leads, Rate, Resume, Unit
from gen.commands.there import check_there, leads_of
from gen.errors import InputError
from gen.progress import Progress
from gen.quantities import NOTHING_CHANGED
from metrics.commands.export import Export, check_export, origin_of, terms_of, told
from metrics.commands.export import export as export_sets

if TYPE_CHECKING:
    from diffusion.twin.change import Change
    from diffusion.twin.making import MadeTwin
    from diffusion.twin.pipeline import ECGTwinPipeline
    from diffusion.twin.reference import Reference
    from diffusion.twin.scores import TwinScores
    from gen.records import EcgRecord


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
    export: Export = None,
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
    resume: Resume = "if-possible",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Generate the ECG that a person would show in another condition.

    Example: physiogen twin strip.hea --text "left bundle branch block" --hr 95 -n 4 --seed 3 --out TWINS --plot

    What the reference shows by itself is measured. Two scores are printed for every twin: identity kept and change
    achieved. Synthetic; not for diagnosis.
    """
    _check(number, strength, steps, sampler)
    check_there(reference, checkpoint=checkpoint)
    wanted = leads_of(leads)
    if not same and hr is None and age is None and not any(each and each.strip() for each in (text, add, remove)):
        raise InputError(NOTHING_CHANGED)
    from diffusion.conditions.condition import Condition
    from diffusion.process.settings import requested_sampling
    from diffusion.twin.change import Change
    from gen import __version__
    from gen.files import check_output
    from gen.io import expand_inputs
    from gen.io.formats import writable
    from gen.io.unfinished import digest_of
    from gen.synthesis.contradictory import refuse

    writable(format)
    forms = check_export(export, seconds)
    change = Change(text=text, add=add, remove=remove, heart_rate=hr, age=age, same=same).checked(allow_unknown)
    Condition(age=age, heart_rate=hr)  # refuses numbers out of range before anything is loaded
    if not allow_contradictions:
        refuse({"text": text, "heart_rate": hr} if hr is not None else {"text": text})
    drawing = {"steps": steps, "sampler": sampler, "guidance": guidance, "negative": negative, "float32": float32}
    settings = requested_sampling(**drawing, duration_s=seconds)  # type: ignore[arg-type]
    reading = {"fs_hz": fs, "unit": unit, "leads": wanted, "columns": columns}
    files = expand_inputs(list(reference))
    records = _read(files, reading)
    check_output(out, overwrite=overwrite)
    # Heavy: after everything that can be asked for in vain.
    from diffusion.twin.making import TwinJob, write_twins

    pipeline, sampling = _pipeline(checkpoint, device, settings)
    pipeline.set_progress_bar_config(disable=True)
    person = pipeline.prepare(records, report=report)
    _tell(person, change)
    identity = {
        "command": "twin",
        "software": __version__,
        "inputs": digest_of(files),
        "weights": pipeline.digests,
        "change": vars(change),
        "settings": {**reading, **drawing, "report": report, "strength": strength, "seconds": seconds},
        "number": number,
        "seed": seed,
        "format": format,
        "plot": plot,
        **({"export": forms} if forms else {}),
    }
    missing: list[str] = []

    def finish_set(folder: Path) -> None:
        origin = origin_of("twin", pipeline.card, pipeline.digests, terms_of(pipeline.card, "the person's recordings"))
        missing.extend(export_sets(folder, forms, seed, origin, workers, anew=True))

    processes = workers if device == "cpu" else 1
    job = TwinJob(
        pipeline, person, change, number, seed, sampling, strength, format, plot, processes, identity=identity
    )
    with Progress("ECGs", number) as bar:
        twins = write_twins(job, out, overwrite=overwrite, resume=resume, progress=bar.update, finish=finish_set)
    lines = [f"{counted(len(twins), 'synthetic ECG')} of one person in {out}"]
    lines += [f"{made.record}: {_words(made.scores)}" for made in twins]
    _warn(twins)
    lines += [f"plots beside the reference in {out / 'plots'}"] if plot else []
    lines += told(out, forms)
    finish(lines, _result(out, person, twins, seed), missing, json=json)


def _check(number: int, strength: float, steps: int | None, sampler: str | None) -> None:
    if number < 1:
        raise InputError(f"-n {number}: expected at least 1")
    if not 0 <= strength <= 1:
        raise InputError(f"--strength {strength:g}: expected 0 (the reference) to 1 (from noise)")
    if sampler is not None and strength < 1:
        raise InputError("--sampler: an edit (--strength below 1) has its own, deterministic one")
    check_chosen(steps, sampler)


def _read(files: Sequence[Path], reading: Mapping[str, Any]) -> "list[EcgRecord]":
    """Recordings of all files; every one has to be readable and of the same person."""
    from diffusion.twin.change import one_person
    from gen.io.blocks import Inputs

    bad: list[str] = []
    records = list(Inputs(files, bad, **reading))
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


def _warn(twins: "Sequence[MadeTwin]") -> None:
    """Say on stderr what is unusual about twins, as their metadata do."""
    from diffusion.twin.scores import not_kept

    if (line := not_kept({made.record: made.scores for made in twins})) is not None:
        say(f"warning: {line}")
    for made in twins:
        for line in made.unusual.get("outside", ()):
            say(f"warning: {made.record}: {line}")
        if "not_shown" in made.unusual:
            say(f"warning: {made.record}: not to be seen by its criterion: {', '.join(made.unusual['not_shown'])}")
    for code in sorted({code for made in twins for code in made.unusual.get("not_learned", ())}):
        say(f"warning: {code}: what it does to a beat is not learned; rhythm and numbers alone follow it")


def _result(out: Path, person: "Reference", twins: "Sequence[MadeTwin]", seed: int) -> dict[str, Any]:
    from diffusion.conditions.request import request_of

    return {
        "out": str(out),
        "seed": seed,
        "reference": {"condition": request_of(person.condition), "notes": list(person.notes)},
        "twins": [{"record": made.record, **made.scores.as_dict()} for made in twins],
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
