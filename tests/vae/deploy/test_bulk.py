"""Bulk runs: killed anywhere, gone on with, the same bytes; memory of a block."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gen.cli import run
from gen.io import blocks, read_set, write
from gen.simulate import simulate
from vae.deploy import bulk
from vae.deploy.streaming import StreamingReconstructor, StreamSettings
from vae.pipeline import load

FS = 100.0


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def strips(tmp_path_factory):
    """Seven strips of leads II and V1, one of them not readable and one too short to use."""
    folder = tmp_path_factory.mktemp("strips")
    hearts = simulate(range(7), seed=3, noise="light", fs_hz=FS, duration_s=4).records()
    two = [replace(one.select(["II", "V1"]), record_id=f"s{k}") for k, one in enumerate(hearts)]
    two[4] = replace(two[4], signal_mv=two[4].signal_mv[:, :50])
    write(two, folder / "in")
    (folder / "in" / "metadata.csv").unlink()
    (folder / "in" / "s2.dat").write_bytes(b"12")
    return folder / "in"


def interrupted_after(monkeypatch, calls):
    """The pipeline is interrupted at this call of its own."""
    count = [0]
    call = bulk.ReconstructionPipeline.__call__

    def counted(self, *given, **more):
        count[0] += 1
        if count[0] > calls:
            raise KeyboardInterrupt
        return call(self, *given, **more)

    monkeypatch.setattr("vae.pipeline.ReconstructionPipeline.__call__", counted)


@pytest.mark.parametrize(
    "options",
    [[], ["--samples", "2", "--format", "npz"], ["--format", "parquet"], ["--plot"], ["--export", "meeti"]],
    ids=str,
)
def test_an_interrupted_run_ends_with_the_same_bytes(strips, checkpoint, tmp_path, monkeypatch, capsys, options):
    monkeypatch.setattr(bulk, "BLOCK", 2)
    command = ["reconstruct", str(strips), "--checkpoint", str(checkpoint), *options]
    whole = [*command, "--out", str(tmp_path / "whole"), "--workers", "3"]
    assert run(whole) == 2  # two of the seven cannot be used
    told = sorted(line for line in capsys.readouterr().err.splitlines() if line.startswith("physiogen:"))
    for calls in (1, 2):
        out = tmp_path / f"out{calls}"
        with monkeypatch.context() as patch:
            interrupted_after(patch, calls)
            assert run([*command, "--out", str(out), "--workers", "1"]) == 130
        assert not out.exists()
        capsys.readouterr()
        assert run([*command, "--out", str(out)]) == 2
        err = capsys.readouterr().err
        assert ("going on" in err) is (options[:1] != ["--format"])  # of an open shard there is nothing to go on with
        assert sorted(line for line in err.splitlines() if line.startswith("physiogen:")) == told
        assert contents(out) == contents(tmp_path / "whole")
        assert not list(tmp_path.glob(".*"))


def test_a_killed_process_is_gone_on_with(strips, checkpoint, tmp_path, monkeypatch):
    """SIGKILL, which nobody can catch."""
    code = (
        "import sys; from vae.deploy import bulk; bulk.BLOCK = 1; from gen.cli import run\n"
        "add = bulk._Run._note\n"
        "def note(self, taken):\n"
        "    add(self, taken)\n"
        "    print('noted', flush=True)\n"
        "    import time; time.sleep(float(sys.argv[1]))\n"
        "bulk._Run._note = note\n"
        "sys.exit(run(sys.argv[2:]))"
    )
    command = ["reconstruct", str(strips), "--checkpoint", str(checkpoint)]

    def started(wait, out):
        words = [sys.executable, "-c", code, wait, *command, "--out", str(out)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    process = started("60", tmp_path / "out")
    assert process.stdout.readline() == "noted\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "out").exists()
    process = started("0", tmp_path / "out")
    _, err = process.communicate()
    assert process.returncode == 2
    assert "going on" in err
    monkeypatch.setattr(bulk, "BLOCK", 1)
    assert run([*command, "--out", str(tmp_path / "whole"), "--workers", "1"]) == 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.fixture
def short_hours(monkeypatch):
    """Hours of a hundred seconds, pieces of six."""
    monkeypatch.setattr("vae.deploy.long.HOUR_S", 100.0)
    monkeypatch.setattr("vae.deploy.long._CHUNK_S", 6.0)
    monkeypatch.setattr("vae.deploy.long._NOTED", 2)
    monkeypatch.setattr("vae.deploy.long.SETTINGS", StreamSettings(window_s=10.0, hop_s=6.0, guard_s=0.5, fade_s=0.5))
    monkeypatch.setattr(blocks, "HOUR_S", 100.0)
    monkeypatch.setattr(blocks, "LONG_S", 150.0)


def test_a_long_recording_goes_on_in_its_middle(strips, checkpoint, tmp_path, monkeypatch, short_hours, capsys):
    strip = next(iter(read_set(strips / "s0.hea")))
    signal = np.tile(strip.signal_mv, (1, 60))[:, :23950]
    signal[:, 9000:11000] = np.nan
    write([replace(strip, signal_mv=strip.signal_mv, record_id="a")], tmp_path / "in" / "first")
    write([replace(strip, signal_mv=signal, record_id="holter")], tmp_path / "in" / "second")
    command = ["reconstruct", str(tmp_path / "in"), "--checkpoint", str(checkpoint)]
    assert run([*command, "--out", str(tmp_path / "whole"), "--workers", "2"]) == 0
    for calls in (9, 24):
        out = tmp_path / f"out{calls}"
        with monkeypatch.context() as patch:
            interrupted_after(patch, calls)
            assert run([*command, "--out", str(out), "--workers", "1"]) == 130
        (notes,) = tmp_path.glob(f".{out.name}*/.partial-notes.jsonl")
        assert '"long"' in notes.read_text().splitlines()[-1]
        assert run([*command, "--out", str(out), "--resume", "always"]) == 0
        assert contents(out) == contents(tmp_path / "whole")
    assert (tmp_path / "whole" / "hours.csv").read_text().count("holter") == 3


@pytest.mark.parametrize("received", [0, 50, 699, 700, 701, 1300, 1350, 2500, 2633])
def test_a_stream_stands_where_it_stood(strips, checkpoint, received):
    strip = next(iter(read_set(strips / "s0.hea")))
    signal = np.tile(strip.signal_mv, (1, 8))[:, :3000]
    settings = StreamSettings(window_s=10.0, hop_s=6.0, guard_s=0.5, fade_s=0.5)
    pipeline = load(checkpoint)
    one, other = (StreamingReconstructor(["II", "V1"], FS, pipeline=pipeline, settings=settings) for _ in range(2))
    for start in range(0, received, 130):
        one.push(signal[:, start : min(start + 130, received)])
    other.go_on(signal[:, :received])
    for start in range(received, 3000, 170):
        parts = [stream.push(signal[:, start : start + 170]) for stream in (one, other)]
        assert parts[0].start == parts[1].start
        np.testing.assert_array_equal(parts[0].signal_mv, parts[1].signal_mv)
    ends = [stream.close() for stream in (one, other)]
    np.testing.assert_array_equal(ends[0].signal_mv, ends[1].signal_mv)
    np.testing.assert_array_equal(ends[0].bands[90][0], ends[1].bands[90][0])


def test_other_inputs_are_not_mixed_in(strips, checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bulk, "BLOCK", 2)
    command = ["reconstruct", str(strips), "--checkpoint", str(checkpoint), "--out", str(tmp_path / "out")]
    with monkeypatch.context() as patch:
        interrupted_after(patch, 1)
        assert run([*command, "--workers", "1"]) == 130
    assert run([*command, "--leads", "II", "--resume", "always"]) == 2
    assert "made with other settings; accepted: an unfinished run of the same command" in capsys.readouterr().err
    assert run([*command, "--leads", "II"]) == 2
    assert "an unfinished run had other settings: starting anew" in capsys.readouterr().err
