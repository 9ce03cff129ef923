"""The utility of a synthetic set: ``python -m metrics.evaluation.utility --data CACHE --synthetic CACHE``.

Real records are trained on (folds 1-8), thresholds chosen (9) and tested on (10); of the synthetic cache every record
is used, whatever its split. Labels are the five superclasses of the statements. Prints a line per setting: macro
AUROC, AUPRC and F1 with intervals over patients, and the paired change against real records alone.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gen.datasets.cache import SignalCache
from gen.datasets.scp import SUPERCLASSES
from gen.files import write_json
from gen.records import InputError
from metrics.judges.classifier.labels import label_matrix, statements_of
from metrics.utility.downstream import FitConfig, LabelledSet, Result, standard_settings, utility


def labelled(cache: SignalCache, rows: np.ndarray) -> LabelledSet:
    """Records of a cache with their superclasses; raises `InputError` where there are none."""
    if not len(rows):
        raise InputError(f"{cache.path}: no record in a split; accepted: a cache with train, val and test")
    table = cache.table.iloc[rows]
    labels = label_matrix(statements_of(table), SUPERCLASSES, "super")
    return LabelledSet(cache.batch(rows), cache.fs_hz, labels, table["patient_id"].to_numpy())


def format_results(results: Mapping[str, Result]) -> str:
    """A line per setting, best first."""
    lines = [
        f"{'setting':20} {'real':>6} {'synth':>6}  {'auroc':20} {'auprc':>6} {'f1':>6} {'ece':>6}  change of auroc"
    ]
    for name, result in sorted(results.items(), key=lambda item: -item[1].scores.auroc.value):
        scores, auroc = result.scores, result.scores.auroc
        changes = [d["auroc"].interval for key, d in result.differences.items() if key.startswith("TRTR")]
        change = "".join(f"{c.value:+.3f} [{c.low:+.3f}, {c.high:+.3f}]" for c in changes)
        values = " ".join(f"{value:6.3f}" for value in (scores.auprc.value, scores.f1.value, scores.ece))
        lines.append(
            f"{name:20} {result.records[0]:6d} {result.records[1]:6d}  "
            f"{auroc.value:.3f} [{auroc.low:.3f}, {auroc.high:.3f}] {values}  {change}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m metrics.evaluation.utility", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="cache of real records with train, val and test")
    parser.add_argument("--synthetic", type=Path, required=True, help="cache of synthetic records")
    parser.add_argument("--shares", type=_numbers, default=(0.01, 0.1, 1.0), help="shares of the real records")
    parser.add_argument("--ratios", type=_numbers, default=(1.0,), help="synthetic records per real one")
    parser.add_argument("--only", help="names of the settings to run, separated by commas")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each setting")
    parser.add_argument("--steps", type=int, default=FitConfig.steps, help="steps of each training")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    options = parser.parse_args(arguments)
    try:
        settings = standard_settings(shares=options.shares, ratios=options.ratios)
        if options.only:
            wanted = options.only.split(",")
            settings = tuple(setting for setting in settings if setting.name in wanted)
        real, synthetic = SignalCache.open(options.data), SignalCache.open(options.synthetic)
        train, validation, test = (labelled(real, real.split(name)) for name in ("train", "val", "test"))
        results = utility(
            train=train,
            validation=validation,
            test=test,
            synthetic=labelled(synthetic, np.arange(len(synthetic))),
            classes=SUPERCLASSES,
            settings=settings,
            seeds=range(options.seeds),
            config=FitConfig(steps=options.steps),
            progress=lambda line: print(line, file=sys.stderr),
        )
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    values = {name: result.to_dict() for name, result in results.items()}
    if options.out is not None:
        write_json(options.out, values)
    print(json.dumps(values, indent=2) if options.json else format_results(results))
    return 0


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
