"""A cache of simulated pairs on disk: ECG, cine, masks and volumes of the same hearts.

    physiogen data pairs --n 4000 --seed 0 --out CACHE

writes the parts ``train``, ``val``, ``test`` (pairs), ``ecgs`` (ECGs with the heart's figures, without cines) and, with
``--beats N``, ``beats`` (averaged beats and rhythm alone, 2.7 kB a heart, for hundreds of thousands), and with
``--slices N``, ``slices`` (a few frames of slices from base to apex). All are patients of one cohort with different
numbers, so none is in two parts. Arrays are memory-mapped; an interrupted run goes on where it stopped, and record k
of seed s is the same in every cache.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from flow.ecg.beats import BEAT_SAMPLES, ECG_SAMPLES, RHYTHM
from flow.networks.conditions import FRAMES
from flow.training.cohort import FACTS, MOST_BEATS, OTHER_SLICES, SLICE_PHASES, draw_beats, draw_rows, draw_slices
from gen.datasets.cache_format import manifest_digest
from gen.files import read_json, replacing, write_json
from gen.records import InputError

PARTS = ("train", "val", "test", "ecgs", "beats", "slices")
#: First patient of each part in the cohort.
OFFSETS = {name: 10_000_000 * number for number, name in enumerate(PARTS)}
_BLOCK, _BEAT_BLOCK = 20, 500
_VERSION = 2
_MANIFEST, _DONE = "manifest.json", "done.npy"
#: Name of an array -> shape of a row, and type.
_Shapes = dict[str, tuple[tuple[int, ...], Any]]


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a cache; arrays are memory maps, first axis patient (see `flow.training.cohort.Rows`).

    Attributes:
        folder: where it lies.
        size: rows and columns of a frame; 0 without cines.
    """

    folder: Path
    size: int

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
        """(n, 50, size, size) uint8, 255 = 1; (n, slice, frame, size, size) in the part ``slices``."""
        return self._array("frames")

    @cached_property
    def packed_masks(self) -> np.ndarray:
        """Labels of the frames, uint8 with four of a row in a byte; see `unpack_masks`."""
        return self._array("masks")

    @cached_property
    def curve(self) -> np.ndarray:
        """(n, 50) float32 ml, volume of the left ventricle."""
        return self._array("curve")

    @cached_property
    def level(self) -> np.ndarray:
        """(n, slice) float32, 0 base to 1 apex; of the part ``slices``."""
        return self._array("level")

    @cached_property
    def share(self) -> np.ndarray:
        """(n, frame) float32, volume of the left ventricle over that at the R peak; of the part ``slices``."""
        return self._array("share")

    def fact(self, name: str) -> np.ndarray:
        """One column of ``facts``, (n,) float32."""
        return np.asarray(self.facts[:, FACTS.index(name)])

    @cached_property
    def usable(self) -> np.ndarray:
        """Rows (m,) whose ECG has beats."""
        return np.flatnonzero(self.fact("usable") > 0)

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
        return Part(self.folder / name, int(self.manifest["size"]))


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
    progress: Callable[[str], None] = lambda line: None,
) -> PairCache:
    """Write a cache, or go on with an unfinished one.

    Args:
        out: folder.
        counts: patients of each of `PARTS`.
        seed: of the cohort.
        size: rows and columns of a frame, a multiple of 8.
        progress: called with lines.

    Raises:
        InputError: a setting is not accepted, or the folder holds a cache with other settings.
    """
    out = Path(out)
    if size % 8:
        raise InputError(f"--size {size}: must be a multiple of 8")
    counts = {name: count for name, count in counts.items() if count}
    settings: dict[str, Any] = {"kind": "flow-pairs", "version": _VERSION, "seed": seed, "size": size, "counts": counts}
    plan = out / "plan.json"
    if plan.is_file() and read_json(plan) != settings:
        raise InputError(f"{out}: holds a cache with other settings ({read_json(plan)}); give another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_json(plan, settings)
    for name, count in counts.items():
        if name == "beats":
            _build_beats(out / name, count, seed, progress)
        elif name == "slices":
            _build_slices(out / name, count, seed, size, progress)
        else:
            _build_part(out / name, name, count, seed, size, progress)
    source = {"name": "physiogen simulated cohort", "licence": "Apache-2.0", "synthetic": True}
    write_json(out / _MANIFEST, {**settings, "source": source})
    return PairCache.open(out)


def _build_part(folder: Path, name: str, count: int, seed: int, size: int, progress: Callable[[str], None]) -> None:
    cine = name != "ecgs"
    shapes: _Shapes = {
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

    def draw(numbers: np.ndarray) -> dict[str, Any]:
        drawn = draw_rows(numbers, seed=seed, cine=cine, size=size)
        rows = {key: getattr(drawn, key) for key in ("ecg", "beat", "peaks", "cycles", "facts")}
        if drawn.cines is not None:
            rows["frames"] = [np.rint(255 * each.frames[0]).astype(np.uint8) for each in drawn.cines]
            rows["masks"] = [pack_masks(each.masks[0]) for each in drawn.cines if each.masks is not None]
            rows["curve"] = [each.lv_volume_ml for each in drawn.cines]
        return rows

    _fill(folder, name, count, _BLOCK, shapes, draw, progress)


def _build_beats(folder: Path, count: int, seed: int, progress: Callable[[str], None]) -> None:
    shapes: _Shapes = {
        "beat": ((8, BEAT_SAMPLES), np.float16),
        "rhythm": ((len(RHYTHM),), np.float32),
        "facts": ((len(FACTS),), np.float32),
        "wall": ((), np.float32),
    }

    def draw(numbers: np.ndarray) -> dict[str, Any]:
        drawn = draw_beats(numbers, seed=seed)
        return {key: getattr(drawn, key) for key in shapes}

    _fill(folder, "beats", count, _BEAT_BLOCK, shapes, draw, progress)


def _build_slices(folder: Path, count: int, seed: int, size: int, progress: Callable[[str], None]) -> None:
    slices, frames = 1 + OTHER_SLICES, len(SLICE_PHASES)
    shapes: _Shapes = {
        "frames": ((slices, frames, size, size), np.uint8),
        "masks": ((slices, frames, size, size // 4), np.uint8),
        "level": ((slices,), np.float32),
        "share": ((frames,), np.float32),
        "facts": ((len(FACTS),), np.float32),
    }

    def draw(numbers: np.ndarray) -> dict[str, Any]:
        drawn = draw_slices(numbers, seed=seed, size=size)
        return {key: pack_masks(drawn.masks) if key == "masks" else getattr(drawn, key) for key in shapes}

    _fill(folder, "slices", count, _BLOCK, shapes, draw, progress)


def _fill(
    folder: Path,
    name: str,
    count: int,
    size: int,
    shapes: _Shapes,
    draw: Callable[[np.ndarray], dict[str, Any]],
    progress: Callable[[str], None],
) -> None:
    """Draw a part block by block; blocks that are there stay."""
    folder.mkdir(exist_ok=True)
    blocks = range(0, count, size)
    done = _mapped(folder / _DONE, (len(blocks),), np.uint8)
    arrays = {key: _mapped(folder / f"{key}.npy", (count, *shape), kind) for key, (shape, kind) in shapes.items()}
    for number, start in enumerate(blocks):
        if done[number]:
            continue
        stop = min(start + size, count)
        for key, rows in draw(OFFSETS[name] + np.arange(start, stop)).items():
            arrays[key][start:stop] = rows
            arrays[key].flush()
        done[number] = 1  # only now: a block that was cut off is drawn again
        done.flush()
        if number % 10 == 9 or stop == count:
            progress(f"{name}: {stop} of {count}")


def _mapped(path: Path, shape: tuple[int, ...], kind: Any) -> np.memmap:
    """The array of a file, made of zeros where there is none; a file of another shape cannot be (see plan.json)."""
    if not path.is_file():
        with replacing(path) as temporary:
            np.lib.format.open_memmap(temporary, mode="w+", dtype=kind, shape=shape).flush()
    return np.lib.format.open_memmap(path, mode="r+")
