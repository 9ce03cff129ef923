"""How much beats of one ECG differ from each other: ``physiogen evaluate beat-variability SET...``.

Generators of whole recordings may draw every beat anew. For each beat: the energy of its QRS complex's difference from
the median beat, as a share of the median beat's energy; of these the median over the beats of a record.
"""

from collections.abc import Sequence

import numpy as np

from gen.evaluations import Progress, data_at, short_names
from gen.records import EcgRecord
from gen.results import Results, Value
from metrics.evaluation.settings import BeatVariability
from metrics.measurement.delineation.delineator import Delineation, delineate
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import bootstrap_mean
from metrics.suite.sets import open_set

#: Leads that are compared, and half the window in samples at the delineator's 250 Hz (80 ms).
LEADS, HALF = ("I", "II", "V1", "V2", "V4", "V5"), 20
_FS_HZ, _SEARCH, _LEAST_BEATS = 250.0, 15, 4


def beat_residual(found: Delineation) -> float:
    """Median over the beats of an ECG; NaN with fewer than four of them inside it."""
    rows = found.signal_mv[[found.leads.index(lead) for lead in LEADS]]
    slope = np.abs(np.gradient(rows, axis=1)).sum(axis=0)
    qrs = found.consensus[1]
    beats = []
    for onset, offset in zip(qrs.onset.tolist(), qrs.offset.tolist(), strict=True):
        middle = round((onset + offset) / 2 * _FS_HZ)
        first = max(middle - _SEARCH, 0)
        if first < HALF or middle + _SEARCH + HALF >= rows.shape[1]:
            continue
        steepest = first + int(np.convolve(slope[first : middle + _SEARCH], np.ones(5), "same").argmax())
        window = rows[:, steepest - HALF : steepest + HALF]
        beats.append(window - window.mean(axis=1, keepdims=True))
    if len(beats) < _LEAST_BEATS:
        return float("nan")
    whole = np.stack(beats)
    middle_beat = np.median(whole, axis=0)
    energy = float((middle_beat**2).sum())
    return float(np.median(((whole - middle_beat) ** 2).sum(axis=(1, 2))) / energy) if energy > 0 else float("nan")


def beat_residuals(records: Sequence[EcgRecord]) -> Array:
    """(n,) of records with twelve leads, or the eight that the others follow from."""
    found = []
    for record in records:
        whole = record.to_12()
        found.append(beat_residual(delineate(whole.signal_mv[None], whole.fs_hz, whole.leads)[0]))
    return np.array(found)


def run(settings: BeatVariability, progress: Progress) -> Results:
    """A line for each set."""
    sets = [open_set(location) for location in settings.sets]
    rows = {}
    for name, one in zip(short_names(settings.sets), sets, strict=True):
        values = beat_residuals(list(one))
        count = int(np.isfinite(values).sum())
        rows[name] = {
            "median": Value.of(np.nanmedian(values) if count else None, n=count),
            "mean": Value.of(bootstrap_mean(values, groups=one.patients, replicates=1000)),
        }
        progress(f"{one.name}: {len(values)} records")
    return settings.results({"beat-to-beat residual of QRS": rows}, data=[data_at(one) for one in settings.sets])
