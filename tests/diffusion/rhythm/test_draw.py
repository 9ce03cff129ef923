"""Closed forms and known behaviour of drawn rhythms."""

import numpy as np
import pytest

from diffusion.rhythm import BeatKind, BeatPlan, RhythmRequest, RhythmStream, draw_rhythm, events_of, habits_of
from gen.records import InputError
from gen.text import read_text

SEEDS = range(12)


def plans(text, heart_rate=None, duration_s=10.0, **numbers):
    request = RhythmRequest.of(text, heart_rate=heart_rate, **numbers)
    return [draw_rhythm(request, seed, duration_s) for seed in SEEDS]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("sinus rhythm", 45), ("sinus rhythm", 72), ("sinus tachycardia", 140), ("sinus arrhythmia", 60),
        ("atrial fibrillation", 60), ("atrial fibrillation", 150), ("atrial flutter", 150), ("atrial flutter", 97),
        ("PVC", 70), ("ventricular bigeminy", 80), ("PAC", 66), ("third degree AV block", 36),
        ("second degree AV block Mobitz I", 55), ("2:1 AV block", 40), ("pacemaker rhythm", 70),
        ("supraventricular tachycardia", 180), ("sinus pause", 55),
    ],
)  # fmt: skip
def test_the_rate_asked_for_is_met_and_no_complex_is_cut_by_the_ends(text, rate):
    for plan in plans(text, rate):
        # A pause within eight beats leaves steps in what a strip of ten seconds can have.
        assert plan.heart_rate_bpm == pytest.approx(rate, abs=3.0 if "pause" in text else 0.5)
        near = np.minimum(np.abs(plan.times_s), np.abs(plan.times_s - plan.duration_s))
        assert near.min() > 0.0


def test_the_same_seed_gives_the_same_plan_and_another_another():
    request = RhythmRequest.of("sinus rhythm", heart_rate=70)
    a, b, c = draw_rhythm(request, 5), draw_rhythm(request, 5), draw_rhythm(request, 6)
    np.testing.assert_array_equal(a.times_s, b.times_s)
    assert len(a) != len(c) or not np.array_equal(a.times_s, c.times_s)


@pytest.mark.parametrize("text", ["sinus rhythm, PVC", "atrial fibrillation", "Wenckebach", "third degree AV block"])
def test_windows_of_any_size_hold_the_same_events(text):
    stream = RhythmStream(RhythmRequest.of(text, heart_rate=50), 3, 300.0)
    whole = stream.plan()
    for length, step in ((60.0, 60.0), (7.3, 7.3), (20.0, 13.0)):
        beats, waves = [], []
        for part in stream.windows(length, step):
            own = (part.times_s >= 0) & (
                part.times_s < (step if part.start_s + part.duration_s < 300.0 else part.duration_s)
            )
            beats += (part.times_s[own] + part.start_s).round(6).tolist()
            own = (part.p_times_s >= 0) & (
                part.p_times_s < (step if part.start_s + part.duration_s < 300.0 else part.duration_s)
            )
            waves += (part.p_times_s[own] + part.start_s).round(6).tolist()
        within = whole.times_s[whole.inside].round(6)
        np.testing.assert_allclose(np.unique(beats)[: len(within)], within, atol=2e-6)
        inside = (whole.p_times_s >= 0) & (whole.p_times_s < 300.0)
        np.testing.assert_allclose(np.unique(waves)[: inside.sum()], whole.p_times_s[inside], atol=2e-6)


@pytest.mark.parametrize("since", [0.02, 0.3, 0.79])
def test_a_rhythm_goes_on_after_the_last_beat_of_another(since):
    for seed in SEEDS:
        stream = RhythmStream(RhythmRequest.of("sinus rhythm", heart_rate=70), seed, 60.0, since_s=since)
        first = stream.plan().times_s[stream.plan().inside][0]
        assert 0.6 < first + since < 1.2
        assert stream.plan().heart_rate_bpm == pytest.approx(70, abs=1.5)


def test_a_window_tells_which_beats_it_holds():
    stream = RhythmStream(RhythmRequest.of("atrial fibrillation", heart_rate=90), 2, 100.0)
    part = stream.window(40.0, 10.0, 3.0)
    first = stream.before(37.0)
    np.testing.assert_allclose(part.times_s + 40.0, stream.times_s[first : first + len(part)])
    np.testing.assert_array_equal(part.kinds, stream.kinds[first : first + len(part)])


def test_a_day_keeps_its_rate_and_does_not_repeat():
    stream = RhythmStream(RhythmRequest.of("sinus rhythm", heart_rate=70), 1, 6 * 3600.0)
    rates = np.array([part.heart_rate_bpm for part in stream.windows(60.0)])
    assert stream.plan().heart_rate_bpm == pytest.approx(70, abs=0.05)
    assert 1.0 < rates.std() < 8.0  # it wanders over minutes
    rr = stream.plan().rr_s
    pieces = rr[: len(rr) // 20 * 20].reshape(-1, 20)
    assert len(np.unique(pieces.round(9), axis=0)) == len(pieces)


def test_wenckebach_lengthens_by_falling_steps_and_the_pause_is_shorter_than_two_intervals():
    for plan in plans("second degree AV block Mobitz I", 55, 30.0):
        p, beats = plan.p_times_s, plan.times_s
        groups = np.split(np.arange(len(beats)), np.flatnonzero(np.diff(plan.pr_s) < 0) + 1)
        for group in groups[1:-1]:
            steps = np.diff(plan.pr_s[group])
            assert (steps > 0).all()
            np.testing.assert_allclose(steps[1:] / steps[:-1], 0.5, atol=1e-6)
        pauses = beats[[g[0] for g in groups[2:-1]]] - beats[[g[-1] for g in groups[1:-2]]]
        assert (pauses < 2 * np.diff(p).max()).all()
        assert len(plan.blocked_p_s) >= len(groups) - 2


def test_mobitz_2_and_two_to_one_keep_pr_and_drop_beats():
    for plan in plans("second degree AV block Mobitz II", 50, 30.0):
        assert np.ptp(plan.pr_s) < 1e-9
        ratio = plan.rr_s / plan.rr_s.min()
        assert ((ratio > 1.6) & (ratio < 2.5)).any()
    for plan in plans("2:1 AV block", 40, 30.0):
        assert abs(len(plan.p_times_s) - 2 * len(plan)) <= 2
        assert np.ptp(plan.pr_s) < 1e-9


def test_complete_block_has_atria_and_ventricles_on_clocks_of_their_own():
    phases = []
    for plan in plans("third degree AV block", 36, 60.0):
        assert np.isnan(plan.pr_s).all()
        assert np.isin(plan.kinds, (BeatKind.ESCAPE, BeatKind.JUNCTIONAL)).all()
        assert plan.rr_s.std() / plan.rr_s.mean() < 0.03
        pp = np.diff(plan.p_times_s)
        assert plan.rr_s.mean() / pp.mean() > 1.2
        last = np.searchsorted(plan.p_times_s, plan.times_s[5:-5]) - 1
        phases += ((plan.times_s[5:-5] - plan.p_times_s[last]) / np.median(pp)).tolist()
    histogram, _ = np.histogram(np.clip(phases, 0, 1), bins=5, range=(0, 1))
    assert histogram.min() > 0.1 * len(phases)  # no place of the atrial cycle is preferred


def test_bigeminy_alternates_and_the_pause_compensates():
    for plan in plans("sinus rhythm, ventricular bigeminy", 80, 30.0):
        kinds = plan.kinds[plan.inside]
        assert (np.diff((kinds == BeatKind.VENTRICULAR).astype(int)) != 0).all()
        normal = plan.times_s[plan.kinds == BeatKind.NORMAL]
        early = plan.times_s[plan.kinds == BeatKind.VENTRICULAR]
        before = normal[np.searchsorted(normal, early[1:-1]) - 1]
        after = normal[np.searchsorted(normal, early[1:-1])]
        # Two sinus intervals, one of them hidden: the sinus clock has not noticed.
        at = np.searchsorted(plan.p_times_s, early[1:-1])
        hidden = plan.blocked_p_s
        assert len(hidden) >= len(before)
        assert (early[1:-1] - before < after - early[1:-1]).all()
        assert at.all()


def test_a_single_ventricular_beat_is_followed_by_a_full_compensatory_pause_and_an_atrial_one_by_less():
    def sums(text, kind):
        out = []
        for seed in range(30):
            plan = draw_rhythm(RhythmRequest.of(text, heart_rate=66), seed, 40.0)
            usual = np.median(plan.rr_s)
            for k in np.flatnonzero(plan.kinds[1:-1] == kind) + 1:
                if plan.kinds[k - 1] == plan.kinds[k + 1] == BeatKind.NORMAL:
                    out.append((plan.times_s[k + 1] - plan.times_s[k - 1]) / usual)
        return np.array(out)

    ventricular = sums("sinus rhythm, PVC", BeatKind.VENTRICULAR)
    assert np.median(ventricular) == pytest.approx(2.0, abs=0.05)
    atrial = sums("sinus rhythm, PAC", BeatKind.ATRIAL)
    assert 1.6 < np.median(atrial) < 1.95


@pytest.mark.parametrize(("text", "length"), [("sinus rhythm, trigeminy", 3), ("PVC couplets", 2), ("runs of PVC", 3)])
def test_patterns_of_ventricular_beats(text, length):
    seen = []
    for plan in plans(text, 72, 30.0):
        early = (plan.kinds == BeatKind.VENTRICULAR).astype(int)
        if length == 3 and "trigeminy" in text:
            assert (np.diff(np.flatnonzero(early)) == 3).all()
            seen.append(3)
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[0], early, [0]])))
        seen += (edges[1::2] - edges[::2]).tolist()
    assert (np.array(seen) >= length).mean() > 0.6


def test_stated_extrasystoles_are_seen_in_ten_seconds():
    for text, kind in (("sinus rhythm, PVC", BeatKind.VENTRICULAR), ("sinus rhythm, PAC", BeatKind.ATRIAL)):
        assert all((plan.kinds[plan.inside] == kind).any() for plan in plans(text, 70))


def test_flutter_conducts_whole_numbers_of_waves():
    for plan in plans("atrial flutter with 4:1 conduction", 70):
        assert plan.atrial == "flutter"
        assert len(plan.p_times_s) == 0
        np.testing.assert_allclose(plan.rr_s * plan.wave_hz, 4, atol=0.2)
    changing = plans("atrial flutter", 97, 30.0)
    assert all(3.3 < plan.wave_hz < 5.9 for plan in changing)


def test_fibrillation_is_irregular_and_nearly_without_memory():
    request = RhythmRequest.of("atrial fibrillation", heart_rate=90)
    drawn = [draw_rhythm(request, seed, 60.0) for seed in range(40)]
    cv = np.array([plan.rr_s.std() / plan.rr_s.mean() for plan in drawn])
    memory = [np.corrcoef(plan.rr_s[1:], plan.rr_s[:-1])[0, 1] for plan in drawn]
    assert 0.12 < np.median(cv) < 0.28
    assert abs(np.mean(memory)) < 0.12
    assert all(np.isnan(plan.pr_s).all() for plan in drawn)


def test_first_degree_block_and_a_given_pr():
    assert all(np.nanmedian(plan.pr_s) > 0.2 for plan in plans("first degree AV block", 65))
    assert all(np.nanmedian(plan.pr_s) == pytest.approx(0.15, abs=0.004) for plan in plans("SR", 65, pr_ms=150))


@pytest.mark.parametrize(
    ("text", "numbers", "named"),
    [
        ("asystole and sinus tachycardia", {}, ("asystole", "sinus tachycardia")),
        ("atrial fibrillation", {"pr_ms": 160}, ("atrial fibrillation", "PR interval of 160")),
        ("atrial fibrillation, first degree AV block", {}, ("atrial fibrillation", "first degree AV block")),
        ("complete AV block", {"heart_rate": 150}, ("third degree AV block", "150 bpm", "20 to 75")),
        ("atrial flutter, sinus rhythm", {}, ("atrial flutter", "sinus rhythm")),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_that_names_both(text, numbers, named):
    with pytest.raises(InputError) as error:
        RhythmRequest.of(text, **numbers)
    assert "\n" not in str(error.value)
    assert all(part in str(error.value) for part in named)


def test_clipping_keeps_the_rhythm_and_says_what_it_changed():
    request = RhythmRequest.of("complete AV block", heart_rate=150, beyond="clip")
    assert request.heart_rate == 75
    assert "150 bpm" in request.notes[0]
    both = RhythmRequest.of("atrial fibrillation, sinus rhythm", beyond="clip")
    assert both.mechanism == "fibrillation"
    assert both.notes


def test_a_plan_checks_itself():
    good = {"times_s": [0.5, 1.2], "kinds": [0, 1], "pr_s": [0.16, np.nan], "duration_s": 2.0}
    plan = BeatPlan(**good)
    assert plan.heart_rate_bpm == pytest.approx(60 / 0.7)
    assert BeatKind(plan.kinds[1]).symbol == "V"
    wrongs = ({"times_s": [1.2, 0.5]}, {"kinds": [0, 9]}, {"pr_s": [0.1]}, {"atrial": "asleep"})
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"expected|ascend"):
            BeatPlan(**{**good, **wrong})
    part = plan.window(1.0, 1.0, margin_s=0.1)
    np.testing.assert_allclose(part.times_s, [0.2])
    assert part.start_s == 1.0


def test_habits_are_read_from_a_plan_and_kept_in_another():
    bigeminy = draw_rhythm(RhythmRequest.of("ventricular bigeminy", heart_rate=70), 1, 20.0)
    habits = habits_of(bigeminy, 60.0)
    assert habits.ectopy.pattern == "bigeminy"
    again = draw_rhythm(RhythmRequest.of("sinus rhythm", heart_rate=60), 2, 20.0, habits=habits)
    assert (again.kinds == BeatKind.VENTRICULAR).any()
    assert np.nanmedian(again.pr_s) == pytest.approx(np.nanmedian(bigeminy.pr_s), abs=0.005)
    fibrillating = draw_rhythm(RhythmRequest.of("atrial fibrillation", heart_rate=80), 3, 30.0)
    assert habits_of(fibrillating).spread == pytest.approx(np.log(np.diff(fibrillating.times_s)).std(ddof=1))


@pytest.mark.parametrize(
    ("text", "rate", "name"),
    [
        ("sinus rhythm", 70, "(N"), ("sinus rhythm", 50, "(SBR"), ("atrial fibrillation", 80, "(AFIB"),
        ("atrial flutter", 75, "(AFL"), ("ventricular bigeminy", 70, "(B"), ("trigeminy", 70, "(T"),
        ("pacemaker rhythm", 70, "(P"), ("Wenckebach", 55, "(BII"), ("ventricular tachycardia", 160, "(VT"),
        ("supraventricular tachycardia", 170, "(SVTA"), ("junctional rhythm", 45, "(NOD"),
    ],
)  # fmt: skip
def test_events_name_the_rhythm_and_every_beat_inside(text, rate, name):
    plan = draw_rhythm(RhythmRequest.of(text, heart_rate=rate), 4)
    events = events_of(plan, 100.0)
    assert events["rhythm"] == name
    assert len(events["times_s"]) == len(events["symbols"]) == plan.inside.sum()
    assert min(events["times_s"]) >= 100.0


@pytest.mark.parametrize(
    ("text", "form", "conduction"),
    [
        ("second degree AV block, Mobitz I (Wenckebach)", "mobitz1", None),
        ("second degree AV block, Mobitz II", "mobitz2", None),
        ("second degree AV block, 2:1 conduction", "2:1", None),
        ("complete AV block, junctional escape", "junctional", None),
        ("atrial flutter, conducted 4:1", None, 4),
    ],
)
def test_what_a_text_says_behind_its_finding_is_drawn_wherever_it_is_read(text, form, conduction):
    for asked in (RhythmRequest.of(text), RhythmRequest.of(read_text(text))):
        assert (asked.form, asked.conduction) == (form, conduction)
    assert RhythmRequest.of(read_text("no asystole, sinus rhythm")).mechanism == "sinus"
