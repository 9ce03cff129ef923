"""Hearts for many ECGs of a cache at once, with only what scoring needs kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from flow.ecg.beats import ECG_HZ, find_beats
from flow.networks.conditions import NUMBERS
from flow.networks.ecg_reader import ToldHeart
from flow.networks.objective import Context
from flow.pipeline import FIELD_MM, ECGToCMRPipeline
from flow.training.cohort import PATIENT_FACTS
from flow.training.pair_cache import Part
from gen.leads import LEADS_8

#: Conditions that an ECG alone does not tell.
_PATIENT = [NUMBERS.index(name) for name in ("age", "sex", "height", "weight")]


@dataclass(frozen=True, eq=False)
class Generated:
    """Generated hearts.

    Attributes:
        curve_ml: (n, K, frame) volume of the left ventricle.
        mass_g: (n, K).
        loops: (n, frame, row, col) uint8, the first sample of each; empty where not asked for.
    """

    curve_ml: np.ndarray
    mass_g: np.ndarray
    loops: np.ndarray

    @property
    def edv_ml(self) -> np.ndarray:
        """(n, K) largest volumes."""
        return self.curve_ml.max(axis=2)

    @property
    def esv_ml(self) -> np.ndarray:
        """(n, K) smallest volumes."""
        return self.curve_ml.min(axis=2)

    @property
    def ef(self) -> np.ndarray:
        """(n, K) ejection fractions, 0..1."""
        return 1.0 - self.esv_ml / self.edv_ml


def generate(
    pipeline: ECGToCMRPipeline,
    conditions: dict[str, np.ndarray],
    *,
    num_samples: int,
    told: ToldHeart | None = None,
    seed: int = 0,
    first: int = 0,
    names: Sequence[str] | None = None,
    patient: bool = False,
    guidance: float = 1.0,
    steps: int | None = None,
    keep_loops: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Generated:
    """Draw hearts.

    Args:
        pipeline: the model.
        conditions: ``tokens``, ``summary``, ``numbers`` of the ECGs, see `flow.training.latents.encode_ecgs`.
        num_samples: per ECG; sample k of a row depends on (seed, its name, k) alone, as in the pipeline.
        told: distributions of the hearts' figures, see `told_of`; the network draws the figures where None.
        seed: of the samples.
        first: number of the first row, where the conditions are a piece of a larger set.
        names: of the recordings; the rows' numbers where not given.
        patient: tell the network age, sex, height and weight; without, the ECG alone speaks.
        guidance, steps: see `flow.pipeline.ECGToCMRPipeline.solve`.
        keep_loops: keep the pictures of each first sample.
        progress: called with the number of finished rows.
    """
    curves, masses, loops = [], [], []
    numbers = np.array(conditions["numbers"], dtype=np.float32)
    if not patient:
        numbers[:, _PATIENT] = np.nan
    area = (FIELD_MM / pipeline.codec.size) ** 2
    for row in range(len(numbers)):
        noise, chance = pipeline.chance(seed, str(first + row) if names is None else names[row], num_samples)
        figures = None if told is None else pipeline.figures(told[row : row + 1], chance)
        tokens, summary, known = (
            torch.from_numpy(np.repeat(value[row : row + 1].astype(np.float32), num_samples, axis=0))
            for value in (conditions["tokens"], conditions["summary"], numbers)
        )
        context = Context(tokens, summary, known, torch.ones(num_samples, dtype=torch.bool))
        packed = pipeline.solve(noise, context, figures, steps=steps, guidance=guidance)
        drawn = [pipeline.render(latent) for latent in packed]
        curve, mass = pipeline.volumes.read(np.stack([masks for _, masks in drawn]), area)
        curves.append(curve)
        masses.append(mass)
        if keep_loops:
            loops.append(np.rint(255 * drawn[0][0]).astype(np.uint8))
        if progress is not None:
            progress(row + 1)
    size = pipeline.codec.size
    kept = np.stack(loops) if loops else np.empty((0, curves[0].shape[1], size, size), np.uint8)
    return Generated(np.stack(curves), np.stack(masses), kept)


def told_of(
    pipeline: ECGToCMRPipeline, part: Part, rows: np.ndarray, *, patient: bool = False, of: np.ndarray | None = None
) -> ToldHeart | None:
    """What the pipeline's reader tells of rows of a part; None without a reader.

    Args:
        pipeline: the model.
        part: pairs, or ECGs alone.
        rows: (n,) hearts.
        patient: tell age, sex, height and weight as well.
        of: (n,) whose ECG each of them is given; their own where None.
    """
    if pipeline.telling is None:
        return None
    ecgs = rows if of is None else rows[of]
    rhythm = [find_beats(part.ecg[row].astype(np.float32) / 1000.0, ECG_HZ).rhythm for row in ecgs]
    known = np.stack([part.fact(name)[rows] for name in PATIENT_FACTS], axis=1)
    with torch.no_grad():
        return pipeline.telling.reader.network(
            torch.from_numpy(part.beat[ecgs].astype(np.float32)),
            torch.from_numpy(np.stack(rhythm)),
            torch.ones(len(rows), len(LEADS_8), dtype=torch.bool),
            torch.from_numpy(known if patient else np.full_like(known, np.nan)),
        )
