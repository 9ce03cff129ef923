"""Retrieval of recorded people, probes, and the command's report on simulated visits with a known extractor."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from diffusion.evaluation.identity import evaluate, probe, retrieval, separation
from gen.records import InputError, Patient
from gen.simulate import simulate


def test_people_who_come_twice_are_found(rng):
    centres = rng.normal(size=(30, 16))
    who = [*map(str, range(30)), *map(str, range(10))]
    near = np.concatenate([centres, centres[:10] + 0.05 * rng.normal(size=(10, 16))])
    found = retrieval(near, who)
    assert (found["rank_1"], found["persons"], found["gallery"]) == (1.0, 10, 30)
    assert found["eer"] < 0.02
    chance = retrieval(rng.normal(size=(40, 16)), who)
    assert chance["rank_1"] < 0.4
    low, high = chance["eer_interval"]
    assert low <= chance["eer"] <= high


def test_separation_of_people_with_several_recordings(rng):
    """Orthogonal people whose recordings are one vector each: cosine 1 within, below 0 between, once centred."""
    axes = np.eye(6)
    who = [*"aabbccdef"]
    same = np.stack([axes["abcdef".index(person)] for person in who])
    found = separation(same, who)
    assert (found["persons"], found["recordings"]) == (3, 6)
    assert found["intra_cosine"] == pytest.approx([1, 1, 1])
    assert found["silhouette"] == pytest.approx([1, 1, 1])
    assert found["inter_cosine"][0] < 0
    mixed = separation(rng.normal(size=(40, 8)), [f"{k % 20}" for k in range(40)])
    assert mixed["silhouette"][0] < 0.1
    assert mixed["intra_cosine"][1] <= mixed["intra_cosine"][0] <= mixed["intra_cosine"][2]
    with pytest.raises(InputError, match="1 with two recordings"):
        separation(same[:3], who[:3])


def test_strangers_of_another_condition_do_not_compete():
    features = np.array([[1.0, 0.0], [0.99, 0.1], [0.0, 1.0], [0.9, 0.1]])
    who, strata = ["a", "b", "c", "a"], ["x", "y", "x", "x"]
    assert retrieval(features, who, strata)["rank_1_chance"] == 0.5
    assert retrieval(features, who)["rank_1_chance"] == pytest.approx(1 / 3)


def test_nobody_twice_is_refused(rng):
    with pytest.raises(InputError, match="nobody has two"):
        retrieval(rng.normal(size=(4, 3)), list("abcd"))


def test_probes_find_what_is_there_and_nothing_else(rng):
    features = rng.normal(size=(300, 12))
    target = features[:, 0] * 3 + 0.1 * rng.normal(size=300)
    target[:5] = np.nan
    assert probe(features, target) > 0.9
    assert probe(features, rng.normal(size=300)) < 0.1
    assert probe(features, (features[:, 1] > 0).astype(float)) > 0.9
    assert 0.3 < probe(features, rng.integers(0, 2, 300).astype(float)) < 0.7


def test_the_report_of_an_extractor_that_knows(rng):
    records = [
        replace(record, patient=Patient(record.patient.id, float(40 + k), "FM"[k % 2]))
        for visit in (0, 1)
        for k, record in enumerate(simulate(range(12), seed=1, visit=visit, fs_hz=500).records())
    ]
    who = [record.patient.id for record in records]
    known = {person: torch.from_numpy(rng.normal(size=8).astype(np.float32)) for person in who}

    def prepare(record):
        if record is records[3]:
            raise InputError("not usable")
        return SimpleNamespace(
            base=known[record.patient.id][None], condition=SimpleNamespace(heart_rate=70.0 + rng.random())
        )

    report = evaluate(SimpleNamespace(prepare=prepare), records, who)
    assert report["left_out"] == 1
    assert report["identity embedding"]["all strangers"]["rank_1"] == 1.0
    assert (
        report["identity embedding"]["separation"]["silhouette"][0]
        > report["classifier"]["separation"]["silhouette"][0]
    )
    assert set(report["classifier"]) >= {"rate_r2", "age_r2", "sex_auroc", "norm_auroc"}
