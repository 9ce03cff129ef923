"""What an identity embedding gives away, and what noise or a bottleneck takes from it.

``physiogen evaluate identity-leakage --real .data/ptb-xl:test``

An identity embedding is biometric. Three attacks on it, by somebody who has learned from other people's vectors:

    re-identification    the vector of one recording is looked up among known recordings of many people
    attribute inference  a linear probe reads age, sex, rate, and whether the ECG was normal
    inversion            a linear map rebuilds the median beat (eight leads, mV); R² over all samples of it

against the vector as it is, with noise (normal, of ``noise`` times the vector's length, then back to length one; known
recordings stay as they are), through a bottleneck (the first principal components), and made by an extractor that was
not told age and sex. ``conditions alone`` are age, sex and the measured rate and intervals without any vector: what is
read off a vector beyond them comes from the shape of the ECG.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffusion.evaluation.identity import first_of_each, probe, retrieval
from diffusion.evaluation.settings import IdentityLeakage as Settings
from gen import registry
from gen.datasets.scp import SUPERCLASSES
from gen.evaluations import Progress, data_at
from gen.records import EcgRecord, InputError
from gen.results import Better, Results, Value
from gen.simulate.measure import representative_beat
from metrics.judges.classifier.labels import label_matrix
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import bootstrap
from metrics.suite.sets import open_set

NOISE = (0.25, 0.5, 1.0, 2.0)
COMPONENTS = (32, 16, 8, 4)
#: Rate at which a median beat is rebuilt.
BEAT_HZ = 250.0
_NUMBERS = ("heart_rate", "pr_ms", "qrs_ms", "qt_ms", "axis_deg")
_FOLDS, _LEAST = 5, 20


@dataclass(frozen=True, eq=False)
class People:
    """Recordings as an attacker wants to know them.

    Attributes:
        bases: (n, width) identity embeddings of length one.
        untold: the same, made without telling age and sex.
        persons: (n,) who.
        conditions: (n, d) age, sex, rate and intervals; NaN where unknown.
        age, sex, rate, normal: (n,) what is inferred; sex 1 for women, normal 1 for a normal ECG, NaN where unknown.
        beats: (n, samples) median beats in mV, all leads; NaN where there is none.
    """

    bases: Array
    untold: Array
    persons: Sequence[str]
    conditions: Array
    age: Array
    sex: Array
    rate: Array
    normal: Array
    beats: Array


def people_of(pipeline: Any, records: Sequence[EcgRecord], persons: Sequence[str]) -> People:
    """Everything about the recordings that are usable references.

    Args:
        pipeline: twin pipeline, whose ``prepare`` and ``bases`` give identity embeddings and conditions.
        records: any.
        persons: (n,) who.

    Raises:
        InputError: fewer than twenty can be used.
    """
    found, untold, kept = [], [], []
    for k, record in enumerate(records):
        try:
            person = pipeline.prepare(record)
        except InputError:  # no usable reference
            continue
        found.append(person)
        untold.append(pipeline.bases([person.record], [replace(person.condition, age=None, sex=None)]).numpy())
        kept.append(k)
    if len(kept) < _LEAST:
        raise InputError(f"{len(kept)} of {len(records)} recordings can be used; accepted: at least {_LEAST}")
    chosen = [records[k] for k in kept]
    known = [[getattr(person.condition, name) for name in ("age", *_NUMBERS)] for person in found]
    numbers = np.array([[np.nan if value is None else value for value in row] for row in known], dtype=np.float64)
    sex = np.array([{"F": 1.0, "M": 0.0}.get(person.condition.sex or "", np.nan) for person in found])
    superclasses = label_matrix([record.statements for record in chosen], SUPERCLASSES, "super")
    stated = np.array([bool(record.statements) for record in chosen])
    beats = [representative_beat(r.to_8().at(BEAT_HZ).signal_mv, BEAT_HZ)[0].ravel() for r in chosen]
    return People(
        bases=np.concatenate([person.base.numpy() for person in found]).astype(np.float64),
        untold=np.concatenate(untold).astype(np.float64),
        persons=[persons[k] for k in kept],
        conditions=np.column_stack([numbers, sex]),
        age=numbers[:, 0],
        sex=sex,
        rate=numbers[:, 1],
        normal=np.where(stated, superclasses[:, SUPERCLASSES.index("NORM")], np.nan),
        beats=np.stack(beats).astype(np.float64),
    )


def noisy(vectors: Array, noise: float, seed: int = 0) -> Array:
    """Unit vectors with normal noise of mean square length ``noise``², at length one again."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, 9)))
    moved = vectors + noise * rng.standard_normal(vectors.shape) / np.sqrt(vectors.shape[1])
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def bottleneck(vectors: Array, components: int, fitted: Array) -> Array:
    """(n, components) scores on the first principal components of ``fitted``."""
    centre = fitted.mean(axis=0)
    axes = np.linalg.svd(fitted - centre, full_matrices=False)[2][:components]
    return (vectors - centre) @ axes.T


def attacks(vectors: Array, people: People, known: Array | None = None, seed: int = 0) -> dict[str, Any]:
    """All attacks on vectors of recordings.

    Args:
        vectors: (n, d) as the attacker sees them.
        people: what they tell.
        known: (n, d) as the attacker's known recordings give them; None: the same vectors.
        seed: of folds and bootstrap.

    Returns:
        ``rank_1``, ``rank_5``, ``eer`` (with intervals over people), ``age_r2``, ``sex_auroc``, ``rate_r2``,
        ``normal_auroc`` (None where too few are known or all are alike), ``beat_r2`` as [value, low, high].
    """
    first = first_of_each(people.persons)
    seen = vectors.copy()
    seen[first] = (vectors if known is None else known)[first]
    found: dict[str, Any] = {}
    if len(first) < len(vectors):
        scores = retrieval(seen, people.persons, seed=seed)
        names = ("rank_1", "rank_5", "eer")
        found |= {name: [scores[name], *scores[f"{name}_interval"]] for name in names}
        found |= {"rank_1_chance": scores["rank_1_chance"], "queries": scores["queries"]}
    one = vectors[first]
    for name, target in (
        ("age_r2", people.age),
        ("sex_auroc", people.sex),
        ("rate_r2", people.rate),
        ("normal_auroc", people.normal),
    ):
        values = target[first]
        told = values[np.isfinite(values)]
        enough = len(told) >= _LEAST and len(np.unique(told)) > 1
        found[name] = probe(one, values, seed) if enough else None
    found["beat_r2"] = inversion(one, people.beats[first], seed)
    return found


def inversion(vectors: Array, beats: Array, seed: int = 0) -> list[float] | None:
    """R² of median beats rebuilt linearly from vectors of people the map was not fitted on.

    Args:
        vectors: (n, d).
        beats: (n, samples); rows with NaN are left out.
        seed: of the folds.

    Returns:
        Value and 95 % bootstrap interval over people; 0 is the mean beat of everybody. None below twenty beats.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    usable = np.isfinite(beats).all(axis=1)
    x, y = vectors[usable], beats[usable]
    if len(y) < _LEAST:
        return None
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 11)))
    error = y - cross_val_predict(model, x, y, cv=KFold(_FOLDS, shuffle=True, random_state=seed))
    lost = (error**2).sum(axis=1)
    square = (y**2).sum(axis=1)

    def explained(weights: Array) -> Array:
        count = weights.sum(axis=1)
        spread = weights @ square - ((weights @ y) ** 2).sum(axis=1) / count
        return 1 - weights @ lost / spread

    i = bootstrap(explained, len(y), replicates=1000, method="percentile", seed=seed)
    return [i.value, i.low, i.high]


def audit(people: People, seed: int = 0) -> dict[str, dict[str, Any]]:
    """`attacks` on the vectors as they are and under each defence, by name."""
    bases = people.bases
    report = {"identity embedding": attacks(bases, people, seed=seed)}
    for noise in NOISE:
        report[f"noise {noise:g}"] = attacks(noisy(bases, noise, seed), people, bases, seed)
    for count in COMPONENTS:
        if count < bases.shape[1]:
            report[f"{count} components"] = attacks(bottleneck(bases, count, bases), people, seed=seed)
    report["age and sex not told"] = attacks(people.untold, people, seed=seed)
    report["conditions alone"] = attacks(_filled(people.conditions), people, seed=seed)
    return report


def _filled(values: Array) -> Array:
    """Standardised columns with 0 for unknown, and a column for each that says what is known."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, values, 0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, values - centre, 0) ** 2).sum(axis=0) / count)
    scaled = np.where(known, (values - centre) / np.where(spread > 0, spread, 1), 0)
    return np.concatenate([scaled, known.astype(np.float64)], axis=1)


_COLUMNS: tuple[tuple[str, str, Better], ...] = (
    ("rank 1", "rank_1", "lower"),
    ("rank 5", "rank_5", "lower"),
    ("EER", "eer", "higher"),
    ("age R²", "age_r2", "lower"),
    ("sex AUROC", "sex_auroc", "lower"),
    ("rate R²", "rate_r2", "lower"),
    ("normal AUROC", "normal_auroc", "lower"),
    ("median beat R²", "beat_r2", "lower"),
)


def table(report: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Value]]:
    """A line for each defence; a good defence tells little."""
    return {
        name: {title: Value.of(row.get(key), better=better) for title, key, better in _COLUMNS}
        for name, row in report.items()
    }


def run(settings: Settings, progress: Progress) -> Results:
    """Every attack on the embeddings as they are and under each defence."""
    sets = [open_set(location) for location in settings.real]
    pipeline = registry.get("gen.pipelines", "twin")(settings.checkpoint)
    records = [record for one in sets for record in one]
    people = people_of(pipeline, records, [person for one in sets for person in one.patients])
    persons = len(first_of_each(people.persons))
    progress(f"{len(people.persons)} recordings of {persons} people")
    return settings.results(
        {"attacks": table(audit(people, settings.seed))},
        data=[data_at(location) for location in settings.real],
        n=len(people.persons),
        notes=[f"{len(people.persons)} recordings of {persons} people."],
        weights=dict(pipeline.digests),
        people=persons,
    )
