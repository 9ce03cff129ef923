"""Results: one form, the same bytes, digits that the interval allows, one line for what is wrong."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen import results as results_module
from gen.records import InputError
from gen.results import SCHEMA, Data, Results, Value, code_revision

VALUES = {
    "records": Value(40, n=40),
    "by input": {
        "I": {"MAE": Value(0.1234, 0.1201, 0.1267, 40, "mV", "lower"), "r": Value(0.91, 0.88, 0.94, 40, "", "higher")},
        "II,V1,V5": {"MAE": Value(0.08, 0.079, 0.081, 40, "mV", "lower"), "words": "as observed"},
    },
}


def example(**changed):
    given = {"name": "made-up", "command": "physiogen evaluate made-up --seed 3", "values": VALUES, "n": 40, "seed": 3}
    given |= {"data": [Data("cohort", "test", "abc")], "settings": {"leads": ["I"]}, "notes": ["A note."]}
    return Results(**{**given, "revision": "1234", **changed})


def test_file_round_trip_keeps_every_part(tmp_path):
    path = example(headline=["by input/I/MAE"]).write(tmp_path / "deep" / "made-up.json")
    again = Results.read(path)
    assert again == example(headline=["by input/I/MAE"])
    assert again.to_json() == path.read_text(encoding="utf-8")
    assert json.loads(path.read_text())["schema"] == SCHEMA
    assert not list(path.parent.glob(".*"))


def test_the_same_figures_are_the_same_bytes():
    assert example().to_json() == example().to_json()
    assert "created" not in json.loads(example().to_json())
    assert json.loads(example(created="2025-01-01").to_json())["created"] == "2025-01-01"


@given(
    st.floats(-1e6, 1e6),
    st.floats(0, 1e3),
    st.floats(0, 1e3),
    st.integers(0, 10**6) | st.none(),
)
def test_any_value_survives_the_file_to_six_digits(value, below, above, n):
    one = Value(value, value - below, value + above, n)
    again = Results.from_dict(json.loads(example(values={"x": one}).to_json()))["x"]
    for name in ("value", "low", "high"):
        assert getattr(again, name) == pytest.approx(getattr(one, name), rel=1e-5, abs=1e-300)
    assert again.n == n


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Value(0.47641, 0.44432, 0.51178), "0.476 [0.444, 0.512]"),
        (Value(12.3456, 11.2, 13.9), "12.3 [11.2, 13.9]"),
        (Value(123.456, 100.2, 143.9), "123 [100, 144]"),
        (Value(0.000123456, 0.00012, 0.00013), "0.0001235 [0.0001200, 0.0001300]"),
        (Value(1.0, 1.0, 1.0), "1.00 [1.00, 1.00]"),
        (Value(-0.0004, -0.03, 0.03), "0.000 [-0.030, 0.030]"),
        (Value(0.0, 0.0, 0.0), "0 [0, 0]"),
        (Value(0.123456), "0.123"),
        (Value(1652), "1652"),
        (Value(1652.7), "1653"),
        (Value(3e-9), "3e-09"),
        (Value(None), "–"),
    ],
)
def test_digits_follow_the_interval(value, text):
    assert str(value) == text


def test_markdown_is_a_table_of_like_groups():
    text = example().to_markdown()
    assert "| records | 40 | 40 |" in text
    assert "|  | MAE, mV ↓ | r ↑ | words | n |" in text
    assert "| I | 0.1234 [0.1201, 0.1267] | 0.910 [0.880, 0.940] |  | 40 |" in text
    assert "| II,V1,V5 | 0.0800 [0.0790, 0.0810] |  | as observed | 40 |" in text
    assert text.count("A note.") == 1
    assert "n = 40; cohort, split test (abc); seed 3; code 1234. Intervals: 95 %." in text
    assert "physiogen evaluate made-up --seed 3" in text
    assert "physiogen" not in example().to_markdown(facts=False)


def test_markdown_of_unlike_counts_units_and_failures():
    text = example(
        values={
            "a": {"x": Value(1.5, n=3, unit="ms"), "y": Value(2.5, n=4, failed=2)},
            "b": {"x": Value(1.5, n=3, unit="mV"), "y": Value(None, n=5)},
        }
    ).to_markdown()
    assert "| a | 1.50 ms (n 3) | 2.50 (n 4, 2 not measurable) |" in text
    assert "| b | 1.50 mV (n 3) | – (n 5) |" in text


def test_wide_tables_are_turned_and_deeper_groups_have_headings():
    wide = {"one": {f"c{k}": Value(k) for k in range(12)}, "two": {f"c{k}": Value(k) for k in range(12)}}
    text = example(values={"section": wide, "other": {"g": {"x": Value(1)}}}).to_markdown(level=3)
    assert "### section" in text
    assert "### other" in text
    assert "|  | one | two |" in text
    assert "| c11 | 11 | 11 |" in text


def test_groups_of_other_figures_are_no_rows_of_one_table():
    text = example(values={"speed": {"fast": Value(1)}, "size": {"large": Value(2), "small": Value(3)}}).to_markdown()
    assert "## speed\n" in text
    assert "| large | 2 |" in text
    half = {"a": {"x": Value(1), "y": Value(2)}, "b": {"x": Value(1)}}
    assert "|  | x | y |" in example(values=half).to_markdown()


def test_every_markdown_row_has_the_cells_of_its_head():
    text = example(values={**VALUES, "a|b": {"x": {"y|z": Value(1)}, "w": {"q": "c|d"}}}).to_markdown()
    for block in text.split("\n\n"):
        counts = {line.replace("\\|", "").count("|") for line in block.splitlines() if line.startswith("|")}
        assert len(counts) <= 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"value": float("nan")}, "finite"),
        ({"value": "3"}, "number"),
        ({"value": True}, "number"),
        ({"value": 1, "low": 0}, "both bounds"),
        ({"value": 1, "low": 2, "high": 0}, "above"),
        ({"value": 1, "n": -1}, "0 or more"),
        ({"value": 1, "n": 2.5}, "whole number"),
        ({"value": 1, "better": "up"}, "lower, higher, reference"),
    ],
)
def test_a_value_that_is_none_is_refused_by_name(given, says):
    with pytest.raises(ValueError, match=says):
        Value(**given)


def test_value_of_what_measures_give():
    class Interval:
        value, low, high, n = 2.0, 1.0, 3.0, 7

    assert Value.of(Interval(), unit="mV") == Value(2, 1, 3, 7, "mV")
    assert Value.of({"value": 2, "low": 1, "high": 3, "n": 7, "failed": 1}) == Value(2, 1, 3, 7, failed=1)
    assert Value.of([2, 1, 3], n=7, better="lower") == Value(2, 1, 3, 7, "", "lower")
    assert Value.of(np.float32(2)) == Value(2)
    assert Value.of(None) == Value(None) == Value.of(float("nan"))
    nothing = {"value": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0}
    assert Value.of(nothing) == Value(None, n=0)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"schema": 2}, "schema 2"),
        ({"values": {}}, "values"),
        ({"values": {"a": {"value": 1, "low": 2, "high": 1}}}, "values/a: low"),
        ({"values": {"a": {"value": 1, "colour": 2}}}, "values/a"),
        ({"values": {"a": 3}}, "values/a"),
        ({"name": ""}, "name"),
        ({"headline": ["nothing"]}, "headline 'nothing'"),
        ({"colour": 1}, "colour"),
        ({"data": [{"size": 3}]}, "data"),
        ({"n": -3}, "0 or more"),
    ],
)
def test_a_damaged_file_is_one_line_with_its_name(tmp_path, changed, says):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**example().as_dict(), **changed}))
    with pytest.raises(InputError) as caught:
        Results.read(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file_and_no_json(tmp_path):
    with pytest.raises(InputError, match=r"no such file.*--out"):
        Results.read(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("hello")
    with pytest.raises(InputError, match=r"text\.json"):
        Results.read(tmp_path / "text.json")


def test_a_name_that_the_file_could_not_tell_from_a_value_is_refused():
    with pytest.raises(ValueError, match="'value'"):
        example(values={"value": Value(1)})


def test_settings_that_are_no_json_are_named():
    with pytest.raises(ValueError, match="settings of made-up"):
        example(settings={"path": object()}).to_json()


def test_a_card_holds_the_headlines_flat():
    card = example(headline=["by input/I/MAE"]).for_card()
    mae = {"value": 0.1234, "low": 0.1201, "high": 0.1267, "n": 40, "unit": "mV", "better": "lower"}
    assert card["values"] == {"by input/I/MAE": mae}
    assert card["data"] == [{"name": "cohort", "split": "test", "digest": "abc"}]
    assert set(example().for_card()["values"]) == {"records", "by input/I/MAE", "by input/I/r", "by input/II,V1,V5/MAE"}


def test_revision_is_git_s_or_the_package_s(monkeypatch, tmp_path):
    code_revision.cache_clear()
    module = tmp_path / "gen" / "results.py"
    monkeypatch.setattr(results_module, "__file__", str(module))
    from gen import __version__

    assert code_revision() == __version__  # installed somewhere, no checkout
    code_revision.cache_clear()
    module.parent.mkdir()
    module.write_text("1")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    clean = code_revision()
    assert len(clean) == 12
    code_revision.cache_clear()
    module.write_text("2")
    assert code_revision() == f"{clean}-modified"
    code_revision.cache_clear()


def test_results_load_no_torch():
    code = "import gen.results, sys; assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
