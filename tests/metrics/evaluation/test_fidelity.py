"""Reports become a table: which way it lies, whose floor, and that only like is set beside like."""

import json

import pytest

from gen.cli import run


def report(folder, digest="a", n=10, **figures):
    """A report's folder."""
    sets = {"real": {"name": "real", "digest": digest, "records": 330}, "generated": {"digest": "g", "records": n}}
    folder.mkdir()
    found = {"settings": {"sets": sets, "seed": 0}, "metrics": figures, "headline": "", "warnings": [], "records": {}}
    (folder / "report.json").write_text(json.dumps(found))
    return folder


FID = {"value": 2.0, "ci": [1.5, 2.5], "floor": 1.0, "floor_n": 5, "value_at_floor_n": 3.0, "better": "lower", "n": 10}
DENSITY = {"value": 1.2, "ci": None, "floor": 1.0, "better": "higher", "n": 10}


def test_one_report_keeps_the_value_at_the_floors_number(tmp_path):
    report(tmp_path / "x", fid=FID, density=DENSITY)
    out = tmp_path / "r.json"
    assert run(["evaluate", "fidelity", f"ours={tmp_path / 'x'}", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["data"] == [{"name": "real", "digest": "a"}]
    fid = found["values"]["fidelity"]["fid"]
    assert fid["ours"] == {"value": 2, "low": 1.5, "high": 2.5, "n": 10, "better": "lower"}
    assert (fid["ours, at the floor's n"], fid["two halves of the recordings"]) == (
        {"value": 3, "n": 5},
        {"value": 1, "n": 5, "better": "reference"},
    )
    assert "better" not in found["values"]["fidelity"]["density"]["ours"]  # crowding is no merit


def test_several_reports_lie_by_set_or_by_measure(tmp_path):
    for name, value in (("x", 1.0), ("y", 2.0)):
        report(tmp_path / name, n=20, fid=FID | {"value": value}, **{f"m{k}": DENSITY for k in range(4)})
    named = [f"{name}={tmp_path / name}" for name in "xy"]
    out = tmp_path / "r.json"
    assert run(["evaluate", "fidelity", *named, "--figures", "fid,m0", "--out", str(out)]) == 0
    table = json.loads(out.read_text())["values"]["fidelity"]
    assert list(table) == ["two halves of the recordings", "x", "y"]
    assert table["y"]["fid"]["value"] == 2
    out.unlink()
    assert run(["evaluate", "fidelity", *named, "--figures", "fid,m0,m1,m2", "--out", str(out)]) == 0
    table = json.loads(out.read_text())["values"]["fidelity"]
    assert list(table) == ["fid", "m0", "m1", "m2"]
    assert [table["fid"][name]["value"] for name in ("two halves of the recordings", "x", "y")] == [1, 1, 2]


def test_unlike_reports_are_one_line(tmp_path, capsys):
    x, z = report(tmp_path / "x", fid=FID), report(tmp_path / "z", digest="b", fid=FID)
    (tmp_path / "odd.json").write_text('{"metrics": {"fid": {"value": 1}}}')
    for arguments, words in (
        ([f"x={x}", f"z={z}"], "z: other real records than x"),
        ([f"x={x}", "--figures", "colour"], "'colour': in none of the reports; accepted: fid"),
        ([f"x={x}", f"x={z}"], "every name once"),
        ([str(x)], "accepted: NAME=PATH"),
        ([f"odd={tmp_path / 'odd.json'}"], "names no sets"),
    ):
        assert run(["evaluate", "fidelity", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line


@pytest.mark.parametrize("figures", ["", "fid,"])
def test_an_empty_name_is_no_figure(tmp_path, figures, capsys):
    report(tmp_path / "x", fid=FID)
    code = run(["evaluate", "fidelity", f"x={tmp_path / 'x'}", "--figures", figures])
    assert code == (0 if not figures else 2)
