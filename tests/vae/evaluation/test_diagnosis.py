"""Diagnostic retention of a reconstruction: leads that were given keep everything, and what is lost is seen."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from gen.card import NAMELESS
from gen.checkpoint import CARD, checkpoint_digest, model_config, save_checkpoint
from gen.cli import run
from gen.datasets import open_source
from gen.datasets.cache import prepare
from gen.files import read_json
from gen.io import write
from gen.leads import LEADS_8
from gen.results import Results
from gen.simulate import simulate
from metrics.judges.classifier.network import EcgClassifier
from vae.evaluation.diagnosis import diagnostic_retention, table
from vae.pipeline import load

CLASSES = ("NORM", "MI")


class LeadJudge:
    """Says each class from the largest deflection of one lead: V2 for the first, II for the second."""

    @property
    def classes(self):
        return {"super": CLASSES}

    def thresholds(self, level):
        return np.array([0.5, 0.5])

    def probabilities(self, signal_8_mv, fs_hz):
        peaks = np.abs(signal_8_mv).max(axis=2)[:, [LEADS_8.index("V2"), LEADS_8.index("II")]]
        return {"super": (peaks / (peaks + np.median(peaks, axis=0))).astype(np.float64)}


@pytest.fixture(scope="module")
def records():
    return simulate(range(40), seed=21, duration_s=2.0, noise="light").records()


@pytest.fixture(scope="module")
def labels(records):
    """What the judge says of the real records: it reads them without an error."""
    real = np.stack([record.to_8().signal_mv for record in records])
    return LeadJudge().probabilities(real, 500)["super"] >= 0.5


def test_what_the_judge_reads_from_a_given_lead_is_kept(records, labels):
    found = diagnostic_retention(load(method="nearest"), records, labels, ("II", "V1", "V5"), LeadJudge())
    first, second = found.classes
    assert (second.auroc_real, second.auroc_rebuilt, second.flip_rate, second.kappa) == (1.0, 1.0, 0.0, 1.0)
    assert first.auroc_real == 1.0
    assert first.auroc_rebuilt < 0.95  # V2 is a copy of another lead
    assert first.flip_rate > 0.05
    assert found.auroc_change.interval.value == pytest.approx((first.auroc_rebuilt - 1) / 2)


def test_all_leads_given_change_nothing(records, labels):
    found = diagnostic_retention(load(method="nearest"), records, labels, LEADS_8, LeadJudge())
    assert found.auroc_change.interval.value == 0
    assert found.flip_rate.value == found.probability_mae.value == 0
    rows = table(found, len(records))
    assert set(rows) == {*CLASSES, "all"}
    assert [str(value) for value in rows["all"].values()] == ["1", "1", "0 [0, 0]", "0 [0, 0]", "1"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory, records):
    """Cache whose records are all of the test split, every second one an infarct."""
    folder = tmp_path_factory.mktemp("data")
    chosen = [
        replace(record, statements={"IMI" if k % 2 else "NORM": 100.0}, metadata={"split": "test"})
        for k, record in enumerate(records[:12])
    ]
    write(chosen, folder / "set")
    return prepare(open_source(folder / "set"), folder / "cache", duration_s=2.0).path


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """Folder of a small untrained classifier."""
    torch.manual_seed(0)
    thresholds = {f"super/{name}": 0.5 for name in CLASSES}
    network = EcgClassifier(
        widths=(8, 16), blocks=1, feature_width=12, superclasses=CLASSES, statements=("SR",), thresholds=thresholds
    )
    return save_checkpoint(
        tmp_path_factory.mktemp("judge") / "judge", config=model_config(network), model=network.eval()
    )


def test_the_command_notes_its_figures_in_the_card(cache, judge, checkpoint, tmp_path, capsys):
    own = tmp_path / "own"
    shutil.copytree(checkpoint, own)
    facts = {"command": "physiogen evaluate other", "revision": "0", "values": {"kept": {"value": 1}}}
    earlier = [{"name": "diagnosis", **facts}, {"name": "other", **facts}]
    (own / CARD).write_text(json.dumps({**NAMELESS, "evaluations": earlier}))
    arguments = ["--data", str(cache), "--split", "test", "--classifier", str(judge), "--checkpoint", str(own)]
    arguments += ["--leads", "II,V1,V5", "--leads", "I", "--card", str(own), "--out", str(tmp_path / "all.json")]
    assert run(["evaluate", "diagnosis", *arguments]) == 0
    out = capsys.readouterr().out
    assert "## default, II,V1,V5" in out
    assert "| MI |" in out
    noted = read_json(own / CARD)
    assert [each["name"] for each in noted["evaluations"]] == ["other", "diagnosis"]
    assert noted["evaluations"][0] == earlier[1]
    found, stored = noted["evaluations"][1], Results.read(tmp_path / "all.json")
    assert found == stored.for_card()
    assert (found["n"], found["data"][0]["split"]) == (12, "test")
    assert found["command"] == (
        "physiogen evaluate diagnosis --data CACHE --split test --leads II,V1,V5 --leads I "
        "--checkpoint FOLDER --classifier FOLDER"
    )
    assert stored.settings["weights"] == {"default": checkpoint_digest(own)}
    assert set(stored.values["default, I"]) == {*CLASSES, "all"}


def test_a_card_of_other_weights_is_not_touched(cache, judge, checkpoint, tmp_path, capsys, make_model):
    model = make_model(seed=1)
    other = save_checkpoint(tmp_path / "other", config=model_config(model), model=model, card=NAMELESS)
    before = (other / CARD).read_bytes()
    arguments = ["--data", str(cache), "--split", "test", "--classifier", str(judge), "--checkpoint", str(checkpoint)]
    assert run(["evaluate", "diagnosis", *arguments, "--card", str(other)]) == 2
    assert "other weights" in capsys.readouterr().err
    assert (other / CARD).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--leads", "V9"], "unknown lead 'V9'"),
        (["--methods", "magic"], "unknown method 'magic'"),
        (["--classifier", "nowhere"], "nowhere"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_gets_one_line(cache, judge, capsys, arguments, words):
    common = ["--data", str(cache), "--split", "test", "--classifier", str(judge)]
    assert run(["evaluate", "diagnosis", *common, *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
