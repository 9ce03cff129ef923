"""The evaluations of this package, run on a small simulated cohort by their command."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gen.checkpoint import checkpoint_digest
from gen.cli import run
from gen.datasets import open_source
from gen.datasets.cache import prepare
from gen.files import read_json
from gen.io import write
from gen.results import Results
from gen.simulate import simulate
from metrics.judges.classifier.model import SHIPPED

CODES = ("NORM", "CLBBB", "AFIB")
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Cache of 45 records of three statements, fifteen in each split."""
    folder = tmp_path_factory.mktemp("cohort")
    records = []
    for index in range(45):
        code = CODES[index % 3]
        specification = {"statements": ["AFIB"] if code == "AFIB" else ["SR", code], "heart_rate": 60 + index}
        (record,) = simulate([index], seed=9, conditions=specification).records()
        facts = {"split": SPLITS[index // 15], "fold": 1 + index // 15}
        records.append(replace(record, statements={code: 100.0}, metadata=facts))
    write(records, folder / "set", format="npz")
    return prepare(open_source(folder / "set"), folder / "cache").path


def evaluated(name, *arguments, out):
    assert run(["evaluate", name, *map(str, arguments), "--out", str(out)]) == 0
    return Results.read(out)


def test_classifier(cache, tmp_path, capsys):
    found = evaluated("classifier", "--data", cache, "--replicates", "100", out=tmp_path / "c.json")
    assert found.settings["weights"] == checkpoint_digest(SHIPPED)
    assert found.n == 15
    assert found["macro means/superclasses/AUROC"].value > 0.8
    assert found["statements/AFIB/AUROC"].n == 5  # its positives
    assert found.data[0].split == "test"
    levels = ("superclasses", "statements", "statements with at least 5 positives")
    names = {f"macro means/{level}/{name}" for level in levels for name in ("AUROC", "AUPRC", "F1", "ECE")}
    assert set(found.headlines()) == names
    assert "| AFIB |" in capsys.readouterr().out


def test_clip(cache, tmp_path):
    found = evaluated("clip", "--data", cache, "--split", "test", out=tmp_path / "c.json")
    own, other = (found[f"agreement of text and ECG/cosine, {whose} report"] for whose in ("own", "another's"))
    assert own.value > other.value
    assert other.better == "reference"
    assert found["retrieval among 100 texts/median rank"].value >= 1


def test_utility(cache, tmp_path, capsys):
    asked = ["--data", cache, "--synthetic", cache, "--shares", "1", "--steps", "2", "--seeds", "1"]
    found = evaluated("utility", *asked, out=tmp_path / "u.json")
    rows = found.values["trained on"]
    assert len(rows) >= 3
    assert rows["TRTR"]["AUROC"].n == rows["TRTR"]["ECE"].n == 15
    name = next(iter(rows))
    found = evaluated("utility", *asked, "--only", name, out=tmp_path / "u.json")
    assert name in found.values["trained on"]
    capsys.readouterr()
    assert run(["evaluate", "utility", *map(str, asked), "--only", "magic"]) == 2
    assert "--only magic: accepted: " in capsys.readouterr().err


def test_measurement_knows_its_truth(tmp_path):
    found = evaluated(
        "measurement", "-n", "6", "--timed", "0", "--rhythms", "1", "--tachycardias", "2", out=tmp_path / "m.json"
    )
    assert found["parameters/hr_bpm/median absolute error"].value < 2
    assert found["parameters/hr_bpm/SD"].unit == "bpm"
    assert (found.n, found.seed) == (6, 2024)


def test_fid_bias_follows_its_formula(tmp_path):
    asked = ["--widths", "16", "--sizes", "400,800", "--streamed", "1200"]
    found = evaluated("fid-bias", *asked, out=tmp_path / "f.json")
    for n in (400, 800):
        value, expected = found[f"d = 16/n = {n}/two equal sets"], found[f"d = 16/n = {n}/d²/(2n) + 2d/n"]
        assert value.value == pytest.approx(expected.value, rel=0.4)
    assert found["1024 features/streamed and all at once differ, relative"].value < 1e-6


def test_speed_of_measures(tmp_path, capsys):
    asked = ["--of", "metrics", "--only", "kid", "--sizes", "60"]
    found = evaluated("speed", *asked, out=tmp_path / "s.json")
    (rows,) = found.values["metrics"].values()
    assert rows["kid, n = 60"]["peak memory"].value > 10
    capsys.readouterr()
    for wrong in (["--of", "nothing"], ["--of", "metrics", "--only", "nothing"]):
        assert run(["evaluate", "speed", *wrong]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "nothing: accepted: " in line


def test_delineation_of_one_record(data_dir, tmp_path, capsys):
    ludb = data_dir("ludb")
    asked = ["--data", ludb, "--first", "51", "--last", "52", "--leads", "II", "--systems", "network"]
    found = evaluated("delineation", *asked, out=tmp_path / "d.json")
    assert found["network/QRS onset/sensitivity"].value > 0.9
    assert found["consensus of the leads/hr_bpm/mean absolute error"].value < 3
    assert found.data[0].split == "records 51-52"
    capsys.readouterr()
    assert run(["evaluate", "delineation", "--data", str(ludb), "--systems", "magic"]) == 2
    assert "--systems magic: accepted: network" in capsys.readouterr().err


def test_a_card_entry_of_the_classifier_keeps_the_schema(cache, tmp_path):
    import shutil

    own = tmp_path / "own"
    shutil.copytree(SHIPPED, own)
    asked = ["--data", cache, "--checkpoint", own, "--card", own, "--replicates", "100"]
    found = evaluated("classifier", *asked, out=tmp_path / "c.json")
    noted = [each for each in read_json(own / "card.json")["evaluations"] if each["name"] == "classifier"]
    assert noted == [json.loads(json.dumps(found.for_card()))]
    assert str(tmp_path) not in json.dumps(noted)
    assert np.isfinite(noted[0]["values"]["macro means/superclasses/AUROC"]["value"])
