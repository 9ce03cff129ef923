"""Localisation of edits, judged on editors whose work is known: the truth, doing nothing, taking another heart."""

from dataclasses import replace

import numpy as np
import pytest

from diffusion.evaluation.differences import QUANTITIES, Seen, look, qrs_shape
from diffusion.evaluation.edits import EDITS, compared, edit_specificity, rates_of, simulated, tables
from gen.cli import run
from gen.records import InputError
from gen.results import Results
from gen.simulate import simulate

HEARTS = 7
REMOVE = "remove atrial fibrillation"


def truthful(name):
    """The condition asked for, on the same day."""

    def edit(records, changes):
        rates = rates_of(EDITS[name], len(records))[1]
        return simulated(EDITS[name].after, rates, 0)

    return edit


@pytest.fixture(scope="module")
def truth():
    return edit_specificity(truthful(REMOVE), REMOVE, HEARTS)


def test_the_truth_shows_what_was_asked_for_and_keeps_the_rest(truth):
    for row in truth["shown"].values():
        assert row["reference"]["value"] == 0
        assert row["edit"]["value"] == row["perfect"]["value"] == 1
    for name, row in truth["unchanged"].items():
        assert row["edit"] == row["same day"]
        # The same day differs less than another day, and that less than another heart.
        if name != "QRS duration":
            assert row["edit"]["value"] < row["repeat"]["value"] < row["stranger"]["value"]
    assert truth["unchanged"]["QRS shape, 1 - r"]["within"]["value"] == 1


def test_doing_nothing_keeps_everything_and_shows_nothing():
    found = edit_specificity(lambda records, changes: records, "another rate", HEARTS)
    assert found["shown"]["rate within 5 bpm"]["edit"]["value"] == 0
    for row in found["unchanged"].values():
        assert row["edit"]["value"] == pytest.approx(0, abs=1e-9)
        assert row["within"]["value"] == 1
        assert row["excess"]["value"] <= 0


def test_another_heart_is_found_out():
    def other(records, changes):
        return [None, *truthful("add ST depression")(records, changes)[2:], records[0]]

    found = edit_specificity(other, "add ST depression", HEARTS)
    assert (found["hearts"], found["left_out"]) == (HEARTS - 1, 1)
    shape = found["unchanged"]["QRS shape, residual"]
    assert shape["within"]["value"] < 0.5 < shape["perfect_within"]["value"]
    assert shape["excess"]["low"] > 0


def test_an_edit_without_the_wave_is_not_within():
    repeats = np.array([1.0, 2.0, 3.0, np.nan])
    found = compared(np.array([1.5, np.nan, 9.0, 1.0]), repeats)
    assert found["within"]["value"] == pytest.approx(1 / 3)
    assert (found["edit"]["failed"], found["excess"]["n"]) == (1, 2)
    assert found["excess"]["value"] == pytest.approx((0.5 + 6.0) / 2)


def test_shapes_are_compared_at_their_best_shift_and_sizes_count():
    (record,) = simulate([2], seed=1, fs_hz=500).records()
    (own,) = look([record])
    assert qrs_shape(own, own) == pytest.approx((1, 0))
    later = Seen(own.parameters, np.roll(own.beat_mv, 9, axis=1), own.fs_hz)
    assert qrs_shape(later, own) == pytest.approx((1, 0), abs=1e-6)
    higher = Seen(own.parameters, 1.5 * own.beat_mv, own.fs_hz)
    assert qrs_shape(higher, own) == pytest.approx((1, 0.25))
    assert qrs_shape(replace(own, beat_mv=-own.beat_mv), own)[0] < 0.5
    nothing = replace(own, beat_mv=np.full_like(own.beat_mv, np.nan))
    assert np.isnan(qrs_shape(nothing, own)).all()
    parameters = replace(own.parameters, axis_deg=-175.0)
    turned = [replace(own, parameters=replace(parameters, axis_deg=axis)) for axis in (-175.0, 170.0)]
    assert QUANTITIES["QRS axis"][1](*turned) == pytest.approx(15)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="unknown edit 'x'; accepted: remove atrial fibrillation"):
        edit_specificity(lambda records, changes: records, "x", 2)
    with pytest.raises(InputError, match="0 of 2 references can be used"):
        edit_specificity(lambda records, changes: [None, None], REMOVE, 2)


def test_the_table_has_a_line_for_everything(truth):
    found = tables({REMOVE: truth})
    assert len(found["shown"]) == len(EDITS[REMOVE].shown)
    assert len(found["should stay"]) == len(EDITS[REMOVE].kept)


def test_the_command(twin_folder, tmp_path, capsys):
    asked = ["--checkpoint", str(twin_folder), "--hearts", "2", "--steps", "1", "--out", str(tmp_path / "l.json")]
    assert run(["evaluate", "edits", *asked, "--only", REMOVE, "--strength", "0.5"]) == 0
    assert f"| {REMOVE}: QRS duration | " in capsys.readouterr().out
    found = Results.read(tmp_path / "l.json")
    assert "--strength 0.5" in found.command
    assert found[f"should stay/{REMOVE}: QRS duration/edit differs"].unit == "ms"
    assert run(["evaluate", "edits", *asked, "--only", "x"]) == 2
    assert "unknown edit 'x'; accepted: remove atrial fibrillation" in capsys.readouterr().err
