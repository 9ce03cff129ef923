"""How soon commands speak: lines, silences and Ctrl-C as they are heard, and a table of all commands."""

import pytest

from gen import registry
from gen.evaluation.manners import COMMANDS, Heard, listen
from gen.evaluation.settings import Manners
from gen.records import InputError


def test_silences_and_interruptions_are_told_apart():
    heard = Heard([(1.5, "x: at work"), (4.0, "x 1/2"), (12.5, "physiogen: interrupted")], 130, 12.0)
    assert (heard.first_s, heard.silence_s, heard.clean) == (1.5, 8.0, True)
    torn = Heard([(12.1, "Traceback (most recent call last):"), (12.5, "physiogen: interrupted")], 130, 12.0)
    assert (torn.silence_s, torn.clean) == (12.0, False)
    assert Heard([(1.0, "physiogen: interrupted")], 130, 12.0).clean is False, "before Ctrl-C it does not count"
    assert Heard(seconds=3.0).first_s is None


def test_every_command_is_in_the_table():
    assert {name.split()[0] for name in COMMANDS} >= set(registry.names("gen.commands")) - {"web"}


def test_a_command_is_listened_to_and_stopped(tmp_path):
    heard = listen(["data", "simulate", "-n", "100000", "--out", "OUT"], 4.0, tmp_path)
    assert (heard.status, heard.ended, heard.clean) == (130, False, True)
    assert heard.lines[0][1].startswith(("data: at work", "simulating"))
    assert list(tmp_path.glob("OUT")) == []


def test_what_is_unknown_is_refused():
    with pytest.raises(InputError, match="--only 'fly': accepted: demo, reconstruct"):
        Manners(only=("fly",)).run()
