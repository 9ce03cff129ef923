"""P waves of fast rhythms, and recordings that a network marks for another."""

from dataclasses import replace

import numpy as np
import pytest

from gen.leads import LEADS_12, to_12
from gen.records import EcgRecord
from gen.simulate import simulate
from metrics.measurement.delineation.data import SAMPLES
from metrics.measurement.delineation.delineator import shipped
from metrics.measurement.delineation.fast import FAST_BPM, HIDDEN_P_S, PLAYED_BPM, fast_p
from metrics.measurement.delineation.regular import atrial_interval, promised
from metrics.measurement.delineation.segments import Segments
from metrics.measurement.delineation.taught import marks, taught
from metrics.measurement.records import measure_records


def row(onset, length: float) -> Segments:
    onset = np.asarray(onset, dtype=np.float64)
    return Segments(onset, onset + length, np.full(len(onset), length))


NONE = row([], 0.1)


def rhythm(bpm: float, seconds: float = 10.0, pr: float = 0.14, p_length: float = 0.1):
    """Consensus with all P waves, and without any."""
    qrs = row(np.arange(0.5, seconds - 0.3, 60 / bpm), 0.09)
    t = row(qrs.onset + 0.2, 0.12)
    return (row(qrs.onset - pr, p_length), qrs, t), (NONE, qrs, t)


def at_slower_time(full, fs_hz: float, calls: list[float]):
    """A delineator that sees the P waves where time goes slower, in the seconds of the rate it is told."""

    def delineate(rate: float):
        calls.append(rate)
        factor = fs_hz / rate
        waves = tuple(Segments(w.onset * factor, w.offset * factor, w.weight * factor) for w in full)
        return waves, [waves, waves]

    return delineate


@pytest.mark.parametrize("bpm", [120, 150, 185])
def test_p_waves_of_a_fast_regular_rhythm_come_back_in_true_time(bpm):
    full, bare = rhythm(bpm)
    calls: list[float] = []
    p, leads = fast_p(bare, at_slower_time(full, 250.0, calls), 250.0)
    assert calls == [pytest.approx(250.0 * PLAYED_BPM / bpm)]
    np.testing.assert_allclose(p.onset, full[0].onset)
    np.testing.assert_allclose(p.offset, full[0].offset)
    assert len(leads) == 2


def test_a_beginning_under_the_t_wave_gets_the_usual_duration():
    full, bare = rhythm(150, p_length=0.05)
    p, _ = fast_p(bare, at_slower_time(full, 250.0, []), 250.0)
    np.testing.assert_allclose(p.offset, full[0].offset)
    np.testing.assert_allclose(p.offset - p.onset, HIDDEN_P_S)


def test_a_beginning_under_the_t_wave_is_put_right_where_p_waves_were_found_at_once():
    full, _ = rhythm(150, p_length=0.06)

    def never(rate: float):
        raise AssertionError("sought again")

    p, leads = fast_p(full, never, 250.0)
    assert leads is None  # those of each lead stay
    np.testing.assert_allclose(p.offset, full[0].offset)
    np.testing.assert_allclose(p.offset - p.onset, HIDDEN_P_S)
    assert fast_p(rhythm(FAST_BPM - 20, p_length=0.06)[0], never, 250.0) is None


def test_it_is_only_sought_where_the_rhythm_is_fast_regular_and_lacks_p():
    def never(rate: float):
        raise AssertionError("sought again")

    _, slow_bare = rhythm(FAST_BPM - 20)
    assert fast_p(slow_bare, never, 250.0) is None
    full, bare = rhythm(150)
    assert fast_p(full, never, 250.0) is None
    jitter = np.random.default_rng(0).uniform(-0.1, 0.1, len(bare[1]))
    irregular = row(np.sort(bare[1].onset + jitter), 0.09)
    assert fast_p((NONE, irregular, NONE), never, 250.0) is None


def test_unsteady_or_sporadic_p_waves_are_not_taken():
    full, bare = rhythm(150)
    some = (full[0].take(np.arange(len(full[0])) % 3 == 0), *full[1:])
    assert fast_p(bare, at_slower_time(some, 250.0, []), 250.0) is None
    rng = np.random.default_rng(0)
    loose = (row(full[1].onset - rng.uniform(0.08, 0.25, len(full[1])), 0.06), *full[1:])
    assert fast_p(bare, at_slower_time(loose, 250.0, []), 250.0) is None


def test_pr_of_simulated_sinus_tachycardia():
    rates = np.linspace(118, 195, 12).tolist()
    made = simulate(range(12), seed=79, conditions=[{"heart_rate": r, "statements": ["STACH"]} for r in rates])
    found = measure_records(np.stack([to_12(x) for x in made.signal_mv]), made.fs_hz, LEADS_12)
    truth = [1e3 * np.nanmedian([b.qrs[0] - b.p[0] for b in one.beats]) for one in made.truth]
    error = np.array([p.pr_ms for p in found]) - truth
    assert np.isfinite(error).sum() >= 6  # none was measured above 125 bpm without slower time
    assert np.nanmedian(np.abs(error)) < 30


def test_marks_follow_the_rhythm_statement():
    full, _ = rhythm(75)
    lead = (full[0].take(np.arange(len(full[0])) > 3), *full[1:])
    time = 2500
    middle = slice(200, 2200)
    known, said = (lambda x: (x >> 4) & 1), (lambda x: x & 1)
    lead_label, label = marks(full, [full, lead], {"SR": 100.0}, time)
    assert label.shape == (SAMPLES,)
    assert known(label[middle]).all()
    assert said(label).any()
    at = int((full[0].onset[2] + 0.05) * 250)
    assert said(lead_label[0, at])
    assert not known(lead_label[1, at])  # not found in that lead: left open
    lead_label, label = marks(full, [full, lead], {"AFIB": 100.0}, time)
    assert known(label[middle]).all()
    assert not said(label).any()
    assert not said(lead_label).any()
    assert ((label >> 1) & 1).any()
    for codes in ({"SR": 100.0, "PACE": 100.0}, {"SVTAC": 100.0}, {}):
        assert not known(marks(full, [full], codes, time)[1]).any()


def test_a_complex_without_p_leaves_p_open_before_it():
    full, _ = rhythm(75)
    missing = (full[0].take(np.arange(len(full[0])) != 4), *full[1:])
    _, label = marks(missing, [missing], {"SR": 100.0}, 2500)
    onset = full[1].onset[4]
    assert not ((label >> 4) & 1)[int((onset - 0.3) * 250) + 1 : int(onset * 250)].any()
    assert ((label >> 4) & 1)[int((full[1].onset[6] - 0.3) * 250) : int(full[1].onset[6] * 250)].all()


def test_a_network_marks_recordings():
    made = simulate(range(2), seed=5, conditions=[{"heart_rate": 70.0, "statements": ["SR"]}] * 2)
    records = [EcgRecord(to_12(x), made.fs_hz, LEADS_12, statements={"SR": 100.0}) for x in made.signal_mv]
    flat = replace(records[0], signal_mv=np.zeros_like(records[0].signal_mv))
    ecgs = taught([*records, flat], shipped())
    assert len(ecgs) == 2  # nothing to learn from a flat one
    for one, label in zip(made.truth, ecgs.label, strict=True):
        peaks = [int(b.qrs[1] * 250) for b in one.beats if 0.5 < b.qrs[1] < 9.3]
        assert ((label[peaks] >> 1) & 1).all()


def test_the_atria_have_a_rate_where_some_of_their_waves_are_hidden():
    at = np.arange(0.4, 10, 0.75)
    seen = row(np.delete(at, [2, 5, 6, 9]), 0.1)
    assert atrial_interval(seen) == pytest.approx(0.75, rel=0.01)
    assert atrial_interval(row(at[::2], 0.1)) == pytest.approx(1.5, rel=0.01)  # nothing says that there are more
    assert atrial_interval(row(np.sort(np.random.default_rng(0).uniform(0, 10, 12)), 0.1)) is None
    assert atrial_interval(row(at[:3], 0.1)) is None


def test_less_certain_p_waves_count_where_they_are_due_and_nowhere_else():
    at = np.arange(0.4, 10, 0.75)
    missing, qrs = [2, 6], row(np.arange(0.1, 10, 1.9), 0.09)
    probability = np.zeros(2500)

    def write(onset: float, value: float) -> None:
        probability[int(onset * 250) : int((onset + 0.1) * 250)] = value

    for k, onset in enumerate(at):
        write(onset, 0.4 if k in missing else 0.95)
    write(at[3] + 0.33, 0.45)  # half way: not due
    found = promised(row(np.delete(at, missing), 0.1), qrs, probability)
    np.testing.assert_allclose(found.onset, at, atol=0.006)
    probability[int(at[2] * 250) : int((at[2] + 0.1) * 250)] = 0.25  # too unsure
    assert len(promised(row(np.delete(at, missing), 0.1), qrs, probability)) == len(at) - 1
    hidden = row([at[6] - 0.02], 0.14)  # a complex lies there
    assert len(promised(row(np.delete(at, missing), 0.1), hidden, probability)) == len(at) - 2
