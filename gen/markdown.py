"""Groups of values as Markdown tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gen.values import Better, Group, Value

_ARROWS = {"lower": " ↓", "higher": " ↑"}
#: Tables with more columns than this are turned where that makes them narrower.
_WIDEST = 8


def render_group(group: Group, level: int) -> list[str]:
    """A group as lines of Markdown: its own figures, then a table of like groups, or a heading for each."""
    leaves = {name: node for name, node in group.items() if isinstance(node, Value | str)}
    inner = {name: node for name, node in group.items() if isinstance(node, Mapping)}
    lines = _listed(leaves) if leaves else []
    if inner and _alike(inner):
        return [*lines, "", *_table(inner)]
    for name, node in inner.items():
        lines += ["", f"{'#' * level} {name}", "", *render_group(node, level + 1)]
    return lines


def _alike(groups: Mapping[str, Group]) -> bool:
    """Whether groups hold figures only, at least half of the names in each: then they are the rows of a table."""
    if any(isinstance(node, Mapping) for group in groups.values() for node in group.values()):
        return False
    names = {name for group in groups.values() for name in group}
    return 2 * sum(len(group) for group in groups.values()) >= len(groups) * len(names) and (
        len(groups) == 1 or len(names) < sum(len(group) for group in groups.values())
    )


def _listed(leaves: Mapping[str, Value | str]) -> list[str]:
    """One line a figure."""
    counts = {value.n for value in leaves.values() if isinstance(value, Value)}
    with_n = len(counts - {None}) > 0
    rows = [["", "value [95 %]", *(["n"] if with_n else [])]]
    for name, value in leaves.items():
        head = name + (_of_unit(value.unit) + _ARROWS.get(value.better or "", "") if isinstance(value, Value) else "")
        count = [_cell_n(value)] if with_n else []
        rows.append([head, _cell(value, with_unit=False, with_n=False), *count])
    return _lines(rows)


def _table(groups: Mapping[str, Group]) -> list[str]:
    """One line a group, a column for each name."""
    columns = list(dict.fromkeys(name for group in groups.values() for name in group))
    # Here and below every node is a value or words.
    cells: dict[tuple[str, str], Any] = {
        (row, name): node for row, group in groups.items() for name, node in group.items()
    }
    if len(columns) > _WIDEST and len(columns) > len(groups):
        cells = {(name, row): node for (row, name), node in cells.items()}
        lines, columns = columns, list(groups)
    else:
        lines = list(groups)

    def values(pairs: Iterator[tuple[str, str]]) -> list[Value]:
        found = [cells.get(pair) for pair in pairs]
        return [each for each in found if isinstance(each, Value)]

    units = {name: {each.unit for each in values((row, name) for row in lines)} for name in columns}
    marks = {name: {each.better for each in values((row, name) for row in lines)} for name in columns}
    counts = {row: {each.n for each in values((row, name) for name in columns)} for row in lines}
    one_n = all(len(found) <= 1 for found in counts.values())
    with_n = one_n and any(found - {None} for found in counts.values())
    head = [name + _of_unit(*units[name]) + _arrow(marks[name]) for name in columns]
    rows = [["", *head, *(["n"] if with_n else [])]]
    for row in lines:
        count = [str(next(iter(counts[row]), None) or "")] if with_n else []
        shown = [_cell(cells.get((row, c)), with_unit=len(units[c]) > 1, with_n=not one_n) for c in columns]
        rows.append([row, *shown, *count])
    return _lines(rows)


def _of_unit(*units: str) -> str:
    """Unit of a column's heading; columns of several units have them in their cells."""
    return f", {units[0]}" if len(units) == 1 and units[0] else ""


def _arrow(marks: set[Better | None]) -> str:
    known = marks - {"reference"}
    return _ARROWS.get(next(iter(known)) or "", "") if len(known) == 1 else ""


def _cell(node: Any, *, with_unit: bool, with_n: bool) -> str:
    if not isinstance(node, Value):
        return node or ""
    text = str(node) + (f" {node.unit}" if with_unit and node.unit and node.value is not None else "")
    extra = [f"n {node.n}"] if with_n and node.n is not None else []
    extra += [f"{node.failed} not measurable"] if node.failed else []
    return text + (f" ({', '.join(extra)})" if extra else "")


def _cell_n(node: Value | str) -> str:
    return "" if isinstance(node, str) or node.n is None else str(node.n)


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    shown = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [shown[0], "|---" * len(rows[0]) + "|", *shown[1:]]
