"""CSV in the layouts that people have: ours, other people's columns, and a watch's export."""

import numpy as np
import pytest

from gen.io import read
from gen.io.csv import looks_like_ecg
from gen.records import InputError

WATCH = """Name,Jane Doe
Date of Birth,"Mar 5, 1961"
Recorded Date,2024-03-04 12:36:54 +0100
Classification,Sinus Rhythm
Symptoms,
Software Version,2.0
Device,"Watch6,1"
Sample Rate,512 hertz


Lead,Lead I
Unit,µV

-10.25
12.5
103
"""


def save(tmp_path, text, name="x.csv", encoding="utf-8"):
    (tmp_path / name).write_text(text, encoding=encoding)
    return tmp_path / name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_watch_export(tmp_path, encoding):
    record = read(save(tmp_path, WATCH, encoding=encoding))
    assert (record.leads, record.fs_hz) == (("I",), 512)
    np.testing.assert_allclose(record.signal_mv, [[-0.01025, 0.0125, 0.103]], rtol=1e-6)
    assert record.patient.age == 62  # the day before the birthday
    assert record.report == "Sinus Rhythm"
    assert "Doe" not in repr(record)
    assert "1961" not in repr(record)
    assert record.metadata["device"] == "Watch6,1"


def test_watch_export_with_decimal_commas(tmp_path):
    german = (
        WATCH.replace("Sample Rate", "Abtastrate")
        .replace("Lead,Lead", "Ableitung,Ableitung")
        .replace("Unit", "Einheit")
    )
    german = german.replace("-10.25", "-10,25").replace("12.5", "12,5").replace("Name", "Vorname")
    record = read(save(tmp_path, german))
    assert (record.leads, record.fs_hz) == (("I",), 512)
    np.testing.assert_allclose(record.signal_mv, [[-0.01025, 0.0125, 0.103]], rtol=1e-6)
    assert "Doe" not in repr(record)
    german = german.replace("-10,25", "7")  # the first sample need not have decimals
    assert read(save(tmp_path, german)).signal_mv[0, 0] == np.float32(0.007)


@pytest.mark.parametrize(
    "text",
    [
        "# fs_hz: 500\n# unit: mV\nI,V5\n0.1,-2\n,3\n0.3,4\n",
        "fs_hz=500\nI_mV,V5 (mV)\n0.1,-2\n,3\n0.3,4\n",
        "Sample Rate,500 Hz\nUnit,uV\nI,V5\n100,-2000\n,3000\n300,4000\n",
        "time,Lead I [uV],MDC_ECG_LEAD_V5 (mV)\n0,100,-2\n0.002,,3\n0.004,300,4\n",
        "time_ms;I_mV;V5_mV\n0;0,1;-2\n2;;3\n4;0,3;4\n",
        "t\tI (mV)\tV5 (mV)\n1.000\t0.1\t-2\n1.002\tnan\t3\n1.004\t0.3\t4\n",
        ",time_s,I_uV,V5_mV\n0,0,100,-2\n1,.002,,3\n2,.004,300,4\n",
        "# fs: 500\n# unit: mV\n# anything: else\n\nI,V5,Resp\n0.1,-2,9\n,3,9\n0.3,4,9\n\n",
        "leads=I,V5\nunit=mV\nfs_hz=500\n0.1,-2\n,3\n0.3,4\n",
        'unit: V\nfs_hz: 500\n"I","V5"\n"1e-4","-2e-3"\n"","3e-3"\n"3e-4","4e-3"\n',
    ],
)
def test_layouts_that_mean_the_same(tmp_path, text):
    record = read(save(tmp_path, text))
    assert (record.leads, record.fs_hz) == (("I", "V5"), 500)
    np.testing.assert_allclose(record.signal_mv, [[0.1, np.nan, 0.3], [-2, 3, 4]], rtol=1e-6)
    assert looks_like_ecg(tmp_path / "x.csv")


def test_what_a_file_lacks_is_supplied(tmp_path):
    file = save(tmp_path, "1,2\n3,4\n")
    record = read(file, fs_hz=250, unit="uV", leads="II,V1")
    np.testing.assert_allclose(record.signal_mv, [[0.001, 0.003], [0.002, 0.004]], rtol=1e-6)
    for missing, words in [("fs_hz", "rate is missing"), ("unit", "the unit"), ("leads", "lead names")]:
        facts = {"fs_hz": 250, "unit": "uV", "leads": "II,V1"}
        del facts[missing]
        with pytest.raises(InputError, match=words):
            read(file, **facts)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I,II\n1,2\n3,x\n", "row 3, column II: 'x' is not a number"),
        ("I,II\n1,2\n3\n", "row 3 has 1 cells, expected 2"),
        ("I,II\n1,2\n3,4,5\n", "row 3 has 3 cells, expected 2"),
        (
            "foo,bar\n1,2\n",
            "lead names (its channels are 'foo', 'bar') are missing; say it, such as --columns LEAD,LEAD",
        ),
        ("I,Lead I\n1,2\n", "lead I is given twice"),
        ("I,II\n1,2,\n", "row 2 has 3 cells, but the header names 2 columns"),
        ("# unit: kg\nI,II\n1,2\n", "unit 'kg' cannot be converted"),
        ("I,II\n", "no samples"),
        ("hello\n", "no samples"),
        ("time,I\n0,1\n0.1,2\n0.5,3\n", "column time does not advance evenly"),
        ("time,I\n0,1\n0,2\n0,3\n", "column time does not advance evenly"),
        ("time\n0\n1\n", "no lead among the columns"),
        ("# fs_hz: 250\ntime,I\n0,1\n0.002,2\n0.004,3\n", "says 250 Hz, but its time column steps at 500 Hz"),
        ("I\n1\ninf\n", "infinite samples in lead I"),
    ],
)
def test_errors_name_row_and_column(tmp_path, text, words):
    with pytest.raises(InputError) as caught:
        read(save(tmp_path, text), **({} if "fs_hz" in text or "time" in text else {"fs_hz": 100}), **_unit(text))
    assert words in str(caught.value)
    assert "x.csv" in str(caught.value)


def _unit(text):
    return {} if "unit" in text else {"unit": "mV"}


def test_a_clock_gives_the_rate_despite_rounding(tmp_path):
    rows = "\n".join(f"{i / 512:.3f},0.1" for i in range(2000))
    assert read(save(tmp_path, f"time_s,I_mV\n{rows}\n")).fs_hz == 512


def test_other_tables_are_no_ecg(tmp_path, data_dir):
    assert not looks_like_ecg(save(tmp_path, "ecg_id,age,sex\n1,2,3\n"))
    assert not looks_like_ecg(data_dir("ptb-xl") / "ptbxl_database.csv")
    assert not looks_like_ecg(data_dir("alivecor") / "REFERENCE.csv")


def test_the_nearest_row_is_named_where_none_holds_numbers(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("number of;place;note\n" + "\n".join(f"{i};left-{i};{i} a" for i in range(5)))
    with pytest.raises(InputError, match=r"x\.csv: no samples \(row 2, column place: 'left-0' is not a number\)"):
        read(file)
    file.write_text("nothing here\nat all\n")
    with pytest.raises(InputError, match=r"no line of numbers"):
        read(file)
