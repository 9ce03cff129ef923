"""report.html: one self-contained page with the figures, the lights and the pictures."""

from gen.page import Page
from metrics.report import formulas
from metrics.report.cite import cite_as
from metrics.report.entries import CONTRACT, BenchmarkReport
from metrics.report.lights import LEGEND
from metrics.report.tables import (
    HEADERS,
    TELLING,
    floor,
    interval,
    number,
    origin_rows,
    row,
    sections,
    settings_rows,
    skipped,
    telling_rows,
    title,
    verdict,
)

_HEADLINE_FIGURES = 26


def page(report: BenchmarkReport) -> str:
    """The page as HTML text."""
    synthetic = any(each.get("synthetic") for each in report.settings.get("sets", {}).values())
    out = Page(title(report), subtitle=report.headline, synthetic=synthetic)
    for warning in report.warnings:
        out.note(warning)
    out.table(("", ""), origin_rows(report))
    _summary(report, out)
    for name_of_section, entries in sections(report).items():
        out.heading(name_of_section)
        out.table(HEADERS, [row(each) for each in entries])
        if told := telling_rows(entries):
            out.table(TELLING, told)
        for name, leads in _per_lead(entries).items():
            out.table(("measure", *leads), [[name, *leads.values()]], caption="per lead")
        for picture in [each for each in report.pictures if each.section == name_of_section]:
            out.figure(picture.png, picture.caption, width=picture.width)
    rest = [each for each in report.pictures if each.section not in sections(report)]
    if rest:
        out.heading("Samples")
        for picture in rest:
            out.figure(picture.png, picture.caption, width=picture.width)
    left_out = skipped(report)
    if left_out:
        out.heading("Not computed")
        out.table(("measure", "reason"), left_out)
    out.heading("What the measures mean")
    out.table(formulas.HEADERS, formulas.meanings(report.entries.values()))
    out.heading("Settings")
    out.table(("setting", "value"), settings_rows(report))
    out.heading("Cite as").code(cite_as(report))
    return out.html()


def _summary(report: BenchmarkReport, out: Page) -> None:
    shown = [report.entries[name] for name in CONTRACT if name in report.entries]
    shown = [each for each in shown if each.skipped is None][:_HEADLINE_FIGURES]
    if not shown:
        shown = [each for each in report.entries.values() if each.skipped is None][:_HEADLINE_FIGURES]
    out.heading("Summary")
    out.table(
        (
            "verdict",
            "measure",
            "value",
            "95 % CI",
            "n",
            "at floor n",
            "real against real",
            "floor n",
            "trivial generator",
        ),
        [
            [
                verdict(each),
                each.name + (f" ({each.unit})" if each.unit else ""),
                number(each.value, each.ci),
                interval(each.ci),
                "" if each.n is None else str(each.n),
                number(each.at_floor_n, each.ci),
                floor(each),
                "" if each.floor_n is None else str(each.floor_n),
                number(each.baseline),
            ]
            for each in shown
        ],
    )
    out.text(LEGEND)


def _per_lead(entries: list) -> dict[str, dict[str, str]]:
    found = {}
    for each in entries:
        values = each.extra.get("per_lead")
        if values:
            found[each.name] = {lead: number(value) for lead, value in values.items() if value is not None}
    return found
