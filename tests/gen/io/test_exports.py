"""Ten exports of wearables and recorders, cut from one recording: read at once, or with what the message names."""

import re
import shlex

import numpy as np
import pytest

from gen import cli
from gen.io import read, write
from gen.io.inputs import looks_like_ecg
from gen.records import InputError

NAMES = {"--fs": "fs_hz", "--unit": "unit", "--columns": "columns", "--leads": "leads"}


def rows(*columns, separator=",", form="{:.6g}", point="."):
    cells = ([form.format(value).replace(".", point) for value in row] for row in zip(*columns, strict=True))
    return "\n".join(separator.join(row) for row in cells) + "\n"


def apple(signal_uv, keys, point="."):
    return "\n".join(keys) + "\n\n\n" + rows(signal_uv, form="{:.3f}", point=point)


ENGLISH = (
    "Name,Jo", 'Date of Birth,"Jan 1, 1960"', "Recorded Date,2024-01-01 10:00:00 +0100", "Classification,Sinus Rhythm",
    "Symptoms,", "Software Version,1.90", 'Device,"Watch6,2"', "Sample Rate,512 hertz", "", "Lead,Lead I", "Unit,µV",
)  # fmt: skip
GERMAN = (
    "Name,Jo", "Geburtsdatum,01.01.1960", "Aufzeichnungsdatum,2024-01-01 10:00:00 +0100",
    "Klassifizierung,Sinusrhythmus", "Symptome,", "Software-Version,1.90", 'Gerät,"Watch6,2"',
    "Messrate,512 Hertz", "", "Ableitung,Ableitung I",
    "Einheit,µV",
)  # fmt: skip
POLAR = "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]\n"


def exports(record):
    """Name -> (text, rate and leads it holds)."""
    t = np.arange(record.num_samples) / record.fs_hz
    three, limb = record.select(["II", "V1", "V5"]).signal_mv, record.select(["I", "II", "V1"]).signal_mv
    watch = 1000 * record.select(["I"]).at(512).signal_mv[0]
    slow, belt = (1000 * record.select(["I"]).at(fs).signal_mv[0] for fs in (250, 130))
    chest = record.select(["V5", "V1"]).at(200).signal_mv
    ns = 599616000000000000 + (np.arange(len(belt)) * 1e9 / 130).astype(np.int64)
    polar = [
        f"2023-01-01T10:00:{k / 130:06.3f};{n};{(n - ns[0]) / 1e6:.6f};{v:.0f}"
        for k, (n, v) in enumerate(zip(ns, belt, strict=True))
    ]
    return {
        "apple": (apple(watch, ENGLISH), 512, "I"),
        "apple-german": (apple(watch, GERMAN, ","), 512, "I"),
        "named": ("time_ms,II,V1,V5\n" + rows(1000 * t, *three), 500, "II,V1,V5"),
        "decimal-comma": ("Zeit;I;II;V1\n" + rows(t, *limb, separator=";", point=","), 500, "I,II,V1"),
        "headerless": (rows(*three), 500, "II,V1,V5"),
        "channels": ("ch1,ch2,ch3\n" + rows(*three), 500, "II,V1,V5"),
        "movesense": ("timestamp,sample\n" + rows(1.69e12 + 4 * np.arange(len(slow)), slow, form="{:.0f}"), 250, "I"),
        "polar": (POLAR + "\n".join(polar) + "\n", 130, "I"),
        "holter": ("CM5,CS1\n" + rows(*chest), 200, "V5,V1"),
    }


AT_ONCE = {"apple", "apple-german"}


@pytest.fixture(scope="module")
def recording(data_dir):
    return read(data_dir("ptb-xl") / "records500/09000/09002_hr.hea")


@pytest.mark.parametrize("name", [*sorted({"named", "decimal-comma", "headerless", "channels", "movesense", "polar",
                                           "holter", *AT_ONCE}), "edf"])  # fmt: skip
def test_an_export_is_read_with_what_the_message_says(name, recording, tmp_path):
    if name == "edf":
        write([recording.select(["II", "V1", "V5"]).at(256)], tmp_path / "edf", format="edf")
        found = read(next((tmp_path / "edf").glob("*.edf")))
        assert (found.leads, found.fs_hz) == (("II", "V1", "V5"), 256)
        return
    text, fs_hz, leads = exports(recording)[name]
    file = tmp_path / f"{name}.csv"
    file.write_text(text, encoding="utf-8")
    given = {}
    if name not in AT_ONCE:
        with pytest.raises(InputError) as caught:
            read(file)
        words = shlex.split(re.search(r"such as (--.*) \(in Python", str(caught.value))[1])
        given = {NAMES[option]: value for option, value in zip(words[::2], words[1::2], strict=True)}
        if "fs_hz" in given:  # an example: who recorded it knows
            given["fs_hz"] = float(fs_hz)
        if "LEAD" in given.get("columns", ""):  # so are the electrodes
            assert given["columns"] == "LEAD,LEAD,LEAD"
            given["columns"] = leads
    found = read(file, **given)
    assert found.leads == tuple(leads.split(","))
    assert found.fs_hz == pytest.approx(fs_hz, rel=2e-3)
    expected = recording.select(found.leads).at(fs_hz).signal_mv
    length = min(expected.shape[1], found.num_samples)
    assert length >= 0.99 * expected.shape[1]
    assert np.allclose(found.signal_mv[:, :length], expected[:, :length], atol=2e-3)


def test_everything_is_asked_for_at_once_by_the_command(recording, tmp_path, capsys):
    file = tmp_path / "x.csv"
    file.write_text(exports(recording)["channels"][0])
    status = cli.run(["measure", str(file), "--out", str(tmp_path / "p.csv")])
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("physiogen")]
    assert status == 2
    assert "--fs 500 --unit mV --columns LEAD,LEAD,LEAD" in line
    assert looks_like_ecg(tmp_path / "x.csv") is False


@pytest.mark.parametrize("format", ["npz"])
def test_other_formats_ask_at_once_too(format, tmp_path):
    np.savez(tmp_path / "x.npz", signal=np.zeros((2, 900)))
    with pytest.raises(
        InputError, match=r"the sampling rate, the unit .* and lead names.*--fs 500 --unit mV --leads LEAD,LEAD"
    ):
        read(tmp_path / "x.npz")
