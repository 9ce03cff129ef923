"""Exchanged arms: what the recipe makes tells them apart, and the shipped numbers are within what they promise."""

import json
from importlib.resources import files

import pytest

from gen.cli import run
from gen.quality.electrodes import arm_features, exchange_arms
from gen.simulate import simulate
from gen.training import arms as module


class Hearts:
    """Stands for a folder of PTB-XL."""

    def __init__(self, number):
        self.records = simulate(range(number), seed=3, noise="light").records()

    def split(self, name):
        assert name == "train"
        return range(len(self.records))

    def __getitem__(self, row):
        return self.records[row]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "xl").mkdir()
    (tmp_path / "xl" / "ptbxl_database.csv").write_text("ecg_id\n")
    monkeypatch.setattr(module, "open_source", lambda path: Hearts(60))
    return tmp_path / "xl"


def test_the_recipe_tells_exchanged_arms(folder, tmp_path):
    out = tmp_path / "arms.json"
    settings = ["--set", "suspected_share=0.02"]
    assert run(["train", "gen/arms", "--data", str(folder), "--out", str(out), *settings]) == 0
    found = json.loads(out.read_text())
    assert found["about"]["suspected"] <= 0.02
    assert found["about"]["found"] > 0.8
    # An exchange turns QRS of lead I against V6.
    assert found["weights"][2] < 0


def test_shipped_numbers_keep_what_they_promise():
    shipped = json.loads(files("gen.quality").joinpath("arms.json").read_text())
    assert len(shipped["weights"]) == 5
    assert shipped["about"]["suspected"] <= 0.001
    assert shipped["about"]["found"] > 0.95


def test_an_exchange_undone_is_the_recording():
    (record,) = simulate([1], seed=3).records()
    twice = exchange_arms(exchange_arms(record))
    assert twice.signal_mv == pytest.approx(record.to_12().signal_mv, abs=1e-5)
    turned, upright = arm_features(exchange_arms(record))
    own, too = arm_features(record)
    assert upright == too  # the chest leads stay
    assert turned[2] == pytest.approx(-own[2], abs=1e-3)


def test_bad_input_is_one_line(folder, tmp_path, capsys):
    arguments = ["train", "gen/arms", "--out", str(tmp_path / "a.json"), "--data"]
    for more, words in (
        ([str(tmp_path)], "a folder of PTB-XL"),
        ([str(folder), "--set", "suspected_share=2"], "0 and 1"),
    ):
        assert run([*arguments, *more]) == 2
        assert words in capsys.readouterr().err.splitlines()[-1]
        assert not (tmp_path / "a.json").exists()
