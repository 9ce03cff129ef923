"""Loaders against miniatures in each source's own format, and against the real sets where they are."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from gen.datasets import open_source
from gen.datasets.base import COLUMNS, patient_fold
from gen.datasets.scp import SUPERCLASSES, aggregate, labels_at, statements
from gen.leads import LEADS_8, LEADS_12, limb_lead_residual, to_12
from gen.records import EcgRecord, InputError, Patient
from gen.synthesis import like

MIMIC_ORDER = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]


def ecg_uv(seed: int, samples: int = 5000) -> np.ndarray:
    """(12, samples) int16 microvolt that obeys the limb-lead law; I and II even, so that halves are whole."""
    eight = 2 * np.random.default_rng(seed).integers(-400, 400, (8, samples))
    return to_12(eight.astype(np.float64)).astype(np.int16)


def write_wfdb(stem: Path, digital: np.ndarray, names: list[str], fs: float = 500, gain: float = 1000, **extra) -> None:
    """Write with the reference library, not with our own writer."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    count = len(names)
    wfdb.wrsamp(
        stem.name,
        fs=fs,
        units=["mV"] * count,
        sig_name=names,
        d_signal=digital.T.astype(np.int64),
        fmt=["16"] * count,
        adc_gain=[gain] * count,
        baseline=[0] * count,
        write_dir=str(stem.parent),
        **extra,
    )


def ptbxl_tree(root: Path, rates: tuple[int, ...] = (100, 500)) -> Path:
    root.mkdir(exist_ok=True)
    names = [n.upper() if n.startswith("aV") else n for n in LEADS_12]
    rows = []
    for i, (patient, age, sex, fold) in enumerate(
        [(7, 56, 0, 1), (8, 300, 1, 9), (9, np.nan, 1, 10), (7, 57, 0, 1)], 1
    ):
        low, high = f"records100/00000/{i:05d}_lr", f"records500/00000/{i:05d}_hr"
        for rate, name in ((100, low), (500, high)):
            if rate in rates:
                write_wfdb(root / name, ecg_uv(i, rate * 10), names, fs=rate)
        codes = {1: "{'NORM': 100.0, 'SR': 0.0}", 2: "{'IMI': 35.0, 'ASMI': 80.0, 'LVOLT': 0.0}"}.get(i, "{}")
        row = {"ecg_id": i, "patient_id": float(patient), "age": age, "sex": sex, "height": np.nan, "weight": 63.0}
        row |= {"report": "sinusrhythmus normales ekg", "scp_codes": codes, "strat_fold": fold}
        rows.append({**row, "static_noise": " , I-V1,  ", "filename_lr": low, "filename_hr": high})
    pd.DataFrame(rows).to_csv(root / "ptbxl_database.csv", index=False)
    return root


def mimic_tree(root: Path, patients: bool = True) -> Path:
    root.mkdir()
    studies = [(10000032, 40689238, "2180-07-23 08:44:00"), (10000117, 44458630, "2181-11-14 21:00:00")]
    listed, measured = [], []
    for seed, (subject, study, taken) in enumerate(studies):
        stem = f"files/p1000/p{subject}/s{study}/{study}"
        stored = ecg_uv(seed)[[LEADS_12.index(lead) for lead in MIMIC_ORDER]]
        write_wfdb(root / stem, stored // 5, MIMIC_ORDER, gain=200)
        listed.append({"subject_id": subject, "study_id": study, "file_name": study, "ecg_time": taken, "path": stem})
        row = {"subject_id": subject, "study_id": study, "cart_id": 1, "ecg_time": taken}
        row |= {f"report_{k}": np.nan for k in range(18)} | {"report_0": "Sinus rhythm", "report_10": "Abnormal ECG"}
        row |= {"bandwidth": "0.005-150 Hz", "filtering": "60 Hz notch", "rr_interval": 800 if seed == 0 else 29999}
        row |= {"p_onset": 40, "p_end": 150, "qrs_onset": 200, "qrs_end": 290, "t_end": 600}
        measured.append({**row, "p_axis": 51, "qrs_axis": 29999, "t_axis": -20})
    pd.DataFrame(listed).to_csv(root / "record_list.csv", index=False)
    pd.DataFrame(measured[::-1]).to_csv(root / "machine_measurements.csv", index=False)
    if patients:
        rows = [(10000032, "F", 52, 2178), (10000117, "M", 91, 2175)]
        table = pd.DataFrame(rows, columns=["subject_id", "gender", "anchor_age", "anchor_year"])
        (root / "hosp").mkdir()
        table.to_csv(root / "hosp" / "patients.csv.gz", index=False)
    return root


def test_ptbxl_table_states_every_fact(tmp_path):
    source = open_source(ptbxl_tree(tmp_path / "p"))
    table = source.table
    assert list(table.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert table["record_id"].tolist() == ["00001", "00002", "00003", "00004"]
    assert table["patient_id"].tolist() == ["7", "8", "9", "7"]
    assert table["split"].tolist() == ["train", "val", "test", "train"]
    assert table["sex"].tolist() == ["M", "F", "F", "M"]  # 0 is male
    assert table["age"].tolist()[0] == 56
    assert table["age"].isna().tolist() == [False, True, True, False]
    assert table["age_over_89"].tolist() == [False, True, False, False]  # 300 is over 89, a missing age is not
    assert json.loads(table["statements"][0]) == {"NORM": 100.0, "SR": 0.0}
    assert table["static_noise"][0] == ", I-V1,"
    assert source.info.licence == "CC BY 4.0"


def test_ptbxl_records_are_canonical_twelve_leads(tmp_path):
    source = open_source(ptbxl_tree(tmp_path / "p"))
    record = source[1]
    assert record.leads == LEADS_12
    assert record.fs_hz == 500
    np.testing.assert_allclose(record.signal_mv, ecg_uv(2) / 1000, atol=1e-6)
    assert record.patient == Patient(id="8", age=None, sex="F", weight_kg=63.0)
    assert record.metadata["age_over_89"] is True
    assert record.report == "sinusrhythmus normales ekg"
    assert record.statements["ASMI"] == 80
    assert len(source) == len(list(source)) == 4
    assert [r.record_id for r in source[1:3]] == ["00002", "00003"]


@pytest.mark.parametrize(
    ("rates", "asked", "stored"),
    [((100, 500), 500, 500), ((100, 500), 100, 100), ((100, 500), 250, 500), ((500,), 100, 500), ((100,), 500, 100)],
)
def test_ptbxl_reads_the_folder_that_suffices(tmp_path, rates, asked, stored):
    source = open_source(ptbxl_tree(tmp_path / "p", rates), fs_hz=asked)
    record = source[0]
    assert record.metadata["stored_fs_hz"] == stored
    assert record.fs_hz == asked
    assert record.num_samples == 10 * asked
    assert bool(source.warnings) == (stored < asked)


def test_ptbxl_label_levels(tmp_path):
    root = ptbxl_tree(tmp_path / "p")
    labels = {
        level: json.loads(open_source(root, label_level=level).table["labels"][1]) for level in ("super", "sub", "all")
    }
    assert labels == {
        "super": {"MI": 80.0},
        "sub": {"IMI": 35.0, "AMI": 80.0},
        "all": {"IMI": 35.0, "ASMI": 80.0, "LVOLT": 0.0},
    }
    with pytest.raises(ValueError, match="super, sub, all"):
        open_source(root, label_level="subclass")


def test_reading_is_lazy_and_a_missing_file_is_named(tmp_path):
    root = ptbxl_tree(tmp_path / "p")
    (root / "records500/00000/00002_hr.dat").unlink()
    source = open_source(root)
    assert source[0].record_id == "00001"
    with pytest.raises(InputError, match="00002_hr"):
        source[1]


def test_a_table_without_a_needed_column_is_bad_input(tmp_path):
    root = ptbxl_tree(tmp_path / "p")
    pd.read_csv(root / "ptbxl_database.csv").drop(columns="strat_fold").to_csv(root / "ptbxl_database.csv")
    with pytest.raises(InputError, match="strat_fold"):
        open_source(root)


def test_mimic_aVF_stored_before_aVL_comes_back_in_order(tmp_path):
    source = open_source(mimic_tree(tmp_path / "m"))
    record = source[0]
    assert record.leads == LEADS_12
    np.testing.assert_allclose(record.lead("aVL"), ecg_uv(0)[4] // 5 / 200, atol=1e-6)
    np.testing.assert_allclose(record.lead("aVF"), ecg_uv(0)[5] // 5 / 200, atol=1e-6)
    # The law tells the two apart: the stored order under canonical names breaks it, so the test could fail.
    raw = wfdb.rdrecord(str(tmp_path / "m" / source.table["path"][0])).p_signal.T
    assert limb_lead_residual(record.signal_mv, LEADS_12) < 0.01
    assert limb_lead_residual(raw, LEADS_12) > 0.1


def test_mimic_measurements_and_demographics(tmp_path):
    table = open_source(mimic_tree(tmp_path / "m")).table
    first, second = table.iloc[0], table.iloc[1]
    assert first["report"] == "Sinus rhythm. Abnormal ECG."
    assert (first["rr_ms"], first["hr_bpm"]) == (800, 75)
    assert (first["pr_ms"], first["qrs_ms"], first["qt_ms"]) == (160, 90, 400)
    assert np.isnan(first["qrs_axis_deg"])  # 29999 is 'not measured'
    assert np.isnan(second["hr_bpm"])
    assert (first["age"], first["sex"]) == (54, "F")  # 52 in 2178, recorded in 2180
    assert np.isnan(second["age"])
    assert second["age_over_89"]
    assert first["patient_id"] == "10000032"


def test_requests_like_mimic_have_its_measurements_and_rhythms(tmp_path):
    tree = mimic_tree(tmp_path / "m")
    table = pd.read_csv(tree / "machine_measurements.csv", dtype={"report_1": object})
    table.loc[table["subject_id"] == 10000032, ["report_0", "rr_interval"]] = ["Sinus bradycardia", 1300]
    table.loc[table["subject_id"] == 10000117, "report_0"] = "Atrial fibrillation with rapid ventricular response"
    table.loc[table["subject_id"] == 10000117, "report_1"] = "Left bundle branch block"
    table.to_csv(tree / "machine_measurements.csv", index=False)
    requests = like(tree, 60, 0, split="all")
    drawn = [requests[k] for k in range(60)]
    slow = [r.values["heart_rate"] for r in drawn if "bradycardia" in r.values["text"]]
    fast = [r.values["heart_rate"] for r in drawn if "fibrillation" in r.values["text"]]  # 29999: not measured
    assert len(slow) + len(fast) == 60
    assert np.median(slow) == pytest.approx(60_000 / 1300, rel=0.05)
    assert max(slow) < 60
    assert min(fast) >= 100
    assert {(r.values["pr_ms"], r.values["qrs_ms"], r.values["qt_ms"]) for r in drawn} == {(160, 90, 400)}
    balanced = like(tree, 10, 0, split="all", balance="superclass")
    assert {label for k in range(10) for label in balanced[k].label.split(";")} == {"CD"}


def test_mimic_without_patients_says_so(tmp_path):
    source = open_source(mimic_tree(tmp_path / "m", patients=False))
    assert any("patients.csv" in warning for warning in source.warnings)
    assert source[0].patient.sex is None


def test_plain_wfdb_folder_reads_comments_and_keeps_patients_together(tmp_path):
    for i in range(6):
        comments = [f"patient_id: {i // 2}", "Age: 63", "Sex: Female", "report: sinus rhythm"]
        write_wfdb(tmp_path / f"site{i % 2}" / f"r{i}", ecg_uv(i), list(LEADS_12), comments=comments)
    source = open_source(tmp_path)
    assert not source.warnings
    assert source.table.groupby("patient_id")["split"].nunique().max() == 1
    record = source[0]
    assert (record.patient.age, record.patient.sex, record.report) == (63, "F", "sinus rhythm")
    assert record.record_id == "site0_r0"


def test_plain_wfdb_folder_without_patients_warns(tmp_path):
    write_wfdb(tmp_path / "a", ecg_uv(0), list(LEADS_12))
    source = open_source(tmp_path)
    assert "name no patient" in source.warnings[0]


@pytest.mark.parametrize("format", ["wfdb", "csv", "npz", "parquet", "webdataset"])
def test_record_sets_of_every_format(tmp_path, format):
    from gen.io import write

    records = [
        EcgRecord(
            ecg_uv(i, 1000) / 1000.0,
            500,
            LEADS_12,
            record_id=f"r{i}",
            patient=Patient(id=f"p{i // 2}", age=40 + i, sex="M"),
            statements={"AFIB": 100.0},
            synthetic=True,
        )
        for i in range(5)
    ]
    write(records, tmp_path / "set", format=format)
    source = open_source(tmp_path / "set")
    assert len(source) == 5
    assert source.info.licence == "synthetic"
    for i in (0, 3, 1, 4):  # forwards, back, and forwards again
        record = source[i]
        assert (record.record_id, record.patient.id, record.synthetic) == (f"r{i}", f"p{i // 2}", True)
        assert record.statements == {"AFIB": 100.0}
        np.testing.assert_allclose(record.signal_mv, records[i].signal_mv, atol=1e-3)
    assert source.table.groupby("patient_id")["split"].nunique().max() == 1


def test_a_record_set_keeps_the_folds_its_records_came_with(tmp_path):
    from gen.io import write

    source = open_source(ptbxl_tree(tmp_path / "p"))
    write(source, tmp_path / "set")
    assert open_source(tmp_path / "set").table["split"].tolist() == source.table["split"].tolist()


def test_a_record_set_with_a_patient_in_two_splits_is_refused(tmp_path):
    from gen.io import write

    signal = ecg_uv(0) / 1000.0
    records = [
        EcgRecord(signal, 500, LEADS_12, record_id=s, patient=Patient(id="x"), metadata={"split": s})
        for s in ("train", "test")
    ]
    write(records, tmp_path / "set")
    with pytest.raises(InputError, match="patient x is in more than one split"):
        open_source(tmp_path / "set")


def test_ludb_gains_are_passed_over(tmp_path):
    digital = ecg_uv(3)
    stem = tmp_path / "data" / "1"
    write_wfdb(stem, digital, [lead.lower() for lead in LEADS_12], gain=1716)
    table = {"ID": ["1", "2"], "Sex": ["F\n", "M\n"], "Age": ["51\n", ">89\n"], "Rhythms": ["Sinus bradycardia", ""]}
    pd.DataFrame(table | {"Hypertrophies": ["Left ventricular hypertrophy\nSomething else", ""]}).to_csv(
        tmp_path / "ludb.csv", index=False
    )
    (tmp_path / "RECORDS").write_text("data/1\n")
    source = open_source(tmp_path)
    assert len(source) == 1
    np.testing.assert_allclose(source[0].signal_mv, digital / 1000, atol=1e-6)
    assert source[0].statements == {"SBRAD": 100.0, "LVH": 100.0}
    assert source[0].report == "Sinus bradycardia. Left ventricular hypertrophy. Something else."


def test_a_folder_without_recordings_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="no data set in it"):
        open_source(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        open_source(tmp_path / "nowhere")


@given(st.lists(st.text(min_size=1), min_size=1, max_size=50, unique=True))
def test_patient_folds_depend_on_the_patient_alone(patients):
    folds = {patient: patient_fold(patient) for patient in patients}
    assert all(1 <= fold <= 10 for fold in folds.values())
    assert all(patient_fold(patient) == fold for patient, fold in reversed(folds.items()))


def test_patient_folds_are_even_and_seeded():
    folds = np.array([patient_fold(str(i)) for i in range(10_000)])
    counts = np.bincount(folds, minlength=11)[1:]
    # Binomial(10000, 0.1) has a standard deviation of 30; five of them.
    assert np.abs(counts - 1000).max() < 150
    assert any(patient_fold(str(i), seed=1) != folds[i] for i in range(50))


def test_statement_table_has_five_superclasses_and_three_kinds():
    table = statements()
    assert len(table) == 71
    assert {s.superclass for s in table.values()} - {None} == set(SUPERCLASSES)
    assert {kind for s in table.values() for kind in s.kinds} == {"diagnostic", "form", "rhythm"}
    assert all((s.superclass is None) == ("diagnostic" not in s.kinds) for s in table.values())
    assert len(labels_at("sub")) == 23
    assert len(labels_at("all")) == 71


@given(st.dictionaries(st.sampled_from(sorted(statements())), st.floats(0, 100), max_size=8))
def test_aggregation_takes_the_likeliest_and_nests(codes):
    sub, sup = aggregate(codes, "sub"), aggregate(codes, "super")
    assert aggregate(codes, "all") == codes
    assert max(sub.values(), default=-1) == max(sup.values(), default=-1)
    assert set(sup) == {statements()[code].superclass for code in codes} - {None}


def test_real_ptbxl_counts(data_dir):
    source = open_source(data_dir("ptb-xl"), label_level="super")
    table = source.table
    assert len(source) == 2990
    assert table["split"].value_counts().to_dict() == {"train": 2330, "val": 330, "test": 330}
    assert table.groupby("patient_id")["split"].nunique().max() == 1
    test = [json.loads(labels) for labels in table.loc[table["split"] == "test", "labels"]]
    counts = {name: sum(name in labels for labels in test) for name in SUPERCLASSES}
    assert counts == {"NORM": 152, "MI": 79, "STTC": 84, "CD": 69, "HYP": 38}
    raw = wfdb.rdrecord(str(data_dir("ptb-xl") / table["path"][17])).p_signal.T
    np.testing.assert_allclose(source[17].signal_mv, raw, atol=1e-6)


def test_own_statement_table_is_ptbxls(data_dir):
    theirs = pd.read_csv(data_dir("ptb-xl") / "scp_statements.csv", index_col=0)
    assert list(theirs.index) == list(statements())
    for code, row in theirs.iterrows():
        mine = statements()[code]
        assert (mine.superclass or "") == (row["diagnostic_class"] if isinstance(row["diagnostic_class"], str) else "")
        assert (mine.subclass or "") == (
            row["diagnostic_subclass"] if isinstance(row["diagnostic_subclass"], str) else ""
        )
        assert set(mine.kinds) == {kind for kind in ("diagnostic", "form", "rhythm") if row[kind] == 1}


def test_real_ludb_obeys_einthoven(data_dir):
    source = open_source(data_dir("ludb"))
    assert len(source) == 100
    for i in range(0, 100, 10):
        record = source[i]
        np.testing.assert_allclose(record.lead("I") + record.lead("III"), record.lead("II"), atol=1e-6)


def test_real_alivecor_strips(data_dir):
    source = open_source(data_dir("alivecor"), fs_hz=None)
    assert len(source) == 300
    record = source[0]
    assert (record.leads, record.fs_hz) == (("I",), 300)
    assert record.duration_s == 30
    assert source.table["rhythm_class"].value_counts().to_dict() == {"N": 150, "O": 70, "A": 50, "~": 30}
    assert set(LEADS_8) >= set(record.leads)


def test_a_broken_table_is_named(tmp_path):
    (tmp_path / "record_list.csv").write_bytes(b"subject_id,study_id,file_name,ecg_time,path\n1,2,x\xff,2180-01-01,x\n")
    with pytest.raises(InputError, match=r"its table cannot be read .*utf-8"):
        open_source(tmp_path)
    (tmp_path / "record_list.csv").write_text(
        "subject_id,study_id,file_name,ecg_time,path\n3,4,y,2180-01-01,y\n1,2,x,2180-01-01,\n"
    )
    with pytest.raises(InputError, match="row 2 of the set's table names no record or file"):
        open_source(tmp_path)
    with pytest.raises(ValueError, match="label level"):
        open_source(tmp_path, label_level="none")
