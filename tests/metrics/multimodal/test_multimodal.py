"""Sets of signal, picture, features and text: one identifier, and every number in a text is a measured one."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from gen import cli
from gen.io import read, write
from gen.leads import LEADS_12
from gen.simulate import simulate
from metrics.measurement.records import measure_and_delineate
from metrics.multimodal.features import FEATURES, beat_features
from metrics.multimodal.findings import EVIDENCE, QUANTITIES, findings, measured
from metrics.multimodal.grounding import items

pytest.importorskip("cv2", reason="needs OpenCV (extra paper)")

#: Numbers in a sentence, those in names of leads (V1) aside.
_NUMBER = re.compile(r"(?<![A-Za-z\d.])-?\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def records():
    wanted = [
        {"statements": ["NORM", "SR"], "heart_rate": 60},
        {"statements": ["AFIB"], "heart_rate": 110},
        {"statements": ["CLBBB"], "heart_rate": 70},
    ]
    return simulate(range(3), seed=12, fs_hz=500, conditions=wanted).records()


@pytest.fixture(scope="module")
def found(records):
    return measure_and_delineate([record.to_12() for record in records], per_lead=True)


@pytest.fixture(scope="module")
def folder(records, tmp_path_factory):
    path = tmp_path_factory.mktemp("ecgs") / "set"
    write(records, path, format="npz")
    return path


def test_beats_of_a_lead_are_measured_one_by_one(found):
    parameters, waves = found[0]
    features = beat_features(waves)
    assert set(features) == set(LEADS_12)
    lead = features["II"]
    assert set(lead) == set(FEATURES)
    assert len({len(values) for values in lead.values()}) == 1
    assert len(lead["rr_ms"]) in (parameters.beats - 1, parameters.beats, parameters.beats + 1)
    assert lead["rr_ms"][0] is None
    assert np.median(lead["rr_ms"][1:]) == pytest.approx(1000, rel=0.06)
    known = [value for value in lead["pr_interval_ms"] if value is not None]
    assert np.median(known) == pytest.approx(parameters.pr_ms, abs=25)
    assert np.median(lead["qrs_amplitude_mv"]) == pytest.approx(
        parameters.r_mv[1] + max(parameters.s_mv[1], parameters.q_mv[1]), rel=0.25
    )
    assert beat_features(None) == {}


def test_waves_that_are_not_there_are_none(found):
    lead = beat_features(found[1][1])["II"]
    assert sum(value is None for value in lead["p_amplitude_mv"]) > 0.5 * len(lead["p_amplitude_mv"])


def test_findings_carry_what_their_criterion_reads(records, found):
    by_code = {each.code: each for each in findings(records[2].to_12(), found[2][0])}
    block = by_code["CLBBB"]
    assert (block.stated, block.shown, block.criterion) == (True, True, "QRS >= 120 ms")
    assert block.leads == LEADS_12
    (evidence,) = block.evidence
    assert (evidence.quantity, evidence.unit) == ("qrs_ms", "ms")
    assert float(evidence.value) == pytest.approx(found[2][0].qrs_ms, abs=0.5)
    for names in EVIDENCE.values():
        assert set(names) <= set(QUANTITIES)


def test_every_number_in_a_text_is_a_measured_one(records, found):
    asked = 0
    for record, (parameters, _) in zip(records, found, strict=True):
        named = findings(record.to_12(), parameters)
        known = {each.value for each in measured(parameters)}
        for item in items(record.record_id, "ecg/a", "images/a.png", parameters, named, synthetic=True):
            human, model = (turn["value"] for turn in item["conversations"])
            assert [turn["from"] for turn in item["conversations"]] == ["human", "gpt"]
            assert human.startswith("<ecg>\n<image>\n")
            numbers = set(_NUMBER.findall(model.replace("Sokolow-Lyon", "")))
            assert numbers <= {each["value"] for each in item["evidence"]}
            assert {each["value"] for each in item["evidence"]} <= known
            assert item["synthetic"]
            asked += 1
    assert asked > 15


def test_what_was_not_measured_is_not_asked_for(records):
    from metrics.measurement.parameters import Parameters

    (only,) = items("a", "e", "i", Parameters(failure="flat"), [], synthetic=False)
    assert not _NUMBER.findall(only["conversations"][1]["value"])
    assert "none of the measured criteria" in only["conversations"][1]["value"]


def test_a_table_that_datasets_reads_without_code(folder, records, tmp_path, capsys):
    datasets = pytest.importorskip("datasets")
    out = tmp_path / "set"
    arguments = ["multimodal", str(folder), "--out", str(out), "--width", "700", "--per-shard", "2"]
    assert cli.run(arguments) == 0
    assert "3 ECGs" in capsys.readouterr().out
    assert len(list((out / "data").glob("*.parquet"))) == 2
    table = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert table.column_names[0] == "id"
    assert len(table) == 3
    first = table[0]
    assert np.asarray(first["signal_mv"]).shape == (12, 5000)
    np.testing.assert_allclose(np.asarray(first["signal_mv"]), records[0].to_12().signal_mv, atol=1e-6)
    assert first["image"].size[0] == 700  # a picture, not bytes
    assert {each["lead"] for each in first["beats"]} == set(LEADS_12)
    assert table[2]["findings"][0]["code"] == "CLBBB"
    assert first["synthetic"] is True
    assert "Synthetic: 3 of 3" in (out / "README.md").read_text()


def test_items_with_their_files(folder, records, tmp_path):
    from PIL import Image

    out = tmp_path / "set"
    assert cli.run(["multimodal", str(folder), "--out", str(out), "--form", "grounding", "--width", "700"]) == 0
    found = json.loads((out / "grounding.json").read_text())
    assert len({item["id"] for item in found}) == len(found)
    assert not list(out.glob("items-*"))
    ecg = read(out / f"{found[0]['ecg']}.hea")
    np.testing.assert_allclose(ecg.signal_mv, records[0].to_12().signal_mv, atol=2e-3)
    assert Image.open(io.BytesIO((out / found[0]["image"]).read_bytes())).size[0] == 700


@pytest.mark.parametrize("per_shard", ["1", "2"])
def test_a_second_record_of_a_file_name_is_told_and_nothing_is_overwritten(tmp_path, capsys, per_shard):
    first, second = simulate(range(2), seed=9, fs_hz=500).records()
    write([replace(first, record_id="a b")], tmp_path / "a b.csv")
    write([replace(second, record_id="a_b")], tmp_path / "a_b.csv")
    out = tmp_path / "out"
    files = [str(tmp_path / "a b.csv"), str(tmp_path / "a_b.csv")]
    arguments = ["multimodal", *files, "--out", str(out), "--form", "grounding", "--width", "700"]
    assert cli.run([*arguments, "--per-shard", per_shard]) == 2
    assert "a_b: another record has this file name" in capsys.readouterr().err
    assert {item["id"].rpartition("-")[0] for item in json.loads((out / "grounding.json").read_text())} == {"a b"}
    assert len(list((out / "images").iterdir())) == 1


def test_bad_input_is_one_line_and_leaves_nothing(folder, tmp_path, capsys):
    short = simulate([5], seed=1, fs_hz=500).records()[0]
    write([short.select(["II", "V1"])], tmp_path / "two.hea")
    for arguments, words in (
        ([str(folder), "--layout", "5x5"], "layout 5x5: accepted"),
        ([str(tmp_path / "none")], "none"),
        ([str(tmp_path / "two.hea")], "lead I does not follow from II, V1"),
    ):
        assert cli.run(["multimodal", *arguments, "--out", str(tmp_path / "out")]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert words in line
        assert not (tmp_path / "out").exists()
