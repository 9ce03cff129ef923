import csv
import itertools
import re

import numpy as np
import pytest

from gen.leads import limb_lead_residual
from gen.simulate import draw_heart, iter_cohort, simulate
from gen.simulate.disease import FINDINGS, INFARCTS, KNOWN
from gen.simulate.report import write_reports


def only(code, n=8, seed=0, **more):
    return simulate(range(n), seed=seed, conditions={"statements": [code], **more})


def beats(truth, *kinds):
    return [b for b in truth.beats if not kinds or b.kind in kinds]


def test_a_record_is_the_same_bytes_in_every_batch():
    whole = simulate(range(6), seed=5, noise="wearable")
    alone = simulate([4], seed=5, noise="wearable")
    turned = simulate([5, 4, 0], seed=5, noise="wearable")
    assert whole.signal_mv[4].tobytes() == alone.signal_mv[0].tobytes() == turned.signal_mv[1].tobytes()
    assert whole.truth[4].report_de == alone.truth[0].report_de
    assert whole.truth[4].beats == alone.truth[0].beats
    assert simulate([4], seed=6).signal_mv.tobytes() != simulate([4], seed=5).signal_mv.tobytes()


def test_noise_only_adds():
    clean, noisy = (simulate([3], seed=1, noise=n) for n in ("none", "light"))
    assert clean.truth[0].beats == noisy.truth[0].beats
    difference = noisy.signal_mv - clean.signal_mv
    assert 0 < np.abs(difference).max() < 1.5


def test_signals_are_finite_and_bounded():
    batch = simulate(range(150), seed=2)
    assert batch.signal_mv.dtype == np.float32
    assert batch.signal_mv.shape == (150, 8, 5000)
    assert np.isfinite(batch.signal_mv).all()
    peak = np.abs(batch.signal_mv).max(axis=(1, 2))
    assert peak.max() < 9.0
    assert peak.min() > 0.15


def test_records_have_twelve_leads_that_obey_einthoven():
    records = list(iter_cohort(5, 3, visits=2, batch=2))
    assert [r.record_id for r in records[:4]] == ["sim-3-0-0", "sim-3-0-1", "sim-3-1-0", "sim-3-1-1"]
    for record in records:
        assert record.synthetic
        assert record.signal_mv.shape == (12, 5000)
        assert limb_lead_residual(record.signal_mv, record.leads) < 1e-6
        assert record.report
        assert set(record.statements.values()) == {100.0}
        assert record.metadata["seed"] == 3


def test_patient_of_a_record_does_not_depend_on_the_batch_size():
    small, large = (list(iter_cohort(7, 3, batch=b)) for b in (2, 64))
    for a, b in zip(small, large, strict=True):
        assert a.signal_mv.tobytes() == b.signal_mv.tobytes()
        assert a.patient == b.patient


@pytest.mark.parametrize(("fs", "seconds"), [(500.0, 10.0), (100.0, 10.0), (360.0, 30.0), (250.0, 4.0)])
def test_other_rates_show_the_same_waves(fs, seconds):
    batch = simulate([1], seed=4, fs_hz=fs, duration_s=seconds)
    assert batch.signal_mv.shape[2] == round(fs * seconds)
    reference = simulate([1], seed=4, fs_hz=1000.0, duration_s=seconds).signal_mv[0]
    times = np.arange(round(fs * seconds)) / fs
    exact = np.stack([np.interp(times, np.arange(reference.shape[1]) / 1000.0, lead) for lead in reference])
    assert np.abs(batch.signal_mv[0] - exact).max() < 0.05


@pytest.mark.parametrize("rate", [45, 75, 120])
@pytest.mark.parametrize("code", ["NORM", "AFIB", "CLBBB"])
def test_requested_rate_is_obeyed(rate, code):
    for truth in only(code, heart_rate=rate).truth:
        assert truth.hr_bpm == pytest.approx(rate, rel=0.02)


def test_age_and_sex_are_obeyed_and_leave_the_heart_itself():
    pinned = draw_heart(1, 2, age=33, sex="F", statements=["NORM"])
    assert (pinned.age, pinned.sex) == (33, "F")
    np.testing.assert_array_equal(pinned.latent, draw_heart(1, 2).latent)


def test_visits_of_one_heart_are_more_alike_than_strangers():
    first, second = (simulate(range(40), seed=8, visit=v, conditions={"statements": ["NORM"]}) for v in (0, 1))

    def beat(batch):
        rows = []
        for signal, truth in zip(batch.signal_mv, batch.truth, strict=True):
            at = int(500 * truth.beats[3].qrs[0])
            rows.append(signal[:, at - 10 : at + 60].ravel())
        return np.array(rows)

    likeness = np.corrcoef(beat(first), beat(second))[:40, 40:]
    own = np.diag(likeness)
    assert own.mean() > 0.85
    assert np.mean(own[:, None] >= likeness) > 0.93


def test_atrial_fibrillation_has_no_p_wave_and_irregular_beats():
    batch = only("AFIB", 20)
    for truth in batch.truth:
        assert np.isnan(truth.pr_ms)
        assert all(np.isnan(b.p[0]) for b in truth.beats)
    assert np.median([t.rr_s.std() / t.rr_s.mean() for t in batch.truth]) > 0.15
    regular = only("NORM", 20)
    assert np.median([t.rr_s.std() / t.rr_s.mean() for t in regular.truth]) < 0.06


@pytest.mark.parametrize("code", ["CLBBB", "CRBBB", "PACE"])
def test_wide_qrs_is_wide_in_truth_and_in_the_drawing(code):
    batch = only(code, 12)
    for signal, truth in zip(batch.signal_mv, batch.truth, strict=True):
        assert truth.qrs_ms >= 120
        beat = beats(truth)[2]
        on, off = (round(500 * t) for t in (beat.qrs[0], beat.qrs[2]))
        speed = np.linalg.norm(np.diff(signal, axis=1), axis=0)
        inside, before = speed[on:off].max(), speed[on - 8 : on - 4].max()
        if code != "PACE":  # the stimulus lies just before
            assert before < 0.1 * inside
        assert speed[off + 4 : off + 12].max() < 0.45 * inside


def test_left_bundle_branch_block_looks_like_one():
    batch = only("CLBBB", 30)
    right, left = [], []
    for signal, truth in zip(batch.signal_mv, batch.truth, strict=True):
        beat = beats(truth)[2]
        window = slice(round(500 * beat.qrs[0]), round(500 * beat.qrs[2]))
        level = signal[:, window.start - 2]
        right.append((signal[2, window] - level[2]).mean())
        left.append((signal[7, window] - level[7]).mean())
    assert np.mean(np.array(right) < 0) > 0.95
    assert np.mean(np.array(left) > 0) > 0.85


def test_normal_ecgs_have_normal_intervals():
    for truth in only("NORM", 60).truth:
        assert 100 < truth.pr_ms < 210
        assert 60 < truth.qrs_ms < 121
        assert truth.qtc_ms < 485
        assert -35 < truth.axis_deg < 105


def test_premature_ventricular_beat_has_a_compensatory_pause():
    found = 0
    for truth in only("PVC", 30).truth:
        kinds = [b.kind for b in truth.beats]
        onset = np.array([b.qrs[0] for b in truth.beats])
        for at, kind in enumerate(kinds):
            if kind != "PVC" or not 3 <= at < len(kinds) - 1 or "PVC" in kinds[at - 3 : at]:
                continue
            found += 1
            beat = truth.beats[at]
            assert np.isnan(beat.p[0])
            assert beat.qrs[2] - beat.qrs[0] >= 0.12
            sinus = onset[at - 1] - onset[at - 2]
            assert onset[at] - onset[at - 1] < 0.9 * sinus
            assert onset[at + 1] - onset[at - 1] == pytest.approx(2 * sinus, rel=0.2)
    assert found > 20


def test_premature_atrial_beat_resets_the_sinus_node():
    found = 0
    for truth in only("PAC", 20).truth:
        onset = np.array([b.qrs[0] for b in truth.beats])
        for at, beat in enumerate(truth.beats[:-1]):
            if beat.kind == "PAC" and at >= 2:
                found += 1
                assert np.isfinite(beat.p[0])
                assert onset[at + 1] - onset[at - 1] < 1.95 * (onset[at - 1] - onset[at - 2])
    assert found > 10


def test_bigeminy_alternates():
    kinds = [b.kind == "PVC" for b in only("BIGU", 1).truth[0].beats]
    assert all(a != b for a, b in itertools.pairwise(kinds))


def test_first_degree_block_is_long():
    assert all(t.pr_ms > 200 for t in only("1AVB", 20).truth)


@pytest.mark.parametrize("form", FINDINGS["2AVB"])
def test_second_degree_block_drops_beats(form):
    for truth in only("2AVB", 8, findings={"2AVB": form}).truth:
        conducted, blocked = beats(truth, "normal"), beats(truth, "blocked")
        assert blocked
        assert len(conducted) >= len(blocked) - 1
        pr = np.array([b.qrs[0] - b.p[0] for b in conducted])
        assert (np.ptp(pr) > 0.03) == (form == "mobitz1")


def test_wenckebach_pr_grows_until_a_beat_is_dropped():
    truth = only("2AVB", 1, findings={"2AVB": "mobitz1"}).truth[0]
    pr, grows = [], []
    for beat in truth.beats:
        if beat.kind == "blocked":
            grows += list(np.diff(pr))
            pr = []
        else:
            pr.append(beat.qrs[0] - beat.p[0])
    assert grows
    assert min(grows) > 0


def test_third_degree_block_has_more_p_waves_than_beats_and_no_link():
    for truth in only("3AVB", 8).truth:
        atrial, ventricular = beats(truth, "blocked"), beats(truth, "escape", "normal")
        assert len(atrial) > len(ventricular)
        assert truth.hr_bpm < 60
        assert np.isnan(truth.pr_ms)


def test_pre_excitation_has_short_pr_and_wide_qrs():
    for truth in only("WPW", 12).truth:
        assert truth.pr_ms < 135
        assert truth.qrs_ms > 100


def test_low_voltage_and_hypertrophy():
    low = only("LVOLT", 12).signal_mv[:, :2]
    assert np.median(np.ptp(low, axis=2).max(axis=1)) < 0.7
    tall, normal = (only(code, 30).signal_mv for code in ("LVH", "NORM"))

    def sokolow(x):
        return np.median(x[:, 6].max(axis=1) - x[:, 2].min(axis=1))

    assert sokolow(tall) > 1.25 * sokolow(normal)


def test_acute_infarct_lifts_st_over_its_wall_and_lowers_it_opposite():
    batch = only("IMI", 12, findings={"infarct": "acute"})
    for signal, truth in zip(batch.signal_mv, batch.truth, strict=True):
        beat = beats(truth)[3]
        level = signal[:, round(500 * beat.qrs[0]) - 2]
        st = signal[:, round(500 * (beat.qrs[2] + 0.04))] - level
        avf, avl = st[1] - 0.5 * st[0], st[0] - 0.5 * st[1]
        assert avf > 0.08
        assert avl < 0.02


def test_fascicular_blocks_turn_the_axis():
    assert all(-95 < t.axis_deg < -35 for t in only("LAFB", 12).truth)
    assert all(t.axis_deg > 90 for t in only("LPFB", 12).truth)


@pytest.mark.parametrize("code", sorted(KNOWN))
def test_every_statement_can_be_pinned_and_is_reported(code):
    batch = only(code, 2, seed=3)
    for truth in batch.truth:
        assert code in truth.statements
        assert truth.report_en
        assert truth.report_de


def test_reports_mention_every_statement():
    rng = np.random.default_rng(0)
    numbers = {"hr_bpm": 71.0, "pr_ms": 160.0, "qrs_ms": 90.0, "qt_ms": 400.0, "axis_deg": 40.0}
    for code in sorted(KNOWN):
        findings = {"infarct": "old"} if code in INFARCTS else {}
        for _ in range(6):
            with_code = write_reports(rng, [code], findings, **numbers)
            for text in with_code:
                found = re.split(r"[.,] ?", text)
                filler = r"(?i)(heart rate|frequenz|pr |pq |qrs \d|qt |.*axis|.*typ|lagetyp|steiltyp)"
                assert [s for s in found if s and not re.match(filler, s)], (code, text)


def test_statements_are_known_to_ptb_xl(data_dir):
    with (data_dir("ptb-xl") / "scp_statements.csv").open(encoding="utf-8") as handle:
        known = {row[0] for row in csv.reader(handle)}
    assert known >= KNOWN


def test_population_is_mostly_but_not_only_normal():
    hearts = [draw_heart(0, i) for i in range(600)]
    normal = np.mean(["NORM" in h.disease.codes for h in hearts])
    assert 0.42 < normal < 0.56
    many = [draw_heart(0, i, oversample={"CLBBB": 10.0}) for i in range(600)]

    def blocks(drawn):
        return sum("CLBBB" in h.disease.codes for h in drawn)

    assert blocks(many) > 3 * blocks(hearts)


@pytest.mark.parametrize(
    "wrong",
    [
        {"conditions": {"statements": ["XYZ"]}},
        {"conditions": {"rate": 70}},
        {"conditions": {"sex": "X"}},
        {"conditions": {"statements": ["EL"], "findings": {"EL": "flu"}}},
        {"conditions": [None, None]},
        {"noise": "loud"},
        {"noise": {"hum": 1.0}},
        {"oversample": {"XYZ": 2.0}},
    ],
)
def test_wrong_requests_are_refused(wrong):
    with pytest.raises(ValueError, match=r"\w"):
        simulate([0], seed=0, **wrong)
