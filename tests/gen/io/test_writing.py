"""Writing a set: what does not fit, what is interrupted, what is there already."""

from pathlib import Path

import numpy as np
import pytest
from made_records import make_record

from gen.io import (
    RecordSetWriter,
    count_set,
    expand_inputs,
    read,
    read_set,
    write,
    write_record,
)
from gen.io.formats import HELD, WRITABLE
from gen.io.npz import save_arrays
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "formats.md"


def test_a_writer_survives_a_record_that_does_not_fit(tmp_path, rng):
    with RecordSetWriter(tmp_path / "set") as out:
        out.add(make_record(rng, "good"))
        bad = make_record(rng, "bad")
        bad.signal_mv[1, 4] = 40
        with pytest.raises(InputError, match="lead II reaches 40 mV"):
            out.add(bad)
        with pytest.raises(InputError, match="given twice"):
            out.add(make_record(rng, "good"))
    assert [record.record_id for record in read_set(tmp_path / "set")] == ["good"]
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == [
        "README.md",
        "good.dat",
        "good.hea",
        "metadata.csv",
    ]


@pytest.mark.parametrize("format", WRITABLE)
def test_an_interruption_leaves_nothing(tmp_path, rng, format):
    def interrupted():
        yield make_record(rng)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(interrupted(), tmp_path / "set", format=format)
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        write(interrupted(), tmp_path / "one.parquet")
    assert not list(tmp_path.iterdir())


def test_existing_output_is_kept_unless_told(tmp_path, rng):
    out = write([make_record(rng, "old")], tmp_path / "set")
    with pytest.raises(InputError, match="exists; use --overwrite"):
        write([make_record(rng, "new")], out)
    write([make_record(rng, "new")], out, overwrite=True)
    assert [path.name for path in expand_inputs([out])] == ["new.hea"]
    assert list(tmp_path.iterdir()) == [out]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="no record set"):
        write([make_record(rng)], tmp_path / "mine", overwrite=True)
    file = write_record(make_record(rng), tmp_path / "r.npz")
    with pytest.raises(InputError, match="exists"):
        write_record(make_record(rng), file)
    write_record(make_record(rng, "second"), file, overwrite=True)
    assert read(file).record_id == "second"


def test_a_mounted_folder_is_filled_from_inside(tmp_path, rng, monkeypatch):
    import os

    out = tmp_path / "volume"
    out.mkdir()
    inode = out.stat().st_ino
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == out)
    write([make_record(rng, "old")], out)
    write([make_record(rng, "new")], out, overwrite=True)
    assert sorted(item.name for item in out.iterdir()) == ["README.md", "metadata.csv", "new.dat", "new.hea"]
    assert out.stat().st_ino == inode
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert count_set(write([make_record(rng)], ".")) == 1


def test_archives_of_arrays_are_read_by_numpy_and_repeat_byte_for_byte(tmp_path, rng):
    arrays = {"a_mv": rng.normal(size=(12, 500)).astype(np.float32).round(3), "leads": np.array(["I", "II"]), "n": 3.0}
    for name in ("one.npz", "two.npz"):
        save_arrays(tmp_path / name, arrays)
    with np.load(tmp_path / "one.npz", allow_pickle=False) as found:
        assert all(np.array_equal(found[name], value) for name, value in arrays.items())
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert (tmp_path / "one.npz").stat().st_size < 0.8 * arrays["a_mv"].nbytes


@pytest.mark.parametrize("format", WRITABLE)
def test_what_is_said_of_stored_values_is_so(tmp_path, format):
    """Whole microvolt or every value, in the set's README as in the guide."""
    signal = np.random.default_rng(0).normal(scale=0.4, size=(12, 500)).astype(np.float32)
    write([EcgRecord(signal, 100.0, LEADS_12, "r0")], tmp_path / "set", format=format)
    (back,) = read_set(tmp_path / "set")
    if "whole microvolt" in HELD[format]:
        np.testing.assert_allclose(1000 * back.signal_mv, np.rint(1000 * signal), atol=1e-3)
        assert not np.array_equal(back.signal_mv, signal)
    else:
        assert "Every value is kept" in HELD[format]
        np.testing.assert_array_equal(back.signal_mv, signal)
    rows = GUIDE.read_text(encoding="utf-8").partition("## What is written")[2].splitlines()
    row = next(line for line in rows if line.startswith("|") and f"`{format}`" in line)
    assert ("whole microvolt" in row) == ("whole microvolt" in HELD[format])
    assert ("every value" in row) == ("Every value is kept" in HELD[format])
