"""`physiogen benchmark`."""

import json
import re
from pathlib import Path

import pytest
import typer
from stopping import contents, goes_on, pressed
from typer.testing import CliRunner

from gen.io import write
from gen.records import InputError
from gen.simulate import iter_cohort
from metrics.commands.benchmark import benchmark
from metrics.report.write import FILES

app = typer.Typer()
app.command()(benchmark)


def _run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("command")
    for name, seed in (("real", 0), ("fake", 1), ("train", 2)):
        write(iter_cohort(16, seed, 1, fs_hz=100, duration_s=5), root / name, format="wfdb")
    return root


@pytest.fixture(scope="module")
def done(sets):
    return _run(
        "--real",
        sets / "real",
        "--generated",
        sets / "fake",
        "--out",
        sets / "R",
        "--extractor",
        "random-conv",
        "--json",
    )


def test_json_on_stdout_is_the_file(sets, done):
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == json.loads((sets / "R" / "report.json").read_text())
    assert {path.name for path in (sets / "R").iterdir()} == {*FILES, "figures"}


def test_compare_two_reports(sets, done):
    found = json.loads(_run("--compare", sets / "R", sets / "R" / "report.json", "--json").stdout)
    assert found["metrics"]["kid"]["change"] == 0
    assert "| kid |" in _run("--compare", sets / "R", sets / "R").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--real, --generated, --out missing"),
        (("--real", "real", "--out", "X"), "--generated missing"),
        (("--real", "real", "--generated", "gone", "--out", "X"), "no such folder"),
        (("--real", "real", "--generated", "fake", "--out", "X", "--preset", "fast"), "accepted: quick"),
        (("--real", "real", "--generated", "fake", "--out", "X", "--extractor", "vgg"), "accepted:.*random-conv"),
        (("--real", "real", "--generated", "fake", "--out", "X", "--seconds", "0"), "accepted: 1 or more"),
        (("--real", "real", "--generated", "fake", "--out", "X", "--seed", "-1"), "accepted: 0 or more"),
        (("--real", "real", "--generated", "fake", "--out", "X", "--train", "real"), "patients are in the training"),
        (("--real", "real", "--generated", "fake", "--out", "R"), "use --overwrite"),
        (("--compare", "real", "fake"), "cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(sets, done, arguments, words):
    names = {"real", "fake", "X", "R", "gone"}
    result = _run(*(sets / argument if argument in names else argument for argument in arguments))
    assert isinstance(result.exception, InputError)
    with pytest.raises(InputError, match=words) as error:
        raise result.exception
    assert "\n" not in str(error.value)
    assert not (sets / "X").exists()


def test_the_python_door_takes_the_same_words(sets):
    from metrics.suite import benchmark as door

    report = door(real=sets / "real", generated=sets / "fake", leads=["II", "V1"], seconds=4)
    assert report.settings["leads"] == ["II", "V1"]
    assert report.settings["seconds"] == 4
    assert "8 independent" in report["kid"].skipped


def _dateless(folder):
    """Every file; of the report all but when it was made and how long it took."""
    found = contents(folder)
    report = json.loads(found.pop(Path("report.json")))
    created = report["settings"].pop("created")
    report["settings"].pop("wall_s")
    texts = {path: found[path].decode().replace(created, "") for path in list(found) if path.suffix in (".md", ".html")}
    texts = {path: re.sub(r"\d+\.\d s\b", "", text) for path, text in texts.items()}
    return report, {**found, **texts}


@pytest.mark.slow
def test_a_run_that_was_stopped_gives_the_same_report(sets, tmp_path, monkeypatch, capsys):
    given = ["--real", str(sets / "real"), "--generated", str(sets / "fake"), "--train", str(sets / "train")]
    words = ["benchmark", *given, "--extractor", "random-conv"]
    whole, out = goes_on(monkeypatch, capsys, lambda place: [*words, "--out", str(place)], tmp_path, after=5)
    assert _dateless(out) == _dateless(whole)
    assert [path.name for path in out.parent.iterdir()] == ["OUT"]


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.tolist() if hasattr(value, "tolist") else getattr(value, "name", value)


@pytest.mark.parametrize("after", [1, 2])
def test_sections_that_are_done_are_not_computed_again(sets, tmp_path, monkeypatch, after):
    from metrics.suite import benchmark as door
    from metrics.suite import pictures
    from metrics.suite.presets import Preset

    drawn = []
    monkeypatch.setattr(pictures, "gather", lambda job: drawn.append(_plain(vars(job.drawn))) or ())
    few = Preset("few", ("physics", "conditioning", "privacy"), 2, 2, raw_network=False, thorough=False)

    def run(out, **more):
        return door(
            real=sets / "real",
            generated=sets / "fake",
            out=tmp_path / out,
            preset=few,
            extractors=["random-conv"],
            **more,
        )

    whole = run("whole")
    with pressed(monkeypatch, after), pytest.raises(KeyboardInterrupt):
        run("again")
    with pressed(monkeypatch, 0), pytest.raises(KeyboardInterrupt):
        run("again", resume="always")
    found = run("again", resume="always")
    assert found.metrics == whole.metrics
    assert found.warnings == whole.warnings
    assert drawn[0] == drawn[1]
    assert drawn[0]["spectra"] is not None
    assert drawn[0]["copies"] is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "whole"]
