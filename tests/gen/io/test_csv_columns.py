"""Columns of a CSV file named by the caller, whatever its header says."""

from contextlib import contextmanager

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
    with pytest.raises(InputError, match="--columns LEAD,LEAD,LEAD "):
        read(table(tmp_path / "x.csv", "ch1,ch2,ch3"), fs_hz=250, unit="mV")


N = np.arange(300)
UV = 1000 * MV
OPENBCI = ("%OpenBCI Raw EXG Data\n%Number of channels = 3\n%Sample Rate = 250 Hz\n"
           "Sample Index, EXG Channel 0, EXG Channel 1, EXG Channel 2, Accel Channel 0, Timestamp, "
           "Timestamp (Formatted)\n")  # fmt: skip
OPENSIGNALS = (
    "# OpenSignals Text File Format. Version 1\n"
    '# {"00:07:80:00:00:01": {"sensor": ["ECG"], "device name": "00:07:80", "column": ["nSeq", "I1", "A1"], '
    '"sampling rate": 1000, "resolution": [4, 1, 10]}}\n# EndOfHeader\n'
)


def rows(*columns, separator=","):
    cells = [
        [value if isinstance(value, str) else f"{value:.15g}" for value in row] for row in zip(*columns, strict=True)
    ]
    return "".join(separator.join(row) + "\n" for row in cells)


@pytest.mark.parametrize(
    ("text", "example"),
    [
        (OPENBCI + rows(N % 256, *UV, MV[0], 1.7e9 + N / 250, ["2024-01-01 10:00:00.000"] * 300),
         "-,LEAD,LEAD,LEAD,-,time,-"),
        ("Sample Index,EXG Channel 0,Timestamp\n" + rows(N % 256, UV[0], 1.7e9 + N / 250), "-,I,time"),
        ("packet,ch1,ch2\n" + rows(N + 17, *MV[:2]), "-,LEAD,LEAD"),
        (rows(N, *MV[:2]), "-,LEAD,LEAD"),
        (rows(N * 0.004, *MV[:2]), "time,LEAD,LEAD"),
        ("time_us,CM5,foo,bar\n" + rows(4000 * N, *MV), "time_us,V5,LEAD,LEAD"),
        (OPENSIGNALS + rows(N % 16, N * 0, 512 + 100 * MV[0], separator="\t"), "-,-,I"),
    ],
)  # fmt: skip
def test_the_example_keeps_the_files_order_and_guesses_no_lead(tmp_path, text, example):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=rf"--columns {example} ?(\(in|--)"):
        read(tmp_path / "x.csv")
    with pytest.raises(InputError, match=r"put the lead's name in the place of LEAD") if "LEAD" in example else _fine():
        read(tmp_path / "x.csv", fs_hz=1000 if "OpenS" in text else 250, unit="uV", columns=example)


@contextmanager
def _fine():
    yield


@pytest.mark.parametrize("columns", ["II,V1,V5,I", "-,V1,V5,II"])
def test_a_counter_is_no_lead_whoever_says_so(tmp_path, columns):
    (tmp_path / "x.csv").write_text("Sample Index,a,b,c\n" + rows(N % 256, *MV))
    if columns.startswith("-"):
        assert read(tmp_path / "x.csv", fs_hz=250, unit="mV", columns=columns).leads == ("V1", "V5", "II")
        return
    with pytest.raises(
        InputError, match=r"column 1, given as II, counts up by one: a counter and no lead; accepted: -"
    ):
        read(tmp_path / "x.csv", fs_hz=250, unit="mV", columns=columns)


def test_a_counter_without_a_name_is_passed_over(tmp_path):
    (tmp_path / "x.csv").write_text(rows(N, *MV[:2]))
    record = read(tmp_path / "x.csv", fs_hz=250, unit="mV", leads="II,V1")
    np.testing.assert_allclose(record.signal_mv, MV[:2], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("timestamp_us,LeadI_uV,LeadII_uV\n" + rows(4000 * N, *UV[:2]), {}),
        ("ECG_I [250Hz],ECG_II [250Hz]\n" + rows(*MV[:2]), {"unit": "mV"}),
        ("ECG_I_uV [250 Hz],LeadII_uV\n" + rows(*UV[:2]), {}),
        ("%Sample Rate = 250 Hz\nnSeq,I_mV,II_mV\n" + rows(N, *MV[:2]), {}),
        (OPENSIGNALS.replace("1000", "250").replace('"I1", "A1"', '"I", "II"') + rows(N, *MV[:2], separator="\t"),
         {"unit": "mV"}),
    ],
)  # fmt: skip
def test_leads_units_and_rates_in_names_and_headers_are_read(tmp_path, text, given):
    (tmp_path / "x.csv").write_text(text)
    record = read(tmp_path / "x.csv", **given)
    assert (record.leads, record.fs_hz) == (("I", "II"), 250)
    np.testing.assert_allclose(record.signal_mv, MV[:2], atol=1e-6)


def test_counts_of_a_converter_are_named_where_the_unit_is_asked_for(tmp_path):
    (tmp_path / "x.csv").write_text("II\n" + rows(np.round(512 + 100 * MV[0])))
    with pytest.raises(InputError, match="may be a converter's counts"):
        read(tmp_path / "x.csv", fs_hz=250)
