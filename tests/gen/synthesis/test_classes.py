"""Balanced marginals of rows that carry several classes."""

from collections import Counter

import numpy as np
import pytest

from gen.records import InputError
from gen.synthesis.classes import class_counts, equal_shares, fill_up, targets
from gen.synthesis.labels import codes_in, meaning

ROWS = [("NORM",)] * 90 + [("CD",)] * 10 + [("HYP",)] * 5 + [("CD", "HYP")] * 20 + [()] * 7


def carried(plan):
    return class_counts(ROWS[k] for k in plan.rows)


def test_shares_are_equal_though_classes_come_together():
    plan = equal_shares(ROWS, 600, 1)
    counts = carried(plan)
    assert counts == plan.classes
    assert max(counts.values()) - min(counts.values()) <= 2
    assert sum(ROWS[k] == ("CD", "HYP") for k in plan.rows) > 50, "rows of two classes are drawn as well"
    assert not any(ROWS[k] == () for k in plan.rows)


def test_the_first_draws_do_not_depend_on_how_many_follow():
    assert np.array_equal(equal_shares(ROWS, 40, 3).rows, equal_shares(ROWS, 400, 3).rows[:40])
    assert not np.array_equal(equal_shares(ROWS, 40, 4).rows, equal_shares(ROWS, 40, 3).rows)


def test_rows_of_a_pattern_take_turns():
    used = Counter(equal_shares(ROWS, 300, 0).rows.tolist())
    alone = [used[k] for k, row in enumerate(ROWS) if row == ("NORM",)]
    assert max(alone) - min(alone) <= 1


def test_so_many_of_each_class_exactly():
    assert carried(targets(ROWS, {"CD": 33, "HYP": 33}, 0)) == {"CD": 33, "HYP": 33}
    assert carried(targets(ROWS, {"NORM": 0, "CD": 7, "HYP": 50}, 0)) == {"CD": 7, "HYP": 50}


def test_filling_up_makes_real_and_added_records_balanced():
    lacking = fill_up(ROWS, ["NORM", "CD", "HYP"])
    assert lacking == {"CD": 60, "HYP": 65, "NORM": 0}
    together = class_counts(ROWS) + carried(targets(ROWS, lacking, 0))
    assert set(together.values()) == {90}


def test_a_class_that_comes_with_another_only_is_made_and_counted():
    rows = [("A",), ("A", "B")]
    plan = targets(rows, {"A": 1, "B": 5}, 0)
    assert plan.classes == {"A": 5, "B": 5}
    with pytest.raises(InputError, match="class 'C': no row carries it; there are A, B"):
        targets(rows, {"C": 1}, 0)


def test_what_a_label_says_by_itself():
    assert "LVH" in meaning("HYP").codes
    assert meaning("AFIB").codes == {"AFIB"}
    assert meaning("left bundle branch block").codes == {"CLBBB"}
    rng = np.random.default_rng(0)
    drawn = Counter(meaning("HYP").text(rng) for _ in range(200))
    assert drawn.most_common(1)[0][0] == "left ventricular hypertrophy"
    assert codes_in('{"AFIB": 50}') == {"AFIB": 50.0}
    assert codes_in("AFIB, CLBBB") == {"AFIB": 100.0, "CLBBB": 100.0}
    with pytest.raises(InputError, match="'XYZ' is no SCP-ECG statement"):
        codes_in("AFIB,XYZ")
