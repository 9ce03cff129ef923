"""Whole commands by the clock: two installations in turn, and what cannot be asked for."""

import sys
from pathlib import Path

import pytest

from gen.evaluation.command_speed import COMMANDS, bench
from gen.evaluation.cost import Cost, cost_of
from gen.evaluation.settings import Speed
from gen.records import InputError
from gen.results import Value


def test_both_installations_are_timed_and_compared():
    settings = Speed(repeats=1, sizes=(1,), only=("--help",), beside=Path(sys.executable))
    said = []
    row = bench(settings, said.append)["1 ECGs"]["--help"]
    assert set(row) == {
        *("seconds", "seconds, beside", "seconds: times as fast"),
        *("processor seconds", "processor seconds, beside", "processor seconds: times as fast"),
        "peak memory",
    }
    assert all(isinstance(value, Value) and value.value > 0 for value in row.values())
    assert row["seconds: times as fast"].value == row["seconds, beside"].value / row["seconds"].value
    assert said == ["--help: 1 of 1"]


def test_a_command_that_fails_is_said_to(monkeypatch):
    monkeypatch.setitem(COMMANDS, "--help", ("measure", "{one}.nothing", "--out", "{out}"))
    row = bench(Speed(repeats=1, sizes=(1,), only=("--help",)), lambda text: None)["1 ECGs"]["--help"]
    assert row == {"failed": "here"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"only": ("juggle",)}, "--only 'juggle': accepted: --help"), ({"beside": Path("nowhere")}, "--beside nowhere")],
)
def test_what_cannot_be_timed_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        bench(Speed(**changes), lambda text: None)


def test_float32_starts_torch_without_autocast(monkeypatch):
    code = (
        "import torch\nwith torch.autocast('cpu', torch.bfloat16):\n"
        "    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32"
    )
    started = []
    monkeypatch.setattr("gen.evaluation.command_speed.cost_of", _started(started))
    bench(Speed(repeats=1, sizes=(1,), only=("--help",), float32=True), lambda text: None)
    (variables,) = started
    assert cost_of([sys.executable, "-c", code], **variables).status == 0
    assert cost_of([sys.executable, "-c", code]).status == 1


def _started(into):
    def run(words, **variables):
        into.append(variables)
        return Cost(status=0, seconds=1.0, cpu_s=1.0, peak=1, said="")

    return run
