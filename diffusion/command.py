"""``physiogen synthesize``: text and numbers, a table of them, or a real set's distribution in; ECGs out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffusion.bulk import Bulk
from diffusion.process.named import check_chosen
from gen.commands.asked import check_asked
from gen.commands.device import Device, moved
from gen.commands.engine import Address, BlockLimit, Engine, Slurm, Workers, engine_of
from gen.commands.output import counted, finish, say
from gen.commands.reading import Resume
from gen.commands.there import check_data, check_there
from gen.errors import InputError
from gen.progress import Progress
from gen.quantities import NOTHING_ASKED
from metrics.commands.export import Export, check_export, origin_of, told
from metrics.commands.export import export as export_sets

if TYPE_CHECKING:
    from gen.io.unfinished import Resume as UnfinishedResume
    from gen.synthesis import DataSet, Outcome, Requests

#: Records drawn by --plot, and lines about single rows or words that are shown.
_PLOTS, _SHOWN = 16, 20


def synthesize(
    out: Annotated[Path, typer.Option(help="Folder of the record set to write.")],
    number: Annotated[
        int | None, typer.Option("-n", "--number", help="ECGs to make; 1, or one for each row of --conditions.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Findings, in one of the languages of `physiogen text`.")] = None,
    age: Annotated[float | None, typer.Option(help="Age in years, 0 to 120.")] = None,
    sex: Annotated[str | None, typer.Option(help="F or M.")] = None,
    hr: Annotated[float | None, typer.Option(help="Heart rate in bpm, 20 to 300.")] = None,
    pr: Annotated[float | None, typer.Option(help="PR interval in ms.")] = None,
    qrs: Annotated[float | None, typer.Option(help="QRS duration in ms.")] = None,
    qt: Annotated[float | None, typer.Option(help="QT interval in ms.")] = None,
    axis: Annotated[float | None, typer.Option(help="Frontal QRS axis in degrees.")] = None,
    conditions: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet table: text, label, statements, age, sex, hr, ...; one request a row."),
    ] = None,
    like: Annotated[Path | None, typer.Option(help="Real set (or cache) whose rows are the requests.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Table (label, statements) or JSON: what labels of your own stand for."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Make these classes alone: superclasses, SCP-ECG codes or labels, by comma.")
    ] = None,
    per_class: Annotated[int | None, typer.Option(help="ECGs of each class, in place of -n.")] = None,
    balance: Annotated[
        str,
        typer.Option(help="superclass or label: classes equally frequent; fill: as many as each lacks; or none."),
    ] = "none",
    split: Annotated[str, typer.Option(help="With --like: train, val, test or all.")] = "train",
    measured: Annotated[
        Path | None, typer.Option(help="With --like: table of 'physiogen measure' on the set, for rates and intervals.")
    ] = None,
    reports_as_recorded: Annotated[
        bool, typer.Option("--reports-as-recorded", help="With --like: ask with the set's reports word for word.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Names the samples.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Sampling steps, 1 to 1000.")] = None,
    sampler: Annotated[
        str | None,
        typer.Option(help="Of latent weights (--checkpoint): ddpm, ddim, dpm++, sde-dpm++, unipc, euler or heun."),
    ] = None,
    guidance: Annotated[
        str | None, typer.Option(help="How strongly to follow: 3, or by group: text=4,patient=1,rate=2,shape=1.")
    ] = None,
    negative: Annotated[str | None, typer.Option(help="Findings to stay away from.")] = None,
    format: Annotated[str, typer.Option(help="wfdb, parquet, webdataset or npz.")] = "wfdb",
    shard: Annotated[str | None, typer.Option(help="Make part i of n only, such as 1/4; finish all parts.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Weights of your own instead of the shipped ones.")] = None,
    seconds: Annotated[
        float, typer.Option(help="Length of every ECG; hours and days are written piece by piece.")
    ] = 10.0,
    fs: Annotated[float | None, typer.Option(help="Sampling rate in Hz; 500 by default.")] = None,
    literal: Annotated[
        bool, typer.Option("--literal", help="Leave numbers open that a finding implies, such as a long PR.")
    ] = False,
    plot: Annotated[
        bool,
        typer.Option(
            "--plot", help="Draw the first records on ECG paper into OUT/plots, and all of these on one sheet."
        ),
    ] = False,
    export: Export = None,
    unconditional: Annotated[bool, typer.Option("--unconditional", help="Ask for nothing.")] = False,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Go on where nothing in a text was understood.")
    ] = False,
    allow_contradictions: Annotated[
        bool,
        typer.Option("--allow-contradictions", help="Go on where findings exclude each other; the metadata says so."),
    ] = False,
    per_shard: Annotated[
        int | None, typer.Option(help="ECGs per shard; what a kill costs at most. 512, fewer in small sets.")
    ] = None,
    batch: Annotated[int, typer.Option(help="ECGs computed together; divides --per-shard.")] = 64,
    engine: Engine = "local",
    workers: Workers = None,
    address: Address = None,
    slurm: Slurm = None,
    block_limit: BlockLimit = None,
    resume: Resume = "if-possible",
    merge: Annotated[
        bool, typer.Option("--merge", help="Make nothing: finish a set whose parts are all there.")
    ] = False,
    goes_on: Annotated[
        Path | None, typer.Option("--continue", help="Recording (WFDB, EDF, ...) to go on from, with its own beats.")
    ] = None,
    device: Device = "cpu",
    clean: Annotated[bool, typer.Option("--clean", help="Without noise and drift.")] = False,
    float32: Annotated[bool, typer.Option("--float32", help="Compute in float32: slower.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another data set in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Generate 12-lead ECGs from findings, age, sex and heart rate.

    Example: physiogen synthesize --text "atrial fibrillation" --age 70 --sex F --hr 130 -n 16 --seed 1 --out AF --plot

    A run that was stopped goes on where it was when the same command is given again. Synthetic; not for diagnosis.
    """
    check_there(conditions=conditions, labels=labels, measured=measured, checkpoint=checkpoint, continue_=goes_on)
    if out.is_file():
        raise InputError(f"{out}: is a file; accepted: a folder")
    if like is not None:
        check_data(like)
    if number is not None and number < 1:
        raise InputError(f"-n {number}: expected at least 1")
    check_chosen(steps, sampler)
    values = {"text": text, "age": age, "sex": sex, "heart_rate": hr}
    values |= {"pr_ms": pr, "qrs_ms": qrs, "qt_ms": qt, "axis_deg": axis}
    asked = {name: value for name, value in values.items() if value is not None}
    check_asked(asked)
    if not (asked or unconditional or conditions or like or labels or goes_on):
        raise InputError(NOTHING_ASKED)
    from diffusion.process.settings import LONGEST_S, requested_sampling
    from gen.files import check_output
    from gen.synthesis import check_place, share_of
    from gen.synthesis import synthesize as make
    from gen.synthesis.wanted import Wanted

    forms = check_export(export, seconds)
    workforce = engine_of(engine, workers, address, slurm, block_limit)
    share = share_of(shard)
    if (overwrite or resume == "never") and share[1] > 1:
        option = "--overwrite" if overwrite else "--resume never"
        raise InputError(f"{option} with several processes would remove what the others wrote; remove --out first")
    if shard is not None and engine != "local":
        raise InputError(f"--shard {shard}: --engine {engine} hands out all parts by itself; give one of the two")
    wanted = Wanted(
        asked, number, seed, conditions, like, labels, _names(only), per_class, balance, split, measured,
        reports_as_recorded,
    )  # fmt: skip
    if forms and (goes_on is not None or seconds > LONGEST_S):
        raise InputError(f"--export: accepted: ECGs of up to {LONGEST_S:g} s; physiogen multimodal takes longer ones")
    chosen = requested_sampling(
        steps=steps,
        sampler=sampler,
        guidance=guidance,
        negative=negative,
        float32=float32,
        duration_s=min(seconds, LONGEST_S),
        fs_hz=fs,
        literal=literal,
        clean=clean,
    )
    if goes_on is not None:
        if asked or conditions is not None or like is not None or number not in (None, 1) or format != "wfdb":
            raise InputError(
                "--continue takes rhythm and beats from the recording: give no text, number or table besides"
            )
        _continue(checkpoint, device, chosen, goes_on, seconds, out, seed, overwrite=overwrite, resume=resume)
        return
    if seconds > LONGEST_S:
        check_output(out, overwrite=overwrite)
    else:
        check_place(out, resume=resume, merge=merge)
    bulk = Bulk(
        wanted, chosen, format, per_shard, batch, checkpoint, device, unconditional, allow_unknown,
        allow_contradictions,
    )  # fmt: skip
    requests, bad = bulk.requests()
    # Heavy: after everything that can be asked for in vain.
    if seconds > LONGEST_S:
        if format != "wfdb" or shard is not None or plot:
            raise InputError(f"recordings over {LONGEST_S:g} s are written as wfdb, in one process, without plots")
        _long(
            checkpoint, device, chosen, requests, seconds, out, seed, overwrite=overwrite, resume=resume, as_json=json
        )
        for line in bad[:_SHOWN]:
            say(f"physiogen: {line}")
        raise typer.Exit(2 if bad else 0)
    data, generate = bulk.set_of(requests)
    _warn(asked, conditions, like)
    if device != "cpu" and engine == "local":
        workforce = replace(workforce, workers=workers or 1, fresh=True)  # one process for one accelerator
    with Progress("ECGs", len(requests)) as bar:
        outcome = make(
            data, generate, out, share=share, overwrite=overwrite, resume=resume, merge=merge, engine=workforce,
            task=bulk.task(out), progress=bar.callback(),
        )  # fmt: skip
    drawn = _plot(data, out) if plot and share[0] == 0 else 0
    missing = []
    if outcome.complete:
        missing = _export(data, out, forms, workforce.workers)
    classes = dict(requests.about.get("classes") or {})
    lines = [*_lines(out, len(requests), outcome, drawn, classes), *told(out, forms)]
    given_up = [f"{name}: {reason}" for name, reason in outcome.refused]
    finish(lines, _result(out, data, outcome), [*bad, *given_up, *missing], json=json, shown=_SHOWN)


def _long(
    checkpoint: Path | None,
    device: str,
    chosen: Mapping[str, Any],
    requests: "Requests",
    seconds: float,
    out: Path,
    seed: int,
    *,
    overwrite: bool,
    resume: "UnfinishedResume",
    as_json: bool,
) -> None:
    """Recordings longer than a strip, piece by piece."""
    from diffusion.beat_pipeline import load
    from diffusion.conditions.condition import Condition
    from diffusion.long import Clock, check_length, write_recordings

    pipeline = check_length(seconds, moved(load(checkpoint), device), chosen.get("fs_hz"))
    settings = pipeline.sampling(**chosen)
    pipeline.set_progress_bar_config(disable=True)
    asked = [requests[k] for k in range(len(requests))]
    conditions, numbers = [Condition(**request.values) for request in asked], [request.number for request in asked]
    count = write_recordings(
        pipeline,
        conditions,
        numbers,
        seed,
        settings,
        seconds,
        out,
        overwrite=overwrite,
        resume=resume,
        progress=Clock(say),
    )
    if as_json:
        import json

        typer.echo(json.dumps({"out": str(out), "samples": count, "seconds": seconds, "seed": seed, "format": "wfdb"}))
    else:
        typer.echo(f"{count} synthetic recording{'s' if count != 1 else ''} of {seconds:g} s in {out}")


def _continue(
    checkpoint: Path | None,
    device: str,
    chosen: Mapping[str, Any],
    file: Path,
    seconds: float,
    out: Path,
    seed: int,
    *,
    overwrite: bool,
    resume: "UnfinishedResume",
) -> None:
    """The recording that goes on where another ends."""
    from gen.files import check_output
    from gen.io import read

    check_output(out, overwrite=overwrite)
    record = read(file)
    # Heavy: after everything that can be asked for in vain.
    from diffusion.beat_pipeline import load
    from diffusion.long import check_length, write_continuation

    pipeline = check_length(seconds, moved(load(checkpoint), device), chosen.get("fs_hz"))
    write_continuation(
        pipeline, record, seed, pipeline.sampling(**chosen), seconds, out, overwrite=overwrite, resume=resume
    )
    typer.echo(f"{seconds:g} s that go on from {file} in {out}")


def _names(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _warn(asked: Mapping[str, Any], conditions: Path | None, like: Path | None) -> None:
    """Say on stderr what was not understood or contradicts itself; a table's columns that are no condition."""
    from gen.synthesis.contradictory import lines
    from gen.synthesis.table_requests import unused_columns
    from gen.text import read_text

    text = asked.get("text")
    if text and conditions is None and like is None:
        read = read_text(text)
        for line in lines(asked):
            say(f"warning: contradiction: {line}")
        if read.unknown:
            say(f"warning: not understood: {', '.join(read.unknown[:_SHOWN])}")
    if conditions is not None:
        unused = unused_columns(conditions)
        if unused:
            say(f"warning: {conditions}: columns that are no condition are not used: {', '.join(unused[:_SHOWN])}")


def _plot(data: "DataSet", out: Path) -> int:
    """Draw the first records, as they are in the files; how many."""
    from gen.io import read_set
    from gen.plot import contact_sheet, plot_ecg, save
    from gen.synthesis.shards import writing

    first = out / data.file(0)
    if not first.exists():
        return 0
    records = list(islice(read_set(first), _PLOTS))
    with writing(out):
        (out / "plots").mkdir(exist_ok=True)
        for record in records:
            target = out / "plots" / f"{record.record_id}.png"
            if not target.is_file():
                save(plot_ecg(record), target)
        if len(records) > 1:
            save(contact_sheet(records, columns=2), out / "plots" / "all.png")
    return len(records)


def _export(data: "DataSet", out: Path, forms: Sequence[str], workers: int | None) -> list[str]:
    """Sets of a finished set's ECGs; processes that share it wait here for the one that makes them."""
    if not forms:
        return []
    from gen.engines.lock import locked
    from gen.files import PARTIAL
    from gen.synthesis.licence import terms
    from gen.synthesis.shards import writing

    card = dict(data.card or {})
    origin = origin_of("synthesize", {"data": card.get("sources")}, data.model, terms(card, data.requests.about))
    with writing(out), locked(out / f"{PARTIAL}export"):
        missing = export_sets(out, forms, data.seed, origin, workers)
        (out / f"{PARTIAL}export").unlink(missing_ok=True)
    return missing


def _lines(out: Path, count: int, outcome: "Outcome", drawn: int, classes: Mapping[str, int]) -> list[str]:
    before = f" ({outcome.found} of them were there)" if outcome.found else ""
    lines = [f"{counted(count - len(outcome.refused), 'synthetic ECG')} in {out}{before}"]
    if not outcome.complete:
        lines = [f"{outcome.made + outcome.found} of {count} synthetic ECGs in {out}; other parts are missing"]
    if classes:
        lines.append("records of each class: " + ", ".join(f"{name} {n}" for name, n in classes.items()))
    if drawn:
        lines.append(f"plots of the first {drawn} in {out / 'plots'}" if drawn > 1 else f"plot in {out / 'plots'}")
    return lines


def _result(out: Path, data: "DataSet", outcome: "Outcome") -> dict[str, Any]:
    return {
        "out": str(out),
        "samples": len(data.requests),
        "made": outcome.made,
        "found": outcome.found,
        "refused": len(outcome.refused),
        "complete": outcome.complete,
        **({"classes": data.requests.about["classes"]} if data.labelled else {}),
        "seed": data.seed,
        "format": data.format,
        "model": dict(data.model),
        "settings": dict(data.settings),
    }
