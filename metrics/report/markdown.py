"""report.md: the figures as tables, for a repository or a pull request."""

from collections.abc import Sequence

from metrics.report import formulas
from metrics.report.entries import BenchmarkReport
from metrics.report.lights import LEGEND
from metrics.report.tables import (
    HEADERS,
    TELLING,
    origin_rows,
    row,
    sections,
    settings_rows,
    skipped,
    telling_rows,
    title,
)


def markdown(report: BenchmarkReport) -> str:
    """The whole file; its first line is the headline."""
    parts = [report.headline, "", f"# {title(report)}", "", _table(("", ""), origin_rows(report)), ""]
    parts += [f"> **Warning.** {text}\n" for text in report.warnings]
    for name, entries in sections(report).items():
        parts += [f"## {name}", "", _table(HEADERS, [row(each) for each in entries]), ""]
        if told := telling_rows(entries):
            parts += [_table(TELLING, told), ""]
    parts += [LEGEND, ""]
    left_out = skipped(report)
    if left_out:
        parts += ["## Not computed", "", _table(("measure", "reason"), left_out), ""]
    meanings = formulas.meanings(report.entries.values())
    parts += ["## What the measures mean", "", _table(formulas.HEADERS, meanings), ""]
    parts += ["## Settings", "", _table(("setting", "value"), settings_rows(report)), ""]
    return "\n".join(parts)


def _table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")
