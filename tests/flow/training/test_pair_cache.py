"""The cache: what it holds, that it resumes, and that a heart does not depend on the cache it is in."""

from pathlib import Path

import numpy as np
import pytest

import flow.training.pair_cache as data
from flow.ecg.beats import RHYTHM
from flow.training.cohort import FACTS, draw_rows
from flow.training.latents import cycle_weights
from flow.training.pair_cache import PairCache, build, pack_masks, unpack_masks
from flow.volumes.reader import VolumeReader
from gen.cine import MYOCARDIAL_DENSITY
from gen.records import InputError


def test_masks_pack_and_unpack() -> None:
    masks = np.random.default_rng(0).integers(0, 4, (3, 5, 8, 16)).astype(np.uint8)
    assert pack_masks(masks).shape == (3, 5, 8, 4)
    assert np.array_equal(unpack_masks(pack_masks(masks)), masks)


def test_a_row_holds_one_heart(cache: PairCache) -> None:
    part = cache.part("train")
    alone = draw_rows(np.array([7]), seed=1, size=32)
    assert alone.cines is not None
    assert np.array_equal(part.ecg[7], alone.ecg[0])
    assert np.array_equal(part.facts[7], alone.facts[0])
    assert np.array_equal(part.frames[7], np.rint(255 * alone.cines[0].frames[0]).astype(np.uint8))
    assert np.array_equal(unpack_masks(part.packed_masks[7]), alone.cines[0].masks[0])
    curve = part.curve[7]
    assert curve.max() == pytest.approx(part.fact("edv_ml")[7], rel=0.02)
    assert curve.min() == pytest.approx(part.fact("esv_ml")[7], rel=0.02)
    assert curve.argmin() / 50 == pytest.approx(part.fact("es_share")[7], abs=0.03)


def test_rr_of_the_beats_is_that_of_the_cine(cache: PairCache) -> None:
    part = cache.part("train")
    for row in part.usable:
        cycles = part.cycles[row][np.isfinite(part.cycles[row, :, 0])]
        assert len(cycles) >= 3 or part.fact("rr_s")[row] > 2
        weights = cycle_weights(np.asarray(part.cycles[row]), (np.arange(200) + 0.5) * 0.05)
        assert weights.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_parts_have_different_patients(cache: PairCache) -> None:
    ids = [set(cache.part(name).fact("index").tolist()) for name in ("train", "val", "ecgs")]
    assert not ids[0] & ids[1]
    assert not ids[1] & ids[2]
    assert "edv_ml" in FACTS


def test_beats_are_those_of_the_ecgs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(data.OFFSETS, "beats", data.OFFSETS["train"])  # the patients of another part
    monkeypatch.setattr(data, "_BEAT_BLOCK", 4)
    part = build(tmp_path / "c", counts={"beats": 6}, seed=1).part("beats")
    whole = draw_rows(np.arange(6), seed=1, cine=False)
    assert np.array_equal(part.beat, whole.beat)
    assert np.array_equal(part.facts, whole.facts)
    assert part.rhythm.shape == (6, len(RHYTHM))
    assert np.array_equal(part.rhythm[part.usable, RHYTHM.index("rr_s")], part.fact("rr_s")[part.usable])
    assert ((part.rhythm[part.usable, 3] <= 1.0) & (part.rhythm[part.usable, 4] >= 1.0)).all()
    assert ((part.wall > 2.5) & (part.wall < 40.0)).all()


def test_an_interrupted_build_goes_on(cache: PairCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_BLOCK", 2)
    calls = []

    def broken(indices: np.ndarray, **options: object) -> object:
        calls.append(len(indices))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return draw_rows(indices, **options)

    monkeypatch.setattr(data, "draw_rows", broken)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "c", counts={"ecgs": 4}, seed=1, size=32)
    with pytest.raises(InputError, match="no finished cache"):
        PairCache.open(tmp_path / "c")
    again = build(tmp_path / "c", counts={"ecgs": 4}, seed=1, size=32)
    assert calls == [2, 2, 2]
    assert np.array_equal(again.part("ecgs").ecg, cache.part("ecgs").ecg)
    with pytest.raises(InputError, match="other settings"):
        build(tmp_path / "c", counts={"ecgs": 4}, seed=2, size=32)


def test_missing_part_is_named(cache: PairCache) -> None:
    with pytest.raises(InputError, match="no part 'other'"):
        cache.part("other")


def test_volume_reader_finds_a_known_law() -> None:
    """Cylinders: volume = area x length, length grows with the R-peak area; mass from the wall."""
    rng = np.random.default_rng(0)
    grid = np.hypot(*np.meshgrid(np.arange(64) - 31.5, np.arange(64) - 31.5))
    inner = rng.uniform(9, 14, 40)[:, None] * (1 - 0.3 * np.sin(np.linspace(0, np.pi, 12)) ** 2)
    outer = np.sqrt(inner**2 + (rng.uniform(14, 22, 40) ** 2 - inner[:, 0] ** 2)[:, None])
    masks = np.where(grid < inner[..., None, None], 1, np.where(grid < outer[..., None, None], 2, 0)).astype(np.uint8)
    length = 1.2 * inner[:, :1]
    curve = np.pi * inner**2 * length * 0.02
    mass = MYOCARDIAL_DENSITY * np.pi * (outer[:, 0] ** 2 - inner[:, 0] ** 2) * length[:, 0] * 0.02
    reader = VolumeReader.fit(masks, 4.0, curve, mass)
    assert reader.volume_error < 0.03
    found, found_mass = reader.read(masks, 4.0)
    assert np.corrcoef(found.ravel(), curve.ravel())[0, 1] > 0.995
    assert np.corrcoef(found_mass, mass)[0, 1] > 0.99
    assert VolumeReader.from_json(reader.to_json()) == reader
    with pytest.raises(InputError, match="at least 10"):
        VolumeReader.fit(masks[:3], 4.0, curve[:3], mass[:3])


def test_empty_masks_give_finite_volumes() -> None:
    reader = VolumeReader((-2.0, 1.2, 0.0, 0.0), (-2.0, 0.1, 0.9), 0.1, 0.1)
    curve, mass = reader.read(np.zeros((2, 5, 8, 8), np.uint8), 4.0)
    assert np.isfinite(curve).all()
    assert np.isfinite(mass).all()
