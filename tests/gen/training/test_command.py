import json
import subprocess
import sys
from pathlib import Path

import pytest

from gen import registry
from gen.cli import run
from gen.commands.train import _check_start, find_recipe, format_result
from gen.records import InputError

CALLS: list[dict] = []


def toy_recipe(data, out, resume, overrides, overwrite=False):
    CALLS.append({"data": data, "out": out, "resume": resume, "overrides": overrides, "overwrite": overwrite})
    return {"best": str(out / "best"), "metrics": {"mse": 0.03125, "n": 3}}


def plain_recipe(*, data, out, resume, overrides):
    raise AssertionError("must not be called")


@pytest.fixture(autouse=True)
def recipes(monkeypatch):
    CALLS.clear()
    real = registry.get
    known = {"toy/default": toy_recipe, "toy/plain": plain_recipe}
    monkeypatch.setattr(registry, "get", lambda g, n: known[n] if g == "gen.recipes" and n in known else real(g, n))


def test_the_recipe_gets_what_the_command_line_says(tmp_path, capsys):
    arguments = ["train", "toy/default", "--data", str(tmp_path), "--out", "RUN", "--resume"]
    assert run([*arguments, "--set", "steps=10", "--set", "model.width=4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["mse"] == 0.03125
    (call,) = CALLS
    assert (call["data"], call["out"], call["resume"]) == (tmp_path, Path("RUN"), True)
    assert call["overrides"] == {"steps": "10", "model.width": "4"}
    assert run(["train", "toy/default", "--out", "RUN", "--overwrite"]) == 0
    assert (CALLS[1]["data"], CALLS[1]["overwrite"]) == (None, True)
    assert capsys.readouterr().out.splitlines() == [
        "best         RUN/best",
        "metrics.mse  0.03125",
        "metrics.n    3",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody/knows"], "unknown recipe 'nobody/knows'; known: "),
        (["no_such_module:f"], "unknown recipe 'no_such_module:f'; known: "),
        (["json:nothing"], "unknown recipe 'json:nothing'; known: "),
        (["toy/default", "--data", "not/there"], "not/there: no such folder"),
        (["toy/default", "--set", "steps"], "--set 'steps': expected key=value"),
        (["toy/plain", "--overwrite"], "recipe toy/plain cannot overwrite"),
        (["toy/default", "--resume", "always"], "RUN: nothing to go on with; accepted: a run of the same recipe"),
        (["toy/default", "--resume=always"], "RUN: nothing to go on with"),
        (["toy/default", "--resume", "--overwrite"], "RUN: resume and overwrite exclude each other"),
        (["toy/default", "--resume", "perhaps"], "(perhaps)"),
        (["toy/default", "--resume=perhaps"], "Invalid value for '--resume'"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, message, capsys):
    assert run(["train", *arguments, "--out", "RUN"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not CALLS


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    ("words", "accepted", "goes_on"),
    [
        ([], (True, False), False),
        (["--resume", "never"], (True, False), False),
        (["--resume"], (True, True), True),
        (["--resume", "if-possible"], (True, True), True),
        (["--resume=if-possible"], (True, True), True),
        (["--resume", "always"], (False, True), True),
    ],
)
def test_going_on_has_the_words_of_all_commands(words, accepted, goes_on, there, tmp_path, capsys):
    out = tmp_path / "RUN"
    if there:
        out.mkdir()
        (out / "run.json").write_text("{}")
    arguments = ["train", *words, "toy/default", "--out", str(out)] if words[-1:] != ["--resume"] else None
    status = run(arguments or ["train", "toy/default", "--out", str(out), *words])
    assert status == (0 if accepted[there] else 2)
    assert [call["resume"] for call in CALLS] == ([goes_on] if accepted[there] else [])
    if not accepted[there]:
        words = "holds a run already" if there else "nothing to go on with"
        assert f"{out}: {words}" in capsys.readouterr().err


def test_unknown_recipes_list_the_installed_ones(capsys):
    assert run(["train", "x", "--out", "RUN"]) == 2
    assert "vae/default" in capsys.readouterr().err


def test_a_recipe_that_lacks_a_library_says_which(monkeypatch, tmp_path):
    (tmp_path / "broken_recipe.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        find_recipe("broken_recipe:train")


def test_only_the_first_process_prints(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    assert run(["train", "toy/default", "--out", "RUN"]) == 0
    assert capsys.readouterr().out == ""


def test_result_of_nothing_is_empty():
    assert format_result({}) == ""


def test_the_command_does_not_load_torch():
    code = "import sys, gen.commands.train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_words_for_weights_to_start_from_are_left_to_the_recipe(tmp_path):
    (tmp_path / "mine").mkdir()
    for word in ("", "none", "default", str(tmp_path / "mine")):
        _check_start(word)
    with pytest.raises(InputError, match="init defualt: no such weights; did you mean 'default'"):
        _check_start("defualt")
