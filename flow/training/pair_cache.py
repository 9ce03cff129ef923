"""A cache of simulated pairs on disk: ECG, cine, masks and volumes of the same hearts.

    physiogen data pairs --n 4000 --seed 0 --out CACHE

writes the parts ``train``, ``val``, ``test`` (pairs), ``ecgs`` (ECGs with the heart's figures, without cines) and, with
``--beats N``, ``beats`` (averaged beats and rhythm alone, 2.7 kB a heart, for hundreds of thousands). All are patients
of one cohort with different numbers, so none is in two parts. Arrays are memory-mapped; an interrupted run goes on
where it stopped, and record k of seed s is the same in every cache. ``--levels three`` draws a basal, a mid and an
apical slice of every heart instead of a mid one; a row is then one slice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from flow.ecg.beats import BEAT_SAMPLES, ECG_SAMPLES, RHYTHM
from flow.networks.conditions import FRAMES
from flow.training.cohort import FACTS, MOST_BEATS, draw_beats, draw_rows
from gen.datasets.cache_format import manifest_digest
from gen.files import read_json, replacing, write_json
from gen.records import InputError
from gen.simulate.cine import LEVEL_SHARES

PARTS = ("train", "val", "test", "ecgs", "beats")
#: First patient of each part in the cohort.
OFFSETS = {"train": 0, "val": 10_000_000, "test": 20_000_000, "ecgs": 30_000_000, "beats": 40_000_000}
_BLOCK, _BEAT_BLOCK = 20, 500
_VERSION = 1
_MANIFEST, _DONE = "manifest.json", "done.npy"


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a cache; arrays are memory maps, first axis patient or slice (see `flow.training.cohort.Rows`).

    Attributes:
        folder: where it lies.
        size: rows and columns of a frame; 0 without cines.
        slices: rows of each patient.
    """

    folder: Path
    size: int
    slices: int = 1

    def _array(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def ecg(self) -> np.ndarray:
        """(n, 8, 2000) int16 microvolt."""
        return self._array("ecg")

    @cached_property
    def beat(self) -> np.ndarray:
        """(n, 8, 160) float16 mV."""
        return self._array("beat")

    @cached_property
    def rhythm(self) -> np.ndarray:
        """(n, 7) float32, see `flow.ecg.beats.RHYTHM`; of the part ``beats``."""
        return self._array("rhythm")

    @cached_property
    def wall(self) -> np.ndarray:
        """(n,) float32 mm, thickest wall of the mid slice; of the part ``beats``."""
        return self._array("wall")

    @cached_property
    def peaks(self) -> np.ndarray:
        """(n, 48) float32 s."""
        return self._array("peaks")

    @cached_property
    def cycles(self) -> np.ndarray:
        """(n, 48, 2) float32 s."""
        return self._array("cycles")

    @cached_property
    def facts(self) -> np.ndarray:
        """(n, len(FACTS)) float32."""
        return self._array("facts")

    @cached_property
    def frames(self) -> np.ndarray:
        """(n, 50, size, size) uint8, 255 = 1."""
        return self._array("frames")

    @cached_property
    def packed_masks(self) -> np.ndarray:
        """(n, 50, size, size / 4) uint8, four labels a byte."""
        return self._array("masks")

    @cached_property
    def curve(self) -> np.ndarray:
        """(n, 50) float32 ml, volume of the left ventricle."""
        return self._array("curve")

    def fact(self, name: str) -> np.ndarray:
        """One column of ``facts``, (n,) float32."""
        return np.asarray(self.facts[:, FACTS.index(name)])

    @cached_property
    def usable(self) -> np.ndarray:
        """Rows (m,) whose ECG has beats."""
        return np.flatnonzero(self.fact("usable") > 0)

    @cached_property
    def hearts(self) -> np.ndarray:
        """One usable row of each patient, the mid slice."""
        return self.usable[self.usable % self.slices == self.slices // 2]

    def __len__(self) -> int:
        return len(self.facts)


@dataclass(frozen=True)
class PairCache:
    """A finished cache.

    Attributes:
        folder: of the cache.
        manifest: seed, sizes and version.
    """

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> "PairCache":
        """Open a cache.

        Raises:
            InputError: none there, or not finished.
        """
        folder = Path(folder)
        if not (folder / _MANIFEST).is_file():
            raise InputError(
                f"{folder}: no finished cache of simulated pairs; make one with `physiogen data pairs --out DIR`"
            )
        manifest = read_json(folder / _MANIFEST)
        if manifest.get("kind") != "flow-pairs" or manifest.get("version") != _VERSION:
            raise InputError(f"{folder}: cache of another kind or version; make it again with `physiogen data pairs`")
        return cls(folder, manifest)

    @property
    def levels(self) -> tuple[float, ...]:
        """Heights of a heart's slices, 0 base to 1 apex."""
        return LEVEL_SHARES[self.manifest.get("levels", "mid")]

    @property
    def digest(self) -> str:
        """Names what the cache was drawn from."""
        return manifest_digest(self.manifest)

    def part(self, name: str) -> Part:
        """One of `PARTS`."""
        count = self.manifest["counts"].get(name, 0)
        if not count:
            raise InputError(f"{self.folder}: has no part {name!r}; it has {', '.join(self.manifest['counts'])}")
        if name in ("ecgs", "beats"):
            return Part(self.folder / name, 0)
        return Part(self.folder / name, int(self.manifest["size"]), len(self.levels))


def pack_masks(masks: np.ndarray) -> np.ndarray:
    """Labels 0..3 (..., col) -> four a byte (..., col / 4)."""
    four = masks.reshape(*masks.shape[:-1], -1, 4).astype(np.uint8)
    return four[..., 0] | four[..., 1] << 2 | four[..., 2] << 4 | four[..., 3] << 6


def unpack_masks(packed: np.ndarray) -> np.ndarray:
    """Inverse of `pack_masks`."""
    four = np.stack([packed >> shift & 3 for shift in (0, 2, 4, 6)], axis=-1)
    return four.reshape(*packed.shape[:-1], -1)


def build(
    out: str | Path,
    *,
    counts: dict[str, int],
    seed: int = 0,
    size: int = 96,
    levels: str = "mid",
    progress: Callable[[str], None] = lambda line: None,
) -> PairCache:
    """Write a cache, or go on with an unfinished one.

    Args:
        out: folder.
        counts: patients of each of `PARTS`.
        seed: of the cohort.
        size: rows and columns of a frame, a multiple of 8.
        levels: slices of each heart, ``"mid"`` or ``"three"``.
        progress: called with lines.

    Raises:
        InputError: a setting is not accepted, or the folder holds a cache with other settings.
    """
    out = Path(out)
    if size % 8:
        raise InputError(f"--size {size}: must be a multiple of 8")
    if levels not in LEVEL_SHARES:
        raise InputError(f"--levels {levels}: accepted: {', '.join(LEVEL_SHARES)}")
    counts = {name: count for name, count in counts.items() if count}
    settings: dict[str, Any] = {"kind": "flow-pairs", "version": _VERSION, "seed": seed, "size": size, "counts": counts}
    if levels != "mid":
        settings["levels"] = levels
    plan = out / "plan.json"
    if plan.is_file() and read_json(plan) != settings:
        raise InputError(f"{out}: holds a cache with other settings ({read_json(plan)}); give another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_json(plan, settings)
    for name, count in counts.items():
        if name == "beats":
            _build_beats(out / name, count, seed, progress)
        else:
            _build_part(out / name, name, count, seed, size, levels, progress)
    source = {"name": "physiogen simulated cohort", "licence": "Apache-2.0", "synthetic": True}
    write_json(out / _MANIFEST, {**settings, "source": source})
    return PairCache.open(out)


def _build_part(
    folder: Path, name: str, count: int, seed: int, size: int, levels: str, progress: Callable[[str], None]
) -> None:
    folder.mkdir(exist_ok=True)
    cine = name != "ecgs"
    slices = len(LEVEL_SHARES[levels]) if cine else 1
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "ecg": ((8, ECG_SAMPLES), np.int16),
        "beat": ((8, BEAT_SAMPLES), np.float16),
        "peaks": ((MOST_BEATS,), np.float32),
        "cycles": ((MOST_BEATS, 2), np.float32),
        "facts": ((len(FACTS),), np.float32),
    }
    if cine:
        shapes |= {
            "frames": ((FRAMES, size, size), np.uint8),
            "masks": ((FRAMES, size, size // 4), np.uint8),
            "curve": ((FRAMES,), np.float32),
        }
    blocks, total = range(0, count, _BLOCK), count * slices
    done = _mapped(folder / _DONE, (len(blocks),), np.uint8)
    arrays = {key: _mapped(folder / f"{key}.npy", (total, *shape), kind) for key, (shape, kind) in shapes.items()}
    for number, start in enumerate(blocks):
        if done[number]:
            continue
        stop = min(start + _BLOCK, count)
        rows = slice(start * slices, stop * slices)
        drawn = draw_rows(OFFSETS[name] + np.arange(start, stop), seed=seed, cine=cine, size=size, levels=levels)
        for key in ("ecg", "beat", "peaks", "cycles", "facts"):
            arrays[key][rows] = getattr(drawn, key)
        if drawn.cines is not None:
            arrays["frames"][rows] = [np.rint(255 * cine_.frames[0]).astype(np.uint8) for cine_ in drawn.cines]
            arrays["masks"][rows] = [pack_masks(cine_.masks[0]) for cine_ in drawn.cines if cine_.masks is not None]
            arrays["curve"][rows] = [cine_.lv_volume_ml for cine_ in drawn.cines]
        for array in arrays.values():
            array.flush()
        done[number] = 1  # only now: a block that was cut off is drawn again
        done.flush()
        if number % 10 == 9 or stop == count:
            progress(f"{name}: {stop} of {count}")


def _build_beats(folder: Path, count: int, seed: int, progress: Callable[[str], None]) -> None:
    folder.mkdir(exist_ok=True)
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "beat": ((8, BEAT_SAMPLES), np.float16),
        "rhythm": ((len(RHYTHM),), np.float32),
        "facts": ((len(FACTS),), np.float32),
        "wall": ((), np.float32),
    }
    blocks = range(0, count, _BEAT_BLOCK)
    done = _mapped(folder / _DONE, (len(blocks),), np.uint8)
    arrays = {key: _mapped(folder / f"{key}.npy", (count, *shape), kind) for key, (shape, kind) in shapes.items()}
    for number, start in enumerate(blocks):
        if done[number]:
            continue
        stop = min(start + _BEAT_BLOCK, count)
        drawn = draw_beats(OFFSETS["beats"] + np.arange(start, stop), seed=seed)
        for key, array in arrays.items():
            array[start:stop] = getattr(drawn, key)
            array.flush()
        done[number] = 1  # only now: a block that was cut off is drawn again
        done.flush()
        if number % 10 == 9 or stop == count:
            progress(f"beats: {stop} of {count}")


def _mapped(path: Path, shape: tuple[int, ...], kind: Any) -> np.memmap:
    """The array of a file, made of zeros where there is none; a file of another shape cannot be (see plan.json)."""
    if not path.is_file():
        with replacing(path) as temporary:
            np.lib.format.open_memmap(temporary, mode="w+", dtype=kind, shape=shape).flush()
    return np.lib.format.open_memmap(path, mode="r+")
