"""Measuring where something is missing: holes, leads recorded in part, and P waves that no complex follows."""

from dataclasses import replace

import numpy as np
import pytest

from gen.leads import LEADS_12
from gen.simulate import simulate
from metrics.measurement.beats import variability
from metrics.measurement.delineation.segments import Segments, without_lone_p
from metrics.measurement.missing import composite, crossed, filled_in, holes, whole_leads
from metrics.measurement.records import measure_and_delineate, measure_records


@pytest.fixture(scope="module")
def regular():
    return simulate([0], seed=3, noise="none", duration_s=30, conditions=[{"heart_rate": 60}]).records()[0]


@pytest.fixture(scope="module")
def short():
    return simulate([0], seed=3, noise="none", conditions=[{"heart_rate": 60}]).records()[0]


@pytest.mark.parametrize("filling", ["nan", "inf", "zero", "last value"])
def test_an_interval_across_a_hole_is_no_rr_interval(regular, filling):
    signal = regular.signal_mv.copy()
    value = {"nan": np.nan, "inf": np.inf, "zero": 0.0, "last value": signal[:, 4999:5000]}[filling]
    signal[:, 5000:9000] = value
    whole, holed = measure_records([regular, replace(regular, signal_mv=signal)])
    assert holed.failure is None
    assert holed.hr_bpm == pytest.approx(60, abs=0.5)
    assert holed.rr_cv == pytest.approx(whole.rr_cv, abs=0.01)
    assert holed.rmssd_ms == pytest.approx(whole.rmssd_ms, rel=0.2)
    assert holed.qt_ms == pytest.approx(whole.qt_ms, abs=8)
    assert holed.pr_ms == pytest.approx(whole.pr_ms, abs=8)


def test_with_a_hole_between_any_two_beats_there_is_no_rate(regular):
    signal = regular.signal_mv.copy()
    (_, waves), *_ = measure_and_delineate([regular])
    for onset in waves.consensus[1].onset:
        signal[:, int((onset + 0.5) * 500) : int((onset + 0.7) * 500)] = np.nan
    (found,) = measure_records([replace(regular, signal_mv=signal)])
    assert found.failure == "missing"
    assert np.isnan(found.hr_bpm)


def test_variability_of_intervals_with_one_unknown():
    rr = np.array([800.0, 860.0, 800.0, np.nan, 900.0, 840.0, 900.0, 840.0])
    known = rr[np.isfinite(rr)]
    found = variability(rr)
    steps = np.array([60.0, -60, -60, 60, -60])
    assert found["hr_bpm"] == pytest.approx(60e3 / known.mean())
    assert found["rr_sd_ms"] == pytest.approx(known.std())
    assert found["rmssd_ms"] == pytest.approx(np.sqrt((steps**2).mean()))
    assert found["pnn50"] == 1.0
    pairs = np.array([(800, 860), (860, 800), (900, 840), (840, 900), (900, 840)], dtype=float)
    assert found["rr_lag1"] == pytest.approx(np.corrcoef(pairs.T)[0, 1])
    assert variability(np.full(3, np.nan)) == {}


def test_a_quiet_line_between_all_beats_is_no_hole():
    beats = np.arange(0.5, 10, 2.0)
    signal = np.zeros((1, 5000))
    for onset in beats:
        signal[0, int(500 * onset) : int(500 * onset) + 200] = np.sin(np.linspace(0, 3, 200))
    assert filled_in(signal, 500, beats) == []
    lost = signal.copy()
    lost[0, 2000:3000] = 0.0  # the beat at 4.5 s
    assert filled_in(lost, 500, np.delete(beats, 2)) == [(pytest.approx(2.9, abs=0.01), pytest.approx(6.5, abs=0.01))]
    assert holes(np.where(np.arange(5000) < 600, np.nan, signal), 500) == [(0.0, 1.2)]
    assert crossed(np.array([0.5, 1.3]), np.array([1.0, 2.0]), [(0.0, 1.2)]).tolist() == [True, False]


def paper(record, strip):
    """A print-out of 3 x 4 columns of 2.5 s, with lead II all along or not."""
    signal = np.full_like(record.signal_mv, np.nan)
    for column in range(4):
        part = slice(column * 1250, (column + 1) * 1250)
        signal[3 * column : 3 * column + 3, part] = record.signal_mv[3 * column : 3 * column + 3, part]
    if strip:
        signal[1] = record.signal_mv[1]
    return replace(record, signal_mv=signal)


@pytest.mark.parametrize("strip", [True, False], ids=["rhythm strip", "columns alone"])
def test_a_print_out_is_measured(short, strip):
    (whole,), ((found, waves),) = measure_records([short]), measure_and_delineate([paper(short, strip)], per_lead=True)
    assert found.failure is None
    assert found.hr_bpm == pytest.approx(60, abs=1)
    for name, limit in (("pr_ms", 15), ("qrs_ms", 15), ("qt_ms", 20), ("axis_deg", 6)):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), abs=limit)
    np.testing.assert_allclose(found.r_mv, whole.r_mv, atol=0.06)
    for lead, (_, qrs, _) in waves.per_lead.items():
        part = LEADS_12.index(lead) // 3 * 2.5
        assert (strip and lead == "II") or ((qrs.onset >= part) & (qrs.offset <= part + 2.5)).all()


def test_leads_that_are_whole_and_rows_that_hold_what_was_drawn():
    present = np.ones((3, 100), dtype=bool)
    assert whole_leads(present).tolist() == [0, 1, 2]
    present[0, :60] = False
    assert whole_leads(present).tolist() == [1, 2]
    columns = np.zeros((4, 100), dtype=bool)
    columns[:2, :50] = columns[2:, 50:] = True
    assert not len(whole_leads(columns))
    values = np.where(columns, np.arange(4)[:, None] + np.tile([-1.0, 1.0], 50), np.nan).astype(np.float32)
    rows = composite(values, columns)
    np.testing.assert_allclose(rows, np.tile([-1.0, 1.0], (2, 50)))


@pytest.mark.parametrize("code", ["2AVB", "3AVB"])
def test_the_rate_in_block_is_that_of_the_ventricles(code):
    records = simulate(range(12), seed=11, noise="light", conditions={"statements": [code]}).records()
    for record, found in zip(records, measure_records(records), strict=True):
        assert found.hr_bpm == pytest.approx(record.metadata["truth"]["hr_bpm"], abs=5)


def bumps(heights):
    """Complexes of given heights, one a second, at 250 Hz."""
    signal = np.zeros((2, 250 * (len(heights) + 1)), dtype=np.float32)
    for k, height in enumerate(heights):
        at = 250 * (k + 1)
        signal[:, at - 12 : at + 12] += height * np.hanning(24)
    onset = np.arange(1.0, len(heights) + 1) - 0.05
    return signal, Segments(onset, onset + 0.1, np.ones(len(heights)))


def test_small_waves_among_large_complexes_are_p_waves_and_small_complexes_are_not():
    none = Segments(*np.zeros((3, 0)))
    signal, qrs = bumps([1.0, 0.1, 0.12, 1.1, 0.1, 0.9])
    p, kept, _ = without_lone_p(none, qrs, none, signal)
    assert kept.onset.tolist() == [qrs.onset[k] for k in (0, 3, 5)]
    assert p.onset.tolist() == [qrs.onset[k] for k in (1, 2, 4)]
    for heights in ([1.0, 0.6, 1.0, 0.6], [0.2, 0.21, 0.19, 0.2], [0.7, 0.7, 2.5, 0.7]):
        signal, qrs = bumps(heights)
        assert len(without_lone_p(none, qrs, none, signal)[1]) == len(heights)


def test_a_jump_of_the_baseline_makes_no_p_waves_of_small_complexes():
    strip = simulate([0], seed=3, noise="none", fs_hz=250, duration_s=10).records()[0].select(["II"])
    small = replace(strip, signal_mv=0.3 * strip.signal_mv)
    jump = small.signal_mv.copy()
    jump[:, 1000:] += 1.5
    whole, found = measure_records([small, replace(small, signal_mv=jump)])
    assert found.hr_bpm == pytest.approx(whole.hr_bpm, rel=0.1)
    assert abs(found.beats - whole.beats) <= 1
    hour = replace(small, signal_mv=np.tile(jump, (1, 30)))  # a jump every ten seconds for five minutes
    assert measure_records([hour])[0].hr_bpm == pytest.approx(whole.hr_bpm, rel=0.15)
