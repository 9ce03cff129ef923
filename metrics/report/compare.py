"""Compares two benchmark reports figure by figure, and says whether a difference is more than chance.

Where both reports hold a figure's value for the same records, the difference is tested on those pairs with a bootstrap
over patients. Elsewhere only the intervals can be set beside each other, and that is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gen.page import format_value
from gen.records import InputError
from metrics.report.entries import AS_IN_REAL
from metrics.report.write import read_report
from metrics.statistics.bootstrap import bootstrap_difference

Method = Literal["paired bootstrap over patients", "interval overlap", "not tested"]
Side = Literal["A", "B"]
#: Below every comparison.
CAUTION = (
    "Interval overlap is no test: overlapping intervals can hide a real difference, and figures of one real",
    "set share its chance. Many figures are compared at once: expect one in twenty below p = .05 by chance.",
)
_ALPHA = 0.05
_FEWEST = 5


@dataclass(frozen=True)
class Line:
    """One figure in both reports.

    Attributes:
        name, unit, better: of the figure.
        first, second: values.
        first_ci, second_ci: their 95 % intervals.
        change: second minus first, over the records both hold where the method is paired.
        change_ci: its interval.
        p_value: of 'no difference'.
        method: how the verdict was reached.
        records: pairs that entered.
        winner: the one that is better or nearer to the ideal by more than chance; None where none is.
        verdict: the same in words.
    """

    name: str
    unit: str
    better: str
    first: float
    second: float
    first_ci: tuple[float, float] | None
    second_ci: tuple[float, float] | None
    change: float
    change_ci: tuple[float, float] | None
    p_value: float | None
    method: Method
    records: int | None
    winner: Side | None
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """Two reports side by side.

    Attributes:
        first, second: where they came from.
        lines: figures that both hold.
        only_one: figures that one of them lacks, with the reason where it gives one.
        warnings: what makes them less comparable.
    """

    first: str
    second: str
    lines: tuple[Line, ...]
    only_one: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "first": self.first,
            "second": self.second,
            "metrics": {line.name: {k: v for k, v in vars(line).items() if k != "name"} for line in self.lines},
            "only_one": dict(self.only_one),
            "warnings": list(self.warnings),
        }


def compare_reports(first: str | Path, second: str | Path) -> Comparison:
    """Compare two report.json files, or the folders that hold them.

    Raises:
        InputError: one of them is no report, or they have no figure in common.
    """
    one, two = read_report(first), read_report(second)
    names = [name for name in one["metrics"] if name in two["metrics"]]
    lines, only = [], []
    for name in names:
        entries = one["metrics"][name], two["metrics"][name]
        lacking = [("A", "B")[i] for i, each in enumerate(entries) if each.get("value") is None]
        if len(lacking) == 1:
            reason = next(each.get("skipped") for each in entries if each.get("value") is None)
            only.append((name, f"not in {lacking[0]}: {reason or 'no value'}"))
        elif not lacking:
            lines.append(line_of(name, one, two))
    if not lines:
        raise InputError(f"{first} and {second}: no figure in common; accepted: reports of the same kind of benchmark")
    return Comparison(str(first), str(second), tuple(lines), tuple(only), _warnings(one, two))


def comparison_markdown(found: Comparison) -> str:
    """The comparison as Markdown."""
    out = [f"A = {found.first}, B = {found.second}", ""]
    out += [f"> **Warning.** {text}\n" for text in found.warnings]
    header = ("measure", "unit", "better", "A", "B", "B - A", "95 % CI", "p", "verdict", "by")
    out += ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for line in found.lines:
        cells = (
            line.name,
            line.unit,
            "as real" if as_in_real(line.name) else line.better,
            format_value(line.first),
            format_value(line.second),
            format_value(line.change),
            "" if line.change_ci is None else f"{format_value(line.change_ci[0])} to {format_value(line.change_ci[1])}",
            "" if line.p_value is None else format_value(line.p_value),
            line.verdict,
            line.method + (f", {line.records} records" if line.records else ""),
        )
        out.append("| " + " | ".join(cells) + " |")
    out += ["", *CAUTION]
    if found.only_one:
        out += ["", "Only in one report:", *(f"- {name}: {reason}" for name, reason in found.only_one)]
    return "\n".join(out) + "\n"


def line_of(name: str, one: Mapping[str, Any], two: Mapping[str, Any]) -> Line:
    """One figure that both reports have a value of.

    Args:
        name: of the figure.
        one, two: the reports, as `metrics.report.write.read_report` gives them.
    """
    a, b = one["metrics"][name], two["metrics"][name]
    values = float(a["value"]), float(b["value"])
    bounds = _pair(a.get("ci")), _pair(b.get("ci"))
    better, goal = str(a.get("better", "lower")), goal_of(name, a, b)
    given: dict[str, Any] = {
        "name": name,
        "unit": str(a.get("unit", "")),
        "better": better,
        "first": values[0],
        "second": values[1],
        "first_ci": bounds[0],
        "second_ci": bounds[1],
    }
    partial = bool(a.get("partial_judge") or b.get("partial_judge"))
    directed = goal is None and not as_in_real(name)
    paired = _record_values(name, one, two) if directed and not partial else None
    if paired is not None:
        x, y, patients = paired
        found = bootstrap_difference(x, y, groups=patients)
        span = found.interval
        winner = _winner(span.value, better) if found.p_value < _ALPHA else None
        return Line(
            **given,
            change=span.value,
            change_ci=(span.low, span.high),
            p_value=found.p_value,
            method="paired bootstrap over patients",
            records=span.n,
            winner=winner,
            verdict="no difference shown" if winner is None else f"{winner} better",
        )
    winner, verdict = None, "not tested"
    method: Method = "not tested"
    if partial:
        verdict = "none: the judge has learned from a generator that it scores"
    elif goal is None and not directed:
        verdict = "none: what the real set has is not known"
    elif bounds[0] is not None and bounds[1] is not None:
        method = "interval overlap"
        # Where neither less nor more is better, what counts is the distance to the ideal.
        ends = [bound if goal is None else _distances(bound, goal) for bound in bounds if bound is not None]
        apart = ends[0][1] < ends[1][0] or ends[1][1] < ends[0][0]
        said = "better" if goal is None else f"nearer to {format_value(goal)}"
        winner = _nearer(values, better, goal) if apart else None
        verdict = f"{winner} {said} (intervals apart)" if winner else "intervals overlap"
    return Line(
        **given,
        change=values[1] - values[0],
        change_ci=None,
        p_value=None,
        method=method,
        records=None,
        winner=winner,
        verdict=verdict,
    )


def as_in_real(name: str) -> bool:
    """Whether a figure should be what the real set has, on neither side of it."""
    return name.partition("@")[0] in AS_IN_REAL


def goal_of(name: str, *entries: Mapping[str, Any]) -> float | None:
    """Value of a figure that a perfect generator has, where neither less nor more is better; None elsewhere.

    Args:
        name: of the figure.
        entries: what reports hold of it.
    """
    known = [each.get("goal") for each in entries]
    known += [each.get("floor") for each in entries] if as_in_real(name) else []
    return next((float(value) for value in known if value is not None), None)


def distance(value: float, better: str, goal: float | None) -> float:
    """How far a value is from the best there is, for an order; the less the better."""
    return abs(value - goal) if goal is not None else value if better == "lower" else -value


def _nearer(values: tuple[float, float], better: str, goal: float | None) -> Side | None:
    far = [distance(value, better, goal) for value in values]
    return None if far[0] == far[1] else "A" if far[0] < far[1] else "B"


def _distances(bounds: tuple[float, float], goal: float) -> tuple[float, float]:
    """Least and largest distance of an interval to a value."""
    ends = sorted(abs(bound - goal) for bound in bounds)
    return (0.0 if bounds[0] <= goal <= bounds[1] else ends[0]), ends[1]


def _winner(change: float, better: str) -> Side | None:
    if change == 0:
        return None
    return "B" if (change < 0) == (better == "lower") else "A"


def _pair(bounds: Sequence[float | None] | None) -> tuple[float, float] | None:
    if not bounds or bounds[0] is None or bounds[1] is None:
        return None
    return float(bounds[0]), float(bounds[1])


def _record_values(
    name: str, one: Mapping[str, Any], two: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, list[int]] | None:
    """Values of the records that both reports hold, and their patients; None where there are too few."""
    sides = []
    for report in (one, two):
        records = report.get("records") or {}
        values = (records.get("values") or {}).get(name)
        ids = records.get("ids") or []
        if values is None or len(values) != len(ids):
            return None
        sides.append({key: np.nan if value is None else float(value) for key, value in zip(ids, values, strict=True)})
    records = one["records"]
    people = dict(zip(records["ids"], records.get("patients") or range(len(records["ids"])), strict=False))
    common = [key for key in sides[0] if key in sides[1] and np.isfinite([sides[0][key], sides[1][key]]).all()]
    if len(common) < _FEWEST or len({people[key] for key in common}) < 2:
        return None
    first, second = (np.array([side[key] for key in common]) for side in sides)
    return first, second, [people[key] for key in common]


def _warnings(one: Mapping[str, Any], two: Mapping[str, Any]) -> tuple[str, ...]:
    settings = one.get("settings") or {}, two.get("settings") or {}
    out = []
    reals = [(each.get("sets") or {}).get("real", {}) for each in settings]
    if reals[0].get("digest") != reals[1].get("digest"):
        out.append(f"the real sets differ ({reals[0].get('name')}, {reals[1].get('name')}): figures are not comparable")
    counts = [((each.get("sets") or {}).get("generated") or {}).get("records") for each in settings]
    if counts[0] != counts[1]:
        out.append(f"the generated sets differ in size ({counts[0]}, {counts[1]}): compare no Fréchet distance")
    names = sorted(set(settings[0].get("extractors", {})) & set(settings[1].get("extractors", {})))
    for name in names:
        if settings[0]["extractors"][name].get("sha256") != settings[1]["extractors"][name].get("sha256"):
            out.append(f"the weights of {name} differ: its figures are not comparable")
    if list(settings[0].get("extractors", {}))[:1] != list(settings[1].get("extractors", {}))[:1]:
        out.append("the first extractors differ: figures without a suffix are of different features")
    versions = [(each.get("versions") or {}).get("definitions") for each in settings]
    if versions[0] != versions[1]:
        out.append(f"measures of different versions ({versions[0]}, {versions[1]})")
    return tuple(out)
