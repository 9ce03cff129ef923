"""Recordings of hours: the memory of the recording, rows per hour, and the same samples wherever they were recorded."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from gen.cli import run
from gen.io import RecordSetWriter, blocks, read, write
from gen.io.blocks import in_hours, in_record_blocks, is_long
from gen.leads import LEADS_12, limb_lead_residual
from gen.records import EcgRecord, InputError
from gen.simulate import simulate
from vae.deploy.long import COLUMNS, SETTINGS, rebuild_long
from vae.pipeline import load

FS = 100.0


@pytest.fixture(scope="module")
def holter():
    """Five minutes of II and V1, thirty times the same ten seconds, without one minute and, for another, without II."""
    strip = simulate([0], seed=3, noise="light", fs_hz=FS, duration_s=10).records()[0].select(["II", "V1"])
    signal = np.tile(strip.signal_mv, (1, 30))
    signal[:, 6000:15000] = np.nan  # longer than a window: here nothing can be rebuilt
    signal[0, 20000:26000] = np.nan
    return replace(strip, signal_mv=signal, record_id="holter", synthetic=False)


@pytest.fixture
def short_hours(monkeypatch):
    """Hours of a hundred seconds."""
    monkeypatch.setattr("vae.deploy.long.HOUR_S", 100.0)
    monkeypatch.setattr(blocks, "HOUR_S", 100.0)
    monkeypatch.setattr(blocks, "LONG_S", 150.0)
    monkeypatch.setattr(blocks, "_REST_S", 20.0)


def test_a_recording_is_rebuilt_piece_by_piece(holter, checkpoint, short_hours, tmp_path):
    pipeline = load(checkpoint)
    told = []
    with RecordSetWriter(tmp_path / "out") as writer:
        rows = rebuild_long(pipeline, holter, writer, progress=told.append)
    made = read(tmp_path / "out" / "holter.hea")
    assert (made.leads, made.num_samples, made.fs_hz, made.synthetic) == (LEADS_12, holter.num_samples, FS, True)
    assert made.metadata["observed_leads"] == ["II", "V1"]
    there = np.isfinite(holter.signal_mv)
    own = made.select(["II", "V1"]).signal_mv
    np.testing.assert_allclose(own[there], holter.signal_mv[there], atol=6e-4)
    assert np.isfinite(own[0, 20000:26000]).all()  # II from V1
    finite = np.isfinite(made.signal_mv).all(axis=0)
    assert limb_lead_residual(made.signal_mv[None][..., finite], LEADS_12)[0] < 2e-3
    assert [row["hour"] for row in rows] == ["0", "1", "2"]
    assert [float(row["missing_share"]) for row in rows] == [0.4, 0.5, 0.3]
    assert [float(row["not_rebuilt_share"]) for row in rows] == [0.4, 0.5, 0]
    assert told == ["holter: hour 1 of 3", "holter: hour 2 of 3"]  # the last one ends with the recording


def test_windows_leave_no_seams(holter, tmp_path):
    # A method that looks at one moment at a time gives the same samples, whatever the windows are.
    part = replace(holter, signal_mv=np.tile(holter.signal_mv[:, :5000], (1, 4)))
    pipeline = load(method="least-squares")
    with RecordSetWriter(tmp_path / "out") as writer:
        rebuild_long(pipeline, part, writer)
    made, whole = read(tmp_path / "out" / "holter.hea"), pipeline(part).record
    np.testing.assert_allclose(made.signal_mv, whole.signal_mv, atol=2e-3)


def test_what_cannot_be_rebuilt_leaves_nothing(holter, checkpoint, tmp_path):
    pipeline = load(checkpoint)
    nothing = replace(holter, signal_mv=np.full_like(holter.signal_mv, np.nan))
    with RecordSetWriter(tmp_path / "out") as writer:
        for record, leads, words in [
            (nothing, None, "no lead is usable at any time"),
            (holter, ["V6"], "no lead to use"),
        ]:
            with pytest.raises(InputError, match=words):
                rebuild_long(pipeline, record, writer, leads=leads)
        assert [path.name for path in writer.folder.iterdir()] == ["metadata.csv"]
    with (
        pytest.raises(InputError, match="written as wfdb, not as npz"),
        RecordSetWriter(tmp_path / "npz", format="npz") as writer,
    ):
        rebuild_long(pipeline, holter, writer)
    assert not (tmp_path / "npz").exists()


def test_the_command_takes_long_and_short_ones(holter, checkpoint, short_hours, tmp_path, capsys):
    strip = replace(holter, signal_mv=holter.signal_mv[:, :1000], record_id="strip")
    write([holter, strip], tmp_path / "in")
    command = ["reconstruct", str(tmp_path / "in"), "--checkpoint", str(checkpoint), "--leads", "II,V1"]
    assert run([*command, "--out", str(tmp_path / "out")]) == 0
    assert read(tmp_path / "out" / "holter.hea").num_samples == holter.num_samples
    assert read(tmp_path / "out" / "strip.hea").num_samples == 1000
    rows = list(csv.DictReader((tmp_path / "out" / "hours.csv").open()))
    assert tuple(rows[0]) == COLUMNS
    assert [row["record"] for row in rows] == ["holter"] * 3
    capsys.readouterr()
    assert run([*command, "--plot", "--out", str(tmp_path / "plots")]) == 2
    assert "accepted: no draws and no plots" in capsys.readouterr().err


def test_hours_of_a_recording(short_hours):
    def record(seconds, name="a"):
        signal = np.arange(round(seconds * FS), dtype=np.float32)[None] / 1e4
        return EcgRecord(signal, FS, ("II",), name)

    given = [record(10), record(310, "b"), record(320, "c"), record(150, "d")]
    found = list(in_hours(given))
    assert [part.record_id for part in found] == ["a", "b_h00", "b_h01", "b_h02", *(f"c_h0{k}" for k in range(4)), "d"]
    assert [part.duration_s for part in found] == [10, 100, 100, 110, 100, 100, 100, 20, 150]
    assert found[2].metadata == {"start_s": 100.0, "part_of": "b"}
    np.testing.assert_array_equal(np.concatenate([p.signal_mv for p in found[1:4]], axis=1), given[1].signal_mv)
    assert [[r.record_id for r in block] for block in in_record_blocks(given, 2)] == [["a"], ["b"], ["c"], ["d"]]
    short = [record(10, name) for name in "efghi"]
    blocks_of = [[r.record_id for r in b] for b in in_record_blocks([*short, record(40, "j"), *short], 3, most_s=25)]
    assert blocks_of == [["e", "f"], ["g", "h"], ["i"], ["j"], ["e", "f"], ["g", "h"], ["i"]]
    assert [is_long(one) for one in given] == [False, True, True, False]


def test_the_settings_leave_a_window_its_neighbours():
    assert SETTINGS.latency_s <= SETTINGS.window_s
    assert SETTINGS.window_s - SETTINGS.latency_s >= 5  # seconds known from before
