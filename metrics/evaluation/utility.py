"""The utility of a synthetic set: ``physiogen evaluate utility --data CACHE --synthetic CACHE``.

Real records are trained on (folds 1-8), thresholds chosen (9) and tested on (10); of the synthetic cache every record
is used, whatever its split. Labels are the five superclasses of the statements. A line per setting: macro
AUROC, AUPRC and F1 with intervals over patients, and the paired change against real records alone.
"""

from collections.abc import Mapping

import numpy as np

from gen.datasets.cache import SignalCache
from gen.datasets.scp import SUPERCLASSES
from gen.evaluations import Progress, data_of
from gen.records import InputError
from gen.results import Results, Value
from metrics.evaluation.settings import Utility as Settings
from metrics.judges.classifier.labels import label_matrix, statements_of
from metrics.utility.downstream import FitConfig, LabelledSet, Result, standard_settings, utility


def labelled(cache: SignalCache, rows: np.ndarray) -> LabelledSet:
    """Records of a cache with their superclasses; raises `InputError` where there are none."""
    if not len(rows):
        raise InputError(f"{cache.path}: no record in a split; accepted: a cache with train, val and test")
    table = cache.table.iloc[rows]
    labels = label_matrix(statements_of(table), SUPERCLASSES, "super")
    return LabelledSet(cache.batch(rows), cache.fs_hz, labels, table["patient_id"].to_numpy())


def table(results: Mapping[str, Result]) -> dict[str, dict[str, Value]]:
    """A line for each setting, best first; changes are those against real records alone."""
    rows = {}
    for name, result in sorted(results.items(), key=lambda item: -item[1].scores.auroc.value):
        scores, records = result.scores, result.scores.auroc.n
        changes = [d["auroc"].interval for key, d in result.differences.items() if key.startswith("TRTR")]
        rows[name] = {
            "real records": Value(result.records[0]),
            "synthetic records": Value(result.records[1]),
            "AUROC": Value.of(scores.auroc, n=records, better="higher"),
            "AUPRC": Value.of(scores.auprc, n=records, better="higher"),
            "F1": Value.of(scores.f1, n=records, better="higher"),
            "ECE": Value.of(scores.ece, n=records, better="lower"),
            **({"change of AUROC": Value.of(changes[0], n=records, better="higher")} if changes else {}),
        }
    return rows


def run(settings: Settings, progress: Progress) -> Results:
    """A line for each way of training."""
    ways = standard_settings(shares=settings.shares, ratios=settings.ratios)
    if settings.only:
        unknown = sorted(set(settings.only) - {way.name for way in ways})
        if unknown:
            raise InputError(f"--only {unknown[0]}: accepted: {', '.join(way.name for way in ways)}")
        ways = tuple(way for way in ways if way.name in settings.only)
    real, synthetic = SignalCache.open(settings.data), SignalCache.open(settings.synthetic)
    train, validation, test = (labelled(real, real.split(name)) for name in ("train", "val", "test"))
    results = utility(
        train=train,
        validation=validation,
        test=test,
        synthetic=labelled(synthetic, np.arange(len(synthetic))),
        classes=SUPERCLASSES,
        settings=ways,
        seeds=range(settings.seeds),
        config=FitConfig() if settings.steps is None else FitConfig(steps=settings.steps),
        progress=progress,
    )
    return settings.results(
        {"trained on": table(results)},
        data=[data_of(real, "test"), data_of(synthetic)],
        n=len(test),
        notes=["Trained on folds 1-8, thresholds from fold 9, tested on fold 10; macro means of five superclasses."],
        seeds=settings.seeds,
    )
