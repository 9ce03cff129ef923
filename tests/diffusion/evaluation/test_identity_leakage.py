"""What attacks read from vectors whose content is known, and what noise and a bottleneck leave of it."""

import json
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from diffusion.evaluation import identity_leakage as persons_audit
from diffusion.evaluation.identity_leakage import People, attacks, audit, bottleneck, inversion, noisy
from gen.cli import run
from gen.io import RecordSetWriter
from gen.records import InputError
from gen.results import Results
from gen.simulate import simulate


@dataclass(frozen=True)
class Told:
    age: float | None
    sex: str | None
    heart_rate: float = 70.0
    pr_ms: float = 160.0
    qrs_ms: float = 90.0
    qt_ms: float = 400.0
    axis_deg: float = 40.0


def people(rng, count=60, width=12):
    """Each person twice: vectors that hold identity and age, beats that are linear in the vectors."""
    own = rng.standard_normal((count, width))
    vectors = np.concatenate([own, own + 0.05 * rng.standard_normal(own.shape)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    who = [f"p{k % count}" for k in range(2 * count)]
    age = 60 + 15 * vectors[:, 0]
    nothing = rng.standard_normal(2 * count)
    beats = vectors @ rng.standard_normal((width, 40)) + 0.01 * rng.standard_normal((2 * count, 40))
    sex = (rng.random(2 * count) < 0.5).astype(float)
    return People(
        vectors, vectors[:, 1:], who, np.column_stack([age, sex]), age, sex, nothing, np.full(2 * count, np.nan), beats
    )


def test_noise_has_the_length_asked_for(rng):
    vectors = np.eye(400)
    assert np.array_equal(noisy(vectors, 0.0), vectors)
    moved = noisy(vectors, 1.0)
    assert np.linalg.norm(moved, axis=1) == pytest.approx(1)
    # v + n with |n| = 1 and n orthogonal to v on average: cosine 1 / sqrt(2).
    assert (moved * vectors).sum(axis=1).mean() == pytest.approx(1 / np.sqrt(2), abs=0.02)


def test_the_bottleneck_keeps_the_largest_directions(rng):
    spread = rng.standard_normal((200, 6)) * [5, 3, 1, 0.1, 0.1, 0.1]
    kept = bottleneck(spread, 2, spread)
    assert kept.shape == (200, 2)
    assert kept.var(axis=0) == pytest.approx(np.sort(np.linalg.eigvalsh(np.cov(spread.T, ddof=0)))[::-1][:2])


def test_attacks_find_what_is_there_and_nothing_else(rng):
    known = people(rng)
    found = attacks(known.bases, known)
    assert found["rank_1"][0] == 1
    assert found["queries"] == 60
    assert found["age_r2"] > 0.95
    assert found["rate_r2"] < 0.1
    assert 0.25 < found["sex_auroc"] < 0.75
    assert found["normal_auroc"] is None
    value, low, high = found["beat_r2"]
    assert 0.95 < low <= value <= high <= 1


def test_defences_take_from_every_attack(rng):
    known = people(rng)
    report = audit(known)
    rank = [report[name]["rank_1"][0] for name in ("identity embedding", "noise 0.5", "noise 1", "noise 2")]
    assert rank[0] == 1
    assert rank[1] > rank[2] > rank[3]
    for name in ("noise 2", "4 components"):
        assert report[name]["beat_r2"][0] < 0.7 * report["identity embedding"]["beat_r2"][0]
    assert report["conditions alone"]["age_r2"] > 0.9
    assert report["age and sex not told"]["age_r2"] < 0.5
    assert report["conditions alone"]["beat_r2"][0] < 0.4
    assert "12 components" not in report
    assert json.loads(json.dumps(report)) == report


def test_inversion_of_noise_is_no_better_than_the_mean_beat(rng):
    value, _, _ = inversion(rng.standard_normal((80, 5)), rng.standard_normal((80, 30)) + 7)
    assert -0.3 < value < 0.05
    gaps = rng.standard_normal((30, 10))
    gaps[:15] = np.nan
    assert inversion(rng.standard_normal((30, 3)), gaps) is None


def test_the_command_on_simulated_visits(tmp_path, capsys, monkeypatch):
    records = [r for visit in (0, 1) for r in simulate(range(20), seed=4, visit=visit, fs_hz=500).records()]
    with RecordSetWriter(tmp_path / "set", format="npz") as writer:
        for record in records:
            writer.add(record)
    own = {r.patient.id: torch.randn(1, 8, generator=torch.Generator().manual_seed(k)) for k, r in enumerate(records)}

    def prepare(record):
        if record.record_id == records[-1].record_id:
            raise InputError("noise")
        base = torch.nn.functional.normalize(own[record.patient.id], dim=-1)
        return SimpleNamespace(record=record, base=base, condition=Told(record.patient.age, record.patient.sex))

    def bases(recordings, conditions):
        assert (conditions[0].age, conditions[0].sex) == (None, None)
        return own[recordings[0].patient.id]

    pipeline = SimpleNamespace(prepare=prepare, bases=bases, digests={"identity": "0"})
    known = persons_audit.registry.get
    monkeypatch.setattr(
        persons_audit.registry,
        "get",
        lambda group, name: (lambda path: pipeline) if group == "gen.pipelines" else known(group, name),
    )
    asked = ["evaluate", "identity-leakage", "--real", str(tmp_path / "set"), "--out", str(tmp_path / "audit.json")]
    assert run(asked) == 0
    assert "39 recordings of 20 people" in capsys.readouterr().out
    found = Results.read(tmp_path / "audit.json")
    assert found["attacks/identity embedding/rank 1"].value == 1
    assert found["attacks/identity embedding/rate R²"].value is None
    assert found.settings["weights"] == {"identity": "0"}
    monkeypatch.setattr(persons_audit, "_LEAST", 100)
    assert run(asked) == 2
    assert "39 of 40 recordings can be used; accepted: at least 100" in capsys.readouterr().err
