"""Layouts: what a sheet shows of a record, how holes are given to a classifier, and one line for bad input."""

import numpy as np
import pytest

from gen.cli import run
from gen.datasets import open_source
from gen.datasets.cache import prepare
from gen.io import write
from gen.leads import LEADS_8, LEADS_12
from gen.results import Results
from gen.simulate import simulate
from vae.evaluation.layouts import repeated, visible, with_holes, zeros


@pytest.fixture(scope="module")
def record():
    return simulate([0], seed=3, fs_hz=500).records()[0].to_12()


def shown_seconds(shown, lead, fs_hz=500.0):
    """First and last second of a lead that is shown, and how many."""
    where = np.flatnonzero(shown[LEADS_12.index(lead)]) / fs_hz
    return where[0], where[-1] + 1 / fs_hz, len(where) / fs_hz


def test_columns_go_on_in_time(record):
    shown = visible("3x4", record, 0, 0)
    assert shown_seconds(shown, "aVF") == pytest.approx((2.5, 5.0, 2.5))
    assert shown_seconds(shown, "V3") == pytest.approx((5.0, 7.5, 2.5))
    assert shown.mean() == pytest.approx(0.25)
    strip = visible("3x4+1", record, 0, 0)
    assert shown_seconds(strip, "II") == pytest.approx((0, 10, 10))
    assert shown_seconds(strip, "V6") == pytest.approx((7.5, 10, 2.5))
    assert visible("12x1", record, 0, 0).all()


def test_blocks_belong_to_seed_and_record_and_hide_half(record):
    first = visible("blocks", record, 0, 0)
    assert np.array_equal(first, visible("blocks", record, 0, 0))
    assert not np.array_equal(first, visible("blocks", record, 0, 1))
    assert not np.array_equal(first, visible("blocks", record, 1, 0))
    assert ((first.mean(axis=1) > 0.2) & (first.mean(axis=1) <= 0.5)).all()


def test_holes_are_zero_or_filled_with_what_is_there(record):
    shown = visible("3x4", record, 0, 0)
    cut = with_holes(record, shown)
    assert np.array_equal(np.isnan(cut.signal_mv), ~shown)
    flat, again = zeros(cut), repeated(cut)
    whole = record.to_8().signal_mv
    v3 = LEADS_8.index("V3")
    there = slice(2500, 3750)
    assert np.array_equal(flat[v3, there], whole[v3, there])
    assert not flat[v3, :2500].any()
    assert not flat[v3, 3750:].any()
    assert np.array_equal(again[v3], np.tile(whole[v3, there], 4))
    # aVR, aVL and aVF of the second column tell leads I and II.
    np.testing.assert_allclose(flat[0, 1250:2500], whole[0, 1250:2500], atol=1e-4)


def test_a_complete_sheet_costs_nothing(tmp_path):
    hearts = simulate(range(30), seed=8, fs_hz=500).records()
    write(hearts, tmp_path / "set", format="npz")
    prepare(open_source(tmp_path / "set"), tmp_path / "cache", fs_hz=500)
    out = tmp_path / "found.json"
    arguments = ["--data", str(tmp_path / "cache"), "--split", "train", "--layouts", "12x1", "--method", "nearest"]
    assert run(["evaluate", "layouts", *arguments, "--out", str(out)]) == 0
    found = Results.read(out)
    table = "superclasses, macro AUROC/12x1"
    for way in ("holes as zeros", "what is there, repeated", "filled"):
        assert found[f"{table}/{way}"].value == pytest.approx(found[f"{table}/complete"].value, abs=2e-3)
    assert found[f"{table}/filled minus complete"].value == pytest.approx(0, abs=2e-3)
    assert found[f"{table}/samples shown"].value == 1
    assert run(["evaluate", "layouts", *arguments[:4], "--layouts", "5x5"]) == 2


def test_an_unknown_layout_is_one_line(record):
    with pytest.raises(ValueError, match=r"layout 5x5: accepted: 3x4, .*blocks"):
        visible("5x5", record, 0, 0)
