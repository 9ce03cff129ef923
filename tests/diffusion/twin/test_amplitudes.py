"""Amplitudes held against recordings: planted ones are named, and brought inside."""

from types import SimpleNamespace

import numpy as np
import pytest

from diffusion.twin.amplitudes import ALL, Range, allowed, heights, outside, read_amplitudes
from gen.leads import LEADS_12

_V2, _I = LEADS_12.index("V2"), LEADS_12.index("I")


def measured(r=0.8, s=0.3):
    waves = np.full(12, r), np.full(12, s)
    return SimpleNamespace(r_mv=waves[0], s_mv=waves[1], q_mv=np.zeros(12))


def table(low=0.1, high=2.0):
    return {
        ALL: Range(1000, np.full(12, low), np.full((2, 12), high)),
        "CLBBB": Range(50, np.full(12, low), np.full((2, 12), 3.0)),
    }


def test_a_deep_wave_is_named_with_its_lead_and_limit():
    deep = measured()
    deep.s_mv[_V2] = 7.0
    assert outside(deep, ["CLBBB"], table()) == ["S of 7.00 mV in V2; recordings with CLBBB have up to 3.00"]
    deep.s_mv[_V2] = 2.5
    assert outside(deep, ["CLBBB"], table()) == []
    assert outside(deep, [], table()) == ["S of 2.50 mV in V2; recordings have up to 2.00"]


def test_a_lead_without_r_is_nothing_unusual_but_one_without_both_is():
    small = measured()
    small.r_mv[_I] = 0.0
    assert outside(small, [], table()) == []
    small.s_mv[_I] = 0.05
    assert outside(small, [], table()) == ["QRS of 0.05 mV in I; recordings have 0.10 or more"]
    small.s_mv[_I] = np.nan  # not measured: nothing is said
    small.r_mv[_I] = small.q_mv[_I] = np.nan
    assert outside(small, [], table()) == []


def test_of_several_findings_the_widest_range_counts():
    limits, name = allowed(["CLBBB", "XYZ"], table())
    assert (name, limits.high[0, 0], limits.n) == ("CLBBB", 3.0, 50)
    assert allowed(["XYZ"], table())[1] == ALL


def test_ranges_hold_the_share_they_say():
    rng = np.random.default_rng(0)
    many = np.exp(rng.standard_normal((4000, 2, 12)))
    found = Range.of(many)
    assert (many > found.high).mean() == pytest.approx(0.005, abs=0.001)
    assert (np.fmax(many[:, 0], many[:, 1]) < found.low).mean() == pytest.approx(0.005, abs=0.001)


def test_the_shipped_table_is_of_recordings():
    shipped = read_amplitudes()
    assert shipped[ALL].n > 2000
    assert {"CLBBB", "CRBBB", "LVH", "AFIB"} <= set(shipped)
    for each in shipped.values():
        assert each.high.shape == (2, 12)
        assert np.all(each.low < each.high.max(axis=0))
    assert shipped["LVH"].high.max() > shipped["NORM"].high.max()
    assert heights(measured()).shape == (2, 12)
