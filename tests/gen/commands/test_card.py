"""`physiogen card`: readable by people, whole as JSON, and of one's own weights, too."""

import json
import shutil

import pytest

from gen import cli
from gen.commands.card import shipped_cards
from gen.shipped import shipped


@pytest.fixture
def run(capsys):
    def call(*words):
        capsys.readouterr()
        status = cli.run(["card", *map(str, words)])
        found = capsys.readouterr()
        return status, found.out, found.err.splitlines()

    return call


def test_every_shipped_card_is_listed_and_printed(run):
    status, out, _ = run()
    names = [line.split()[0] for line in out.splitlines()]
    assert status == 0
    assert names == list(shipped_cards())
    assert {"vae-default", "diffusion-default", "flow-default", "metrics-classifier"} <= set(names)
    for name in names:
        status, text, _ = run(name)
        assert (status, text.startswith(f"# {name}\n")) == (0, True)
        for words in ("intended use", "limits", "licence of the training data", "## Data"):
            assert words in text
        assert "<!--" not in text


def test_weights_of_ones_own(run, tmp_path):
    place = shipped("metrics", "classifier")
    shutil.copy(place / "card.json", tmp_path / "card.json")
    assert json.loads(run(tmp_path, "--json")[1]) == json.loads((place / "card.json").read_text())
    assert "intended use" in run(tmp_path)[1]


def test_what_is_no_card_gets_one_line(run, tmp_path):
    (tmp_path / "card.json").write_text('{"schema": 1}')
    for words, said in (
        ("nothing", "no such weights; accepted: vae-"),
        (tmp_path, "card.json"),
        (tmp_path / "..", "no card.json"),
    ):
        status, out, err = run(words)
        assert (status, out, len(err)) == (2, "", 1)
        assert said in err[0]
