"""What to expect of a lead set: ``physiogen evaluate expected-error --data CACHE --split test``.

Each missing lead's mean absolute error, and what a classifier that was trained on complete ECGs loses class by class.
The stored result ships with the weights (`vae.expected`), so that every reconstruction says what it can be trusted for.
"""

import numpy as np

from gen.datasets.cache import SignalCache
from gen.evaluations import Progress, data_of
from gen.leads import LEADS_12, parse_leads, to_12
from gen.results import Results, Value
from gen.signals import highpass
from metrics.judges.classifier.labels import label_matrix, statements_of
from metrics.judges.classifier.model import shipped
from metrics.statistics.bootstrap import bootstrap_mean
from metrics.utility.retention import retention
from vae.evaluation.diagnosis import rebuilt_8
from vae.evaluation.reconstruction import records_of
from vae.evaluation.settings import ExpectedError
from vae.pipeline import load

#: Slower than this is the recorder's, and no lead can tell that of another.
STEADY_HZ = 0.5
#: Share of records within which the large error lies.
LARGE = 0.9


def run(settings: ExpectedError, progress: Progress) -> Results:
    """A group for each lead set: a row for each missing lead, and a row for each superclass."""
    cache = SignalCache.open(settings.data)
    records = records_of(cache, settings.split, settings.limit)
    patients = [record.patient.id or record.record_id for record in records]
    classifier, pipeline = shipped(), load()
    statements = statements_of(cache.table.iloc[cache.split(settings.split)[: settings.limit]])
    labels = label_matrix(statements, classifier.classes["super"], "super")
    real = np.stack([record.to_8().signal_mv for record in records])
    fs_hz = records[0].fs_hz
    values = {}
    for text in settings.leads:
        leads = parse_leads(text)
        rebuilt = rebuilt_8(pipeline, records, leads)
        found = retention(real, rebuilt, classifier, fs_hz=fs_hz, labels=labels, patients=patients, replicates=500)
        values[",".join(leads)] = {
            "missing leads": _errors(to_12(real), to_12(rebuilt), leads, fs_hz, patients),
            "what a classifier loses": {
                each.name: {
                    "AUROC, real": Value.of(each.auroc_real, n=len(records)),
                    "AUROC, rebuilt": Value.of(each.auroc_rebuilt, n=len(records)),
                    "change": Value.of(None if each.auroc_change is None else each.auroc_change.interval),
                }
                for each in found.classes
            },
        }
        progress(f"{text}: done")
    return settings.results(
        values,
        data=[data_of(cache, settings.split)],
        n=len(records),
        notes=[f"Above {STEADY_HZ:g} Hz: without offset and drift. Means over records, intervals over patients."],
        weights=pipeline.predictor.digest,
    )


def _errors(
    real: np.ndarray, rebuilt: np.ndarray, leads: tuple[str, ...], fs_hz: float, patients: list[str]
) -> dict[str, dict[str, Value]]:
    """Mean absolute errors of the leads that were not given, in mV."""
    steady = [highpass(x, fs_hz, STEADY_HZ) for x in (real, rebuilt)]
    rows = {}
    for k, lead in enumerate(LEADS_12):
        whole = np.nanmean(np.abs(real[:, k] - rebuilt[:, k]), axis=-1)
        if lead in leads or float(whole.max()) < 1e-6:  # given, or an exact sum of what was given
            continue
        each = np.nanmean(np.abs(steady[0][:, k] - steady[1][:, k]), axis=-1)
        rows[lead] = {
            "MAE above .5 Hz": Value.of(bootstrap_mean(each, groups=patients), unit="mV", better="lower"),
            "of the worst tenth, at least": Value(float(np.quantile(each, LARGE)), unit="mV", better="lower"),
            "MAE with offset and drift": Value(float(whole.mean()), unit="mV", better="lower"),
        }
    return rows
