"""How well identity embeddings tell people apart: ``physiogen evaluate identity --real .data/ptb-xl:test``.

People with several recordings are looked for among all people of the sets, by the twin pipeline's identity embeddings
and, as a baseline that no generator has seen, by the PTB-XL classifier's features. Probes ask what else embeddings
tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from diffusion.evaluation.settings import Identity as Settings
from gen import registry
from gen.datasets.scp import SUPERCLASSES
from gen.evaluations import Progress, data_at
from gen.leads import LEADS_8
from gen.records import EcgRecord, InputError
from gen.results import Results, Value
from metrics import identity
from metrics.distribution.extractors import extractor
from metrics.identity import compare_identities, identity_intervals, scores_of
from metrics.judges.classifier.labels import label_matrix
from metrics.statistics.arrays import Array
from metrics.suite.sets import open_set

_FOLDS = 5


def retrieval(features: Array, persons: Sequence[str], strata: Sequence[str] | None = None, seed: int = 0) -> dict:
    """Scores of later recordings against the first one of each person, with 95 % bootstrap intervals over persons.

    Args:
        features: (n, d).
        persons: (n,) who.
        strata: (n,) condition; strangers of another one do not compete.
        seed: of the bootstrap.

    Raises:
        InputError: nobody has two recordings.
    """
    who, first = np.asarray(persons), first_of_each(persons)
    later = np.setdiff1d(np.arange(len(who)), first)
    if not len(later):
        raise InputError("persons: nobody has two recordings; accepted: at least one who has")
    values = features - features[first].mean(axis=0)
    labels = None if strata is None else np.asarray(strata)
    found = compare_identities(
        reference=values[first],
        generated=values[later],
        reference_persons=who[first],
        generated_persons=who[later],
        reference_strata=None if labels is None else labels[first],
        generated_strata=None if labels is None else labels[later],
    )
    intervals = identity_intervals(found, groups=who[later][found.rows], seed=seed)
    bounds = {f"{name}_interval": [each.low, each.high] for name, each in intervals.items()}
    return {**asdict(scores_of(found)), **bounds, "persons": len(np.unique(who[later])), "gallery": len(first)}


def first_of_each(persons: Sequence[str]) -> npt.NDArray[np.int64]:
    """Rows of the first recording of each person, ascending."""
    return np.sort(np.unique(np.asarray(persons), return_index=True)[1])


def separation(features: Array, persons: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """How near the recordings of a person lie to each other, among the people with several recordings.

    Args:
        features: (n, d).
        persons: (n,) who.
        seed: of the bootstrap.

    Returns:
        ``intra_cosine`` (a person's recordings with each other), ``inter_cosine`` (with those of others) and
        ``silhouette`` in cosine distance, each a mean over people with its 95 % bootstrap interval over them.

    Raises:
        InputError: fewer than two people have two recordings.
    """
    _, codes, sizes = np.unique(np.asarray(persons), return_inverse=True, return_counts=True)
    chosen = sizes[codes] > 1
    values, who = features[chosen] - features.mean(axis=0), np.unique(codes[chosen], return_inverse=True)[1]
    if len(np.unique(who)) < 2:
        raise InputError(f"persons: {len(np.unique(who))} with two recordings; accepted: at least two")
    found = identity.separation(values=values, persons=who, seed=seed)
    figures = {name: [each.value, each.low, each.high] for name, each in found.items()}
    names = {"intra": "intra_cosine", "inter": "inter_cosine"}
    return {names.get(k, k): v for k, v in figures.items()} | {"persons": int(who.max()) + 1, "recordings": len(who)}


def probe(features: Array, target: Array, seed: int = 0) -> float:
    """What a linear probe reads from features about people it has not seen: R² of a number, AUROC of a class."""
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.metrics import r2_score, roc_auc_score
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = np.isfinite(target)
    x, y = features[known], target[known]
    folds = KFold(_FOLDS, shuffle=True, random_state=seed)
    if len(np.unique(y)) == 2:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
        return float(roc_auc_score(y, cross_val_predict(model, x, y, cv=folds, method="predict_proba")[:, 1]))
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 11)))
    return float(r2_score(y, cross_val_predict(model, x, y, cv=folds)))


def evaluate(pipeline: Any, records: Sequence[EcgRecord], persons: Sequence[str]) -> dict[str, Any]:
    """Retrieval and probes of all recordings that can be used; see the module."""
    bases, kept, rates = [], [], []
    for k, record in enumerate(records):
        try:
            person = pipeline.prepare(record)
        except InputError:  # no usable reference
            continue
        bases.append(person.base[0].numpy())
        rates.append(person.condition.heart_rate or np.nan)
        kept.append(k)
    chosen, who = [records[k] for k in kept], [persons[k] for k in kept]
    statements = [record.statements for record in chosen]
    superclasses = label_matrix(statements, SUPERCLASSES, "super")
    strata = ["".join(map(str, row.astype(int))) for row in superclasses]
    judge = extractor("ptbxl-classifier")
    signals = [record.to_8().at(500).signal_mv[:, :5000] for record in chosen]
    plain = np.concatenate([judge(np.nan_to_num(signal)[None], 500.0) for signal in signals])
    sets = {"identity embedding": np.stack(bases).astype(np.float64), "classifier": _standard(plain)}
    first = first_of_each(who)
    age = np.array([r.patient.age if r.patient.age is not None else np.nan for r in chosen], dtype=np.float64)
    sex = np.array([{"F": 1.0, "M": 0.0}.get(r.patient.sex or "", np.nan) for r in chosen])
    alike = [f"{r.patient.sex} {'' if r.patient.age is None else r.patient.age // 10}" for r in chosen]
    report: dict[str, Any] = {"recordings": len(chosen), "left_out": len(records) - len(chosen), "leads": LEADS_8}
    for name, features in sets.items():
        one = features[first]
        report[name] = {
            "separation": separation(features, who),
            "all strangers": retrieval(features, who),
            "strangers of the same superclasses": retrieval(features, who, strata),
            "strangers of the same sex and decade": retrieval(features, who, alike),
            "rate_r2": probe(one, np.array(rates, dtype=np.float64)[first]),
            "age_r2": probe(one, age[first]),
            "sex_auroc": probe(one, sex[first]),
            "norm_auroc": probe(one, superclasses[first, SUPERCLASSES.index("NORM")].astype(np.float64)),
        }
    return report


def _standard(values: Array) -> Array:
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 1e-12, spread, 1.0)


def tables(report: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Value]]]:
    """What `evaluate` gives, a row for each kind of features."""
    found: dict[str, dict[str, dict[str, Value]]] = {}
    for name, figures in ((key, value) for key, value in report.items() if isinstance(value, Mapping)):
        for words, row in figures.items():
            if words == "separation":
                found.setdefault("separation of people with several recordings", {})[name] = {
                    "cosine, same person": Value.of(row["intra_cosine"], n=row["persons"], better="higher"),
                    "cosine, others": Value.of(row["inter_cosine"], n=row["persons"]),
                    "silhouette": Value.of(row["silhouette"], n=row["persons"], better="higher"),
                }
            elif isinstance(row, Mapping):
                found.setdefault(f"retrieval, {words}", {})[name] = {
                    **{
                        key.replace("_", " "): Value.of(
                            [row[key], *row[f"{key}_interval"]], n=row["persons"], better="higher"
                        )
                        for key in ("rank_1", "rank_5")
                    },
                    "EER": Value.of([row["eer"], *row["eer_interval"]], n=row["persons"], better="lower"),
                }
        found.setdefault("probes of other people", {})[name] = {
            title: Value.of(figures[key])
            for title, key in (
                ("rate, R²", "rate_r2"),
                ("age, R²", "age_r2"),
                ("sex, AUROC", "sex_auroc"),
                ("normal, AUROC", "norm_auroc"),
            )
        }
    return found


def run(settings: Settings, progress: Progress) -> Results:
    """Retrieval, separation and probes of the people in all sets."""
    sets = [open_set(location) for location in settings.real]
    pipeline = registry.get("gen.pipelines", "twin")(settings.checkpoint)
    records = [record for one in sets for record in one]
    progress(f"{len(records)} recordings")
    report = evaluate(pipeline, records, [person for one in sets for person in one.patients])
    return settings.results(
        tables(report),
        data=[data_at(location) for location in settings.real],
        n=report["recordings"],
        weights=dict(pipeline.digests),
        left_out=report["left_out"],
    )
