"""Long recordings as files: bounded, annotated, at any rate, marked synthetic."""

import numpy as np
import pytest
from stopping import contents, pressed

from diffusion import long
from diffusion.conditions.condition import Condition
from diffusion.conditions.request import Prepared
from diffusion.long import check_length, pieces, write_continuation, write_recordings
from gen.io import read_set
from gen.io.annotations import read_beats
from gen.leads import limb_lead_residual
from gen.records import InputError
from gen.text import read_text


@pytest.fixture
def pipeline(beat_pipeline):
    return beat_pipeline


BIGEMINY = Condition(text=read_text("ventricular bigeminy"), heart_rate=70)


def test_a_recording_of_minutes_has_its_beats_as_annotations(pipeline, tmp_path):
    settings = pipeline.sampling(num_inference_steps=3)
    told = []
    write_recordings(
        pipeline, [BIGEMINY], [0], 5, settings, 200.0, tmp_path / "out", progress=lambda *a: told.append(a)
    )
    (record,) = read_set(tmp_path / "out")
    assert record.synthetic
    assert record.signal_mv.shape == (12, 100_000)
    assert limb_lead_residual(record.signal_mv, record.leads) < 2e-3
    beats = read_beats(tmp_path / "out" / "s5_0000000.hea")
    times = np.array(beats["times_s"])
    assert 60 * (len(times) - 1) / np.ptp(times) == pytest.approx(70, abs=0.5)
    assert abs(beats["symbols"].count("V") - beats["symbols"].count("N")) <= 1
    assert told[-1] == (200.0, 200.0)
    with pytest.raises(InputError, match="exists"):
        write_recordings(pipeline, [BIGEMINY], [0], 5, settings, 200.0, tmp_path / "out")


def test_other_rates_hold_the_same_recording_without_seams(pipeline):
    settings = pipeline.sampling(num_inference_steps=3)
    prepared = Prepared.of([BIGEMINY], [0], 5, literal=False)
    recording = pipeline.recording(prepared, settings, 130.0)
    whole = np.concatenate([signal for signal, _ in pieces(recording, 250.0, 60.0)], axis=1)
    assert whole.shape == (12, 32_500)
    other = np.concatenate([signal for signal, _ in pieces(recording, 250.0, 50.0)], axis=1)
    assert np.abs(whole - other)[:, 500:-500].max() < 0.0021


def test_what_cannot_be_drawn_is_refused(pipeline):
    with pytest.raises(InputError, match="604800 s at most"):
        check_length(1e6, pipeline, None)
    with pytest.raises(InputError, match="whole number"):
        check_length(100, pipeline, 257.5)
    with pytest.raises(InputError, match="these weights draw strips"):
        check_length(100, object(), None)


def test_a_continuation_is_written_with_what_it_goes_on_from(pipeline, tmp_path):
    settings = pipeline.sampling(num_inference_steps=3, fs_hz=250.0)
    (first,) = pipeline("normal ECG", heart_rate=70, seed=1, num_inference_steps=3)
    write_continuation(pipeline, first, 2, settings, 90.0, tmp_path / "on")
    (record,) = read_set(tmp_path / "on")
    assert record.synthetic
    assert record.fs_hz == 250
    assert record.duration_s == 90
    assert record.metadata["continues"] == first.record_id
    times = np.array(read_beats(next((tmp_path / "on").glob("*.hea")))["times_s"])
    assert 60 * (len(times) - 1) / np.ptp(times) == pytest.approx(70, abs=2)


@pytest.mark.parametrize(("after", "fs_hz"), [(1, None), (3, 250.0), (4, None)])
def test_a_recording_that_was_stopped_ends_with_the_same_bytes(pipeline, tmp_path, monkeypatch, capsys, after, fs_hz):
    monkeypatch.setattr(long, "NOTED", 1)
    settings = pipeline.sampling(num_inference_steps=2, fs_hz=fs_hz)
    told = []

    def write(out, **more):
        write_recordings(pipeline, [BIGEMINY, BIGEMINY], [0, 1], 5, settings, 130.0, tmp_path / out, **more)

    write("whole")
    with pressed(monkeypatch, after), pytest.raises(KeyboardInterrupt):
        write("out")
    assert not (tmp_path / "out").exists()
    write("out", resume="always", progress=lambda done, total: told.append(done))
    assert "going on where an earlier run stopped" in capsys.readouterr().err
    assert told[0] == {1: 120.0, 3: 130.0, 4: 190.0}[after] + (60.0 if after == 3 else 0.0)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]
