"""Every command that a document, a stored result or a model card states is one that the command line takes."""

import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gen.cli import app, load_command
from gen.records import InputError

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "*/README.md", "docs/**/*.md")
#: Words that stand for something a reader fills in, and a shell's own.
ENDS = {"|", ">", "&&", "||", "...", "…", "#", "2>", ">>"}


def said() -> dict[str, list[str]]:
    """Commands by the place they stand in."""
    found: dict[str, list[str]] = {}
    for pattern in DOCUMENTS:
        for path in ROOT.glob(pattern):
            text = path.read_text(encoding="utf-8")
            blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)).replace("\\\n", " ")
            lines = re.findall(r"^\s*(?:\$ )?(physiogen .*)$", blocks, re.M)
            lines += re.findall(r"`(physiogen [^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
            found[str(path.relative_to(ROOT))] = lines
    for path in ROOT.glob("docs/results/*.json"):
        found[path.name] = [json.loads(path.read_text("utf-8"))["command"]]
    for path in ROOT.glob("*/weights/**/card.json"):
        card = json.loads(path.read_text("utf-8"))
        commands = [*(card.get("training") or {}).get("commands", [])]
        commands += [each["command"] for each in card.get("evaluations", [])]
        found[str(path.relative_to(ROOT))] = commands
    parts = {place: [part.strip() for line in lines for part in line.split(";")] for place, lines in found.items()}
    return {place: [part for part in parts if part.startswith("physiogen")] for place, parts in parts.items()}


def arguments(line: str) -> list[str]:
    """Words of a command up to what is a shell's or the reader's; what may be left out is taken too."""
    words: list[str] = []
    for word in shlex.split(line.replace("[", " ").replace("]", " "), comments=True)[1:]:
        if word in ENDS:
            break
        words.append(word)
    return words


def refusal(words: list[str]) -> str | None:
    """Why the command line would not take these words; None where it would."""
    if not words or words[0].startswith("-"):
        return None
    root = get_command(app)
    context = root.make_context("physiogen", [], resilient_parsing=True)
    if words[0] not in root.list_commands(context):
        return f"no command {words[0]}"
    command, words = load_command(words[0]), words[1:]
    while hasattr(command, "resolve_command"):
        if not words or words[0].startswith("-") or words[0].isupper():  # `physiogen evaluate NAME ...`
            return None
        context = command.make_context("physiogen", [], resilient_parsing=True)
        try:
            _, command, words = command.resolve_command(context, words)
        except InputError as error:
            return str(error)
    try:
        left = command.make_parser(command.context_class(command)).parse_args(list(words))[1]
    except Exception as error:
        return getattr(error, "format_message", error.__repr__)()
    return f"unexpected {left}" if left else None


@pytest.mark.parametrize("place", sorted(said()))
def test_stated_commands_are_taken(place):
    wrong = [(line, reason) for line in said()[place] if (reason := refusal(arguments(line)))]
    assert wrong == []


def examples(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """Name and example of a command and all below it, from their help."""
    for text in re.findall(r"Example: ((?:.+\n?)+)", inspect.cleandoc(command.help or "")):
        yield name, " ".join(text.replace("`", "").split())
    if hasattr(command, "list_commands"):
        context = command.make_context(name, [], resilient_parsing=True)
        for below in command.list_commands(context):
            yield from examples(command.resolve_command(context, [below])[1], f"{name} {below}")


def test_examples_of_the_help_are_taken():
    root = get_command(app)
    names = root.list_commands(root.make_context("physiogen", [], resilient_parsing=True))
    found = [each for name in names for each in examples(load_command(name), name)]
    assert len(found) > len(names)
    wrong = [(name, line, reason) for name, line in found if (reason := refusal(arguments(line)))]
    assert wrong == []
