"""LUDB's annotations: P, QRS and T of every lead, marked by cardiologists (Kalyakulina et al. 2020)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError
from metrics.measurement.delineation.waves import Wave

_SYMBOLS = {"p": "P", "N": "QRS", "t": "T"}


@dataclass(frozen=True)
class AnnotatedRecord:
    """A record with the marks of its twelve leads.

    Attributes:
        record: twelve leads, mV.
        waves: lead -> marks in order of time, seconds.
        atrial_fibrillation: the rhythm is atrial fibrillation or flutter, so there is no P wave.
    """

    record: EcgRecord
    waves: dict[str, list[Wave]]
    atrial_fibrillation: bool

    @property
    def number(self) -> int:
        """LUDB's number of the record, 1 to 200."""
        return int(self.record.record_id)

    def span(self, lead: str) -> tuple[float, float]:
        """From the first to the last mark of a lead, seconds: outside, beats are there but not annotated."""
        times = [t for wave in self.waves[lead] for t in (wave.onset, wave.peak, wave.offset)]
        return (float(np.nanmin(times)), float(np.nanmax(times))) if times else (0.0, 0.0)


def read_ludb(root: str | Path, first: int = 1, last: int = 200) -> Iterator[AnnotatedRecord]:
    """Records ``first`` to ``last`` (LUDB's numbers, both included) that are there.

    Raises:
        InputError: no LUDB there, or a damaged file.
    """
    from gen.datasets import open_source

    root = Path(root)
    if not (root / "ludb.csv").is_file():
        raise InputError(f"{root}: no LUDB (ludb.csv is missing); give the folder that holds ludb.csv and data/")
    source = open_source(root)
    for index, name in enumerate(source.table["record_id"]):
        if first <= int(name) <= last:
            record = source[index]
            waves = {lead: _read_waves(root / "data" / name, lead, record.fs_hz) for lead in LEADS_12}
            yield AnnotatedRecord(record, waves, bool({"AFIB", "AFLT"} & set(record.statements)))


def _read_waves(stem: Path, lead: str, fs_hz: float) -> list[Wave]:
    """Marks of one lead; a bracket that is missing in the file becomes NaN."""
    import wfdb

    try:
        annotation = wfdb.rdann(str(stem), lead.lower())
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{stem}.{lead.lower()}: annotation cannot be read ({error})") from error
    symbols, samples = annotation.symbol, annotation.sample / fs_hz
    waves = []
    for k, symbol in enumerate(symbols):
        if symbol not in _SYMBOLS:
            continue
        onset = samples[k - 1] if k > 0 and symbols[k - 1] == "(" else np.nan
        offset = samples[k + 1] if k + 1 < len(symbols) and symbols[k + 1] == ")" else np.nan
        waves.append(Wave(_SYMBOLS[symbol], float(onset), float(samples[k]), float(offset)))
    return waves
