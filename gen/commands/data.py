"""``physiogen data``: prepare recordings for training, simulate a cohort."""

import json as json_library
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gen.commands.convert import convert
from gen.commands.output import records_per_s
from gen.commands.reading import Resume
from gen.commands.there import check_data
from gen.errors import InputError
from gen.progress import Progress

if TYPE_CHECKING:
    from gen.datasets import ReadSpeed, SignalCache, Source
    from gen.datasets.own_labels import Meaning
    from gen.simulate.cine.pairs import CineOptions

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Prepare recordings for training, convert them, or simulate a cohort.",
)
_SHOWN_SKIPS = 20
app.command()(convert)


@app.command()
def prepare(
    source: Annotated[
        Path,
        typer.Argument(help="Folder of PTB-XL, MIMIC-IV-ECG, LUDB, AliveCor strips, WFDB records or a record set."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the cache.")],
    fs: Annotated[float, typer.Option(help="Sampling rate of the cache in Hz.")] = 500.0,
    seconds: Annotated[float, typer.Option(help="Length of every record; longer ones are cut, shorter padded.")] = 10.0,
    labels: Annotated[str, typer.Option(help="Label level: super, sub or all.")] = "sub",
    table: Annotated[
        Path | None,
        typer.Option(help="Your table of a folder: file, patient_id, age, sex, report, statements, label, split."),
    ] = None,
    meaning: Annotated[
        Path | None, typer.Option(help="With --table: table (label, statements) of what labels of your own stand for.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="With --table: licence of the recordings, for cards.")] = None,
    citation: Annotated[str | None, typer.Option(help="With --table: how to cite them, for cards.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a cache in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Turn recordings into a memory-mapped cache with patient-wise splits.

    Example: physiogen data prepare .data/ptb-xl --out CACHE

    Recordings of your own: physiogen data prepare FOLDER --table mine.csv --licence "our hospital's" --out CACHE

    A run that was killed goes on where it was when the same command is given again. Records that cannot be used are
    left out and listed with the reason.
    """
    own = {"meaning": meaning, "licence": licence, "citation": citation}
    if table is None and (stray := [name for name, value in own.items() if value is not None]):
        raise InputError(f"--{stray[0]} goes with --table, which it describes")
    if not source.is_file():
        check_data(source)
    for place in (table, meaning):
        if place is not None and not place.exists():
            raise InputError(f"{place}: not found; accepted: a CSV, TSV or Parquet table")
    from gen.datasets import benchmark_read, open_source
    from gen.datasets import prepare as build
    from gen.datasets.scp import LABEL_LEVELS

    if labels not in LABEL_LEVELS:
        raise InputError(f"--labels {labels}: unknown level; accepted: {', '.join(LABEL_LEVELS)}")
    if not fs > 0:
        raise InputError(f"--fs {fs:g}: not a sampling rate; accepted: above 0 Hz")
    if table is not None:
        opened = _own(source, table, meaning, (licence, citation), fs, labels)
    else:
        opened = open_source(source, fs_hz=fs, label_level=labels)
    with Progress("preparing", len(opened)) as bar:
        cache = build(opened, out, fs_hz=fs, duration_s=seconds, overwrite=overwrite, progress=bar.callback())
    for warning in cache.manifest["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    speed = benchmark_read(cache, opened)
    typer.echo(json_library.dumps(_summary(cache, speed)) if json else _describe(cache, speed))


def _own(
    root: Path, table: Path, meaning: Path | None, terms: tuple[str | None, str | None], fs: float, level: str
) -> "Source":
    """A folder of one's own recordings with their table."""
    from gen.datasets import SourceInfo
    from gen.datasets.own_table import open_own_table
    from gen.synthesis import labels as own
    from gen.synthesis.table import cells

    if not root.is_dir():
        raise InputError(f"{root}: is a file; accepted: the folder of the recordings that {table} names")
    mapping = own.read_labels(meaning) if meaning is not None else None

    def meaning_of(label: str) -> "Meaning":
        if mapping is None:
            return own.meaning(label)
        if label not in mapping:
            raise InputError(f"label {label!r} is not in {meaning}; there are {', '.join(sorted(mapping))}")
        return mapping[label]

    licence, citation = (text or "unknown" for text in terms)
    info = SourceInfo(name=f"own:{root.resolve().name}", licence=licence, citation=citation)
    return open_own_table(
        root,
        table,
        cells(table),
        meaning_of=meaning_of,
        codes_of_cell=own.codes_in,
        info=info,
        fs_hz=fs,
        label_level=level,
    )


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Folder of the record set.")],
    number: Annotated[int, typer.Option("-n", "--number", help="Number of patients.")] = 100,
    seed: Annotated[int, typer.Option(help="Names the cohort: the same seed gives the same patients.")] = 0,
    visits: Annotated[int, typer.Option(help="ECGs per patient.")] = 1,
    noise: Annotated[str, typer.Option(help="Recording noise: a level's name, such as none or light.")] = "light",
    format: Annotated[str, typer.Option(help="wfdb, parquet, webdataset or npz.")] = "wfdb",
    fs: Annotated[float, typer.Option(help="Sampling rate in Hz.")] = 500.0,
    seconds: Annotated[float, typer.Option(help="Length of every record.")] = 10.0,
    cine: Annotated[bool, typer.Option("--cine", help="Add the cine cardiac MRI of the same hearts.")] = False,
    levels: Annotated[str | None, typer.Option(help="Slices of a cine: mid, three or stack. [default: mid]")] = None,
    size: Annotated[int | None, typer.Option(help="Rows and columns of a cine. [default: 96]")] = None,
    spacing: Annotated[float | None, typer.Option(help="Pixel size in mm. [default: 192 mm / size]")] = None,
    frames: Annotated[int | None, typer.Option(help="Frames from R peak to R peak. [default: 50]")] = None,
    cine_format: Annotated[
        str | None, typer.Option(help="npz, nifti, gif, mp4, dicom, seg; several with commas. [default: npz]")
    ] = None,
    resume: Resume = "if-possible",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a record set in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Simulate a cohort with known truth and write it as a record set (metadata.csv beside the records).

    Example: physiogen data simulate -n 1000 --seed 0 --out SIM

    With --cine every ECG has the cine of the same heart in the folder cine (metadata.csv with true volumes beside
    them): physiogen data simulate -n 200 --cine --levels three --out PAIRS

    Patient k of a seed is the same whatever the number of patients. A run that was killed goes on where it was when the
    same command is given again.
    """
    drawing = {"levels": levels, "size": size, "spacing": spacing, "frames": frames, "cine_format": cine_format}
    for name, value, least in (("-n", number, 1), ("--visits", visits, 1), ("--seed", seed, 0)):
        if value < least:
            raise InputError(f"{name} {value}: too small; accepted: at least {least}")
    for name, amount in (("--fs", fs), ("--seconds", seconds)):
        if not 0 < amount < float("inf"):
            raise InputError(f"{name} {amount:g}: accepted: above 0")
    options = _cine_options(cine, drawing)
    from gen.io.formats import writable
    from gen.simulate.noise import noise_level

    try:
        noise_level(noise)
    except ValueError as error:
        raise InputError(f"--noise {noise}: {error}") from error
    from gen.simulate.record_set import Cohort, write_cohort

    start = time.perf_counter()
    total = number * visits
    recording: dict[str, Any] = {"noise": noise, "fs_hz": fs, "duration_s": seconds}
    cohort = Cohort(number, seed, visits, recording, writable(format), options)
    with Progress("simulating", total) as bar:
        write_cohort(cohort, out, overwrite=overwrite, resume=resume, progress=bar.update)
    seconds_taken = time.perf_counter() - start
    result: dict[str, Any] = {
        "path": str(out),
        "records": total,
        "patients": number,
        "seed": seed,
        "format": format,
        "records_per_s": float(f"{total / seconds_taken:.3g}"),
    }
    pace = records_per_s(total, seconds_taken)
    text = f"{out}: {total} simulated ECGs of {number} patients, seed {seed} ({pace})"
    if options is not None:
        result["cine"] = {"path": str(out / "cine"), "cines": total, **asdict(options), "spacing_mm": options.pixel_mm}
        text += (
            f"\n{out / 'cine'}: {total} simulated cines of the same hearts, levels {options.levels}, {options.frames} "
            f"frames of {options.size} x {options.size} pixels of {options.pixel_mm:g} mm"
        )
    typer.echo(json_library.dumps(result) if json else text)


@app.command()
def pairs(
    out: Annotated[Path, typer.Option(help="Folder of the cache; an unfinished one is gone on with.")],
    number: Annotated[int, typer.Option("-n", "--number", "--n", min=0, help="Training pairs.")] = 4000,
    val: Annotated[int, typer.Option(min=0, help="Validation pairs.")] = 200,
    test: Annotated[int, typer.Option(min=0, help="Test pairs.")] = 400,
    ecgs: Annotated[int, typer.Option(min=0, help="Further ECGs without a cine.")] = 16000,
    beats: Annotated[int, typer.Option(min=0, help="Averaged beats alone, for flow/reader; 2.7 kB each.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the cohort.")] = 0,
    size: Annotated[int, typer.Option(min=8, help="Rows and columns of a frame, a multiple of 8.")] = 96,
    slices: Annotated[int, typer.Option(min=0, help="Hearts drawn from base to apex, for flow/slices.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Draw simulated pairs of ECG and cine cardiac MRI into a cache that `train flow/...` and `evaluate cmr` read.

    Example: physiogen data pairs -n 4000 --seed 0 --out PAIRS
    """
    from gen import registry

    counts = {"train": number, "val": val, "test": test, "ecgs": ecgs, "beats": beats, "slices": slices}
    if not any(counts.values()):
        raise InputError(
            "-n 0 --val 0 --test 0 --ecgs 0 --beats 0: nothing to draw; accepted: at least 1 of one of them"
        )
    if out.is_file():
        raise InputError(f"{out}: is a file; accepted: a folder for the cache")
    build = registry.get("gen.preparations", "pairs")
    cache = build(out, counts=counts, seed=seed, size=size, progress=_line)
    found = cache.manifest["counts"]
    if json:
        typer.echo(json_library.dumps({"out": str(cache.folder), "counts": found, "digest": cache.digest}))
    else:
        typer.echo(f"{cache.folder}: {', '.join(f'{count} {name}' for name, count in found.items())}")


def _line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _cine_options(cine: bool, given: dict[str, Any]) -> "CineOptions | None":
    """What ``--cine`` and its options say; None without it.

    Raises:
        InputError: a value out of range, or an option of the cines without ``--cine``.
    """
    wished = {name: value for name, value in given.items() if value is not None}
    if not cine:
        if wished:
            raise InputError(f"--{next(iter(wished)).replace('_', '-')}: describes the cines; give --cine as well")
        return None
    from gen.io.cine import formats_of
    from gen.simulate.cine.pairs import CineOptions

    if "cine_format" in wished:
        wished["formats"] = formats_of(wished.pop("cine_format"), "--cine-format")
    if "spacing" in wished:
        wished["spacing_mm"] = wished.pop("spacing")
    return CineOptions(**wished)


def _summary(cache: "SignalCache", speed: "ReadSpeed") -> dict[str, Any]:
    manifest = cache.manifest
    return {
        "path": str(cache.path),
        "source": manifest["source"]["name"],
        "records": len(cache),
        "fs_hz": cache.fs_hz,
        "num_samples": cache.num_samples,
        "leads": list(cache.leads),
        "splits": manifest["splits"],
        "skipped": manifest["skipped"],
        "clipped_values": manifest["clipped_values"],
        "cropped_records": manifest["cropped_records"],
        "padded_records": manifest["padded_records"],
        "poor_quality_records": manifest["poor_quality_records"],
        "warnings": manifest["warnings"],
        "digest": cache.digest,
        "read_speed": {
            "cache_per_s": round(speed.cache_per_s, 1),
            "source_per_s": round(speed.source_per_s, 1),
            "ratio": round(speed.ratio, 1),
            "reader": speed.reader,
            "records": speed.records,
        },
    }


def _describe(cache: "SignalCache", speed: "ReadSpeed") -> str:
    from gen.datasets.base import SPLITS

    manifest = cache.manifest
    splits = manifest["splits"]
    lines = [
        f"{cache.path}: {len(cache)} records of {manifest['source']['name']}, {cache.fs_hz:g} Hz, "
        f"{cache.num_samples} samples, leads {' '.join(cache.leads)}",
        "splits: " + ", ".join(f"{k} {splits[k]['records']} ({splits[k]['patients']} patients)" for k in SPLITS),
        f"cut to length {manifest['cropped_records']}, padded {manifest['padded_records']}, "
        f"poor quality {manifest['poor_quality_records']}, values beyond 32.767 mV {manifest['clipped_values']}",
    ]
    skipped = manifest["skipped"]
    if skipped:
        lines.append(f"left out: {len(skipped)}")
        lines += [f"  {entry['reason']}" for entry in skipped[:_SHOWN_SKIPS]]
    if len(skipped) > _SHOWN_SKIPS:
        lines.append(f"  ... all {len(skipped)} are in manifest.json")
    lines += [
        f"reading {speed.records} records in random batches: cache {speed.cache_per_s:.0f}/s, "
        f"{speed.reader} {speed.source_per_s:.0f}/s, {speed.ratio:.0f} times faster",
        f"digest {cache.digest}",
    ]
    return "\n".join(lines)
