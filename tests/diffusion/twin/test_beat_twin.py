"""Twins of a person's own beats, with the shipped weights."""

from dataclasses import replace

import numpy as np
import pytest

import gen
from diffusion.beats.own import own_beats
from diffusion.beats.plausible import fault
from diffusion.twin.batch import twins_of
from diffusion.twin.beat_edit import held, possible
from diffusion.twin.beat_twin import BeatTwinPipeline
from diffusion.twin.change import Change
from gen import cli
from gen.leads import LEADS_8, limb_lead_residual
from gen.records import EcgRecord, InputError
from gen.simulate import simulate
from metrics.measurement.criteria import CRITERIA
from metrics.measurement.records import measure_records


def ecg(index=3, visit=0, **specification):
    return simulate(
        [index],
        seed=5,
        visit=visit,
        noise="light",
        conditions={"statements": ["SR", "NORM"], "heart_rate": 68, **specification},
    ).records()[0]


@pytest.fixture(scope="module")
def pipe():
    pipeline = gen.load("twin")
    assert isinstance(pipeline, BeatTwinPipeline)
    return pipeline


@pytest.fixture(scope="module")
def record():
    return ecg()


@pytest.fixture(scope="module")
def person(pipe, record):
    return pipe.prepare(record)


def middle(record, times, half_s=0.06):
    """Median QRS (8, time) of a record's beats at known times."""
    fs, signal = record.fs_hz, record.to_8().signal_mv
    at = np.rint(np.asarray([t for t in times if 0.4 < t < record.duration_s - 0.4]) * fs).astype(int)
    half = round(half_s * fs)
    cut = np.stack([signal[:, k - half : k + half] for k in at])
    return np.median(cut, axis=0) - np.median(cut, axis=0)[:, :4].mean(axis=1, keepdims=True)


def test_another_recording_has_the_persons_own_beats_and_rate(pipe, record, person):
    (twin,) = pipe.twins(person, Change(same=True), pipe.sampling(), seed=4)
    assert twin.synthetic
    assert limb_lead_residual(twin.signal_mv, twin.leads) < 1e-6
    own = middle(record, person.seen[0].beats.beats.plan.times_s)
    drawn = middle(twin, twin.metadata["beats"]["times_s"])
    assert np.corrcoef(own.ravel(), drawn.ravel())[0, 1] > 0.97
    before, after = measure_records([record, twin.at(record.fs_hz)])
    assert after.hr_bpm == pytest.approx(before.hr_bpm, abs=2)
    assert not np.array_equal(twin.signal_mv, record.signal_mv)


def test_a_rate_is_had_and_the_complex_stays(pipe, record, person):
    (twin,) = pipe.twins(person, Change(heart_rate=105), pipe.sampling(), seed=1)
    (found,) = measure_records([twin])
    assert found.hr_bpm == pytest.approx(105, abs=2)
    before = person.seen[0].measured
    assert found.qrs_ms == pytest.approx(before.qrs_ms, abs=14)
    assert found.qt_ms < before.qt_ms
    own = middle(record, person.seen[0].beats.beats.plan.times_s, 0.04)
    assert np.corrcoef(own.ravel(), middle(twin, twin.metadata["beats"]["times_s"], 0.04).ravel())[0, 1] > 0.95


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("left bundle branch block", "CLBBB"),
        ("left ventricular hypertrophy", "LVH"),
        ("low voltage", "LVOLT"),
        ("atrial fibrillation", "AFIB"),
        ("first degree AV block", "1AVB"),
    ],
)
def test_a_finding_is_shown(pipe, person, words, code):
    change = Change(add=words)
    (twin,) = pipe.twins(person, change, pipe.sampling(), seed=2)
    (found,) = measure_records([twin])
    assert CRITERIA[code].met(found, person.condition.sex) == (code not in twin.metadata.get("not_shown", ()))
    assert "not_shown" not in twin.metadata
    assert not CRITERIA[code].met(person.seen[0].measured, person.condition.sex)


def test_the_condition_is_kept_with_the_record(pipe, record, person):
    first, second = pipe(record, "left bundle branch block", heart_rate=95, num=2, seed=3)
    assert first.record_id == f"{record.record_id}_twin_000000"
    assert first.statements == {"CLBBB": 100.0}
    assert first.metadata["generator"] == "physiogen twin"
    assert first.metadata["model"] == pipe.digests["change"]
    assert first.metadata["request"]["heart_rate"] == 95
    assert len(first.metadata["beats"]["symbols"]) == len(first.metadata["beats"]["times_s"]) > 10
    assert not np.allclose(first.signal_mv, second.signal_mv)
    (score, _) = pipe.scores(person, [first, second], Change(text="left bundle branch block", heart_rate=95))
    assert score.checks["CLBBB"]
    assert score.checks["heart_rate"]


def test_a_sample_is_the_same_whatever_is_made_with_it(pipe, person):
    other = pipe.prepare(ecg(8))
    changes = [Change(add="right bundle branch block"), Change(heart_rate=90), Change(add="atrial fibrillation")]
    people = [person, other, person]
    settings = pipe.sampling()
    whole = twins_of(pipe, people, changes, settings, seed=7)
    parts = twins_of(pipe, people, changes, settings, seed=7, batch_size=1)
    late = twins_of(pipe, people[2:], changes[2:], settings, seed=7, first=2)
    for one, again in ((whole[0], parts[0]), (whole[1], parts[1]), (whole[2], parts[2]), (whole[2], late[0])):
        assert np.array_equal(one.signal_mv, again.signal_mv)
    many = pipe(person, heart_rate=90, num=3, seed=1, output_type="np")
    assert np.array_equal(pipe(person, heart_rate=90, num=1, seed=1, output_type="np")[0], many[0])


def test_strength_goes_from_the_own_beat_to_the_whole_change(pipe, person):
    own = person.seen[0].beats.shape

    def shape(strength):
        change = Change(add="left bundle branch block")
        drawn = pipe._drawer.drawn(person, change, person.under(change), 11, pipe.sampling(), strength)
        return drawn.strip.shapes["own"]

    none, half, whole = (shape(s) for s in (0.0, 0.5, 1.0))
    assert np.allclose(none.qrst, own.qrst)
    assert none.off_s - none.on_s == pytest.approx(own.off_s - own.on_s)
    widths = [s.off_s - s.on_s for s in (none, half, whole)]
    assert widths[0] < widths[1] < widths[2]


def test_premature_beats_come_with_the_words_and_go_with_them(pipe, person):
    (twin,) = pipe.twins(person, Change(text="sinus rhythm, ventricular bigeminy"), pipe.sampling(), seed=2)
    assert twin.metadata["beats"]["symbols"].count("V") >= 3
    ectopic = pipe.prepare(ecg(statements=["SR", "PVC"]))
    (calm,) = pipe.twins(ectopic, Change(remove="ventricular premature beats"), pipe.sampling(), seed=2)
    assert set(calm.metadata["beats"]["symbols"]) == {"N"}


def test_fibrillating_atria_lose_p_and_get_waves(pipe, person):
    (twin,) = pipe.twins(person, Change(add="atrial fibrillation"), pipe.sampling(), seed=5)
    assert twin.metadata["beats"]["atrial"] == "fibrillation"
    assert twin.metadata["beats"]["p_onsets_s"] == []
    back = pipe.prepare(twin)
    (sinus,) = pipe.twins(back, Change(remove="atrial fibrillation"), pipe.sampling(), seed=5)
    assert len(sinus.metadata["beats"]["p_onsets_s"]) >= 8
    (found,) = measure_records([sinus])
    assert found.p_present > 0.5


def test_numbers_that_are_asked_for(pipe, person):
    (twin,) = pipe(person, heart_rate=70, qrs_ms=140, pr_ms=220, seed=3)
    (found,) = measure_records([twin])
    assert found.qrs_ms > person.seen[0].measured.qrs_ms + 20
    assert found.pr_ms == pytest.approx(220, abs=20)


def test_strips_of_other_lengths_and_rates(pipe, person):
    twin = pipe(person, heart_rate=70, seed=3, duration_s=25.0, fs_hz=250.0)[0]
    assert (twin.fs_hz, twin.duration_s) == (250.0, 25.0)
    assert len(twin.metadata["beats"]["times_s"]) == pytest.approx(25 * 70 / 60, abs=2)


def test_of_several_recordings_the_nearest_is_used(pipe, record):
    blocked = ecg(statements=["SR", "CLBBB"], heart_rate=70)
    both = pipe.prepare([record, blocked])
    assert both.nearest(both.under(Change(add="left bundle branch block"))).condition.text.codes() >= {"CLBBB"}
    assert both.nearest(both.under(Change(heart_rate=90))) is both.seen[0]


def test_what_no_heart_makes_is_brought_to_what_one_can(person):
    shape = person.seen[0].beats.shape
    assert np.array_equal(possible(shape).qrst, shape.qrst)
    huge = replace(shape, qrst=20.0 * shape.qrst, p=20.0 * shape.p)
    assert fault(huge)
    assert not fault(possible(huge))


def test_what_is_too_large_is_held(pipe, person, record):
    shape = person.seen[0].beats.shape
    loud = replace(record, signal_mv=6.0 * record.signal_mv)
    (found,) = measure_records([loud])
    smaller = held(shape.mixed(6.0 * np.eye(8)), found, ["CLBBB"])
    assert np.abs(smaller.qrst).max() < 6.0 * np.abs(shape.qrst).max()
    assert np.allclose(held(shape, person.seen[0].measured, []).qrst, shape.qrst)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"guidance_scale": 2.0}, "guidance_scale"),
        ({"negative_prompt": "LVH"}, "negative_prompt"),
        ({"scheduler": "ddim"}, "scheduler"),
        ({"strength": 1.5}, "strength 1.5"),
        ({"num": 0}, "num 0"),
        ({"duration_s": 90.0}, "duration 90"),
    ],
)
def test_settings_that_mean_nothing_are_refused(pipe, person, options, words):
    with pytest.raises(InputError, match=words):
        pipe(person, heart_rate=80, **options)


def moving(record):
    """A recording that is mostly movement, from 1 to 8 Hz; the beats stand out of it now and then."""
    eight = record.to_8().signal_mv
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(eight.shape), axis=1)
    frequency = np.fft.rfftfreq(eight.shape[1], 1 / record.fs_hz)
    noise = np.fft.irfft(np.where((frequency > 1) & (frequency < 8), spectrum, 0), eight.shape[1], axis=1)
    noisy = eight + 1.6 * eight.std() / noise.std() * noise
    return EcgRecord(noisy.astype(np.float32), record.fs_hz, LEADS_8, record_id="moving")


def test_movement_is_no_reference(pipe, record):
    with pytest.raises(InputError, match="not usable as a reference"):
        pipe.prepare(moving(record))


def test_exchanged_arms_and_too_few_beats_are_no_reference(pipe, record):
    arms = record.to_8().signal_mv.copy()
    arms[0], arms[1] = -arms[0], arms[1] - arms[0]
    with pytest.raises(InputError, match="electrodes of the arms look exchanged"):
        pipe.prepare(EcgRecord(arms, record.fs_hz, LEADS_8, record_id="arms"))
    slow = ecg(statements=["SR", "SBRAD"], heart_rate=30)
    short = replace(slow, signal_mv=slow.signal_mv[:, : round(4.0 * slow.fs_hz)])
    with pytest.raises(InputError, match=r"not usable as a reference: .*(fewer than|too few)"):
        pipe.prepare(short)


def test_the_share_that_beats_explain_falls_with_noise(person, record):
    beats = person.seen[0].beats.beats
    signal = record.to_8().signal_mv.astype(np.float64)
    noise = np.random.default_rng(0).standard_normal(signal.shape)
    shares = [own_beats(signal + size * noise, record.fs_hz, beats).explained for size in (0.0, 0.1, 0.5)]
    assert shares[0] > 0.9
    assert shares[0] > shares[1] > shares[2]


def test_a_saved_pipeline_makes_the_same(pipe, person, tmp_path):
    pipe.save_pretrained(tmp_path / "saved")
    again = gen.load(tmp_path / "saved")
    one, two = (p.twins(person, Change(heart_rate=90), p.sampling(), seed=1)[0] for p in (pipe, again))
    assert np.array_equal(one.signal_mv, two.signal_mv)
    with pytest.raises(InputError, match="no twin's weights"):
        BeatTwinPipeline.from_pretrained(tmp_path)


def test_the_command_writes_annotations_and_warns(record, tmp_path, capsys):
    gen.write(record, tmp_path / "reference.npz")
    given = ["twin", str(tmp_path / "reference.npz"), "--add", "left bundle branch block", "--hr", "95", "-n", "2"]
    status = cli.run([*given, "--seed", "3", "--seconds", "12", "--out", str(tmp_path / "out")])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    assert captured.out.startswith("2 synthetic ECGs of one person")
    assert len(list((tmp_path / "out").rglob("*.atr"))) == 2
    assert [r.duration_s for r in gen.io.read_set(tmp_path / "out")] == [12.0, 12.0]
    status = cli.run([*given, "--negative", "LVH", "--out", str(tmp_path / "no")])
    err = capsys.readouterr().err.splitlines()
    assert (status, len(err)) == (2, 1)
    assert "weights of latents" in err[0]
    assert not (tmp_path / "no").exists()
