"""Arrays and tensors in the place of records."""

import numpy as np
import pytest
import torch

from gen.leads import LEADS_8
from gen.records import EcgRecord, InputError, records_of

MV = np.random.default_rng(0).normal(0, 0.3, (3, 500))


@pytest.mark.parametrize(
    "kind", [np.asarray, torch.from_numpy, lambda x: x.tolist(), lambda x: torch.from_numpy(x).float()]
)
def test_arrays_tensors_and_lists_are_records(kind):
    for leads in (["II", "V1", "V5"], "II,V1,V5", ("ii", "v1", "v5")):
        record = records_of(kind(MV), 250, leads)
        assert record.leads == ("II", "V1", "V5")
        assert record.fs_hz == 250
        assert np.allclose(record.signal_mv, MV, atol=1e-6)


def test_several_records_and_one_lead():
    many = records_of(np.stack([MV, 2 * MV]), 250, "II,V1,V5")
    assert [r.record_id for r in many] == ["array_000000", "array_000001"]
    assert np.allclose(many[1].signal_mv, 2 * MV, atol=1e-6)
    assert records_of(MV[0], 250, "I").leads == ("I",)


def test_records_stay_as_they_are():
    record = EcgRecord(MV, 250, ("II", "V1", "V5"))
    assert records_of(record) is record
    assert records_of([record, record]) == [record, record]


@pytest.mark.parametrize(
    ("array", "fs", "leads", "words"),
    [
        (MV, None, None, "give fs=500 and leads="),
        (MV, 250, None, "give leads="),
        (MV, 250, "I,II", r"shape \(3, 500\) for 2 leads"),
        (MV.T, 250, "II,V1,V5", "looks like .time, lead.: transpose it"),
        (1000 * MV, 250, "II,V1,V5", "expected millivolt; divide microvolt by 1000"),
        (MV, -5, "II,V1,V5", "above 0 Hz"),
        (MV, 250, "II,V1,V9", "V9"),
        (np.full((3, 9), np.inf), 250, "II,V1,V5", "expected millivolt"),
        ("strip.hea", 250, "II", "str is no ECG"),
        (object(), 250, "II", "object is no ECG; accepted: what read"),
        (np.zeros((3, 0)), 250, "II,V1,V5", "shape"),
    ],
)
def test_what_is_no_ecg(array, fs, leads, words):
    with pytest.raises(ValueError, match=words):
        records_of(array, fs, leads)


def test_the_reconstruction_takes_them(tmp_path):
    from gen.simulate import simulate
    from vae.pipeline import ReconstructionPipeline, load

    signal = simulate(range(1), seed=0, fs_hz=250).signal_mv[0, :, :1500]
    record = EcgRecord(signal, 250, LEADS_8).select(["II", "V1", "V5"])
    pipe = load().to("cpu")
    assert pipe.device == "cpu"
    result = pipe(record)
    expected = result.record.signal_mv
    assert result.record.metadata["expected"]["measured_for"] == "II,V1,V5"
    tensor = torch.from_numpy(record.signal_mv.copy())
    assert np.array_equal(pipe(tensor, fs=250, leads=["II", "V1", "V5"]).record.signal_mv, expected)
    (first,) = pipe(tensor[None], fs=250, leads="II,V1,V5")
    assert np.array_equal(first.record.signal_mv, expected)
    pipe.save_pretrained(tmp_path / "w")
    again = ReconstructionPipeline.from_pretrained(tmp_path / "w")
    assert np.allclose(again(record).record.signal_mv, expected, atol=1e-6)
    assert set(again.calibration) == set(pipe.calibration)
    with pytest.raises(InputError, match="no weights to write"):
        load(method="dower").save_pretrained(tmp_path / "d")
