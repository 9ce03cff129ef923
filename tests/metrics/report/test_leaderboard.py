"""One table of several reports: whose figures, and that only like is set beside like."""

import json

import pytest

from gen.records import InputError
from metrics.report.leaderboard import league, main


def report(digest="a", n=10, **figures):
    sets = {"real": {"digest": digest}, "generated": {"records": n}}
    return {"settings": {"sets": sets}, "metrics": figures, "headline": "", "warnings": [], "records": {}}


def test_lines_and_columns():
    one = report(n=330, fid={"value": 2.0, "ci": [1.5, 2.5], "floor": 1.0}, recall={"value": 0.5, "ci": None})
    two = report(n=20, fid={"value": 9.0, "ci": [8.0, 10.0], "floor": 1.2})
    lines = league({"ours": one, "theirs": two}, ["fid", "recall"]).splitlines()
    assert lines[2:] == [
        "| two halves of the real records | | 1 |  |",
        "| ours | 330 | 2 [1.5, 2.5] | 0.5 |",
        "| theirs | 20 | 9 [8, 10] |  |",
    ]


def test_other_real_records_and_unknown_figures_are_refused():
    with pytest.raises(InputError, match="b: other real records than a"):
        league({"a": report(), "b": report("z")}, ["fid"])
    with pytest.raises(InputError, match="'nothing': in none of the reports; accepted: fid"):
        league({"a": report(fid={"value": 1.0})}, ["nothing"])


def test_command(tmp_path, capsys):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(report(fid={"value": 1.0})))
    assert main([f"x={tmp_path / 'x'}", f"y={tmp_path / 'y' / 'report.json'}", "--figures", "fid"]) == 0
    assert "| y | 10 | 1 |" in capsys.readouterr().out
    assert main([f"x={tmp_path / 'x'}", f"x={tmp_path / 'y'}"]) == 2
    assert "every name once" in capsys.readouterr().err
    assert main([f"x={tmp_path / 'none'}"]) == 2
