"""Sets of cines for `flow.evaluation.utility`: simulated hearts that stand for real ones, hearts generated from ECGs of
others, phantoms without an ECG, and Sunnybrook's end-diastole and end-systole.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from flow.ecg.preparation import prepare
from flow.pipeline import FIELD_MM, ECGToCMRPipeline
from gen.cine import LV_CAVITY, MYOCARDIUM, RV_CAVITY, robust_scale
from gen.datasets.cine.sunnybrook import TwoFrames, read_two_frames
from gen.evaluations import Progress
from gen.precision import reduced_precision
from gen.records import EcgRecord, InputError
from gen.simulate import simulate
from gen.simulate.cine import anatomy_of, cines_of
from gen.simulate.heart import draw_heart
from metrics.utility.cines import CineSet

GROUPS = ("normal", "LVH", "HCM", "DCM", "MI")
#: Sunnybrook has one group of thick walls.
FEWER_GROUPS = ("normal", "LVH", "DCM", "MI")
PHENOTYPES = ("EDV", "ESV", "SV", "EF", "mass", "mass / EDV", "wall thickness", "RV area")
#: Frames that a network sees, in 25ths of the heartbeat from the R peak on: end-diastole to after end-systole.
FRAMES, OF = 12, 25
#: Rows and columns of a picture, 192 mm wide.
SIZE = 48
#: The first patient of each set in a cohort that no training has drawn from.
REAL, GENERATED, PHANTOMS = 0, 10_000_000, 20_000_000
_COHORT = 190_000
#: Rare groups are drawn more often, and every set has as many of each group.
_RARE = {"SEHYP": 30.0, "CLBBB": 4.0}
#: Pixel of Sunnybrook's pictures, which do not say it (1.25 to 1.37 mm in the studies), and how far left of the left
#: ventricle's centre that of the heart lies.
_PIXEL_MM, _LEFT_MM = 1.3, 20.0
_BATCH = 20


@dataclass(frozen=True, eq=False)
class Hearts:
    """Cines of some hearts, every prefix with equal shares of the groups.

    Attributes:
        frames: (n, `FRAMES`, `SIZE`, `SIZE`) float32 0..1.
        systole: (n,) frame of end-systole among them.
        groups: (n,) number in `GROUPS`.
        phenotypes: (n, `PHENOTYPES`).
        refused: ECGs that no heart could be generated from.
    """

    frames: np.ndarray
    systole: np.ndarray
    groups: np.ndarray
    phenotypes: np.ndarray
    refused: int = 0

    def loops(self, n: int | None = None) -> CineSet:
        """The first ``n`` with all frames."""
        return CineSet(self.frames[:n], self.groups[:n], self.phenotypes[:n])

    def two(self, n: int | None = None) -> CineSet:
        """The first ``n`` with end-diastole and end-systole alone, and `FEWER_GROUPS`."""
        pairs = np.stack([self.frames[:n, 0], self.frames[np.arange(len(self.frames)), self.systole][:n]], axis=1)
        known = np.full_like(self.phenotypes[:n], np.nan)
        known[:, PHENOTYPES.index("EF")] = self.phenotypes[:n, PHENOTYPES.index("EF")]
        return CineSet(pairs, _FEWER[self.groups[:n]], known)


_FEWER = np.array([FEWER_GROUPS.index("LVH" if name == "HCM" else name) for name in GROUPS])


def patients_of(n: int, *, seed: int, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of ``n`` patients from ``first`` on and their groups, the groups taking turns."""
    wanted = -(-n // len(GROUPS))
    found: dict[str, list[int]] = {name: [] for name in GROUPS}
    number = first
    while min(map(len, found.values())) < wanted:
        group = anatomy_of(draw_heart(_COHORT + seed, number, oversample=_RARE)).group
        if group in found and len(found[group]) < wanted:
            found[group].append(number)
        number += 1
    numbers = np.array([found[name] for name in GROUPS]).T.reshape(-1)
    return numbers[:n], np.tile(np.arange(len(GROUPS)), wanted)[:n]


def simulated(n: int, *, seed: int, first: int, progress: Progress) -> Hearts:
    """Phantoms with their own figures."""
    numbers, groups = patients_of(n, seed=seed, first=first)
    frames, systole, phenotypes = [], [], []
    for start in range(0, n, _BATCH):
        progress(f"simulated hearts: {start} of {n}")
        batch = simulate(numbers[start : start + _BATCH], seed=_COHORT + seed, fs_hz=250.0, oversample=_RARE)
        for cine in cines_of(batch, frames=OF):
            assert cine.masks is not None
            assert cine.lv_volume_ml is not None
            assert cine.lv_mass_g is not None
            frames.append(_small(cine.frames[0, :FRAMES]))
            systole.append(_systole(cine.masks[0, :FRAMES]))
            volume = cine.lv_volume_ml
            phenotypes.append(_phenotypes(volume.max(), volume.min(), cine.lv_mass_g, cine.masks[0, 0], 2.0**2))
    return Hearts(np.stack(frames), np.array(systole), groups, np.array(phenotypes))


def generated(pipeline: ECGToCMRPipeline, n: int, *, seed: int, progress: Progress) -> Hearts:
    """Hearts drawn from ECGs of patients that were never imaged.

    The group is the patient's, as their record says it; the phenotypes are those of the generated heart.
    """
    numbers, groups = patients_of(n, seed=seed, first=GENERATED)
    frames, systole, phenotypes, kept = [], [], [], []
    for start in range(0, n, _BATCH):
        progress(f"hearts from ECGs: {start} of {n}")
        batch = simulate(
            numbers[start : start + _BATCH], seed=_COHORT + seed, fs_hz=500.0, noise="light", oversample=_RARE
        )
        for row, record in enumerate(batch.records(), start):
            try:
                picture, masks = draw_frames(pipeline, record, seed)
            except InputError:
                continue
            kept.append(row)
            area = (FIELD_MM / masks.shape[-1]) ** 2
            # There and back, so that the reader's smoothing round the cycle meets no jump.
            curve, mass = pipeline.volumes.read(np.concatenate([masks, masks[-2:0:-1]])[None], area)
            frames.append(_small(picture))
            systole.append(_systole(masks))
            phenotypes.append(_phenotypes(curve.max(), curve.min(), float(mass[0]), masks[0], area))
    if not kept:
        raise InputError("no heart could be generated from any ECG")
    return Hearts(np.stack(frames), np.array(systole), groups[kept], np.array(phenotypes), n - len(kept))


@torch.no_grad()
def draw_frames(pipeline: ECGToCMRPipeline, record: EcgRecord, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (`FRAMES`, row, col) and labels of the first heart that the pipeline draws of a record.

    The same as those frames of its whole loop: the codec draws every frame by itself.
    """
    prepared = prepare(record, pipeline.encoder)
    told = None if pipeline.telling is None else pipeline.telling.reader.tell(prepared)
    latent = pipeline.latents(prepared, (seed, record.record_id), told=told)
    anatomy, motion = pipeline.codec.restore(*pipeline.network.unpack(latent)[:2])
    step = motion.shape[1] // OF
    with reduced_precision(pipeline.device.type):
        decoded = pipeline.codec.decode(anatomy, motion[:, : FRAMES * step : step])
    return decoded.frames[0].clamp(0, 1).float().numpy(), decoded.masks()[0].numpy()


def sunnybrook(root: Path) -> CineSet:
    """End-diastole and end-systole of every study; of the phenotypes the ejection fraction."""
    studies = read_two_frames(root)
    phenotypes = np.full((len(studies), len(PHENOTYPES)), np.nan)
    phenotypes[:, PHENOTYPES.index("EF")] = [study.ef for study in studies]
    groups = np.array([FEWER_GROUPS.index(study.group) for study in studies])
    return CineSet(np.stack([_cut_out(study) for study in studies]), groups, phenotypes)


def _cut_out(study: TwoFrames) -> np.ndarray:
    """(2, `SIZE`, `SIZE`) round the heart."""
    step = FIELD_MM / SIZE / _PIXEL_MM
    row, col = (float(where.mean()) for where in np.nonzero(study.cavity.any(axis=0)))
    away = (np.arange(SIZE) - (SIZE - 1) / 2) * step
    at = np.meshgrid(row + away, col - _LEFT_MM / _PIXEL_MM + away, indexing="ij")
    smooth = ndimage.gaussian_filter(study.frames.astype(np.float32), (0, 0.4 * step, 0.4 * step))
    return robust_scale(np.stack([ndimage.map_coordinates(frame, at, order=1, mode="constant") for frame in smooth]))


def _small(frames: np.ndarray) -> np.ndarray:
    """(frame, row, col) averaged to `SIZE` rows and columns, float32."""
    count, rows, cols = frames.shape
    return frames.reshape(count, SIZE, rows // SIZE, SIZE, cols // SIZE).mean(axis=(2, 4), dtype=np.float32)


def _systole(masks: np.ndarray) -> int:
    return int((masks == LV_CAVITY).sum(axis=(1, 2)).argmin())


def _phenotypes(edv_ml: float, esv_ml: float, mass_g: float, mask: np.ndarray, pixel_mm2: float) -> list[float]:
    """`PHENOTYPES`; the last two are of the mid slice at the R peak, mm and cm²."""
    cavity, muscle, right = (float((mask == label).sum()) * pixel_mm2 for label in (LV_CAVITY, MYOCARDIUM, RV_CAVITY))
    wall = np.sqrt((cavity + muscle) / np.pi) - np.sqrt(cavity / np.pi)
    figures = (edv_ml, esv_ml, edv_ml - esv_ml, 1.0 - esv_ml / edv_ml, mass_g, mass_g / edv_ml, wall, right / 100.0)
    return [float(figure) for figure in figures]
