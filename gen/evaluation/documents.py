"""Documents made from data: result pages, model cards, and the tables and help texts inside written pages.

Figures are never typed. ``docs/results/NAME.json`` holds what an evaluation found (`gen.results`); its page and every
table elsewhere are rendered from it. A written page says between which marks a table belongs:

    <!-- results: twins | identity and shape -->
    <!-- /results -->

``results: FILE | GROUP [| columns: A; B] [| rows: A; B]`` gives one table with its origin. ``headline:`` gives the
lines ``WHAT | FILE | PATH [| FILE2 | PATH2 | NAME2]`` that stand below it inside the mark: a figure and what to compare
it with. ``help: COMMAND`` gives the command's ``--help``; ``settings: RECIPE`` what ``--set`` changes of a recipe (of
training, what differs from ``settings: training``); ``cards`` and ``results-index`` list all cards and pages. What
settings the recipes have is kept in ``gen/recipe_settings.json`` besides, so that a mistyped one is told at once.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gen.card import check_card
from gen.files import read_json, write_atomically
from gen.markdown import render_group
from gen.overrides import TABLE, table_of
from gen.records import InputError
from gen.results import Results
from gen.values import Group, Value

RESULTS, CARDS = Path("docs/results"), Path("docs/cards")
RECIPES = "gen.recipes"
#: Folders whose pages are written by hand; generated pages lie in `RESULTS` and `CARDS`.
WRITTEN = (
    "README.md",
    "*/README.md",
    "gen/text/README.md",
    "docs/*.md",
    "docs/guide/*.md",
    "docs/how-it-works/*.md",
    "docs/results/index.md",
    "docs/cards/index.md",
)
#: A marked block with its marks.
BLOCK = re.compile(
    r"<!-- (results|headline|help|settings|cards|results-index)(?::([^>]*?))?\s*-->\n.*?<!-- /\1 -->", re.S
)
_MADE = "<!-- Rendered from stored data by `physiogen evaluate --render`; do not edit. -->"


def check(root: Path) -> list[str]:
    """What differs between the documents of a checkout and its stored data, one line each.

    Raises:
        InputError: no stored results there, a damaged result or card, or a page asks for what does not exist.
    """
    wanted = dict(_documents(root))
    lines = []
    for path, text in wanted.items():
        shown = path.relative_to(root)
        if not path.is_file():
            lines.append(f"{shown}: missing; render it with `physiogen evaluate --render`")
        elif path.read_text(encoding="utf-8") != text:
            lines.append(f"{shown}: differs from the stored data; render it with `physiogen evaluate --render`")
    return lines + [f"{path.relative_to(root)}: its stored data are gone" for path in _left_over(root, wanted)]


def render(root: Path) -> list[Path]:
    """Write every generated page and block below a checkout; what is made of data that are gone goes too.

    Returns:
        The files that changed.

    Raises:
        InputError: as `check`.
    """
    wanted = dict(_documents(root))
    changed = []
    for path, text in wanted.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text.encode())
            changed.append(path)
    for path in _left_over(root, wanted):
        path.unlink()
        changed.append(path)
    return changed


def _left_over(root: Path, wanted: Mapping[Path, str]) -> list[Path]:
    made = [path for folder in (RESULTS, CARDS) for path in sorted((root / folder).glob("*.md"))]
    return [path for path in made if path not in wanted and path.name != "index.md"]


def _documents(root: Path) -> Iterator[tuple[Path, str]]:
    results = {path.stem: Results.read(path) for path in sorted((root / RESULTS).glob("*.json"))}
    if not results:
        raise InputError(f"{root / RESULTS}: no stored results; accepted: the root of a checkout of the sources")
    cards = dict(_cards(root))
    for name, found in results.items():
        yield root / RESULTS / f"{name}.md", f"# {name}\n\n{_MADE}\n\n{found.to_markdown()}"
    for name, card in cards.items():
        yield root / CARDS / f"{name}.md", render_card(card, name)
    written = {path: path.read_text(encoding="utf-8") for pattern in WRITTEN for path in sorted(root.glob(pattern))}
    asked = [match[2].strip() for text in written.values() for match in BLOCK.finditer(text) if match[1] == "help"]
    helps = helps_of(asked) if asked else {}
    given: dict[str, Any] = {"results": results, "cards": cards, "helps": helps, "root": root}
    for path, text in written.items():
        new, blocks = BLOCK.subn(partial(_block, path=path, **given), text)
        if blocks != text.count("<!-- /"):
            raise InputError(f"{path.relative_to(root)}: a mark of a rendered block is not opened as it is closed")
        if blocks:
            yield path, new
    yield root / "gen" / TABLE, f"{json.dumps(_recipe_settings(), indent=1)}\n"


def _recipe_settings() -> dict[str, dict[str, str | None]]:
    """Settings of all recipes, for `gen.overrides.check_overrides`; torch and the recipes are loaded for this."""
    from gen import registry

    found = {name: registry.get(RECIPES, name) for name in sorted(registry.names(RECIPES))}
    kept = {name: recipe for name, recipe in found.items() if hasattr(recipe, "settings")}
    return table_of({name: (recipe.settings(), recipe.work.needs) for name, recipe in kept.items()})


def _cards(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name of the page, card) of every shipped weight folder."""
    for path in sorted(root.glob("*/weights/**/card.json")):
        card = read_json(path)
        check_card(card, str(path.relative_to(root)))
        yield path.parent.relative_to(root).as_posix().replace("/weights", "").replace("/", "-"), card


def _block(
    match: re.Match[str],
    *,
    results: Mapping[str, Results],
    cards: Mapping[str, Mapping[str, Any]],
    helps: Mapping[str, str],
    path: Path,
    root: Path,
) -> str:
    """One marked block, rendered."""
    kind, told = match[1], (match[2] or "").strip()
    try:
        if kind == "results":
            lines = _results_table(told, results, _way(path, root))
        elif kind == "headline":
            lines = _headline(told, results, _way(path, root))
        elif kind == "help":
            lines = ["```text", *helps[told].splitlines(), "```"]
        elif kind == "settings":
            lines = _settings(told)
        elif kind == "cards":
            lines = [f"- [{name}]({name}.md): {card['task']}" for name, card in cards.items()]
        else:
            lines = [f"- [{name}]({name}.md): `{found.command}`" for name, found in results.items()]
    except KeyError as error:
        raise InputError(f"{path.relative_to(root)}: no {error.args[0]!r} in the stored results") from error
    opening = match[0].partition("-->")[0] + "-->"
    return "\n".join([opening, "", *lines, "", f"<!-- /{kind} -->"])


def _settings(recipe: str) -> list[str]:
    """A table of settings; torch and the recipe are only loaded for this."""
    from gen import registry
    from gen.training.config import TrainingConfig
    from gen.training.explained import Setting, settings_of

    common = {row.name: row for row in settings_of(TrainingConfig())}
    rows = list(common.values())
    if recipe != "training":
        try:
            found = settings_of(registry.get(RECIPES, recipe).settings())
        except registry.RegistryError as error:
            raise InputError(f"settings: {recipe}: no such recipe") from error

        def special(row: Setting) -> bool:
            name = row.name.removeprefix("training.")
            return name not in common or common[name].default != row.default

        rows = [row for row in found if special(row)]
    lines = [f"| `{row.name}` | {row.default} | {row.meaning.replace('``', '`').replace('|', '/')} |" for row in rows]
    return ["| setting | default | meaning |", "|---|---|---|", *lines]


def _way(path: Path, root: Path) -> str:
    """From a page to the folder of result pages."""
    depth = len(path.relative_to(root).parts) - 1
    inside = path.relative_to(root).parts[0] == "docs"
    return "../" * (depth - 1) + "results" if inside else "../" * depth + RESULTS.as_posix()


def _results_table(told: str, results: Mapping[str, Results], way: str) -> list[str]:
    name, group, *options = (part.strip() for part in told.split("|"))
    found, node = results[name], results[name].values[group]
    if not isinstance(node, Mapping):
        raise KeyError(group)
    chosen = {key.strip(): [each.strip() for each in names.split(";")] for key, _, names in map(_option, options)}
    if "rows" in chosen:
        node = {row: node[row] for row in chosen["rows"]}
    if "columns" in chosen:
        node = {row: _columns(part, chosen["columns"]) for row, part in node.items()}
    return [*_trim(render_group(node, 4)), "", f"*{found.origin()}* [{name}]({way}/{name}.md): `{found.command}`"]


def _option(text: str) -> tuple[str, str, str]:
    return text.partition(":")


def _columns(part: Any, names: list[str]) -> Group:
    return {name: part[name] for name in names if name in part}


def _trim(lines: list[str]) -> list[str]:
    while lines and not lines[0]:
        lines = lines[1:]
    return lines


def _headline(told: str, results: Mapping[str, Results], way: str) -> list[str]:
    rows = ["| | physiogen | beside it |", "|---|---|---|"]
    for line in filter(None, map(str.strip, told.splitlines())):
        what, name, path, *other = (part.strip() for part in line.split("|"))
        beside = ""
        if other:
            beside = f"{other[2]} {results[other[0]][other[1]]}"
        value = results[name][path]
        rows.append(f"| [{what}]({way}/{name}.md) | {value}{_unit(value)} | {beside} |")
    return rows


def _unit(value: Value) -> str:
    return f" {value.unit}" if value.unit else ""


def render_card(card: Mapping[str, Any], title: str) -> str:
    """A model card as a page."""
    training = card["training"]
    lines = [f"# {title}", "", _MADE, "", f"**{card['task']}**", "", "| | |", "|---|---|"]
    lines += [f"| intended use | {card['intended_use']} |", f"| limits | {card['limits']} |"]
    lines += [f"| licence of the training data | {card['licence']} |", f"| recipe | `{card['name']}` |"]
    for key in ("seed", "steps", "minutes", "hardware", "parameters"):
        if key in training:
            lines.append(f"| {key} | {training[key]} |")
    lines += [f"| {role} | `{part['digest'][:12]}` |" for role, part in (card.get("parts") or {}).items()]
    if card.get("sampling"):
        lines.append(f"| sampling | `{json.dumps(card['sampling'])}` |")
    lines += ["", "## Data", ""]
    for source in card["data"]:
        words = [source["licence"], source.get("split"), source.get("citation")]
        lines.append(f"- **{source['name']}**: {'; '.join(word for word in words if word)}")
    lines += ["", "## Training", "", "```sh", *training.get("commands", []), "```"]
    if training.get("validation"):
        found = {name: value for name, value in training["validation"].items() if isinstance(value, int | float)}
        lines += ["", "On the validation part, when the weights were chosen:", ""]
        lines += [f"- {name}: {Value(value)}" for name, value in found.items()]
    for evaluation in card.get("evaluations", []):
        results = Results.from_dict({"schema": 1, **evaluation})
        lines += ["", f"## Evaluation: {evaluation['name']}", "", results.to_markdown(3).rstrip()]
    return "\n".join(lines) + "\n"


#: Prints the help of all commands that it is given as JSON.
_HELPER = """
import io, json, sys
from contextlib import redirect_stdout
from gen.cli import run
found = {}
for command in json.loads(sys.argv[1]):
    with redirect_stdout(io.StringIO()) as said:
        if run([*command.split(), "--help"]):
            sys.exit(f"physiogen {command} --help: no such command")
    found[command] = said.getvalue()
print(json.dumps(found))
"""


def helps_of(commands: Iterable[str]) -> dict[str, str]:
    """What ``physiogen COMMAND --help`` prints for each, 100 columns wide and without colours or frames."""
    # A process of its own: the width and the absence of colours are read from the environment when typer is imported.
    plain = {
        "COLUMNS": "100",
        "TERMINAL_WIDTH": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "_TYPER_FORCE_DISABLE_TERMINAL": "1",
    }
    called = [sys.executable, "-c", _HELPER, json.dumps(sorted(set(commands)))]
    done = subprocess.run(called, env=os.environ | plain, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(done.stderr.strip() or f"physiogen --help: exit {done.returncode}")
    found = json.loads(done.stdout).items()
    return {command: "\n".join(line.rstrip() for line in text.strip().splitlines()) for command, text in found}
