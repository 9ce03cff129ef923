"""``physiogen reconstruct``: files with few leads in, twelve leads out; ``physiogen export``: a device's model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gen.commands.output import counted, finish, say
from gen.commands.reading import Columns, Rate, Unit
from gen.leads import LeadError, parse_leads
from gen.progress import Progress
from gen.records import EcgRecord, InputError

if TYPE_CHECKING:
    from gen.io import RecordSetWriter
    from vae.pipeline import Reconstruction, ReconstructionPipeline

#: Files read and rebuilt together; memory does not grow with the number of files.
_BLOCK = 32


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
    layout: Annotated[str, typer.Option(help="Paper layout of the plots: 3x4, 6x2 or 12x1.")] = "3x4",
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Rebuild the twelve leads of an ECG from any of them.

    Observed samples come back unchanged; everything else is estimated and marked synthetic. Not for diagnosis.

    Example: physiogen reconstruct strip.hea --leads II,V1,V5 --reference clinic.hea --out OUT --plot --samples 20
    """
    from gen.io import RecordSetWriter, expand_inputs
    from gen.io.blocks import in_record_blocks, is_long, read_files
    from gen.io.formats import writable
    from gen.plot import LAYOUTS
    from vae.pipeline import METHODS, load

    wanted = None if leads is None else parse_leads(leads)
    writable(format)
    if method not in METHODS:
        raise InputError(f"--method {method}: unknown method {method!r}; known: {', '.join(METHODS)}")
    if layout not in LAYOUTS:
        raise InputError(f"--layout {layout}: unknown layout; accepted: {', '.join(LAYOUTS)}")
    files = expand_inputs(inputs)
    references = _references(reference or [], fs, unit, trust=trust_reference)
    if trust_reference and not references:
        raise InputError("--trust-reference: no reference given; accepted: together with --reference FILE")
    done: list[str] = []
    bad: list[str] = []
    with RecordSetWriter(out, format=format, overwrite=overwrite) as writer, Progress("records", len(files)) as bar:
        pipeline = load(checkpoint, method=method)
        pipeline.check_draws(samples)
        drawn = _Extras(writer, format, plot=plot, layout=layout)
        asked: dict[str, Any] = {"leads": wanted, "num_samples": samples, "seed": seed}
        asked["allow_bad_leads"] = allow_bad_leads
        if references:
            asked |= {"reference": references, "trust_reference": trust_reference}
        records = read_files(files, bad, fs_hz=fs, unit=unit, leads=wanted, columns=columns)
        for block in in_record_blocks(records, _BLOCK):
            if is_long(block[0]) and references:
                bad.append(f"{block[0].source_name}: hours long; accepted with --reference: up to an hour and a half")
                continue
            if is_long(block[0]):
                if _rebuilt_by_hours(pipeline, block[0], wanted, writer, bar, bad, whole=samples > 0 or plot):
                    done.append(block[0].record_id)
                continue
            for result in _rebuild(pipeline, block, asked, bad):
                if not _written(writer, result.record, bad):
                    continue
                drawn.add(result)
                done.append(result.record.record_id)
                _tell_ignored(result.record)
            bar.update(len(done) + len(bad))
        drawn.close()
        if not done:  # ends here, so that no empty set is written
            for line in bad:
                say(f"physiogen: {line}")
            raise typer.Exit(2)
    lines = [f"{counted(len(done), 'record')} with twelve leads in {out}"]
    if samples:
        lines.append(f"{samples} draws per record in {out / 'samples'}, 50 and 90 % bands in {out / 'bands'}")
    lines += [f"plots in {out / 'plots'}"] if plot else []
    finish(lines, {"out": str(out), "records": done}, bad, json=json)


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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write the reconstruction model as a file that a device's runtime reads.

    The file is compared with the network before it gets its name.

    Example: physiogen export --format onnx --leads II,V1,V5 --out wearable.onnx
    """
    wanted = None if leads is None else parse_leads(leads)
    from vae.deploy.export import export as write
    from vae.predictors import WEIGHTS

    difference = write(
        checkpoint or WEIGHTS / "default",
        out,
        format=format,
        leads=wanted,
        seconds=seconds,
        batch=batch,
        overwrite=overwrite,
    )
    size = out.stat().st_size
    if json:
        import json as json_library

        facts = {"out": str(out), "bytes": size, "difference_mv": difference}
        typer.echo(json_library.dumps(facts))
    else:
        typer.echo(f"{out}: {size / 1e6:.1f} MB, at most {difference:.1g} mV from the network")


def _rebuilt_by_hours(
    pipeline: "ReconstructionPipeline",
    record: EcgRecord,
    leads: tuple[str, ...] | None,
    writer: "RecordSetWriter",
    bar: Progress,
    bad: list[str],
    *,
    whole: bool,
) -> bool:
    """A recording of hours, with a row for each hour in hours.csv; whether it could be rebuilt."""
    import csv

    from vae.deploy.long import COLUMNS, rebuild_long

    try:
        if whole:
            raise InputError(f"{record.source_name}: {record.duration_s / 3600:.1f} h; accepted: no draws and no plots")
        rows = rebuild_long(pipeline, record, writer, leads=leads, progress=lambda text: bar.update(0, text))
    except (InputError, LeadError) as error:
        if isinstance(error.__cause__, OSError):
            raise
        bad.append(str(error) if str(error).startswith(record.source_name) else f"{record.source_name}: {error}")
        return False
    table = writer.folder / "hours.csv"
    new = not table.exists()
    with table.open("a", newline="", encoding="utf-8") as handle:
        out = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        if new:
            out.writeheader()
        out.writerows(rows)
    return True


def _written(writer: "RecordSetWriter", record: EcgRecord, bad: list[str]) -> bool:
    """Write a record; one that the format cannot hold is listed, while a full disk ends the run."""
    try:
        writer.add(record)
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise
        bad.append(f"{record.source_name}: {error}")
        return False
    return True


def _tell_ignored(record: EcgRecord) -> None:
    for lead, reason in record.metadata.get("ignored_leads", {}).items():
        typer.echo(f"warning: {record.record_id}: lead {lead} {reason}; not used as input", err=True)


def _references(paths: list[Path], fs: float | None, unit: str | None, *, trust: bool) -> list[EcgRecord]:
    """Complete recordings of one person; a file that is none ends the command."""
    if not paths:
        return []
    from gen.io import expand_inputs
    from gen.io.blocks import read_files
    from vae.reference import check_references

    bad: list[str] = []
    found = list(read_files(expand_inputs(paths), bad, fs_hz=fs, unit=unit))
    if bad:
        raise InputError(bad[0])
    check_references(found, trust=trust)
    return found


def _rebuild(
    pipeline: "ReconstructionPipeline", block: list[EcgRecord], asked: dict[str, Any], bad: list[str]
) -> "list[Reconstruction]":
    """Reconstruct what can be; a record that cannot is listed and does not take the others with it."""
    try:
        return pipeline(block, **asked)
    except (InputError, LeadError) as error:
        if len(block) == 1:
            file = block[0].source_name
            bad.append(str(error) if str(error).startswith(file) else f"{file}: {error}")
            return []
    return [result for record in block for result in _rebuild(pipeline, [record], asked, bad)]


class _Extras:
    """Draws, bands and plots, built inside the record set's unfinished folder so that all appear together."""

    def __init__(self, writer: "RecordSetWriter", format: str, *, plot: bool, layout: str) -> None:
        self.folder, self.format, self.plot, self.layout = writer.folder, format, plot, layout
        self.samples: RecordSetWriter | None = None

    def add(self, result: "Reconstruction") -> None:
        import numpy as np

        from gen.io import RecordSetWriter

        name = result.record.record_id
        if result.samples:
            if self.samples is None:
                self.samples = RecordSetWriter(self.folder / "samples", format=self.format).__enter__()
            for sample in result.samples:
                self.samples.add(sample)
            (self.folder / "bands").mkdir(exist_ok=True)
            arrays: dict[str, Any] = {
                f"{side}_{level}_mv": edge
                for level, band in result.bands.items()
                for side, edge in zip(("lower", "upper"), band, strict=True)
            }
            arrays |= {"leads": np.array(result.record.leads), "fs_hz": np.array(result.record.fs_hz)}
            np.savez_compressed(self.folder / "bands" / f"{name}.npz", **arrays)
        if self.plot:
            from gen.plot import plot_ecg, save

            (self.folder / "plots").mkdir(exist_ok=True)
            figure = plot_ecg(
                result.record,
                layout=self.layout,
                observed=result.observed,
                band=result.bands.get(90),
                band_label="90 % band",
            )
            save(figure, self.folder / "plots" / f"{name}.png")

    def close(self) -> None:
        if self.samples is not None:
            self.samples.__exit__(None, None, None)
