"""``physiogen benchmark``: how good generated signals are."""

import json as json_library
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gen.commands.reading import Resume
from gen.commands.there import check_sets, leads_of
from gen.errors import InputError
from gen.progress import Progress

if TYPE_CHECKING:
    from metrics.suite import BenchmarkReport


def benchmark(
    real: Annotated[
        str | None,
        typer.Option(help="Real records: a record set, PTB-XL tree, cache or folder of ECGs; DIR or DIR:test."),
    ] = None,
    generated: Annotated[str | None, typer.Option(help="Generated records, in any of the same forms.")] = None,
    train: Annotated[
        str | None,
        typer.Option(help="What the generator was trained on (DIR or DIR:train), or a file naming its patients."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report: page, tables, figures, report.json.")] = None,
    preset: Annotated[str, typer.Option(help="quick, reconstruction, generation, twin, cine or full.")] = "quick",
    extractor: Annotated[
        list[str] | None, typer.Option(help="Feature extractor; repeat for more. Default: all that are there.")
    ] = None,
    leads: Annotated[str | None, typer.Option(help="Score these leads only, such as II,V1,V5.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Cut every record to its first seconds.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything drawn at random.")] = 0,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Compare two report.json (or their folders) instead.")
    ] = None,
    resume: Resume = "if-possible",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a report in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Score generated records against real ones: fidelity, diversity, physics, conditioning, privacy.

    Example: physiogen benchmark --real .data/ptb-xl:test --generated GEN --train .data/ptb-xl:train --out R

    A run that was killed goes on with the sections that are left when the same command is given again.

    Two reports of the same real set are compared with: physiogen benchmark --compare A/report.json B/report.json
    """
    if compare is not None:
        _compare(compare, json, out=out, overwrite=overwrite)
        return
    if real is None or generated is None or out is None:
        missing = [
            name for name, value in (("--real", real), ("--generated", generated), ("--out", out)) if value is None
        ]
        raise InputError(f"{', '.join(missing)} missing; accepted: --real DIR --generated DIR --out DIR, or --compare")
    if seconds is not None and not 1 <= seconds < float("inf"):
        raise InputError(f"--seconds {seconds:g}: accepted: 1 or more")
    check_sets(real, generated, train)
    if not preset.startswith("cine"):
        from metrics.suite.sets import split_location

        for place in (real, generated, *([train] if train is not None and not Path(train).is_file() else [])):
            split_location(place)
    wanted = leads_of(leads)
    from metrics.suite.presets import preset as preset_of

    preset_of(preset)
    if extractor:
        _check_extractors(extractor)
    from metrics.suite import benchmark as run

    with Progress("benchmark", percent=True) as bar:
        report = run(
            real=real,
            generated=generated,
            train=train,
            out=out,
            preset=preset,
            extractors=extractor or None,
            leads=wanted,
            seconds=seconds,
            seed=seed,
            overwrite=overwrite,
            progress=bar.callback(),
            resume=resume,
        )
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if json:
        from metrics.report.write import encode

        typer.echo(encode(report).rstrip("\n"))
    else:
        typer.echo(_describe(report))


def _check_extractors(names: list[str]) -> None:
    """Refuse extractors that nobody registered, before records are read; those of images are told of later."""
    import metrics.distribution.ecg_parameters
    import metrics.judges.classifier  # noqa: F401  (both register theirs)
    from metrics.distribution.extractors import extractor_names

    unknown = [name for name in names if name not in extractor_names()]
    if unknown:
        raise InputError(f"--extractor {' '.join(unknown)}: unknown; accepted: {', '.join(extractor_names())}")


def _compare(paths: tuple[Path, Path], json: bool, *, out: Path | None, overwrite: bool) -> None:
    from metrics.report.compare import compare_reports, comparison_markdown

    found = compare_reports(*paths)
    if out is not None:
        from gen.files import write_atomically

        file = out / "comparison.md"
        if file.exists() and not overwrite:
            raise InputError(f"{file}: exists; use --overwrite")
        write_atomically(file, comparison_markdown(found).encode())
    typer.echo(json_library.dumps(found.as_dict(), ensure_ascii=False) if json else comparison_markdown(found))


def _describe(report: "BenchmarkReport") -> str:
    from metrics.report.lights import words
    from metrics.report.tables import interval, number, skipped

    lines = [report.headline]
    for each in report.entries.values():
        if each.skipped is not None:
            continue
        floor = "" if each.floor is None else f"  real/real {number(each.floor, each.floor_ci)}"
        if each.at_floor_n is not None and each.floor_n != each.n:
            floor += f" at n={each.floor_n} (there {number(each.at_floor_n, each.ci)})"
        trivial = "" if each.baseline is None else f"  {each.baseline_name} {number(each.baseline)}"
        bounds = f" ({interval(each.ci)})" if each.ci is not None else ""
        value = f"{number(each.value, each.ci)}{' ' if each.unit else ''}{each.unit}"
        lines.append(f"{words(each):14s} {each.name:28s} {value}{bounds}{floor}{trivial}")
    left_out = skipped(report)
    if left_out:
        lines.append("not computed:")
        lines += [f"   {name}: {reason}" for name, reason in left_out]
    if report.out is not None:
        lines.append(f"{report.out / 'report.html'}")
    return "\n".join(lines)
