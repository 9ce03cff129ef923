"""Commands that were modules: each has its help and says in one line what is wrong with its input."""

import json
import subprocess
import sys

import pytest
import torch

from gen.card import NAMELESS
from gen.checkpoint import load_checkpoint, save_checkpoint
from gen.cli import run

DOORS = ("compare", "export", "teach", "study make", "study score", "pack", "data pairs", "evaluate")


@pytest.mark.parametrize("door", DOORS)
def test_help_has_an_example(door, capsys):
    assert run([*door.split(), "--help"]) == 0
    assert f"Example: physiogen {door.split()[0]}" in " ".join(capsys.readouterr().out.split())


def test_help_loads_no_model():
    code = (
        "import sys; from gen.cli import run;"
        + "".join(f"run({[*door.split(), '--help']!r});" for door in DOORS)
        + "assert not {'torch', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "--out", "OUT", "--leads", "V9"], "V9"),
        (["export", "--out", "OUT", "--checkpoint", "nowhere"], "nowhere"),
        (["export", "--out", "OUT", "--format", "tflite"], "tflite"),
        (["teach"], "--out, --score: neither is given; accepted: one of them"),
        (["teach", "--out", "OUT", "--score", "OUT"], "both are given"),
        (["teach", "--out", "OUT", "--conditions", "nowhere.csv"], "nowhere.csv"),
        (["teach", "--score", "nowhere"], "nowhere"),
        (["study", "make", "--real", "nowhere", "--generated", "nowhere", "--out", "OUT"], "nowhere"),
        (["study", "score", "nowhere", "sheet.csv"], "nowhere"),
        (["pack", "nowhere", "OUT"], "nowhere: no such folder"),
        (["pack", ".", "OUT"], "no checkpoint"),
        (["pack", ".", "."], "exists; use --overwrite"),
        (["pack", ".", "OUT", "--card", "limits"], "--card limits: "),
        (["pack", ".", "OUT", "--card", "limits=none"], "KEY=JSON"),
        (["pack", ".", "OUT", "--dtype", "fp8"], "fp8"),
        (["data", "pairs", "--out", "OUT", "-n", "-1"], "greater than or equal to 0"),
        (["data", "pairs", "--out", "OUT", "-n", "0", "--val", "0", "--test", "0", "--ecgs", "0"], "nothing to draw"),
        (["data", "pairs", "--out", "OUT", "--slices", "-1"], "greater than or equal to 0"),
        (["data", "pairs", "--out", "OUT", "--size", "97"], "--size 97: must be a multiple of 8"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert words in line
    assert captured.out == ""
    assert not list(tmp_path.iterdir())


def test_pack_changes_storage_and_card(tmp_path, capsys):
    weight = torch.linspace(-1, 1, 128 * 64).reshape(128, 64)
    save_checkpoint(tmp_path / "run" / "part", config={"_class_name": "X"}, model={"w": weight}, card=NAMELESS)
    (tmp_path / "run" / "index.json").write_text("{}")
    asked = ["pack", str(tmp_path / "run"), str(tmp_path / "small"), "--card", 'limits="few"', "--json"]
    assert run(asked) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["bytes"] == sum(path.stat().st_size for path in (tmp_path / "small").rglob("*") if path.is_file())
    packed = load_checkpoint(tmp_path / "small" / "part")
    assert packed.card["limits"] == "few"
    assert torch.allclose(packed.tensors["w"], weight, atol=0.01)
    assert (tmp_path / "small" / "index.json").read_text() == "{}"
    assert run(asked) == 2
    assert "exists; use --overwrite" in capsys.readouterr().err
    assert run([*asked, "--overwrite", "--dtype", "fp32"]) == 0
    assert torch.equal(load_checkpoint(tmp_path / "small" / "part").tensors["w"], weight)


def test_pairs_are_drawn_and_gone_on_with(tmp_path, capsys):
    asked = ["data", "pairs", "--out", str(tmp_path / "p"), "-n", "1", "--val", "0", "--test", "1", "--ecgs", "1"]
    assert run([*asked, "--size", "32", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["counts"] == {"train": 1, "test": 1, "ecgs": 1}
    assert captured.err.splitlines() == ["train: 1 of 1", "test: 1 of 1", "ecgs: 1 of 1"]
    assert run([*asked, "--size", "32"]) == 0  # finished: nothing is drawn again
    assert capsys.readouterr().err == ""
    assert run([*asked, "--size", "40"]) == 2
    assert "holds a cache with other settings" in capsys.readouterr().err
