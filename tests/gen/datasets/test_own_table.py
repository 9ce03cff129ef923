"""A folder and a table of one's own: what the table says is in the cache, what it says wrongly is named by its row."""

import csv
import json

import numpy as np
import pytest

from gen import cli
from gen.datasets import SignalCache
from gen.io import write
from gen.records import EcgRecord


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "MINE").mkdir()
    for k in range(6):
        beats = np.cumsum(rng.standard_normal((8, 2500)), axis=1) / 200
        eight = dict(zip(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), beats, strict=True))
        record = EcgRecord(np.stack(list(eight.values())), 250, tuple(eight), record_id=f"e{k}")
        write(record, tmp_path / "MINE" / f"e{k}.edf")
    return tmp_path


def table(folder, *rows):
    names = list(rows[0])
    with (folder / "mine.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def prepare(*more):
    return cli.run(["data", "prepare", "MINE", "--table", "mine.csv", "--out", "CACHE", *more])


def test_what_the_table_says_is_in_the_cache(folder, capsys):
    table(
        folder,
        {"file": "e0.edf", "patient": "a", "age": "63", "sex": "female", "label": "block", "split": "train", "ward": 3},
        {"file": "e1.edf", "patient": "a", "age": "", "sex": "", "label": "fine", "split": "train", "ward": 3},
        {"file": "e2.edf", "patient": "b", "age": "70", "sex": "M", "label": "block;AFIB", "split": "val", "ward": 3},
    )
    (folder / "words.csv").write_text("label,statements\nblock,CLBBB\nfine,NORM\nAFIB,AFIB\n")
    assert prepare("--meaning", "words.csv", "--licence", "ours") == 0, capsys.readouterr().err
    assert "columns that are not read: ward" in capsys.readouterr().err
    cache = SignalCache.open(folder / "CACHE")
    assert [json.loads(text) for text in cache.table.statements] == [
        {"CLBBB": 100.0},
        {"NORM": 100.0},
        {"AFIB": 100.0, "CLBBB": 100.0},
    ]
    assert cache.table.sex.tolist()[::2] == ["F", "M"]
    assert cache.table.split.tolist() == ["train", "train", "val"]
    assert cache.manifest["source"]["licence"] == "ours"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"name": "e0"}], "no column 'file'"),
        ([{"file": "e9.edf"}], "row 2: MINE/e9.edf: not found"),
        ([{"file": "e0.edf", "age": "old"}], "row 2: age 'old'"),
        ([{"file": "e0.edf", "sex": "1"}], "row 2: sex '1'"),
        ([{"file": "e0.edf", "label": "zzqq"}], "row 2: label 'zzqq' is not understood"),
        ([{"file": "e0.edf", "statements": "XYZ"}], "row 2: 'XYZ' is no SCP-ECG statement"),
        ([{"file": "e0.edf", "split": "some"}], "row 2: split 'some'"),
        (
            [
                {"file": "e0.edf", "patient": "a", "split": "train"},
                {"file": "e1.edf", "patient": "a", "split": "test"},
            ],
            "patient a is in more than one split",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_row(folder, capsys, rows, words):
    table(folder, *rows)
    assert prepare() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (folder / "CACHE").exists()


def test_options_of_the_table_go_with_it(folder, capsys):
    assert cli.run(["data", "prepare", "MINE", "--licence", "ours", "--out", "CACHE"]) == 2
    assert "--licence goes with --table" in capsys.readouterr().err
