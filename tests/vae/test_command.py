"""``physiogen reconstruct``: what good input gives, and that bad input gets one line, status 2 and no output."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gen import cli
from gen.io import read, read_set, set_table, write, write_record
from gen.leads import LEADS_12
from gen.records import EcgRecord


@pytest.fixture
def strip(hearts, tmp_path):
    """A good three-lead file."""
    return write_record(hearts[0].select(("II", "V1", "V5")), tmp_path / "strip.hea")


@pytest.fixture
def run(tmp_path, capsys):
    """Run ``physiogen reconstruct``; returns status, stdout and the lines of stderr."""

    def reconstruct(*arguments, out="out", method="least-squares"):
        capsys.readouterr()
        given = ["reconstruct", *map(str, arguments), "--out", str(tmp_path / out), "--method", method]
        status = cli.run(given)
        captured = capsys.readouterr()
        return status, captured.out, captured.err.splitlines()

    return reconstruct


@pytest.fixture
def refused(run, tmp_path):
    """Run it and expect one line with these words, status 2, an empty stdout and nothing written."""

    def check(arguments, *words, **options):
        before = sorted(tmp_path.rglob("*"))
        status, out, err = run(*arguments, **options)
        assert status == 2
        assert out == ""
        assert len(err) == 1, err
        for word in words:
            assert word in err[0], err[0]
        assert sorted(tmp_path.rglob("*")) == before
        return err[0]

    return check


def changed(record: EcgRecord, lead: str, values) -> EcgRecord:
    signal = record.signal_mv.copy()
    signal[record.leads.index(lead)] = values
    return replace(record, signal_mv=signal)


def test_a_file_becomes_a_record_set_of_twelve_leads(run, strip, tmp_path):
    status, out, err = run(strip, "--leads", "II,V1,V5")
    assert (status, err) == (0, [])
    assert out == f"1 record with twelve leads in {tmp_path / 'out'}\n"
    (record,) = read_set(tmp_path / "out")
    assert record.leads == LEADS_12
    assert record.synthetic
    assert record.metadata["observed_leads"] == ["II", "V1", "V5"]
    assert np.array_equal(record.select(("II", "V1", "V5")).signal_mv, read(strip).signal_mv)
    assert list(set_table(tmp_path / "out")["synthetic"]) == [True]


def test_draws_bands_and_plots_appear_together(run, strip, checkpoint, tmp_path):
    status, out, _ = run(
        strip, "--checkpoint", checkpoint, "--samples", 2, "--plot", "--layout", "6x2", method="default"
    )
    assert status == 0
    for part in ("samples", "bands", "plots"):
        assert str(tmp_path / "out" / part) in out
    draws = list(read_set(tmp_path / "out" / "samples"))
    name = draws[0].metadata["sample_of"]
    assert [draw.record_id for draw in draws] == [f"{name}_s01", f"{name}_s02"]
    with np.load(tmp_path / "out" / "bands" / f"{name}.npz") as bands:
        assert set(bands) >= {"leads", "fs_hz"} | {
            f"{side}_{level}_mv" for side in ("lower", "upper") for level in (50, 90)
        }
        assert (bands["upper_90_mv"] >= bands["upper_50_mv"]).all()
    assert (tmp_path / "out" / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_its_own_output_is_an_input_without_draws_and_bands(run, strip, checkpoint, tmp_path):
    assert run(strip, "--checkpoint", checkpoint, "--samples", 1, out="first", method="default")[0] == 0
    status, out, err = run(tmp_path / "first", "--leads", "I,II", "--json")
    assert (status, err) == (0, [])
    assert len(json.loads(out)["records"]) == 1


def test_the_result_as_json(run, strip, tmp_path):
    status, out, _ = run(strip, "--json")
    assert status == 0
    found = json.loads(out)
    assert found["out"] == str(tmp_path / "out")
    assert (len(found["records"]), found["failed"]) == (1, [])


def test_every_record_of_a_shard_is_read(run, hearts, tmp_path):
    shard = write([r.select(("I", "II")) for r in hearts[:3]], tmp_path / "three.parquet")
    status, _, _ = run(shard, "--format", "parquet")
    assert status == 0
    assert [r.record_id for r in read_set(tmp_path / "out")] == [r.record_id for r in hearts[:3]]


def test_no_requested_lead_in_the_file(refused, strip):
    refused([strip, "--leads", "I,V2"], str(strip), "leads are II, V1, V5, but I, V2 were given")


def test_an_unknown_lead_lists_the_known(refused, strip):
    refused([strip, "--leads", "II,V9"], "unknown lead 'V9'", ", ".join(LEADS_12))


@pytest.mark.parametrize("leads", ["II,V1,II", "II,MLII,V1"])
def test_a_duplicate_lead(refused, strip, leads):
    refused([strip, "--leads", leads], "lead II is given twice")


def test_no_lead_at_all(refused, strip):
    refused([strip, "--leads", ","], "no lead in ','")


def clip(values):
    limit = 0.3 * np.abs(values).max()
    return np.clip(values, -limit, limit)


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda x: np.full_like(x, np.nan), "missing samples (NaN)"),
        (np.zeros_like, "is flat"),
        (lambda x: np.full_like(x, 0.25), "is flat"),
        (clip, "is saturated"),
    ],
)
def test_a_bad_lead_is_named_and_may_be_rebuilt(refused, run, hearts, tmp_path, damage, word):
    good = hearts[0].select(("II", "V1", "V5"))
    file = write_record(changed(good, "V1", damage(good.lead("V1"))), tmp_path / "bad.hea")
    refused([file], str(file), "lead V1", word, "--allow-bad-leads")
    refused([file, "--leads", "V1", "--allow-bad-leads"], str(file), "no usable lead", "V1")
    status, _, err = run(file, "--allow-bad-leads")
    assert status == 0
    (line,) = err
    assert line.startswith("warning: ")
    assert "lead V1" in line
    (record,) = read_set(tmp_path / "out")
    assert record.metadata["observed_leads"] == ["II", "V5"]
    assert np.ptp(record.lead("V1")) > 0.05
    assert np.array_equal(record.lead("V5"), read(file).lead("V5"))


def test_a_requested_lead_that_is_not_there_is_refused_of_one_file_and_told_of_many(
    run, refused, strip, hearts, tmp_path
):
    refused([strip, "--leads", "II,V1,V2"], str(strip), "II, V1, V2 were given", "accepted: leads of the file")
    other = write_record(hearts[1].select(("II", "V1", "V2")), tmp_path / "other.hea")
    status, _, err = run(strip, other, "--leads", "II,V1,V2")
    assert status == 0
    (line,) = err
    assert "lead V2 not in the file" in line


def test_a_unit_a_thousand_times_off_is_asked_after(refused, hearts, tmp_path):
    table = tmp_path / "x.csv"
    table.write_text("II\n" + "\n".join(f"{value:.5g}" for value in hearts[0].lead("II")))
    refused([table, "--fs", "500", "--unit", "uV"], "lead II is flat", "check the unit (--unit)")


def test_columns_of_many_other_files_are_refused_in_one_line(refused, hearts, tmp_path):
    files = [write_record(hearts[k].select(("II",)), tmp_path / f"r{k}.hea") for k in range(3)]
    refused([*files, "--columns", "II"], "--columns names the columns of CSV files", "2 further files are no CSV")


def test_too_short(refused, hearts, tmp_path):
    short = replace(hearts[0], signal_mv=hearts[0].signal_mv[:, :450])
    file = write_record(short, tmp_path / "short.hea")
    refused([file], str(file), "0.90 s", "at least 1 s")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("strip 3 500 5000", "strip 3", ("sampling rate is missing",)),
        ("/mV", "/bpm", ("unit 'bpm' cannot be converted to mV", "accepted")),
        ("strip 3 500", "strip 4 500", ("announces 4 signals",)),
    ],
)
def test_a_header_that_says_too_little_or_something_wrong(refused, strip, old, new, words):
    text = strip.read_text()
    assert old in text
    strip.write_text(text.replace(old, new))
    refused([strip], str(strip), *words)


def test_a_missing_rate_and_unit_can_be_given(run, hearts, tmp_path):
    file = tmp_path / "watch.csv"
    file.write_text("I\n" + "\n".join(f"{1000 * x:.1f}" for x in hearts[0].lead("I")))
    assert run(file)[0] == 2
    status, _, _ = run(file, "--fs", 500, "--unit", "uV")
    assert status == 0
    (record,) = read_set(tmp_path / "out")
    assert np.allclose(record.lead("I"), hearts[0].lead("I"), atol=1e-3)


def test_a_truncated_signal(refused, strip):
    data = strip.with_suffix(".dat")
    data.write_bytes(data.read_bytes()[:9000])
    refused([strip], str(data), "30000 bytes expected by strip.hea", "9000 found")


def test_a_missing_signal(refused, strip):
    strip.with_suffix(".dat").unlink()
    refused([strip], str(strip), "strip.dat is missing")


@pytest.mark.parametrize(("name", "content"), [("a.docx", b"PK"), ("a.csv", b"name,city\nx,y\n"), ("a.hea", b"\x00")])
def test_not_an_ecg(refused, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    refused([tmp_path / name], str(tmp_path / name))


def test_nothing_there(refused, tmp_path):
    refused([tmp_path / "none.hea"], "none.hea", "not found")
    refused([tmp_path / "*.edf"], "no file matches")
    (tmp_path / "empty").mkdir()
    refused([tmp_path / "empty"], "no ECG file")


def test_an_output_that_exists_is_kept_unless_told(refused, run, strip, hearts, tmp_path):
    out = write([hearts[1]], tmp_path / "out")
    kept = (out / "metadata.csv").read_bytes()
    refused([strip], str(out), "exists", "--overwrite")
    assert (out / "metadata.csv").read_bytes() == kept
    assert run(strip, "--overwrite")[0] == 0
    assert [r.metadata["source_file"] for r in read_set(out)] == [str(strip)]


def test_a_failed_run_keeps_the_old_result_even_with_overwrite(refused, run, strip, tmp_path):
    assert run(strip)[0] == 0
    strip.with_suffix(".dat").write_bytes(b"")
    refused([strip, "--overwrite"], "0 found")
    assert len(list(read_set(tmp_path / "out"))) == 1


def test_a_folder_that_is_no_record_set_is_never_replaced(refused, strip, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("three years")
    refused([strip, "--overwrite"], "no record set")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "mp3"], ("mp3", "wfdb")),
        (["--layout", "5x5"], ("5x5", "3x4")),
        (["--samples", "3"], ("least-squares", "no samples")),
        (["--samples", "-1"], ("--samples",)),
        (["--checkpoint", "."], ("takes no checkpoint",)),
    ],
)
def test_wrong_options(refused, strip, options, words):
    refused([strip, *options], *words)


def test_wrong_methods_and_checkpoints(refused, strip, tmp_path, checkpoint):
    refused([strip], "unknown method 'magic'", "least-squares", method="magic")
    refused([strip], "wearecg", "--checkpoint", method="wearecg")
    refused([strip, "--checkpoint", checkpoint], "WearECG", "LeadVAE", method="wearecg")
    refused([strip, "--checkpoint", tmp_path / "nothing"], "nothing", method="default")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text((checkpoint / "config.json").read_text())
    whole = (checkpoint / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    refused([strip, "--checkpoint", broken], "model.safetensors", "not a complete", method="default")


def test_one_bad_file_of_a_hundred(run, hearts, tmp_path):
    source = tmp_path / "in"
    short = hearts[0].select(("II", "V1", "V5"))
    short = replace(short, signal_mv=short.signal_mv[:, :750])
    write([replace(short, record_id=f"r{k:03d}") for k in range(100)], source)
    (source / "r041.dat").write_bytes(b"\x00" * 10)
    status, out, err = run(source)
    assert status == 2
    assert out.startswith("99 records with twelve leads")
    faults = [line for line in err if line.startswith("physiogen: ")]
    assert len(faults) == 1
    assert str(source / "r041.dat") in faults[0]
    assert "truncated" in faults[0]
    done = {record.record_id for record in read_set(tmp_path / "out")}
    assert done == {f"r{k:03d}" for k in range(100)} - {"r041"}


def test_each_bad_file_has_its_own_line(run, hearts, tmp_path):
    good = hearts[0].select(("II", "V1", "V5"))
    files = [write_record(changed(good, lead, 0.0), tmp_path / f"flat{lead}.hea") for lead in ("II", "V1")]
    before = sorted(tmp_path.rglob("*"))
    status, out, err = run(*files)
    assert (status, out) == (2, "")
    assert [line.split(":")[1].strip() for line in err] == [str(file) for file in files]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_record_that_the_method_cannot_take_does_not_stop_the_others(run, hearts, tmp_path):
    good = hearts[0].select(("II", "V1", "V5"))
    holed = changed(good, "V1", np.where(np.arange(5000) < 900, np.nan, good.lead("V1")))
    files = [write_record(r, tmp_path / f"{n}.hea") for n, r in (("a", good), ("b", holed), ("c", good))]
    status, out, err = run(*files)
    assert status == 2
    assert out.startswith("2 records")
    (line,) = err
    assert str(files[1]) in line
    assert "holes" in line


def test_a_record_that_the_format_cannot_hold_does_not_stop_the_others(run, hearts, tmp_path):
    good = hearts[0].select(("II", "V1", "V5"))
    high = changed(good, "V1", good.lead("V1") + 40)  # WFDB holds 16 bits of a microvolt
    files = [write_record(r, tmp_path / f"{n}.npz") for n, r in (("a", replace(good, record_id="a")), ("b", high))]
    status, out, err = run(*files)
    assert status == 2
    assert out.startswith("1 record ")
    (line,) = err
    assert str(files[1]) in line
    assert "reaches" in line
    assert [r.record_id for r in read_set(tmp_path / "out")] == ["a"]


def test_files_of_one_name_in_two_folders_are_both_kept(run, hearts, tmp_path):
    files = []
    for number, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        files.append(write_record(replace(hearts[number], record_id="x"), tmp_path / folder / "x.hea"))
    assert run(*files, "--leads", "I,II")[0] == 0
    assert [r.record_id for r in read_set(tmp_path / "out")] == ["x", "x_2"]


def test_a_full_disk_leaves_nothing(refused, strip, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gen.io.wfdb.write_wfdb", full)
    refused([strip], "disk full; nothing was finished yet")


def test_an_interrupt_leaves_nothing(run, strip, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("vae.pipeline.ReconstructionPipeline.__call__", interrupt)
    status, out, err = run(strip)
    assert (status, out, err) == (130, "", ["physiogen: interrupted"])
    assert sorted(tmp_path.rglob("*")) == before


def test_an_export_is_interrupted_and_gone_on_with(run, strip, tmp_path, monkeypatch, refused):
    pytest.importorskip("cv2", reason="needs OpenCV (extra paper)")
    arguments = (strip, "--leads", "II,V1,V5", "--format", "csv", "--export", "grounding")
    assert run(*arguments, out="whole")[0] == 0
    whole = {path.relative_to(tmp_path / "whole"): path.read_bytes() for path in (tmp_path / "whole").rglob("*.*")}

    def interrupted(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("metrics.multimodal.sets.make_block", interrupted)
        assert run(*arguments)[0] == 130
    assert not (tmp_path / "out").exists()
    status, out, err = run(*arguments)
    assert status == 0
    assert any("going on where an earlier run stopped" in line for line in err)
    assert out.splitlines()[-1] == f"signal, picture, features and text in {tmp_path / 'out' / 'grounding'}"
    assert {path.relative_to(tmp_path / "out"): path.read_bytes() for path in (tmp_path / "out").rglob("*.*")} == whole
    assert "made by `physiogen reconstruct`" in (tmp_path / "out" / "grounding" / "README.md").read_text().lower()
    refused([strip, "--export", "tables"], "--export tables: accepted: meeti, grounding", out="other")
