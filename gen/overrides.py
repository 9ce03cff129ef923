"""Changes a dataclass by ``key=value`` texts, typed by its annotations."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from gen.errors import InputError

Config = TypeVar("Config")
TABLE = "recipe_settings.json"
#: Key of the table beside a recipe's settings: what ``--data`` must name; null where the recipe does without.
DATA = "--data"
_WORDS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false"}
_TEXTS: dict[Any, str] = {str: "text", NoneType: "none", Path: "a path"}
_TRUTH = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


def parse_overrides(pairs: list[str]) -> dict[str, str]:
    """``["lr=1e-3", "steps=10"]`` -> ``{"lr": "1e-3", "steps": "10"}``.

    Raises:
        InputError: a text without a key or an equals sign, or a key given twice.
    """
    overrides: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals or not key:
            raise InputError(f"--set {pair!r}: expected key=value, such as steps=1000")
        if key in overrides:
            raise InputError(f"--set {key}: given twice")
        overrides[key] = value.strip()
    return overrides


def check_overrides(recipe: str, overrides: Mapping[str, str]) -> None:
    """Refuse what no setting of a shipped recipe is called or takes, before anything heavy is loaded.

    A recipe that the table does not know is not judged: `apply_overrides` tells of its settings.

    Args:
        recipe: its name.
        overrides: key -> text.

    Raises:
        InputError: see `apply_overrides`; values of numbers and truths are looked at alone.
    """
    known = _known(recipe)
    if DATA not in known:
        return
    del known[DATA]
    for key, text in overrides.items():
        words = known[_resolve(key, known)]
        for kind, told in _WORDS.items():
            if told == words:
                _parse(text, kind, key)


def needed_data(recipe: str) -> str | None:
    """What ``--data`` must name for a shipped recipe; None where it does without, or where the table knows nothing."""
    return _known(recipe).get(DATA)


def _known(recipe: str) -> dict[str, Any]:
    """What the table says of a recipe; empty where it knows nothing."""
    return dict(json.loads((files("gen") / TABLE).read_text("utf-8")).get(recipe, {}))


def table_of(recipes: Mapping[str, tuple[Any, str | None]]) -> dict[str, dict[str, str | None]]:
    """What `check_overrides` and `needed_data` know of recipes: their settings, and in words what each takes.

    Args:
        recipes: name -> settings of the recipe, and what its ``--data`` must name.
    """
    return {
        name: {DATA: data, **{key: _describe(kind) for key, kind in _flatten(config).items()}}
        for name, (config, data) in recipes.items()
    }


def apply_overrides(config: Config, overrides: Mapping[str, str]) -> Config:
    """A copy of a (nested, frozen) dataclass with some fields replaced.

    A key is a field's name, dotted for a field of a nested dataclass (``training.lr``); the last part alone is
    enough where only one field has that name. Values are parsed by the field's annotation: numbers, ``true`` /
    ``false``, ``none``, one of a `Literal`, comma-separated tuples and lists, paths and text.

    Args:
        config: a dataclass instance.
        overrides: key -> text.

    Raises:
        InputError: unknown or ambiguous key (the known ones are listed), or a value of another type.
    """
    known = _flatten(config)
    changes: dict[str, Any] = {}
    for key, text in overrides.items():
        path = _resolve(key, known)
        if path in changes:
            raise InputError(f"--set {key}: {path} is given twice")
        changes[path] = _parse(text, known[path], key)
    return _replace(config, changes)


def _flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    hints = get_type_hints(type(config))
    found: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            found.update(_flatten(value, f"{prefix}{field.name}."))
        elif field.init:
            found[prefix + field.name] = hints[field.name]
    return found


def _resolve(key: str, known: Mapping[str, Any]) -> str:
    if key in known:
        return key
    matches = [path for path in known if path.endswith("." + key)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InputError(f"--set {key}: could mean {' or '.join(matches)}")
    raise InputError(f"--set {key}: no such setting; known: {', '.join(sorted(known))}")


def _replace(config: Any, changes: Mapping[str, Any]) -> Any:
    nested: dict[str, dict[str, Any]] = {}
    direct: dict[str, Any] = {}
    for path, value in changes.items():
        head, dot, rest = path.partition(".")
        if dot:
            nested.setdefault(head, {})[rest] = value
        else:
            direct[head] = value
    for head, inner in nested.items():
        direct[head] = _replace(getattr(config, head), inner)
    return replace(config, **direct)


def _parse(text: str, kind: Any, key: str) -> Any:
    try:
        return _convert(text, kind)
    except (ValueError, TypeError):
        raise InputError(f"--set {key}={text}: expected {_describe(kind)}") from None


def _convert(text: str, kind: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _convert_union(text, arguments)
    if origin is Literal:
        for choice in arguments:
            if str(choice) == text:
                return choice
        raise ValueError(text)
    if origin in (tuple, list):
        return _convert_sequence(text, origin, arguments)
    if kind is bool:
        if text.lower() not in _TRUTH:
            raise ValueError(text)
        return _TRUTH[text.lower()]
    if kind is int:
        number = float(text)  # so that 1e4 is a count too
        if number != int(number):
            raise ValueError(text)
        return int(text) if text.lstrip("+-").replace("_", "").isdigit() else int(number)
    if kind in (float, str, Path):
        return kind(text)
    if kind is Any:
        return text
    raise TypeError(kind)


def _convert_union(text: str, arguments: tuple[Any, ...]) -> Any:
    if NoneType in arguments and text.lower() in ("none", "null", ""):
        return None
    for argument in arguments:
        if argument is not NoneType:
            try:
                return _convert(text, argument)
            except (ValueError, TypeError):
                continue
    raise ValueError(text)


def _convert_sequence(text: str, origin: type, arguments: tuple[Any, ...]) -> Any:
    parts = [part.strip() for part in text.strip("()[] ").split(",") if part.strip()]
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(parts) != len(arguments):
            raise ValueError(text)
        return tuple(_convert(part, kind) for part, kind in zip(parts, arguments, strict=True))
    kind = arguments[0] if arguments else str
    return origin(_convert(part, kind) for part in parts)


def _describe(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(_describe(argument) for argument in arguments)
    if origin is Literal:
        return " or ".join(str(choice) for choice in arguments)
    if origin in (tuple, list):
        many = not arguments or Ellipsis in arguments or origin is list
        inner = _describe(arguments[0]) if arguments else "text"
        return f"comma-separated values ({inner})" if many else f"{len(arguments)} comma-separated values ({inner})"
    return (_WORDS | _TEXTS).get(kind, f"a {getattr(kind, '__name__', kind)} (not settable from text)")
