"""Finds models, recipes and metrics by name, without importing them until they are asked for.

Each package announces itself in ``pyproject.toml`` under an entry-point group; the floor never imports upwards.

- ``gen.pipelines``: name -> callable ``load(path=None) -> pipeline`` (reconstruct, synthesize, twin, cmr)
- ``gen.codecs``: name -> callable ``load(path=None) -> codec`` between signals and latents
- ``gen.recipes``: ``package/name`` -> callable that trains, see `gen.training`
- ``gen.commands``: name -> typer command of the command line
- ``gen.metrics``: name -> callable (benchmark)
- ``gen.evaluations``: name -> class of settings of an evaluation, see `gen.evaluations`
- ``gen.benches``: package -> callable ``(settings, progress) -> values`` that times it, for ``evaluate speed``
- ``gen.sheets``: name, which is the ending -> callable ``(record, path)`` that writes a record as something to look at
- ``gen.preparations``: name -> callable that makes data for training, for ``physiogen data NAME``
- ``gen.demos``: name -> callable ``(page, hearts, seed) -> lines`` that adds a section to ``physiogen demo``
"""

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

GROUPS = (
    "gen.pipelines",
    "gen.codecs",
    "gen.recipes",
    "gen.commands",
    "gen.metrics",
    "gen.evaluations",
    "gen.benches",
    "gen.sheets",
    "gen.preparations",
    "gen.demos",
)


class RegistryError(ValueError):
    """A name that no installed package provides, or that two provide."""


@cache
def _entries(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        known = found.get(entry.name)
        if known is not None and known.value != entry.value:
            raise RegistryError(f"{entry.name!r} in {group} is provided by both {known.value} and {entry.value}")
        found[entry.name] = entry
    return found


def names(group: str) -> list[str]:
    """Sorted names in a group; nothing is imported."""
    return sorted(_entries(group))


def target(group: str, name: str) -> str:
    """Where a name of a group leads, as ``package.module:OBJECT``; nothing is imported."""
    return _entries(group)[name].value


def get(group: str, name: str) -> Any:
    """The object behind a name; ``package.module:NAME`` works for code that is not installed.

    Raises:
        RegistryError: no such name; the message lists the known ones.
    """
    entry = _entries(group).get(name)
    if entry is not None:
        try:
            return entry.load()
        except (ImportError, AttributeError):
            _check_not_hidden(entry.module.partition(".")[0])
            raise
    if ":" in name:
        module, _, attribute = name.partition(":")
        return getattr(import_module(module), attribute)
    raise RegistryError(f"unknown name {name!r}; known: {', '.join(names(group)) or 'none'}")


def _check_not_hidden(package: str) -> None:
    """A file of the user that bears the name of one of our packages is found instead of it.

    Raises:
        RegistryError: it is so; the message names the file.
    """
    found, us = find_spec(package), find_spec(__package__)
    places = [] if found is None else list(found.submodule_search_locations or [str(found.origin)])
    home = Path(str(us.origin)).parent.with_name(package) if us else Path()
    if (home / "__init__.py").is_file() and places and not any(Path(place).is_relative_to(home) for place in places):
        raise RegistryError(
            f"{places[0]}: stands in the way of physiogen's package {package!r}; rename it, or start elsewhere"
        )


def load(name_or_path: str | Path) -> Any:
    """A pipeline by its shipped name (``"reconstruct"``, ...) or from a checkpoint folder.

    A checkpoint folder names its own pipeline in ``config.json`` (key ``pipeline``).

    Raises:
        RegistryError: neither a shipped name nor a checkpoint folder.
    """
    if isinstance(name_or_path, str) and name_or_path in _entries("gen.pipelines"):
        return get("gen.pipelines", name_or_path)()
    folder = Path(name_or_path)
    for file in ("config.json", "model_index.json"):
        if (folder / file).is_file():
            import json

            pipeline = json.loads((folder / file).read_text()).get("pipeline")
            if pipeline:
                return get("gen.pipelines", pipeline)(folder)
    known = ", ".join(names("gen.pipelines"))
    raise RegistryError(f"{str(name_or_path)!r} is neither a shipped pipeline ({known}) nor a checkpoint folder")


def dataset(path: str | Path, **options: Any) -> Any:
    """A set of ECGs by number, for a `torch.utils.data.DataLoader`; see `gen.datasets.indexed.dataset`.

    loader = DataLoader(physiogen.dataset("AUG", split="train"), batch_size=64, shuffle=True)
    """
    return import_module("gen.datasets.indexed").dataset(path, **options)


def benchmark(*, real: str | Path, generated: str | Path, **options: Any) -> Any:
    """Score generated records against real ones; the same as ``physiogen benchmark``."""
    return get("gen.metrics", "benchmark")(real=real, generated=generated, **options)
