"""Recipe ``flow/steering``: gives a pipeline a reader, and brings its pictures to the figures that the reader tells.

    physiogen data pairs -n 1500 --val 0 --test 0 --ecgs 0 --seed 2721 --out PAIRS
    physiogen train flow/steering --data PAIRS --set checkpoint=RUN/pipeline --set reader=READER/reader --out PIPELINE

writes a copy of the pipeline folder with ``reader`` and ``steering`` in it (see `flow.networks.steering`). Intervals
come with the reader.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flow.checkpoints import TELLING, checked_index, pipeline_card, write_index
from flow.networks.cine_codec import CineCodec
from flow.networks.pamae import TARGETS, PhaseAwareMAE
from flow.networks.steering import Steering
from flow.networks.velocity import VelocityDiT
from flow.reading import HeartReader
from flow.training.latents import encode_cines
from flow.training.pair_cache import Part
from flow.training.recipes import DECLARED, OfPairs
from flow.training.sources import raw_targets
from flow.volumes.reader import VolumeReader
from flow.weights import pipeline_folder
from gen.card import Source, with_parts, with_run
from gen.checkpoint import checkpoint_digest, load_model, model_config, save_checkpoint
from gen.files import replace_folder
from gen.records import InputError
from gen.signals import pearson
from gen.training import Fit, Recipe

#: Fewer hearts than this have no regression of two thousand latents.
FEWEST = 50


@dataclass(frozen=True)
class SteeringRecipe:
    """Settings of ``flow/steering``.

    Attributes:
        checkpoint: pipeline folder, RUN/pipeline; empty for the shipped one.
        reader: folder OUT/reader that ``train flow/reader`` leaves; empty for that of the pipeline.
        hearts: at most; a fifth of them is held out, and the correlation of what is read of them stands in the card.
    """

    checkpoint: str = ""
    reader: str = ""
    hearts: int = 900


class _Steering(OfPairs[SteeringRecipe], Fit[SteeringRecipe]):
    """The pipeline's folder with reader and steering."""

    needs = "a cache made by `physiogen data pairs --out DIR`; the cines of part train are used"
    places = ("checkpoint", "reader")

    @cached_property
    def _folder(self) -> Path:
        return pipeline_folder(self.settings.checkpoint or None)

    @cached_property
    def _reader(self) -> Path:
        folder = Path(self.settings.reader) if self.settings.reader else self._folder / "reader"
        if not folder.is_dir():
            raise InputError(f"{folder}: no reader; give --set reader=OUT/reader of `physiogen train flow/reader`")
        HeartReader.from_pretrained(folder)  # an incomplete one is told before anything is worked out
        return folder

    def inputs(self) -> dict[str, str]:
        index = checked_index(self._folder)
        parts = {name: index["parts"][name] for name in ("encoder", "codec", "network")}
        return super().inputs() | parts | {"reader": checkpoint_digest(self._reader)}

    def sources(self) -> list[Source]:
        return [replace(each, split="the regression is of part train") for each in super().sources()]

    def fit(self, card: Mapping[str, Any]) -> dict[str, Any]:
        index = checked_index(self._folder)
        latents, figures = read_hearts(self._folder, self.cache.part("train"), self.settings.hearts)
        held = max(1, len(latents) // 5)
        if len(latents) < FEWEST:
            raise InputError(f"{self.data}: {len(latents)} hearts with pictures; accepted: at least {FEWEST}")
        trial = Steering.fit(latents[:-held], figures[:-held])
        told = trial.read(torch.from_numpy(latents[-held:])).numpy()
        scores = {name: round(float(pearson(told[:, k], figures[-held:, k])), 4) for k, name in enumerate(TARGETS)}
        steering = Steering.fit(latents, figures, index["parts"]["codec"])
        with replace_folder(self.out) as temporary:
            shutil.copytree(self._folder, temporary, dirs_exist_ok=True)
            for name in TELLING:
                shutil.rmtree(temporary / name, ignore_errors=True)
            shutil.copytree(self._reader, temporary / "reader")
            save_checkpoint(
                temporary / "steering",
                config=model_config(steering),
                model=steering,
                card=with_run(card, validation={f"r_{name}": score for name, score in scores.items()}),
            )
            volumes = VolumeReader.from_json(index["volumes"])
            write_index(temporary, volumes, self._stated(temporary), index["steps"], index["solver"])
            checked_index(temporary)
        return {"pipeline": str(self.out), "hearts": len(latents), "r_read": scores}

    def _stated(self, folder: Path) -> dict[str, Any]:
        """The pipeline's card with the new parts; what was measured of it before holds no longer."""
        before = {key: value for key, value in pipeline_card(self._folder).items() if key != "evaluations"}
        parts = {name: {"name": f"flow/{name}", "digest": checkpoint_digest(folder / name)} for name in TELLING}
        return with_parts(before, **parts) if before else {}


def read_hearts(pipeline: Path, part: Part, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Packed latents (n, size) and standardised figures (n, 4) of mid slices of a part."""
    codec, encoder = load_model(CineCodec, pipeline / "codec"), load_model(PhaseAwareMAE, pipeline / "encoder")
    network = load_model(VelocityDiT, pipeline / "network")
    rows = part.usable[:most]
    anatomy, motion = (torch.from_numpy(x) for x in encode_cines(codec, part, rows))
    figures = encoder.standardise(raw_targets(part)[torch.from_numpy(rows)])
    return network.pack(*codec.standardise(anatomy, motion), figures).numpy(), figures.numpy()


steering = Recipe(DECLARED.about("steering"), SteeringRecipe, _Steering)
