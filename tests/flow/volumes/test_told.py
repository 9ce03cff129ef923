"""Intervals cut from told distributions hold as many as they say, whatever is wrong with the distribution."""

from pathlib import Path

import numpy as np
import pytest

from flow.volumes.told import KINDS, MOST_WIDER, QUANTITIES, ToldIntervals, cut, places
from gen.files import read_json, write_json
from gen.records import InputError


def _told(n: int, seed: int, rare: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distributions (n, 256) that are too narrow by a third and shifted; a share of hearts is far above them."""
    rng = np.random.default_rng(seed)
    middle = 100 + 20 * rng.standard_normal(n)
    spread = 10 * np.exp(0.3 * rng.standard_normal(n))
    group = (rng.random(n) < rare).astype(int)
    truth = middle + 3 + spread * rng.standard_normal(n) + 2.2 * spread * group
    cloud = middle[:, None] + 0.67 * spread[:, None] * rng.standard_normal((n, 256))
    return cloud, truth, group


def _fit(cloud: np.ndarray, truth: np.ndarray, group: np.ndarray) -> ToldIntervals:
    clouds = {kind: dict.fromkeys(QUANTITIES, cloud) for kind in KINDS}
    return ToldIntervals.fit(clouds, dict.fromkeys(QUANTITIES, truth), group, source={"cohort": "made up"})


def _wider(cloud: np.ndarray) -> np.ndarray:
    """The same distributions, 2.2 times as wide, so that the levels lie inside."""
    middle = cloud.mean(axis=1, keepdims=True)
    return middle + 2.2 * (cloud - middle)


def test_coverage_on_new_hearts_is_as_stated() -> None:
    cloud, truth, group = _told(2000, 0)
    found = _fit(_wider(cloud), truth, group)
    new, new_truth, _ = _told(6000, 1)
    low, high = found.ends("edv_ml", _wider(new), "few")
    assert 0.89 < ((new_truth >= low) & (new_truth <= high)).mean() < 0.93
    assert (low < high).all()


def test_a_place_between_the_levels_is_inside_the_interval() -> None:
    rng = np.random.default_rng(0)
    cloud, truth = rng.standard_normal((500, 64)), rng.standard_normal(500)
    place, ordered = places(cloud, truth), np.sort(cloud, axis=1)
    for low, high in ((0.05, 0.95), (0.25, 0.5), (1 / 64, 63 / 64)):
        ends = cut(ordered, low, high)
        inside = (truth > ends[0]) & (truth <= ends[1])
        assert np.array_equal(inside, (place >= low) & (place <= high))


def test_the_ends_are_shared_for_a_rare_group_at_a_bounded_cost() -> None:
    cloud, truth, group = _told(3000, 2, rare=0.04)
    cloud, rare = _wider(cloud), group == 1
    found, blind = _fit(cloud, truth, group), _fit(cloud, truth, np.zeros_like(group))
    (low, high), (blind_low, blind_high) = (each.ends("mass_g", cloud) for each in (found, blind))
    held, before = (truth >= low) & (truth <= high), (truth >= blind_low) & (truth <= blind_high)
    assert held[rare].mean() > before[rare].mean() + 0.02
    assert held.mean() >= 0.9
    assert (high - low).mean() <= MOST_WIDER * (blind_high - blind_low).mean() * 1.001


def test_it_belongs_to_one_reader_and_is_read_back(tmp_path: Path) -> None:
    found = _fit(*_told(300, 3))
    path = found.save(tmp_path, "abc")
    assert ToldIntervals.load(tmp_path, "abc") == found
    with pytest.raises(InputError, match="another reader"):
        ToldIntervals.load(tmp_path, "def")
    stored = read_json(path)
    write_json(path, {**stored, "levels": {"whole": {}, "few": {}}})
    with pytest.raises(InputError, match="not of the quantities"):
        ToldIntervals.load(tmp_path, "abc")
    write_json(path, {"model": "abc"})
    with pytest.raises(InputError, match="no calibration"):
        ToldIntervals.load(tmp_path, "abc")
    with pytest.raises(InputError, match="train flow/reader"):
        ToldIntervals.load(tmp_path / "none", "abc")
    with pytest.raises(InputError, match="10 hearts to calibrate"):
        _fit(*_told(10, 3))
