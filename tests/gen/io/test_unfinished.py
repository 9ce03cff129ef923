"""Runs that were killed: gone on with to the same bytes, never mixed with others, nothing left of bad input."""

import json
from pathlib import Path

import numpy as np
import pytest

from gen.files import PARTIAL
from gen.io import RecordSetWriter, write
from gen.io.blocks import Inputs
from gen.io.unfinished import NOTES, digest_of, unfinished
from gen.records import EcgRecord, InputError


def record(name, seconds=2, fs=100.0):
    rng = np.random.default_rng(len(name) + ord(name[-1]))
    return EcgRecord(rng.normal(size=(2, round(seconds * fs))).astype(np.float32), fs, ("I", "II"), record_id=name)


def renaming(target):
    return lambda folder: folder.rename(target)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def count_to(target, last, *, fail_at=None, fault=KeyboardInterrupt, resume="if-possible", identity=None):
    """Write numbers, a line and a note each; how many of them in this run."""
    made = 0
    with unfinished(target, identity or {"to": last}, publish=renaming(target), resume=resume) as work:
        done = work.last.get("done", 0)
        file = work.folder / "numbers.txt"
        text = file.read_text()[: work.last.get("size", 0)] if file.exists() else ""
        for number in range(done, last):
            text += f"{number}\n"
            file.write_text(text + "torn")
            if number == fail_at:
                raise fault
            file.write_text(text)
            work.note({"done": number + 1, "size": len(text)})
            made += 1
    return made


def test_an_interrupted_run_is_gone_on_with(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        count_to(tmp_path / "out", 10, fail_at=4)
    assert not (tmp_path / "out").exists()
    assert count_to(tmp_path / "out", 10, resume="always") == 6
    assert "going on where an earlier run stopped" in capsys.readouterr().err
    assert (tmp_path / "out" / "numbers.txt").read_text().split() == [str(k) for k in range(10)]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["numbers.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_settings_start_anew_and_say_so(tmp_path, capsys):
    def stopped():
        with pytest.raises(KeyboardInterrupt):
            count_to(tmp_path / "out", 10, fail_at=4)

    stopped()
    with pytest.raises(InputError, match="out: made with other leads, to; accepted: an unfinished run of the same"):
        count_to(tmp_path / "out", 9, identity={"to": 9, "leads": "I"}, resume="always")
    assert count_to(tmp_path / "out", 9) == 9
    assert "an unfinished run had other to: starting anew" in capsys.readouterr().err
    (tmp_path / "out" / "numbers.txt").unlink()
    (tmp_path / "out").rmdir()
    stopped()
    assert count_to(tmp_path / "out", 10, resume="never") == 10
    with pytest.raises(InputError, match="nothing to go on with"):
        count_to(tmp_path / "other", 2, resume="always")


@pytest.mark.parametrize(
    ("fault", "kept", "words"),
    [
        (InputError("bad"), False, ("bad", "bad")),
        (OSError(28, "full"), True, ("disk full; what is finished is kept", "disk full; nothing was finished yet")),
        (OSError(5, "input/output error"), True, ("output error", "output error")),
        (RuntimeError("ours"), True, ("ours", "ours")),
        (KeyboardInterrupt(), True, (None, None)),
    ],
)
def test_bad_input_leaves_nothing(tmp_path, fault, kept, words):
    with pytest.raises((type(fault), InputError), match=words[0]):
        count_to(tmp_path / "out", 10, fail_at=4, fault=fault)
    assert bool(list(tmp_path.iterdir())) is kept
    with pytest.raises((type(fault), InputError), match=words[1]):
        count_to(tmp_path / "none", 10, fail_at=0, fault=fault)  # before the first note there is nothing to keep
    assert not [path for path in tmp_path.iterdir() if "none" in path.name]


def test_one_writer_at_a_time_and_a_torn_note(tmp_path):
    pytest.importorskip("fcntl")
    with unfinished(tmp_path / "out", {}, publish=renaming(tmp_path / "out")) as work:
        (work.folder / "x").touch()
        for resume in ("if-possible", "never"):
            with (
                pytest.raises(InputError, match="out: another process is writing it; accepted: one at a time"),
                unfinished(tmp_path / "out", {}, publish=renaming(tmp_path / "out"), resume=resume),
            ):
                pass
    assert (tmp_path / "out" / "x").exists()
    with pytest.raises(KeyboardInterrupt):
        count_to(tmp_path / "torn", 10, fail_at=4)
    (notes,) = tmp_path.glob(f".torn{PARTIAL}*/{NOTES}")
    notes.write_text(notes.read_text()[:-5])
    assert count_to(tmp_path / "torn", 10) == 7


def test_a_set_goes_on_in_whole_shards(tmp_path):
    def made(folder, stop, states=(), format="parquet"):
        folder.mkdir(exist_ok=True)
        state = states[-1] if states else None
        found = list(states)
        with RecordSetWriter(folder, format=format, records_per_shard=5, place=folder, state=state) as writer:
            for number in range(writer.count, stop, 2):
                for k in range(number, min(number + 2, stop)):
                    writer.add(record(f"r{k}"))
                state = writer.settle(2)
                if state is not None:
                    found.append(state)
        return found

    for format in ("parquet", "wfdb"):
        whole = tmp_path / f"whole_{format}"
        made(whole, 11, format=format)
        states = made(tmp_path / f"part_{format}", 9, format=format)
        assert [state["count"] for state in states] == ([4, 8] if format == "parquet" else [2, 4, 6, 8, 9])
        usable = [state for state in states if state["count"] <= 8]
        made(tmp_path / f"part_{format}", 11, usable, format=format)
        assert contents(tmp_path / f"part_{format}") == contents(whole)


def test_inputs_go_on_behind_any_record(tmp_path):
    for folder in ("a", "b"):
        write([record("x"), record("y")], tmp_path / folder, format="parquet")
    (tmp_path / "broken.npz").write_bytes(b"no")
    write([record("x")], tmp_path / "c.npz")
    files = [*sorted(tmp_path.glob("?/*.parquet")), tmp_path / "broken.npz", tmp_path / "c.npz"]

    def read(notes, until):
        bad = []
        inputs = Inputs(files, bad)
        inputs.go_on(notes)
        names, new = [], []
        for taken, one in enumerate(inputs, 1):
            names.append((one.record_id, one.signal_mv.tobytes()))
            new.append(inputs.note(taken))
            if taken == until:
                break
        return names, [*notes, *new], bad

    whole, _, bad = read([], None)
    assert [name for name, _ in whole] == ["x", "y", "x_2", "y_2", "x_3"]
    assert len(bad) == 1
    for stop in range(1, 5):
        first, notes, _ = read([], stop)
        notes = json.loads(json.dumps(notes))
        rest, _, later = read(notes, None)
        assert first + rest == whole
        assert later == bad


def test_changed_inputs_are_others(tmp_path):
    write([record("a")], tmp_path / "in")
    files = [tmp_path / "in" / "a.hea"]
    before = digest_of(files)
    assert digest_of(files) == before
    (tmp_path / "in" / "a.dat").write_bytes(b"other")
    assert digest_of(files) != before
