"""``physiogen reconstruct``: files with few leads in, twelve leads out; ``physiogen export``: a device's model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gen.commands.device import Device, moved
from gen.commands.engine import Workers
from gen.commands.output import counted, finish, say
from gen.commands.reading import Columns, Rate, Resume, Unit
from gen.commands.there import check_readable, check_there, leads_of
from gen.errors import InputError
from gen.progress import Progress
from metrics.commands.export import Export, check_export, origin_of, terms_of, told
from metrics.commands.export import export as export_sets

if TYPE_CHECKING:
    from gen.records import EcgRecord


def reconstruct(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="ECG files, globs or folders.")],
    out: Annotated[Path, typer.Option(help="Folder of the record set to write.")],
    leads: Annotated[
        str | None, typer.Option(help="Leads to use as input, such as II,V1,V5; all that a file has by default.")
    ] = None,
    samples: Annotated[int, typer.Option(min=0, help="Draws from the model besides its mean.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    method: Annotated[str, typer.Option(help="default, wearecg, least-squares, fir, nearest or dower.")] = "default",
    checkpoint: Annotated[Path | None, typer.Option(help="Weights of your own instead of the shipped ones.")] = None,
    format: Annotated[str, typer.Option(help="wfdb, edf, dicom, csv, npz, parquet, webdataset, aecg, fhir.")] = "wfdb",
    plot: Annotated[bool, typer.Option("--plot", help="Draw every record on ECG paper into OUT/plots.")] = False,
    layout: Annotated[str, typer.Option(help="Paper layout of the plots: 3x4, 6x2, 12x1, cabrera or strip.")] = "3x4",
    bands: Annotated[bool, typer.Option(help="Write 50 and 90 % bands around every record into OUT/bands.")] = True,
    device: Device = "cpu",
    export: Export = None,
    allow_bad_leads: Annotated[
        bool, typer.Option("--allow-bad-leads", help="Rebuild flat or saturated leads instead of refusing them.")
    ] = False,
    reference: Annotated[
        list[Path] | None, typer.Option(help="Earlier twelve-lead ECG of the same person; may be repeated.")
    ] = None,
    trust_reference: Annotated[
        bool, typer.Option("--trust-reference", help="Take a reference whose beats do not look like the input's.")
    ] = False,
    fs: Rate = None,
    unit: Unit = None,
    columns: Columns = None,
    workers: Workers = None,
    resume: Resume = "if-possible",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Rebuild the twelve leads of an ECG from any of them.

    Observed samples come back unchanged (in files to the microvolt that they store); everything else is estimated and
    marked synthetic. Not for diagnosis.

    Example: physiogen reconstruct strip.hea --leads II,V1,V5 --reference clinic.hea --out OUT --plot --samples 20
    """
    check_there([*inputs, *(reference or [])], checkpoint=checkpoint)
    wanted = leads_of(leads)
    if trust_reference and not reference:
        raise InputError("--trust-reference: no reference given; accepted: together with --reference FILE")
    from gen import __version__
    from gen.files import check_output
    from gen.io import expand_inputs
    from gen.io.formats import writable
    from gen.io.unfinished import digest_of
    from gen.plot import LAYOUTS
    from vae.methods import DRAWING, METHODS

    if method not in METHODS:
        raise InputError(f"--method {method}: unknown method {method!r}; known: {', '.join(METHODS)}")
    if samples and method not in DRAWING:
        raise InputError(f"method {method!r} draws no samples; use the default method")
    if layout not in LAYOUTS:
        raise InputError(f"--layout {layout}: unknown layout; accepted: {', '.join(LAYOUTS)}")
    forms = check_export(export)
    writable(format)
    check_output(out, overwrite=overwrite)
    files = expand_inputs(inputs)
    check_readable(files, fs_hz=fs, unit=unit, leads=wanted, columns=columns)
    for file in expand_inputs(reference or []):
        check_readable([file], fs_hz=fs, unit=unit)
    # Heavy: after everything that a file can lack.
    from vae.deploy.bulk import Job, rebuild_files
    from vae.pipeline import load

    references = _references(reference or [], fs, unit, trust=trust_reference)
    pipeline = moved(load(checkpoint, method=method), device)
    pipeline.check_draws(samples)
    asked: dict[str, Any] = {"leads": wanted, "num_samples": samples, "seed": seed}
    asked["allow_bad_leads"] = allow_bad_leads
    reading = {"fs_hz": fs, "unit": unit, "leads": wanted, "columns": columns}
    identity = {
        "command": "reconstruct",
        "software": __version__,
        "inputs": digest_of(files),
        "method": method,
        "weights": pipeline.predictor.digest,
        "references": digest_of(expand_inputs(reference or [])),
        "settings": {**asked, **reading, "trust_reference": trust_reference},
        "format": format,
        "layout": layout if plot else None,
        "bands": bands,
        **({"export": forms} if forms else {}),
    }
    if references:
        asked |= {"reference": references, "trust_reference": trust_reference}
    job = Job(pipeline, files, asked, format, plot, layout, bands, reading, identity, workers if device == "cpu" else 1)
    missing: list[str] = []

    def finish_set(folder: Path) -> None:
        card = pipeline.card
        origin = origin_of("reconstruct", card, pipeline.digests, terms_of(card, "the recordings that went in"))
        missing.extend(export_sets(folder, forms, seed, origin, workers, anew=True))

    with Progress("records", len(files)) as bar:
        done = rebuild_files(
            job,
            out,
            overwrite=overwrite,
            resume=resume,
            progress=bar.update,
            warn=lambda text: typer.echo(text, err=True),
            finish=finish_set,
        )
    if not done.records:
        for line in done.bad:
            say(f"physiogen: {line}")
        raise typer.Exit(2)
    lines = [f"{counted(len(done.records), 'record')} with twelve leads in {out}"]
    if samples:
        lines.append(f"{samples} draws per record in {out / 'samples'}")
    if (out / "bands").is_dir():
        lines.append(f"50 and 90 % bands in {out / 'bands'}")
    lines += _expected(out)
    lines += [f"plots in {out / 'plots'}"] if plot else []
    lines += told(out, forms)
    finish(lines, {"out": str(out), "records": done.records}, [*done.bad, *missing], json=json)


def _expected(out: Path) -> list[str]:
    """What to expect of the leads that were given, once for each set of them."""
    from gen.io import set_table
    from vae.expected import in_words

    found: dict[tuple[tuple[str, ...], ...], tuple[dict[str, Any], dict[str, float]]] = {}
    for facts in set_table(out)["metadata"]:
        if "observed_leads" in facts and facts.get("method", "default") == "default":
            partly = facts.get("partly_observed", {})  # of the first recording with these leads
            found.setdefault((tuple(facts["observed_leads"]), tuple(partly)), (facts.get("expected") or {}, partly))
    return [line for (leads, _), facts in found.items() for line in in_words(leads, *facts)]


def export(
    out: Annotated[Path, typer.Option(help="File to write.")],
    checkpoint: Annotated[Path | None, typer.Option(help="Weights of your own instead of the shipped ones.")] = None,
    format: Annotated[Literal["onnx", "torchscript"], typer.Option(help="Of the file.")] = "onnx",
    leads: Annotated[
        str | None, typer.Option(help="The device's leads in the order of its channels, such as II,V1,V5.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of the signals.")] = 10.0,
    batch: Annotated[
        int | None, typer.Option(min=1, help="A batch size for runtimes that want one; any by default.")
    ] = None,
    dtype: Annotated[
        Literal["float32", "int8"], typer.Option(help="How an ONNX file stores its weights; int8 is a quarter.")
    ] = "float32",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write the reconstruction model as a file that a device's runtime reads.

    The file is compared with the network before it gets its name.

    Example: physiogen export --format onnx --leads II,V1,V5 --out wearable.onnx
    """
    wanted = leads_of(leads)
    check_there(checkpoint=checkpoint)
    from vae.deploy.export import export as write
    from vae.predictors import WEIGHTS

    difference = write(
        checkpoint or WEIGHTS / "default",
        out,
        format=format,
        leads=wanted,
        seconds=seconds,
        batch=batch,
        dtype=dtype,
        overwrite=overwrite,
    )
    size = out.stat().st_size
    if json:
        import json as json_library

        facts = {"out": str(out), "bytes": size, "difference_mv": difference.largest_mv, "rms_mv": difference.rms_mv}
        typer.echo(json_library.dumps(facts))
    else:
        typer.echo(f"{out}: {size / 1e6:.1f} MB, from the network {difference}")


def _references(paths: list[Path], fs: float | None, unit: str | None, *, trust: bool) -> "list[EcgRecord]":
    """Complete recordings of one person; a file that is none ends the command."""
    if not paths:
        return []
    from gen.io import expand_inputs
    from gen.io.blocks import Inputs
    from vae.reference import check_references

    bad: list[str] = []
    found = list(Inputs(expand_inputs(paths), bad, fs_hz=fs, unit=unit))
    if bad:
        raise InputError(bad[0])
    check_references(found, trust=trust)
    return found
