"""Criteria of statements: simulated hearts with a statement meet its criterion, others do not."""

from dataclasses import replace

import numpy as np
import pytest

from gen.cli import run
from gen.io import write
from gen.records import InputError
from gen.results import Results
from gen.simulate import simulate
from metrics.evaluation.adherence import criterion_rows, judge, statement_rows
from metrics.measurement.criteria import CRITERIA
from metrics.measurement.parameters import Parameters

CODES = ("AFIB", "CLBBB", "NORM")


@pytest.fixture(scope="module")
def records():
    specifications = [
        {"statements": [code] if code != "NORM" else ["NORM", "SR"], "heart_rate": 80} for code in CODES
    ] * 6
    batch = simulate(range(len(specifications)), seed=4, conditions=specifications).records()
    return [replace(record, metadata={"request": {"heart_rate": 80}}) for record in batch]


def test_simulated_statements_are_seen(records):
    rows = {row.code: row for row in statement_rows(judge(records), None)}
    for code in CODES:
        assert rows[code].n == 6
        assert rows[code].met >= 0.8
        assert rows[code].real_met is None
        assert rows[code].low <= rows[code].met <= rows[code].high
        assert rows[code].others_n == 12
    assert rows["AFIB"].others_met == rows["CLBBB"].others_met == 0
    assert rows["CLBBB"].auroc > 0.9


def test_statements_of_others_are_not_seen(records):
    """Requests handed to the wrong ECG: atrial fibrillation, left bundle branch block and normal change places."""
    turned = [replace(r, statements=s.statements) for r, s in zip(records, [*records[1:], records[0]], strict=True)]
    rows = {row.code: row for row in statement_rows(judge(turned), judge(records))}
    for code in CODES:
        assert rows[code].met <= 0.2
        assert rows[code].others_met >= 0.4  # half of the others have it, now without its name
        assert rows[code].real_met >= 0.8


def test_not_measurable_is_not_met():
    for criterion in CRITERIA.values():
        assert not criterion.met(Parameters(), None)


def test_criteria_count_all_records_whatever_was_asked(records):
    """A third of the records is of each kind, and their statements are taken away."""
    silent = judge([replace(record, statements={}) for record in records])
    rows = {row.code: row for row in criterion_rows(silent, judge(records[:1]), ["afib", "CLBBB", "AFIB"])}
    assert list(rows) == ["AFIB", "CLBBB"]
    for row in rows.values():
        assert row.n == row.measured == 18
        assert row.met == pytest.approx(1 / 3, abs=0.08)
        assert row.low < row.met < row.high
    assert rows["AFIB"].real_met == 1
    assert rows["CLBBB"].real_met == 0


def test_a_criterion_that_none_meets_still_has_an_interval(records):
    calm = [record for record in records if "NORM" in record.statements]
    flat = [replace(calm[0], signal_mv=np.zeros_like(calm[0].signal_mv))]
    (row,) = criterion_rows(judge([*calm, *flat]), None, ["CLBBB"])
    assert (row.met, row.low, row.measured, row.n) == (0, 0, len(calm), len(calm) + 1)
    assert 0.2 < row.high < 0.5


def test_command(records, tmp_path, capsys):
    write(records, tmp_path / "set", format="npz")
    out = tmp_path / "facts.json"
    assert run(["evaluate", "adherence", str(tmp_path / "set"), "--out", str(out)]) == 0
    assert "| AFIB | " in capsys.readouterr().out
    found = Results.read(out)
    assert found["heart rate/MAE"].value < 2
    assert found["heart rate/measured"].value == 1
    assert found["statements/AFIB/criterion met"].n == 6
    assert run(["evaluate", "adherence", str(tmp_path / "set"), "--criteria", "CLBBB", "--out", str(out)]) == 0
    capsys.readouterr()
    found = Results.read(out)
    assert found["criteria, met by all records/CLBBB/met"].n == 18
    assert found["criteria, met by all records/CLBBB/measurable"].value == 18
    with pytest.raises(InputError, match="no record to judge"):
        judge([])


@pytest.mark.parametrize("asked", ["AFIB,NDT", ","])
def test_a_statement_without_criterion_is_refused_at_once(tmp_path, capsys, asked):
    assert run(["evaluate", "adherence", str(tmp_path), "--criteria", asked]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "accepted: AFIB" in said
