"""Columns of a CSV file named by the caller, whatever its header says."""

import numpy as np
import pytest

from gen.io import read
from gen.records import InputError

MV = np.round(np.sin(np.arange(300) / 9) * [[1.0], [0.5], [0.25]], 4)


def table(path, header=None, time=None, separator=","):
    """Three columns of numbers, a time column before them where one is given."""
    columns = [*([] if time is None else [time]), *MV]
    rows = [separator.join(f"{value:g}" for value in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([*([] if header is None else [header]), *rows]) + "\n")
    return path


@pytest.mark.parametrize("header", [None, "ch1,ch2,ch3", "a (uV),b (uV),c (uV)", "I,II,III"])
def test_names_are_the_callers(tmp_path, header):
    unit = None if header and "uV" in header else "mV"
    record = read(table(tmp_path / "x.csv", header), fs_hz=250, unit=unit, columns="II,V1,-")
    assert record.leads == ("II", "V1")
    assert record.fs_hz == 250
    assert np.allclose(record.signal_mv, MV[:2] / (1000 if unit is None else 1), atol=1e-6)


def test_a_time_column_gives_the_rate(tmp_path):
    file = table(tmp_path / "x.csv", "timestamp,sample,a,b", time=np.arange(300) * 4.0)
    record = read(file, unit="mV", columns=["time_ms", "I", "-", "II"])
    assert record.fs_hz == 250
    assert record.leads == ("I", "II")
    assert np.allclose(record.signal_mv, MV[[0, 2]], atol=1e-6)


def test_semicolons_and_one_column(tmp_path):
    record = read(table(tmp_path / "x.csv", separator=";"), fs_hz=100, unit="mV", columns="-,-,V5")
    assert record.leads == ("V5",)
    (tmp_path / "one.csv").write_text("x\n" + "\n".join(f"{v:g}" for v in MV[0]))
    one = read(tmp_path / "one.csv", fs_hz=100, unit="mV", columns="I")
    assert np.allclose(one.signal_mv, MV[:1], atol=1e-6)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("I,II", "--columns names 2 columns, the file has 3; accepted: a lead, time"),
        ("I,II,X9", "'X9' is no lead and no time"),
        ("-,-,-", "no lead among the columns"),
        ("I,I,-", "lead I is given twice"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path, columns, words):
    with pytest.raises(InputError, match=words):
        read(table(tmp_path / "x.csv", "ch1,ch2,ch3"), fs_hz=250, unit="mV", columns=columns)


def test_other_formats_have_no_columns_to_name(tmp_path):
    np.savez(tmp_path / "x.npz", signal=MV)
    with pytest.raises(InputError, match="this one is npz"):
        read(tmp_path / "x.npz", fs_hz=250, unit="mV", columns="I,II,III")


def test_what_lacks_names_says_how_to_give_them(tmp_path):
    with pytest.raises(InputError, match="--columns II,V1,V5"):
        read(table(tmp_path / "x.csv", "ch1,ch2,ch3"), fs_hz=250, unit="mV")
