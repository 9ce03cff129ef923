"""ECGs by number for a DataLoader: the right samples and labels from every kind of set, once decoded."""

import pickle

import numpy as np
import pytest
from torch.utils.data import DataLoader

import physiogen
from gen.datasets import open_source, prepare
from gen.io import write
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError, Patient


def record(k, seconds=10.0, fs_hz=500.0):
    signal = np.random.default_rng(k).normal(0, 0.3, (8, int(seconds * fs_hz))).astype(np.float32)
    codes = {"AFIB": 100.0, "LVH": 50.0} if k % 3 == 0 else {"NORM": 100.0}
    facts = {"label": "mine" if k % 2 else "yours", "split": "test" if k == 5 else "train"}
    leads = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    return EcgRecord(signal, fs_hz, leads, f"r{k}", Patient(f"p{k}"), statements=codes, metadata=facts).to_12()


@pytest.fixture(scope="module")
def records():
    return [record(k) for k in range(7)]


@pytest.fixture(params=["parquet", "webdataset", "wfdb", "npz", "cache"])
def folder(request, records, tmp_path):
    kind = "wfdb" if request.param == "cache" else request.param
    write(records, tmp_path / "set", format=kind)
    if request.param != "cache":
        return tmp_path / "set"
    prepare(open_source(tmp_path / "set"), tmp_path / "cache")
    return tmp_path / "cache"


def test_items_are_the_records_in_any_order(folder, records):
    data = physiogen.dataset(folder, classes="super")
    assert len(data) == 7
    by_id = {r.record_id: r for r in records}
    for index in (6, 0, 3, 3, -1):
        item = data[index]
        expected = by_id[data.table["record_id"].iloc[index]]
        assert np.allclose(item["signal"], expected.signal_mv, atol=1.6e-3)
        assert item["signal"].dtype == np.float32
        assert dict(zip(data.classes, item["label"], strict=True)).get("HYP") == float("LVH" in expected.statements)


def test_a_loader_collates_batches(folder):
    data = physiogen.dataset(folder, leads=["aVF", "V1"], classes=["AFIB", "NORM"])
    batches = list(DataLoader(data, batch_size=4, shuffle=True))
    assert [tuple(b["signal"].shape) for b in batches] == [(4, 2, 5000), (3, 2, 5000)]
    assert sum(float(b["label"].sum()) for b in batches) == 7.0
    assert sorted(int(k) for b in batches for k in b["index"]) == list(range(7))


def test_own_labels_come_first_and_splits_are_kept(folder):
    data = physiogen.dataset(folder)
    assert data.classes == ("mine", "yours")
    assert data.labels.sum(axis=0).tolist() == [3.0, 4.0]
    assert len(physiogen.dataset(folder, split="test")) == 1


def test_every_rule_of_leads_is_the_exact_one(folder, records):
    for leads in (LEADS_12, ("III",), ("aVL", "aVR"), ("V6", "aVF", "II")):
        item = physiogen.dataset(folder, leads=leads)[0]
        assert np.allclose(item["signal"], records[0].select(leads).signal_mv, atol=1.6e-3)


def test_holes_are_zero_other_rates_and_lengths_fit(tmp_path):
    odd = [record(0, seconds=4, fs_hz=250), record(1, seconds=12)]
    odd[1].signal_mv[0, :50] = np.nan
    write(odd, tmp_path / "odd", format="npz")
    data = physiogen.dataset(tmp_path / "odd")
    short, long = (data[k]["signal"] for k in (0, 1))
    assert short.shape == long.shape == (12, 5000)
    assert not short[:, 2001:].any()
    assert short[1, 100:1900].std() > 0.1
    assert not long[0, :50].any()
    assert not long[2, :50].any(), "III follows from I"
    assert long[1, :50].any()


def test_workers_share_what_is_decoded(records, tmp_path):
    write(records, tmp_path / "set", format="parquet")
    data = physiogen.dataset(tmp_path / "set")
    scratch = data._store._file
    data[2]
    again = pickle.loads(pickle.dumps(data))
    assert np.array_equal(again[2]["signal"], data[2]["signal"])
    assert scratch.stat().st_size == 7 * (8 * 5000 * 2 + 1)
    del data
    assert not scratch.exists()


def test_a_transform_is_applied(folder):
    data = physiogen.dataset(folder, leads=["II"], transform=lambda signal: signal[:, ::5])
    assert data[0]["signal"].shape == (1, 1000)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "half"}, "accepted: train, val, test"),
        ({"classes": ["blorp"]}, "class 'blorp': neither a label of the set nor a class"),
        ({"leads": ["V9"]}, "V9"),
    ],
)
def test_bad_options(folder, options, words):
    with pytest.raises(ValueError, match=words):
        physiogen.dataset(folder, **options)
    with pytest.raises(InputError, match="no such folder"):
        physiogen.dataset(folder / "nothing")
    with pytest.raises(IndexError):
        physiogen.dataset(folder)[7]
