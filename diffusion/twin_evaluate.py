"""Figures of twins on simulated hearts that no training saw: ``python -m diffusion.twin_evaluate --checkpoint FOLDER``.

Each heart is examined twice under different conditions. Its first ECG is the reference, the condition of the second is
asked for. Identity is judged by the pipeline's own extractor (the benchmark has an independent one); intervals are 95 %
bootstrap intervals over hearts.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diffusion.identity import retrieval
from diffusion.twin_condition import own_condition
from diffusion.twin_scores import CRITERIA
from gen import registry
from gen.records import EcgRecord, InputError

if TYPE_CHECKING:
    from diffusion.twin_pipeline import ECGTwinPipeline, Reference

#: A cohort of its own; see `diffusion.twin_recipes` for those of training and selection.
COHORT = 5_000_011
#: Findings that are added, and the code whose criterion must then be met.
ADDED = {
    "left bundle branch block": "CLBBB",
    "left ventricular hypertrophy": "LVH",
    "low voltage": "LVOLT",
}
_REPLICATES = 2000


def examined(hearts: int, visit: int, seed: int = COHORT) -> list[EcgRecord]:
    """One visit of each heart, as `diffusion.twin_data.cohort` draws them for training."""
    from diffusion.examples import OVERSAMPLE
    from diffusion.twin_data import visit_wish
    from gen.simulate import simulate

    wishes = [visit_wish(seed, index, visit) for index in range(hearts)]
    batch = simulate(range(hearts), seed=seed, visit=visit, noise="light", conditions=wishes, oversample=OVERSAMPLE)
    return batch.records()


def evaluate(pipeline: "ECGTwinPipeline", hearts: int, *, steps: int | None = None, seed: int = 0) -> dict[str, Any]:
    """All figures, each with value, interval and number.

    Args:
        pipeline: what is judged.
        hearts: how many.
        steps: sampling steps; the weights' own by default.
        seed: of the twins.
    """
    people, others = [], []
    for first, second in zip(examined(hearts, 0), examined(hearts, 1), strict=True):
        try:
            people.append((pipeline.prepare(first), second))
            others.append(_seen(pipeline, second))
        except InputError:  # an ECG that cannot be measured is no reference
            people = people[: len(others)]
    if len(people) < 2:
        raise InputError(f"{hearts} hearts: fewer than two give usable ECGs; ask for more")
    gallery = torch.cat(others)
    options: dict[str, Any] = {"seed": seed, "num_inference_steps": steps}
    figures: dict[str, Any] = {"hearts": len(people), "steps": steps, "seed": seed}
    twins, population = [], []
    for person, second in people:
        asked = {"prompt": second.report, "heart_rate": second.metadata["truth"]["hr_bpm"], **options}
        twins += pipeline(person, **asked)
        condition = person.condition
        population += pipeline(None, age=condition.age, sex=condition.sex, **asked)
    wanted = np.array([second.metadata["truth"]["hr_bpm"] for _, second in people])
    for name, made in (("twin", twins), ("population", population)):
        rate = np.array([p.hr_bpm for p in _measured(made)])
        figures[f"{name}_rate_mae_bpm"] = interval(np.abs(rate - wanted))
        bases = torch.cat([_seen(pipeline, record) for record in made])
        figures[f"{name}_identity"] = retrieval(gallery, bases)
    truth = [second for _, second in people]
    copies = [person.record for person, _ in people]
    errors = {
        name: beat_errors(made, truth)
        for name, made in (("twin", twins), ("population", population), ("reference", copies))
    }
    for name, error in errors.items():
        figures[f"{name}_beat_mae_mv"] = interval(error)
    figures["twin_minus_reference_mv"] = interval(errors["twin"] - errors["reference"])
    figures["twin_minus_population_mv"] = interval(errors["twin"] - errors["population"])
    figures["reference_identity"] = retrieval(gallery, torch.cat([person.base for person, _ in people]))
    figures["counterfactual"] = interval(_consistent(pipeline, [p for p, _ in people], gallery, options))
    figures["achieved"] = {code: _achieved(pipeline, people, text, code, options) for text, code in ADDED.items()}
    return figures


def interval(values: np.ndarray) -> dict[str, float]:
    """Mean of values with its 95 % bootstrap interval; NaN are left out and counted."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {"value": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0, "failed": len(values)}
    drawn = np.random.default_rng(0).integers(0, len(known), (_REPLICATES, len(known)))
    low, high = np.percentile(known[drawn].mean(axis=1), [2.5, 97.5])
    bounds = {"low": float(low), "high": float(high)}
    return {"value": float(known.mean()), **bounds, "n": len(known), "failed": len(values) - len(known)}


def beat_errors(made: Sequence[EcgRecord], truth: Sequence[EcgRecord]) -> np.ndarray:
    """Mean absolute difference in mV of two ECGs' median beats, eight leads, best shift within 30 ms; (n,).

    NaN where one of them has no beats of a shape of their own.
    """
    from gen.simulate.measure import representative_beat

    found = []
    for one, other in zip(made, truth, strict=True):
        fs_hz = other.fs_hz
        a, b = (representative_beat(r.to_8().at(fs_hz).signal_mv, fs_hz)[0] for r in (one, other))
        reach = round(0.03 * fs_hz)
        middle = slice(reach, b.shape[1] - reach)
        shifted = [np.abs(np.roll(a, k, axis=1)[:, middle] - b[:, middle]).mean() for k in range(-reach, reach + 1)]
        found.append(min(shifted))
    return np.array(found)


def _consistent(
    pipeline: "ECGTwinPipeline", people: "Sequence[Reference]", gallery: torch.Tensor, options: dict[str, Any]
) -> np.ndarray:
    """Whether another ECG in the own condition is at least as near to the person's other visit as a stranger's is."""
    near = []
    for k, person in enumerate(people):
        (same,) = pipeline(person, same=True, **options)
        cosine = (gallery @ _seen(pipeline, same)[0]).numpy()
        stranger = int(np.random.default_rng((k, 7)).integers(0, len(people) - 1))
        near.append(float(cosine[k] >= cosine[stranger + (stranger >= k)]))
    return np.array(near)


def _achieved(
    pipeline: "ECGTwinPipeline",
    people: "Sequence[tuple[Reference, EcgRecord]]",
    text: str,
    code: str,
    options: dict[str, Any],
) -> dict[str, float]:
    """Share of twins that meet a criterion their reference did not."""
    met = []
    for person, _ in people:
        if CRITERIA[code](_measured([person.record])[0]):
            continue
        (twin,) = pipeline(person, add=text, **options)
        found = _measured([twin])
        met.append(float(CRITERIA[code](found[0])))
    return interval(np.array(met))


def _seen(pipeline: "ECGTwinPipeline", record: EcgRecord) -> torch.Tensor:
    """Base vector (1, width) of any ECG, with what is known and measured of it."""
    at_rate = record.to_12().at(pipeline.fs_hz)
    return pipeline.bases([at_rate], [own_condition(at_rate, _measured([at_rate])[0])])


def _measured(records: Sequence[EcgRecord]) -> list[Any]:
    return registry.get("gen.metrics", "measure")(list(records))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print all figures as JSON."""
    from diffusion.twin_pipeline import load

    parser = argparse.ArgumentParser(prog="python -m diffusion.twin_evaluate", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="folder of a twin pipeline; default: the shipped one")
    parser.add_argument("--hearts", type=int, default=100)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    pipeline = load(options.checkpoint)
    pipeline.set_progress_bar_config(disable=True)
    figures = evaluate(pipeline, options.hearts, steps=options.steps, seed=options.seed)
    text = json.dumps(figures, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
