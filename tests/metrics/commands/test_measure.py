"""The command measure: runs that were killed go on to the same tables."""

import json
from pathlib import Path

import numpy as np
import pytest

from gen.cli import run
from gen.io import blocks, write
from gen.records import EcgRecord
from gen.simulate import simulate
from metrics.commands import measure

FS = 100.0


@pytest.fixture(scope="module")
def strips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strips")
    records = simulate(range(6), seed=3, noise="light", fs_hz=FS, duration_s=5).records()
    day = np.tile(records[0].select(["II"]).signal_mv, (1, 60))
    write([*records, EcgRecord(day, FS, ("II",), "zz_day")], folder / "in")
    (folder / "in" / "metadata.csv").unlink()
    next((folder / "in").glob("*-2-0.dat")).write_bytes(b"12")
    return folder / "in"


@pytest.fixture
def short_hours(monkeypatch):
    """Hours of a hundred seconds, blocks of two records."""
    monkeypatch.setattr(blocks, "HOUR_S", 100.0)
    monkeypatch.setattr(blocks, "LONG_S", 150.0)
    monkeypatch.setattr(measure, "_BLOCK", 2)


def interrupted_after(patch, noted):
    """Interrupted when this many blocks are on the disk."""
    real, count = measure._measure, [0]

    def counted(*given):
        for each in real(*given):
            yield each
            count[0] += 1
            if count[0] == noted:
                raise KeyboardInterrupt

    patch.setattr(measure, "_measure", counted)


@pytest.mark.usefixtures("short_hours")
@pytest.mark.parametrize("noted", [1, 3])
def test_an_interrupted_run_ends_with_the_same_tables(strips, tmp_path, monkeypatch, capsys, noted):
    def command(name):
        paths = [tmp_path / f"{name}{end}" for end in (".csv", "_beats.csv")]
        words = ["measure", str(strips), "--json"]
        for option, path in zip(("--out", "--beats"), paths, strict=True):
            words += [option, str(path)]
        return words, paths

    words, whole = command("whole")
    assert run([*words, "--workers", "3"]) == 2
    expected = json.loads(capsys.readouterr().out)
    assert len(expected["failed"]) == 1
    assert expected["counts"]["records"] == 5 + 3
    words, paths = command("part")
    with monkeypatch.context() as patch:
        interrupted_after(patch, noted)
        assert run([*words, "--workers", "1"]) == 130
    assert not any(path.exists() for path in paths)
    capsys.readouterr()
    assert run([*words, "--resume", "always"]) == 2
    captured = capsys.readouterr()
    assert "going on where an earlier run stopped" in captured.err
    found = json.loads(captured.out)
    for key in ("measured", "failed", "counts"):
        assert found[key] == expected[key]
    for one, other in zip(paths, whole, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert sorted(Path(path).name for path in tmp_path.iterdir()) == [
        "part.csv", "part_beats.csv", "whole.csv", "whole_beats.csv",
    ]  # fmt: skip


def test_a_pdf_is_drawn_in_one_go(strips, tmp_path, capsys):
    command = ["measure", str(strips), "--out", str(tmp_path / "p.csv"), "--pdf", str(tmp_path / "p.pdf")]
    assert run([*command, "--resume", "always"]) == 2
    assert "a PDF is drawn in one go; accepted with --pdf: never or if-possible" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
