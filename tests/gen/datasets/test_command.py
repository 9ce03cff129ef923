"""``physiogen data``: results on stdout, bad input in one line with exit status 2, and a real kill -9."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gen.cli import run
from gen.datasets import SignalCache, open_source
from gen.io import write
from gen.leads import LEADS_12, to_12
from gen.records import EcgRecord, Patient


def record_set(folder: Path, count: int = 6) -> Path:
    rng = np.random.default_rng(0)
    records = [
        EcgRecord(to_12(rng.normal(size=(8, 1000))), 100, LEADS_12, record_id=f"r{i}", patient=Patient(id=f"p{i}"))
        for i in range(count)
    ]
    return write(records, folder)


def test_prepare_prints_what_it_made(tmp_path, capsys):
    source = record_set(tmp_path / "set")
    assert run(["data", "prepare", str(source), "--out", str(tmp_path / "c"), "--fs", "100"]) == 0
    out = capsys.readouterr().out
    assert "6 records" in out
    assert "train" in out
    assert "times faster" in out
    cache = SignalCache.open(tmp_path / "c")
    assert cache.digest in out


def test_prepare_json_lists_what_was_left_out(tmp_path, capsys):
    source = record_set(tmp_path / "set")
    data = source / "r3.dat"
    data.write_bytes(data.read_bytes()[:100])
    assert run(["data", "prepare", str(source), "--out", str(tmp_path / "c"), "--fs", "100", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["records"] == 5
    assert [entry["record_id"] for entry in result["skipped"]] == ["r3"]
    assert "r3.dat" in result["skipped"][0]["reason"]
    assert sum(split["records"] for split in result["splits"].values()) == 5
    assert result["read_speed"]["reader"] == "wfdb.rdrecord"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prepare", "nowhere", "--out", "c"], "nowhere"),
        (["prepare", "empty", "--out", "c"], "no data set"),
        (["prepare", "set", "--out", "full"], "full"),
        (["prepare", "set", "--out", "c", "--labels", "fine"], "super, sub, all"),
        (["prepare", "set", "--out", "c", "--fs", "0"], "above 0"),
        (["prepare", "set", "--out", "c", "--seconds", "0.2"], ">= 1 s"),
        (["simulate", "-n", "0", "--out", "c"], "at least 1"),
        (["simulate", "-n", "1", "--out", "c", "--noise", "loud"], "loud"),
        (["simulate", "-n", "1", "--out", "c", "--format", "floppy"], "floppy"),
        (["simulate", "-n", "1", "--out", "c", "--seed", "-1"], "--seed"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    record_set(tmp_path / "set", 1)
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/thesis.txt").write_text("precious")
    assert run(["data", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    message = captured.err.strip().splitlines()[-1]
    assert words in message
    assert sorted(path.name for path in Path().iterdir()) == ["empty", "full", "set"]


@pytest.mark.parametrize("format", ["wfdb", "parquet"])
def test_simulate_writes_a_set_that_prepare_reads(tmp_path, capsys, format):
    out = tmp_path / "sim"
    options = ["-n", "3", "--seed", "5", "--visits", "2", "--format", format, "--out", str(out), "--json"]
    assert run(["data", "simulate", *options]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == 6
    source = open_source(out)
    assert source.table["synthetic"].all()
    assert source.table["patient_id"].nunique() == 3
    assert source.table.groupby("patient_id")["split"].nunique().max() == 1
    assert run(["data", "prepare", str(out), "--out", str(tmp_path / "c")]) == 0
    assert len(SignalCache.open(tmp_path / "c")) == 6
    assert SignalCache.open(tmp_path / "c").record(0).synthetic


_SLOW = """
import sys, time
from gen.datasets import cache_build, open_source
cache_build.BLOCK = 2
convert = cache_build._convert
def slowly(*arguments):
    time.sleep(float(sys.argv[3]))
    return convert(*arguments)
cache_build._convert = slowly
cache_build.prepare(open_source(sys.argv[1]), sys.argv[2], fs_hz=100)
"""


def test_kill_9_and_the_same_command_again_give_the_same_bytes(tmp_path):
    source = record_set(tmp_path / "set", 8)

    def start(out: str, delay_s: float) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", _SLOW, str(source), str(tmp_path / out), str(delay_s)])

    assert start("whole", 0).wait() == 0
    process = start("killed", 0.3)
    while not (tmp_path / "killed/build/blocks/00000001.json").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed/manifest.json").exists()
    assert start("killed", 0).wait() == 0
    for name in ("signals.i16", "records.parquet", "manifest.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == sorted(
        path.name for path in (tmp_path / "whole").iterdir()
    )
