"""Cine data sets in NIfTI: ACDC, M&Ms, M&Ms-2."""

import numpy as np
import pytest
from cines import FRAMES, beating, labels_of

from gen.cine import LV_CAVITY, MYOCARDIUM, RV_CAVITY
from gen.datasets.cine import open_cine
from gen.records import InputError

nib = pytest.importorskip("nibabel")


def save_nifti(path, array, pixdim):
    """(slice, frame, row, col) -> file with a unit affine, as ACDC's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.ascontiguousarray(array.transpose(3, 2, 0, 1)), np.diag([-1.0, -1.0, 1.0, 1.0]))
    image.header["pixdim"][1:5] = pixdim
    nib.save(image, path)


def acdc_patient(root, part="training", number=7, end_diastole=1, end_systole=5):
    name = f"patient{number:03d}"
    folder = root / "database" / part / name
    picture = beating()
    save_nifti(folder / f"{name}_4d.nii.gz", picture, [1.6, 1.8, 10.0, 1.0])
    swap = np.array([0, 3, 2, 1], dtype=np.uint8)
    for frame in (end_diastole, end_systole):
        truth = swap[labels_of(picture[:, frame - 1 : frame])]
        save_nifti(folder / f"{name}_frame{frame:02d}_gt.nii.gz", truth[:, 0][:, None], [1.6, 1.8, 10.0, 0])
    info = f"ED: {end_diastole}\nES: {end_systole}\nGroup: MINF\nHeight: 170.0\nNbFrame: {FRAMES}\nWeight: 80.0\n"
    (folder / "Info.cfg").write_text(info)
    return folder


def test_acdc(tmp_path):
    acdc_patient(tmp_path)
    acdc_patient(tmp_path, part="testing", number=101)
    source = open_cine(tmp_path, size=32)
    assert source.info.name == "ACDC"
    by_id = dict(zip(source.record_ids, range(len(source)), strict=True))
    assert source.splits[by_id["patient101"]] == "test"
    record = source[by_id["patient007"]]
    assert record.frames.shape == (3, 50, 32, 32)
    assert record.rr_s is None  # the header's 1 s per frame is no heartbeat
    assert record.metadata["group"] == "MI"
    assert record.patient.weight_kg == 80
    assert record.slice_step_mm == 10
    raw = source.raw(by_id["patient007"])
    assert raw.spacing_mm == pytest.approx((1.8, 1.6))
    np.testing.assert_array_equal(raw.masks[0][0], labels_of(beating())[0, 0])
    assert set(raw.labelled[0]) == {0, 4}
    assert set(np.unique(record.masks[:, 0])) == {0, LV_CAVITY, MYOCARDIUM, RV_CAVITY}
    assert 0 in record.metadata["labelled_frames"]
    assert record.lv_volume_ml is None


def test_acdc_turns_end_diastole_to_the_front(tmp_path):
    acdc_patient(tmp_path, end_diastole=4, end_systole=8)
    raw = open_cine(tmp_path).raw(0)
    np.testing.assert_array_equal(raw.slices[0][0], beating()[0, 3])
    assert set(raw.labelled[0]) == {0, 4}


def test_broken_acdc_is_named(tmp_path):
    folder = acdc_patient(tmp_path)
    (folder / "Info.cfg").write_text("ED: x\n")
    with pytest.raises(InputError, match=r"Info\.cfg: ED is x"):
        open_cine(tmp_path)[0]
    folder = acdc_patient(tmp_path)
    (folder / "patient007_4d.nii.gz").write_bytes(b"gone")
    with pytest.raises(InputError, match=r"patient007_4d\.nii\.gz"):
        open_cine(tmp_path)[0]


def test_mnms(tmp_path):
    table = "External code,Pathology,VendorName,Vendor,Centre,ED,ES,Age,Sex,Height,Weight\n"
    table += "A0S9V9,HCM,Siemens,A,1,2,6,54,F,160,61\nZZZZZZ,DCM,Siemens,A,1,0,6,54,F,160,61\n"
    (tmp_path / "211230_M&Ms_Dataset_information_diagnosis_opendataset.csv").write_text(table)
    picture = beating()
    truth = np.zeros(picture.shape, dtype=np.uint8)
    truth[:, [2, 6]] = labels_of(picture[:, [2, 6]])
    folder = tmp_path / "Training" / "Labeled" / "A0S9V9"
    save_nifti(folder / "A0S9V9_sa.nii.gz", picture, [1.6, 1.8, 9.0, 0.08])
    save_nifti(folder / "A0S9V9_sa_gt.nii.gz", truth, [1.6, 1.8, 9.0, 0.08])
    source = open_cine(tmp_path, size=32)
    assert source.record_ids == ["A0S9V9"]
    assert source.splits == ["train"]
    raw, record = source.raw(0), source[0]
    np.testing.assert_array_equal(raw.slices[0][0], picture[0, 2])
    np.testing.assert_array_equal(raw.masks[0][0], truth[0, 2])
    assert record.rr_s == pytest.approx(0.8)
    assert (record.patient.age, record.patient.sex) == (54, "F")
    assert record.metadata["vendor"] == "Siemens"


def test_mnms_2(tmp_path):
    (tmp_path / "MnM2").mkdir()
    (tmp_path / "MnM2" / "dataset_information.csv").write_text("SUBJECT_CODE,DISEASE,VENDOR\n3,LV,GE\n")
    picture = beating()
    folder = tmp_path / "MnM2" / "dataset" / "003"
    save_nifti(folder / "003_SA_CINE.nii.gz", picture, [1.6, 1.8, 10.0, 1.0])
    for phase, frame in (("ED", 1), ("ES", 5)):
        save_nifti(folder / f"003_SA_{phase}.nii.gz", picture[:, frame : frame + 1], [1.6, 1.8, 10.0, 0])
        save_nifti(folder / f"003_SA_{phase}_gt.nii.gz", labels_of(picture[:, frame : frame + 1]), [1.6, 1.8, 10.0, 0])
    raw = open_cine(tmp_path).raw(0)
    np.testing.assert_array_equal(raw.slices[0][0], picture[0, 1])
    assert set(raw.labelled[0]) == {0, 4}
