"""One table of several reports: whose figures, and that only like is set beside like."""

import json

import pytest

from gen.cli import run
from gen.records import InputError
from gen.results import Data, Results, Value
from metrics.report.leaderboard import leaderboard


def report(digest="a", n=10, **figures):
    sets = {"real": {"digest": digest}, "generated": {"records": n}}
    return {"settings": {"sets": sets}, "metrics": figures, "headline": "", "warnings": [], "records": {}}


def test_lines_and_columns():
    one = report(n=330, fid={"value": 2.0, "ci": [1.5, 2.5], "floor": 1.0}, recall={"value": 0.5, "ci": None})
    two = report(n=20, fid={"value": 9.0, "ci": [8.0, 10.0], "floor": 1.2})
    lines = leaderboard({"ours": one, "theirs": two}, ["fid", "recall"]).splitlines()
    assert lines[2:] == [
        "| two halves of the real records | | 1 |  |",
        "| ours | 330 | 2 [1.5, 2.5] | 0.5 |",
        "| theirs | 20 | 9 [8, 10] |  |",
    ]


def test_other_real_records_and_unknown_figures_are_refused():
    with pytest.raises(InputError, match="b: other real records than a"):
        leaderboard({"a": report(), "b": report("z")}, ["fid"])
    with pytest.raises(InputError, match="'nothing': in none of the reports; accepted: fid"):
        leaderboard({"a": report(fid={"value": 1.0})}, ["nothing"])


@pytest.fixture
def folders(tmp_path):
    """Three reports of one real set, the third of two figures."""
    for name, value in (("x", 1.0), ("y", 2.0), ("z", 3.0)):
        (tmp_path / name).mkdir()
        found = report(fid={"value": value, "better": "lower"})
        (tmp_path / name / "report.json").write_text(json.dumps(found))
    return tmp_path


def test_three_reports_are_a_table_and_two_a_test(folders, capsys):
    named = [f"{name}={folders / name}" for name in "xyz"]
    assert run(["compare", *named]) == 0
    assert "| y | 10 | 2 |" in capsys.readouterr().out
    assert run(["compare", *named[:2], "--figures", "fid"]) == 0
    assert "| y | 10 | 2 |" in capsys.readouterr().out
    assert run(["compare", *named[:2], "--out", str(folders / "c.md")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("A = x, B = y")
    assert "| not tested | not tested |" in out
    assert (folders / "c.md").read_text() == out
    assert run(["compare", *named, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reports"]["z"]["fid"]["value"] == 3


def test_results_are_a_table_with_a_column_each(tmp_path, capsys):
    for name, value in (("a", 1.5), ("b", 2.5)):
        values = {
            "signal": {"MAE": Value(value, value - 1, value + 1, unit="mV", better="lower")},
            "n": {"x": Value(1)},
        }
        found = Results("codec", "physiogen evaluate codec", values, data=[Data(name)], headline=["signal/MAE"])
        found.write(tmp_path / f"{name}.json")
    named = [f"{name}={tmp_path / name}.json" for name in "ab"]
    assert run(["compare", *named]) == 0
    out = capsys.readouterr().out
    assert "different data" in out
    assert "| signal/MAE | 1.5 [0.5, 2.5] | 2.5 [1.5, 3.5] |" in out
    assert run(["compare", *named, "--figures", "n/x", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"n/x": {"a": {"value": 1}, "b": {"value": 1}}}
    assert run(["compare", *named, "--figures", "colour"]) == 2
    assert "accepted: signal/MAE, n/x" in capsys.readouterr().err


def test_what_cannot_be_compared_is_one_line(folders, capsys):
    Results("codec", "physiogen evaluate codec", {"x": Value(1)}).write(folders / "r.json")
    Results("clip", "physiogen evaluate clip", {"x": Value(1)}).write(folders / "s.json")
    x, y = f"x={folders / 'x'}", f"y={folders / 'y'}"
    for arguments, words in (
        ([x, f"x={folders / 'y'}"], "every name once"),
        ([x, f"n={folders / 'none'}"], "no such file or folder"),
        ([x], "accepted: two or more"),
        ([str(folders / "x"), y], "accepted: NAME=PATH"),
        ([x, f"r={folders / 'r.json'}"], "accepted: one kind"),
        ([f"r={folders / 'r.json'}", f"s={folders / 's.json'}"], "accepted: those of one evaluation"),
        ([x, y, "--figures", "nothing"], "in none of the reports"),
        ([x, y, "--out", str(folders / "r.json")], "exists; use --overwrite"),
    ):
        assert run(["compare", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
