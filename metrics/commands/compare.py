"""``physiogen compare``: reports of several systems, or results of several runs, side by side."""

import json as json_library
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from gen.errors import InputError


def compare(
    reports: Annotated[
        list[str],
        typer.Argument(metavar="NAME=REPORT...", help="Reports of `benchmark` (file or folder), or results files."),
    ],
    figures: Annotated[
        str | None, typer.Option(help="Names of figures by comma: a column each, whatever the number of reports.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the table to this file (Markdown).")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Set reports side by side.

    Example: physiogen compare default=REPORT1 simulated=REPORT2 --figures fid,coverage,two_sample_auroc

    Two reports of `physiogen benchmark` are compared figure by figure with a test where they hold the same records;
    three or more (or with `--figures`) make a table with a line each, below what two halves of the real records would
    score; a second table says which is the best by each figure, and from which others that is told by more than chance.
    Results files of `physiogen evaluate NAME --out` become a table with a column each.
    """
    named = _named(reports)
    if out is not None and out.exists() and not overwrite:
        raise InputError(f"{out}: exists; use --overwrite")
    kinds = {name: _is_results(path) for name, path in named.items()}
    if len(set(kinds.values())) > 1:
        odd = [name for name, results in kinds.items() if results]
        raise InputError(f"{odd[0]}: results of an evaluation among reports; accepted: one kind")
    if all(kinds.values()):
        text, facts = _results(named, figures)
    elif len(named) == 2 and figures is None:
        text, facts = _pair(named)
    else:
        text, facts = _board(named, figures)
    if out is not None:
        from gen.files import write_atomically

        write_atomically(out, text.encode())
    typer.echo(json_library.dumps(facts, ensure_ascii=False) if json else text.rstrip("\n"))


def _named(texts: list[str]) -> dict[str, Path]:
    from gen.evaluations import named_paths

    if len(texts) < 2:
        raise InputError(f"{' '.join(texts)}: one report; accepted: two or more")
    return named_paths(texts, "reports of benchmark or results files")


def _is_results(path: Path) -> bool:
    from gen.files import read_json

    return path.is_file() and "schema" in read_json(path)


def _pair(named: Mapping[str, Path]) -> tuple[str, dict[str, Any]]:
    from metrics.report.compare import compare_reports, comparison_markdown

    (first, one), (second, two) = named.items()
    found = replace(compare_reports(one, two), first=first, second=second)
    return comparison_markdown(found), found.as_dict()


def _board(named: Mapping[str, Path], figures: str | None) -> tuple[str, dict[str, Any]]:
    from metrics.report.leaderboard import chosen_figures, leaderboard
    from metrics.report.verdicts import verdict_table, verdicts
    from metrics.report.write import read_report

    reports = {name: read_report(path) for name, path in named.items()}
    chosen = chosen_figures(reports, figures)
    found = verdicts(reports, chosen)
    text = f"{leaderboard(reports, chosen)}\n\n{verdict_table(found)}\n"
    shown = {name: {key: report["metrics"].get(key) for key in chosen} for name, report in reports.items()}
    return text, {"reports": shown, "verdicts": {each.figure: vars(each) for each in found}}


def _results(named: Mapping[str, Path], figures: str | None) -> tuple[str, dict[str, Any]]:
    from gen.markdown import render_group
    from gen.results import Results, Value

    found = {name: Results.read(path) for name, path in named.items()}
    kinds = {each.name for each in found.values()}
    if len(kinds) > 1:
        raise InputError(f"results of {', '.join(sorted(kinds))}; accepted: those of one evaluation")
    paths = list(dict.fromkeys(path for each in found.values() for path in each.headlines()))
    if figures is not None:
        every = list(dict.fromkeys(path for each in found.values() for path, _ in each.flat()))
        paths = figures.split(",")
        unknown = [path for path in paths if path not in every]
        if unknown:
            raise InputError(f"figure {unknown[0]!r}: in none of the results; accepted: {', '.join(every)}")
    values = {name: dict(each.flat()) for name, each in found.items()}
    rows = {path: {name: values[name].get(path, Value(None)) for name in found} for path in paths}
    sets = {name: [each.as_dict() for each in results.data] for name, results in found.items()}
    differ = len({json_library.dumps(each) for each in sets.values()}) > 1
    lines = ["> **Warning.** The results are of different data.", ""] if differ else []
    text = "\n".join([*lines, *render_group({next(iter(kinds)): rows}, 2)])
    facts = {path: {name: value.as_dict() for name, value in row.items()} for path, row in rows.items()}
    return text + "\n", facts
