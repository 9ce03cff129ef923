"""Whether a monitor is better for being adapted to its person.

A classifier of ten-second ECGs (normal, or one of several events) is trained on a population and then goes on, for each
person apart, with ECGs of that person. What it may go on with is compared at equal cost: synthetic twins of the person
in every condition, a stranger's twins, the person's one real recording varied in simple ways, or nothing personal at
all. Scored on later recordings of the same people, with intervals over people (after ECGTwin's pECGMonitor, Lai et al.
2025, arXiv 2508.02720).

A folder holds record sets, matched by patient id (``physiogen evaluate personal-monitor --sets FOLDER`` makes them of
simulated hearts, trains and scores):

    population   labelled ECGs of other people
    references   one recording of each person
    visits       later recordings of each person: what is scored
    twins        synthetic ECGs of each person in the conditions to be told apart
    own          optional: more true recordings of each person, the ceiling of what twins can do
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gen.records import EcgRecord, InputError
from gen.results import Value
from metrics.suite.sets import open_set
from metrics.utility.fit import LabelledSet
from metrics.utility.monitor_fit import BASES, GENERAL, PERSONAL, WAYS, Result, monitors

#: Statements to be told apart; a recording counts as the first of them that it states, and as normal without any.
EVENTS = ("AFIB", "PVC", "STD_", "IMI")
NORMAL = "NORM"
SETS = ("population", "references", "visits", "twins", "own")
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


def scored(
    folder: Path,
    *,
    events: Sequence[str] = EVENTS,
    ways: Sequence[str] = (),
    seeds: int = 3,
    general_steps: int | None = None,
    personal_steps: int | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[dict[str, Result], dict[str, int]]:
    """Train and score monitors on the record sets of a folder.

    Args:
        folder: of the sets, see the module.
        events: statements to be told apart.
        ways: names of `WAYS`; empty: all.
        seeds: trainings of each monitor.
        general_steps, personal_steps: of the general training and of going on with a person; None: the usual ones.
        progress: called with lines.

    Returns:
        Results by way, and the number of records of each set.

    Raises:
        InputError: a set is missing or cannot be used, or an unknown way.
    """
    unknown = [name for name in ways if name not in WAYS]
    if unknown:
        raise InputError(f"--only {unknown[0]}: accepted: {'; '.join(WAYS)}")
    sets = {}
    for name in SETS:
        if name != "own" or (folder / name).is_dir():
            found = open_set(folder / name)
            sets[name] = labelled(list(found), found.patients, events)
    results = monitors(
        sets,
        classes=(NORMAL, *events),
        ways={name: WAYS[name] for name in ways or WAYS},
        seeds=range(seeds),
        general=GENERAL if general_steps is None else replace(GENERAL, steps=general_steps),
        personal=PERSONAL if personal_steps is None else replace(PERSONAL, steps=personal_steps),
        progress=progress,
    )
    return dict(results), {name: len(one) for name, one in sets.items()}


def table(results: Mapping[str, Result], n: int) -> dict[str, dict[str, Value]]:
    """A line for each way; ``n`` visits were scored."""
    rows = {}
    for name, result in results.items():
        row = {"macro AUROC": Value.of(result.auroc, n=n, better="higher")}
        row |= {f"AUROC, {code}": Value.of(area, n=n, better="higher") for code, area in result.classes.items()}
        row["macro F1"] = Value.of(result.macro_f1, n=n, better="higher")
        row["weighted F1"] = Value.of(result.weighted_f1, n=n, better="higher")
        for base in (base for base in BASES if base in result.differences):
            change = result.differences[base]["auroc"].interval
            row[f"AUROC over '{base}'"] = Value.of(change, n=n, better="higher")
        rows[name] = row
    return rows
