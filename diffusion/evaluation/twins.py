"""Figures of twins on simulated hearts that no training saw.

``physiogen evaluate twins --checkpoint FOLDER``

Each heart is examined twice under different conditions. Its first ECG is the reference, the condition of the second is
asked for. Identity is judged by the pipeline's own extractor (the benchmark has an independent one): retrieval of the
other visit, and separation of the persons when each is given by the other visit and the ECG that is judged. Intervals
are 95 % bootstrap intervals over hearts; every heart's twin has noise of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from diffusion.conditions.condition import Condition
from diffusion.evaluation.intervals import interval, retrieved, separation
from diffusion.evaluation.settings import Twins
from diffusion.twin.batch import BATCH, twins_of
from diffusion.twin.change import Change, own_condition
from diffusion.twin.scores import moved
from gen.evaluations import Progress
from gen.randomness import sample_generator
from gen.records import EcgRecord, InputError
from gen.results import Better, Data, Results, Value
from gen.text import read_text
from metrics.measurement.criteria import CRITERIA
from metrics.measurement.records import measure_records

if TYPE_CHECKING:
    from diffusion.process.settings import Sampling
    from diffusion.twin.pipeline import ECGTwinPipeline
    from diffusion.twin.reference import Reference

#: A cohort of its own; see `diffusion.twin.recipes` for those of training and selection.
COHORT = 5_000_011
#: Findings that are added, and the code whose criterion must then be met.
ADDED = {
    "left bundle branch block": "CLBBB",
    "left ventricular hypertrophy": "LVH",
    "low voltage": "LVOLT",
}


def examined(hearts: int, visit: int, seed: int = COHORT) -> list[EcgRecord]:
    """One visit of each heart, as `diffusion.twin.sources.cohort` draws them for training."""
    from diffusion.training.examples import OVERSAMPLE
    from diffusion.twin.sources import sample_visit
    from gen.simulate import simulate

    specifications = [sample_visit(seed, index, visit) for index in range(hearts)]
    batch = simulate(
        range(hearts), seed=seed, visit=visit, noise="light", conditions=specifications, oversample=OVERSAMPLE
    )
    return batch.records()


def evaluate(
    pipeline: "ECGTwinPipeline", hearts: int, *, steps: int | None = None, seed: int = 0, base_noise: float = 0.0
) -> dict[str, Any]:
    """All figures, each with value, interval and number.

    Args:
        pipeline: what is judged.
        hearts: how many.
        steps: sampling steps; the weights' own by default.
        seed: of the twins.
        base_noise: length of noise that is added to each person's identity embedding, in units of the vector's: what
            protecting it costs.

    Raises:
        InputError: fewer than two hearts give usable ECGs.
    """
    people: list[Reference] = []
    truth: list[EcgRecord] = []
    bases: list[torch.Tensor] = []
    for first, second in zip(examined(hearts, 0), examined(hearts, 1), strict=True):
        try:
            person, base = pipeline.prepare(first), _seen(pipeline, second)
        except InputError:  # an ECG that cannot be measured is no reference
            continue
        people.append(replace(person, base=blurred(person.base, base_noise, len(people))))
        truth.append(second)
        bases.append(base)
    if len(people) < 2:
        raise InputError(f"{hearts} hearts: fewer than two give usable ECGs; ask for more")
    count, settings = len(people), pipeline.sampling(num_inference_steps=steps, literal=True)
    own, other = torch.cat([person.base for person in people]), torch.cat(bases)
    wanted = np.array([record.metadata["truth"]["hr_bpm"] for record in truth])
    changes = [Change(text=r.report, heart_rate=rate) for r, rate in zip(truth, wanted.tolist(), strict=True)]
    made = {
        "twin": twins_of(pipeline, people, changes, settings, seed=seed),
        "population": _population(pipeline, people, changes, settings, seed),
    }
    seen = {name: torch.cat([_seen(pipeline, record) for record in records]) for name, records in made.items()}
    figures: dict[str, Any] = {"hearts": count, "steps": settings.steps, "seed": seed, "base_noise": base_noise}
    for name, records in made.items():
        rate = np.array([p.hr_bpm for p in measure_records(records)])
        figures[f"{name}_rate_mae_bpm"] = interval(np.abs(rate - wanted))
    for name, vectors in (*seen.items(), ("reference", own)):
        figures[f"{name}_identity"] = retrieved(other, vectors)
        figures[f"{name}_separation"] = separation([other, vectors])
    copies = [person.record for person in people]
    errors = {name: beat_errors(records, truth) for name, records in {**made, "reference": copies}.items()}
    for name, error in errors.items():
        figures[f"{name}_beat_mae_mv"] = interval(error)
    figures["twin_minus_reference_mv"] = interval(errors["twin"] - errors["reference"])
    figures["twin_minus_population_mv"] = interval(errors["twin"] - errors["population"])
    same = twins_of(pipeline, people, [Change(same=True)] * count, settings, seed=seed, first=count)
    figures["counterfactual"] = interval(_consistent(torch.cat([_seen(pipeline, record) for record in same]), other))
    figures["achieved"], figures["moved"] = {}, {}
    for k, (text, code) in enumerate(ADDED.items()):
        shown = _achieved(pipeline, people, Change(add=text), code, settings, seed, (2 + k) * count)
        figures["achieved"][code], figures["moved"][code] = shown
    return figures


def blurred(base: torch.Tensor, noise: float, seed: int) -> torch.Tensor:
    """Unit vectors (n, width) with normal noise of mean square length ``noise``², at length one again."""
    moved = (
        base + noise * torch.from_numpy(sample_generator(seed, 0).standard_normal(base.shape)) / base.shape[1] ** 0.5
    )
    return F.normalize(moved, dim=-1).to(base.dtype)


def _population(
    pipeline: "ECGTwinPipeline",
    people: "Sequence[Reference]",
    changes: Sequence[Change],
    settings: "Sampling",
    seed: int,
) -> list[EcgRecord]:
    """The same requests to the model without a reference, told age and sex."""
    conditions = [
        Condition(
            text=None if change.text is None else read_text(change.text),
            heart_rate=change.heart_rate,
            age=person.condition.age,
            sex=person.condition.sex,
        )
        for person, change in zip(people, changes, strict=True)
    ]
    made: list[EcgRecord] = []
    for begin in range(0, len(conditions), BATCH):
        group = conditions[begin : begin + BATCH]
        made += pipeline.generator.generate(group, range(begin, begin + len(group)), seed, settings)
    return made


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


def _consistent(same: torch.Tensor, other: torch.Tensor) -> np.ndarray:
    """Whether another ECG in the own condition is at least as near to the person's other visit as a stranger's is."""
    near = []
    for k, vector in enumerate(same):
        cosine = (other @ vector).numpy()
        stranger = int(np.random.default_rng((k, 7)).integers(0, len(other) - 1))
        near.append(float(cosine[k] >= cosine[stranger + (stranger >= k)]))
    return np.array(near)


def _achieved(
    pipeline: "ECGTwinPipeline",
    people: "Sequence[Reference]",
    change: Change,
    code: str,
    settings: "Sampling",
    seed: int,
    first: int,
) -> tuple[dict[str, float], dict[str, float]]:
    """Of references that do not meet a criterion: shares whose twins do, and whose twins moved towards it."""
    met = CRITERIA[code].met
    parameters = measure_records([person.record for person in people])
    without = [
        (person, found)
        for person, found in zip(people, parameters, strict=True)
        if not met(found, person.condition.sex)
    ]
    twins = twins_of(pipeline, [p for p, _ in without], [change] * len(without), settings, seed=seed, first=first)
    after = measure_records(twins)
    found = [(person.condition.sex, own, made) for (person, own), made in zip(without, after, strict=True)]
    return (
        interval(np.array([float(met(made, sex)) for sex, _, made in found])),
        interval(np.array([float(moved(code, own, made, sex)) for sex, own, made in found])),
    )


def _seen(pipeline: "ECGTwinPipeline", record: EcgRecord) -> torch.Tensor:
    """Base vector (1, width) of any ECG, with what is known and measured of it."""
    at_rate = record.to_12().at(pipeline.fs_hz)
    return pipeline.bases([at_rate], [own_condition(at_rate, measure_records([at_rate])[0])])


def tables(figures: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Value]]]:
    """What `evaluate` gives: a row for each who is judged, differences, and the added findings."""
    n = figures["hearts"]
    judged: dict[str, dict[str, Value]] = {}
    for who in ("twin", "population", "reference"):
        found, apart = figures[f"{who}_identity"], figures[f"{who}_separation"]
        row = (
            {
                "rate MAE": Value.of(figures[f"{who}_rate_mae_bpm"], unit="bpm", better="lower"),
            }
            if f"{who}_rate_mae_bpm" in figures
            else {}
        )
        row["beat MAE"] = Value.of(figures[f"{who}_beat_mae_mv"], unit="mV", better="lower")
        for name, key, better in _IDENTITY:
            row[name] = Value.of([found[key], *found[f"{key}_interval"]], n=n, better=better)
        for name, key in (("cosine, same person", "intra"), ("cosine, others", "inter"), ("silhouette", "silhouette")):
            row[name] = Value.of(apart[key], better=None if key == "inter" else "higher")
        judged[who] = row
    beats = {
        "beat MAE, twin minus reference": Value.of(figures["twin_minus_reference_mv"], unit="mV", better="lower"),
        "beat MAE, twin minus population": Value.of(figures["twin_minus_population_mv"], unit="mV", better="lower"),
        "own condition nearer to the person than a stranger": Value.of(figures["counterfactual"], better="higher"),
    }
    added = {
        code: {
            "criterion met": Value.of(figures["achieved"][code], better="higher"),
            "moved towards it": Value.of(figures["moved"][code], better="higher"),
        }
        for code in figures["achieved"]
    }
    return {"judged": judged, "paired": {"all hearts": beats}, "added findings": added}


_IDENTITY: tuple[tuple[str, str, Better], ...] = (
    ("rank 1", "rank_1", "higher"),
    ("rank 5", "rank_5", "higher"),
    ("EER", "eer", "lower"),
)


def run(settings: Twins, progress: Progress) -> Results:
    """Twins, the model without a reference, and the references themselves."""
    from diffusion.twin.beat_twin import load

    pipeline = load(settings.checkpoint)
    pipeline.set_progress_bar_config(disable=True)
    progress(f"{settings.hearts} hearts")
    figures = evaluate(
        pipeline, settings.hearts, steps=settings.steps, seed=settings.seed, base_noise=settings.base_noise
    )
    return settings.results(
        tables(figures),
        data=[Data("simulated hearts", f"cohort {COHORT}")],
        n=figures["hearts"],
        headline=["judged/twin/rate MAE", "judged/twin/rank 1", "judged/twin/EER", "judged/twin/beat MAE"],
        weights=dict(pipeline.digests),
        steps=figures["steps"],
    )
