"""What a reconstruction says of how far it can be trusted: from the stored result of its lead set."""

from pathlib import Path

import pytest

from gen.results import Results
from vae.expected import STORED, expected, in_words, measured_set
from vae.pipeline import load

ROOT = Path(__file__).resolve().parents[2]


def test_the_shipped_figures_are_the_stored_result():
    assert STORED.read_bytes() == (ROOT / "docs/results/expected-error.json").read_bytes()


def test_a_measured_set_speaks_for_itself():
    stored = Results.read(STORED)
    found = expected(("II", "V1", "V5"))
    assert found["measured_for"] == "II,V1,V5"
    assert set(found["mae_mv"]) == {"I", "III", "aVR", "aVL", "aVF", "V2", "V3", "V4", "V6"}
    value = stored["II,V1,V5/missing leads/V3/MAE above .5 Hz"].value
    assert found["mae_mv"]["V3"] == round(value, 3)
    assert all(found["worst_tenth_mv"][lead] > mae for lead, mae in found["mae_mv"].items())


def test_one_lead_shows_less_than_three():
    one, three = expected(("I",)), expected(("II", "V1", "V5"))
    assert all(one["mae_mv"][lead] > three["mae_mv"][lead] for lead in ("V2", "V3", "V4", "V6"))
    assert len(one["not_shown"]) > len(three["not_shown"])
    assert any("infarction" in line for line in one["not_shown"])


@pytest.mark.parametrize(
    ("leads", "measured"),
    [
        (("I", "II", "V3"), ("I", "II")),
        (("I", "III"), ("I", "II")),
        (("II", "V1", "V5", "V6"), ("II", "V1", "V5")),
        (("V2",), None),
    ],
)
def test_other_sets_are_spoken_for_by_a_part_of_them(leads, measured):
    assert measured_set(leads) == measured
    found = expected(leads)
    assert bool(found) == (measured is not None)
    assert not set(found.get("mae_mv", ())) & set(leads)
    (first, *_) = in_words(leads, found)
    assert ("a part of them" in first or "I,III" in first) if measured else "nothing was measured" in first


def test_other_methods_were_not_measured():
    assert expected(("I",), "dower") == {}


def test_other_weights_were_not_measured():
    assert expected(("I",), load().predictor.digest) == expected(("I",))
    found = expected(("I",), "0" * 64)
    assert found == {}
    assert in_words(("I",), found) == ["from I: nothing was measured that speaks for these leads and weights"]


def test_the_band_of_the_errors_is_said():
    found = expected(("II", "V1", "V5"))
    assert found["band"] == "above .5 Hz, without offset and drift"
    assert found["band"] in in_words(("II", "V1", "V5"), found)[0]


def test_leads_that_were_recorded_in_part_are_not_spoken_for():
    partly = {"I": 0.25, "V1": 0.25}
    first, *more = in_words(("I", "V1"), {}, partly)
    assert first.startswith("recorded in part: I 25%, V1 25%")
    assert not more
    first, second, *_ = in_words(("I", "II", "V1"), expected(("II",)), partly)
    assert "error was not measured" in first
    assert second.startswith("from II")
