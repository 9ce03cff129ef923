"""What a finding is measured on, and whether a twin moved towards it."""

from types import SimpleNamespace

import numpy as np
import pytest

from diffusion.twin.scores import moved


def parameters(**values) -> SimpleNamespace:
    usual = {"qrs_ms": 95.0, "pr_ms": 160.0, "sokolow_mv": 2.0, "cornell_mv": 1.0}
    heights = {"r_mv": np.full(12, 0.8), "s_mv": np.full(12, 0.2), "q_mv": np.zeros(12)}
    return SimpleNamespace(**(usual | heights | values))


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


def test_a_statement_without_one_number_cannot_move():
    with pytest.raises(ValueError, match="AFIB: its criterion"):
        moved("AFIB", parameters(), parameters())
