"""One PDF with trace and measurements: what stands on a page, its scale, its synthetic mark."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from drawings import MM_PER_INCH, lines, texts

from gen.cli import run
from gen.io import read, write
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError
from gen.simulate import simulate
from metrics.measurement.records import measure_records
from metrics.report.ecg_pdf import MeasuredPages, measured_lines, measured_page, write_pdf


@pytest.fixture(scope="module")
def records():
    return simulate([0, 1], seed=1, noise="none", fs_hz=250, duration_s=10).records()


@pytest.fixture(scope="module")
def measured(records):
    return measure_records(records)


def test_a_page_says_what_was_measured_at_true_scale(records, measured):
    page = measured_page(records[0], measured[0])
    words = " ".join(texts(page))
    p = measured[0]
    for part in (
        f"Rate {p.hr_bpm:.0f} bpm",
        f"PR {p.pr_ms:.0f} ms",
        f"QRS {p.qrs_ms:.0f} ms",
        p.rhythm.words,
        "quality",
    ):
        assert part in words
    assert {"SYNTHETIC", records[0].record_id} <= set(texts(page))
    assert page.get_size_inches() * MM_PER_INCH == pytest.approx([297, 210])
    trace = lines(page, "observed-")["II-3-0"]
    places = trace.get_transform().transform(trace.get_xydata()) / page.dpi * MM_PER_INCH
    np.testing.assert_allclose(np.diff(places[:, 0]), 25 / 250, atol=1e-6)
    assert np.ptp(places[:, 1]) == pytest.approx(10 * np.ptp(records[0].lead("II")), rel=1e-4)


def test_a_recorded_one_is_not_called_synthetic(records, measured):
    page = measured_page(replace(records[0], synthetic=False), measured[0])
    assert not any("synthetic" in text.lower() for text in texts(page))


def test_what_could_not_be_measured_is_said(records):
    flat = EcgRecord(np.zeros((12, 2500)), 250, LEADS_12, record_id="flat")
    first, _ = measured_lines(measure_records([flat])[0])
    assert first == "Not measured: no lead moves"
    lone = records[0].select(["I"])
    first, _ = measured_lines(measure_records([lone])[0])
    assert "axis \N{EN DASH}" in first
    assert "Cornell \N{EN DASH} mV" in first


def test_one_lead_fills_the_page(records):
    long = replace(records[0].select(["V3"]), signal_mv=np.tile(records[0].lead("V3"), (1, 8)))
    page = measured_page(long, measure_records([long])[0])
    assert set(lines(page, "observed-")) == {f"V3-{row}-0" for row in range(5)}
    assert "0 to 50 s of 80 s" in texts(page)


def test_a_file_has_a_page_a_record_and_is_the_same_each_time(records, measured, tmp_path):
    for name in ("a.pdf", "b.pdf"):
        with MeasuredPages(tmp_path / name) as pages:
            for record, parameters in zip(records, measured, strict=True):
                pages.add(record, parameters)
    content = (tmp_path / "a.pdf").read_bytes()
    assert content == (tmp_path / "b.pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b", content)) == 2
    assert re.search(rb"/Keywords \(synthetic\)", content)
    write_pdf(replace(records[0], synthetic=False), tmp_path / "c.pdf")
    assert b"synthetic" not in (tmp_path / "c.pdf").read_bytes()


def test_measure_writes_one(records, tmp_path, capsys):
    write(records, tmp_path / "in")
    command = ["measure", str(tmp_path / "in"), "--out", str(tmp_path / "p.csv")]
    assert run([*command, "--pdf", str(tmp_path / "ecgs.pdf"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pdf"] == str(tmp_path / "ecgs.pdf")
    assert len(re.findall(rb"/Type /Page\b", (tmp_path / "ecgs.pdf").read_bytes())) == 2
    assert len(list(csv.DictReader((tmp_path / "p.csv").open()))) == 2
    for name, words in (("x.png", "ends in .pdf"), ("ecgs.pdf", "exists; use --overwrite")):
        command[-1] = str(tmp_path / "other.csv")
        assert run([*command, "--pdf", str(tmp_path / name)]) == 2
        assert words in capsys.readouterr().err
        assert not (tmp_path / "other.csv").exists()


def test_convert_puts_one_beside_every_record(records, tmp_path, capsys):
    mv = records[0].select(["I", "II"]).signal_mv
    rows = "\n".join(f"{k},{a:.4f},{b:.4f}" for k, (a, b) in enumerate(mv.T))
    (tmp_path / "x.csv").write_text("n,a,b\n" + rows + "\n")
    command = ["data", "convert", str(tmp_path / "x.csv"), "--columns", "-,I,II", "--fs", "250", "--unit", "mV"]
    assert run([*command, "--format", "edf", "--attach", "pdf", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "x.pdf").read_bytes().startswith(b"%PDF")
    assert read(tmp_path / "out" / "x.edf").leads == ("I", "II")
    assert run([*command, "--format", "fhir", "--attach", "pdf,edf", "--out", str(tmp_path / "fhir")]) == 0
    bundle = json.loads((tmp_path / "fhir" / "x.json").read_text())
    documents = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "DocumentReference"]
    kinds = {one["content"][0]["attachment"]["contentType"] for one in documents}
    assert kinds == {"application/pdf", "application/edf"}
    capsys.readouterr()
    for attach, words in (("edf", "belongs to --format fhir"), ("png", "accepted: wfdb, edf, dicom, aecg, fhir, pdf")):
        assert run([*command, "--attach", attach, "--out", str(tmp_path / "no")]) == 2
        assert words.split(": ")[0] in capsys.readouterr().err
        assert not (tmp_path / "no").exists()


def test_hours_are_not_drawn_as_one(records, tmp_path):
    day = EcgRecord(np.zeros((1, 6000 * 10), dtype=np.float32), 10, ("I",), record_id="day")
    with pytest.raises(InputError, match=r"day: 1\.7 h; a PDF of one page is made of up to 1\.5 h"):
        write_pdf(day, tmp_path / "x.pdf")
    assert not (tmp_path / "x.pdf").exists()
