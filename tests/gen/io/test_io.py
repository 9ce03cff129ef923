"""Round trips through every format, and real files of others."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import make_record

import gen
from gen.io import (
    count_set,
    expand_inputs,
    read,
    read_set,
    set_table,
    write,
    write_record,
    write_shard,
)
from gen.io.formats import WRITABLE
from gen.leads import LEADS_12
from gen.records import EcgRecord, Patient

SUFFIX = {"wfdb": ".hea", "edf": ".edf", "dicom": ".dcm", "csv": ".csv", "npz": ".npz", "aecg": ".xml"}
SUFFIX |= {"fhir": ".json"}


def assert_same(found, expected, tolerance_mv=0.000501):
    assert found.leads == expected.leads
    assert found.fs_hz == expected.fs_hz
    assert found.signal_mv.shape == expected.signal_mv.shape
    np.testing.assert_array_equal(np.isnan(found.signal_mv), np.isnan(expected.signal_mv))
    np.testing.assert_allclose(found.signal_mv, expected.signal_mv, rtol=0, atol=tolerance_mv)
    for name in ("record_id", "patient", "report", "statements", "synthetic", "metadata"):
        assert getattr(found, name) == getattr(expected, name), name


@pytest.mark.parametrize("format", SUFFIX)
@pytest.mark.parametrize(
    ("leads", "num_samples", "fs_hz"),
    [(LEADS_12, 5000, 500.0), (("V5", "aVF"), 997, 257.5), (("I",), 1, 300.0), (LEADS_12[::-1], 4999, 1000.0)],
)
def test_one_file_gives_back_signal_and_facts(tmp_path, rng, format, leads, num_samples, fs_hz):
    record = make_record(rng, leads=leads, num_samples=num_samples, fs_hz=fs_hz)
    record.signal_mv[0, num_samples // 3 : num_samples // 2] = np.nan
    file = write_record(record, tmp_path / f"r1{SUFFIX[format]}", format)
    assert_same(read(file), record, 0 if format in ("npz", "csv") else 0.000501)


@pytest.mark.parametrize("format", WRITABLE)
def test_a_set_gives_back_every_record(tmp_path, rng, format):
    records = [make_record(rng, f"r{i}", num_samples=500 + i, statements={"AFIB": float(i)}) for i in range(5)]
    records[2] = replace(records[2], leads=("I", "V5"), signal_mv=records[2].signal_mv[:2], synthetic=False, fs_hz=250)
    out = write(iter(records), tmp_path / "set", format=format, records_per_shard=2)
    assert count_set(out) == 5
    for found, expected in zip(read_set(out), records, strict=True):
        assert_same(found, expected)
    table = set_table(out)
    assert table["record_id"].tolist() == ["r0", "r1", "r2", "r3", "r4"]
    assert table["synthetic"].tolist() == [True, True, False, True, True]
    assert table["statements"][3] == {"AFIB": 3.0}
    assert table["age"].tolist() == [63.0] * 5
    assert "Synthetic data" in (out / "README.md").read_text()
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("format", WRITABLE)
def test_equal_records_give_equal_bytes(tmp_path, format):
    for name in ("a", "b"):
        rng = np.random.default_rng(5)
        write([make_record(rng, f"r{i}") for i in range(3)], tmp_path / name, format=format)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


@pytest.mark.parametrize("format", WRITABLE)
def test_a_record_without_facts_stays_without(tmp_path, rng, format):
    record = EcgRecord(rng.normal(size=(2, 300)), 300, ("I", "II"), "bare")
    assert_same(next(read_set(write(record, tmp_path / "set", format=format))), record)


@given(
    report=st.text(max_size=200).filter(lambda text: text.strip() and "\0" not in text and text.isprintable()),
    metadata=st.dictionaries(
        st.text("abc_ é", min_size=1), st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=20), max_size=4
    ),
    age=st.none() | st.floats(0, 120, width=32),
)
@settings(max_examples=8, deadline=None)
def test_any_text_survives(tmp_path_factory, report, metadata, age):
    record = EcgRecord(np.zeros((1, 10)), 100, ("I",), "t", Patient(age=age), report, metadata=metadata)
    folder = tmp_path_factory.mktemp("any")
    for suffix in SUFFIX.values():
        found = read(write_record(record, folder / f"t{suffix}"))
        assert (found.report, found.metadata, found.patient.age) == (report, metadata, age), suffix


def test_wfdb_package_reads_what_is_written(tmp_path, rng):
    import wfdb

    record = make_record(rng)
    record.signal_mv[1, 5:9] = np.nan
    write_record(record, tmp_path / "r1.hea")
    found = wfdb.rdrecord(str(tmp_path / "r1"))
    np.testing.assert_allclose(found.p_signal.T, record.signal_mv, atol=0.000501, rtol=0)
    assert found.sig_name == list(LEADS_12)
    assert found.adc_gain == [1000.0] * 12
    assert found.fmt == ["16"] * 12
    digital = wfdb.rdrecord(str(tmp_path / "r1"), physical=False)
    assert digital.init_value == digital.d_signal[0].tolist()
    assert digital.checksum == (digital.d_signal.sum(axis=0, dtype=np.int64) % 65536).tolist()
    assert digital.d_signal[5, 1] == -32768
    assert "age: 63" in found.comments
    assert "sex: F" in found.comments
    assert "synthetic: true" in found.comments


@pytest.mark.parametrize(
    ("fmt", "gain", "baseline", "unit"), [("16", 200.0, 1024, "mV"), ("212", 0.2, -7, "uV"), ("32", 4e5, 0, "V")]
)
def test_files_of_the_wfdb_package_are_read(tmp_path, rng, fmt, gain, baseline, unit):
    import wfdb

    digital = rng.integers(-1000, 1000, (400, 2))
    digital[3, 1] = {"16": -(2**15), "212": -(2**11), "32": -(2**31)}[fmt]
    wfdb.wrsamp(
        "w",
        fs=360,
        units=[unit] * 2,
        sig_name=["MLII", "V5"],
        d_signal=digital,
        fmt=[fmt] * 2,
        adc_gain=[gain] * 2,
        baseline=[baseline] * 2,
        comments=["Age: 71  Sex: M", "<age>: 71", "Gender: male", "Rhythm: sinus"],
        write_dir=str(tmp_path),
    )
    found = read(tmp_path / "w.dat")
    expected = wfdb.rdrecord(str(tmp_path / "w")).p_signal.T * {"mV": 1, "uV": 1e-3, "V": 1e3}[unit]
    np.testing.assert_allclose(found.signal_mv, expected, rtol=1e-5, atol=1e-6)
    assert np.isnan(found.signal_mv[1, 3])
    assert found.leads == ("II", "V5")
    assert (found.patient.age, found.patient.sex) == (71, "M")
    assert "Rhythm: sinus" in found.metadata["comments"]


@pytest.mark.parametrize(
    ("comment", "age", "sex"),
    [
        ("<age>: 65  <sex>: F  <diagnoses> Coronary artery disease", 65, "F"),
        ("Age: 74", 74, None),
        ("Age: 71  Sex: Male", 71, "M"),
        ("69 M 1085 1629 x1", 69, "M"),
        ("age: 300", None, None),
        ("Age: NaN", None, None),
        ("sex: weiblich", None, "F"),
        ("Sex: 1", None, None),  # 0 and 1 mean different things in different sets
    ],
)
def test_age_and_sex_in_comments(tmp_path, rng, comment, age, sex):
    file = write_record(make_record(rng, leads=("I",), patient=Patient()), tmp_path / "r.hea")
    file.write_text("\n".join([*file.read_text().splitlines()[:2], f"#{comment}", "# Patient name: Jane Doe"]))
    record = read(file)
    assert (record.patient.age, record.patient.sex) == (age, sex)
    assert "Doe" not in repr(record)


def test_pydicom_reads_what_is_written(tmp_path, rng):
    import pydicom

    record = make_record(rng, num_samples=5000)
    dataset = pydicom.dcmread(write_record(record, tmp_path / "r.dcm"))
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.9.1.1"
    np.testing.assert_allclose(dataset.waveform_array(0).T / 1000, record.signal_mv, atol=0.000501)
    codes = [c.ChannelSourceSequence[0].CodeValue for c in dataset.WaveformSequence[0].ChannelDefinitionSequence]
    assert codes == [f"2:{n}" for n in (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8)]
    assert dataset.SyntheticData == "YES"
    assert dataset.PatientAge == "063Y"


def test_dicom_of_a_recorder_is_read():
    from pydicom.data import get_testdata_file

    record = read(get_testdata_file("waveform_ecg.dcm"))
    assert record.leads == LEADS_12
    assert (record.fs_hz, record.num_samples) == (1000, 10000)
    assert record.patient.sex == "F"
    assert not record.synthetic
    # Limb leads of one recorder obey Einthoven's law up to the quantisation of three channels.
    np.testing.assert_allclose(record.lead("II"), record.lead("I") + record.lead("III"), atol=0.004)


def test_pyedflib_reads_what_is_written(tmp_path, rng):
    import pyedflib

    record = make_record(rng, num_samples=5000)
    with pyedflib.EdfReader(str(write_record(record, tmp_path / "r.edf"))) as file:
        assert file.getSignalLabels()[3] == "ECG aVR"
        assert file.getSampleFrequency(3) == 500
        assert file.getNSamples()[3] == 5000
        assert file.getSex().lower() in ("f", "female")
        assert "Synthetic data" in file.readAnnotations()[2].tolist()
        np.testing.assert_allclose(file.readSignal(3) / 1000, record.signal_mv[3], atol=0.000501)


def test_edf_of_another_writer_is_read(tmp_path, rng):
    import pyedflib

    signal = rng.normal(0, 300, (2, 1000))
    with pyedflib.EdfWriter(str(tmp_path / "p.edf"), 2) as file:
        for i, label in enumerate(("ECG I", "Resp")):
            file.setSignalHeader(
                i,
                {
                    "label": label,
                    "dimension": "uV",
                    "sample_frequency": 250,
                    "physical_max": 3276.7,
                    "physical_min": -3276.8,
                    "digital_max": 32767,
                    "digital_min": -32768,
                    "transducer": "",
                    "prefilter": "",
                },
            )
        file.setPatientName("Jane_Doe")
        file.setPatientCode("id7")
        file.setSex(0)
        file.writeSamples(list(signal))
    record = read(tmp_path / "p.edf")
    assert record.leads == ("I",)
    assert record.metadata["skipped_channels"] == ["Resp"]
    assert record.patient == Patient(id="id7", sex="F")
    assert "Doe" not in repr(record)
    np.testing.assert_allclose(record.signal_mv[0], signal[0] / 1000, atol=0.0002)


def test_webdataset_members(tmp_path, rng):
    import tarfile

    records = [make_record(rng, "a.b/c"), make_record(rng, "d")]
    with tarfile.open(write_shard(records, tmp_path / "s.tar")) as tar:
        # A key ends at the first dot, and the members of one record stand together.
        assert tar.getnames() == ["a_b_c.npy", "a_b_c.json", "d.npy", "d.json"]
        assert json.load(tar.extractfile("d.json"))["leads"] == list(LEADS_12)
        tar.extract("d.npy", tmp_path, filter="data")
    np.testing.assert_array_equal(np.load(tmp_path / "d.npy"), records[1].signal_mv)


def test_pandas_reads_the_parquet_and_the_table(tmp_path, rng):
    import pandas as pd

    record = make_record(rng, num_samples=100)
    out = write([record], tmp_path / "set", format="parquet")
    row = pd.read_parquet(out / "shard-00000.parquet").iloc[0]
    np.testing.assert_array_equal(np.stack(row["signal_mv"]), record.signal_mv)
    assert json.loads(pd.read_csv(out / "metadata.csv").loc[0, "metadata"])["seed"] == [3, 7]


def test_npz_of_others_holds_many_records(tmp_path, rng):
    batch = rng.normal(size=(3, 12, 100)).astype(np.float32)
    np.savez(tmp_path / "gen.npz", signal_mv=batch, fs_hz=100, leads=np.array(LEADS_12))
    assert count_set(tmp_path / "gen.npz") == 3
    found = list(read_set(tmp_path / "gen.npz"))
    np.testing.assert_array_equal(np.stack([record.signal_mv for record in found]), batch)
    assert len({record.record_id for record in found}) == 3
    np.save(tmp_path / "gen.npy", batch.transpose(1, 0, 2)[:, :2])
    assert count_set(tmp_path / "gen.npy") == 12
    np.testing.assert_array_equal(
        [record.signal_mv for record in read_set(tmp_path / "gen.npy", fs_hz=100, unit="mV", leads="II,V5")],
        batch.transpose(1, 0, 2)[:, :2],
    )
    np.savez(tmp_path / "raw.npz", x=(1000 * batch[0]))
    record = read(tmp_path / "raw.npz", fs_hz=100, unit="uV", leads=LEADS_12)
    np.testing.assert_allclose(record.signal_mv, batch[0], rtol=1e-6)


def test_a_folder_of_plain_files_is_a_set(tmp_path, rng):
    (tmp_path / "b").mkdir()
    write_record(make_record(rng, "w"), tmp_path / "b" / "w.hea")
    write_record(make_record(rng, "c"), tmp_path / "a.csv")
    write_record(make_record(rng, "n"), tmp_path / "n.npz")
    (tmp_path / "scores.csv").write_text("name,score\nx,1\n")
    (tmp_path / "notes.md").write_text("nothing")
    (tmp_path / ".hidden.npz").write_bytes(b"x")
    files = [tmp_path / "a.csv", tmp_path / "b" / "w.hea", tmp_path / "n.npz"]
    assert expand_inputs([tmp_path]) == files
    assert expand_inputs([tmp_path / "b" / "w.dat", tmp_path / "b" / "w", str(tmp_path / "*.npz")]) == files[1:]
    assert [record.record_id for record in read_set(tmp_path)] == ["c", "w", "n"]
    assert count_set(tmp_path) == 3
    assert set_table(tmp_path)["record_id"].tolist() == ["c", "w", "n"]


def test_the_table_wins_over_the_file(tmp_path, rng):
    out = write([make_record(rng, "r1", patient=Patient(age=5.0))], tmp_path / "set")
    table = (out / "metadata.csv").read_text().replace("r1,r1.hea,,5,", "r1,r1.hea,new,6,")
    (out / "metadata.csv").write_text(table)
    assert next(read_set(out)).patient == Patient(id="new", age=6.0)


def test_importing_loads_no_format_library():
    import subprocess
    import sys

    heavy = "{'pandas', 'wfdb', 'pydicom', 'pyedflib', 'pyarrow', 'torch', 'matplotlib'}"
    code = f"import sys, gen.io; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_companion_channels_are_left_out_and_named(tmp_path, rng):
    file = write_record(make_record(rng, leads=("II", "V5", "I"), metadata={}), tmp_path / "r.hea")
    file.write_text(file.read_text().replace("0 V5", "0 PLETH"))
    record = read(file)
    assert record.leads == ("II", "I")
    assert record.metadata == {"skipped_channels": ["PLETH"]}


def test_ptb_xl_agrees_with_the_wfdb_package(data_dir):
    import wfdb

    for file in sorted((data_dir("ptb-xl") / "records500" / "00000").glob("*.hea"))[:5]:
        record = gen.read(file)
        np.testing.assert_allclose(record.signal_mv, wfdb.rdrecord(str(file)[:-4]).p_signal.T, atol=1e-6)
        assert record.leads == LEADS_12
        assert "checksum_mismatch" not in record.metadata


def test_ludb_agrees_with_the_wfdb_package(data_dir):
    import wfdb

    file = data_dir("ludb") / "data" / "1.hea"
    record = read(file)
    np.testing.assert_allclose(record.signal_mv, wfdb.rdrecord(str(file)[:-4]).p_signal.T, atol=1e-6)
    assert (record.patient.age, record.patient.sex) == (51, "F")


def test_hand_held_strips(data_dir):
    from scipy.io import loadmat

    folder = data_dir("alivecor")
    for name in ("A00001.mat", "A00001.hea", "A00001"):
        record = read(folder / name)
        assert (record.leads, record.fs_hz, record.record_id) == (("I",), 300.0, "A00001")
        np.testing.assert_allclose(record.signal_mv, loadmat(folder / "A00001.mat")["val"] / 1000, atol=1e-6)
    assert len(expand_inputs([folder])) == count_set(folder) == 300


def test_a_strip_without_its_header(tmp_path, data_dir):
    file = tmp_path / "x.mat"
    file.write_bytes(Path(data_dir("alivecor") / "A00001.mat").read_bytes())
    assert (read(file).leads, read(file).fs_hz, read(file).num_samples) == (("I",), 300.0, 9000)
