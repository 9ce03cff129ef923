"""Ten exports of wearables and recorders: each is read at once, or with the very options that its message names."""

import re
import shlex

import numpy as np
import pyedflib
import pytest

from gen.io import read
from gen.records import InputError

FS, N = 256.0, 2560
TIME = np.arange(N) / FS
MV = np.stack([0.5 * np.sin(2 * np.pi * 1.2 * TIME + phase) for phase in (0, 0.1, 0.2)])
WATCH = 'Name,Jane Doe\n{}\nDevice,"Watch6,1"\nSample Rate,256 Hertz\nLead,Lead I\nUnit,µV\n\n'
GERMAN = 'Vorname,Jana Muster\n{}\nGerät,"Watch6,1"\nAbtastrate,256 Hertz\nAbleitung,Ableitung I\nEinheit,µV\n\n'
OPTIONS = {"--fs": "fs_hz", "--unit": "unit", "--columns": "columns", "--leads": "leads"}


def table(head, columns, separator=",", decimals=4):
    rows = [separator.join(f"{value:.{decimals}f}" for value in row) for row in np.transpose(columns)]
    return "\n".join([*([head] if head else []), *rows]) + "\n"


def watch(head):
    return head.format("Recorded Date,2024-01-01 10:00:00 +0000") + table("", [1000 * MV[0]], decimals=2)


def polar():
    head = "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]"
    rows = [
        f"2024-01-01T10:00:{t:06.3f};{599616000000000000 + round(1e9 * t)};{1000 * t:.3f};{round(1000 * v)}"
        for t, v in zip(TIME, MV[0], strict=True)
    ]
    return "\n".join([head, *rows]) + "\n"


#: Name -> (content, leads once it is read, whether it says everything by itself).
FILES = {
    "watch.csv": (watch(WATCH), ("I",), True),
    "watch-german.csv": (watch(GERMAN), ("I",), True),
    "header.csv": (table("time_ms,II,V1,V5", [1000 * TIME, *MV]), ("II", "V1", "V5"), False),
    "decimal-comma.csv": (table("Zeit;I;II;V1", [TIME, *MV], ";").replace(".", ","), ("I", "II", "V1"), False),
    "headerless.csv": (table("", MV), None, False),
    "channels.csv": (table("ch1,ch2,ch3", MV), None, False),
    "movesense.csv": (table("timestamp,sample", [1000 * TIME, 1000 * MV[0]]), None, False),
    "polar.csv": (polar(), None, False),
    "holter.csv": (table("CM5,CS1", MV[:2]), None, False),
}


def options_named(message):
    """Keyword arguments of the options that a message names."""
    words = shlex.split(re.search(r"such as (.*?) \(in Python", message)[1])
    found = {OPTIONS[name]: value for name, value in zip(words[::2], words[1::2], strict=True)}
    if "LEAD" in found.get("columns", ""):  # who placed the electrodes knows
        leads = iter(("II", "V1", "V5"))
        found["columns"] = ",".join(next(leads) if name == "LEAD" else name for name in found["columns"].split(","))
    return found | ({"fs_hz": float(found["fs_hz"])} if "fs_hz" in found else {})


@pytest.mark.parametrize("name", FILES)
def test_an_export_is_read_with_what_its_message_names(name, tmp_path):
    content, leads, complete = FILES[name]
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    options = {}
    if not complete:
        with pytest.raises(InputError, match=name) as refused:
            read(path)
        options = options_named(str(refused.value))
        assert "\n" not in str(refused.value)
    record = read(path, **options)
    assert record.leads == (leads or record.leads)
    assert record.num_samples == N
    assert record.fs_hz == pytest.approx(options.get("fs_hz", FS), rel=1e-3)
    np.testing.assert_allclose(record.signal_mv[0], MV[0], atol=2e-3)


def test_an_edf_of_three_leads_says_everything(tmp_path):
    path = tmp_path / "recorder.edf"
    with pyedflib.EdfWriter(str(path), 3) as file:
        for k, lead in enumerate(("II", "V1", "V5")):
            limits = {"physical_min": -5, "physical_max": 5, "digital_min": -32768, "digital_max": 32767}
            file.setSignalHeader(k, {"label": lead, "dimension": "mV", "sample_frequency": 256, **limits})
        file.writeSamples(list(MV))
    record = read(path)
    assert (record.leads, record.fs_hz) == (("II", "V1", "V5"), 256)
    np.testing.assert_allclose(record.signal_mv[:, :N], MV, atol=2e-3)
