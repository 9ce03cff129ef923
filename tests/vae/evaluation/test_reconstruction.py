"""Clinical errors of rebuilt records, on changes whose effect is known."""

from dataclasses import replace

import numpy as np
import pytest

from gen.leads import LEADS_12
from gen.simulate import simulate
from metrics.measurement.records import measure_records
from vae.evaluation.reconstruction import clinical_errors

SCORED = ["V3", "V4", "V6"]


@pytest.fixture(scope="module")
def records():
    return simulate(range(3), seed=2, noise="none").records()


def test_a_perfect_reconstruction_has_no_error(records):
    found = clinical_errors(records, records, ["I", *SCORED])
    assert set(found) == {"r_error_mv", "t_error_mv", "hr_error_bpm", "axis_error_deg"}
    for name, values in found.items():
        # The rate is measured in the scored leads alone, where QRS may be found a sample earlier.
        np.testing.assert_allclose(values, 0, atol=0.5 if name == "hr_error_bpm" else 1e-6)


def test_a_gain_is_found_in_the_scored_leads_alone(records):
    rows = [LEADS_12.index(lead) for lead in SCORED]
    louder = []
    for record in records:
        signal = record.signal_mv.copy()
        signal[rows] *= 1.2
        louder.append(replace(record, signal_mv=signal))
    found = clinical_errors(records, louder, SCORED)
    assert "axis_error_deg" not in found
    expected = [0.2 * p.r_mv[rows].mean() for p in measure_records(records)]
    np.testing.assert_allclose(found["r_error_mv"], expected, rtol=0.1)
    assert (found["hr_error_bpm"] < 0.5).all()


def test_what_shows_no_heartbeat_is_not_measured(records):
    flat = [replace(record, signal_mv=np.zeros_like(record.signal_mv)) for record in records]
    found = clinical_errors(records, flat, SCORED)
    assert np.isnan(found["r_error_mv"]).all()
    assert np.isnan(found["hr_error_bpm"]).all()
