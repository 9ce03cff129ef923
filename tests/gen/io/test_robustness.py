"""The short form of the campaign of damaged files, and that it notices what it looks for."""

import time

import numpy as np
import pytest

from gen.evaluation.robustness import campaign, damaged
from gen.evaluation.seed_files import Seed, read_ecg, written_seeds
from gen.evaluation.settings import Robustness
from gen.records import InputError


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    pytest.importorskip("ecgdatakit")
    return written_seeds(tmp_path_factory.mktemp("seeds"))


def test_every_seed_is_read(seeds):
    assert len({seed.name for seed in seeds}) == len(seeds) > 20
    for seed in seeds:
        assert seed.read(
            seed.file, {"long.csv": {"fs_hz": 250.0, "unit": "mV"}, "logger.txt": {"leads": ["I"]}}.get(seed.name, {})
        ), seed.name


def test_damaged_files_are_read_or_refused_in_one_line(seeds):
    tally = campaign(seeds, 250, seed=1)
    assert tally.clean, tally.examples
    assert tally.read.total() + tally.refused.total() == 250
    assert min(tally.read.total(), tally.refused.total()) > 25
    assert len(tally.read + tally.refused) == len(seeds)
    assert tally.slowest_s < 10


def test_a_file_of_a_seed_does_not_depend_on_the_number(rng):
    content = bytes(rng.integers(0, 256, 1000, dtype=np.uint8))
    one, two = (damaged(content, np.random.default_rng((3, 7)), text=True) for _ in range(2))
    assert one == two != content


def asks_for_much(path, given):
    return [np.ones(2**31)]


def sleeps(path, given):
    try:
        time.sleep(2)
    except Exception as error:  # a reader that takes everything for a fault of its file
        raise InputError("broken") from error


def fails(error):
    def read(path, given):
        raise error

    return read


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (fails(KeyError("x")), "KeyError"),
        (fails(InputError("two\nlines")), "message of several lines"),
        (sleeps, "too long"),
        (asks_for_much, "MemoryError"),
    ],
)
def test_what_goes_wrong_is_counted(seeds, read, kind):
    tally = campaign([Seed("x", seeds[0].file, (), read)], 1, limit_s=0.2)
    assert tally.failures == {kind: 1}
    assert not tally.clean


def test_what_is_half_written_is_counted(seeds, monkeypatch):
    def write(records, out, format):
        out.mkdir()
        raise InputError("disk full")

    monkeypatch.setattr("gen.io.write", write)
    whole = lambda path, given: read_ecg(seeds[0].file, given)  # noqa: E731
    assert campaign([Seed("x", seeds[0].file, (), whole)], 1).failures == {"half-written": 1}


def test_the_evaluation(tmp_path):
    found = Robustness(number=30, seed=5).run()
    assert found.n == 30
    assert found["all files/tracebacks and other faults"].value == 0
    assert sum(value.value for path, value in found.flat() if path.startswith("formats/")) == 30
    with pytest.raises(InputError, match="no ECG file in it"):
        Robustness(number=1, files=(tmp_path,)).run()
