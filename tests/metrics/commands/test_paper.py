"""``physiogen paper``: pictures with truth in a folder, gone on with, and one line for what cannot be drawn."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from gen import cli
from gen.io import write
from gen.leads import LEADS_12
from gen.paper import making
from gen.records import EcgRecord
from metrics.commands import paper as command

pytest.importorskip("cv2", reason="needs OpenCV (extra paper)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("ecgs")
    t = np.arange(5000) / 500
    wave = 0.6 * np.exp(-0.5 * (((t % 0.75) - 0.3) / 0.02) ** 2)
    for name, length in (("long", 5000), ("short", 900)):
        signal = np.outer(np.linspace(0.5, 1.0, 12), wave)[:, :length]
        write([EcgRecord(signal, 500.0, LEADS_12, name, synthetic=True)], path / f"{name}.hea")
    return path


@pytest.fixture
def run(capsys):
    def status(*arguments):
        code = cli.run(["paper", *map(str, arguments), "--workers", "1", "--width", "700"])
        said = capsys.readouterr()
        return SimpleNamespace(exit_code=code, stdout=said.out, stderr=said.err)

    return status


def test_a_folder_of_pictures_with_truth(run, folder, tmp_path):
    out = tmp_path / "out"
    done = run(folder / "long.hea", "--out", out, "-n", 2, "--layout", "3x4", "--layout", "cabrera", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["pictures"] == 2
    coco = json.loads((out / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["long-0.png", "long-1.png"]
    told = json.loads((out / "long-0.json").read_text())
    assert told["paper"]["measured"]["Vent. rate"] == "80 bpm"
    with np.load(out / "long-0.npz") as stored:
        assert stored["visible"].shape == stored["signal_mv"].shape == (12, 5000)


def contents(path):
    return {each.name: each.read_bytes() for each in path.iterdir()}


def test_an_interrupted_run_goes_on_to_the_same_bytes(run, folder, tmp_path, monkeypatch):
    signal = np.outer(np.ones(12), np.sin(np.arange(5000) / 40))
    given = tmp_path / "in"
    for name in ("a", "b", "c"):
        write([EcgRecord(signal, 500.0, LEADS_12, name)], given / f"{name}.hea")
    monkeypatch.setattr(command, "_BLOCK", 1)
    assert run(given, "--out", tmp_path / "whole").exit_code == 0
    finished, calls = making.make_picture, []

    def interrupted(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return finished(*given)

    monkeypatch.setattr(making, "make_picture", interrupted)
    assert run(given, "--out", tmp_path / "out").exit_code == 130
    assert not (tmp_path / "out").exists()
    again = run(given, "--out", tmp_path / "out")
    assert again.exit_code == 0
    assert "going on where an earlier run stopped" in again.stderr
    assert len(calls) == 4  # the interrupted one, and two of three records
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_two_workers_draw_the_same_bytes(folder, tmp_path, capsys):
    arguments = ["paper", str(folder / "long.hea"), "-n", "3", "--width", "700"]
    for workers in ("1", "2"):
        assert cli.run([*arguments, "--workers", workers, "--out", str(tmp_path / workers)]) == 0
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_a_short_record_is_named_and_the_others_are_drawn(run, folder, tmp_path):
    done = run(folder, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "short: 1.8 s of signal: a column of 3x4+1 at 25 mm/s takes 2.5 s" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["long-0.leads.png", "long-0.png"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--layout", "5x5"], "layout 5x5: accepted: 3x4"),
        (["--degrade", "burnt"], "degrade burnt: accepted: none, light"),
        (["--speed", "30"], "speed 30 mm/s: accepted: 25 or 50"),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(run, folder, tmp_path, options, said):
    done = run(folder, "--out", tmp_path / "out", *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_only_a_folder_of_pictures_is_replaced(run, folder, tmp_path):
    out = tmp_path / "out"
    assert run(folder / "long.hea", "--out", out).exit_code == 0
    other = run(folder / "long.hea", "--out", out, "--seed", 1)
    assert other.exit_code == 2
    assert "exists; use --overwrite" in other.stderr
    before = contents(out)
    assert run(folder / "long.hea", "--out", out, "--seed", 1, "--overwrite").exit_code == 0
    assert contents(out)["long-0.png"] != before["long-0.png"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    refused = run(folder / "long.hea", "--out", tmp_path / "full", "--overwrite")
    assert "no earlier output of this command" in refused.stderr
    assert (tmp_path / "full" / "notes.txt").exists()


def test_nothing_is_left_of_a_run_without_pictures(run, folder, tmp_path):
    done = run(folder / "short.hea", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "short: 1.8 s of signal" in done.stderr
    assert list(tmp_path.iterdir()) == []
