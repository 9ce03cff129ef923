"""``physiogen cmr`` on files: what it writes, prints and refuses."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer

import flow.weights
from flow.command import cmr
from flow.pipeline import ECGToCMRPipeline
from gen import cli
from gen.io import write_record
from gen.io.cine import read_cine
from gen.records import EcgRecord


def run(*arguments: object) -> int:
    """Run the command as ``physiogen cmr`` does; its exit status."""
    app = typer.Typer(add_completion=False)
    app.command()(cmr)
    command = typer.main.get_command(app)
    try:
        return command(args=[str(a) for a in arguments], standalone_mode=False) or 0
    except typer.Exit as stop:
        return stop.exit_code
    except Exception as error:
        line = cli.explain(error)
        if line is None:
            raise
        print(line)
        return 2


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, records: list[EcgRecord]) -> list[Path]:
    folder = tmp_path_factory.mktemp("ecgs")
    out = []
    for number, record in enumerate(records[:2]):
        write_record(replace(record, record_id=f"ecg{number}"), folder / f"ecg{number}.hea", format="wfdb")
        out.append(folder / f"ecg{number}.hea")
    return out


def test_files_page_and_table(
    files: list[Path], pipeline_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "HEART"
    given = ("--age", 63, "--sex", "m", "--samples", 2, "--format", "nifti,gif", "--seed", 3)
    assert run(files[0], "--out", out, "--checkpoint", pipeline_folder, *given) == 0
    printed = capsys.readouterr().out
    assert "EDV" in printed
    assert "beats averaged" in printed
    page = (out / "index.html").read_text()
    assert "data:image/gif" in page
    assert "Not for diagnosis" in page
    cine = read_cine(out / "ecg0.nii.gz")
    assert cine.synthetic
    assert cine.patient.age == 63
    assert cine.patient.sex == "M"
    assert (out / "ecg0.gif").read_bytes()[:3] == b"GIF"
    assert sorted(p.name for p in (out / "samples").glob("*.gif")) == ["ecg0_s01.gif", "ecg0_s02.gif"]
    with (out / "metadata.csv").open() as file:
        row = next(csv.DictReader(file))
    assert row["record"] == "ecg0"
    assert float(row["edv_ml_low"]) <= float(row["edv_ml_median"]) <= float(row["edv_ml_high"])
    with (out / "samples.csv").open() as file:
        samples = list(csv.DictReader(file))
    assert [(each["record"], each["sample"]) for each in samples] == [("ecg0", "1"), ("ecg0", "2")]
    for heart in (row, *samples):
        edv, esv, sv, ef = (float(heart[name]) for name in ("edv_ml", "esv_ml", "sv_ml", "ef_percent"))
        assert sv == pytest.approx(edv - esv, abs=0.011)
        assert ef == pytest.approx(100 * sv / edv, abs=0.02)
    assert row["edv_ml"] == samples[int(row["sample_of_file"]) - 1]["edv_ml"]
    assert float(row["edv_ml"]) == pytest.approx(float(cine.edv_ml), abs=0.01)
    assert run(files[0], "--out", out, "--checkpoint", pipeline_folder) == 2
    assert "--overwrite" in capsys.readouterr().out
    assert run(files[0], "--out", out, "--checkpoint", pipeline_folder, "--overwrite", "--samples", 1) == 0
    assert not (out / "samples").exists()


def test_one_bad_file_does_not_take_the_others_with_it(
    files: list[Path], pipeline_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    broken = tmp_path / "broken.hea"
    broken.write_text("nonsense")
    inputs = (*files, broken)
    status = run(*inputs, "--out", tmp_path / "o", "--checkpoint", pipeline_folder, "--samples", 1, "--json")
    captured = capsys.readouterr()
    assert status == 2
    result = json.loads(captured.out)
    assert [row["record"] for row in result["hearts"]] == ["ecg0", "ecg1"]
    assert len(result["failed"]) == 1
    assert "broken.hea" in result["failed"][0]


def test_nothing_is_left_when_all_files_are_bad(pipeline_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.hea"
    broken.write_text("nonsense")
    assert run(broken, "--out", tmp_path / "o", "--checkpoint", pipeline_folder) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.hea"]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--format", "mpeg", "accepted: nifti, gif, mp4"),
        ("--sex", "x", "accepted: F or M"),
        ("--age", "300", "accepted: 0 to 120"),
        ("--height", "1.8", "accepted: 40 to 250 cm"),
        ("--solver", "magic", "euler or heun"),
    ],
)
def test_bad_options_are_one_line(
    option: str,
    value: str,
    words: str,
    files: list[Path],
    pipeline_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    out = tmp_path / "o"
    assert run(files[0], "--out", out, "--checkpoint", pipeline_folder, option, value, "--samples", 1) == 2
    captured = capsys.readouterr()
    assert words in captured.out + captured.err
    assert not out.exists()


def test_without_weights_it_says_so(
    files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow.weights, "WEIGHTS", tmp_path / "none")
    assert run(files[0], "--out", tmp_path / "o") == 2
    line = capsys.readouterr().out.strip()
    assert line.count("\n") == 0
    assert "none: no model_index.json" in line
    assert not (tmp_path / "o").exists()


def test_a_run_that_was_interrupted_goes_on_to_the_same_bytes(
    files: list[Path],
    pipeline_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def contents(folder: Path) -> dict[Path, bytes]:
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    flat = EcgRecord([[0.0] * 2500], 250, ("I",), "flat")
    bad = write_record(flat, tmp_path / "bad" / "flat.npz")
    given = (files[0], bad, files[1], "--checkpoint", pipeline_folder, "--samples", 2, "--format", "npz")
    assert run(*given, "--out", tmp_path / "whole", "--workers", 2) == 2
    whole = capsys.readouterr()
    call, count = ECGToCMRPipeline.__call__, [0]

    def interrupted(*things: object, **more: object) -> object:
        count[0] += 1
        if count[0] == 3:
            raise KeyboardInterrupt
        return call(*things, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(ECGToCMRPipeline, "__call__", interrupted)
        assert run(*given, "--out", tmp_path / "part", "--workers", 1) != 0
    assert not (tmp_path / "part").exists()
    capsys.readouterr()
    assert run(*given, "--out", tmp_path / "part", "--resume", "always") == 2
    part = capsys.readouterr()
    assert "going on where an earlier run stopped" in part.err
    assert part.out.replace("part", "whole") == whole.out
    assert "flat.npz" in part.err
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")
