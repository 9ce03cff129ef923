"""Deliberate misuses, a row each in ``cases.csv``: the exit status, one line that says why, and nothing written."""

import csv
import shlex
from pathlib import Path

import misuse_files
import pytest

from gen import cli

CASES = list(csv.DictReader(Path(__file__).with_name("cases.csv").open(encoding="utf-8")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("misuse")
    misuse_files.make(out)
    return out


def test_the_table_is_as_long_as_what_was_tried_once():
    assert len(CASES) >= 93
    assert len({case["command"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case["command"] for case in CASES])
def test_a_misuse_gets_one_line(case, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    status = cli.run(shlex.split(case["command"]))
    found = capsys.readouterr()
    lines = [line for line in found.err.splitlines() if line.strip()]
    assert (status, found.out) == (int(case["status"]), "")
    assert len(lines) == 1, lines
    assert case["words"] in lines[0]
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before, "nothing is written, nothing is lost"
