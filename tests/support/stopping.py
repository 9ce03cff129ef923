"""Ctrl-C in the middle of a command, and whether the same command goes on to the same bytes."""

from contextlib import contextmanager

from gen import cli
from gen.io.unfinished import Unfinished


class _Pressed:
    """Counts notes of what is done; interrupts when the next one after so many is about to be written."""

    def __init__(self, after):
        self.left, self.real = after, Unfinished.note

    def __call__(self, work, note):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.real(work, note)


@contextmanager
def pressed(monkeypatch, after):
    with monkeypatch.context() as patch:
        patch.setattr(Unfinished, "note", lambda work, note, told=_Pressed(after): told(work, note))
        yield


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def goes_on(monkeypatch, capsys, arguments, folder, *, after=1):
    """Run a command whole, and stopped after some notes and again; what both printed on stdout, and where both lie.

    ``arguments`` is called with the output folder.
    """
    whole, out = folder / "A" / "OUT", folder / "B" / "OUT"
    for place in (whole, out):
        place.parent.mkdir()
    capsys.readouterr()
    assert cli.run(arguments(whole)) == 0, capsys.readouterr().err
    said = capsys.readouterr().out.replace(str(whole.parent), "")
    with pressed(monkeypatch, after):
        assert cli.run(arguments(out)) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "physiogen: interrupted"
    assert not out.exists()
    assert len(list(out.parent.iterdir())) == 1, "one unfinished folder beside the output"
    with pressed(monkeypatch, 0):
        assert cli.run([*arguments(out), "--resume", "always"]) == 130, "what is done is there"
    capsys.readouterr()
    assert cli.run(arguments(out)) == 0
    found = capsys.readouterr()
    assert "going on where an earlier run stopped" in found.err
    assert found.out.replace(str(out.parent), "") == said
    return whole, out
