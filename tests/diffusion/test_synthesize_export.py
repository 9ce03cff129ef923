"""``physiogen synthesize --export``: beside every format, parts, and a run that goes on."""

import pytest
from stopping import contents

from gen import cli
from gen.io import read_set

pytest.importorskip("cv2", reason="needs OpenCV (extra paper)")


@pytest.fixture
def run(pipeline_folder, tmp_path, capsys):
    def synthesize(*arguments, out="out"):
        capsys.readouterr()
        given = [
            "synthesize",
            "--text",
            "sinus rhythm",
            "-n",
            "4",
            "--batch",
            "1",
            "--per-shard",
            "2",
            "--seconds",
            "4",
        ]
        given += [*map(str, arguments), "--out", str(tmp_path / out)]
        status = cli.run([*given, "--checkpoint", str(pipeline_folder), "--steps", "1"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err.splitlines()

    return synthesize


def test_parts_and_a_later_call_come_to_the_same_set(run, tmp_path):
    assert run("--export", "meeti", out="whole")[0] == 0
    whole = contents(tmp_path / "whole")
    assert any(str(name).startswith("meeti/data/") for name in whole)
    status, out, _ = run("--export", "meeti", "--shard", "1/2")
    assert status == 0
    assert "signal, picture" not in out
    assert not (tmp_path / "out" / "meeti").exists(), "the other part is missing"
    status, out, _ = run("--export", "meeti", "--shard", "2/2")
    assert out.splitlines()[-1] == f"signal, picture, features and text in {tmp_path / 'out' / 'meeti'}"
    assert contents(tmp_path / "out") == whole
    assert run(out="later")[0] == 0
    assert not (tmp_path / "later" / "meeti").exists()
    status, out, _ = run("--export", "meeti", out="later")  # of a finished set
    assert (status, "(4 of them were there)" in out) == (0, True)
    assert contents(tmp_path / "later") == whole
    assert run("--export", "meeti", "--overwrite", "--seed", 1, out="later")[0] == 0
    assert {r.record_id for r in read_set(tmp_path / "later")} == {f"s1_{k:07d}" for k in range(4)}
    assert contents(tmp_path / "later" / "meeti") != contents(tmp_path / "whole" / "meeti")


def test_an_interrupted_export_leaves_the_set_and_is_gone_on_with(run, tmp_path, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("metrics.multimodal.sets.make_block", interrupted)
        assert run("--format", "parquet", "--export", "grounding")[0] == 130
    assert len(list(read_set(tmp_path / "out"))) == 4
    assert run("--format", "parquet", "--export", "grounding")[0] == 0
    names = [record.record_id for record in read_set(tmp_path / "out" / "grounding")]
    assert names == [record.record_id for record in read_set(tmp_path / "out")]
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
    assert "May it be passed on?" in (tmp_path / "out" / "grounding" / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--export", "pdf"), "--export pdf: accepted: meeti, grounding, or both by comma"),
        (("--export", "meeti", "--seconds", 3600), "--export: accepted: ECGs of up to"),
        (("--export", "meeti", "--seconds", 2.4), "--export: 2.4 s of signal: a column of 3x4+1"),
    ],
)
def test_what_is_refused_before_anything_is_made(run, tmp_path, arguments, words):
    status, out, err = run(*arguments)
    assert (status, out, len(err)) == (2, "", 1)
    assert words in err[0]
    assert not (tmp_path / "out").exists()
