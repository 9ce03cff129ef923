"""Labels of one's own: prepare, --like, augment and dataset have one notion of them."""

import csv
from collections import Counter

import numpy as np
import pytest

import physiogen
from gen import cli
from gen.datasets import SignalCache
from gen.datasets.own_labels import Meaning, labels_of, meanings_of
from gen.io import write
from gen.leads import LEADS_8
from gen.records import EcgRecord, InputError
from gen.synthesis import like, read_labels
from gen.text import read_text

GUIDE = 'label,statements\nthick,HYP\nquick,"STACH,SVTAC"\nblocked,left bundle branch block\n'
HYP = {"LVH", "RVH", "SEHYP", "LAO/LAE", "RAO/RAE"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four records of each label, one of them thick and blocked, prepared with the guide's own table."""
    out = tmp_path_factory.mktemp("own")
    labels = ["thick;blocked", *["thick"] * 3, *["quick"] * 4, *["blocked"] * 3]
    with (out / "mine.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient_id", "age", "label", "split"])
        for k, label in enumerate(labels):
            noise = np.cumsum(np.random.default_rng(k).standard_normal((8, 500)), axis=1) / 200
            write(EcgRecord(noise, 100, LEADS_8, record_id=f"e{k}"), out / "MINE" / f"e{k}.edf")
            writer.writerow([f"e{k}.edf", f"p{k}", 50 + k, label, "train"])
    (out / "labels.csv").write_text(GUIDE)
    words = ["data", "prepare", out / "MINE", "--table", out / "mine.csv", "--fs", "100", "--out", out / "CACHE"]
    assert cli.run([*map(str, words), "--meaning", str(out / "labels.csv")]) == 0
    return out


def draws(requests):
    return [requests[k] for k in range(len(requests))]


def test_the_cache_keeps_labels_and_what_they_mean(folder):
    assert meanings_of(folder / "CACHE") == read_labels(folder / "labels.csv")
    warnings = SignalCache.open(folder / "CACHE").manifest["warnings"]
    assert any("'quick' may be any of STACH, SVTAC" in line for line in warnings), "a guess is not silent"
    data = physiogen.dataset(folder / "CACHE", fs_hz=100)
    assert dict(zip(data.classes, data.labels.sum(axis=0), strict=True)) == {"blocked": 4, "quick": 4, "thick": 4}
    data = physiogen.dataset(folder / "CACHE", classes="super")
    counts = dict(zip(data.classes, data.labels.sum(axis=0), strict=True))
    assert counts == {"NORM": 0, "MI": 0, "STTC": 0, "CD": 4, "HYP": 4}, "a superclass stays one"


def test_like_balances_the_labels_of_the_cache(folder):
    requests = like(folder / "CACHE", 12, 0, balance="label")
    assert set(requests.classes) == {"blocked", "quick", "thick"}
    assert max(requests.classes.values()) - min(requests.classes.values()) <= 1
    accepted = {"thick": HYP, "quick": {"STACH", "SVTAC"}, "blocked": {"CLBBB"}}
    for request in draws(requests):
        shown = set(read_text(request.values["text"]).codes())
        assert all(shown & accepted[label] for label in request.label.split(";")), request
        if "quick" in request.label:
            assert request.values["heart_rate"] > 95
    drawn = draws(like(folder / "CACHE", None, 1, only=["thick"], per_class=40))
    assert Counter(r.label for r in drawn) == {"thick": 40}
    assert len({next(iter(set(read_text(r.values["text"]).codes()) & HYP)) for r in drawn}) > 1, "any of them"
    assert like(folder / "CACHE", None, 1, only=["thick"], per_class=40).digest


def test_fill_counts_the_labels(folder, tmp_path):
    with (folder / "mine.csv").open() as file, (tmp_path / "few.csv").open("w") as few:
        few.writelines(line for line in file if "e6" not in line and "e7" not in line)
    words = ["data", "prepare", folder / "MINE", "--table", tmp_path / "few.csv", "--out", tmp_path / "FEW"]
    assert cli.run([*map(str, words), "--meaning", str(folder / "labels.csv")]) == 0
    assert like(tmp_path / "FEW", None, 0, balance="fill").classes == {"quick": 2}


def test_superclasses_are_there_for_who_names_them(folder):
    assert like(folder / "CACHE", 8, 0, balance="superclass").classes.keys() == {"CD", "HYP"}
    assert like(folder / "CACHE", None, 0, only=["HYP"], per_class=2).classes == {"HYP": 2}
    with pytest.raises(InputError, match=r"--only fast: no such label in own:MINE; there are blocked, quick, thick"):
        like(folder / "CACHE", None, 0, only=["fast"])


def test_a_table_given_again_goes_before(folder):
    labels = {"thick": Meaning({"left ventricular hypertrophy": 1.0}, frozenset(["LVH"]))}
    drawn = draws(like(folder / "CACHE", None, 0, labels=labels, per_class=5))
    assert {r.label for r in drawn} == {"thick"}
    assert all("LVH" in read_text(r.values["text"]).codes() for r in drawn)


def test_a_set_without_labels_says_so(tmp_path):
    record = EcgRecord(np.zeros((8, 500), np.float32), 100, LEADS_8, "a", statements={"NORM": 100.0})
    write([record], tmp_path / "plain", format="npz")
    with pytest.raises(InputError, match="--balance label: record-set:plain has no labels of its own"):
        like(tmp_path / "plain", 4, 0, balance="label", split="all")


def test_another_set_is_told_by_what_labels_mean(folder, tmp_path):
    signal = np.zeros((8, 500), np.float32)
    codes = ({"LVH": 100.0}, {"SVTAC": 100.0}, {"NORM": 100.0})
    write([EcgRecord(signal, 100, LEADS_8, f"s{k}", statements=c) for k, c in enumerate(codes)], tmp_path / "aug",
          format="npz")  # fmt: skip
    real = physiogen.dataset(folder / "CACHE")
    found = physiogen.dataset(tmp_path / "aug", classes=real.classes, meanings=real.meanings)
    assert found.labels.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]
    with pytest.raises(InputError, match=r"aug: class 'blocked': neither a label .* its labels: none"):
        physiogen.dataset(tmp_path / "aug", classes=real.classes)


def test_a_class_of_a_split_without_it_is_still_a_class(tmp_path):
    signal = np.zeros((8, 500), np.float32)
    facts = ({"label": "a", "split": "train"}, {"label": "b", "split": "test"})
    write([EcgRecord(signal, 100, LEADS_8, f"r{k}", metadata=each) for k, each in enumerate(facts)], tmp_path / "set",
          format="npz")  # fmt: skip
    assert physiogen.dataset(tmp_path / "set", split="train", classes=["b"]).labels.tolist() == [[0]]
    assert physiogen.dataset(tmp_path / "set", split="train").classes == ("a", "b")


def test_labels_of_a_row():
    assert labels_of({"label": "a; b;a"}) == ("a", "b")
    assert labels_of({"metadata": '{"label": "a"}', "label": None}) == ("a",)
    assert labels_of({"label": float("nan")}) == ()
