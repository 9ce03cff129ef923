"""Scores a classifier on recordings: ``physiogen evaluate classifier --data CACHE [--split test]``.

Macro AUROC, AUPRC and F1 of both label levels with 95 % bootstrap intervals over patients, the expected
calibration error, and each class. F1 uses the thresholds stored with the weights, which were chosen on fold 9.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from gen.datasets.cache import SignalCache
from gen.evaluations import Progress, data_of
from gen.records import InputError
from gen.results import Results, Value
from metrics.evaluation.settings import Classifier as Settings
from metrics.judges.classifier.labels import AGE_UNIT_YEARS, demographics_of, label_matrix, statements_of
from metrics.judges.classifier.model import Classifier
from metrics.judges.classifier.scores import score
from metrics.statistics.ranking import auroc_interval

#: Positives from which a statement counts as frequent: means over rarer ones are mostly luck.
FREQUENT = 5
#: Names of the levels in the results.
SUPERCLASSES, STATEMENTS = "superclasses", "statements"
FREQUENT_STATEMENTS = f"statements with at least {FREQUENT} positives"


def evaluate(classifier: Classifier, cache: SignalCache, rows: np.ndarray, replicates: int = 1000) -> dict[str, Any]:
    """All figures of a classifier on some records of a cache.

    Returns:
        ``levels`` (`SUPERCLASSES`, `STATEMENTS`, `FREQUENT_STATEMENTS`) ->
        `metrics.judges.classifier.scores.Scores` as JSON values; ``sex_auroc``, ``age_mae_years``, ``records``,
        ``patients`` and the digests of weights and data.

    Raises:
        InputError: no records, or none with statements.
    """
    if not len(rows):
        raise InputError(f"{cache.path}: no record in this split; accepted: a split with records")
    table, signal = cache.table.iloc[rows], cache.batch(rows)
    statements, patients = statements_of(table), table["patient_id"].to_numpy()
    probabilities = classifier.probabilities(signal, cache.fs_hz)
    kinds = ((SUPERCLASSES, "super", 1), (STATEMENTS, "all", 1), (FREQUENT_STATEMENTS, "all", FREQUENT))
    levels = {
        name: score(
            probabilities[level],
            label_matrix(statements, classifier.classes[level], level),
            thresholds=classifier.thresholds(level),
            classes=classifier.classes[level],
            groups=patients,
            min_positives=least,
            replicates=replicates,
        ).to_dict()
        for name, level, least in kinds
    }
    levels[FREQUENT_STATEMENTS].pop("classes")  # the same as of all
    woman, age = classifier.demographics(signal, cache.fs_hz)
    truth = demographics_of(table).astype(np.float64)
    known = np.isfinite(truth)
    sex = auroc_interval(woman[known[:, 0]], truth[known[:, 0], 0] > 0, groups=patients[known[:, 0]])
    return {
        "records": len(rows),
        "patients": len(np.unique(patients)),
        "levels": levels,
        "sex_auroc": asdict(sex),
        "age_mae_years": float(np.abs(age - AGE_UNIT_YEARS * truth[:, 1])[known[:, 1]].mean()),
        "weights_digest": classifier.digest,
        "data_digest": cache.digest,
    }


def tables(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What `evaluate` gives, in groups."""
    n = figures["records"]
    levels = {}
    for level, scores in figures["levels"].items():
        means = {name: Value.of(scores[name.lower()], n=n, better="higher") for name in ("AUROC", "AUPRC", "F1")}
        levels[level] = {
            **means,
            "ECE": Value.of(scores["ece"], n=n, better="lower"),
            "classes": Value(scores["scored"]),
        }
    out: dict[str, Any] = {"macro means": levels}
    for level, scores in figures["levels"].items():
        rows = {row["name"]: _class_values(row) for row in scores.get("classes", ()) if row["auroc"] is not None}
        if rows:
            out[level] = rows
    out["person"] = {
        "sex, AUROC": Value.of(figures["sex_auroc"], better="higher"),
        "age, MAE": Value.of(figures["age_mae_years"], n=n, unit="years", better="lower"),
    }
    return out


def _class_values(row: Mapping[str, Any]) -> dict[str, Value]:
    area = {"value": row["auroc"], "low": row["auroc_low"], "high": row["auroc_high"]}
    return {
        "AUROC": Value.of(area, n=row["positives"], better="higher"),
        "AUPRC": Value.of(row["auprc"], n=row["positives"], better="higher"),
        "F1": Value.of(row["f1"], n=row["positives"], better="higher"),
    }


def run(settings: Settings, progress: Progress) -> Results:
    """Macro means, each class, sex and age."""
    cache = SignalCache.open(settings.data)
    classifier = Classifier.load(settings.checkpoint)
    figures = evaluate(classifier, cache, cache.split(settings.split), settings.replicates)
    progress(f"{figures['records']} records of {figures['patients']} patients scored")
    levels = figures["levels"]
    return settings.results(
        tables(figures),
        data=[data_of(cache, settings.split)],
        n=figures["records"],
        notes=["n of a class: its positives."],
        headline=[f"macro means/{level}/{name}" for level in levels for name in ("AUROC", "AUPRC", "F1", "ECE")],
        weights=figures["weights_digest"],
        patients=figures["patients"],
    )
