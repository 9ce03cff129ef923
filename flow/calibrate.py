"""Calibrates a pipeline's intervals: ``physiogen train flow/intervals``.

    physiogen data pairs --n 0 --val 400 --test 0 --ecgs 0 --seed 1 --out CALIBRATION
    physiogen train flow/intervals --data CALIBRATION --set checkpoint=RUN/pipeline --out PIPELINE

draws hearts for the ECGs of part ``val``, the ECG alone, and writes a copy of the pipeline folder with
``intervals.json`` in it (see `flow.volumes.intervals`). Take a cohort of another seed than the training's: its part
``val`` chose the weights.
"""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from flow.checkpoints import checked_index, index_digest
from flow.evaluation.generate import Generated, generate
from flow.pipeline import ECGToCMRPipeline
from flow.training.latents import encode_ecgs
from flow.training.pair_cache import PairCache, Part
from flow.volumes.intervals import COVERAGE, Calibration, save_calibration, volume_table
from flow.weights import pipeline_folder
from gen.card import Source, source_of
from gen.files import replace_folder
from gen.training import Fit, Recipe
from gen.training.declared import Declared


def calibrate(
    pipeline: ECGToCMRPipeline,
    cache: PairCache,
    *,
    n: int = 400,
    num_samples: int = 8,
    seed: int = 0,
    coverage: float = COVERAGE,
    verbose: bool = False,
) -> Calibration:
    """Draw hearts for ECGs of part ``val`` and measure how far the truth is from them.

    Args:
        pipeline: the model.
        cache: simulated pairs outside training.
        n: hearts at most.
        num_samples: hearts drawn per ECG.
        seed: of the samples.
        coverage: share of hearts that an interval shall hold.
        verbose: tell on stderr how far it is.

    Raises:
        InputError: too few hearts, or fewer than two samples.
    """
    part = cache.part("val")
    rows = part.hearts[:n]

    def progress(done: int) -> None:
        if verbose and (done % 20 == 0 or done == len(rows)):
            print(f"{done} of {len(rows)} hearts", file=sys.stderr, flush=True)

    told = encode_ecgs(pipeline.encoder, part, rows)
    drawn = generate(pipeline, told, num_samples=num_samples, seed=seed, progress=progress)
    return measured(pipeline, cache, rows, drawn, seed, coverage)


def measured(
    pipeline: ECGToCMRPipeline,
    cache: PairCache,
    rows: np.ndarray,
    drawn: Generated,
    seed: int = 0,
    coverage: float = COVERAGE,
) -> Calibration:
    """The calibration from hearts drawn for these rows of part ``val``."""
    source = {
        "cohort": "physiogen simulated cohort, part val",
        "cohort_seed": cache.manifest["seed"],
        "samples_seed": seed,
        "conditions": "the ECG alone",
        "data": cache.digest,
    }
    return Calibration.fit(
        volume_table(drawn.curve_ml, drawn.mass_g),
        true_volumes(cache.part("val"), rows),
        pipeline.volumes,
        drawn={"steps": pipeline.steps, "solver": pipeline.solver, "guidance": 1.0},
        source=source,
        coverage=coverage,
    )


def true_volumes(part: Part, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Truth (n,) of every quantity that has an interval."""
    edv, esv, ef = (part.fact(name)[rows].astype(np.float64) for name in ("edv_ml", "esv_ml", "ef"))
    return {
        "edv_ml": edv,
        "esv_ml": esv,
        "sv_ml": edv - esv,
        "ef_percent": 100.0 * ef,
        "mass_g": part.fact("mass_g")[rows].astype(np.float64),
        "es_frame": np.asarray(part.curve[rows]).argmin(axis=1).astype(np.float64),
    }


DECLARED = Declared("flow")


@dataclass(frozen=True)
class IntervalsRecipe:
    """Settings of ``flow/intervals``.

    Attributes:
        checkpoint: pipeline folder, RUN/pipeline; empty for the shipped one.
        hearts: at most.
        samples: hearts drawn per ECG; tables hold for 2 to this many.
        seed: of the samples.
    """

    checkpoint: str = ""
    hearts: int = 400
    samples: int = 8
    seed: int = 0


class _Intervals(Fit[IntervalsRecipe]):
    """The pipeline's folder with ``intervals.json``."""

    needs = "a cache made by `physiogen data pairs --out DIR` with another seed than the training's; part val is used"
    places = ("checkpoint",)

    @cached_property
    def _cache(self) -> PairCache:
        assert self.data is not None
        return PairCache.open(self.data)

    @property
    def _folder(self) -> Path:
        return pipeline_folder(self.settings.checkpoint or None)

    def inputs(self) -> dict[str, str]:
        return {"data": self._cache.digest, "pipeline": index_digest(checked_index(self._folder))}

    def sources(self) -> list[Source]:
        return [source_of(self._cache.manifest["source"], split="calibrated on part val", digest=self._cache.digest)]

    def fit(self, card: Mapping[str, Any]) -> dict[str, Any]:
        del card  # the parts of a pipeline have cards of their own
        settings = self.settings
        calibration = calibrate(
            ECGToCMRPipeline.from_pretrained(self._folder, calibrated=False),
            self._cache,
            n=settings.hearts,
            num_samples=settings.samples,
            seed=settings.seed,
            verbose=True,
        )
        with replace_folder(self.out) as temporary:
            shutil.copytree(self._folder, temporary, dirs_exist_ok=True)
            save_calibration(calibration, temporary, index_digest(checked_index(temporary)))
        return {"pipeline": str(self.out), "coverage": calibration.coverage, "hearts": calibration.hearts}


intervals = Recipe(DECLARED.about("intervals"), IntervalsRecipe, _Intervals)
