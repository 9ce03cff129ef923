"""The contract of every evaluation, and the command that runs them."""

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from gen import registry
from gen.card import NAMELESS, check_card
from gen.checkpoint import save_checkpoint
from gen.cli import run
from gen.commands import evaluate as command
from gen.commands.options import command_of
from gen.evaluation import documents
from gen.evaluations import GROUP, Evaluation, evaluations, setting, settings_of
from gen.files import read_json
from gen.records import InputError
from gen.results import Data, Results, Value

ALL = registry.names(GROUP)
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Counting(Evaluation):
    """How far something counts.

    Further words.
    """

    name = "counting"
    function = "tests_counting:run"
    needs = "fingers"
    example = "--to 3"

    folder: Path | None = setting("folder to look at", None, metavar="FOLDER")
    pairs: tuple[str, ...] = setting("NAME=PATH", (), metavar="NAME=PATH")
    to: int = setting("last number", 3, least=1, short="-n")
    levels: tuple[float, ...] = setting("numbers", (0.5, 1.0), least=0)
    kind: Literal["up", "down"] = setting("direction", "up")
    loud: bool = setting("say it aloud", False)
    seed: int = setting("of nothing", 0)


def count(settings, progress):
    for number in range(settings.to):
        progress(f"number {number}")
    values = {"count": Value(settings.to, n=settings.to), "levels": {f"{k:g}": Value(k) for k in settings.levels}}
    return settings.results(values, data=[Data("numbers")], n=settings.to, kind=settings.kind, weights=WEIGHTS[0])


WEIGHTS = ["0"]


@pytest.fixture
def counting(monkeypatch):
    """The evaluation above, installed."""
    entries = {"counting": type("Entry", (), {"load": staticmethod(lambda: Counting), "value": "x:Counting"})}
    real = registry._entries
    monkeypatch.setattr(registry, "_entries", lambda group: entries if group == GROUP else real(group))
    monkeypatch.setattr(Evaluation, "function", "", raising=False)
    monkeypatch.setitem(sys.modules, "tests_counting", type("Module", (), {"run": staticmethod(count)}))


# --- every evaluation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_an_evaluation_says_what_it_is(name):
    kind = evaluations()[name]
    assert kind.name == name
    assert kind.summary().endswith(".")
    assert len(kind.summary()) < 120
    assert kind.needs
    for each in settings_of(kind):
        assert each.help, each.name
    module, _, function = kind.function.partition(":")
    tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text())
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert function in names
    assert not {"main"} & names
    assert "argparse" not in {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }


@pytest.mark.parametrize("name", ALL)
def test_help_of_every_evaluation(name, capsys):
    assert run(["evaluate", name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Example: physiogen evaluate" in shown
    for word in ("--json", "--out", "--card"):
        assert word in shown


def test_list_and_help_load_no_model():
    code = (
        "import sys; from gen.cli import run; run(['evaluate']); run(['evaluate', '--help']);"
        + "".join(f"run(['evaluate', {name!r}, '--help']);" for name in ALL)
        + "assert not {'torch', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in ALL:
        assert name in done.stdout


def wrong(kind, tmp_path):
    """Arguments with a path that is not there in every place that takes one (one at a time), the rest in place."""
    there = tmp_path / "there"
    there.mkdir(exist_ok=True)
    known = settings_of(kind)
    takes_path = [
        each for each in known if (each.kind is Path and not each.output) or each.location or "PATH" in each.metavar
    ]
    for broken in takes_path:
        arguments = []
        for each in known:
            if each is not broken and not each.required:
                continue
            value = str(tmp_path / "nowhere") if each is broken else str(there)
            if each.metavar.startswith("NAME="):
                value = f"a={value}"
            arguments += [value] if each.positional else [each.option, value]
        yield arguments


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_path_is_one_line_and_nothing_is_written(name, tmp_path, capsys):
    kind = evaluations()[name]
    cases = list(wrong(kind, tmp_path))
    assert cases or not any(each.required for each in settings_of(kind))
    for arguments in cases:
        before = sorted(tmp_path.rglob("*"))
        assert run(["evaluate", name, *arguments, "--out", str(tmp_path / "out.json")]) == 2, arguments
        (line,) = capsys.readouterr().err.splitlines()
        assert "nowhere" in line
        assert "accepted" in line
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ALL)
def test_results_that_could_not_be_written_are_refused_first(name, tmp_path, capsys):
    kind = evaluations()[name]
    required = []
    for each in settings_of(kind):
        if each.required:
            value = f"a={tmp_path}" if each.metavar.startswith("NAME=") else str(tmp_path)
            required += [value] if each.positional else [each.option, value]
    for option in (["--out", str(tmp_path)], ["--card", str(tmp_path)]):
        assert run(["evaluate", name, *required, *option]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert option[0] in line


# --- one evaluation ---------------------------------------------------------------------------------------------------


def test_run_prints_markdown_and_writes_the_file(counting, tmp_path, capsys):
    out = tmp_path / "new" / "counting.json"
    assert (
        run(["evaluate", "counting", "-n", "2", "--levels", "1,2", "--levels", "3", "--loud", "--out", str(out)]) == 0
    )
    shown = capsys.readouterr()
    assert shown.err.splitlines() == ["number 0", "number 1"]
    assert "| count | 2 | 2 |" in shown.out
    found = Results.read(out)
    assert found.command == "physiogen evaluate counting --to 2 --levels 1 --levels 2 --levels 3 --loud"
    assert (found.seed, found.settings["kind"]) == (0, "up")
    assert run(["evaluate", "counting", "-n", "2", "--levels", "1,2,3", "--loud", "--json"]) == 0
    assert capsys.readouterr().out == out.read_text()


def test_python_and_the_command_are_the_same(counting, tmp_path):
    assert run(["evaluate", "counting", "--kind", "down", "--out", str(tmp_path / "a.json")]) == 0
    assert Counting(kind="down").run().to_json() == (tmp_path / "a.json").read_text()


def test_a_command_holds_no_path_of_this_machine(tmp_path):
    found = Counting(folder=tmp_path, pairs=[f"a={tmp_path}:test", "b=runs/x"]).command()
    assert found == "physiogen evaluate counting --folder FOLDER --pairs a=PATH:test --pairs b=runs/x"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "0"], "--to 0: accepted: 1 or more"),
        (["--to", "x"], "--to"),
        (["--levels", "1,x"], "--levels x: accepted: a number"),
        (["--levels", "nan"], "--levels nan: accepted: 0 or more"),
        (["--kind", "sideways"], "sideways"),
        (["--folder", "/nowhere/at/all"], "--folder /nowhere/at/all: no such file or folder; accepted: folder to look"),
        (["--colour", "1"], "--colour"),
        (["word"], "word"),
    ],
)
def test_bad_settings_are_one_line(counting, capsys, arguments, says):
    assert run(["evaluate", "counting", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


@pytest.mark.parametrize("given", [{"to": 0}, {"kind": "sideways"}, {"folder": "/nowhere"}, {"levels": ["x"]}])
def test_python_refuses_the_same(given):
    with pytest.raises(InputError, match="accepted"):
        Counting(**given)


def test_an_unknown_evaluation_is_one_line_with_the_nearest(capsys):
    assert run(["evaluate", "reconstrution"]) == 2
    assert "did you mean 'reconstruction'?" in capsys.readouterr().err


def test_a_file_in_the_way_is_refused_before_measuring(counting, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(["evaluate", "counting", "--out", str(tmp_path / "file" / "a.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_failing_evaluation_writes_nothing(counting, monkeypatch, tmp_path, capsys):
    def fail(settings, progress):
        raise InputError("the third finger is missing")

    monkeypatch.setitem(sys.modules, "tests_counting", type("Module", (), {"run": staticmethod(fail)}))
    assert run(["evaluate", "counting", "--out", str(tmp_path / "a.json")]) == 2
    assert capsys.readouterr().err == "physiogen: the third finger is missing\n"
    assert not list(tmp_path.iterdir())


def test_the_card_of_the_measured_weights_gets_the_entry(counting, monkeypatch, tmp_path, capsys):
    import torch

    from gen.checkpoint import checkpoint_digest

    model = save_checkpoint(tmp_path / "model", config={"_class_name": "X"}, model={"w": torch.zeros(2)}, card=NAMELESS)
    before = (model / "card.json").read_bytes()
    assert run(["evaluate", "counting", "--card", str(model)]) == 2
    assert "other weights" in capsys.readouterr().err
    assert (model / "card.json").read_bytes() == before
    monkeypatch.setattr(sys.modules[__name__], "WEIGHTS", [checkpoint_digest(model)])
    for _ in range(2):
        assert run(["evaluate", "counting", "--card", str(model)]) == 0
    check_card(read_json(model / "card.json"), "card")
    (entry,) = read_json(model / "card.json")["evaluations"]
    assert entry["values"]["count"] == {"value": 3, "n": 3}
    assert entry["command"] == "physiogen evaluate counting"


def test_list_as_json(counting, capsys):
    assert run(["evaluate", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row == {"name": "counting", "measures": "How far something counts.", "needs": "fingers"}


def test_the_help_shows_defaults_and_words(counting, capsys):
    assert command_of("counting", Counting, lambda s: None).name == "counting"
    assert run(["evaluate", "counting", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for word in ("Example: physiogen evaluate counting --to 3", "default: 0.5, 1", "Further words.", "-n"):
        assert word in shown


# --- documents --------------------------------------------------------------------------------------------------------


def test_check_compares_pages_and_stored_results(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["evaluate", "--check"]) == 2
    assert "no stored results" in capsys.readouterr().err
    found = Results("made-up", "physiogen evaluate made-up", {"x": Value(1.5, 1.2, 1.8)}, revision="1")
    found.write(documents.RESULTS / "made-up.json")
    assert run(["evaluate", "--check"]) == 1
    assert run(["evaluate", "--render"]) == 0
    page = documents.RESULTS / "made-up.md"
    assert run(["evaluate", "--check"]) == 0
    page.write_text(page.read_text().replace("1.5", "1.6"))
    capsys.readouterr()
    assert run(["evaluate", "--check"]) == 1
    assert "made-up.md" in capsys.readouterr().out
    assert run(["evaluate", "--check", ALL[0], "--help"]) in (0, 2)


def test_the_command_module_is_listed():
    assert registry.get("gen.commands", "evaluate") is command.app
