"""Criteria of statements: limits on both sides, degrees, sex, and what cannot be measured."""

from types import SimpleNamespace

import numpy as np
import pytest

from metrics.measurement.criteria import CRITERIA


def parameters(**values) -> SimpleNamespace:
    usual = {"hr_bpm": 75.0, "rr_cv": 0.04, "p_present": 1.0, "qrs_ms": 95.0, "pr_ms": 160.0, "qtcb_ms": 410.0}
    usual |= {"axis_deg": 40.0, "sokolow_mv": 2.0, "cornell_mv": 1.0}
    heights = {"r_mv": np.full(12, 0.8), "s_mv": np.full(12, 0.2), "q_mv": np.zeros(12)}
    return SimpleNamespace(**(usual | heights | values))


@pytest.mark.parametrize(
    ("code", "shown", "short"),
    [
        ("CLBBB", {"qrs_ms": 120.0}, {"qrs_ms": 119.0}),
        ("LVH", {"sokolow_mv": 3.5}, {"sokolow_mv": 3.4}),
        ("LVH", {"cornell_mv": 2.81}, {"cornell_mv": 2.79}),
        ("LVOLT", {"r_mv": np.full(12, 0.39)}, {"r_mv": np.full(12, 0.41)}),
        ("1AVB", {"pr_ms": 200.0}, {"pr_ms": 199.0}),
        ("AFIB", {"rr_cv": 0.1, "p_present": 0.1}, {"rr_cv": 0.1, "p_present": 0.6}),
        ("SR", {}, {"rr_cv": 0.13}),
        ("STACH", {"hr_bpm": 98.0}, {"hr_bpm": 97.0}),
        ("SBRAD", {"hr_bpm": 62.0}, {"hr_bpm": 63.0}),
        ("LAFB", {"axis_deg": -30.0}, {"axis_deg": -29.0}),
        ("RAD", {"axis_deg": 90.0}, {"axis_deg": 89.0}),
        ("LNGQT", {"qtcb_ms": 460.0}, {"qtcb_ms": 459.0}),
        ("NORM", {}, {"qrs_ms": 120.0}),
    ],
)
def test_limits(code, shown, short):
    criterion = CRITERIA[code]
    assert criterion.met(parameters(**shown), "M")
    assert not criterion.met(parameters(**short), "M")
    if criterion.degree is not None:
        assert criterion.degree(parameters(**shown), "M") >= 1
        assert criterion.degree(parameters(**short), "M") < 1


def test_cornell_knows_the_sex_and_takes_the_higher_limit_where_it_is_not_known():
    between = parameters(cornell_mv=2.4)
    met = [CRITERIA["LVH"].met(between, sex) for sex in ("F", "M", None)]
    assert met == [True, False, False]


def test_one_limb_lead_of_normal_height_is_no_low_voltage():
    heights = np.full(12, 0.1)
    heights[1] = 0.8
    assert not CRITERIA["LVOLT"].met(parameters(r_mv=heights), None)
