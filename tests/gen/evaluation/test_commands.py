"""The floor's evaluations, run small by their command."""

import csv
import sys

import pytest

from gen.cli import run
from gen.evaluation.long_recordings import killed, write_recording
from gen.io import read
from gen.results import Results


def evaluated(name, *arguments, out):
    assert run(["evaluate", name, *map(str, arguments), "--out", str(out)]) == 0
    return Results.read(out)


@pytest.fixture
def ptb_xl(tmp_path):
    """A PTB-XL folder of four reports on fold 9 and four on fold 1, and its table of codes."""
    rows = [("sinusrhythmus. linksschenkelblock", "{'SR': 0.0, 'CLBBB': 100.0}"), ("vorhofflimmern", "{'AFIB': 0.0}")]
    with (tmp_path / "ptbxl_database.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["ecg_id", "report", "scp_codes", "strat_fold"])
        for number in range(8):
            out.writerow([number, *rows[number % 2], 9 if number < 4 else 1])
    with (tmp_path / "scp_statements.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["", "diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"])
        out.writerows(
            [["SR", "", "", "1", "", ""], ["AFIB", "", "", "1", "", ""], ["CLBBB", "1", "", "", "CD", "CLBBB"]]
        )
    return tmp_path


def test_text_counts_what_is_read(ptb_xl, tmp_path, capsys):
    found = evaluated("text", "--data", ptb_xl, "--ceiling", "--errors", "2", out=tmp_path / "t.json")
    assert found["levels/rhythm statements/micro-F1"].value == 1
    assert found["codes/CLBBB/hit"].value == 2
    assert found["levels/all statements/micro-F1, classifier trained on folds 1-8"].n == 4
    assert found.n == 4
    capsys.readouterr()
    assert run(["evaluate", "text", "--data", str(ptb_xl), "--fold", "3"]) == 2
    assert "accepted: 1 to 10" in capsys.readouterr().err


def test_cine_cohort_draws_its_sheet(tmp_path):
    from PIL import Image

    found = evaluated(
        "cine-cohort", "-n", "40", "--cines", "1", "--picture", tmp_path / "s.png", out=tmp_path / "c.json"
    )
    assert found["EDV/normal M/mean"].unit == "ml"
    assert found.values["EDV"]["normal M"]["real hearts"] == "166±32"
    assert found["cines/per second"].value > 0
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.width > 400


def test_ecg_ceiling_has_a_line_for_each_quantity(tmp_path):
    found = evaluated("ecg-ceiling", "-n", "60", out=tmp_path / "e.json")
    (rows,) = found.values.values()
    assert set(rows) == {"LV mass", "LV EDV", "LV ESV", "EF outside infarct and LBBB"}
    assert rows["LV mass"]["ceiling"].value == 0.6
    assert found.notes


def test_cohort_beside_ptb_xl(data_dir, tmp_path):
    found = evaluated("cohort", "--data", data_dir("ptb-xl"), "-n", "12", out=tmp_path / "c.json")
    assert found["features/hr bpm, real/50th percentile"].unit == "bpm"
    assert 0 < found["correlation of leads, absolute difference/mean"].value < 1
    assert found["correlation of leads, real/I/I"].value == 1


def test_long_recordings_tell_memory_and_time(tmp_path, capsys):
    shape = ["--hours", "0.02", "--killed-hours", "0", "--fs", "100"]
    found = evaluated("long-recordings", *shape, "--only", "measure", out=tmp_path / "l.json")
    assert 0.05 < found["one lead/measure/peak memory"].value < 4
    assert found["one lead/measure/processor time"].value > 0
    assert run(["evaluate", "long-recordings", *shape, "--only", "twin"]) == 2
    assert "accepted: reconstruct, measure, cmr" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="memory of processes is read from /proc")
def test_bulk_tells_time_memory_and_bytes(tmp_path):
    found = evaluated("bulk", "-n", "2", "--format", "npz", "--workers", "1", out=tmp_path / "b.json")
    assert 100 < found["measured/2 as npz/peak memory"].value < 4000
    assert found["measured/2 as npz/bytes per ECG"].value > 10_000
    hours = found["larger sets/1,000,000 as npz/2 cores"].value
    assert hours == pytest.approx(found["measured/2 as npz/time"].value / 2 * 1e6 / 2 / 3600, rel=1e-4)


def test_a_process_is_killed_behind_its_first_note(tmp_path):
    code = (
        "import sys, time, pathlib\n"
        "folder = pathlib.Path(sys.argv[1]) / 'deep'; folder.mkdir()\n"
        "(folder / '.partial-notes.jsonl').write_text('{}\\n{}\\n')\n"
        "time.sleep(float(sys.argv[2]))\n"
        "(folder / 'end').touch()"
    )
    for wait, expected in (("60", True), ("0", False)):
        folder = tmp_path / wait
        folder.mkdir()
        if not expected:
            code = code.replace("{}\\n{}", "{}")  # nothing but the name of the work
        assert killed([sys.executable, "-c", code, str(folder), wait], folder) is expected
        assert (folder / "deep" / "end").exists() is not expected


def test_a_written_recording_has_its_length(tmp_path):
    write_recording(tmp_path / "day.hea", 0.4, lead="V1", fs_hz=50, seed=1)
    record = read(tmp_path / "day.hea")
    assert (record.leads, record.duration_s, record.synthetic) == (("V1",), 1440, True)
