"""Diagnostic retention of a reconstruction: leads that were given keep everything, and what is lost is seen."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from gen.card import NAMELESS
from gen.checkpoint import CARD, model_config, save_checkpoint
from gen.datasets import open_source
from gen.datasets.cache import prepare
from gen.files import read_json
from gen.io import write
from gen.leads import LEADS_8
from gen.simulate import simulate
from metrics.judges.classifier.network import EcgClassifier
from vae.evaluation.diagnosis import diagnostic_retention, format_table, main
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
    table = format_table(found).splitlines()
    assert len(table) == 2 + len(CLASSES) + 1
    assert table[-1] == "| all | 1.000 | 1.000 | +0.000 [+0.000, +0.000] | 0.0% [0.0%, 0.0%] | 1.000 |"


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
    kept = {"name": "other", "command": "physiogen evaluate other", "revision": "0", "values": {"kept": 1}}
    card = {**NAMELESS, "evaluations": [kept]}
    (own / CARD).write_text(json.dumps(card))
    arguments = ["--data", str(cache), "--split", "test", "--classifier", str(judge), "--checkpoint", str(own)]
    arguments += ["--leads", "II,V1,V5", "--leads", "I", "--card", str(own), "--json", str(tmp_path / "all.json")]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "default, II,V1,V5 given, 12 records of split test" in out
    assert "| MI |" in out
    noted = read_json(own / CARD)
    assert noted["evaluations"][0] == kept
    found = noted["evaluations"][1]["values"]
    assert (found["split"], found["records"]) == ("test", 12)
    assert found["command"] == "python -m vae.evaluation.diagnosis --data CACHE --split test --leads II,V1,V5 --leads I"
    stored = json.loads((tmp_path / "all.json").read_text())["default, I"]
    assert found["I"]["classes"]["MI"]["auroc_rebuilt"] == round(stored["classes"][1]["auroc_rebuilt"], 4)
    assert set(found["II,V1,V5"]["classes"]) == set(CLASSES)


def test_a_card_of_other_weights_is_not_touched(cache, judge, checkpoint, tmp_path, capsys, make_model):
    model = make_model(seed=1)
    other = save_checkpoint(tmp_path / "other", config=model_config(model), model=model, card=NAMELESS)
    before = (other / CARD).read_bytes()
    arguments = ["--data", str(cache), "--split", "test", "--classifier", str(judge), "--checkpoint", str(checkpoint)]
    assert main([*arguments, "--card", str(other)]) == 2
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
    assert main(["--data", str(cache), "--split", "test", "--classifier", str(judge), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
