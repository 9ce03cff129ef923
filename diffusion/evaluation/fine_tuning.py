"""``physiogen evaluate fine-tuning``: a finding that weights had never seen, before and after tuning on it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diffusion.beat_pipeline import load
from diffusion.conditions.condition import Condition
from diffusion.evaluation.settings import FineTuning
from diffusion.training.beat_sets import chosen_rows, said
from diffusion.training.examples import texts_of_row
from gen.checkpoint import checkpoint_digest, load_checkpoint
from gen.datasets.cache import SignalCache
from gen.datasets.scp import SUPERCLASSES, aggregate
from gen.evaluations import Progress
from gen.leads import LEADS_8
from gen.records import EcgRecord, InputError
from gen.results import Data, Group, Results
from gen.signals import fill_gaps
from gen.text import ReadText
from gen.values import Value
from metrics.judges.classifier.model import Classifier
from metrics.statistics.bootstrap import bootstrap
from metrics.statistics.ranking import auroc_interval, weighted_auroc

Array = npt.NDArray[np.float64]
_BLOCK = 32
#: Weight of the linear classifier's penalty; it sees a few hundred ECGs.
_PENALTY = 0.02


@dataclass(frozen=True, eq=False)
class Judged:
    """ECGs as the classifier reads them.

    Attributes:
        features: (n, feature).
        shown: (n,) probability of the finding.
        labels: class -> (n,) bool; the finding under ``finding``.
    """

    features: Array
    shown: Array
    labels: Mapping[str, npt.NDArray[np.bool_]]


def run(settings: FineTuning, progress: Progress) -> Results:
    """AUROC on held-out recordings of linear classifiers that learned from generated ECGs."""
    cache, judge = SignalCache.open(settings.data), Classifier.load()
    train, held = cache.split("train"), cache.split(settings.split)
    with_it = chosen_rows(cache, train, only=settings.finding)
    without = chosen_rows(cache, train, without=settings.finding)
    scored = _recorded(cache, held, judge, settings.finding)
    if not 1 < int(scored.labels["finding"].sum()) < len(held):
        raise InputError(f"{settings.data}: too few recordings of {settings.split} with {', '.join(settings.finding)}")
    rng = np.random.default_rng(np.random.SeedSequence((settings.seed, 18)))
    rows = np.concatenate(
        [rng.choice(part, settings.number, replace=len(part) < settings.number) for part in (with_it, without)]
    )
    learned = {"recordings (ceiling)": _recorded(cache, rows, judge, settings.finding)}
    for name, folder in (("before", settings.before), ("after", settings.after)):
        learned[name] = _generated(cache, rows, folder, judge, settings, progress, name)
    people = cache.table["patient_id"].iloc[held].astype(str).to_numpy()
    scores = {name: _scores(judged, scored) for name, judged in learned.items()}
    values: dict[str, Any] = {
        "AUROC on recordings": {
            name: {kind: _auroc(score, scored.labels[kind], people) for kind, score in found.items()}
            for name, found in scores.items()
        },
        "after minus before": {
            kind: _difference(scores["before"][kind], scores["after"][kind], scored.labels[kind], people)
            for kind in scores["before"]
        },
        "asked for and shown": {
            name: _auroc(judged.shown, judged.labels["finding"], None) for name, judged in learned.items()
        },
        "training": _training(settings),
    }
    result: Group = values
    return settings.results(
        result,
        data=[Data(cache.manifest["source"]["name"], settings.split, cache.digest)],
        n=len(held),
        notes=_notes(settings),
        headline=["AUROC on recordings/before/finding", "AUROC on recordings/after/finding"],
        before=checkpoint_digest(settings.before),
        after=checkpoint_digest(settings.after),
        classifier=judge.digest,
    )


def _notes(settings: FineTuning) -> list[str]:
    commands = [
        (load_checkpoint(folder).card.get("training") or {}).get("commands", [""])[-1]
        for folder in (settings.before, settings.after)
    ]
    return [f"before: {commands[0]}", f"after: {commands[1]} (init is the weights before)"]


def _training(settings: FineTuning) -> dict[str, Value]:
    facts = load_checkpoint(settings.after).card.get("training") or {}
    return {
        "minutes": Value(facts.get("minutes"), unit="min"),
        "steps": Value(facts.get("steps")),
        "rank": Value((facts.get("config") or {}).get("rank")),
    }


def _labels(codes: Sequence[frozenset[str]], finding: Sequence[str]) -> dict[str, npt.NDArray[np.bool_]]:
    """The finding, and every superclass; infarction without the finding, so that it says something of the rest."""
    has = np.array([bool(c & set(finding)) for c in codes])
    supers = [set(aggregate(dict.fromkeys(c - set(finding), 100.0), "super")) for c in codes]
    return {"finding": has} | {name: np.array([name in s for s in supers]) for name in SUPERCLASSES}


def _recorded(cache: SignalCache, rows: npt.NDArray[Any], judge: Classifier, finding: Sequence[str]) -> Judged:
    codes = [frozenset(json.loads(text or "{}")) for text in cache.table["statements"].iloc[rows]]
    signals = (fill_gaps(cache.batch(rows[k : k + _BLOCK])) for k in range(0, len(rows), _BLOCK))
    return _judged(np.concatenate(list(signals)), cache.fs_hz, judge, _labels(codes, finding), finding)


def _generated(
    cache: SignalCache,
    rows: npt.NDArray[Any],
    folder: Any,
    judge: Classifier,
    settings: FineTuning,
    progress: Progress,
    name: str,
) -> Judged:
    pipeline: Any = load(folder)
    sampling = pipeline.sampling()
    asked = [_request(row) for _, row in cache.table.iloc[rows].iterrows()]
    signals, codes = [], []
    for first in range(0, len(asked), _BLOCK):
        numbers = range(first, min(first + _BLOCK, len(asked)))
        made = pipeline.generate_each([asked[k] for k in numbers], list(numbers), settings.seed, sampling)
        for k, record in zip(numbers, made, strict=True):
            if isinstance(record, EcgRecord):
                signals.append(record.select(LEADS_8).signal_mv)
                codes.append(said(asked[k].text if isinstance(asked[k].text, ReadText) else None))
        progress(f"{name}: {numbers.stop} of {len(asked)} ECGs")
    return _judged(np.stack(signals), pipeline.fs_hz, judge, _labels(codes, settings.finding), settings.finding)


def _request(row: Any) -> Condition:
    """A recording's statements, age and sex; nothing that was measured."""
    age = float(row.age) if row.age == row.age else None
    sex = row.sex if row.sex in ("F", "M") else None
    return Condition(text=texts_of_row(row)[1], age=age, sex=sex)


def _judged(
    signal: npt.NDArray[Any],
    fs_hz: float,
    judge: Classifier,
    labels: Mapping[str, npt.NDArray[np.bool_]],
    finding: Sequence[str],
) -> Judged:
    known = judge.classes["all"]
    columns = [known.index(code) for code in finding if code in known]
    shown = judge.probabilities(signal, fs_hz)["all"][:, columns].max(axis=1)
    return Judged(judge.features(signal, fs_hz), shown, labels)


def _scores(learned: Judged, scored: Judged) -> dict[str, Array]:
    """For each class, scores of recordings by a linear classifier on what was learned from."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scale = StandardScaler().fit(learned.features)
    out = {}
    for name, labels in learned.labels.items():
        if 0 < labels.sum() < len(labels):
            model = LogisticRegression(C=_PENALTY, class_weight="balanced", max_iter=2000)
            model.fit(scale.transform(learned.features), labels)
            out[name] = model.decision_function(scale.transform(scored.features))
    return out


def _auroc(scores: Array, labels: npt.NDArray[np.bool_], groups: Any) -> Value:
    found = auroc_interval(scores, labels, groups=groups)
    return Value(found.value, found.low, found.high, n=found.n, better="higher")


def _difference(first: Array, second: Array, labels: npt.NDArray[np.bool_], groups: Any) -> Value:
    found = bootstrap(
        lambda w: weighted_auroc(second, labels, w) - weighted_auroc(first, labels, w),
        len(labels),
        groups=groups,
        replicates=1000,
        method="percentile",
    )
    return Value(found.value, found.low, found.high, n=found.n, better="higher")
