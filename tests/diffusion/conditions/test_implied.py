"""Numbers that findings imply."""

import numpy as np
import pandas as pd
import pytest
import torch

from diffusion.conditions.condition import Condition
from diffusion.conditions.implied import IMPLIED, LEAST, LEVELS, completed, typical
from gen.cli import run
from gen.datasets import open_source, prepare
from gen.io import RecordSetWriter
from gen.quantities import QUANTITIES
from gen.simulate import simulate

SEEDS = torch.arange(64)


def drawn(text: str, name: str, **values) -> np.ndarray:
    told = completed([Condition(text=text, **values)] * len(SEEDS), SEEDS)
    return np.array([np.nan if getattr(c, name) is None else getattr(c, name) for c in told])


def test_the_table_holds_what_findings_are_defined_by():
    table = typical()
    for (code, name), levels in table.items():
        assert name in IMPLIED[code]
        assert len(levels) == LEVELS
        assert list(levels) == sorted(levels)
        if name in QUANTITIES:
            assert QUANTITIES[name].low <= levels[0] <= levels[-1] <= QUANTITIES[name].high
    assert table["1AVB", "pr_ms"][0] > 200
    assert table["CLBBB", "qrs_ms"][0] >= 120
    assert table["SBRAD", "heart_rate"][-1] <= 60 < 100 < table["STACH", "heart_rate"][0]
    assert table["LVOLT", "rms_mv"][-1] < table["LVH", "rms_mv"][0]


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [("first degree AV block", "pr_ms", "1AVB"), ("left bundle branch block", "qrs_ms", "CLBBB")],
)
def test_every_sample_draws_its_own_number_within_the_table(text, name, code):
    values = drawn(text, name)
    levels = typical()[code, name]
    assert len(np.unique(values)) == len(SEEDS)
    assert levels[0] <= values.min() <= values.max() <= levels[-1]
    # Uniform in the quantiles drawn from: half of the draws lie below the level in the middle.
    assert np.median(values) == pytest.approx((levels[2] + levels[3]) / 2, rel=0.06)


def test_a_sample_does_not_depend_on_its_batch():
    whole = drawn("left ventricular hypertrophy", "rms_mv")
    alone = completed([Condition(text="left ventricular hypertrophy")], SEEDS[5:6])[0]
    assert alone.rms_mv == whole[5]


def test_what_was_asked_for_stays():
    assert set(drawn("first degree AV block", "pr_ms", pr_ms=204.0)) == {204.0}
    assert set(drawn("first degree AV block, PR 230 ms", "pr_ms")) == {230.0}
    assert np.isnan(drawn("first degree AV block", "qrs_ms")).all()


@pytest.mark.parametrize("text", ["no first degree AV block", "possible first degree AV block", "sinus rhythm"])
def test_what_is_not_stated_with_certainty_implies_nothing(text):
    condition = Condition(text=text)
    assert completed([condition], SEEDS[:1]) == [condition]


def test_atrial_fibrillation_has_no_pr():
    assert np.isnan(drawn("atrial fibrillation, first degree AV block", "pr_ms")).all()


def test_a_long_qt_follows_the_rate_asked_for():
    corrected = drawn("long QT interval", "qt_ms", heart_rate=60.0)
    low, high = typical()["LNGQT", "qtc_ms"][0], typical()["LNGQT", "qtc_ms"][-1]
    assert low <= corrected.min() <= corrected.max() <= high  # at 60 bpm QT is QTc
    np.testing.assert_allclose(drawn("long QT interval", "qt_ms", heart_rate=90.0), corrected * (60 / 90) ** 0.5)


def test_without_text_nothing_changes():
    condition = Condition(age=50.0)
    assert completed([condition], SEEDS[:1]) == [condition]


def test_the_table_is_measured_on_the_training_split(tmp_path, capsys):
    specifications = [{"statements": ["SR", "1AVB"], "heart_rate": 65.0}] * 24
    records = simulate(range(24), seed=9, noise="none", conditions=specifications).records()
    with RecordSetWriter(tmp_path / "set") as out:
        for record in records:
            out.add(record)
    cache = prepare(open_source(tmp_path / "set"), tmp_path / "cache")
    train = set(cache.table.record_id.iloc[cache.split("train")])
    truth = [r.metadata["truth"]["pr_ms"] for r in records if r.record_id in train]
    asked = ["train", "diffusion/implied", "--data", str(tmp_path / "cache"), "--out", str(tmp_path / "t.csv")]
    assert run(asked) == 0
    assert "numbers" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "t.csv").set_index(["code", "quantity"])
    row = table.loc[("1AVB", "pr_ms")]
    assert LEAST <= row.n <= len(truth) < 24
    np.testing.assert_allclose(row[["level_0", "level_2"]], np.quantile(truth, (0.4, 0.62)), atol=10)
    assert run(asked) == 2
    assert "use --overwrite" in capsys.readouterr().err
    assert run(["train", "diffusion/implied", "--data", str(tmp_path), "--out", str(tmp_path / "u.csv")]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert not (tmp_path / "u.csv").exists()


def test_rare_findings_imply_what_defines_them():
    seeds = torch.arange(40)
    told = completed([Condition(text="Wolff-Parkinson-White pattern")] * 40, seeds)
    assert all(c.pr_ms < 115 and c.qrs_ms > 112 for c in told)
    assert len({c.qrs_ms for c in told}) > 30
    told = completed([Condition(text="left posterior fascicular block", axis_deg=80)] * 2, seeds[:2])
    assert all(c.axis_deg == 80 for c in told)
