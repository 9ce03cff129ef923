"""Recipe ``flow/slice-codec``: latents of slices from base to apex, moved by what a pipeline's codec reads of mid ones.

    physiogen data pairs -n 0 --val 0 --test 0 --ecgs 0 --slices 1800 --out SLICES
    physiogen train flow/slice-codec --data SLICES --set checkpoint=RUN/pipeline --out OUT

leaves the codec with the statistics of its latents as ``OUT/codec``; `flow.training.slices` goes on from there.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from flow.checkpoints import checked_index
from flow.networks.cine_codec import CineCodec
from flow.networks.slice_codec import SliceCodec
from flow.training.pair_cache import Part, unpack_masks
from flow.training.recipes import DECLARED, OfPairs
from flow.training.validation import dice_of_labels
from flow.weights import pipeline_folder
from gen.card import Source, with_run
from gen.checkpoint import load_checkpoint, load_model, model_config, save_checkpoint
from gen.precision import reduced_precision
from gen.records import InputError
from gen.training import BatchSource, Job, Recipe, TrainingConfig, TrainingResult, sample_generator, shuffled_indices
from gen.training.trainer import Validate
from metrics.cine import psnr

if TYPE_CHECKING:
    from gen.training import Batch

#: Hearts, or stills, that are encoded at once.
_BLOCK = 16


@torch.no_grad()
def motions_of(codec: CineCodec, part: Part) -> np.ndarray:
    """(n, frame, motion_width) float32 of the mid slices of the part ``slices``."""
    out = []
    for start in range(0, len(part), _BLOCK):
        frames = torch.from_numpy(part.frames[start : start + _BLOCK, 0].astype(np.float32) / 255.0)
        with reduced_precision():
            out.append(codec.encode(frames)[1].float().numpy())
    return np.concatenate(out)


@torch.no_grad()
def anatomies_of(codec: SliceCodec, part: Part, rows: slice = slice(None)) -> np.ndarray:
    """(n, slice, channels, rows, columns) float32 of hearts of the part ``slices``, as the codec makes them."""
    stills = part.frames[rows, :, 0]
    flat, out = stills.reshape(-1, *stills.shape[-2:]), []
    for start in range(0, len(flat), _BLOCK):
        frames = torch.from_numpy(flat[start : start + _BLOCK].astype(np.float32) / 255.0)
        with reduced_precision():
            out.append(codec.encode(frames).float().numpy())
    anatomy = np.concatenate(out)
    return anatomy.reshape(*stills.shape[:2], *anatomy.shape[1:])


class StackSource:
    """Frames of one slice of a heart, with the motion of its mid one.

    Args:
        part: ``slices`` of a cache.
        motion: (n, frame, motion_width) of its hearts.
        hearts: how many of them, from the first.
        shift: largest shift of the picture in pixels.
    """

    def __init__(self, part: Part, motion: np.ndarray, hearts: int, shift: int = 3) -> None:
        self.part, self.motion, self.hearts, self.shift = part, motion, hearts, shift

    def batch(self, numbers: np.ndarray, seed: int) -> "Batch":
        """See `gen.training.BatchSource`."""
        rows = shuffled_indices(numbers, self.hearts, seed)
        items = [self._item(int(n), int(row), seed) for n, row in zip(numbers, rows, strict=True)]
        return {key: torch.from_numpy(np.stack([item[key] for item in items])) for key in items[0]}

    def _item(self, number: int, row: int, seed: int) -> dict[str, np.ndarray]:
        rng = sample_generator(seed, number)
        at, by = int(rng.integers(self.part.level.shape[1])), tuple(rng.integers(-self.shift, self.shift + 1, 2))
        frames, masks = self.part.frames[row, at], unpack_masks(self.part.packed_masks[row, at])
        return {
            "frames": np.roll(frames, by, axis=(1, 2)).astype(np.float32) / 255.0,
            "masks": np.roll(masks, by, axis=(1, 2)).astype(np.int64),
            "motion": self.motion[row],
        }


def stack_validator(part: Part, motion: np.ndarray, rows: range) -> Validate:
    """PSNR and Dice on all slices of hearts that are not learned from; their sum is monitored as ``loss``."""

    @torch.no_grad()
    def validate(model: torch.nn.Module) -> Mapping[str, float]:
        assert isinstance(model, SliceCodec)
        pictures, overlaps = [], []
        for row in rows:
            frames = torch.from_numpy(part.frames[row].astype(np.float32) / 255.0)
            with reduced_precision():
                moved = torch.from_numpy(motion[row]).expand(len(frames), -1, -1)
                decoded = model.decode(model.encode(frames[:, 0]), moved)
            drawn = decoded.frames.clamp(0, 1).float().numpy()
            pictures += [
                psnr(reference=a, generated=b, data_range=1.0).mean()
                for a, b in zip(frames.numpy(), drawn, strict=True)
            ]
            truth = unpack_masks(part.packed_masks[row])
            overlaps += [dice_of_labels(a, b) for a, b in zip(truth, decoded.masks().numpy(), strict=True)]
        cavity, muscle, right = (float(v) for v in np.nanmean(np.array(overlaps), axis=0))
        scores = {"psnr_db": float(np.mean(pictures)), "dice_cavity": cavity, "dice_myocardium": muscle}
        return {**scores, "dice_rv": right, "loss": -scores["psnr_db"] - 10.0 * (cavity + muscle + right)}

    return validate


@dataclass(frozen=True, kw_only=True)
class SliceCodecRecipe:
    """Settings of ``flow/slice-codec``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("slice-codec"))
    network: Any = field(default_factory=lambda: DECLARED.network("slice-codec", SliceCodec))
    checkpoint: str = ""
    """Pipeline folder, RUN/pipeline; empty for the shipped one."""
    validation: int = 40
    """Hearts at the end of the part that choose the weights."""


class OfSlices(OfPairs[Any]):
    """The part of a recipe that goes on from a pipeline and learns from the part ``slices``."""

    needs = "a cache made by `physiogen data pairs --slices 1800 --out DIR`"

    @cached_property
    def folder(self) -> Path:
        """Of the pipeline."""
        return pipeline_folder(self.settings.checkpoint or None)

    @cached_property
    def index(self) -> dict[str, Any]:
        """Of the pipeline."""
        return checked_index(self.folder)

    def inputs(self) -> dict[str, str]:
        """The digests of the cache and of the pipeline's codec."""
        return super().inputs() | {"codec": self.index["parts"]["codec"]}

    def sources(self) -> list[Source]:
        """The simulated cohort."""
        split = f"part slices; the last {self.settings.validation} hearts choose weights"
        return [replace(each, split=split) for each in super().sources()]

    @cached_property
    def part(self) -> Part:
        """Slices."""
        part, held = self.cache.part("slices"), self.settings.validation
        if not 0 < held < len(part):
            raise InputError(f"{self.data}: {len(part)} hearts of slices, of which validation={held} are held out")
        return part

    @property
    def learned(self) -> int:
        """Hearts that are learned from."""
        return len(self.part) - self.settings.validation


class _SliceCodec(OfSlices, Job[SliceCodecRecipe]):
    """The codec; the finished one, with its latent statistics, is ``OUT/codec``."""

    places = ("checkpoint",)
    leaves = ("codec",)

    @cached_property
    def motion(self) -> np.ndarray:
        """Of the hearts, as the pipeline's codec reads it."""
        return motions_of(load_model(CineCodec, self.folder / "codec"), self.part)

    def build_model(self) -> torch.nn.Module:
        about = {"size": self.cache.manifest["size"], "motion_width": self.motion.shape[2]}
        return SliceCodec(**asdict(self.settings.network), **about, codec_digest=self.index["parts"]["codec"])

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        return StackSource(self.part, self.motion, self.learned)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        return stack_validator(self.part, self.motion, range(self.learned, len(self.part)))

    def finish(self, result: TrainingResult, card: Mapping[str, Any]) -> dict[str, Any]:
        best = load_model(SliceCodec, result.best_path)
        anatomy = anatomies_of(best, self.part, slice(0, min(300, self.learned)))
        mean, spread = anatomy.mean(axis=(0, 1, 3, 4)), anatomy.std(axis=(0, 1, 3, 4))
        # Numbers that the codec leaves unused must not be blown up to unit spread.
        spread = np.maximum(spread, 0.1 * spread.max())
        stored = {"anatomy_mean": mean, "anatomy_spread": spread}
        best.register_to_config(**{name: [round(float(v), 6) for v in value] for name, value in stored.items()})
        stated = with_run(load_checkpoint(result.best_path).card, validation=dict(result.metrics))
        save_checkpoint(self.out / "codec", config=model_config(best), model=best, card=stated, dtype="int8")
        return {"checkpoint": str(self.out / "codec"), **result.metrics}


slice_codec = Recipe(DECLARED.about("slice-codec"), SliceCodecRecipe, _SliceCodec)
