"""CODE-15 % shards, and folders of the PhysioNet/CinC challenges 2020 and 2021 with their SNOMED CT codes."""

import json

import numpy as np
import pandas as pd
import pytest

from gen.datasets import benchmark_read, open_source, prepare
from gen.io import read
from gen.io.snomed import statements_of, table
from gen.leads import LEADS_12
from gen.records import InputError
from gen.synthesis import like


@pytest.fixture
def code15(tmp_path, rng):
    h5py = pytest.importorskip("h5py")
    tracings = rng.normal(size=(3, 4096, 12)).astype(np.float32)
    tracings[1, :648] = tracings[1, -648:] = 0  # 7 s, centred
    with h5py.File(tmp_path / "exams_part0.hdf5", "w") as shard:
        shard["exam_id"], shard["tracings"] = np.array([30, 10, 20]), tracings
    pd.DataFrame(
        {
            "exam_id": [10, 20, 30, 40], "age": [63, 50, 71, 20], "is_male": [True, False, True, True],
            "1dAVb": False, "RBBB": [True, False, False, False], "LBBB": False, "SB": False, "ST": False,
            "AF": [False, False, True, False], "patient_id": [1, 2, 3, 4], "normal_ecg": [False, True, False, False],
            "trace_file": ["exams_part0.hdf5"] * 3 + ["exams_part1.hdf5"],
        }
    ).to_csv(tmp_path / "exams.csv", index=False)  # fmt: skip
    return tmp_path, tracings


def test_code15(code15):
    root, tracings = code15
    source = open_source(root, fs_hz=None, label_level="all")
    assert source.info.name == "code-15"
    assert source.warnings == ("1 of 4 exams have no shard here, left out",)
    assert [json.loads(text) for text in source.table["statements"]] == [{"CRBBB": 100}, {"NORM": 100}, {"AFIB": 100}]
    assert (source.table["sex"].tolist(), source.table["age"].tolist()) == (["M", "F", "M"], [63, 50, 71])
    first, last = source[0], source[2]
    assert (first.fs_hz, first.leads, first.num_samples) == (400, LEADS_12, 2800)
    np.testing.assert_allclose(first.signal_mv, tracings[1, 648:-648].T / 10, atol=1e-6)
    np.testing.assert_allclose(last.signal_mv, tracings[0].T / 10, atol=1e-6)
    (root / "exams_part0.hdf5").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"exams_part0\.hdf5: not a readable HDF5 file"):
        open_source(root)[0]


def challenge(folder, rng, dx, count=2):
    from scipy.io import savemat

    folder.mkdir()
    for number in range(count):
        name = f"E{number:05d}"
        data = np.cumsum(rng.integers(-20, 21, (12, 5000)), axis=1).clip(-30000, 30000).astype(np.int16)
        savemat(folder / f"{name}.mat", {"val": data}, format="4")
        lines = [f"{name}.mat 12 500 5000 05-Feb-2020 11:39:16"]
        lines += [
            f"{name}.mat 16+24 1000/mV 16 0 {row[0]} 0 0 {lead}" for row, lead in zip(data, LEADS_12, strict=True)
        ]
        lines += ["#Age: 71", "#Sex: Female", f"#Dx: {dx}", "#Rx: Unknown", "#Hx: smoker"]
        (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    return folder


def test_snomed_codes_become_statements(tmp_path, rng):
    root = challenge(tmp_path / "georgia", rng, "164889003,59118001,84114007,999999999")
    record = read(root / "E00000.hea")
    assert record.statements == {"AFIB": 100, "CRBBB": 100}
    assert record.metadata["dx"] == ["164889003", "59118001", "84114007", "999999999"]
    assert record.metadata["unmapped_dx"] == ["84114007", "999999999"]
    source = open_source(root, label_level="all")
    assert json.loads(source.table["labels"][0]) == {"AFIB": 100, "CRBBB": 100}
    assert any("Dx codes without a statement, with their records: " in text for text in source.warnings)
    assert any("84114007 (2)" in text and "999999999 (2)" in text for text in source.warnings)
    assert any("not understood" in text and "Hx (2 of 2)" in text for text in source.warnings)
    assert source[0].statements == record.statements
    requests = like(root, 4, 0, split="all")  # and requests drawn from such a folder ask for them
    assert {frozenset(requests[k].statements) for k in range(4)} == {frozenset({"AFIB", "CRBBB"})}
    assert all("fibrillation" in requests[k].values["text"] for k in range(4))


def test_every_mapped_statement_is_known():
    from gen.datasets.scp import statements

    assert len(table()) == 133
    assert statements_of(["733534002", "164909002"]) == ({"CLBBB": 100.0}, [])
    assert statements_of(["426783006"])[0].keys() <= statements().keys()
    own = {code for codes in table().values() for code in codes} - statements().keys()
    from importlib.resources import files

    described = files("gen.text").joinpath("statements.csv").read_text(encoding="utf-8")
    assert all(f"\n{code}," in described for code in own)


def test_the_comparison_of_speed_takes_no_finished_cache_down(tmp_path, rng):
    """The header's date is one that the ``wfdb`` package refuses."""
    source = open_source(challenge(tmp_path / "georgia", rng, "426783006"), fs_hz=500)
    cache = prepare(source, tmp_path / "cache", fs_hz=500, duration_s=10)
    speed = benchmark_read(cache, source)
    assert speed.records == 2
    assert speed.reader == "the wfdb:georgia reader"
