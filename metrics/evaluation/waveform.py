"""Whether judges of the waveform tell generated from recorded ECGs: ``physiogen evaluate waveform GEN --real SET``."""

from typing import Any

import numpy as np

from gen.evaluations import Progress, data_at
from gen.results import Results, Value
from gen.signals import fill_gaps, lowpass
from metrics.evaluation.settings import Waveform
from metrics.judges.forest import ALL, Verdict, judge
from metrics.judges.waveform import raw_waveform_test
from metrics.statistics.bootstrap import Interval
from metrics.suite.aligned import align_set, choose_target
from metrics.suite.pairing import find_pairs, with_patients_of
from metrics.suite.sections.waveform import Support, describe_set, eight, families_of, highest_hz, support
from metrics.suite.sets import open_set

#: Waves of the heart lie below this.
_WAVES_HZ = 40.0


def run(settings: Waveform, progress: Progress) -> Results:
    """AUROC of the forests by family and of the network, each with its floor; precision and recall."""
    locations = [settings.real, settings.generated, *([] if settings.reference is None else [settings.reference])]
    opened = [open_set(location) for location in locations]
    target, _ = choose_target(opened, seconds=settings.seconds)
    sets = [align_set(each, target) for each in opened]
    pairs = find_pairs(sets[0], sets[1])
    if pairs is not None:
        sets[1] = with_patients_of(sets[0], sets[1], pairs)
    found = [describe_set(each, highest=highest_hz(sets)) for each in sets]
    progress(f"{', '.join(f'{len(each)} of {each.name}' for each in sets)} described")
    people: dict[str, Any] = {"real_groups": sets[0].patients, "generated_groups": sets[1].patients}
    if len(sets) > 2:
        people |= {"reference": found[2], "reference_groups": sets[2].patients}
    judged = judge(found[0], found[1], families=families_of(sets), seed=settings.seed, **people)
    progress(f"forests: {judged[ALL].auroc.value:.3f}")
    values: dict[str, Any] = {"forest on waveform descriptors": {name: _row(each) for name, each in judged.items()}}
    values["what tells most"] = {name: _telling(each) for name, each in judged.items() if each.telling}
    if not settings.no_network:
        people.pop("reference", None)
        whole = [eight(each) for each in sets]
        # What recorders and files add lies mostly above the waves.
        below = [lowpass(fill_gaps(each), target.fs_hz, _WAVES_HZ).astype(np.float32) for each in whole]
        values["network on the raw waveform"] = {}
        for name, signals in (("raw", whole), (f"below {_WAVES_HZ:g} Hz", below)):
            if len(sets) > 2:
                people["reference_mv"] = signals[2]
            raw = raw_waveform_test(signals[0], signals[1], target.fs_hz, seed=settings.seed, **people)
            row = {"AUROC": _value(raw.auroc), "floor": _value(raw.floor)}
            values["network on the raw waveform"][name] = row
            progress(f"network, {name}: {raw.auroc.value:.3f}")
    scores = support(found[0], found[1], (sets[0].patients, sets[1].patients), seed=settings.seed)
    values["support of the descriptors (k = 5)"] = {name: _support_row(each) for name, each in scores.items()}
    return settings.results(
        values,
        data=[data_at(location) for location in locations],
        n=len(sets[1]),
        left_out=list(judged.left_out),
        skipped=dict(judged.skipped),
        floor=judged.floor_name,
    )


def _row(verdict: Verdict) -> dict[str, Value]:
    return {"AUROC": _value(verdict.auroc), "floor": _value(verdict.floor)}


def _value(interval: Interval | None) -> Value:
    return Value.of(interval, better="lower")


def _support_row(found: Support) -> dict[str, Value]:
    row = {"all records": Value.of(found.value, better="higher", n=found.n)}
    if found.halves is not None:
        row["generated half against real half"] = Value.of(found.halves.here, better="higher", n=found.halves.size)
        row["real half against real half"] = Value.of(found.halves.floor, n=found.halves.size)
    return row


def _telling(verdict: Verdict) -> str:
    return "; ".join(map(str, verdict.telling))
