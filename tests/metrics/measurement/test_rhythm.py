"""Rhythm statements and kinds of beats, on simulated ECGs whose rhythm is known."""

import numpy as np
import pytest

from gen.simulate import simulate
from metrics.measurement.beats import associate
from metrics.measurement.conduction import Block, block_of
from metrics.measurement.delineation.segments import Segments
from metrics.measurement.flutter import _frequencies, explained, flutter_waves
from metrics.measurement.records import measure_records
from metrics.measurement.rhythm import ATRIAL, PACED, VENTRICULAR, _grouped


def measured(code, rate=None, count=12, seed=21):
    specification = {"statements": [code]} | ({} if rate is None else {"heart_rate": rate})
    batch = simulate(range(count), seed=seed, noise="light", conditions=specification)
    return batch, measure_records(batch.records())


@pytest.mark.parametrize(
    ("code", "rate", "accepted", "least"),
    [
        ("SR", 72, {"SR", "SARRH"}, 10),
        ("SBRAD", 48, {"SBRAD"}, 10),
        ("STACH", 108, {"STACH"}, 7),
        ("AFIB", 90, {"AFIB"}, 9),
        ("AFLT", None, {"AFLT"}, 8),
        ("2AVB", None, {"2AVB"}, 10),
        ("3AVB", None, {"3AVB"}, 7),
        ("PACE", 70, {"PACE"}, 8),
        ("BIGU", None, {"BIGU"}, 8),
    ],
)
def test_rhythms_are_named(code, rate, accepted, least):
    _, found = measured(code, rate)
    assert sum(p.rhythm.code in accepted for p in found) >= least, [p.rhythm for p in found]
    assert all(p.rhythm.words for p in found)


def test_normal_beats_are_no_extrasystoles():
    _, found = measured("SR", 72)
    kinds = [kind for p in found for _, kind in p.beat_kinds]
    assert np.mean([kind in (VENTRICULAR, ATRIAL, PACED) for kind in kinds]) < 0.05


@pytest.mark.parametrize("code", ["AFIB", "AFLT", "2AVB"])
def test_intervals_that_vary_by_themselves_make_no_extrasystoles(code):
    _, found = measured(code)
    named = [p for p in found if p.rhythm.code == code]
    assert named
    assert all(kind != ATRIAL for p in named for _, kind in p.beat_kinds)


def test_ventricular_extrasystoles_are_seen():
    _, found = measured("PVC", 72)
    assert sum(any(kind == VENTRICULAR for _, kind in p.beat_kinds) for p in found) >= 8


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ("nvnvnvnvnv", "BIGU"),
        ("nanananan", "BIGU"),
        ("nnvnnvnnvnn", "TRIGU"),
        ("nvnvnnnnnnnnnn", None),  # two extrasystoles are no bigeminy
        ("nvnvnvnnnnnnnnnnnnnnnnnn", None),  # nor is a short spell of it the rhythm
        ("vvvvvvvv", None),
        ("nnnnnnnn", None),
    ],
)
def test_extrasystoles_that_come_in_groups(kinds, code):
    names = {"n": "normal", "v": VENTRICULAR, "a": ATRIAL}
    assert _grouped([names[kind] for kind in kinds]) == code


def waves(qrs, p):
    """Complexes of 100 ms and P waves of 90 ms with these onsets in seconds, T after each complex."""
    qrs, p = np.array(qrs), np.array(p)
    lasting = ((p, 0.09), (qrs, 0.1), (qrs + 0.25, 0.15))
    segments = [Segments(on, on + length, np.ones(len(on))) for on, length in lasting]
    return associate(*segments), segments[0]


def dropped(pr, every):
    """Atria at 75 bpm; PR of each beat of a period, and the last P wave of it is not conducted."""
    p = 0.3 + 0.8 * np.arange(12)
    qrs = [at + pr[k % every] for k, at in enumerate(p) if k % every < len(pr)]
    return waves(qrs, p)


def test_blocks_are_told_apart_by_what_pr_does_around_a_dropped_beat():
    assert block_of(*dropped([0.16, 0.22, 0.26], 4)) == Block("2AVB", "Mobitz I", 75.0)
    assert block_of(*dropped([0.18, 0.18, 0.18], 4)) == Block("2AVB", "Mobitz II", 75.0)
    assert block_of(*dropped([0.18], 2)) == Block("2AVB", "2:1", 75.0)
    assert block_of(*dropped([0.18], 1)) is None  # all conducted
    assert block_of(*waves(0.5 + 1.4 * np.arange(7), 0.3 + 0.8 * np.arange(12))) == Block("3AVB", "", 75.0)


def test_a_wenckebach_period_is_seen_where_its_last_p_lies_in_the_t_wave():
    beats, p = dropped([0.16, 0.22, 0.26], 4)
    seen = p.take(np.arange(len(p)) % 4 != 3)
    assert block_of(beats, seen).form == "Mobitz I"


def test_a_pause_after_an_early_p_wave_is_no_block():
    p = np.array([0.3, 1.1, 1.9, 2.4, 3.2, 4.0, 4.8, 5.3, 6.1, 6.9])  # two blocked premature ones
    qrs = np.delete(p, [3, 7]) + 0.16
    assert block_of(*waves(qrs, p)) is None


def test_flutter_waves_have_one_rate_and_phase(rng):
    time = np.arange(5000) / 500
    beats, _ = waves(np.cumsum(rng.uniform(0.5, 1.1, 10)), [0.1, 0.2, 0.3])
    noise = 0.02 * rng.standard_normal((2, len(time)))
    saw = sum(np.sin(2 * np.pi * k * 4.9 * time) / k for k in (1, 2, 3)) * 0.1
    found = flutter_waves((noise + [[0.2], [1.0]] * saw).astype(np.float32), 500.0, ("I", "II"), beats)
    assert abs(found.hz - 4.9) < 0.03
    assert found.share > 0.9
    wandering = np.sin(2 * np.pi * np.cumsum(rng.uniform(4, 7, len(time) // 50).repeat(50)) / 500)
    other = flutter_waves((noise + 0.1 * wandering).astype(np.float32), 500.0, ("I", "II"), beats)
    assert other is None or other.share < 0.5


def test_shares_are_those_of_least_squares(rng):
    signal, kept = rng.standard_normal((2, 1250)), rng.random(1250) < 0.6
    time, y = np.arange(1250)[kept] / 125, signal[:, kept].T - signal[:, kept].T.mean(axis=0)
    for k, hz in enumerate(_frequencies()[::40]):
        table = [np.ones(len(time))]
        table += [f(2 * np.pi * n * hz * time) for n in (1, 2) for f in (np.cos, np.sin)]
        left = y - np.stack(table, axis=1) @ np.linalg.lstsq(np.stack(table, axis=1), y, rcond=None)[0]
        share = 1 - (left**2).sum(axis=0) / (y**2).sum(axis=0)
        np.testing.assert_allclose(explained(signal, kept)[::40][k], share, atol=1e-5)


def test_a_block_has_a_rate_of_the_atria_too():
    _, found = measured("3AVB")
    blocked = [p for p in found if p.rhythm.code in ("2AVB", "3AVB")]
    rates = [p.rhythm.atrial_bpm for p in blocked]
    assert sum(rate is not None for rate in rates) >= 5
    assert all(rate is None or rate > p.hr_bpm for rate, p in zip(rates, blocked, strict=True))


def test_a_rate_that_is_printed_as_60_is_no_bradycardia():
    hearts = simulate(range(6), seed=3, noise="none", conditions={"heart_rate": 60}).records()
    found = [p for p in measure_records(hearts) if p.rhythm.code in ("SR", "SBRAD")]
    assert any(p.hr_bpm < 60 for p in found)
    assert all(p.rhythm.code == ("SBRAD" if round(p.hr_bpm) < 60 else "SR") for p in found)
