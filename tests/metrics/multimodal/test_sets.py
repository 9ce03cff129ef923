"""Sets of a record set's own ECGs: the same bytes however they are made, and every number is read off the files."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gen import cli
from gen.io import read_set, write
from gen.records import InputError
from gen.simulate import simulate
from metrics.commands.export import check_export, origin_of, terms_of
from metrics.measurement.records import measure_and_delineate
from metrics.multimodal import making, sets
from metrics.multimodal.findings import findings, measured
from metrics.multimodal.sets import export_set

pytest.importorskip("cv2", reason="needs OpenCV (extra paper)")
_NUMBER = re.compile(r"(?<![A-Za-z\d.])-?\d+(?:\.\d+)?")


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def records():
    made = simulate(range(3), seed=4, fs_hz=250, duration_s=5, conditions={"statements": ["SR"]}).records()
    return [replace(one, record_id=f"s{k}", report="sinus rhythm") for k, one in enumerate(made)]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Shards of one ECG and small pictures."""
    monkeypatch.setattr(sets, "PER_SHARD", 1)
    monkeypatch.setattr(sets, "make_set", make_small)
    monkeypatch.setattr(sets, "WIDTH", 700)


def make_small(*given, original=sets.make_set, **more):
    return original(*given, **{"per_shard": 1, **more})


@pytest.mark.parametrize("format", ["wfdb", "csv", "parquet"])
def test_the_values_are_those_of_the_files(records, tmp_path, format):
    out = write(records, tmp_path / "set", format=format)
    made = export_set(out, "grounding", workers=1)
    assert (made.count, made.faults) == (3, ())
    held = {record.record_id: record for record in read_set(out)}
    inside = {record.record_id: record for record in read_set(out / "grounding")}
    items = json.loads((out / "grounding" / "grounding.json").read_text())
    assert {item["record_id"] for item in items} == set(held) == set(inside)
    assert all(item["synthetic"] and (out / "grounding" / item["image"]).is_file() for item in items)
    for name, record in held.items():
        np.testing.assert_allclose(inside[name].signal_mv, record.signal_mv, atol=6e-4)
        ((parameters, _),) = measure_and_delineate([record.to_12()])
        known = {each.value for each in measured(parameters)}
        for item in (each for each in items if each["record_id"] == name):
            text = item["conversations"][1]["value"].replace("Sokolow-Lyon", "")
            assert set(_NUMBER.findall(text)) <= {each["value"] for each in item["evidence"]} <= known


def test_one_identifier_in_both_forms_and_datasets_reads_them(records, tmp_path):
    datasets = pytest.importorskip("datasets")
    out = write(records, tmp_path / "set")
    before = contents(out)
    origin = origin_of("synthesize", {}, {"denoiser": "d1"}, terms_of({}, "my recordings"))
    for form in ("meeti", "grounding"):
        export_set(out, form, origin=origin, workers=1)
    assert {name: data for name, data in contents(out).items() if not name.startswith(("meeti", "ground"))} == before
    assert [each.record_id for each in read_set(out)] == ["s0", "s1", "s2"], "the set itself is as it was"
    cache = {"split": "train", "cache_dir": str(tmp_path / "cache")}
    table = datasets.load_dataset(str(out / "meeti"), **cache)
    items = datasets.load_dataset(str(out / "grounding"), **cache)
    assert set(table["id"]) == set(items["record_id"]) == {"s0", "s1", "s2"}
    assert table[0]["report"] == "sinus rhythm"
    assert all(table["synthetic"])
    assert items[0]["evidence"][0]["intervals_s"]
    for form in ("meeti", "grounding"):
        card = (out / form / "README.md").read_text()
        assert "**Synthetic: 3 of 3 made by software" in card
        assert "license: other" in card
        assert "denoiser `d1`" in card
        assert "before the terms of my recordings (licence not stated here) allow it" in card


@pytest.mark.parametrize("form", ["meeti", "grounding"])
def test_killed_gone_on_with_and_shared_by_processes_give_the_same_bytes(records, tmp_path, monkeypatch, form):
    whole, shared, broken = (write(records, tmp_path / name) for name in ("whole", "shared", "broken"))
    export_set(whole, form, workers=1)
    export_set(shared, form, workers=2)
    wanted = contents(whole / form)
    assert contents(shared / form) == wanted

    def killed(block, folder, number, settings, original=making.make_block):
        if number == 1:
            raise KeyboardInterrupt
        return original(block, folder, number, settings)

    with monkeypatch.context() as patch:
        patch.setattr(sets, "make_block", killed)
        with pytest.raises(KeyboardInterrupt):
            export_set(broken, form, workers=1)
    assert not (broken / form).exists()
    counts = []
    export_set(broken, form, workers=1, progress=lambda done, total: counts.append((done, total)))
    assert counts == [(2, 3), (3, 3)], "the first was there"
    assert contents(broken / form) == wanted
    assert export_set(broken, form) is None, "what is there stays"
    assert export_set(broken, form, anew=True, workers=1).count == 3
    assert contents(broken / form) == wanted


def test_the_same_as_the_command_on_the_set(records, tmp_path):
    out = write(records, tmp_path / "set", format="npz")
    export_set(out, "grounding", seed=3, workers=1)
    arguments = ["multimodal", str(out), "--form", "grounding", "--width", "700", "--seed", "3", "--workers", "1"]
    assert cli.run([*arguments, "--out", str(tmp_path / "other")]) == 0
    other = contents(tmp_path / "other")
    # The command writes down which file an ECG came from.
    assert {n: d for n, d in contents(out / "grounding").items() if not n.endswith(".hea")} == {
        name: data for name, data in other.items() if not name.endswith(".hea")
    }


def test_one_too_short_for_a_column_is_told_and_the_others_are_finished(records, tmp_path):
    short = replace(records[0], record_id="short", signal_mv=records[0].signal_mv[:, :500])
    out = write([records[1], short], tmp_path / "set")
    made = export_set(out, "meeti", workers=1)
    assert made.count == 1
    (line,) = made.faults
    assert line.startswith("short: 2 s of signal: a column of 3x4+1")


def test_intervals_are_where_the_waves_are(records):
    ((parameters, waves),) = measure_and_delineate([records[0].to_12()], per_lead=True)
    found = {each.quantity: each for each in measured(parameters, waves=waves)}
    p, qrs, t = waves.consensus
    assert len(found["hr_bpm"].intervals_s) == len(qrs.onset) - 1
    lengths = np.diff(found["hr_bpm"].intervals_s, axis=1)
    assert 60 / np.median(lengths) == pytest.approx(parameters.hr_bpm, abs=2)
    for name, kind in (("qrs_ms", qrs), ("p_present", p)):
        np.testing.assert_allclose(found[name].intervals_s, np.stack([kind.onset, kind.offset], axis=1), atol=6e-4)
    assert np.median(np.diff(found["pr_ms"].intervals_s)) * 1e3 == pytest.approx(parameters.pr_ms, abs=12)
    assert np.median(np.diff(found["qt_ms"].intervals_s)) * 1e3 == pytest.approx(parameters.qt_ms, abs=25)
    assert len(t.onset) == len(found["st_V2_mv"].intervals_s)
    assert all(each.intervals_s == () for each in measured(parameters))
    (rhythm,) = (each for each in findings(records[0].to_12(), parameters, waves) if each.code == "SR")
    assert rhythm.evidence[0].intervals_s


def test_what_cannot_be_exported_is_said_first(monkeypatch):
    assert check_export(None) == ()
    assert check_export("grounding, meeti") == ("grounding", "meeti")
    with pytest.raises(InputError, match=r"--export meeti,tables: accepted: meeti, grounding, or both by comma"):
        check_export("meeti,tables")
    with pytest.raises(InputError, match=r"--export: 2 s of signal: a column of 3x4\+1"):
        check_export("meeti", 2)
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(InputError, match=r"physiogen\[paper\]"):
        check_export("meeti")
