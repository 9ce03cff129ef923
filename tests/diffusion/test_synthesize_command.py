"""``physiogen synthesize`` with a small random generator: good input, resuming, and bad input."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from stopping import contents

from gen import cli
from gen.io import read_set, set_table

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(pipeline_folder, tmp_path, capsys):
    """Run ``physiogen synthesize``; returns status, stdout and the lines of stderr."""

    def synthesize(*arguments, out="out"):
        capsys.readouterr()
        given = ["synthesize", *map(str, arguments), "--out", str(tmp_path / out)]
        status = cli.run([*given, "--checkpoint", str(pipeline_folder), "--steps", "2"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err.splitlines()

    return synthesize


@pytest.fixture
def refused(run, tmp_path):
    """Run it and expect one line with these words, status 2, an empty stdout and nothing written."""

    def check(arguments, *words):
        status, out, err = run(*arguments)
        assert (status, out) == (2, "")
        assert len(err) == 1, err
        for word in words:
            assert word in err[0], err[0]
        assert not (tmp_path / "out").exists()

    return check


def test_the_example_of_the_help(run, tmp_path):
    status, out, err = run(
        "--text", "atrial fibrillation", "--age", 70, "--sex", "F", "--hr", 130, "-n", 3, "--seed", 1, "--plot"
    )
    assert (status, err) == (0, [])
    assert out.splitlines() == [
        f"3 synthetic ECGs in {tmp_path / 'out'}",
        f"plots of the first 3 in {tmp_path / 'out' / 'plots'}",
    ]
    records = list(read_set(tmp_path / "out"))
    assert [r.record_id for r in records] == [f"s1_{k:07d}" for k in range(3)]
    assert records[0].statements == {"AFIB": 100.0}
    assert records[0].metadata["request"]["heart_rate"] == 130
    drawn = {path.name for path in (tmp_path / "out" / "plots").glob("*.png")}
    assert drawn == {*(f"s1_{k:07d}.png" for k in range(3)), "all.png"}
    assert list(set_table(tmp_path / "out")["synthetic"]) == [True] * 3


def test_numbers_in_the_text_and_json(run):
    status, out, _ = run("--text", "LBBB, HR 80", "--format", "parquet", "--json", "--guidance", "text=3,rate=2")
    found = json.loads(out)
    assert status == 0
    assert (found["samples"], found["complete"], found["failed"]) == (1, True, [])
    assert found["settings"]["guidance"]["scales"] == {"text": 3.0, "patient": 1.0, "rate": 2.0, "shape": 1.0}


def test_contradictions_are_refused_or_written_and_unknown_words_warned_of(run, tmp_path):
    status, _, err = run("--text", "sinus rhythm, atrial fibrillation, blorp", "--allow-contradictions")
    assert status == 0
    assert err == [
        "warning: contradiction: sinus rhythm (SR) with atrial fibrillation (AFIB)",
        "warning: not understood: blorp",
    ]
    (record,) = read_set(tmp_path / "out")
    assert record.metadata["contradictions"] == ["sinus rhythm (SR) with atrial fibrillation (AFIB)"]
    status, _, err = run("--text", "sinus tachycardia", "--hr", 50, out="slow")
    assert status == 2
    assert "contradiction: sinus tachycardia (STACH) with 50 bpm" in err[0]
    assert not (tmp_path / "slow").exists()


def test_a_table_keeps_its_good_rows(run, tmp_path):
    path = tmp_path / "conditions.csv"
    path.write_text("text,age,sex,hr,site\nLBBB,60,F,70,A\nLBBB,60,F,700,A\nblorp,,,,A\n,50,M,,A\n", encoding="utf-8")
    status, out, err = run("--conditions", path)
    assert status == 2
    assert "2 synthetic ECGs" in out
    assert err[0] == f"warning: {path}: columns that are no condition are not used: site"
    assert err[1].startswith(f"physiogen: {path}, row 3: heart_rate 700: expected 20 to 300 bpm")
    assert err[2].startswith(f"physiogen: {path}, row 4: text not understood at all: blorp")
    records = list(read_set(tmp_path / "out"))
    assert [r.record_id for r in records] == ["s0_0000000", "s0_0000003"]
    assert records[0].metadata["request"]["source"] == "conditions.csv, row 2"


def test_a_set_like_another(run, tmp_path):
    assert run("--text", "LBBB", "--age", 60, "-n", 2, out="first")[0] == 0
    arguments = ("--like", tmp_path / "first", "--split", "all", "-n", 3, "--balance", "superclass")
    assert run(*arguments)[0] == 0
    assert {r.report for r in read_set(tmp_path / "out")} == {"complete left bundle branch block"}


def test_a_table_of_labels(run, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("label,age\nHYP,60\nHYP,61\nquick,62\n", encoding="utf-8")
    (tmp_path / "labels.json").write_text('{"quick": "sinus tachycardia", "HYP": "HYP"}', encoding="utf-8")
    status, out, err = run("--conditions", path, "--labels", tmp_path / "labels.json", "--per-class", 4)
    assert (status, err) == (0, [])
    assert out.splitlines()[1] == "records of each class: HYP 4, quick 4"
    table = set_table(tmp_path / "out")
    assert sorted(table["label"]) == ["HYP"] * 4 + ["quick"] * 4
    assert table.groupby("patient_id")["age"].nunique().max() == 1
    assert len(set(table["patient_id"])) == 3, "a group for each row of the table"
    assert {code for codes in table["statements"] for code in codes} <= {
        "LVH",
        "RVH",
        "SEHYP",
        "LAO/LAE",
        "RAO/RAE",
        "STACH",
    }
    assert {r.metadata["label"] for r in read_set(tmp_path / "out")} == {"HYP", "quick"}


def test_a_label_that_says_nothing_is_refused_by_row(run, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("label,age\nblorpitis,60\n", encoding="utf-8")
    status, _, err = run("--conditions", path)
    assert status == 2
    assert "row 2: label 'blorpitis' is not understood" in err[-1]
    assert "--labels TABLE" in err[-1]


BULK = ("--text", "LBBB", "-n", 10, "--format", "parquet", "--per-shard", 4, "--batch", 2, "--seed", 5)
KILLED = """
import os, signal, sys
sys.path.insert(0, {root!r})
from diffusion.pipeline import ECGPipeline
real, done = ECGPipeline.generate, []
def generate(*arguments):
    done.append(1)
    if len(done) > 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
ECGPipeline.generate = generate
from gen import cli
sys.exit(cli.run({arguments!r}))
"""


def test_a_killed_run_and_shares_end_with_the_same_bytes(run, pipeline_folder, tmp_path):
    assert run(*BULK, out="whole")[0] == 0
    whole = contents(tmp_path / "whole")

    given = ["synthesize", *map(str, BULK), "--out", str(tmp_path / "killed")]
    given += ["--checkpoint", str(pipeline_folder), "--steps", "2", "--workers", "1"]
    code = KILLED.format(root=str(ROOT), arguments=given)
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not (tmp_path / "killed" / "metadata.csv").exists()
    status, out, _ = run(*BULK, out="killed")
    assert status == 0
    assert "(4 of them were there)" in out
    assert contents(tmp_path / "killed") == whole

    assert "other parts are missing" in run(*BULK, "--shard", "2/2", out="shared")[1]
    assert run(*BULK, "--shard", "1/2", out="shared")[0] == 0
    assert contents(tmp_path / "shared") == whole


def test_sets_are_not_mixed(run, tmp_path):
    assert run("--text", "LBBB")[0] == 0
    for change in (("--seed", 1), ("--age", 50), ("-n", 2), ("--sampler", "ddim")):
        status, out, err = run("--text", "LBBB", *change)
        assert (status, out, len(err)) == (2, "", 1)
        assert "not mixed with this one" in err[0]
    assert run("--text", "LBBB", "--seed", 1, "--overwrite")[0] == 0
    assert [r.record_id for r in read_set(tmp_path / "out")] == ["s1_0000000"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing was asked for: give a text, age, sex or heart rate; to generate without any condition"),
        (["--text", "  "], "--unconditional"),
        (["--text", "blorp zzz"], "text not understood at all: blorp, zzz; --allow-unknown goes on"),
        (["--age", 130], "age 130: expected 0 to 120 years"),
        (["--hr", 5], "heart_rate 5: expected 20 to 300 bpm"),
        (["--text", "HR 900"], "heart_rate 900"),
        (["--age", 50, "--sex", "X"], "sex 'X': expected one of F, M"),
        (["--age", 50, "--sampler", "magic"], "sampler 'magic' is unknown; known: ddpm"),
        (["--age", 50, "--guidance", "much"], "--guidance much: expected a number, or groups"),
        (["--age", 50, "--guidance", "txt=2"], "expected a group of text"),
        (["--age", 50, "--negative", "blorp"], "--negative: text not understood"),
        (["--age", 50, "--format", "edf"], "expected one of wfdb, parquet, webdataset, npz"),
        (["--age", 50, "--shard", "5/4"], "expected i/n with i from 1 to n"),
        (["--age", 50, "-n", 0], "-n 0: expected at least 1"),
        (["--age", 50, "--seconds", 100], "these weights draw strips"),
        (["--age", 50, "--seconds", 30], "these weights draw 2 to 10 s"),
        (["--age", 50, "--per-shard", 512, "--batch", 3], "expected a multiple of the block, 3"),
        (["--age", 50, "--balance", "superclass"], "belongs to --like"),
        (["--age", 50, "--per-class", 3], "belong to --like, --conditions or --labels"),
        (["--text", "AF", "--conditions", "docs/requests-rates.csv"], "--text stands beside --conditions"),
        (["--text", "normal ECG with AF"], "contradiction: normal ECG (NORM) with atrial fibrillation (AFIB)"),
        (["--like", "docs", "--balance", "sex"], "expected one of none, superclass, label, fill"),
        (["--labels", "none.csv"], "none.csv: not found"),
        (["--conditions", "none.csv"], "none.csv: not found"),
        (["--like", "none"], "none: no such folder"),
        (["--like", "docs", "--text", "AF"], "--like takes its conditions from the set"),
        (["--age", 50, "--overwrite", "--shard", "1/2"], "--overwrite with several processes"),
    ],
)
def test_bad_input_gets_one_line(refused, arguments, words):
    refused(arguments, words)


def test_steps_below_one_and_missing_weights(tmp_path, capsys):
    given = ["synthesize", "--age", "50", "--out", str(tmp_path / "out")]
    assert cli.run([*given, "--steps", "0"]) == 2
    assert "0 sampling steps: expected 1 to 1000" in capsys.readouterr().err
    assert cli.run([*given, "--checkpoint", str(tmp_path / "none")]) == 2
    assert "none: not found" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_not_understood_can_be_allowed(run):
    assert run("--text", "blorp zzz", "--allow-unknown")[0] == 0
    assert run("--unconditional", out="free")[0] == 0
