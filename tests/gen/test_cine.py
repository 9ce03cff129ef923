"""The cine record and its files."""

import gzip
import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from gen import cine
from gen.cine import CineRecord, from_acdc_labels, mask_mass_g, mask_volume_ml, robust_scale
from gen.io.cine import check_formats, read_cine, write_cine
from gen.io.cine_pictures import write_pair_gif
from gen.records import InputError, Patient


def disc_stack(slices=5, frames=6, size=32):
    """A cylinder of radius 20 +- 4 mm (spacing 2 mm) with a 6 mm wall."""
    x = (np.arange(size) - (size - 1) / 2) * 2.0
    radius = np.hypot(x[:, None], x[None, :])
    inner = 20.0 - 4.0 * np.sin(np.pi * np.arange(frames) / frames)
    masks = np.where(radius < inner[:, None, None], 1, np.where(radius < inner[:, None, None] + 6.0, 2, 0))
    masks = np.repeat(masks[None], slices, axis=0).astype(np.uint8)
    rng = np.random.default_rng(0)
    picture = robust_scale((masks == 1) + 0.3 * (masks == 2) + 0.05 * rng.random(masks.shape))
    return CineRecord(
        frames=picture,
        spacing_mm=(2.0, 2.0),
        rr_s=0.84,
        record_id="disc",
        slice_thickness_mm=8.0,
        slice_positions_mm=np.arange(slices) * 10.0,
        masks=masks,
        lv_volume_ml=np.pi * inner**2 * 10.0 * slices / 1000.0,
        lv_mass_g=100.0,
        patient=Patient("p1", 61.0, "F"),
        synthetic=True,
        metadata={"group": "normal", "seed": 3},
    )


def test_masks_measure_the_volume_of_a_cylinder():
    record = disc_stack()
    np.testing.assert_allclose(mask_volume_ml(record), record.lv_volume_ml, rtol=0.04)
    assert mask_mass_g(record) == pytest.approx(1.05 * np.pi * (26**2 - 20**2) * 50 / 1000, rel=0.05)  # pixels of 2 mm
    assert record.end_systole == 3
    assert record.ef == pytest.approx(1 - (16 / 20) ** 2, rel=1e-6)
    np.testing.assert_allclose(record.frame_times_s, 0.14 * np.arange(6))
    assert record.slice_step_mm == 10.0
    assert record.mid_slice().frames.shape == (1, 6, 32, 32)


def test_a_record_refuses_what_does_not_fit():
    frames = np.zeros((2, 4, 8, 8))
    good = {"frames": frames, "spacing_mm": (2, 2), "slice_positions_mm": [0, 10]}
    assert CineRecord(**good).frame_times_s is None
    for wrong, message in [
        ({"frames": frames[0]}, "slice, frame, row, col"),
        ({"frames": frames * np.nan}, "not finite"),
        ({"slice_positions_mm": [10, 0]}, "base to apex"),
        ({"slice_positions_mm": None}, "slice_positions_mm"),
        ({"phase": [0, 0.5, 0.4, 0.9]}, "phase"),
        ({"rr_s": 0.0}, "above 0"),
        ({"masks": np.full(frames.shape, 7)}, "labels"),
        ({"lv_volume_ml": [1, 2]}, "lv_volume_ml"),
    ]:
        with pytest.raises(ValueError, match=message):
            CineRecord(**(good | wrong))


def test_one_bright_pixel_does_not_rule_the_scale(rng):
    frames = rng.random((1, 4, 32, 32))
    hot = frames.copy()
    hot[0, 0, 0, 0] = 1e6
    np.testing.assert_allclose(robust_scale(hot).ravel()[1:], robust_scale(frames).ravel()[1:], atol=0.01)
    assert robust_scale(frames * 900 + 40) == pytest.approx(robust_scale(frames), abs=1e-3)
    assert not robust_scale(np.full((2, 2), 5.0)).any()


def test_acdc_labels_swap_the_ventricles():
    assert from_acdc_labels(np.array([0, 1, 2, 3])).tolist() == [0, cine.RV_CAVITY, cine.MYOCARDIUM, cine.LV_CAVITY]


@pytest.mark.parametrize("name", ["x.nii.gz", "x.nii", "x.npz"])
def test_files_keep_every_fact(tmp_path, name):
    record = disc_stack()
    path = write_cine(record, tmp_path / name)
    back = read_cine(path)
    for field in ("frames", "masks", "phase", "slice_positions_mm", "lv_volume_ml"):
        np.testing.assert_array_equal(getattr(back, field), getattr(record, field))
    for field in ("spacing_mm", "rr_s", "record_id", "slice_thickness_mm", "lv_mass_g", "patient", "synthetic"):
        assert getattr(back, field) == getattr(record, field)
    assert dict(back.metadata) == dict(record.metadata)
    first = path.read_bytes()
    with pytest.raises(InputError, match="exists"):
        write_cine(record, path)
    write_cine(record, path, overwrite=True)
    assert path.read_bytes() == first
    assert not [f for f in tmp_path.iterdir() if "partial" in f.name]


def test_nifti_says_spacing_time_and_synthetic(tmp_path):
    nib = pytest.importorskip("nibabel")
    path = write_cine(disc_stack(), tmp_path / "heart", format="nifti")
    image = nib.load(path)
    assert image.shape == (32, 32, 5, 6)
    np.testing.assert_allclose(image.header.get_zooms(), [2, 2, 10, 0.14], rtol=1e-6)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert b"synthetic" in bytes(image.header["descrip"])
    assert b"synthetic" in gzip.decompress(path.read_bytes())
    assert (tmp_path / "heart_gt.nii.gz").is_file()


def test_a_foreign_nifti_is_read_without_guessing_a_heartbeat(tmp_path):
    nib = pytest.importorskip("nibabel")
    image = nib.Nifti1Image(np.random.default_rng(0).random((12, 10, 3, 9)).astype(np.float32), np.eye(4))
    image.header["pixdim"][1:5] = 1.5, 1.6, 8.0, 1.0
    nib.save(image, tmp_path / "f.nii.gz")
    record = read_cine(tmp_path / "f.nii.gz")
    assert record.frames.shape == (3, 9, 10, 12)
    assert record.spacing_mm == pytest.approx((1.6, 1.5))
    assert record.rr_s is None
    assert not record.synthetic


def test_a_gif_keeps_the_tempo_and_says_synthetic(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    path = write_cine(disc_stack(), tmp_path / "x.gif")
    with image_module.open(path) as picture:
        durations = []
        for frame in range(picture.n_frames):
            picture.seek(frame)
            durations.append(picture.info["duration"])
        assert sum(durations) == 840
        assert min(durations) >= 20
        assert b"synthetic" in path.read_bytes()
        assert picture.info["loop"] == 0


@pytest.mark.parametrize("rr_s", [0.333, 0.4575, 0.505, 0.845, 0.9999, 1.234, 1.8])
@pytest.mark.parametrize("frames", [8, 50])
def test_a_loop_of_any_rate_lasts_rr_in_a_gif(tmp_path, rr_s, frames):
    image_module = pytest.importorskip("PIL.Image")
    path = write_cine(replace(disc_stack(slices=1, frames=frames), rr_s=rr_s), tmp_path / "x.gif")
    with image_module.open(path) as picture:
        durations = []
        for frame in range(picture.n_frames):
            picture.seek(frame)
            durations.append(picture.info["duration"])
    assert sum(durations) == pytest.approx(1e3 * rr_s, abs=10)
    assert min(durations) >= 20


def test_two_loops_beat_side_by_side(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    real = replace(disc_stack(slices=1, frames=20, size=60), rr_s=0.7, synthetic=False)
    made = replace(disc_stack(slices=1, frames=20, size=32), rr_s=0.913)
    write_pair_gif(real, made, tmp_path / "pair.gif")
    with image_module.open(tmp_path / "pair.gif") as picture:
        assert picture.size == (360 + 384, 384)
        total = 0
        for frame in range(picture.n_frames):
            picture.seek(frame)
            total += picture.info["duration"]
    assert total == pytest.approx(913, abs=10)
    with pytest.raises(InputError, match="loops of 20 and 8 frames"):
        write_pair_gif(real, disc_stack(frames=8), tmp_path / "no.gif")


def film_of(path):
    """Duration in s, frames and comment, by ffprobe; grey levels (frame, row, col) by ffmpeg."""
    shown = "format=duration:format_tags=comment:stream=codec_name,nb_frames,width,height"
    command = ["ffprobe", "-v", "error", "-show_entries", shown, "-of", "json", str(path)]
    facts = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    raw = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    film = np.frombuffer(subprocess.run(raw, capture_output=True, check=True).stdout, np.uint8)
    stream = facts["streams"][0]
    return facts["format"], stream, film.reshape(-1, stream["height"], stream["width"])


def test_a_film_is_whole_heartbeats_in_their_tempo(tmp_path):
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        pytest.skip("ffmpeg is not installed")
    record = replace(disc_stack(slices=1, frames=24, size=31), rr_s=0.913)
    path = write_cine(record, tmp_path / "x", format="mp4")
    facts, stream, film = film_of(path)
    assert stream["codec_name"] == "h264"
    assert int(stream["nb_frames"]) == 24 * 6
    assert float(facts["duration"]) == pytest.approx(6 * 0.913, abs=0.01)
    assert facts["tags"]["comment"].startswith("synthetic")
    np.testing.assert_allclose(film[24:48].mean(axis=(1, 2)), film[:24].mean(axis=(1, 2)), atol=1)
    shown = film[:24, 6:-26:12, 6::12].astype(float)[..., :31]  # 12 times enlarged; the corner says "synthetic"
    grey = 255 * record.frames[0, :, : shown.shape[1], : shown.shape[2]]
    assert np.corrcoef(shown.ravel(), grey.ravel())[0, 1] > 0.97
    first = path.read_bytes()
    assert write_cine(record, path, overwrite=True).read_bytes() == first
    assert "comment" in film_of(write_cine(replace(record, synthetic=False), tmp_path / "r.mp4"))[0]["tags"]


def test_no_ffmpeg_is_told_before_the_work(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="mp4: no ffmpeg found; accepted: the program ffmpeg"):
        check_formats(["gif", "mp4"])
    with pytest.raises(InputError, match="unknown format avi; accepted: nifti, gif, mp4"):
        check_formats(["avi"])


def test_bad_files_are_named(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"not gzip")
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 broken")
    np.savez(tmp_path / "b.npz", x=np.zeros(3))
    for name in ("a.nii.gz", "a.npz", "b.npz", "missing.npz", "x.gif", "x.txt"):
        with pytest.raises(InputError, match=name):
            read_cine(tmp_path / name)
    with pytest.raises(InputError, match="format 'avi'"):
        write_cine(disc_stack(), tmp_path / "x", format="avi")
    with pytest.raises(InputError, match="unknown cine format"):
        write_cine(disc_stack(), tmp_path / "x.dcm")


def test_facts_are_plain_json(tmp_path):
    path = write_cine(disc_stack(), tmp_path / "x.npz")
    with np.load(path, allow_pickle=False) as archive:
        assert json.loads(str(archive["facts"]))["notice"].startswith("synthetic")
