"""Scores the reader against PTB-XL's own ``scp_codes``: ``physiogen evaluate text --data .data/ptb-xl``.

Which reports count (`human`): those that a person wrote or signed. Left out are device reports that nobody confirmed
("unbestätigter bericht": their codes come from a later reader), "trace only requested" (no content), reports with an
appended "Edit: ..." or "consensus" (that part *is* the codes), and those that PTB-XL cuts off at 255 characters (their
conclusion, which comes last, is lost). ``--reports all`` keeps everything.

Which codes count: all, on both sides, that are not negated; with ``--likelihood L`` those of at least that likelihood
(PTB-XL's scale on both sides: 100 certain, 80 "consistent with", 50 "probable", 35 "possible", 15 "cannot rule out"; 0,
in PTB-XL only, is unstated and counts).

Levels: `statements` all 71 codes; `diagnostic`, `form`, `rhythm` the parts of PTB-XL's own table; `subclass` and
`superclass` PTB-XL's own grouping of the diagnostic ones; `diagnosis` subclasses and rhythms, `classes` superclasses
and rhythms. Codes that the reports do not mention (a second reader added them from the trace: LNGQT, LVOLT, ...) count
as misses, statements that the report makes and the codes lack count as extras: nothing is left out because the two
readers differ.

``--ceiling`` shows what a classifier reaches that *learns* codes from reports (logistic regression on word 1- to
5-grams, fitted to folds 1-8): how far the codes can be told from the words at all.
"""

import ast
import csv
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gen.evaluation.phrases import rounds, score
from gen.evaluation.settings import Text
from gen.evaluations import Progress
from gen.records import InputError
from gen.results import Data, Node, Results, Value
from gen.text.imply import implied
from gen.text.reader import read_text

#: PTB-XL cuts reports at 255 characters.
CUT = 250
#: Report and the codes that count.
Labelled = tuple[str, set[str]]
LEVELS = {
    "statements": "all statements",
    "diagnostic": "diagnostic statements",
    "form": "form statements",
    "rhythm": "rhythm statements",
    "subclass": "diagnostic subclasses",
    "superclass": "diagnostic superclasses",
    "diagnosis": "diagnostic subclasses and rhythms",
    "classes": "diagnostic superclasses and rhythms",
}


@dataclass
class Counts:
    """True and false positives and false negatives per label."""

    hit: Counter[str] = field(default_factory=Counter)
    extra: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)

    def add(self, truth: set[str], read: set[str]) -> None:
        """One report."""
        self.hit.update(truth & read)
        self.extra.update(read - truth)
        self.missed.update(truth - read)

    def precision_recall_f1(self, label: str | None = None) -> tuple[float, float, float]:
        """Of one label, or over all (micro); 0 where there is nothing to divide by."""
        counters = (self.hit, self.extra, self.missed)
        hit, extra, missed = (c[label] if label else c.total() for c in counters)
        return hit / max(1, hit + extra), hit / max(1, hit + missed), 2 * hit / max(1, 2 * hit + extra + missed)

    def labels(self) -> list[str]:
        """Labels that occur in the truth, the most frequent first."""
        truth = self.hit + self.missed
        return [label for label, _ in truth.most_common()]


def human(report: str) -> bool:
    """Whether a person wrote or signed this report, it is whole, and it holds no codes."""
    low = report.lower()
    return len(report) < CUT and not any(mark in low for mark in ("unbest", "trace only", "edit:", "consensus"))


def levels(data: Path) -> dict[str, Callable[[set[str]], set[str]]]:
    """For each level, what a set of codes becomes there."""
    path = data / "scp_statements.csv"
    if not path.is_file():
        raise InputError(f"{path}: not found; --data must be a PTB-XL folder with scp_statements.csv")
    with path.open(encoding="utf-8") as file:
        table = {row[""]: row for row in csv.DictReader(file)}
    kinds = {kind: {code for code, row in table.items() if row[kind]} for kind in ("diagnostic", "form", "rhythm")}

    def group(column: str) -> Callable[[set[str]], set[str]]:
        return lambda codes: {table[code][column] for code in codes & kinds["diagnostic"]}

    found: dict[str, Callable[[set[str]], set[str]]] = {"statements": lambda codes: codes & table.keys()}
    found |= {kind: kept.__and__ for kind, kept in kinds.items()}
    found |= {"subclass": group("diagnostic_subclass"), "superclass": group("diagnostic_class")}
    subclass, rhythm = found["subclass"], kinds["rhythm"]
    superclass = found["superclass"]
    found["diagnosis"] = lambda codes: subclass(codes) | (codes & rhythm)
    found["classes"] = lambda codes: superclass(codes) | (codes & rhythm)
    return found


def reports(data: Path, folds: Iterable[int], *, kept: str, likelihood: float) -> list[Labelled]:
    """Labelled reports of the wanted folds with their codes."""
    path = data / "ptbxl_database.csv"
    if not path.is_file():
        raise InputError(f"{path}: not found; --data must be a PTB-XL folder with ptbxl_database.csv")
    wanted = set(folds)
    found = []
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if int(row["strat_fold"]) in wanted and (kept == "all" or human(row["report"]) == (kept == "human")):
                codes: dict[str, float] = ast.literal_eval(row["scp_codes"])
                found.append((row["report"], {c for c, v in codes.items() if v == 0 or v >= likelihood}))
    return found


def read_codes(report: str, likelihood: float = 0) -> set[str]:
    """Codes read with at least that likelihood, and what they imply."""
    read = read_text(report)
    return read.codes(least=int(likelihood)) | implied(read)


def evaluate(
    labelled: list[Labelled],
    groups: dict[str, Callable[[set[str]], set[str]]],
    reader: Callable[[str], set[str]] = read_codes,
) -> dict[str, Counts]:
    """Counts at every level."""
    counts = {level: Counts() for level in groups}
    for report, truth in labelled:
        codes = reader(report)
        for level, grouped in groups.items():
            counts[level].add(grouped(truth), grouped(codes))
    return counts


def learned_reader(training: list[Labelled]) -> Callable[[str], set[str]]:
    """Fit the ceiling: codes as a classifier learns them from the words of labelled reports."""
    import numpy as np
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    grams = CountVectorizer(ngram_range=(1, 5), min_df=2, binary=True, token_pattern=r"[^\s.,]+")
    features = grams.fit_transform([report for report, _ in training])
    models = {}
    for code in sorted({code for _, codes in training for code in codes}):
        target = np.array([code in codes for _, codes in training])
        if 3 <= target.sum() < len(target):
            models[code] = LogisticRegression(max_iter=500).fit(features, target)

    def read(report: str) -> set[str]:
        row = grams.transform([report])
        return {code for code, model in models.items() if model.predict_proba(row)[0, 1] > 0.4}

    return read


def run(settings: Text, progress: Progress) -> Results:
    """Every level, each code, and what a learned reader reaches where that is asked for."""
    groups = levels(settings.data)
    labelled = reports(settings.data, settings.fold, kept=settings.reports, likelihood=settings.likelihood)
    if not labelled:
        raise InputError(f"--fold {' '.join(map(str, settings.fold))}: no report that counts; accepted: 1 to 10")
    begin = time.perf_counter()
    counts = evaluate(labelled, groups, partial(read_codes, likelihood=settings.likelihood))
    seconds = time.perf_counter() - begin
    progress(f"{len(labelled)} reports read")
    shown = _summary(counts, len(labelled))
    values: dict[str, Node] = {"levels": shown, "codes": _codes(counts["statements"])}
    if settings.ceiling:
        training = reports(settings.data, range(1, 9), kept=settings.reports, likelihood=settings.likelihood)
        found = evaluate(labelled, groups, learned_reader(training))
        for title, row in _summary(found, len(labelled)).items():
            shown[title]["micro-F1, classifier trained on folds 1-8"] = row["micro-F1"]
    if settings.phrases is not None:
        count, right, wrong = score(settings.phrases)
        by_round = rounds(settings.phrases, wrong)
        values["phrases"] = {
            "all": {"right": _share(right, count)},
            **{
                f"round {name}": {
                    "right when first tried": _share(first, n),
                    "right": _share(now, n),
                }
                for name, (n, first, now) in by_round.items()
            },
        }
        for phrase in wrong[: settings.errors]:
            progress(f"phrase {phrase['text']!r}: not {phrase['expected'] or 'unknown'}")
    values["speed"] = {"reports": Value(len(labelled) / seconds, unit="per s", better="higher")}
    if settings.errors:
        _show_errors(labelled[:: max(1, len(labelled) // settings.errors)], groups, progress)
    folds = "+".join(map(str, settings.fold))
    return settings.results(
        values,
        data=[Data("PTB-XL", f"fold {folds}, {settings.reports} reports")],
        n=len(labelled),
        notes=[f"Codes of likelihood {settings.likelihood:g} or more, or unstated."],
        headline=[f"levels/{title}/micro-F1" for title in LEVELS.values()],
    )


def _share(right: int, n: int) -> Value:
    """A share with Wilson's interval."""
    from scipy.stats import binomtest

    interval = binomtest(right, n).proportion_ci(method="wilson")
    return Value(right / n, low=interval.low, high=interval.high, n=n, better="higher")


def _summary(counts: dict[str, Counts], n: int) -> dict[str, dict[str, Value]]:
    rows = {}
    for level in LEVELS:
        precision, recall, f1 = counts[level].precision_recall_f1()
        labels = counts[level].labels()
        macro = sum(counts[level].precision_recall_f1(label)[2] for label in labels) / max(1, len(labels))
        shown = {"micro-F1": f1, "precision": precision, "recall": recall, "macro-F1": macro}
        rows[LEVELS[level]] = {name: Value(value, n=n, better="higher") for name, value in shown.items()}
        rows[LEVELS[level]]["labels"] = Value(len(labels), n=n)
    return rows


def _codes(counts: Counts) -> dict[str, dict[str, Value]]:
    rows = {}
    for code in counts.labels() + sorted(set(counts.extra) - set(counts.labels())):
        hit, extra, missed = counts.hit[code], counts.extra[code], counts.missed[code]
        n = hit + missed
        rows[code] = {name: Value(v, n=n) for name, v in (("hit", hit), ("extra", extra), ("missed", missed))}
        rows[code]["F1"] = Value(counts.precision_recall_f1(code)[2], n=n, better="higher")
    return rows


def _show_errors(
    labelled: list[Labelled], groups: dict[str, Callable[[set[str]], set[str]]], progress: Progress
) -> None:
    for report, truth in labelled:
        codes = groups["statements"](read_codes(report))
        if codes != truth:
            extra, missed = " ".join(sorted(codes - truth)), " ".join(sorted(truth - codes))
            progress(" ".join(report.split()))
            progress(f"    + {extra}   - {missed}   unknown {list(read_text(report).unknown)}")
