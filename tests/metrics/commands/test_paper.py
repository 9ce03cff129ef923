"""``physiogen paper``: pictures with truth in a folder, gone on with, and one line for what cannot be drawn."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from gen import cli
from gen.io import write
from gen.leads import LEADS_12
from gen.records import EcgRecord

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
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    # A lost picture is made again, to the same bytes; what is there stays.
    for ending in ("json", "png", "leads.png", "npz"):
        (out / f"long-1.{ending}").unlink()
    assert run(folder / "long.hea", "--out", out, "-n", 2, "--layout", "3x4", "--layout", "cabrera").exit_code == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


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


def test_pictures_of_other_settings_are_not_mixed(run, folder, tmp_path):
    out = tmp_path / "out"
    assert run(folder / "long.hea", "--out", out).exit_code == 0
    other = run(folder / "long.hea", "--out", out, "--seed", 1)
    assert other.exit_code == 2
    assert "made with seed 0, not 1" in other.stderr
    assert run(folder / "long.hea", "--out", out, "--seed", 1, "--overwrite").exit_code == 0
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    assert "is not empty" in run(folder / "long.hea", "--out", tmp_path / "full").stderr
