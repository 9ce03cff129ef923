"""Cines as scanners, converters and CDs leave them: units, holes, pictures stored twice, files that are no images."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from gen.cine import LV_CAVITY, CineRecord, labelled_frames, mask_volume_ml, robust_scale
from gen.datasets.cine import open_cine, read_dicom_folder
from gen.datasets.cine.nifti import read_volume
from gen.io.cine import read_cine, write_cine
from gen.records import InputError
from metrics.suite.cine import Loop, _scores, read_loop

nib = pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")
FRAMES = 12


@pytest.fixture(scope="module")
def cine():
    """Three slices of a ring that contracts once a beat."""
    row, col = np.mgrid[:48, :48] - 23.5
    radius = np.hypot(row, col)
    inner = 8 + 3 * np.cos(2 * np.pi * np.arange(FRAMES) / FRAMES)
    cavity = radius < inner[None, :, None, None] * np.array([1.0, 0.9, 0.7])[:, None, None, None]
    wall = (radius < 14) & ~cavity
    masks = np.where(cavity, LV_CAVITY, np.where(wall, 2, 0)).astype(np.uint8)
    return CineRecord(
        frames=0.05 + 0.9 * cavity + 0.2 * wall, spacing_mm=(2.0, 2.0), rr_s=0.8, record_id="ring", masks=masks,
        slice_thickness_mm=8.0, slice_positions_mm=np.array([0.0, 10.0, 20.0]),
    )  # fmt: skip


def nifti(path, array, scale=1.0, unit="mm", time="sec", frame_time=0.8 / FRAMES):
    image = nib.Nifti1Image(array, np.diag([3 * scale, 3 * scale, 12 * scale, 1.0]))
    image.header.set_xyzt_units(unit, time)
    if array.ndim > 3:
        image.header["pixdim"][array.ndim] = frame_time
    nib.save(image, path)
    return path


@pytest.mark.parametrize(("scale", "unit"), [(1.0, "mm"), (1000.0, "micron"), (0.001, "meter"), (1.0, "unknown")])
def test_spatial_units(tmp_path, cine, scale, unit):
    path = nifti(tmp_path / "x.nii.gz", cine.frames.transpose(3, 2, 0, 1), scale, unit)
    record = read_cine(path)
    np.testing.assert_allclose([*record.spacing_mm, record.slice_thickness_mm], [3, 3, 12], rtol=1e-5)
    np.testing.assert_allclose(record.slice_positions_mm, [0, 12, 24], rtol=1e-5)
    np.testing.assert_allclose(read_volume(path)[1], [3, 3, 12, 0.8 / FRAMES], rtol=1e-5)


def test_five_axes_and_milliseconds(tmp_path, cine):
    array = cine.frames.transpose(3, 2, 0, 1)[:, :, :, None, :]
    record = read_cine(nifti(tmp_path / "x.nii", array, time="msec", frame_time=800 / FRAMES))
    assert record.frames.shape == cine.frames.shape
    assert record.rr_s == pytest.approx(0.8)


def test_missing_voxels_are_background(tmp_path, cine):
    array = cine.frames.transpose(3, 2, 0, 1).copy()
    whole = read_cine(nifti(tmp_path / "whole.nii", array))
    array[0, 0] = np.nan
    record = read_cine(nifti(tmp_path / "holes.nii", array))
    assert record.metadata["filled_voxels"] == 3 * FRAMES
    np.testing.assert_allclose(record.frames, whole.frames, atol=1e-6)
    assert np.isfinite(read_volume(tmp_path / "holes.nii")[0]).all()
    assert record.missing.sum() == 3 * FRAMES
    assert record.missing[:, :, 0, 0].all()
    assert record.select_slices([1]).missing.sum() == FRAMES
    assert whole.missing is None
    array[:30] = np.nan
    with pytest.raises(InputError, match="62 % of its voxels are not finite"):
        read_cine(nifti(tmp_path / "empty.nii", array))


def test_the_benchmark_passes_over_missing_voxels(tmp_path, cine, rng):
    # The corner is bright in the real loop, so that filling it would count.
    frames = cine.frames.copy()
    frames[:, :, 0, 0] = 0.9
    truth = read_loop("x", write_cine(replace(cine, frames=frames), tmp_path / "x.npz"))
    array = frames.transpose(3, 2, 0, 1).copy()
    array[0, 0] = np.nan
    made = read_loop("x", nifti(tmp_path / "x.nii", array))
    scores = _scores(truth, made)
    assert scores["psnr_db"] == 100
    assert scores["ssim"] == 1
    array[2, 2] += 0.1  # and what was recorded still counts
    assert 40 < _scores(truth, read_loop("x", nifti(tmp_path / "y.nii", array)))["psnr_db"] < 60
    lost = np.zeros(frames.shape, dtype=bool)
    lost[:, 0] = True  # a frame that one of them does not hold at all
    assert _scores(truth, replace(made, frames=frames.astype(np.float64), missing=lost))["psnr_db"] == 100


def test_the_scale_ignores_what_is_not_finite(rng):
    frames = rng.normal(size=(50, 50))
    holes = frames.copy()
    holes[0, 0], holes[1, 1] = np.nan, np.inf
    scaled = robust_scale(holes)
    assert scaled[0, 0] == scaled[1, 1] == 0
    np.testing.assert_allclose(scaled[2:], robust_scale(frames)[2:], atol=0.02)
    half = np.concatenate([frames, np.full((40, 50), np.nan)])
    np.testing.assert_allclose(robust_scale(half)[:50], robust_scale(frames), atol=1e-6)
    assert not robust_scale(np.full((3, 3), np.nan)).any()


# --- DICOM ----------------------------------------------------------------------------------------------------------


def images(folder, cine, second=None, **changed):
    """The cine's DICOM files in a folder; ``second`` makes another image of each."""
    folder.mkdir()
    with zipfile.ZipFile(write_cine(cine, folder.parent / f"{folder.name}.dicom.zip")) as archive:
        for number, name in enumerate(archive.namelist()):
            data = pydicom.dcmread(io.BytesIO(archive.read(name)))
            data.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
            data.save_as(folder / f"a{number:03d}.dcm")
            if second is not None:
                data.SOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[folder.name, name])
                data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
                data.InstanceNumber = int(data.InstanceNumber) + FRAMES
                second(data)
                data.save_as(folder / f"b{number:03d}.dcm")
    return folder


def phase_picture(data):
    data.ImageType = ["ORIGINAL", "PRIMARY", "P", "ND"]
    data.PixelData = b"\1\2" * (int(data.Rows) * int(data.Columns))


def repeated(data):
    data.AcquisitionNumber = 2


def unnumbered(data):
    """The same times once more, and nothing else to tell them apart."""


@pytest.mark.parametrize("second", [phase_picture, repeated, unnumbered])
def test_a_series_that_holds_each_slice_twice(tmp_path, cine, second):
    plain = read_dicom_folder(images(tmp_path / "plain", cine))
    twice = read_dicom_folder(images(tmp_path / "twice", cine, second))
    assert [len(one) for one in twice.slices] == [FRAMES] * 3
    assert twice.rr_s == pytest.approx(plain.rr_s)
    assert twice.metadata["phase_from"] == "trigger times"
    for one, other in zip(plain.slices, twice.slices, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_no_image_is_passed_over(tmp_path, cine):
    folder = images(tmp_path / "cd", cine)
    (folder / "README").write_text("exported")
    (folder / "._a000.dcm").write_bytes(b"\0\5\x16\7" + b"\0" * 60)
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    report = pydicom.dcmread(folder / "a000.dcm")
    for tag in ("PixelData", "Rows", "Columns"):
        delattr(report, tag)
    report.Modality = "SR"
    report.save_as(folder / "report.dcm")
    with pytest.warns(UserWarning, match="2 files are no MR images, passed over"):
        record = open_cine(folder)[0]
    assert record.num_slices == 3
    assert [line.split(":")[0].rpartition("/")[2] for line in record.metadata["passed_over"]] == [
        "README",
        "report.dcm",
    ]
    (folder / "a005.dcm").write_bytes((folder / "a005.dcm").read_bytes()[:2000])
    with pytest.raises(InputError, match=r"a005\.dcm: not a readable DICOM image"):
        read_dicom_folder(folder)


# --- labels ---------------------------------------------------------------------------------------------------------


def test_an_unlabelled_frame_is_not_empty(cine):
    full = mask_volume_ml(cine)
    assert labelled_frames(cine).all()
    masks = np.zeros_like(cine.masks)
    masks[:, [0, 6]] = cine.masks[:, [0, 6]]
    some = replace(cine, masks=masks, metadata={"labelled_frames": [0, 6]})
    found = mask_volume_ml(some)
    assert np.flatnonzero(np.isfinite(found)).tolist() == [0, 6]
    np.testing.assert_allclose(found[[0, 6]], full[[0, 6]])


def test_the_benchmark_compares_labelled_frames(cine):
    frames = cine.frames.astype(np.float64)
    masks = np.zeros_like(cine.masks)
    masks[:, [0, 6]] = cine.masks[:, [0, 6]]
    some = np.isin(np.arange(FRAMES), [0, 6])
    real, made = Loop("a", frames, masks, 0.04, some), Loop("a", frames, cine.masks, 0.04)
    scores = _scores(real, made)
    for name in ("edv_mae_ml", "esv_mae_ml", "ef_mae_points", "es_frame_error"):
        assert scores[name] == 0
    assert scores["cavity_dice"] == 1
    assert np.isnan(scores["volume_curve_correlation"])
    smaller = Loop("a", frames, np.where(cine.masks == LV_CAVITY, 0, cine.masks), 0.04)
    assert _scores(real, smaller)["edv_mae_ml"] > 1  # a frame that is labelled and empty does count
    assert "edv_mae_ml" not in _scores(Loop("a", frames, masks, 0.04, np.arange(FRAMES) == 0), made)
