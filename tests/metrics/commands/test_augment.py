"""``physiogen augment``: the table, the verdict, and what it refuses."""

import json

import numpy as np
import pytest
from stopping import contents, goes_on

from gen import cli
from gen.io import write
from gen.leads import LEADS_8
from gen.records import EcgRecord, Patient
from gen.results import Results, Value
from metrics.commands.augment import verdict


def records(count, seed, synthetic=False):
    """Class B has a slow wave; splits by patient."""
    found = []
    for k in range(count):
        rng = np.random.default_rng((seed, k))
        label = "AB"[k % 2]
        t = np.arange(1000) / 100
        wave = (label == "B") * 0.4 * np.sin(2 * np.pi * 1.1 * t + rng.uniform(0, 6))
        signal = (rng.normal(0, 0.2, (8, 1000)) + wave).astype(np.float32)
        split = ("train", "train", "val", "test")[k // 2 % 4]
        facts = {"label": label, "split": split}
        name = f"{'s' if synthetic else 'r'}{k}"
        codes = {"NORM" if label == "A" else "LVH": 100.0}
        found.append(
            EcgRecord(signal, 100, LEADS_8, name, Patient(f"{seed}-{k}"), statements=codes, synthetic=synthetic,
                      metadata=facts).to_12()
        )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    out = tmp_path_factory.mktemp("sets")
    write(records(64, 1), out / "real", format="npz")
    write(records(24, 2, synthetic=True), out / "aug", format="parquet")
    return out


def run(capsys, *arguments):
    capsys.readouterr()
    status = cli.run(["augment", *map(str, arguments)])
    found = capsys.readouterr()
    return status, found.out, found.err.splitlines()


@pytest.mark.slow
def test_the_table_and_what_it_says(sets, tmp_path, capsys):
    status, out, _ = run(
        capsys,
        "--real",
        sets / "real",
        "--synthetic",
        sets / "aug",
        "--out",
        tmp_path / "g",
        "--seeds",
        1,
        "--steps",
        1,
    )
    assert status == 0
    for words in ("real alone", "real + 0.75 synthetic per real", "control: oversampling", "synthetic alone"):
        assert words in out
    assert "all of the real: synthetic records change the macro AUROC by" in out
    assert "best of the controls:" in out
    found = Results.read(tmp_path / "g" / "gain.json")
    assert found.settings["classes"] == ["A", "B"]
    assert found["macro AUROC on the test patients, trained on/real alone/AUROC"].low is not None
    assert (tmp_path / "g" / "gain.csv").read_text().startswith("trained on,measure,value,low,high\n")
    assert "train 32 (A 16, B 16)" in (tmp_path / "g" / "gain.md").read_text()


def test_classes_by_statements_and_json(sets, capsys):
    status, out, err = run(
        capsys, "--real", sets / "real", "--synthetic", sets / "aug", "--classes", "NORM,HYP", "--seeds", 1,
        "--steps", 2, "--no-controls", "--json",
    )  # fmt: skip
    assert status == 0, err
    assert json.loads(out)["settings"]["classes"] == ["NORM", "HYP"]


@pytest.mark.parametrize(
    ("low", "high", "words"), [(0.01, 0.05, "a gain"), (-0.02, 0.05, "no gain that counts"), (-0.05, -0.01, "a loss")]
)
def test_a_gain_counts_where_its_interval_is_above_zero(low, high, words):
    rows = {
        "real + 1 synthetic per real": {"change of AUROC": Value((low + high) / 2, low, high)},
        "control: mixup": {"change of AUROC": Value(0.02, -0.01, 0.05)},
    }
    (line,) = verdict(Results("augment", "physiogen augment", {"t": rows}))
    assert f": {words}; best of the controls: mixup +0.020" in line


def test_what_is_refused(sets, tmp_path, capsys):
    good = ["--real", sets / "real", "--synthetic", sets / "aug"]
    write(records(8, 1), tmp_path / "copy", format="npz")
    cases = [
        (["--real", "none", *good[2:]], "--real none: no such folder"),
        ([*good, "--shares", "2"], "--shares 2: expected numbers above 0, to 1"),
        ([*good, "--ratio", "-1"], "--ratio -1: expected above 0"),
        ([*good, "--classes", "blorp"], "class 'blorp': neither a label"),
        ([*good, "--ratio", "9"], "288 synthetic records wanted"),
        (["--real", sets / "real", "--synthetic", tmp_path / "copy"], "records of --synthetic are test records"),
    ]
    for arguments, words in cases:
        status, out, err = run(capsys, *arguments)
        assert (status, out) == (2, ""), arguments
        assert words in err[-1], err


def test_labels_that_the_synthetic_set_lacks_are_named(tmp_path, capsys):
    def relabelled(found, names):
        for record in found:
            record.metadata["label"] = names[record.metadata["label"]]
        return found

    write(relabelled(records(16, 1), {"A": "mine", "B": "both"}), tmp_path / "real", format="npz")
    write(relabelled(records(8, 2, synthetic=True), {"A": "other", "B": "both"}), tmp_path / "aug", format="npz")
    write(relabelled(records(8, 2, synthetic=True), {"A": "x", "B": "y"}), tmp_path / "none", format="npz")
    quick = ("--seeds", 1, "--steps", 1, "--no-controls", "--json")
    status, out, err = run(capsys, "--real", tmp_path / "real", "--synthetic", tmp_path / "aug", *quick)
    assert status == 0, err
    assert json.loads(out)["settings"]["classes"] == ["both"]
    assert any("class mine is left out: --synthetic" in line and "its labels: both, other" in line for line in err)
    status, _, err = run(capsys, "--real", tmp_path / "real", "--synthetic", tmp_path / "none", *quick)
    assert status == 2
    assert "has none of the labels of --real (both, mine); its labels: x, y" in err[-1]


def test_a_run_that_was_stopped_ends_with_the_same_bytes(sets, tmp_path, monkeypatch, capsys):
    sides = ["--real", str(sets / "real"), "--synthetic", str(sets / "aug")]
    words = ["augment", *sides, "--seeds", "1", "--steps", "1", "--no-controls", "--json"]
    whole, out = goes_on(monkeypatch, capsys, lambda place: [*words, "--out", str(place)], tmp_path, after=2)
    assert contents(out) == contents(whole)
    assert {path.name for path in contents(out)} == {"gain.csv", "gain.json", "gain.md"}
