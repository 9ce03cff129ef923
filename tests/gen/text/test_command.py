"""`physiogen text`."""

import json

import pytest
import typer
from typer.testing import CliRunner

from gen.commands.text import text
from gen.records import InputError

app = typer.Typer()
app.command()(text)


def _run(*arguments, **options):
    return CliRunner().invoke(app, list(arguments), **options)


def test_json_output():
    result = _run("AF with RVR 130 bpm, no LVH, blorf", "--json")
    found = json.loads(result.stdout)
    assert [(s["code"], s["negated"]) for s in found["statements"]] == [("AFIB", False), ("RVR", False), ("LVH", True)]
    assert found["numbers"] == {"heart_rate": 130}
    assert found["unknown"] == ["blorf"]


def test_prose_output_names_everything():
    out = _run("possible LBBB, HR 80, blorf").stdout
    assert "CLBBB" in out
    assert "possible" in out
    assert "80 bpm" in out
    assert "not understood: blorf" in out


def test_contradiction_is_warned_of():
    result = _run("sinus rhythm, atrial fibrillation")
    assert result.exit_code == 0
    assert "contradiction" in result.stderr


def test_not_understood_at_all():
    result = _run("hello wurld")
    assert isinstance(result.exception, InputError)
    assert "hello, wurld" in str(result.exception)
    assert "\n" not in str(result.exception)
    assert _run("hello wurld", "--allow-unknown").exit_code == 0


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_empty_text(empty):
    assert isinstance(_run(empty).exception, InputError)


def test_reads_stdin():
    assert "SR" in _run("-", input="Sinusrhythmus").stdout


@pytest.mark.parametrize(("name", "kind", "finding"), [("HYP", "superclass", "LVH"), ("isca", "subclass", "ISCAL")])
def test_a_group_of_findings_is_named_as_one(name, kind, finding):
    with pytest.raises(InputError, match=rf"{name.upper()} is a {kind} of PTB-XL.*\({finding}\).*--only"):
        text(name, json=False, allow_unknown=False)
