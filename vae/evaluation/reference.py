"""What a person's own reference gives: ``physiogen evaluate reference --data CACHE --split val --split test``.

Every ordered pair of recordings of one patient is a recording with its reference; pairs of simulated visits stand
beside them. A stranger's reference, trusted all the same, is the control. Errors are those above .5 Hz at 100 Hz, since
no reference tells the baseline of the day.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np

from gen.datasets.cache import SignalCache
from gen.evaluations import Progress, data_of
from gen.leads import LEADS_8, LEADS_12, parse_leads
from gen.records import EcgRecord, InputError
from gen.results import Data, Results, Value
from gen.signals import highpass, pearson, resample
from gen.simulate import simulate
from metrics.statistics.bootstrap import bootstrap_mean
from vae.evaluation.reconstruction import DRIFT_HZ, records_of
from vae.evaluation.settings import Reference
from vae.pipeline import Reconstruction, ReconstructionPipeline, load
from vae.reference import LEAST_CORRELATION

SCORED_HZ = 100.0
KINDS = ("without", "own", "stranger's")


@dataclass(frozen=True)
class Pair:
    """A recording, an earlier or later one of the same person, and one of somebody else."""

    record: EcgRecord
    own: EcgRecord
    stranger: EcgRecord


def pairs_of(records: Sequence[EcgRecord], seed: int = 0) -> list[Pair]:
    """All ordered pairs of recordings of one patient, each with a stranger drawn from the others."""
    by_person: dict[str, list[EcgRecord]] = {}
    for record in records:
        by_person.setdefault(record.patient.id or record.record_id, []).append(record)
    several = {name: found for name, found in by_person.items() if len(found) > 1}
    if len(several) < 2:
        raise InputError("too few patients with several recordings; accepted: data with at least two")
    rng = np.random.default_rng(seed)
    found = []
    for name, own in several.items():
        others = [record for other, each in several.items() if other != name for record in each]
        for one, two in permutations(own, 2):
            found.append(Pair(one, two, others[rng.integers(len(others))]))
    return found


def scores(result: Reconstruction, record: EcgRecord, rows: Sequence[int]) -> tuple[float, float, float, float]:
    """Squared error (mV^2), Pearson, share of samples in the 90 % band and its steady width (mV) on these leads."""
    rebuilt, truth = (
        highpass(resample(signal[rows], record.fs_hz, SCORED_HZ), SCORED_HZ, DRIFT_HZ)
        for signal in (result.record.signal_mv, record.signal_mv)
    )
    inside = width = float("nan")
    if 90 in result.bands:
        lower, upper = (edge[rows] for edge in result.bands[90])
        inside = float(((record.signal_mv[rows] >= lower) & (record.signal_mv[rows] <= upper)).mean())
        width = float(np.ptp(result.steady_bands[90], axis=0)[rows].mean())
    error = float(((rebuilt.astype(np.float64) - truth) ** 2).mean())
    return error, float(np.nanmean(pearson(rebuilt, truth))), inside, width


def compare(pipeline: ReconstructionPipeline, pairs: Sequence[Pair], leads: Sequence[str]) -> dict[str, np.ndarray]:
    """`scores` of every pair, (pair, 4), without a reference, with the person's own and with a stranger's.

    And ``refused``: (pair, 2) whether the own or the stranger's reference would have been refused.
    """
    rows = [LEADS_12.index(lead) for lead in LEADS_8 if lead not in leads]
    found: dict[str, list[Any]] = {kind: [] for kind in (*KINDS, "refused")}
    for pair in pairs:
        refused = []
        for kind, reference in zip(KINDS, (None, pair.own, pair.stranger), strict=True):
            # A stranger under the person's name, so that only the beats can tell.
            same = None if reference is None else _renamed(reference, pair.record)
            result = pipeline(pair.record, leads=leads, reference=same, trust_reference=True)
            found[kind].append(scores(result, pair.record, rows))
            if same is not None:
                like = result.record.metadata["reference_likeness"]
                refused.append(like is None or like < LEAST_CORRELATION)
        found["refused"].append(refused)
    return {kind: np.asarray(values, dtype=np.float64) for kind, values in found.items()}


def _renamed(reference: EcgRecord, record: EcgRecord) -> EcgRecord:
    return replace(reference, patient=record.patient)


def table(found: dict[str, np.ndarray], persons: Sequence[str]) -> dict[str, dict[str, Value]]:
    """A row for each kind of reference."""
    base = found["without"][:, 0]
    rows = {}
    for number, kind in enumerate(KINDS):
        values = found[kind]
        row = {
            "MSE": Value.of(bootstrap_mean(values[:, 0], groups=persons), unit="mV²", better="lower"),
            "Pearson": Value.of(bootstrap_mean(values[:, 1], groups=persons), better="higher"),
            "MSE over that without": Value(float(values[:, 0].mean() / base.mean()), better="lower"),
            "90 % band": Value(float(values[:, 2].mean())),
            "its width without the baseline's part": Value(float(values[:, 3].mean()), unit="mV"),
        }
        if np.isnan(values[:, 2]).all():
            row = {name: value for name, value in row.items() if "90 %" not in name and "width" not in name}
        if number:
            row["refused by its beats"] = Value(float(found["refused"][:, number - 1].mean()))
        rows[kind] = row
    return rows


def run(settings: Reference, progress: Progress) -> Results:
    """A table for each method, set of leads and kind of pairs."""
    cache = SignalCache.open(settings.data)
    records = [record for split in settings.splits for record in records_of(cache, split)]
    recorded = pairs_of(records)[: settings.limit]
    visits = [simulate(range(settings.persons), seed=settings.seed, visit=v, noise="light").records() for v in (0, 1)]
    simulated = pairs_of([record for visit in visits for record in visit])[: settings.limit]
    values: dict[str, Any] = {}
    weights = {}
    for method in settings.methods:
        pipeline = load(settings.checkpoint if method == "default" else None, method=method)
        weights[method] = pipeline.predictor.digest
        for text in settings.leads:
            for name, pairs in (("recorded pairs", recorded), ("simulated visits", simulated)):
                found = compare(pipeline, pairs, parse_leads(text))
                persons = [pair.record.patient.id or pair.record.record_id for pair in pairs]
                values[f"{method}, {text}, {name}"] = table(found, persons)
                progress(f"{method}, {text}, {name}: done")
    return settings.results(
        values,
        data=[*(data_of(cache, split) for split in settings.splits), Data("simulated visits")],
        n=len(recorded) + len(simulated),
        notes=[
            f"{len(recorded)} ordered pairs of one patient's recordings, {len(simulated)} of simulated visits. Scored "
            "are the leads that were not given, above 0.5 Hz at 100 Hz; intervals over persons. Every reference was "
            "trusted; the last column says how many would have been refused.",
        ],
        weights=weights,
    )
