"""The paired cohort: ``physiogen data simulate --cine`` writes the cine of every ECG's own heart, or nothing."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from gen.cine import RV_CAVITY, mask_volume_ml
from gen.cli import run
from gen.io import read_set
from gen.io.cine import read_cine
from gen.records import InputError
from gen.simulate import iter_cohort
from gen.simulate.cine import pairs, simulate_cine
from gen.simulate.cine.pairs import CineOptions, iter_pairs

SMALL = CineOptions(size=40, frames=6)


def _simulate(out: Path, *more: str) -> int:
    return run(["data", "simulate", "-n", "3", "--seed", "4", "--fs", "100", "--out", str(out), *more])


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cine" / "metadata.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_pairs_are_one_heart_and_the_ecgs_those_of_the_cohort_without_cines():
    both = list(iter_pairs(10, 4, 2, options=SMALL, fs_hz=100.0))  # more than one batch
    alone = list(iter_cohort(10, 4, 2, fs_hz=100.0))
    assert len(both) == 20
    for (ecg, cine), expected in zip(both, alone, strict=True):
        assert ecg.record_id == expected.record_id == cine.record_id
        assert np.array_equal(ecg.signal_mv, expected.signal_mv)
        assert ecg.patient == cine.patient
        assert ecg.synthetic
        assert cine.synthetic
    ninth = simulate_cine([9], seed=4, visit=1, frames=6, size=40, spacing_mm=192 / 40)[0]
    assert np.array_equal(both[19][1].frames, ninth.frames)


@pytest.mark.parametrize(("levels", "slices"), [("mid", 1), ("three", 3)])
def test_the_command_writes_pairs(levels, slices, tmp_path, capsys):
    out = tmp_path / "pairs"
    options = ["--cine", "--levels", levels, "--size", "48", "--frames", "8", "--cine-format", "npz,nifti"]
    assert _simulate(out, *options, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["records"] == result["cine"]["cines"] == 3
    assert result["cine"]["spacing_mm"] == 4.0
    ecgs = {record.record_id: record for record in read_set(out)}
    rows = _rows(out)
    assert [row["record_id"] for row in rows] == list(ecgs)
    for row in rows:
        cine, ecg = read_cine(out / "cine" / row["file"]), ecgs[row["record_id"]]
        assert ecg.metadata["cine"] == f"cine/{row['file']}"
        assert row["synthetic"] == "true"
        assert cine.synthetic
        assert cine.frames.shape == (slices, 8, 48, 48)
        assert ecg.patient.id == row["patient_id"] == cine.patient.id
        assert cine.rr_s == pytest.approx(60.0 / ecg.metadata["truth"]["hr_bpm"], rel=0.25)
        assert float(row["edv_ml"]) == pytest.approx(cine.edv_ml, abs=0.01)
        assert float(row["ef_percent"]) == pytest.approx(100 * cine.ef, abs=0.01)
        nifti = read_cine(out / "cine" / f"{row['record_id']}.nii.gz")
        assert np.array_equal(nifti.masks, cine.masks)
    assert "no patient was imaged" in (out / "cine" / "README.md").read_text()
    # Same seed, same bytes.
    assert _simulate(tmp_path / "again", *options) == 0
    for path in sorted((out / "cine").iterdir()):
        assert (tmp_path / "again" / "cine" / path.name).read_bytes() == path.read_bytes()
    assert "3 simulated cines" in capsys.readouterr().out


def test_a_stack_holds_the_table_s_volumes(tmp_path):
    out = tmp_path / "stacks"
    assert _simulate(out, "--cine", "--levels", "stack", "--frames", "6", "--size", "96") == 0
    for row in _rows(out):
        cine = read_cine(out / "cine" / row["file"])
        assert int(row["slices"]) == cine.num_slices > 6
        assert mask_volume_ml(cine).max() == pytest.approx(float(row["edv_ml"]), rel=0.08)
        assert mask_volume_ml(cine, RV_CAVITY).max() == pytest.approx(float(row["rv_edv_ml"]), rel=0.15)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cine", "--levels", "four"], "accepted: mid, three, stack"),
        (["--cine", "--size", "8"], "accepted: 16 to 512"),
        (["--cine", "--frames", "2"], "accepted: 4 to 200"),
        (["--cine", "--size", "48", "--spacing", "1.5"], "150 to 400 mm"),
        (["--cine", "--spacing", "nan"], "150 to 400 mm"),
        (["--cine", "--cine-format", "mpeg"], "mpeg: unknown format mpeg; accepted: nifti, gif, mp4, npz, dicom, seg"),
        (["--cine", "--cine-format", ","], "--cine-format: names no format; accepted: nifti, gif, mp4"),
        (["--levels", "three"], "--levels: describes the cines; give --cine as well"),
        (["--cine-format", "npz"], "--cine-format: describes the cines"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, words, tmp_path, capsys):
    assert _simulate(tmp_path / "out", *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err.strip().splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_failure_half_way_leaves_nothing(tmp_path, monkeypatch, capsys):
    write, calls = pairs.write_cine, []

    def full_disk(record, path, **options):
        calls.append(path)
        if len(calls) == 3:
            raise InputError(f"{path}: cannot write (No space left on device)")
        return write(record, path, **options)

    monkeypatch.setattr(pairs, "write_cine", full_disk)
    assert _simulate(tmp_path / "out", "--cine", "--size", "40", "--frames", "4") == 2
    assert "No space left" in capsys.readouterr().err
    assert len(calls) == 3
    assert not list(tmp_path.iterdir())


def test_without_cine_nothing_is_different(tmp_path):
    assert _simulate(tmp_path / "plain") == 0
    assert not (tmp_path / "plain" / "cine").exists()
    assert all("cine" not in record.metadata for record in read_set(tmp_path / "plain"))
