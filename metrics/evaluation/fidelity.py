"""Reports of ``physiogen benchmark`` as a stored result: ``physiogen evaluate fidelity NAME=REPORT...``."""

from collections.abc import Mapping
from typing import Any, cast

from gen.evaluations import Progress, named_paths
from gen.records import InputError
from gen.results import Data, Results, Value
from gen.values import Better
from metrics.evaluation.settings import Fidelity
from metrics.report.entries import AS_IN_REAL
from metrics.report.leaderboard import chosen_figures, same_recordings
from metrics.report.write import read_report

_FLOOR = "two halves of the recordings"


def run(settings: Fidelity, progress: Progress) -> Results:
    """One report: value, value at the floor's number and floor of each measure. Several: a line for each set."""
    paths = named_paths(settings.reports, "report.json of a benchmark or its folder")
    reports = {name: read_report(path) for name, path in paths.items()}
    for name, report in reports.items():
        if "sets" not in report.get("settings", {}):
            raise InputError(f"{name}={paths[name]}: names no sets; accepted: report.json of a benchmark")
    same_recordings(reports)
    figures = chosen_figures(reports, settings.figures)
    progress(f"{len(reports)} reports, {len(figures)} measures")
    first = next(iter(reports.values()))
    if len(reports) == 1:
        (name,) = reports
        table = {figure: _columns(name, first["metrics"].get(figure, {}), figure) for figure in figures}
    else:
        table = _by_set(reports, figures)
        if len(figures) > len(table):
            table = {figure: {name: row[figure] for name, row in table.items()} for figure in figures}
    sets = first["settings"]["sets"]
    real = Data(str(sets["real"]["name"]), sets["real"].get("split"), sets["real"]["digest"])
    counts = {name: report["settings"]["sets"]["generated"] for name, report in reports.items()}
    return settings.results(
        {"fidelity": table},
        data=[real],
        n=max(each["records"] for each in counts.values()),
        digests={name: each["digest"] for name, each in counts.items()},
        records={name: each["records"] for name, each in counts.items()} | {"recordings": sets["real"]["records"]},
        seeds={name: report["settings"].get("seed") for name, report in reports.items()},
    )


def _by_set(reports: Mapping[str, Mapping[str, Any]], figures: list[str]) -> dict[str, dict[str, Value]]:
    floors: dict[str, Value] = {}
    for figure in figures:
        known = [report["metrics"].get(figure, {}) for report in reports.values()]
        floors[figure] = next((floor for floor in map(_floor, known) if floor.value is not None), Value(None))
    rows = {name: {f: _value(report["metrics"].get(f, {}), f) for f in figures} for name, report in reports.items()}
    return {_FLOOR: floors, **rows}


def _columns(name: str, entry: Mapping[str, Any], figure: str) -> dict[str, Value]:
    known = entry.get("value_at_floor_n")
    at_floor = Value(None) if known is None else Value.of(known, n=entry.get("floor_n"))
    return {name: _value(entry, figure), f"{name}, at the floor's n": at_floor, _FLOOR: _floor(entry)}


def _value(entry: Mapping[str, Any], figure: str) -> Value:
    if entry.get("value") is None:
        return Value(None)
    low, high = entry.get("ci") or (None, None)
    known = figure.partition("@")[0] in AS_IN_REAL or entry.get("ideal") == 0.5
    better = None if known else cast("Better", entry.get("better"))
    found = {"value": entry["value"], "low": low, "high": high, "n": entry.get("n")}
    return Value.of(found, unit=entry.get("unit", ""), better=better)


def _floor(entry: Mapping[str, Any]) -> Value:
    if entry.get("floor") is None:
        return Value(None)
    low, high = entry.get("floor_ci") or (None, None)
    found = {"value": entry["floor"], "low": low, "high": high, "n": entry.get("floor_n")}
    return Value.of(found, unit=entry.get("unit", ""), better="reference")
