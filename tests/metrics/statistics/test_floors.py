"""Floors of recordings are worked out once, and never taken from other recordings, settings or code."""

import numpy as np
import pytest

from metrics.statistics import floors
from metrics.statistics.floors import kept_floor
from metrics.suite.halves import half_scores, halvings

X = np.arange(12.0).reshape(4, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(floors.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


class Counting:
    """Gives a number that JSON keeps to the last bit, and counts how often it was asked."""

    def __init__(self, value=1 / 3):
        self.value, self.asked = value, 0

    def __call__(self):
        self.asked += 1
        return {"fid": self.value}


def test_the_same_floor_is_computed_once(folder):
    make = Counting()
    assert [kept_floor("fid", [X], make) for _ in range(3)] == [{"fid": 1 / 3}] * 3
    assert make.asked == 1


@pytest.mark.parametrize(
    ("name", "array"),
    [("kid", X), ("fid", X + 1e-12), ("fid", X.astype(np.float32)), ("fid", X.reshape(3, 4)), ("fid", X[::-1])],
)
def test_anything_else_is_computed_anew(folder, name, array):
    kept_floor("fid", [X], Counting())
    other = Counting(0.5)
    assert kept_floor(name, [array], other) == {"fid": 0.5}
    assert other.asked == 1


def test_other_code_or_libraries_are_another_method(folder, monkeypatch):
    kept_floor("fid", [X], Counting())
    floors._method.cache_clear()
    monkeypatch.setattr(floors, "version", lambda name: "99.0")
    other = Counting(0.5)
    assert kept_floor("fid", [X], other) == {"fid": 0.5}
    floors._method.cache_clear()


@pytest.mark.parametrize("left", [b"", b'{"name": "fid"', b"[1]", b'{"name": "fid"}'])
def test_a_torn_file_is_made_anew(folder, left):
    kept_floor("fid", [X], Counting())
    (path,) = (folder / "floors").iterdir()
    path.write_bytes(left)
    make = Counting()
    assert kept_floor("fid", [X], make) == {"fid": 1 / 3}
    assert kept_floor("fid", [X], make) == {"fid": 1 / 3}
    assert make.asked == 1


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv(floors.VARIABLE, "none")
    make = Counting()
    assert kept_floor("fid", [X], make) == kept_floor("fid", [X], make)
    assert make.asked == 2
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv(floors.VARIABLE, str(tmp_path / "file"))
    assert kept_floor("fid", [X], make) == {"fid": 1 / 3}


def test_a_second_report_of_the_same_recordings_computes_no_floor(folder, rng):
    real, people = rng.standard_normal((60, 4)), [f"p{k}" for k in range(60)]
    floors_of = []

    def compute(first, second, seed):
        floors_of.append(second is not None and bool(np.isin(second, real).all()))
        return {"distance": float(np.abs(first.mean() - second.mean()))}

    found = []
    for _ in range(2):
        fake = rng.standard_normal((60, 4))
        splits = halvings(people, [f"g{k}" for k in range(60)], count=3, seed=0)
        found.append(half_scores(real, fake, splits, compute, name="distance")["distance"])
    assert (found[0].floor, found[0].floor_range) == (found[1].floor, found[1].floor_range)
    assert found[0].here != found[1].here
    assert sum(floors_of) == 3
