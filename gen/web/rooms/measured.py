"""What ``physiogen measure`` wrote, as a room shows it: its table in words, its waves by record, median beats."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gen.leads import LEADS_12, derivable
from gen.plot.beats import Beat
from gen.plot.svg import Wave
from gen.records import EcgRecord

#: Columns of its table in words.
WORDS: Mapping[str, str] = {
    "record": "ECG", "hr_bpm": "rate (bpm)", "pr_ms": "PR (ms)", "qrs_ms": "QRS (ms)", "qt_ms": "QT (ms)",
    "qtcb_ms": "QTc, Bazett (ms)", "qtcf_ms": "QTc, Fridericia (ms)", "axis_deg": "axis (°)",
    "sokolow_mv": "Sokolow-Lyon (mV)", "cornell_mv": "Cornell (mV)", "rr_cv": "variation of RR",
    "p_present": "share of beats with P", "quality": "quality, probability of acceptance", "failure": "not measured",
    "rr_ms": "RR (ms)", "sdnn_ms": "SDNN (ms)", "rmssd_ms": "RMSSD (ms)", "pnn50": "pNN50",
    "rr_lag1": "correlation of successive RR", "rhythm": "rhythm",
}  # fmt: skip
#: Columns that stand beside each other where ECGs are compared.
SHORT = ("hr_bpm", "pr_ms", "qrs_ms", "qt_ms", "axis_deg")
#: Of a beat, around the middle of QRS, in seconds.
_BEFORE_S, _AFTER_S = 0.30, 0.50
#: Where the level before QRS is read, before its middle.
_LEVEL_S = (0.09, 0.06)


def rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table; none where there is no such file yet."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def waves(path: Path, records: Sequence[EcgRecord]) -> dict[str, list[Wave]]:
    """Waves of these records, ``global`` ones included."""
    rates = {record.record_id: record.fs_hz for record in records}
    found: dict[str, list[Wave]] = {name: [] for name in rates}
    for row in rows(path):
        if row["record"] in rates:
            at = [int(row[name]) / rates[row["record"]] for name in ("onset", "peak", "offset")]
            found[row["record"]].append(Wave(row["lead"], row["wave"], *at))
    return found


def complexes(found: Sequence[Wave]) -> list[float]:
    """Middles of the QRS complexes of all leads together, in seconds."""
    return [wave.peak_s for wave in found if wave.lead == "global" and wave.kind == "QRS"]


def median_beat(record: EcgRecord, middles_s: Sequence[float]) -> Beat | None:
    """The median beat of the leads that a record has or that follow from them; None where no beat lies inside it.

    Args:
        record: any leads.
        middles_s: of its QRS complexes.
    """
    shown = record.select(derivable(record.leads))
    before, size = round(_BEFORE_S * record.fs_hz), round((_BEFORE_S + _AFTER_S) * record.fs_hz)
    starts = [round(middle * record.fs_hz) - before for middle in middles_s]
    starts = [start for start in starts if 0 <= start <= record.num_samples - size]
    if not starts:
        return None
    level = slice(*(before - round(each * record.fs_hz) for each in _LEVEL_S))
    form = np.full((len(LEADS_12), size), np.nan, dtype=np.float32)
    for lead, values in zip(shown.leads, shown.signal_mv, strict=True):
        if lead in LEADS_12:
            beats = np.stack([values[start : start + size] for start in starts])
            form[LEADS_12.index(lead)] = np.median(beats - np.median(beats[:, level], axis=1, keepdims=True), axis=0)
    return Beat(record.record_id, form, record.fs_hz, _BEFORE_S)
