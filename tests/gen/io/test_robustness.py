"""The short form of the campaign of damaged files, and that it notices what it looks for."""

import time

import numpy as np
import pytest

from gen.evaluation import robustness
from gen.evaluation.robustness import campaign, damaged, main, written_seeds
from gen.records import InputError


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return written_seeds(tmp_path_factory.mktemp("seeds"))


def test_damaged_files_are_read_or_refused_in_one_line(seeds):
    tally = campaign(seeds, 150, seed=1)
    assert tally.clean, tally.examples
    assert tally.read + tally.refused == 150
    assert min(tally.read, tally.refused) > 10
    assert tally.slowest_s < 10
    assert tally.largest_gib < 2


def test_a_file_of_a_seed_does_not_depend_on_the_number(rng):
    content = bytes(rng.integers(0, 256, 1000, dtype=np.uint8))
    one, two = (damaged(content, np.random.default_rng((3, 7)), text=True) for _ in range(2))
    assert one == two != content


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(KeyError("x"), "KeyError"), (InputError("two\nlines"), "message of several lines"), (None, "too long")],
)
def test_what_goes_wrong_is_counted(seeds, monkeypatch, fault, kind):
    def read_set(path, **given):
        if fault is None:
            time.sleep(2)
        else:
            raise fault

    monkeypatch.setattr("gen.io.read_set", read_set)
    tally = campaign(seeds[:1], 1, limit_s=0.2)
    assert tally.failures == {kind: 1}
    assert not tally.clean


def test_the_command(capsys, tmp_path):
    assert main(["--count", "3", "--seed", "5"]) == 0
    assert '"count": 3' in capsys.readouterr().out
    assert main(["--count", "1", "--files", str(tmp_path)]) == 2
    assert "no ECG file in it" in capsys.readouterr().err
    assert robustness.Tally().clean
