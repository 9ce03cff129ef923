"""Rhythm statements and kinds of beats, on simulated ECGs whose rhythm is known."""

import numpy as np
import pytest

from gen.simulate import simulate
from metrics.measurement.records import measure_records
from metrics.measurement.rhythm import ATRIAL, PACED, VENTRICULAR, _grouped


def measured(code, rate=None, count=12, seed=21):
    wish = {"statements": [code]} | ({} if rate is None else {"heart_rate": rate})
    batch = simulate(range(count), seed=seed, noise="light", conditions=wish)
    return batch, measure_records(batch.records())


@pytest.mark.parametrize(
    ("code", "rate", "accepted", "least"),
    [
        ("SR", 72, {"SR", "SARRH"}, 10),
        ("SBRAD", 48, {"SBRAD"}, 10),
        ("STACH", 108, {"STACH"}, 7),
        ("AFIB", 90, {"AFIB"}, 9),
        ("2AVB", None, {"2AVB", "3AVB"}, 5),
        ("3AVB", None, {"3AVB", "2AVB"}, 5),
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


def test_a_block_has_a_rate_of_the_atria_too():
    _, found = measured("3AVB")
    blocked = [p for p in found if p.rhythm.code in ("2AVB", "3AVB")]
    assert blocked
    assert all(p.rhythm.atrial_bpm > p.hr_bpm for p in blocked)


def test_a_rate_that_is_printed_as_60_is_no_bradycardia():
    hearts = simulate(range(6), seed=3, noise="none", conditions={"heart_rate": 60}).records()
    found = [p for p in measure_records(hearts) if p.rhythm.code in ("SR", "SBRAD")]
    assert any(p.hr_bpm < 60 for p in found)
    assert all(p.rhythm.code == ("SBRAD" if round(p.hr_bpm) < 60 else "SR") for p in found)
