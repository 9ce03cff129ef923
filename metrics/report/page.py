"""report.html: one self-contained page with the figures, the lights and the pictures."""

from gen.page import Page
from metrics.report.entries import CONTRACT, BenchmarkReport
from metrics.report.lights import LEGEND, SYMBOLS, light
from metrics.report.tables import HEADERS, interval, number, row, sections, settings_rows, skipped

_HEADLINE_FIGURES = 26


def page(report: BenchmarkReport) -> str:
    """The page as HTML text."""
    synthetic = any(each.get("synthetic") for each in report.settings.get("sets", {}).values())
    out = Page("Benchmark of generated signals", subtitle=report.headline, synthetic=synthetic)
    for warning in report.warnings:
        out.note(warning)
    _summary(report, out)
    for title, entries in sections(report).items():
        out.heading(title)
        out.table(HEADERS, [row(each) for each in entries])
        for name, leads in _per_lead(entries).items():
            out.table(("measure", *leads), [[name, *leads.values()]], caption="per lead")
        for picture in [each for each in report.pictures if each.section == title]:
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
    out.table(
        ("measure", "meaning"),
        [(each.name, each.summary) for each in report.entries.values() if each.skipped is None and each.summary],
    )
    out.heading("Settings")
    out.table(("setting", "value"), settings_rows(report))
    return out.html()


def _summary(report: BenchmarkReport, out: Page) -> None:
    shown = [report.entries[name] for name in CONTRACT if name in report.entries]
    shown = [each for each in shown if each.skipped is None][:_HEADLINE_FIGURES]
    if not shown:
        shown = [each for each in report.entries.values() if each.skipped is None][:_HEADLINE_FIGURES]
    out.heading("Summary")
    out.table(
        ("", "measure", "value", "95 % CI", "real against real", "trivial generator", "n"),
        [
            [
                SYMBOLS[light(each)],
                each.name + (f" ({each.unit})" if each.unit else ""),
                number(each.value),
                interval(each.ci),
                number(each.floor),
                number(each.baseline),
                "" if each.n is None else str(each.n),
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
