"""`physiogen data convert` goes on where it was stopped."""

import pytest
from stopping import contents, goes_on

from gen import cli
from gen.commands import convert
from gen.io import write
from gen.simulate import simulate


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "_BLOCK", 2)
    folder = tmp_path / "set"
    write(simulate(range(7), seed=3, noise="light").records(), folder, format="npz")
    (folder / "broken.edf").write_bytes(b"no EDF")
    return folder


@pytest.mark.parametrize("more", [(), ("--format", "npz"), ("--format", "edf", "--attach", "pdf")], ids=str)
def test_a_run_that_was_stopped_ends_with_the_same_bytes(recordings, tmp_path, monkeypatch, capsys, more):
    whole, out = goes_on(
        monkeypatch, capsys, lambda place: ["data", "convert", str(recordings), *more, "--out", str(place)], tmp_path
    )
    assert len(contents(out)) >= 9
    assert contents(out) == contents(whole)
    assert [path.name for path in out.parent.iterdir()] == ["OUT"]


def test_a_faulty_file_is_told_after_going_on_too(recordings, tmp_path, monkeypatch, capsys):
    words = ["data", "convert", str(recordings), str(recordings / "broken.edf"), "--out", str(tmp_path / "OUT")]
    from stopping import pressed

    with pressed(monkeypatch, 1):
        assert cli.run(words) == 130
    assert cli.run(words) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "broken.edf" in line]
    assert len(said) == 1
    assert len(list((tmp_path / "OUT").glob("*.hea"))) == 7
