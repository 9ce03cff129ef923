"""Scores a classifier on recordings: ``python -m metrics.evaluation.classifier --data CACHE [--split test]``.

Prints macro AUROC, AUPRC and F1 of both label levels with 95 % bootstrap intervals over patients, the expected
calibration error, and each class. F1 uses the thresholds stored with the weights, which were chosen on fold 9.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gen.card import note_evaluation
from gen.checkpoint import CARD
from gen.datasets.cache import SignalCache
from gen.files import read_json, write_json
from gen.records import InputError
from metrics.judges.classifier.labels import AGE_UNIT_YEARS, demographics_of, label_matrix, statements_of
from metrics.judges.classifier.model import SHIPPED, Classifier
from metrics.judges.classifier.scores import score
from metrics.statistics.ranking import auroc_interval

#: Positives from which a statement counts as frequent: means over rarer ones are mostly luck.
FREQUENT = 5


def evaluate(classifier: Classifier, cache: SignalCache, rows: np.ndarray, replicates: int = 1000) -> dict[str, Any]:
    """All figures of a classifier on some records of a cache.

    Returns:
        ``levels`` ('super'; 'all'; 'all_frequent': statements with at least `FREQUENT` positives) ->
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
        for name, level, least in (("super", "super", 1), ("all", "all", 1), ("all_frequent", "all", FREQUENT))
    }
    levels["all_frequent"].pop("classes")  # the same as of 'all'
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


def note_in_card(folder: Path, split: str, figures: dict[str, Any]) -> None:
    """Add the macro means, with intervals, to the card of the weights that gave them."""
    card = read_json(folder / CARD)
    means = {
        level: {name: scores[name] for name in ("scored", "auroc", "auprc", "f1", "ece")}
        for level, scores in figures["levels"].items()
    }
    noted = {"records": figures["records"], "patients": figures["patients"], **means}
    found = {
        "name": f"classifier, {split}",
        "command": "physiogen evaluate classifier",
        "revision": version("physiogen"),
    }
    write_json(folder / CARD, note_evaluation(card, {**found, "values": noted}))


def format_figures(figures: dict[str, Any]) -> str:
    """The figures as lines of text."""
    lines = [f"{figures['records']} records of {figures['patients']} patients"]
    for level, scores in figures["levels"].items():
        lines.append(f"\n{level}: macro over {scores['scored']} classes, 95 % interval over patients")
        for name in ("auroc", "auprc", "f1"):
            value = scores[name]
            lines.append(f"  {name:6} {value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]")
        lines.append(f"  ece    {scores['ece']:.3f}")
        if "classes" not in scores:
            continue
        lines.append(f"  {'class':8} {'n':>5} {'auroc':>6} {'95 %':>16} {'auprc':>6} {'f1':>6}")
        for row in scores["classes"]:
            if row["auroc"] is not None:
                bounds = f"  [{row['auroc_low']:.3f}, {row['auroc_high']:.3f}]"
                shown = f"{row['auroc']:6.3f} {bounds} {row['auprc']:6.3f} {row['f1']:6.3f}"
                lines.append(f"  {row['name']:8} {row['positives']:5d} {shown}")
    sex = figures["sex_auroc"]
    lines.append(f"\nsex auroc {sex['value']:.3f} [{sex['low']:.3f}, {sex['high']:.3f}]")
    lines.append(f"age mae {figures['age_mae_years']:.1f} years")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m metrics.evaluation.classifier", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="cache made by `physiogen data prepare`")
    parser.add_argument("--split", choices=("val", "test"), default="test")
    parser.add_argument("--weights", type=Path, help="checkpoint folder; the shipped classifier by default")
    parser.add_argument("--replicates", type=int, default=1000, help="bootstrap draws")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--card", action="store_true", help="also note the means in the weights' card.json")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    options = parser.parse_args(arguments)
    try:
        cache = SignalCache.open(options.data)
        classifier = Classifier.load(options.weights)
        figures = evaluate(classifier, cache, cache.split(options.split), options.replicates)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.out is not None:
        write_json(options.out, figures)
    if options.card:
        note_in_card(options.weights or SHIPPED, options.split, figures)
    print(json.dumps(figures, indent=2) if options.json else format_figures(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
