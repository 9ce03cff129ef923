"""Which of several reports is the best by a figure, and from which others that is told by more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gen.page import format_value
from metrics.report.compare import CAUTION, Line, as_in_real, distance, goal_of, line_of

NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Verdict:
    """What a figure says of several systems.

    Attributes:
        figure: its name.
        wanted: ``lower``, ``higher``, ``as real`` or ``near 0.5``.
        best: system whose value is best; None where nothing can be said.
        over: systems that it is better than by more than chance.
        like: systems that it was compared with, and is not told from.
        untested: systems that it could not be compared with.
        words: the same as a line.
    """

    figure: str
    wanted: str
    best: str | None
    over: tuple[str, ...]
    like: tuple[str, ...]
    untested: tuple[str, ...]
    words: str


def verdicts(reports: Mapping[str, Mapping[str, Any]], figures: Sequence[str]) -> list[Verdict]:
    """A verdict for every figure.

    Args:
        reports: by the name of the system, as `metrics.report.write.read_report` gives them.
        figures: names of figures.
    """
    return [_verdict(reports, figure) for figure in figures]


def verdict_table(found: Sequence[Verdict]) -> str:
    """The verdicts as Markdown."""
    lines = ["| measure | better | best |", "| --- | --- | --- |"]
    lines += [f"| {each.figure} | {each.wanted} | {each.words} |" for each in found]
    return "\n".join([*lines, "", *CAUTION])


def _verdict(reports: Mapping[str, Mapping[str, Any]], figure: str) -> Verdict:
    entries = {name: report["metrics"].get(figure, {}) for name, report in reports.items()}
    there = {name: each for name, each in entries.items() if each.get("value") is not None}
    better = next((str(each["better"]) for each in there.values() if each.get("better")), "lower")
    goal = goal_of(figure, *there.values())
    real = as_in_real(figure)
    wanted = "as real" if real else better if goal is None else f"near {format_value(goal)}"
    if len(there) < 2:
        words = f"{NOT_TESTED}: {'no' if not there else 'one'} report has a value"
        return Verdict(figure, wanted, None, (), (), tuple(there), words)
    if real and goal is None:
        return Verdict(figure, wanted, None, (), (), tuple(there), "none: what the real set has is not known")
    order = sorted(there, key=lambda name: distance(float(there[name]["value"]), better, goal))
    best, *others = order
    lines = {name: line_of(figure, reports[best], reports[name]) for name in others}
    over = tuple(name for name, line in lines.items() if line.winner == "A")
    untested = tuple(name for name, line in lines.items() if line.method == NOT_TESTED)
    like = tuple(name for name in others if name not in over and name not in untested)
    words = _words(best, lines, over, like, untested, "better than" if goal is None else "nearer to it than")
    return Verdict(figure, wanted, best if over or like else None, over, like, untested, words)


def _words(
    best: str,
    lines: Mapping[str, Line],
    over: tuple[str, ...],
    like: tuple[str, ...],
    untested: tuple[str, ...],
    than: str,
) -> str:
    if not over and not like:
        reasons = {line.verdict for line in lines.values()}
        return reasons.pop() if len(reasons) == 1 else NOT_TESTED
    parts = []
    for method, tested in (("paired bootstrap over patients", True), ("intervals apart", False)):
        names = [name for name in over if (lines[name].p_value is not None) == tested]
        parts += [f"{than} {', '.join(names)} ({method})"] if names else []
    if like:
        parts.append(f"not told from {', '.join(like)}")
    if untested:
        parts.append(f"{NOT_TESTED} against {', '.join(untested)}")
    return f"{best}: {'; '.join(parts)}"
