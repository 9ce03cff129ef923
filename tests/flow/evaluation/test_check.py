"""The check of intervals on one's own hearts: figures of known tables, and tables that are refused."""

import csv
from pathlib import Path

import numpy as np
import pytest

from flow.evaluation.settings import CmrCheck
from gen.cli import run


def _tables(folder: Path, n: int = 40, half_width: float = 16.45) -> tuple[Path, Path]:
    """Hearts whose intervals hold 90 % where the half width is 16.45 ml; every fourth has rebuilt leads."""
    rng = np.random.default_rng(0)
    told = rng.uniform(100, 200, n)
    truth = told + 10.0 * rng.standard_normal(n)
    hearts, measured = folder / "metadata.csv", folder / "mri.csv"
    with hearts.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["record", "edv_ml", "edv_ml_median", "edv_ml_low", "edv_ml_high", "warnings"])
        for k, value in enumerate(told):
            words = "reconstructed leads: V2" if k % 4 == 0 else ""
            rows.writerow([f"p{k}", value + 1, value, value - half_width, value + half_width, words])
    with measured.open("w", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["record", "group", "edv_ml"])
        rows.writerows([f"p{k}", "HCM" if k < 10 else "normal", value] for k, value in enumerate(truth))
        rows.writerow(["elsewhere", "normal", 120])
    return hearts, measured


def test_coverage_width_and_error_are_those_of_the_tables(tmp_path: Path) -> None:
    hearts, measured = _tables(tmp_path, n=400)
    found = CmrCheck(hearts=tmp_path, truth=measured).run()
    every = found.values["all"]["EDV"]
    share = every["90 % intervals hold the truth"]
    assert share.value == pytest.approx(0.9, abs=0.04)
    assert share.low < 0.9 < share.high
    assert every["mean width"].value == pytest.approx(32.9, abs=1e-6)
    assert every["mean absolute error"].value == pytest.approx(10 * (2 / np.pi) ** 0.5, rel=0.1)
    assert every["r of the median"].value > 0.9
    assert found.values["HCM"]["EDV"]["mean width"].n == 10
    assert found.values["rebuilt leads"]["EDV"]["mean width"].n == 100
    assert found.n == 400
    assert "400 of 401 measured records" in found.notes[1]
    assert len(found.notes) == 2
    assert hearts.name == "metadata.csv"


def test_too_narrow_intervals_are_named(tmp_path: Path) -> None:
    _, measured = _tables(tmp_path, half_width=5.0)
    notes = CmrCheck(hearts=tmp_path, truth=measured).run().notes
    assert "fewer than 90% allows by chance" in notes[-1]
    assert notes[-1].startswith("EDV: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("record,edv_ml\n", "no rows"),
        ("name,edv_ml\np1,120\n", "no column record; it has name, edv_ml"),
        ("record,lvedv\np1,120\n", "no column of volumes; accepted: record and edv_ml"),
        ("record,edv_ml\np1,120\np1,130\n", "row 3: record p1 is there twice"),
        ("record,edv_ml\np1,120,3\n", "row 2 has another number of columns"),
        ("record,edv_ml\nq1,120\n", "0 of its 1 records are in"),
        ("record,edv_ml\np1,big\np2,1\np3,1\np4,1\np5,1\n", "p1: edv_ml 'big': not a number"),
        ("record,edv_ml\np1,0.12\np2,110\np3,120\np4,130\np5,140\n", "p1: edv_ml 0.12: no such heart"),
        ("record,edv_ml\np1,\np2,110\np3,120\np4,130\np5,140\n", "edv_ml of 4 records; accepted: at least 5"),
        ("record,mass_g\np1,90\np2,90\np3,90\np4,90\np5,90\n", "no column mass_g_median"),
        ("record,ef_percent\np1,.5\np2,.6\np3,.6\np4,.6\np5,.6\n", "no column ef_percent_median"),
    ],
)
def test_bad_tables_are_refused_in_one_line(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    _tables(tmp_path)
    table = tmp_path / "bad.csv"
    table.write_text(text)
    assert run(["evaluate", "cmr-check", "--hearts", str(tmp_path), "--truth", str(table)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len([line for line in error.strip().splitlines() if "bad.csv" in line or "metadata.csv" in line]) == 1
