"""The model of the graders: what it is by construction, and that its fit finds what is there."""

import csv
import json

import numpy as np
import pytest

from gen.datasets.cinc2011 import read_graded
from gen.io.wfdb import write_wfdb
from gen.leads import LEADS_12
from gen.quality.acceptance import AcceptanceModel, judge, model_from, shipped
from gen.quality.features import FS_HZ, LEAD_FEATURES, agreement, lead_features
from gen.records import EcgRecord, InputError

WIDTH = len(LEAD_FEATURES)


def beats(seconds: float = 10.0, fs_hz: float = FS_HZ, leads: int = 3, noise_mv: float = 0.01) -> np.ndarray:
    """(lead, time) narrow complexes and T waves at 75/min."""
    time = np.arange(round(seconds * fs_hz)) / fs_hz
    centres = np.arange(0.5, seconds, 0.8)[:, None]
    one = np.exp(-0.5 * ((time - centres) / 0.012) ** 2).sum(axis=0)
    one += 0.3 * np.exp(-0.5 * ((time - centres - 0.28) / 0.05) ** 2).sum(axis=0)
    heights = np.linspace(0.7, 1.3, leads)[:, None]
    return heights * one + noise_mv * np.random.default_rng(0).standard_normal((leads, time.size))


def column(features: np.ndarray, name: str) -> np.ndarray:
    return features[:, LEAD_FEATURES.index(name)]


@pytest.mark.parametrize("fs_hz", [125.0, 250.0, 360.0, 500.0])
def test_features_of_clean_beats(fs_hz):
    features, found = lead_features(beats(fs_hz=fs_hz), fs_hz)
    assert features.shape == (3, WIDTH)
    np.testing.assert_allclose(found[1:-1], np.arange(0.5, 10, 0.8)[1:-1], atol=0.03)
    assert np.all(column(features, "alike") > 0.95)
    assert np.all(column(features, "agrees") > 0.95)
    assert np.all(column(features, "still") < 0.2)
    assert np.all(column(features, "wild") == 0)


def test_features_do_not_see_an_offset():
    signal = beats()
    shifted, _ = lead_features(signal + np.array([[1.5], [-2.0], [40.0]]), FS_HZ)
    np.testing.assert_allclose(shifted, lead_features(signal, FS_HZ)[0], atol=1e-6)


def test_size_and_step_are_in_millivolt():
    signal = beats()
    signal[0, 1250:] += 3.0
    features, _ = lead_features(signal, FS_HZ)
    assert np.exp(column(features, "log_step")[0]) == pytest.approx(3.0, rel=0.05)
    assert np.exp(column(features, "log_step")[1]) < 0.3
    sine = np.sin(2 * np.pi * 50.3 * np.arange(2500) / FS_HZ)  # in no phase with the beats
    mains, _ = lead_features(beats() + 0.1 * sine, FS_HZ)
    height = np.linspace(0.7, 1.3, 3)
    np.testing.assert_allclose(np.exp(column(mains, "log_mains_share")), 0.1 / np.sqrt(2) / height, rtol=0.25)


def test_agreement_of_beats():
    assert agreement(np.array([1.0, 2.0, 3.0]), np.array([1.05, 2.0, 3.0])) == 1.0
    assert agreement(np.array([1.0, 2.0]), np.array([1.0, 1.5, 2.0, 2.5])) == pytest.approx(2 * 2 / 6)
    assert agreement(np.zeros(0), np.array([1.0])) == 0.0


def model(softness: float = 1.0) -> AcceptanceModel:
    rng = np.random.default_rng(0)
    above, below = rng.standard_normal((2, WIDTH))
    return AcceptanceModel(np.zeros(WIDTH), np.ones(WIDTH), above, below, -0.5, softness, 0.5, {})


def test_a_recording_of_equal_leads_is_as_good_as_each_of_them():
    scores = np.full((2, 12), 1.7)
    np.testing.assert_allclose(model(0.5).record(scores), 1.7)
    mixed = np.array([-4.0, 3.0])
    soft, hard = model(1.0).record(mixed), model(1e-3).record(mixed)
    assert mixed.mean() < soft < hard < mixed.max() + 1e-9
    assert hard == pytest.approx(3.0, abs=0.01)


def test_the_model_survives_its_file():
    one = model()
    again = model_from(json.loads(json.dumps(one.as_dict())))
    features = np.random.default_rng(1).standard_normal((5, 12, WIDTH))
    np.testing.assert_allclose(again.leads(features), one.leads(features), atol=1e-3)
    wrong = one.as_dict() | {"features": ["other"]}
    with pytest.raises(ValueError, match="train gen/quality"):
        model_from(wrong)


def test_a_lead_is_judged_by_its_median_stretch_and_not_where_it_is_missing():
    signal = beats(seconds=30, leads=2)
    noise = np.random.default_rng(0).standard_normal(2500)
    signal[0, :2500] = noise  # one stretch of three
    assert judge(signal, FS_HZ).scores[0] < 0
    signal[0] = np.random.default_rng(0).standard_normal(7500)
    assert judge(signal, FS_HZ).scores[0] > 0
    signal[1] = np.nan
    found = judge(signal, FS_HZ)
    assert np.isnan(found.scores[1])
    assert found.probability < 0.5
    assert np.isnan(judge(signal[:, :500], FS_HZ).probability)


def test_the_shipped_model_was_made_from_two_thirds():
    about = shipped().about
    assert "held out" in about["split"]
    assert about["records"] == {"accepted": 336, "not accepted": 58}
    assert 0.5 < shipped().accepted_from < 0.95  # graders refused one in seven, so half would let most of those pass


def test_the_working_point_lies_between_what_is_told_apart():
    pytest.importorskip("torch")
    from gen.training.quality import fit_model, working_point

    rng = np.random.default_rng(1)
    features = rng.standard_normal((200, 4, WIDTH))
    bad = np.arange(200) < 20
    features[bad, 0, 2] += 8.0
    point = working_point(features, bad, 0.1, 0.5, seed=3)
    model = fit_model(features, bad, 0.1, 0.5)
    accepted = 1 / (1 + np.exp(model.record(model.leads(features))))
    assert accepted[bad].max() < point < np.median(accepted[~bad])
    assert point == working_point(features, bad, 0.1, 0.5, seed=3)


def test_the_fit_finds_the_lead_that_decides():
    pytest.importorskip("torch")
    from gen.training.quality import fit_model

    rng = np.random.default_rng(0)
    features = rng.standard_normal((300, 6, WIDTH))
    bad = rng.random(300) < 0.4
    features[bad, rng.integers(0, 6, bad.sum()), 3] += 5.0
    fitted = fit_model(features, bad, 0.1, 0.5)
    assert fitted.above[3] == np.max(np.abs(np.concatenate([fitted.above, fitted.below])))
    scores = fitted.record(fitted.leads(features))
    assert (scores[bad][:, None] > scores[~bad][None]).mean() > 0.97


def miniature(folder, labels: dict[str, str]) -> None:
    rng = np.random.default_rng(0)
    for number, name in enumerate(labels):
        signal = rng.standard_normal((12, 1000)) if number else np.zeros((12, 1000))
        write_wfdb(EcgRecord(signal, 500.0, LEADS_12, record_id=name), folder / name)


def test_graded_recordings_fall_into_thirds_once_each(tmp_path):
    labels = {f"r{k:02d}": "acceptable" if k % 3 else "unacceptable" for k in range(18)} | {"x": "indeterminate"}
    miniature(tmp_path, labels)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("record", "label"), *labels.items()])
    graded = list(read_graded(tmp_path))
    assert [item.record.record_id for item in graded] == sorted(name for name in labels if name != "x")
    parts = [item.part for item in graded]
    assert {part: parts.count(part) for part in set(parts)} == {"learn": 6, "choose": 6, "test": 6}
    assert [item.part for item in read_graded(tmp_path)] == parts
    assert [item.part for item in read_graded(tmp_path, seed=1)] != parts
    (tmp_path / "labels.csv").unlink()
    with pytest.raises(InputError, match=r"labels\.csv"):
        list(read_graded(tmp_path))
    (tmp_path / "RECORDS-acceptable").write_text("r01\nr02\nr04\n")
    (tmp_path / "RECORDS-unacceptable").write_text("r03\nr06\nr09\n")
    assert sum(item.acceptable for item in read_graded(tmp_path)) == 3
