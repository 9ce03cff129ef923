"""Does a rebuilt ECG keep the diagnosis: ``physiogen evaluate diagnosis --data CACHE --split test --leads II,V1,V5``.

One frozen classifier (`metrics.judges.classifier`, trained on complete ECGs) reads each real record and the one
rebuilt from some of its leads (WearECG's question; `metrics.utility.retention`). The same figures through files,
without the table per class: ``physiogen reconstruct``, then ``physiogen benchmark --preset reconstruction``.
"""

from collections.abc import Sequence

import numpy as np

from gen.datasets.cache import SignalCache
from gen.evaluations import Progress, data_of
from gen.leads import parse_leads
from gen.records import EcgRecord
from gen.results import Results, Value
from metrics.judges.classifier.labels import label_matrix, statements_of
from metrics.judges.classifier.model import Classifier, shipped
from metrics.statistics.bootstrap import Difference
from metrics.utility.retention import Judge, Retention, retention
from vae.evaluation.reconstruction import records_of
from vae.evaluation.settings import Diagnosis
from vae.pipeline import ReconstructionPipeline, load

BLOCK = 32


def rebuilt_8(pipeline: ReconstructionPipeline, records: Sequence[EcgRecord], leads: Sequence[str]) -> np.ndarray:
    """(n, 8, time) mV rebuilt from these leads of complete records of one rate and length."""
    found = []
    for start in range(0, len(records), BLOCK):
        found += [r.record.to_8().signal_mv for r in pipeline(list(records[start : start + BLOCK]), leads=leads)]
    return np.stack(found)


def diagnostic_retention(
    pipeline: ReconstructionPipeline,
    records: Sequence[EcgRecord],
    labels: np.ndarray,
    leads: Sequence[str],
    classifier: Judge,
) -> Retention:
    """What rebuilding records from these leads does to the classifier's reading of them.

    Args:
        pipeline: the method.
        records: complete records of one rate and length, with patients.
        labels: (n, class) bool, superclasses in the classifier's order.
        leads: leads that are observed.
        classifier: judges real and rebuilt records.
    """
    return retention(
        np.stack([record.to_8().signal_mv for record in records]),
        rebuilt_8(pipeline, records, leads),
        classifier,
        fs_hz=records[0].fs_hz,
        labels=labels,
        patients=[record.patient.id or record.record_id for record in records],
    )


def table(found: Retention, records: int) -> dict[str, dict[str, Value]]:
    """A row for each superclass and one for all."""
    rows = {
        each.name: {
            "AUROC, real": Value.of(each.auroc_real, n=records, better="reference"),
            "AUROC, rebuilt": Value.of(each.auroc_rebuilt, n=records, better="higher"),
            "change": _change(each.auroc_change, records),
            "decisions changed": Value(each.flip_rate, n=records, better="lower"),
            "kappa": Value.of(each.kappa, n=records, better="higher"),
        }
        for each in found.classes
    }
    real, rebuilt = (_macro([getattr(each, name) for each in found.classes]) for name in _SIDES)
    rows["all"] = {
        "AUROC, real": Value.of(real, n=records, better="reference"),
        "AUROC, rebuilt": Value.of(rebuilt, n=records, better="higher"),
        "change": _change(found.auroc_change, records),
        "decisions changed": Value.of(found.flip_rate, n=records, better="lower"),
        "kappa": Value.of(found.kappa, n=records, better="higher"),
    }
    return rows


_SIDES = ("auroc_real", "auroc_rebuilt")


def _macro(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _change(found: Difference | None, records: int) -> Value:
    return Value.of(None if found is None else found.interval, n=records, better="higher")


def run(settings: Diagnosis, progress: Progress) -> Results:
    """A table for each method and input set."""
    sets = [parse_leads(text) for text in settings.leads]
    cache = SignalCache.open(settings.data)
    records = records_of(cache, settings.split, settings.limit)
    classifier = Classifier.load(settings.classifier) if settings.classifier else shipped()
    statements = statements_of(cache.table.iloc[cache.split(settings.split)[: settings.limit]])
    labels = label_matrix(statements, classifier.classes["super"], "super")
    values, weights = {}, {}
    for method in settings.methods:
        pipeline = load(settings.checkpoint if method in ("default", "wearecg") else None, method=method)
        weights[method] = pipeline.predictor.digest
        for leads in sets:
            found = diagnostic_retention(pipeline, records, labels, leads, classifier)
            values[f"{method}, {','.join(leads)}"] = table(found, len(records))
            progress(f"{method}, {','.join(leads)}: done")
    return settings.results(
        values,
        data=[data_of(cache, settings.split)],
        n=len(records),
        weights=weights,
        classifier=classifier.digest,
    )
