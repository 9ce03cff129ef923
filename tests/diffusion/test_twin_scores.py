"""What a finding is measured on, and whether a twin moved towards it."""

from types import SimpleNamespace

import numpy as np
import pytest

from diffusion.twin_scores import CRITERIA, DEGREE, moved


def parameters(**values) -> SimpleNamespace:
    usual = {"qrs_ms": 95.0, "pr_ms": 160.0, "sokolow_mv": 2.0, "cornell_mv": 1.0}
    heights = {"r_mv": np.full(12, 0.8), "s_mv": np.full(12, 0.2), "q_mv": np.zeros(12)}
    return SimpleNamespace(**(usual | heights | values))


CASES = [
    ("CLBBB", {"qrs_ms": 120.0}, {"qrs_ms": 119.0}),
    ("LVH", {"sokolow_mv": 3.5}, {"sokolow_mv": 3.4}),
    ("LVH", {"cornell_mv": 2.8}, {"cornell_mv": 2.7}),
    ("LVOLT", {"r_mv": np.full(12, 0.29)}, {"r_mv": np.full(12, 0.31)}),
    ("1AVB", {"pr_ms": 201.0}, {"pr_ms": 199.0}),
]


@pytest.mark.parametrize(("code", "shown", "short"), CASES)
def test_a_degree_reaches_one_where_the_criterion_is_met(code, shown, short):
    assert CRITERIA[code](parameters(**shown))
    assert DEGREE[code](parameters(**shown)) >= 1
    assert not CRITERIA[code](parameters(**short))
    assert DEGREE[code](parameters(**short)) < 1


def test_moved_is_a_tenth_more_of_the_finding():
    before = parameters(qrs_ms=100.0)
    assert moved("CLBBB", before, parameters(qrs_ms=111.0))
    assert not moved("CLBBB", before, parameters(qrs_ms=109.0))
    assert not moved("CLBBB", before, parameters(qrs_ms=80.0))
    assert moved("LVOLT", parameters(), parameters(r_mv=np.full(12, 0.5)))
    assert not moved("LVOLT", parameters(), parameters(r_mv=np.full(12, 1.2)))


def test_what_cannot_be_measured_did_not_move():
    nothing = parameters(sokolow_mv=np.nan, cornell_mv=np.nan, qrs_ms=np.nan)
    assert not moved("LVH", parameters(), nothing)
    assert not moved("CLBBB", parameters(), nothing)
