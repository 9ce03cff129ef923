"""The command `physiogen twin` with random weights."""

import json
from dataclasses import replace

import pytest
from stopping import contents, goes_on

import gen
from diffusion.twin import making
from diffusion.twin.pipeline import ECGTwinPipeline
from gen import cli
from gen.io import read_set
from gen.simulate import simulate


@pytest.fixture(scope="module")
def record():
    return simulate([3], seed=5, noise="light", conditions={"statements": ["SR", "NORM"]}).records()[0]


@pytest.fixture
def run(twin_folder, record, tmp_path, capsys):
    source = tmp_path / "reference.npz"
    gen.write(record, source)

    def call(*arguments, inputs=(source,), checkpoint=True):
        capsys.readouterr()
        given = ["twin", *map(str, inputs), "--out", str(tmp_path / "out"), *map(str, arguments)]
        status = cli.run([*given, "--steps", "2", *(["--checkpoint", str(twin_folder)] if checkpoint else [])])
        captured = capsys.readouterr()
        return status, captured.out, captured.err.splitlines()

    return call


def test_the_example_of_the_help(run, tmp_path):
    status, out, err = run("--text", "left bundle branch block", "--hr", 95, "-n", 2, "--seed", 3, "--plot")
    assert (status, err) == (0, [])
    lines = out.splitlines()
    assert lines[0] == f"2 synthetic ECGs of one person in {tmp_path / 'out'}"
    assert "identity kept" in lines[1]
    assert "change achieved" in lines[1]
    records = list(read_set(tmp_path / "out"))
    drawn = {path.stem.rpartition("twin_")[2] for path in (tmp_path / "out" / "plots").glob("*.png")}
    assert drawn == {"000000", "000000-beats", "000001", "000001-beats"}
    for twin_record in records:
        assert set(twin_record.metadata["scores"]) == {
            "identity",
            "identity_threshold",
            "identity_kept",
            "achieved",
            "checks",
        }


def test_a_twin_that_would_be_taken_for_another_is_said(run, tmp_path, monkeypatch):
    scored = ECGTwinPipeline.scores
    # Threshold above any cosine: no twin is the person's; below any: each is.
    for threshold, said in ((1.01, 1), (-1.01, 0)):
        monkeypatch.setattr(
            ECGTwinPipeline,
            "scores",
            lambda *given, at=threshold: [replace(each, threshold=at) for each in scored(*given)],
        )
        status, _, err = run("--hr", 95, "-n", 2, "--overwrite")
        lines = [line for line in err if "2 of 2 twins would not be taken for the person's: identity below" in line]
        assert (status, len(lines)) == (0, said)
        kept = [record.metadata["scores"]["identity_kept"] for record in read_set(tmp_path / "out")]
        assert kept == [not said] * 2


def test_workers_make_the_same_twins(run, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "BLOCK", 1)
    found = []
    for workers in (1, 2):
        status, out, _ = run("--hr", 95, "-n", 3, "--workers", workers, "--overwrite")
        assert status == 0
        files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
        found.append((out, files))
    assert found[0] == found[1]
    assert len([name for name in found[0][1] if name.endswith(".dat")]) == 3


def test_json_for_machines(run):
    status, out, _ = run("--hr", 95, "--json", "--strength", 0.4)
    found = json.loads(out)
    assert status == 0
    assert found["reference"]["condition"]["sex"] in ("F", "M")
    assert found["twins"][0]["identity_threshold"] == 0.5


def test_a_contradiction_is_said(run):
    status, _, err = run("--text", "sinus bradycardia", "--hr", 130)
    assert status == 2
    assert "contradiction: sinus bradycardia (SBRAD) with 130 bpm" in err[-1]
    status, _, err = run("--text", "sinus bradycardia", "--hr", 130, "--allow-contradictions")
    assert status == 0
    assert any("contradiction" in line for line in err)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing was asked for"),
        (("--hr", 900), "heart_rate 900"),
        (("--text", "xyzzy"), "not understood"),
        (("--hr", 80, "--strength", 2), "--strength 2"),
        (("--hr", 80, "--guidance", "ref=2"), "expected a group"),
        (("--hr", 80, "-n", 0), "-n 0"),
    ],
)
def test_bad_options_are_refused_in_one_line(run, tmp_path, arguments, words):
    status, out, err = run(*arguments)
    assert (status, out, len(err)) == (2, "", 1)
    assert words in err[0]
    assert not (tmp_path / "out").exists()


def test_without_weights_one_clear_line(run, tmp_path, monkeypatch):
    monkeypatch.setattr("diffusion.twin.beat_twin.WEIGHTS", tmp_path / "none")
    status, out, err = run("--hr", 80, checkpoint=False)
    assert (status, out, len(err)) == (2, "", 1)
    assert "ships no weights for twins" in err[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", ["wfdb", "npz"])
def test_a_run_that_was_stopped_ends_with_the_same_bytes(twin_folder, record, tmp_path, monkeypatch, capsys, format):
    monkeypatch.setattr(making, "BLOCK", 1)
    source = tmp_path / "reference.npz"
    gen.write(record, source)
    words = ["twin", str(source), "--hr", "95", "-n", "3", "--steps", "2", "--checkpoint", str(twin_folder), "--plot"]
    given = [*words, "--format", format, "--workers", "1"]
    whole, out = goes_on(monkeypatch, capsys, lambda place: [*given, "--out", str(place)], tmp_path)
    assert len(list((out / "plots").glob("*.png"))) == 6
    assert contents(out) == contents(whole)


def test_sets_of_twins_lie_in_the_set(run, tmp_path):
    pytest.importorskip("cv2", reason="needs OpenCV (extra paper)")
    status, out, _ = run("--hr", 95, "-n", 2, "--seconds", 4, "--format", "parquet", "--export", "meeti,grounding")
    folder = tmp_path / "out"
    assert status == 0
    assert out.splitlines()[-2:] == [
        f"signal, picture, features and text in {folder / name}" for name in ("meeti", "grounding")
    ]
    names = [record.record_id for record in read_set(folder)]
    assert [record.record_id for record in read_set(folder / "grounding")] == names
    assert len(list((folder / "meeti" / "data").iterdir())) == 1
    assert not list(tmp_path.glob(".*"))


def test_an_export_that_has_no_room_is_refused_first(run, tmp_path):
    pytest.importorskip("cv2", reason="needs OpenCV (extra paper)")
    status, out, err = run("--same", "--seconds", 2, "--export", "meeti")
    assert (status, out) == (2, "")
    assert err[-1].startswith("physiogen: --export: 2 s of signal: a column of 3x4+1")
    assert not (tmp_path / "out").exists()
