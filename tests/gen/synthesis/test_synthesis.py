"""Bulk synthesis with a stand-in generator: requests, shards, resuming, refusing to mix."""

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gen.io import read_set, set_table
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError, Patient
from gen.synthesis import DataSet, PromptRequests, Refusal, read_table, share_of, synthesize

ROOT = Path(__file__).resolve().parents[3]
VALUES = {"text": "sinus rhythm", "age": 60.0, "sex": "F"}


def generate(block):
    """Noise that belongs to the sample's number, with the composition of the block mixed in."""
    mark = sum(request.number for request in block) % 7 / 1000
    records = []
    for request in block:
        signal_mv = np.random.default_rng(request.number).normal(0, 0.2, (12, 100)).astype(np.float32) + mark
        patient = Patient(age=request.values.get("age"), sex=request.values.get("sex"))
        facts = {"request": dict(request.values)}
        records.append(EcgRecord(signal_mv, 100, LEADS_12, patient=patient, statements={"SR": 100.0}, metadata=facts))
    return records


def plan(count=22, format="parquet", **changes):
    data = DataSet(
        requests=PromptRequests(VALUES, count),
        seed=3,
        model={"denoiser": "a" * 64},
        settings={"scheduler": "dpm++", "steps": 4},
        format=format,
        per_shard=8,
        block=4,
    )
    return replace(data, **changes)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Bytes of undisturbed runs, by format."""
    found = {}
    for format in ("parquet", "webdataset", "npz", "wfdb"):
        out = tmp_path_factory.mktemp("whole") / format
        assert synthesize(plan(format=format), generate, out).complete
        found[format] = contents(out)
    return found


@pytest.mark.parametrize("format", ["parquet", "webdataset", "npz", "wfdb"])
def test_a_set_is_read_back_by_every_reader(format, tmp_path):
    synthesize(plan(format=format), generate, tmp_path / "out")
    records = list(read_set(tmp_path / "out"))
    assert [r.record_id for r in records] == [f"s3_{k:07d}" for k in range(22)]
    assert all(r.synthetic for r in records)
    assert records[0].metadata["request"]["text"] == "sinus rhythm"
    expected = generate([plan().requests[k] for k in range(4)])
    assert np.allclose(records[1].signal_mv, expected[1].signal_mv, atol=6e-4)
    table = set_table(tmp_path / "out")
    assert len(table) == 22
    assert table["synthetic"].all()
    assert not list((tmp_path / "out").glob(".p*"))


def test_the_card_says_what_it_is(tmp_path):
    synthesize(plan(card={"trained_on": "ptb-xl", "training_licence": "CC BY 4.0"}), generate, tmp_path / "out")
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["synthetic"] is True
    assert card["contents"] == {
        "records": 22,
        "sex": {"F": 22},
        "age": {"least": 60.0, "mean": 60.0, "most": 60.0},
        "statements": {"SR": 22},
        "rejections": {"draws": 22, "rejected": 0, "rate": 0.0, "samples_refused": 0},
    }
    assert card["generator"]["digests"] == {"denoiser": "a" * 64}
    text = (tmp_path / "out" / "README.md").read_text()
    for words in ("Synthetic data: all 22 records", "Not for diagnosis", "CC BY 4.0", "a" * 64):
        assert words in text


@pytest.mark.parametrize(
    ("licences", "shareable", "words"),
    [
        ([("ptb-xl", "CC BY 4.0", "Wagner 2020"), ("simulated", "Apache-2.0", "")], True, "Yes: these records may be"),
        (
            [("mine", "unknown", "")],
            False,
            "No: do not pass these records on before the terms of mine (licence unknown)",
        ),
        ([("a", "CC BY-NC 4.0", "")], False, "No: do not pass"),
        ([("simulated", "Apache-2.0", "")], True, "also commercially."),
    ],
)
def test_a_set_says_yes_or_no_about_its_licence(licences, shareable, words, tmp_path):
    sources = [dict(zip(("name", "licence", "citation"), each, strict=True)) for each in licences]
    synthesize(plan(card={"sources": sources}), generate, tmp_path / "out")
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["may_be_shared"] is shareable
    assert words in card["licence"]
    assert words in (tmp_path / "out" / "README.md").read_text()
    assert all(each["citation"] in card["licence"] for each in sources)


@pytest.mark.parametrize("format", ["parquet", "webdataset", "wfdb"])
def test_hugging_face_loads_the_folder(format, tmp_path):
    datasets = pytest.importorskip("datasets")
    synthesize(plan(format=format), generate, tmp_path / "out")
    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "hf"))["train"]
    assert len(found) == 22
    if format == "parquet":
        assert np.asarray(found[3]["signal_mv"]).shape == (12, 100)
        assert found[3]["record_id"] == "s3_0000003"


SCRIPT = """
import os, signal, sys
sys.path[:0] = [{root!r}, {here!r}]
import test_synthesis as t
from gen.engines.engine import Engine
done = 0
def generate(block):
    global done
    done += 1
    if done > {blocks}:
        os.kill(os.getpid(), signal.SIGKILL)
    return t.generate(block)
t.synthesize(t.plan(format={format!r}), generate, {out!r}, engine=Engine(workers=1))
"""


@pytest.mark.parametrize(("format", "blocks"), [("parquet", 3), ("wfdb", 5)])
def test_a_killed_run_ends_with_the_same_bytes(format, blocks, whole, tmp_path):
    out = tmp_path / "out"
    code = SCRIPT.format(root=str(ROOT), here=str(Path(__file__).parent), out=str(out), format=format, blocks=blocks)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()
    assert not (out / "metadata.csv").exists()
    assert list(out.glob(".partial-*"))
    outcome = synthesize(plan(format=format), generate, out)
    assert outcome.complete
    assert (outcome.made, outcome.found) == (22 - 8 * (blocks // 2), 8 * (blocks // 2))
    assert contents(out) == whole[format]


def test_a_run_killed_between_shard_and_table_is_mended(whole, tmp_path):
    out = tmp_path / "out"
    synthesize(plan(), generate, out, share=(0, 3))
    (out / ".parts" / "00000.csv").unlink()
    assert synthesize(plan(), generate, out).complete
    assert contents(out) == whole["parquet"]


@pytest.mark.parametrize("format", ["parquet", "wfdb"])
def test_shares_make_the_same_set_in_any_order(format, whole, tmp_path):
    out = tmp_path / "out"
    done = [synthesize(plan(format=format), generate, out, share=(k, 2)).complete for k in (1, 0)]
    assert done == [False, True]
    assert contents(out) == whole[format]


def test_a_finished_set_is_left_alone(whole, tmp_path):
    out = tmp_path / "out"
    synthesize(plan(), generate, out)

    def never(block):
        raise AssertionError(block)

    outcome = synthesize(plan(), never, out)
    assert (outcome.made, outcome.found, outcome.complete) == (0, 22, True)
    assert contents(out) == whole["parquet"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 4}, r"other settings: seed \(3 there, 4 asked for\)"),
        ({"model": {"denoiser": "b" * 64}}, "other settings: model"),
        ({"requests": PromptRequests({"age": 61.0}, 22)}, "other settings: conditions"),
        ({"requests": PromptRequests(VALUES, 23)}, r"samples \(22 there, 23 asked for\)"),
        ({"settings": {"scheduler": "ddim", "steps": 4}}, "other settings: settings"),
        ({"format": "npz"}, "other settings: records"),
    ],
)
def test_sets_are_not_mixed(change, words, tmp_path):
    synthesize(plan(), generate, tmp_path / "out", share=(0, 2))
    before = contents(tmp_path / "out")
    with pytest.raises(InputError, match=words):
        synthesize(replace(plan(), **change), generate, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    assert synthesize(replace(plan(), **change), generate, tmp_path / "out", overwrite=True).complete


def test_a_foreign_folder_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="will not write into it"):
            synthesize(plan(), generate, tmp_path, overwrite=overwrite)
    assert contents(tmp_path) == {"thesis.tex": b"years of work"}


def test_a_full_disk_stops_cleanly_and_can_be_resumed(whole, tmp_path, monkeypatch):
    from gen.synthesis import shards

    class Full:
        def __init__(self, path):
            self.shard, self.left = opened(path), 3

        def add(self, record):
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "shard")
            self.shard.add(record)

        def close(self):
            self.shard.close()

    opened = shards.open_shard
    out = tmp_path / "out"
    synthesize(plan(), generate, out, share=(0, 3))
    with monkeypatch.context() as patch:
        patch.setattr(shards, "open_shard", Full)
        with pytest.raises(InputError, match="disk full; finished shards are complete"):
            synthesize(plan(), generate, out)
    assert not list(out.glob(".partial-*"))
    assert synthesize(plan(), generate, out).found == 8
    assert contents(out) == whole["parquet"]


def test_progress_counts_what_was_there(tmp_path):
    synthesize(plan(), generate, tmp_path / "out", share=(0, 3))
    told = []
    synthesize(plan(), generate, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert told[0] == (8, 22)
    assert told[-1] == (22, 22)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_shares_by_option_and_by_launcher():
    assert share_of("1/4", {}) == (0, 4)
    assert share_of("4/4", {"RANK": "1", "WORLD_SIZE": "2"}) == (3, 4)
    assert share_of(None, {"RANK": "1", "WORLD_SIZE": "2"}) == (1, 2)
    assert share_of(None, {}) == (0, 1)
    for text in ("0/4", "5/4", "4", "a/b", "1/0", "-1/2"):
        with pytest.raises(InputError, match="i from 1 to n"):
            share_of(text, {})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "edf"}, "expected one of wfdb, parquet"),
        ({"per_shard": 6}, "multiple of the block"),
        ({"requests": PromptRequests(VALUES, 0)}, "at least 1"),
    ],
)
def test_impossible_plans(changes, words):
    with pytest.raises(InputError, match=words):
        plan(**changes)


# Tables -----------------------------------------------------------------------------------------------------------


def table(tmp_path, text, name="conditions.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_with_other_names_and_delimiters(tmp_path):
    path = table(tmp_path, "\ufeffReport;Gender;HR;age;site\nVorhofflimmern, LSB;weiblich;130;71;A\n;M;;40;B\n")
    requests = read_table(path)
    assert requests.bad == ()
    assert dict(requests[0].values) == {
        "text": "Vorhofflimmern, LSB",
        "sex": "F",
        "heart_rate": 130.0,
        "age": 71.0,
    }
    assert dict(requests[1].values) == {"sex": "M", "age": 40.0}
    assert requests[1].source == "conditions.csv, row 3"


def test_a_bad_row_is_named_and_the_good_are_kept(tmp_path):
    path = table(tmp_path, "age,sex,hr\n50,F,60\nold,F,60\n50,X,60\n50,F\n50,M,999\n52,M,80\n")

    def check(values):
        if values.get("heart_rate", 0) > 300:
            raise InputError("heart_rate 999: expected 20 to 300 bpm")

    requests = read_table(path, check=check)
    assert [requests[k].number for k in range(len(requests))] == [0, 5]
    assert [line.removeprefix(f"{path}, ") for line in requests.bad] == [
        "row 3: column age: 'old' is no number; accepted: a number, or empty",
        "row 4: column sex: 'X' is no sex; accepted: F, M, or empty",
        "row 5: does not fit the header of 3 columns",
        "row 6: heart_rate 999: expected 20 to 300 bpm",
    ]


def test_mending_a_row_leaves_the_other_samples(tmp_path):
    broken = read_table(table(tmp_path, "age\n50\nx\n52\n"), 4)
    mended = read_table(table(tmp_path, "age\n50\n51\n52\n"), 6)
    for request in (broken[k] for k in range(4)):
        assert mended[request.number] == request
    assert broken.digest != mended.digest


def test_a_parquet_table(tmp_path):
    import pandas as pd

    path = tmp_path / "conditions.parquet"
    pd.DataFrame({"text": ["LBBB", None], "age": [70, np.nan], "heart_rate": [80.5, 60]}).to_parquet(path)
    requests = read_table(path, 5, defaults={"sex": "M", "age": 30.0})
    assert dict(requests[3].values) == {"sex": "M", "age": 30.0, "heart_rate": 60.0}
    assert requests[4].number == 4
    assert dict(requests[4].values) == {"sex": "M", "text": "LBBB", "age": 70.0, "heart_rate": 80.5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("age\n", "no row in it"),
        ("name,site\na,b\n", r"no column of conditions in it \(name, site\); accepted: text, age, sex"),
        ("hr,heart_rate\n1,2\n", "both mean heart_rate"),
        ("age\nx\n", "row 2: column age: 'x'"),
    ],
)
def test_an_unusable_table(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        read_table(table(tmp_path, text))


def test_a_missing_table(tmp_path):
    with pytest.raises(InputError, match=r"not found; accepted: a CSV or Parquet file"):
        read_table(tmp_path / "none.csv")


def test_samples_that_cannot_be_made_are_set_aside(tmp_path):
    def some(block):
        made = generate(block)
        made[0] = replace(made[0], metadata={**made[0].metadata, "tries": 3})
        return [Refusal("QRS of 20 mV", 8) if r.number in (5, 17) else m for r, m in zip(block, made, strict=True)]

    data = plan(format="npz")
    outcome = synthesize(data, some, tmp_path / "out")
    assert outcome.complete
    assert outcome.refused == (("s3_0000005", "QRS of 20 mV"), ("s3_0000017", "QRS of 20 mV"))
    table = set_table(tmp_path / "out")
    assert len(table) == 20
    assert "s3_0000005" not in set(table["record_id"])
    card = json.loads((tmp_path / "out" / "card.json").read_text(encoding="utf-8"))
    # Six blocks with a record drawn three times, two samples drawn eight times in vain.
    assert card["contents"]["rejections"] == {"draws": 48, "rejected": 28, "rate": 0.5833, "samples_refused": 2}
    assert "28 of 48" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    # The same again, in shares and by a second run.
    for k in (2, 0, 1):
        synthesize(data, some, tmp_path / "shared", share=(k, 3))
    assert contents(tmp_path / "shared") == contents(tmp_path / "out")
    assert synthesize(data, some, tmp_path / "out").refused == outcome.refused
