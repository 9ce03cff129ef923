"""The figures of a report as tables: CSV with all digits, LaTeX with as many as the interval allows."""

import csv
import io

from metrics.report.entries import BenchmarkReport
from metrics.report.lights import words
from metrics.report.tables import number

COLUMNS = (
    *("measure", "section", "value", "low", "high", "n", "unit", "better"),
    *("value_at_floor_n", "floor", "floor_low", "floor_high", "floor_n", "trivial", "verdict", "skipped"),
)


def as_csv(report: BenchmarkReport) -> str:
    """A line for each figure, computed or skipped; cells without a value are empty."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for each in report.entries.values():
        low, high = each.ci or (None, None)
        floor_low, floor_high = each.floor_ci or (None, None)
        better = "as real" if each.as_in_real else each.better
        numbers = (each.at_floor_n, each.floor, floor_low, floor_high, each.floor_n, each.baseline)
        rows.writerow(
            "" if cell is None else cell
            for cell in (each.name, each.section, each.value, low, high, each.n, each.unit, better, *numbers,
                         words(each), each.skipped)
        )  # fmt: skip
    return out.getvalue()


def as_latex(report: BenchmarkReport) -> str:
    """A ``tabular`` (package booktabs) of the computed figures with their intervals and floors."""
    lines = [r"\begin{tabular}{lrrr}", r"\toprule", r"Measure & Value & Real against real & $n$ \\", r"\midrule"]
    for each in report.entries.values():
        if each.skipped is None and each.value is not None:
            unit = f" ({_escaped(each.unit)})" if each.unit else ""
            # Floor and value stand at the same number of records.
            mine = rounded(each.value, each.ci)
            if each.at_floor_n is not None and each.floor_n != each.n:
                # The interval is that of the value on all records.
                mine += f"; {number(each.at_floor_n, each.ci)} at $n={each.floor_n}$"
            there = "" if each.floor is None else rounded(each.floor, each.floor_ci)
            lines.append(rf"{_escaped(each.name)}{unit} & {mine} & {there} & {each.n or ''} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def rounded(value: float, interval: tuple[float, float] | None) -> str:
    """A value with two significant digits of its interval's half width, the interval behind it."""
    if interval is None or not interval[1] > interval[0]:
        return f"{value:.3g}"
    return f"{number(value, interval)} [{number(interval[0], interval)}, {number(interval[1], interval)}]"


def _escaped(text: str) -> str:
    for sign, safe in (
        ("\\", ""),
        ("_", r"\_"),
        ("%", r"\%"),
        ("&", r"\&"),
        ("#", r"\#"),
        ("²", "$^2$"),
        ("³", "$^3$"),
    ):
        text = text.replace(sign, safe)
    return text
