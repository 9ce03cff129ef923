"""A real study beside a generated heart."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from flow.beside import RealStudy, compared, read_study
from flow.page import add_comparison
from flow.pipeline import load
from flow.volumes.intervals import Interval
from gen.cine import CineRecord
from gen.cli import run
from gen.io import write_record
from gen.page import Page
from gen.records import InputError

FRAMES, SLICES, STEP = 20, 4, 10.0


def study(folder, name="SCD0000201_SC-HF-I-2", *, first=0.0, last=0.95, labels=(0, 7), full=False):
    """A cylinder in Sunnybrook's archives, 26 mm wide at the R peak and 20 mm when it is emptied, wall 8 mm."""
    phase = np.linspace(first, last, FRAMES)
    radius = 26.0 - 6.0 * np.sin(np.pi * np.clip(phase / 0.7, 0, 1)) ** 2
    x = (np.arange(80) - 39.5) * 1.5
    away = np.hypot(x[:, None], x[None])
    inner = away < radius[:, None, None]
    wall = (away < radius[0] + 8) & ~inner
    mask = np.where(inner, 3, np.where(wall, 2, 0)).astype(np.uint8)
    kept = np.isin(np.arange(FRAMES), np.arange(FRAMES) if full else labels)
    mask[~kept] = 0
    cine = (200.0 * inner + 60.0 * wall).astype(np.float32)
    arrays = {
        "cine": np.repeat(cine[None], SLICES, axis=0),
        "trigger_time_ms": np.repeat(900.0 * phase[None], SLICES, axis=0),
        "rr_ms": np.full(SLICES, 900.0),
        "pixel_mm": 1.5,
        "slice_step_mm": STEP,
        "mask": np.repeat(mask[None], SLICES, axis=0),
    }
    (folder / "npz").mkdir(parents=True, exist_ok=True)
    np.savez(folder / "npz" / f"{name}.npz", **arrays)
    return folder


def cylinder_ml(radius_mm):
    return np.pi * radius_mm**2 * STEP * SLICES / 1000.0


@pytest.mark.parametrize("full", [False, True])
def test_volumes_are_those_of_the_cylinder(tmp_path, full):
    found = read_study(study(tmp_path, full=full))
    edv, esv = cylinder_ml(26.0), cylinder_ml(20.0)
    assert found.volumes["edv_ml"] == pytest.approx(edv, rel=0.03)
    assert found.volumes["esv_ml"] == pytest.approx(esv, rel=0.03)
    assert found.volumes["sv_ml"] == pytest.approx(found.volumes["edv_ml"] - found.volumes["esv_ml"])
    assert found.volumes["ef_percent"] == pytest.approx(100 * (1 - esv / edv), abs=2)
    assert found.volumes["mass_g"] == pytest.approx(1.05 * (cylinder_ml(34.0) - edv), rel=0.05)
    assert found.cine.frames.shape == (1, 50, 96, 96)
    assert found.slices == SLICES
    assert not found.cine.synthetic


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"first": 0.2, "last": 0.8}, "no end-diastole: frames from 20% to 80% of the heartbeat"),
        ({"labels": (7,)}, "no end-diastole among the labelled frames"),
        ({"labels": (0, 19)}, "no end-systole among the labelled frames"),
    ],
)
def test_a_study_without_an_end_is_one_line(tmp_path, wrong, words):
    with pytest.raises(InputError, match=words) as caught:
        read_study(study(tmp_path, **wrong))
    assert "\n" not in str(caught.value)


def test_one_of_several_goes_by_name(tmp_path):
    study(tmp_path)
    study(tmp_path, "SCD0000301_SC-N-3")
    with pytest.raises(InputError, match=r"2 studies; accepted: one, such as .*:SCD0000201_SC-HF-I-2"):
        read_study(tmp_path)
    assert read_study(f"{tmp_path}:SCD0000301_SC-N-3").cine.record_id == "SCD0000301_SC-N-3"
    with pytest.raises(InputError, match="no study SCD9; accepted: SCD0000201"):
        read_study(f"{tmp_path}:SCD9")
    with pytest.raises(InputError, match="not found"):
        read_study(tmp_path / "nowhere")


def test_what_is_compared():
    real = RealStudy(CineRecord(np.zeros((1, 4, 8, 8)), (2, 2)), 5, {"edv_ml": 150.0, "esv_ml": 90.0, "mass_g": 100.0})
    made = {"edv_ml": Interval(140, 120, 160), "esv_ml": Interval(60, 50, 80), "mass_g": Interval(110, None, None)}
    shown = {"edv_ml": 145.0, "esv_ml": 60.0, "sv_ml": 85.0, "mass_g": 110.0}
    rows = compared(real, shown, {**made, "sv_ml": Interval(80, 1, 99)})
    assert [row["quantity"] for row in rows] == ["edv_ml", "esv_ml", "mass_g"]
    assert [row["generated_minus_real"] for row in rows] == [-5.0, -30.0, 10.0]
    assert [row["real_inside"] for row in rows] == [True, False, None]


def test_the_page_shows_both(tmp_path, pipeline_folder, records):
    result = load(pipeline_folder)(records[0], num_samples=1, seed=0)
    real = read_study(study(tmp_path))
    page = Page("x")
    add_comparison(page, result, real)
    html = page.html()
    assert "Beside the study SCD0000201_SC-HF-I-2" in html
    assert "real, RR 900 ms. Right: generated from the ECG" in html
    assert f"{real.volumes['edv_ml']:.1f}" in html
    assert "data:image/gif" in html
    assert "its volumes are not known" in add_none(result, real)


def add_none(result, real):
    page = Page("x")
    add_comparison(page, result, RealStudy(real.cine, 4, {}))
    return page.html()


def test_the_command_writes_the_comparison(tmp_path, records, pipeline_folder, capsys):
    ecgs = [tmp_path / "a.hea", tmp_path / "b.hea"]
    for record, file in zip(records, ecgs, strict=False):
        write_record(replace(record, record_id=file.stem), file, format="wfdb")
    study(tmp_path / "study")
    out = tmp_path / "out"
    common = ["--checkpoint", pipeline_folder, "--samples", 2, "--format", "npz", "--beside", tmp_path / "study"]
    assert run([str(x) for x in ("cmr", ecgs[0], "--out", out, *common)]) == 0
    with next(out.glob("*_beside.csv")).open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [row["quantity"] for row in rows] == ["edv_ml", "esv_ml", "sv_ml", "ef_percent", "mass_g"]
    assert rows[0]["study"] == "SCD0000201_SC-HF-I-2"
    assert "Beside the study" in (out / "index.html").read_text(encoding="utf-8")
    capsys.readouterr()
    study(tmp_path / "cut", first=0.2, last=0.8)
    common[-1] = tmp_path / "cut"
    assert run([str(x) for x in ("cmr", ecgs[0], "--out", tmp_path / "no", *common)]) == 2
    said = capsys.readouterr()
    assert "no end-diastole" in said.out + said.err
    assert not (tmp_path / "no").exists()
    assert run([str(x) for x in ("cmr", *ecgs, "--out", tmp_path / "no", *common)]) == 2
    said = capsys.readouterr()
    assert "the one ECG of the person" in said.out + said.err
