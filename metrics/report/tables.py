"""Rows of the report's tables, the same for Markdown and HTML."""

import math
from collections.abc import Sequence
from typing import Any

from gen.page import Mark, format_value
from metrics.report.entries import BenchmarkReport, Entry
from metrics.report.lights import light, words

HEADERS = ("verdict", "measure", "value", "95 % CI", "n", "unit", "better", "at floor n", "floor", "floor n", "trivial")
_ARROWS = {"lower": "↓", "higher": "↑"}


def title(report: BenchmarkReport) -> str:
    """Heading of the page: what was scored against what."""
    found = report.settings.get("sets", {})
    names = [found[key]["name"] for key in ("generated", "real") if key in found]
    return f"{names[0]} against {names[1]}" if len(names) == 2 else "Benchmark of generated signals"


def sections(report: BenchmarkReport) -> dict[str, list[Entry]]:
    """Computed figures by section, in the order they were computed."""
    out: dict[str, list[Entry]] = {}
    for each in report.entries.values():
        if each.skipped is None:
            out.setdefault(each.section or "Other", []).append(each)
    return out


def skipped(report: BenchmarkReport) -> list[tuple[str, str]]:
    """(measure, reason) of everything that was not computed."""
    return [(each.name, each.skipped) for each in report.entries.values() if each.skipped is not None]


def verdict(each: Entry) -> Mark:
    """The light of a figure: a word and its colour."""
    return Mark(words(each), light(each))


def row(each: Entry) -> list[Any]:
    """Cells of one figure, in the order of `HEADERS`."""
    trivial = "" if each.baseline is None else f"{number(each.baseline)} ({each.baseline_name})"
    return [
        verdict(each),
        each.name,
        number(each.value, each.ci),
        interval(each.ci),
        "" if each.n is None else str(each.n),
        each.unit,
        direction(each),
        number(each.at_floor_n, each.ci),
        floor(each),
        "" if each.floor_n is None else str(each.floor_n),
        trivial,
    ]


TELLING = ("most telling", "descriptor", "median recorded", "median generated", "generated is")


def telling_rows(entries: Sequence[Entry]) -> list[list[Any]]:
    """Rows of `TELLING`: what a judge of descriptors told the sets apart by."""
    return [
        [
            each.name,
            told["descriptor"],
            number(told["real_median"]),
            number(told["generated_median"]),
            told["generated_is"],
        ]
        for each in entries
        for told in each.extra.get("telling", ())
    ]


def direction(each: Entry) -> str:
    """Arrow of what is better, or the value that is best where that is neither less nor more."""
    if each.as_in_real:
        return "as real"
    return "0.5" if each.goal == 0.5 else _ARROWS[each.better]


def number(value: float | None, bounds: Sequence[float] | None = None) -> str:
    """Two significant digits of half the interval's width, or four without one; empty where there is no value."""
    if value is None or value != value:
        return ""
    places = _places(bounds)
    return format_value(float(value)) if places is None else f"{value:.{places}f}"


def _places(bounds: Sequence[float] | None) -> int | None:
    """Decimals that an interval allows; None where there is none."""
    if bounds is None or not math.isfinite(bounds[0]) or not math.isfinite(bounds[1]) or not bounds[1] > bounds[0]:
        return None
    return max(0, 1 - math.floor(math.log10((bounds[1] - bounds[0]) / 2)))


def interval(bounds: Sequence[float] | None) -> str:
    """``low to high``."""
    return "" if bounds is None else f"{number(bounds[0], bounds)} to {number(bounds[1], bounds)}"


def floor(each: Entry) -> str:
    """Value of the floor with its interval; empty where there is none."""
    if each.floor is None:
        return ""
    value = number(each.floor, each.floor_ci)
    return value if each.floor_ci is None else f"{value} ({interval(each.floor_ci)})"


def origin_rows(report: BenchmarkReport) -> list[tuple[str, str]]:
    """What was compared, when and by which command, as (name, text)."""
    found = report.settings
    rows = []
    for name, each in found.get("sets", {}).items():
        digest = f", digest {each['digest'][:16]}" if each.get("digest") else ""
        rows.append(
            (f"{name} set", f"{each['name']}, {each['records']} records of {each['patients']} patients{digest}")
        )
    rows += [(name, str(found[name])) for name in ("command", "created") if found.get(name)]
    version = found.get("versions", {}).get("physiogen")
    return [*rows, ("physiogen", str(version))] if version else rows


def settings_rows(report: BenchmarkReport) -> list[tuple[str, str]]:
    """What was compared and how, as (name, text)."""
    found = report.settings
    rows: list[tuple[str, str]] = []
    for name, each in found.get("sets", {}).items():
        text = f"{each['name']} ({each['kind']}), {each['records']} records of {each['patients']} patients"
        if each.get("synthetic"):
            text += f", {each['synthetic']} marked synthetic"
        rows.append((f"{name} set", text))
    if "fs_hz" in found:
        leads = found.get("leads", [])
        rows.append(("compared at", f"{len(leads)} leads, {found['fs_hz']:g} Hz, {found['seconds']:g} s"))
    rows += [("alignment", note) for note in found.get("alignment", [])]
    for name, each in found.get("extractors", {}).items():
        rows.append((f"features {name}", f"{each['dim']} features, SHA-256 {each['sha256'][:16]}…"))
    rows.append(("seed", str(found.get("seed"))))
    versions = found.get("versions", {})
    rows.append(("versions", ", ".join(f"{name} {text}" for name, text in versions.items())))
    wall = found.get("wall_s", {})
    rows.append(("wall time", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in wall.items())))
    return rows
