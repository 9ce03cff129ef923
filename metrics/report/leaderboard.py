"""Several systems in one table: ``physiogen compare default=REPORT1 simulated=REPORT2 ...``.

Each is the report of `physiogen benchmark` on the same real records. The first line is what two halves of the real
records would score, where the reports know it (at half the records: compare it with a distance at the same n only).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gen.page import format_value
from gen.records import InputError

FIGURES = (
    "fid",
    "fid_infinity",
    "kid",
    "precision_k3",
    "recall_k3",
    "density",
    "coverage",
    "two_sample_auroc",
    "fid@random-conv",
    "two_sample_auroc@random-conv",
)


def leaderboard(reports: Mapping[str, Mapping[str, Any]], figures: Sequence[str]) -> str:
    """Markdown: a line for each system, a column for each figure with its interval.

    Args:
        reports: by the name of the system, as `metrics.report.write.read_report` gives them.
        figures: names of figures.

    Raises:
        InputError: the reports judge against other real records, or none of them has a figure of that name.
    """
    same_recordings(reports)
    check_figures(reports, figures)
    lines = [f"| system | n | {' | '.join(figures)} |", "|---" * (len(figures) + 2) + "|"]
    floors = [_floor(reports, figure) for figure in figures]
    if any(floors):
        lines.append(f"| two halves of the real records | | {' | '.join(floors)} |")
    for name, report in reports.items():
        count = report["settings"]["sets"]["generated"]["records"]
        cells = [_cell(report["metrics"].get(figure, {})) for figure in figures]
        lines.append(f"| {name} | {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def same_recordings(reports: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse reports that judge against other real records than the first.

    Raises:
        InputError: one does.
    """
    against = {name: report["settings"]["sets"]["real"]["digest"] for name, report in reports.items()}
    first = next(iter(against))
    for name, digest in against.items():
        if digest != against[first]:
            raise InputError(f"{name}: other real records than {first}; accepted: reports on the same real set")


def check_figures(reports: Mapping[str, Mapping[str, Any]], figures: Sequence[str]) -> None:
    """Refuse names of figures that no report holds.

    Raises:
        InputError: one is unknown.
    """
    for figure in figures:
        if not any(figure in report["metrics"] for report in reports.values()):
            known = ", ".join(next(iter(reports.values()))["metrics"])
            raise InputError(f"figure {figure!r}: in none of the reports; accepted: {known}")


def chosen_figures(reports: Mapping[str, Mapping[str, Any]], words: str | None) -> list[str]:
    """Figures named by comma, or the usual ones that any of the reports holds.

    Raises:
        InputError: an unknown name, or none of the usual ones is there.
    """
    known = {figure for report in reports.values() for figure in report["metrics"]}
    chosen = words.split(",") if words else [figure for figure in FIGURES if figure in known]
    if not chosen:
        raise InputError(f"--figures: none of the usual ones is there; accepted: {', '.join(sorted(known))}")
    check_figures(reports, chosen)
    return chosen


def _floor(reports: Mapping[str, Mapping[str, Any]], figure: str) -> str:
    found = [r["metrics"].get(figure, {}).get("floor") for r in reports.values()]
    return next((format_value(value) for value in found if value is not None), "")


def _cell(entry: Mapping[str, Any]) -> str:
    if entry.get("value") is None:
        return ""
    low, high = entry.get("ci") or (None, None)
    span = "" if low is None or high is None else f" [{format_value(low)}, {format_value(high)}]"
    return format_value(entry["value"]) + span
