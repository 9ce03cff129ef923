"""Recipe ``flow/slices``: gives a pipeline the slices of a heart from base to apex.

    physiogen train flow/slices --data SLICES --set checkpoint=RUN/pipeline --set codec=RUN2/codec --out OUT

after `flow.training.slice_codec`; leaves a copy of the pipeline folder with ``slice_codec`` and ``slices`` in it (see
`flow.networks.slices`) as ``OUT/pipeline``.
"""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from flow.checkpoints import SLICES, checked_index, pipeline_card, write_index
from flow.networks.cine_codec import CineCodec
from flow.networks.pamae import TARGETS, PhaseAwareMAE
from flow.networks.slice_codec import SliceCodec
from flow.networks.slices import SliceFlow
from flow.training.pair_cache import Part
from flow.training.recipes import DECLARED
from flow.training.slice_codec import OfSlices, anatomies_of
from flow.training.sources import raw_targets
from flow.volumes.reader import VolumeReader
from gen.card import with_parts
from gen.checkpoint import checkpoint_digest, load_model
from gen.files import replace_folder
from gen.precision import reduced_precision
from gen.records import InputError
from gen.training import BatchSource, Job, Recipe, TrainingConfig, TrainingResult, sample_generator, shuffled_indices
from gen.training.trainer import Validate

if TYPE_CHECKING:
    from gen.training import Batch

#: Slices that are encoded at once.
_BLOCK = 32


@dataclass(frozen=True, eq=False)
class SliceSource:
    """Slices of hearts with the mid one.

    Attributes:
        anatomy: (n, slice, channels, rows, columns) standardised latents of the slices' codec.
        mid: (n, channels, rows, columns) standardised latents of mid slices, of the pipeline's codec.
        level: (n, slice), 0 base to 1 apex.
        figures: (n, figures) standardised.
    """

    anatomy: np.ndarray
    mid: np.ndarray
    level: np.ndarray
    figures: np.ndarray

    def batch(self, numbers: np.ndarray, seed: int) -> "Batch":
        """See `gen.training.BatchSource`."""
        hearts = shuffled_indices(numbers, len(self.anatomy), seed)
        chosen = [int(sample_generator(seed, int(n)).integers(self.level.shape[1])) for n in numbers]
        return {
            "anatomy": torch.from_numpy(self.anatomy[hearts, chosen]),
            "mid": torch.from_numpy(self.mid[hearts]),
            "figures": torch.from_numpy(self.figures[hearts]),
            "level": torch.from_numpy(self.level[hearts, chosen]),
        }

    def part(self, rows: slice) -> "SliceSource":
        """Some of the hearts."""
        return SliceSource(self.anatomy[rows], self.mid[rows], self.level[rows], self.figures[rows])


@torch.no_grad()
def mid_anatomies(codec: CineCodec, part: Part) -> np.ndarray:
    """(n, channels, rows, columns) float32, standardised, of the mid slices of the part ``slices``."""
    out = []
    for start in range(0, len(part), _BLOCK):
        frames = torch.from_numpy(part.frames[start : start + _BLOCK, 0, :1].astype(np.float32) / 255.0)
        with reduced_precision():
            anatomy, motion = codec.encode(frames)
        out.append(codec.standardise(anatomy.float(), motion.float())[0].numpy())
    return np.concatenate(out)


def slice_validator(source: SliceSource) -> Validate:
    """Velocity error on hearts that are not learned from, the same slices and noise each time."""

    @torch.no_grad()
    def validate(model: torch.nn.Module) -> Mapping[str, float]:
        assert isinstance(model, SliceFlow)
        count, losses = len(source.anatomy), []
        for repeat in range(4):
            batch = source.batch(np.arange(count), seed=repeat)
            batch["sample_seed"] = torch.arange(count) + 1000 * repeat
            losses.append(float(model.loss(batch)["loss"]))
        return {"loss": float(np.mean(losses))}

    return validate


@dataclass(frozen=True, kw_only=True)
class SlicesRecipe:
    """Settings of ``flow/slices``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("slices"))
    network: Any = field(default_factory=lambda: DECLARED.network("slices", SliceFlow))
    checkpoint: str = ""
    """Pipeline folder, RUN/pipeline; empty for the shipped one."""
    codec: str = ""
    """Checkpoint of ``flow/slice-codec`` (its folder ``codec``, which has the statistics)."""
    validation: int = 150
    """Hearts at the end of the part that choose the weights."""


class _Slices(OfSlices, Job[SlicesRecipe]):
    """The flow to other slices; the pipeline with it is ``OUT/pipeline``."""

    places = ("checkpoint", "codec")
    leaves = ("pipeline",)

    @cached_property
    def codec(self) -> SliceCodec:
        """Of slices."""
        if not self.settings.codec:
            raise InputError("flow/slices needs --set codec=FOLDER (OUT/codec of flow/slice-codec)")
        codec = load_model(SliceCodec, self.settings.codec)
        if codec.config["codec_digest"] != self.index["parts"]["codec"]:
            raise InputError(f"{self.settings.codec}: was trained on the motion of another pipeline (digest differs)")
        return codec

    def inputs(self) -> dict[str, str]:
        config = self.codec.config  # one that is missing or foreign is told before it is digested
        own = {"encoder": self.index["parts"]["encoder"], "slice_codec": checkpoint_digest(self.settings.codec)}
        return super().inputs() | own | {"codec": config["codec_digest"]}

    @cached_property
    def hearts(self) -> SliceSource:
        """All of the part, as latents."""
        cine = load_model(CineCodec, self.folder / "codec")
        encoder = load_model(PhaseAwareMAE, self.folder / "encoder")
        anatomy = self.codec.standardise(torch.from_numpy(anatomies_of(self.codec, self.part)).flatten(0, 1))
        figures = encoder.standardise(raw_targets(self.part))
        level = np.array(self.part.level)
        return SliceSource(
            anatomy.unflatten(0, level.shape).numpy(), mid_anatomies(cine, self.part), level, figures.numpy()
        )

    def build_model(self) -> torch.nn.Module:
        about = {"anatomy_shape": self.codec.anatomy_shape, "mid_channels": self.hearts.mid.shape[1]}
        digest = checkpoint_digest(self.settings.codec)
        return SliceFlow(**asdict(self.settings.network), **about, figures=len(TARGETS), slice_codec_digest=digest)

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        return self.hearts.part(slice(0, self.learned))

    def build_validator(self, model: torch.nn.Module) -> Validate:
        return slice_validator(self.hearts.part(slice(self.learned, None)))

    def finish(self, result: TrainingResult, card: Mapping[str, Any]) -> dict[str, Any]:
        out = self.out / "pipeline"
        with replace_folder(out) as temporary:
            shutil.copytree(self.folder, temporary, dirs_exist_ok=True)
            for name, source in zip(SLICES, (Path(self.settings.codec), result.best_path), strict=True):
                shutil.rmtree(temporary / name, ignore_errors=True)
                shutil.copytree(source, temporary / name)
            parts = {
                name: {"name": f"flow/{name.replace('_', '-')}", "digest": checkpoint_digest(temporary / name)}
                for name in SLICES
            }
            before = pipeline_card(self.folder)
            stated = with_parts(before, **parts) if before else {}
            volumes = VolumeReader.from_json(self.index["volumes"])
            write_index(temporary, volumes, stated, self.index["steps"], self.index["solver"])
            checked_index(temporary)
        return {"checkpoint": str(out), **result.metrics}


slices = Recipe(DECLARED.about("slices"), SlicesRecipe, _Slices)
