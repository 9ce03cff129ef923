"""Is a monitor better for being adapted to its person? ``python -m metrics.evaluation.personal_monitor SETS``.

A classifier of ten-second ECGs (normal, or one of several events) is trained on a population and then goes on, for each
person apart, with ECGs of that person. What it may go on with is compared at equal cost: synthetic twins of the person
in every condition, a stranger's twins, the person's one real recording varied in simple ways, or nothing personal at
all. Scored on later recordings of the same people, with intervals over people (after ECGTwin's pECGMonitor, Lai et al.
2025, arXiv 2508.02720).

SETS holds record sets, matched by patient id (``python -m diffusion.evaluation.monitor_sets`` makes them of
simulated hearts):

    population   labelled ECGs of other people
    references   one recording of each person
    visits       later recordings of each person: what is scored
    twins        synthetic ECGs of each person in the conditions to be told apart
    own          optional: more true recordings of each person, the ceiling of what twins can do
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from gen.files import write_json
from gen.records import EcgRecord, InputError
from metrics.judges.classifier.scores import without_nan
from metrics.statistics.bootstrap import Interval
from metrics.suite.sets import open_set
from metrics.utility.fit import LabelledSet
from metrics.utility.monitor_fit import BASES, GENERAL, PERSONAL, WAYS, Result, monitors

#: Statements to be told apart; a recording counts as the first of them that it states, and as normal without any.
EVENTS = ("AFIB", "PVC", "STD_", "IMI")
NORMAL = "NORM"
_RATE_HZ, _LENGTH = 500.0, 5000


def labelled(records: Sequence[EcgRecord], patients: Sequence[str], events: Sequence[str]) -> LabelledSet:
    """Ten seconds of each recording with its class: normal, or the first event that it states.

    Raises:
        InputError: no recording, or one that is shorter.
    """
    signals, labels = [], np.zeros((len(records), 1 + len(events)), dtype=bool)
    for k, record in enumerate(records):
        signal = record.to_8().at(_RATE_HZ).signal_mv[:, :_LENGTH]
        if signal.shape[1] < _LENGTH:
            raise InputError(f"{record.record_id}: {record.duration_s:.2f} s; accepted: ten seconds or more")
        signals.append(signal.astype(np.float32))
        stated = [1 + i for i, event in enumerate(events) if event in record.statements]
        labels[k, stated[0] if stated else 0] = True
    if not signals:
        raise InputError("no recording; accepted: at least one in each set")
    return LabelledSet(np.stack(signals), _RATE_HZ, labels, np.asarray(patients))


def table(results: Mapping[str, Result], classes: Sequence[str]) -> str:
    """Markdown: a line for each way."""
    bases = [base for base in BASES if base in results]
    head = ["monitor", "macro AUROC", *classes, "macro F1", "weighted F1", *(f"AUROC over '{b}'" for b in bases)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, result in results.items():
        cells = [_words(result.auroc), *(f"{result.classes[c]:.3f}" for c in classes)]
        cells += [_words(result.macro_f1), _words(result.weighted_f1)]
        for base in bases:
            found = result.differences.get(base)
            cells.append("" if found is None else _words(found["auroc"].interval, "+"))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _words(found: Interval, sign: str = "") -> str:
    return f"{found.value:{sign}.3f} [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m metrics.evaluation.personal_monitor", description=__doc__)
    parser.add_argument("sets", type=Path, help="folder of the record sets")
    parser.add_argument("--events", default=",".join(EVENTS), help="statements to be told apart")
    parser.add_argument("--only", help="names of the ways to run, separated by ;")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each monitor")
    parser.add_argument("--steps", type=int, default=GENERAL.steps, help="of the general training")
    parser.add_argument("--personal-steps", type=int, default=PERSONAL.steps, help="of going on with a person")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    events = tuple(options.events.split(","))
    try:
        sets = {}
        for name in ("population", "references", "visits", "twins", "own"):
            if name != "own" or (options.sets / name).is_dir():
                found = open_set(options.sets / name)
                sets[name] = labelled(list(found), found.patients, events)
        wanted = options.only.split(";") if options.only else list(WAYS)
        unknown = [name for name in wanted if name not in WAYS]
        if unknown:
            raise InputError(f"--only {unknown[0]}: accepted: {'; '.join(WAYS)}")
        results = monitors(
            sets,
            classes=(NORMAL, *events),
            ways={name: WAYS[name] for name in wanted},
            seeds=range(options.seeds),
            general=replace(GENERAL, steps=options.steps),
            personal=replace(PERSONAL, steps=options.personal_steps),
            progress=lambda line: print(line, file=sys.stderr),
        )
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(results, (NORMAL, *events)))
    if options.json:
        sizes = {name: len(one) for name, one in sets.items()}
        values = {name: asdict(result) for name, result in results.items()}
        write_json(options.json, without_nan({"records": sizes, "seeds": options.seeds, "ways": values}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
