"""Twins of many people at once, figures with intervals, ablations by configuration and their table, monitor sets."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from diffusion.evaluation import ablation as twin_ablate
from diffusion.evaluation import monitor_sets as twin_monitor
from diffusion.evaluation.intervals import retrieved, separation
from diffusion.evaluation.twins import blurred
from diffusion.twin.batch import twins_of, usable_people
from diffusion.twin.beat_twin import load
from diffusion.twin.change import Change
from diffusion.twin.recipes import identity, twin
from gen.cli import run
from gen.io import read_set
from gen.records import InputError
from gen.results import Results, Value
from gen.simulate import simulate


@pytest.fixture(scope="module")
def records():
    return simulate(range(3), seed=5, noise="light", conditions={"statements": ["SR", "NORM"]}).records()


@pytest.fixture(scope="module")
def people(twin_pipeline, records):
    return usable_people(twin_pipeline, records)


def test_a_twin_does_not_depend_on_who_is_made_with_it(twin_pipeline, people):
    changes = [Change(heart_rate=70.0), Change(add="left bundle branch block"), Change(same=True)]
    settings = twin_pipeline.sampling(num_inference_steps=2, bfloat16=False)
    together = twins_of(twin_pipeline, people, changes, settings, seed=4)
    alone = twins_of(twin_pipeline, people[1:], changes[1:], settings, seed=4, first=1, batch_size=1)
    for one, other in zip(together[1:], alone, strict=True):
        assert one.record_id == other.record_id
        assert np.abs(one.signal_mv - other.signal_mv).max() < 1e-4
    (single,) = twin_pipeline.twins(people[0], changes[0], settings, seed=4)
    assert np.abs(single.signal_mv - together[0].signal_mv).max() < 1e-4
    assert together[0].patient.id == people[0].record.patient.id
    assert not np.allclose(together[0].signal_mv, together[1].signal_mv)


def test_edits_of_many_start_from_each_ones_own(twin_pipeline, people):
    settings = twin_pipeline.sampling(num_inference_steps=4, bfloat16=False)
    kept = twins_of(twin_pipeline, people, [Change(same=True)] * 3, settings, strength=0.0)
    for person, record in zip(people, kept, strict=True):
        (own,) = twin_pipeline(person, same=True, strength=0.0, bfloat16=False)
        assert np.abs(record.signal_mv - own.signal_mv).max() < 1e-4


def test_what_does_not_fit_is_refused(twin_pipeline, people, records):
    settings = twin_pipeline.sampling()
    with pytest.raises(InputError, match="1 changes for 3 people"):
        twins_of(twin_pipeline, people, [Change(same=True)], settings)
    with pytest.raises(InputError, match="nothing was asked for"):
        twins_of(twin_pipeline, people[:1], [Change()], settings)
    with pytest.raises(InputError, match="strength 2"):
        twins_of(twin_pipeline, people[:1], [Change(same=True)], settings, strength=2)
    told = []
    short = records[0].select(["I", "II"]).at(500)
    object.__setattr__(short, "signal_mv", short.signal_mv[:, :1000])
    assert usable_people(twin_pipeline, [short], told.append) == [None]
    assert "needs at least 4 s" in told[0]


def test_separation_in_closed_form():
    """Two persons at right angles, each seen twice: cosine 1 and 0, silhouette 1; three equal persons: silhouette 0."""
    own = torch.eye(2)
    found = separation([own, own])
    assert [found[key]["value"] for key in ("intra", "inter", "silhouette")] == pytest.approx([1, 0, 1])
    alike = torch.ones(3, 2) / 2**0.5
    found = separation([alike, alike, alike])
    assert [found[key]["value"] for key in ("intra", "inter", "silhouette")] == pytest.approx([1, 1, 0])
    assert found["intra"]["n"] == 3
    half = F.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0]]) + torch.tensor([[0.0, 1.0], [0.0, 0.0]]), dim=-1)
    assert separation([own, half])["intra"]["value"] == pytest.approx((0.5**0.5 + 1) / 2)
    with pytest.raises(InputError, match="1 views of 2 persons"):
        separation([own])


def test_retrieval_has_intervals_that_hold_it():
    generator = torch.Generator().manual_seed(0)
    gallery = F.normalize(torch.randn(60, 8, generator=generator), dim=-1)
    query = F.normalize(gallery + 0.35 * torch.randn(60, 8, generator=generator), dim=-1)
    found = retrieved(gallery, query)
    for name in ("rank_1", "rank_5", "eer"):
        low, high = found[f"{name}_interval"]
        assert low <= found[name] <= high
    assert found["rank_1_interval"][0] < found["rank_1_interval"][1]
    assert retrieved(gallery, gallery)["rank_1_interval"] == [1, 1]


def test_blurred_vectors_turn_as_far_as_the_noise_is_long():
    base = F.normalize(torch.ones(1, 400), dim=-1)
    assert torch.equal(blurred(base, 0.0, 1), base)
    turned = torch.cat([blurred(base, 1.0, seed) for seed in range(50)])
    assert torch.allclose(turned.norm(dim=1), torch.ones(50), atol=1e-5)
    assert (turned @ base.T).mean().item() == pytest.approx(0.5**0.5, abs=0.02)
    assert not torch.equal(turned[0], turned[1])


@pytest.fixture(scope="module")
def extractor(tmp_path_factory):
    """A trained extractor and the sets it was trained on."""
    folder = tmp_path_factory.mktemp("ablations")
    common = {"hearts": "8", "visits": "2", "held_out_hearts": "16", "latents": str(folder / "persons")}
    common |= {"steps": "1", "batch_size": "4", "warmup": "1", "validate_every": "1", "save_every": "1"}
    small = {"width": "32", "depth": "1", "heads": "2", "base_width": "8", "views": "2"}
    found = identity(data=None, out=folder / "identity", overrides=common | small)
    return folder, common | {"identity": found["checkpoint"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("attention", {"base_path": "attention"}, ("LatentDiT", "attention", "attention")),
        ("adaln", {"init": "none", "text_path": "adaln"}, ("LatentDiT", "adaln", "adaln")),
        ("unet", {"init": "none", "network": "LatentUNet"}, ("LatentUNet", "adaln", "attention")),
    ],
)
def test_every_ablation_is_one_configuration_away(extractor, records, name, settings, expected):
    folder, common = extractor
    made = twin(data=None, out=folder / name, overrides=common | settings)
    config = twin_ablate.described(folder / name / "pipeline")
    assert (config["class"], config["base_path"], config["text_path"]) == expected
    assert config["loss"] == made["loss"]
    pipeline = load(made["pipeline"])
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline(records[0], heart_rate=90, num_inference_steps=1, output_type="np").shape == (1, 12, 5000)


def test_the_table_of_ablations(twin_folder, tmp_path, capsys):
    asked = ["--hearts", "3", "--steps", "1", "--store", str(tmp_path)]
    assert run(["evaluate", "ablation", f"tiny={twin_folder}", *asked]) == 0
    first = capsys.readouterr()
    assert "LatentDiT" in first.out
    assert first.err.splitlines() == ["tiny: 3 hearts"]
    kept = tmp_path / "tiny.json"
    written = Results.read(kept)
    assert set(written.values["judged"]) == {"twin", "population", "reference"}
    assert written.settings["network"]["base_path"] == "adaln"
    assert str(tmp_path) not in kept.read_text()
    stamp = kept.stat().st_mtime_ns
    assert run(["evaluate", "ablation", f"tiny={twin_folder}", f"other={kept}", *asked, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["values"]["pipelines"]
    assert kept.stat().st_mtime_ns == stamp
    assert rows["tiny"] == rows["other"]
    assert rows["tiny"]["rank 1"]["n"] == 3


def test_figures_of_twins_by_the_command(twin_folder, tmp_path):
    out = tmp_path / "t.json"
    asked = ["--checkpoint", str(twin_folder), "--hearts", "3", "--steps", "1", "--out", str(out)]
    assert run(["evaluate", "twins", *asked]) == 0
    found = Results.read(out)
    assert (found.n, found.seed, found.settings["steps"]) == (3, 0, 1)
    assert found["judged/twin/rate MAE"].unit == "bpm"
    assert "rate MAE" not in found.values["judged"]["reference"]
    assert set(found.settings["weights"]) >= {"denoiser"}
    assert len(found.values["added findings"]) == 3


@pytest.mark.parametrize(
    ("pipelines", "words"),
    [
        (["x"], "x: accepted: NAME=PATH"),
        (["a=/nowhere"], "a=/nowhere: no such file or folder"),
        (["a=1.json", "a=2.json"], "a name is given twice"),
    ],
)
def test_tables_of_nothing_are_refused(pipelines, words, capsys):
    assert run(["evaluate", "ablation", *pipelines]) == 2
    assert words in capsys.readouterr().err


def test_figures_of_something_else_are_refused(tmp_path, capsys):
    (tmp_path / "a.json").write_text("{}")
    assert run(["evaluate", "ablation", f"a={tmp_path / 'a.json'}"]) == 2
    assert "results of schema None; accepted: 1" in capsys.readouterr().err
    Results("codec", "physiogen evaluate codec", {"x": Value(1)}).write(tmp_path / "a.json")
    assert run(["evaluate", "ablation", f"a={tmp_path / 'a.json'}"]) == 2
    assert "results of codec; accepted: those of `physiogen evaluate twins`" in capsys.readouterr().err
    assert run(["evaluate", "ablation", f"a={tmp_path}"]) == 2
    assert "no twin's weights" in capsys.readouterr().err


def test_sets_for_a_monitor(twin_folder, tmp_path, capsys):
    asked = ["--checkpoint", str(twin_folder), "--sets", str(tmp_path / "sets"), "--steps", "1"]
    asked += ["--persons", "2", "--hearts", "7", "--count", "2", "--normal", "2"]
    quick = ["--seeds", "1", "--general-steps", "1", "--personal-steps", "1", "--only", "general", "--only", "twins"]
    assert run(["evaluate", "personal-monitor", *asked, *quick, "--out", str(tmp_path / "m.json")]) == 0
    found = Results.read(tmp_path / "m.json")
    assert found["monitors/twins/macro AUROC"].n == 10
    assert found.settings["records"]["twins"] == 20
    sets = {name: list(read_set(tmp_path / "sets" / name)) for name in ("population", "references", "visits", "twins")}
    assert [len(records) for records in sets.values()] == [7, 2, 2 * 5, 2 * 10]
    people = {record.patient.id for record in sets["references"]}
    assert people == {record.patient.id for record in sets["visits"]} == {r.patient.id for r in sets["twins"]}
    assert not people & {record.patient.id for record in sets["population"]}
    for name in ("visits", "twins"):
        stated = [code for record in sets[name] for code in twin_monitor.EVENTS if code in record.statements]
        assert all(stated.count(code) == len(sets[name]) // 5 for code in twin_monitor.EVENTS)
    own = [record for record in sets["visits"] if record.patient.id == sets["references"][0].patient.id]
    assert {record.patient.age for record in own} == {sets["references"][0].patient.age}
    assert len({record.metadata["visit"] for record in own}) == len(own)
    capsys.readouterr()
    assert run(["evaluate", "personal-monitor", *asked, "--count", "0"]) == 2
    assert "--count 0: accepted: 1 or more" in capsys.readouterr().err
    assert run(["evaluate", "personal-monitor", *asked, "--persons", "3"]) == 2
    assert "holds sets of other settings or weights" in capsys.readouterr().err
    assert run(["evaluate", "personal-monitor", "--sets", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err
