"""Beats of simulated ECGs agree; beats whose height is drawn anew do not; noise and silence have none."""

import json
from dataclasses import replace

import numpy as np

from gen.cli import run
from gen.simulate import simulate
from metrics.evaluation.beat_variability import beat_residuals


def test_beats_that_are_drawn_anew_raise_it():
    steady = simulate(range(3), seed=4, fs_hz=500, conditions={"statements": ["NORM"]}).records()
    rng = np.random.default_rng(0)
    anew = []
    for record in steady:
        gain = np.repeat(np.exp(rng.normal(0, 0.4, 50)), 100).astype(np.float32)
        anew.append(replace(record, signal_mv=record.signal_mv * gain))
    calm, wild = beat_residuals(steady), beat_residuals(anew)
    assert (calm < 0.02).all()
    assert (wild > 3 * calm).all()


def test_no_beats_no_figure():
    (record,) = simulate([0], seed=4, fs_hz=500).records()
    flat = replace(record, signal_mv=np.zeros_like(record.signal_mv))
    assert np.isnan(beat_residuals([flat])).all()


def test_the_command_prints_a_row_for_each_set(tmp_path, capsys):
    import gen

    for record in simulate(range(3), seed=4, fs_hz=500).records():
        gen.write(record, tmp_path / "SET" / f"{record.record_id}.npz")
    assert run(["evaluate", "beat-variability", str(tmp_path / "SET"), str(tmp_path / "SET"), "--json"]) == 0
    (rows,) = json.loads(capsys.readouterr().out)["values"].values()
    assert {name: row["median"]["n"] for name, row in rows.items()} == {"SET (1)": 3, "SET (2)": 3}
