"""What ``--set`` can change of a recipe: every setting with its default and its meaning.

The meaning is the text under the field in the code; defaults of training and network are those of ``recipes.toml``.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """One setting: its name as ``--set`` takes it, its default as text, and what it means."""

    name: str
    default: str
    meaning: str


def settings_of(config: Any) -> list[Setting]:
    """The settings of a recipe, its own ones first, those of nested parts dotted.

    Args:
        config: an instance of the recipe's settings.
    """
    rows = list(_settings(config, ""))
    return sorted(rows, key=lambda row: (row.name.startswith("training."), "." in row.name))


def _settings(config: Any, prefix: str) -> Iterator[Setting]:
    kind = type(config)
    meanings = _arguments(getattr(kind, "network", None)) | _arguments(kind) | _texts(kind)
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            yield from _settings(value, f"{prefix}{field.name}.")
        elif field.init:
            yield Setting(prefix + field.name, _shown(value), meanings.get(field.name, ""))


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(map(_shown, value)) or "(empty)"
    return f"{value:g}" if isinstance(value, float) else str(value) or "(empty)"


def _texts(kind: type) -> dict[str, str]:
    """Texts under the fields of a class, by field."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        except (OSError, TypeError, SyntaxError):
            continue
        last = None
        for node in getattr(body, "body", []):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                last = node.target.id
            elif last and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                found[last] = " ".join(str(node.value.value).split())
                last = None
            else:
                last = None
    return found


def _arguments(kind: type | None) -> dict[str, str]:
    """Texts of arguments or attributes in the docstring of a class: a network's, or of settings."""
    text = inspect.getdoc(kind) or "" if kind is not None else ""
    found: dict[str, str] = {}
    for block in re.findall(r"^(?:Args|Attributes):\n(.*?)(?=^\S|\Z)", text, re.M | re.S):
        for names, words in re.findall(r"^    ([\w, ]+): (.*(?:\n        .*)*)", block, re.M):
            found |= {name.strip(): " ".join(words.split()) for name in names.split(",")}
    return found


def as_table(rows: list[Setting]) -> str:
    """The settings as lines for a terminal."""
    width = max(len(row.name) for row in rows)
    wide = min(max(len(row.default) for row in rows), 24)
    return "\n".join(f"{row.name:<{width}}  {row.default:<{wide}}  {row.meaning}" for row in rows)
