"""Intervals of shares: honest where all values are equal, resampled elsewhere."""

import numpy as np
import pytest
from scipy.stats import binomtest

from gen.records import InputError
from metrics.statistics.bootstrap import bootstrap_mean
from metrics.statistics.proportion import bootstrap_share


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_share_of_none_or_all_has_an_honest_interval(value):
    found = bootstrap_share(np.full(330, value))
    expected = binomtest(int(330 * value), 330).proportion_ci(method="wilson")
    assert found.value == value
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert max(abs(found.low - value), abs(found.high - value)) == pytest.approx(0.0115, abs=2e-4)


def test_records_of_one_patient_are_one_observation():
    assert bootstrap_share(np.zeros(40), groups=np.arange(40) // 4).high == bootstrap_share(np.zeros(10)).high


def test_a_mixed_share_is_resampled():
    met = np.arange(60) % 3 == 0
    assert bootstrap_share(met, seed=2) == bootstrap_mean(met.astype(float), seed=2)


def test_shares_of_leads_are_shares_too():
    assert bootstrap_share([0.25, 0.5, 0.0, 1.0]).value == pytest.approx(0.4375)
    with pytest.raises(InputError, match="0 to 1"):
        bootstrap_share([0.5, 1.2])
