"""The leaderboard: places by closeness to what is best, sets that are kept, one floor, other makers' generators."""

from dataclasses import replace

import numpy as np
import pytest

from gen.records import EcgRecord, InputError, Patient
from metrics.evaluation import generators, leaderboard
from metrics.evaluation.settings import Leaderboard
from metrics.report.entries import entry
from metrics.suite.presets import Preset


def report(**values):
    """What a benchmark says of these figures; others were not measured."""
    return {key: entry(key, value=values.get(key.replace("@", "_").replace("-", "_"))) for key in leaderboard.RANKED}


def test_places_go_by_closeness_to_what_is_best():
    same = {"fid_random_conv": 1.0}
    found = leaderboard._places(
        {
            "good": report(fid=10.0, recall=0.9, coverage=0.9, two_sample_auroc=0.45, waveform_auroc=0.6, **same),
            "bad": report(fid=99.0, recall=0.1, coverage=0.2, two_sample_auroc=0.99, waveform_auroc=0.3, **same),
        }
    )
    assert found == pytest.approx({"good": (5 + 1.5) / 6, "bad": (10 + 1.5) / 6})
    silent = leaderboard._places({"measured": report(fid=1.0), "not": report()})
    assert silent["measured"] < silent["not"], "what was not measured comes last"


@pytest.fixture
def real(data_dir):
    return data_dir("ptb-xl")


@pytest.mark.slow
def test_sets_are_asked_for_once_and_judged_against_one_floor(real, tmp_path, monkeypatch):
    monkeypatch.setattr(leaderboard, "_PRESET", Preset("x", ("features",), halvings=2, slow_halvings=2, thorough=False))
    monkeypatch.setattr(generators, "write_measured", lambda location, path: None)
    monkeypatch.setattr(leaderboard, "write_measured", lambda location, path: path.write_text("record,hr_bpm\n"))
    settings = Leaderboard(real=real, folder=tmp_path / "LEAGUE", systems=("noise", "recorded"), number=60)
    found = settings.run()
    table = found.values["against fold 10, n = 60"]
    assert list(table) == ["two halves of fold 10", "recorded", "noise"]
    assert table["recorded"]["recall"].value > table["noise"]["recall"].value
    assert table["two halves of fold 10"]["recall"].better == "reference"
    assert found.values["generators"]["recorded"]["processor time an ECG"].value is None
    (verdicts,) = [node for name, node in found.values.items() if name.startswith("inside")]
    assert verdicts["noise"]["recall"] == "far from real"

    def broken(work, out):
        raise AssertionError("made again")

    kept = replace(generators.GENERATORS["noise"], make=broken)
    monkeypatch.setitem(generators.__dict__, "GENERATORS", {**generators.GENERATORS, "noise": kept})
    again = settings.run()
    assert again.values == found.values
    with pytest.raises(InputError, match="noise: made of other requests"):
        replace(settings, number=50).run()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"systems": ("magic",)}, "--systems magic: accepted: physiogen, simulated, ecgen"),
        ({"also": ("mine",)}, "--also mine: accepted: NAME=FOLDER"),
        ({"also": ("noise=.",)}, "--also noise=.: accepted: NAME=FOLDER"),
        ({"also": ("mine=missing",)}, "--also mine=missing: no such folder"),
    ],
)
def test_what_cannot_be_compared_is_refused(given, words, tmp_path):
    with pytest.raises(InputError, match=words.replace(".", r"\.")):
        Leaderboard(real=tmp_path, folder=tmp_path / "LEAGUE", **given).run()
    assert not (tmp_path / "LEAGUE").exists()


def test_a_missing_library_is_named_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(generators, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"neurokit2: needs neurokit2; accepted: pip install 'physiogen\[others\]'"):
        Leaderboard(real=tmp_path, folder=tmp_path / "LEAGUE", systems=("neurokit2",)).run()


def test_ecgen_trains_until_its_time_is_spent_and_draws_millivolt():
    pytest.importorskip("ecgen")
    from metrics.evaluation.others import ecgen

    rng = np.random.default_rng(0)
    records = [
        EcgRecord(
            rng.normal(0.2, 0.3, (8, 5000)), 500, ecgen.LEADS_8, f"r{k}", Patient(age=None if k else 60.0, sex="F")
        )
        for k in range(ecgen.BATCH)
    ]
    scaled = ecgen._signal(records[0])
    assert scaled.shape == (8, ecgen.SAMPLES)
    assert abs(scaled.mean()) < 1e-5
    trained = ecgen.train(records, minutes=0, seed=0, tell=lambda line: None)
    assert trained.steps == 1
    trained.model.config.sample_steps = 2
    asked = [({"LVH": 100.0}, 60.0, "F"), ({}, None, None)]
    made = ecgen.draw(trained, asked, seed=1)
    assert (made.shape, made.dtype) == ((2, 8, 5000), np.float32)
    assert np.isfinite(made).all()
    assert np.array_equal(made, ecgen.draw(trained, asked, seed=1))
