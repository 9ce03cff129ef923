"""Loaders of real cines, each on a miniature in its published layout, and on the real Sunnybrook studies."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cines import FRAMES, SLICES, beating, labels_of

from gen.cine import LV_CAVITY
from gen.datasets.cine import open_cine, read_dicom_folder, standardise
from gen.datasets.cine.standard import RawCine, heart_centre, phase_weights
from gen.datasets.cine.ukb import short_axis_files
from gen.io.cine import write_cine
from gen.records import InputError

pydicom = pytest.importorskip("pydicom")
nib = pytest.importorskip("nibabel")

#: Rows and columns of a usual short axis (left, back, head).
ROW = np.array([-0.105, 0.346, -0.932])
COL = np.array([-0.733, -0.660, -0.163])
APEXWARD = np.cross(ROW, COL) / np.linalg.norm(np.cross(ROW, COL))  # points right here, so the stack runs against it


def dicom_bytes(pixels, position, *, row=ROW, col=COL, **tags):
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SOPClassUID = pydicom.uid.MRImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID
    data.Modality = "MR"
    data.PatientID, data.PatientSex, data.PatientAge = "P7", "F", "061Y"
    data.Rows, data.Columns = pixels.shape
    data.PixelSpacing = [1.8, 1.6]
    data.SliceThickness = 8
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.ImagePositionPatient = [round(float(v), 4) for v in position]
    data.ImageOrientationPatient = [float(v) for v in (*row, *col)]
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = np.ascontiguousarray(pixels, dtype=np.int16).tobytes()
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def series(picture, *, rr=800.0, uid="1.2.3", first_trigger=0.0, **tags):
    """(slice, frame) DICOM files of a stack from base to apex whose other numbers all mislead."""
    toward_apex = APEXWARD * np.sign(APEXWARD @ np.array([0.66, -0.58, -0.48]))
    out = []
    for s, loop in enumerate(picture):
        frames = []
        for f, pixels in enumerate(loop):
            facts = {
                "TriggerTime": first_trigger + f * rr / len(loop),
                "NominalInterval": int(rr),
                "InstanceNumber": 500 - 7 * f - s,
                "SliceLocation": float(-30 * s),
                "SeriesInstanceUID": f"{uid}.{s}",
                "SeriesNumber": 10 + s,
                "CardiacNumberOfImages": len(loop),
            } | tags
            frames.append(dicom_bytes(pixels, 10.0 * s * toward_apex + [5, -9, 30], **facts))
        out.append(frames)
    return out


def write_all(folder: Path, files, order=None):
    folder.mkdir(parents=True, exist_ok=True)
    flat = [content for loop in files for content in loop]
    for name, k in enumerate(order if order is not None else range(len(flat))):
        (folder / f"{name:04d}.dcm").write_bytes(flat[k])
    return folder


def test_order_comes_from_position_and_trigger_time(tmp_path):
    picture = beating()
    order = np.random.default_rng(0).permutation(SLICES * FRAMES)
    raw = read_dicom_folder(write_all(tmp_path / "s", series(picture), order))
    np.testing.assert_array_equal(np.stack(raw.slices), picture)
    np.testing.assert_allclose(raw.positions_mm, [0, 10, 20], atol=0.01)
    np.testing.assert_allclose(raw.phases[0], np.arange(FRAMES) / FRAMES)
    assert raw.rr_s == pytest.approx(0.8)
    assert raw.spacing_mm == (1.8, 1.6)
    assert raw.patient.age == 61
    assert raw.patient.sex == "F"


def test_frames_are_rephased_to_the_r_peak(tmp_path):
    """A series whose first frame is 25 ms after R: frame 0 of the result is at R, not at the first frame."""
    late = read_dicom_folder(write_all(tmp_path / "s", series(beating(), first_trigger=25.0)))
    assert late.phases[0][0] == pytest.approx(25 / 800)
    record = standardise(late, frames=40, size=32, spacing_mm=2.0)
    area = (record.frames[0] > 0.4).sum(axis=(1, 2))
    # The disc's radius peaks where phase - 25 ms shift is 0.83 of the stored cycle.
    angle = np.angle(np.sum(area * np.exp(-2j * np.pi * np.arange(40) / 40)))
    assert (-angle / (2 * np.pi)) % 1 == pytest.approx(0.83 + 25 / 800, abs=0.01)


def test_phase_weights_reproduce_stored_frames_and_a_cosine():
    stored = np.arange(20) / 20 + 0.02
    assert phase_weights(stored, stored) == pytest.approx(np.eye(20), abs=1e-5)
    wanted = np.arange(50) / 50
    curve = np.cos(2 * np.pi * stored)
    np.testing.assert_allclose(phase_weights(stored, wanted) @ curve, np.cos(2 * np.pi * wanted), atol=1e-3)
    np.testing.assert_allclose(phase_weights(np.array([0.1, 0.5]), wanted).sum(axis=1), 1.0, rtol=1e-6)


def test_the_heart_is_found_by_its_beat_not_its_brightness():
    picture = beating().astype(np.float32)
    picture += np.random.default_rng(0).normal(0, 15, picture.shape)
    phase = [np.arange(FRAMES) / FRAMES] * SLICES
    raw = RawCine(list(picture), phase, (1.8, 1.6), np.arange(SLICES) * 10.0)
    row, col = heart_centre(raw)
    assert row == pytest.approx(22, abs=2)
    assert col == pytest.approx(18, abs=2)
    record = standardise(raw, size=24, spacing_mm=2.0)
    assert record.frames.shape == (3, 50, 24, 24)
    assert record.frames[0, :, 11:13, 11:13].mean() > 0.8


def test_a_repeated_slice_counts_once_and_a_missing_frame_is_the_one_before(tmp_path):
    picture = beating()
    files = series(picture)
    again = series(picture[1:2] + 100, uid="9.9")  # same place as slice 0, later series
    folder = write_all(tmp_path / "s", files + again)
    raw = read_dicom_folder(folder)
    assert len(raw.slices) == SLICES
    holed = [list(loop) for loop in files]
    del holed[1][4]
    raw = read_dicom_folder(write_all(tmp_path / "h", holed))
    assert [len(s) for s in raw.slices] == [FRAMES] * SLICES
    np.testing.assert_array_equal(raw.slices[1][4], picture[1, 3])
    np.testing.assert_array_equal(raw.slices[1][5], picture[1, 5])


def test_the_last_series_of_a_slice_wins(tmp_path):
    picture = beating(slices=1)
    first = series(picture, uid="5.1", SeriesNumber=10)
    second = series(picture + 50, uid="4.1", SeriesNumber=22)
    raw = read_dicom_folder(write_all(tmp_path / "s", first + second))
    np.testing.assert_array_equal(raw.slices[0], picture[0] + 50)


def test_what_is_no_cine_short_axis_is_refused(tmp_path):
    picture = beating()
    axial = write_all(tmp_path / "axial", series(picture, row=[1, 0, 0], col=[0, 1, 0]))
    with pytest.raises(InputError, match=r"not cine short axis.*degrees"):
        read_dicom_folder(axial)
    long_axis = write_all(tmp_path / "long", series(picture, row=ROW, col=APEXWARD))
    with pytest.raises(InputError, match="not cine short axis"):
        read_dicom_folder(long_axis)
    still = write_all(tmp_path / "still", series(picture[:, :1]))
    with pytest.raises(InputError, match="1 frames of the slice"):
        read_dicom_folder(still)
    mixed = write_all(tmp_path / "mixed", series(picture) + series(picture[:1], row=[1, 0, 0], col=[0, 1, 0]))
    with pytest.raises(InputError, match="another plane"):
        read_dicom_folder(mixed)
    other = write_all(tmp_path / "ct", series(picture[:1], Modality="CT"))
    with pytest.raises(InputError, match="CT"):
        read_dicom_folder(other)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no DICOM files"):
        read_dicom_folder(tmp_path / "empty")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * 500])
def test_a_broken_file_is_named(tmp_path, damage):
    folder = write_all(tmp_path / "s", series(beating()))
    (folder / "0011.dcm").write_bytes(damage((folder / "0011.dcm").read_bytes()))
    with pytest.raises(InputError, match=r"0011\.dcm: not a readable DICOM image"):
        read_dicom_folder(folder)


def test_a_file_without_position_is_named(tmp_path):
    folder = write_all(tmp_path / "s", series(beating()))
    data = pydicom.dcmread(folder / "0004.dcm")
    del data.ImagePositionPatient
    data.save_as(folder / "0004.dcm")
    with pytest.raises(InputError, match=r"0004\.dcm: no position"):
        read_dicom_folder(folder)


def ukb_archive(path, *, manifest="manifest.cvs", series_name="CINE_segmented_SAX_b{}"):
    lines = ["filename,patientid,studyid,seriesid,series discription,date"]
    with zipfile.ZipFile(path, "w") as archive:
        for s, loop in enumerate(series(beating())):
            for f, content in enumerate(loop):
                name = f"1.3.12.{99 - s}.{f}.dcm"
                archive.writestr(name, content)
                lines.append(f"{name},123,5,{s},{series_name.format(s + 1)},Mar 3, 2015")
        archive.writestr("1.3.12.long.dcm", b"another series, never opened")
        lines.append("1.3.12.long.dcm,123,5,77,CINE_segmented_LAX_4Ch,Mar 3, 2015")
        archive.writestr(manifest, "\n".join(lines))
    return path


@pytest.mark.parametrize("name", ["CINE_segmented_SAX_b{}", "CINE_segmented_SAX"])
@pytest.mark.parametrize("manifest", ["manifest.csv", "manifest.cvs"])
def test_uk_biobank(tmp_path, manifest, name):
    ukb_archive(tmp_path / "1234567_20209_2_0.zip", manifest=manifest, series_name=name)
    source = open_cine(tmp_path, size=32)
    assert source.info.name == "UK Biobank 20209"
    assert source.patient_ids == ["1234567"]
    record = source[0]
    assert record.frames.shape == (3, 50, 32, 32)
    assert record.rr_s == pytest.approx(0.8)
    assert record.record_id == "1234567_2"
    np.testing.assert_array_equal(np.stack(source.raw(0).slices), beating())
    assert open_cine(tmp_path / "1234567_20209_2_0.zip")[0].num_slices == 3


def test_a_uk_biobank_archive_without_short_axis_is_refused(tmp_path):
    ukb_archive(tmp_path / "1_20209_2_0.zip", series_name="CINE_segmented_LAX_{}Ch")
    with pytest.raises(InputError, match="not cine short axis"):
        open_cine(tmp_path)[0]
    (tmp_path / "2_20209_2_0.zip").write_bytes(b"PK broken")
    with pytest.raises(InputError, match=r"2_20209_2_0\.zip: not a readable ZIP"):
        open_cine(tmp_path)[1]
    assert short_axis_files("h\nx.dcm,CINE_segmented_SAX_InlineVF\ny.dcm,a, CINE_segmented_SAX_b12\n") == ["y.dcm"]


def sunnybrook_npz(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = beating().astype(np.uint16)
    mask = np.zeros(picture.shape, dtype=np.uint8)
    mask[:, 4] = np.where(labels_of(picture[:, 4].astype(np.int16)) == LV_CAVITY, 3, 0)
    times = np.tile((np.arange(FRAMES) + 0.5) * 80.0, (SLICES, 1))
    np.savez(path, cine=picture, mask=mask, trigger_time_ms=times.astype(np.float32),
             rr_ms=np.array([800.0, 790.0, 810.0], np.float32), pixel_mm=np.float32(1.4),
             slice_step_mm=np.float32(8.0), crop_xy=np.array([1, 2]), has_epi_contour=np.array(True))  # fmt: skip


def test_sunnybrook_archive_and_folder(tmp_path):
    sunnybrook_npz(tmp_path / "npz" / "SCD0000201_SC-HF-I-2.npz")
    write_all(tmp_path / "SCD0000101", series(beating()))
    write_all(tmp_path / "SCD0000201", series(beating()))  # the archive of the same study is preferred
    patients = (
        "\ufeffPatientID,OriginalID,Gender,Age,Pathology\nSCD0000201,SC-HF-I-2,Male,48,Heart failure with infarct\n"
    )
    (tmp_path / "scd_patientdata.csv").write_text(patients)
    source = open_cine(tmp_path, size=32)
    assert source.record_ids == ["SCD0000201_SC-HF-I-2", "SCD0000101"]
    record = source[0]
    assert record.rr_s == pytest.approx(0.8)
    assert record.slice_step_mm == pytest.approx(8.0)
    assert record.patient.age == 48
    assert record.metadata["group"] == "MI"
    assert source[1].frames.shape == (3, 50, 32, 32)
    with np.load(tmp_path / "npz" / "SCD0000201_SC-HF-I-2.npz") as archive:
        kept = {k: archive[k] for k in archive.files if k != "rr_ms"}
    np.savez(tmp_path / "npz" / "SCD0000201_SC-HF-I-2.npz", **kept)
    with pytest.raises(InputError, match="no array rr_ms"):
        source[0]


def test_our_dicom_comes_back_and_says_synthetic(tmp_path):
    order = np.arange(SLICES) * 10.0
    phase = [np.arange(FRAMES) / FRAMES] * SLICES
    raw = RawCine(list(beating()), phase, (1.8, 1.6), order, thickness_mm=8.0, rr_s=0.84)
    record = replace(standardise(raw, frames=12, size=32), synthetic=True)
    path = write_cine(record, tmp_path / "heart", format="dicom")
    assert path.name == "heart.dicom.zip"
    first = path.read_bytes()
    write_cine(record, path, overwrite=True)
    assert path.read_bytes() == first
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "out")
    back = read_dicom_folder(tmp_path / "out")
    np.testing.assert_allclose(np.stack(back.slices) / 4095, record.frames, atol=1 / 4000)
    np.testing.assert_allclose(back.positions_mm, order, atol=0.01)
    np.testing.assert_allclose(back.phases[0], np.arange(12) / 12, atol=1e-4)
    assert back.rr_s == pytest.approx(0.84)
    data = pydicom.dcmread(tmp_path / "out" / "slice_01_frame_01.dcm")
    assert "SYNTHETIC" in data.ImageType
    assert data.SyntheticData == "YES"
    assert "SYNTHETIC" in str(data.PatientName)
    with pytest.raises(InputError, match="RR"):
        write_cine(replace(record, rr_s=None), tmp_path / "x", format="dicom")


def test_nothing_to_open(tmp_path):
    with pytest.raises(InputError, match="not found"):
        open_cine(tmp_path / "no")
    with pytest.raises(InputError, match="no cine in it"):
        open_cine(tmp_path)


def test_real_sunnybrook(data_dir):
    folder = data_dir("sunnybrook")
    source = open_cine(folder)
    assert len(source) == 3
    raw = source.raw(0)
    dicom = read_dicom_folder(folder / "SCD0000101")
    # The archive is a crop of the same images: order of slices and phases must agree.
    x, y = np.load(folder / "npz" / "SCD0000101_SC-HF-I-1.npz")["crop_xy"]
    for s in range(len(raw.slices)):
        crop = dicom.slices[s][:, y : y + 160, x : x + 160]
        np.testing.assert_array_equal(crop, raw.slices[s])
        np.testing.assert_allclose(dicom.phases[s], raw.phases[s], atol=1e-4)
    assert dicom.rr_s == pytest.approx(0.759)
    record = standardise(raw)
    assert record.frames.shape == (12, 50, 96, 96)
    cavity = [int((record.masks[:, k] == LV_CAVITY).sum()) for k in record.metadata["labelled_frames"]]
    assert min(cavity) > 0
    # Labels gather round the middle, found also without them.
    unlabelled = RawCine(**{**dicom.__dict__, "masks": None})
    row, col = heart_centre(unlabelled)
    found = np.argwhere(np.max([m.max(axis=0) for m in raw.masks], axis=0) > 0).mean(axis=0) + np.array([y, x])
    assert np.hypot(row - found[0], col - found[1]) * 1.367 < 35
