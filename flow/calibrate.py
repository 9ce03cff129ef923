"""Calibrates a pipeline's intervals: ``python -m flow.calibrate --help``.

    python -m flow.training.pair_cache --n 0 --val 400 --test 0 --ecgs 0 --seed 1 --out CALIBRATION
    python -m flow.calibrate --checkpoint RUN/pipeline --data CALIBRATION --n 400 --samples 8

draws hearts for the ECGs of part ``val``, the ECG alone, and writes ``intervals.json`` into the pipeline folder (see
`flow.volumes.intervals`). Take a cohort of another seed than the training's: its part ``val`` chose the weights.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from flow.checkpoints import checked_index, index_digest
from flow.evaluation.generate import Generated, generate
from flow.pipeline import ECGToCMRPipeline
from flow.training.latents import encode_ecgs
from flow.training.pair_cache import PairCache, Part
from flow.volumes.intervals import COVERAGE, Calibration, save_calibration, volume_table
from flow.weights import pipeline_folder
from gen.records import InputError


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


def main() -> None:
    """Command line of `calibrate`."""
    parser = argparse.ArgumentParser(
        description="Calibrate the intervals of a cmr pipeline on hearts outside training."
    )
    parser.add_argument("--checkpoint", type=Path, help="pipeline folder; the shipped one by default")
    parser.add_argument(
        "--data", type=Path, required=True, help="cache made by python -m flow.training.pair_cache; part val is used"
    )
    parser.add_argument("--n", type=int, default=400, help="hearts at most")
    parser.add_argument("--samples", type=int, default=8, help="samples per ECG; tables hold for 2 to this many")
    parser.add_argument("--seed", type=int, default=0, help="of the samples")
    options = parser.parse_args()
    try:
        folder = pipeline_folder(options.checkpoint)
        calibration = calibrate(
            ECGToCMRPipeline.from_pretrained(folder, calibrated=False),
            PairCache.open(options.data),
            n=options.n,
            num_samples=options.samples,
            seed=options.seed,
            verbose=True,
        )
        path = save_calibration(calibration, folder, index_digest(checked_index(folder)))
    except InputError as error:
        print(f"flow.calibrate: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    print(
        f"{path}: {calibration.coverage:.0%} intervals from {calibration.hearts} hearts, 2 to {options.samples} samples"
    )


if __name__ == "__main__":
    main()
