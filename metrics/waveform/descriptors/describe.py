"""Descriptors of many ECGs at once, all families side by side."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from gen.leads import LEADS_8, LEADS_12, canonical_leads, derivable, to_leads
from gen.records import EcgRecord, InputError
from metrics.statistics.arrays import Array

#: Families in the order of reports.
FAMILIES = ("spectrum", "rhythm", "beats", "coherence", "amplitude", "quantisation")
_SHORTEST_S = 2.0


@dataclass(frozen=True, eq=False)
class Descriptors:
    """Descriptors of a set.

    Attributes:
        values: (n, d); NaN where a descriptor could not be read.
        names: (d,), unique.
        families: (d,) of each name, one of `FAMILIES`.
    """

    values: Array
    names: tuple[str, ...]
    families: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def family(self, name: str) -> "Descriptors":
        """The columns of one family.

        Raises:
            InputError: no such family.
        """
        if name not in FAMILIES:
            raise InputError(f"family {name!r}: unknown; accepted: {', '.join(FAMILIES)}")
        return self.columns([k for k, family in enumerate(self.families) if family == name])

    def columns(self, which: Sequence[int]) -> "Descriptors":
        """Some columns, by position."""
        return Descriptors(
            self.values[:, list(which)],
            tuple(self.names[k] for k in which),
            tuple(self.families[k] for k in which),
        )

    def rows(self, which: npt.NDArray[Any]) -> "Descriptors":
        """Some records, by mask or index."""
        return Descriptors(self.values[which], self.names, self.families)


def describe(
    records: Iterable[EcgRecord] | npt.ArrayLike,
    fs_hz: float | None = None,
    leads: Sequence[str] | None = None,
    *,
    highest_hz: float | None = None,
    batch: int = 64,
) -> Descriptors:
    """Descriptors of ECGs.

    The eight independent leads are read where they are there or follow; otherwise the leads there are. All records
    must give the same ones. NaN mark missing samples.

    Args:
        records: `EcgRecord` objects, or an array (n, lead, time) in mV.
        fs_hz, leads: of the array; leads may be left out for 8 (`LEADS_8`) and 12 (`LEADS_12`).
        highest_hz: bands that reach higher are NaN; None: what the sampling rate of each record holds.
        batch: ECGs of one kind computed together.

    Returns:
        One row per ECG, in order, which depends on that ECG alone.

    Raises:
        InputError: no record, an array without a rate or of other dimensions, records of different leads, or one
            shorter than two seconds.
    """
    parts: list[Array] = []
    names: tuple[tuple[str, str], ...] | None = None
    for signal, rate, given in _groups(records, fs_hz, leads, batch):
        values, here = _describe(signal, rate, given, highest_hz)
        if names is not None and here != names:
            raise InputError(f"records with leads {', '.join(given)} among others; accepted: the same leads in all")
        names = here
        parts.append(values)
    if names is None:
        raise InputError("no record; accepted: at least one")
    return Descriptors(np.concatenate(parts), tuple(name for _, name in names), tuple(family for family, _ in names))


def _describe(
    signal: npt.NDArray[np.float32], fs_hz: float, leads: tuple[str, ...], highest_hz: float | None
) -> tuple[Array, tuple[tuple[str, str], ...]]:
    from metrics.waveform.descriptors import amplitude, beats, coherence, quantisation, rhythm, spectrum

    if signal.shape[-1] < _SHORTEST_S * fs_hz:
        raise InputError(f"a record of {signal.shape[-1] / fs_hz:g} s; accepted: at least {_SHORTEST_S:g} s")
    own = LEADS_8 if set(LEADS_8) <= set(derivable(leads)) else leads
    rows = signal if own == leads else to_leads(signal, leads, own)
    rows = np.where(np.isfinite(rows), rows, np.nan).astype(np.float32, copy=False)
    slow = beats.slow_signal(rows, fs_hz)
    found = beats.find_beats(slow, own)
    blocks = {
        "spectrum": (spectrum.names(own), spectrum.spectrum(rows, fs_hz, highest_hz)),
        "rhythm": (rhythm.NAMES, rhythm.rhythm([each.times_s for each in found])),
        "beats": (beats.NAMES, beats.variability(found)),
        "coherence": (coherence.names(own), coherence.coherence(found, own)),
        "amplitude": (amplitude.names(own), amplitude.amplitude(found, own)),
        "quantisation": (quantisation.NAMES, quantisation.quantisation(rows)),
    }
    named = tuple((family, name) for family in FAMILIES for name in blocks[family][0])
    return np.concatenate([blocks[family][1] for family in FAMILIES], axis=1), named


def _groups(
    records: Iterable[EcgRecord] | npt.ArrayLike, fs_hz: float | None, leads: Sequence[str] | None, batch: int
) -> Iterator[tuple[npt.NDArray[np.float32], float, tuple[str, ...]]]:
    if hasattr(records, "__array__"):
        array = np.asarray(records)
        rate, names = _facts(array, fs_hz, leads)
        for start in range(0, len(array), batch):
            yield array[start : start + batch].astype(np.float32, copy=False), rate, names
        return
    group: list[EcgRecord] = []
    for record in cast(Iterable[EcgRecord], records):
        if group and (len(group) == batch or _kind(record) != _kind(group[0])):
            yield _stacked(group)
            group = []
        group.append(record)
    if group:
        yield _stacked(group)


def _kind(record: EcgRecord) -> tuple[float, tuple[str, ...], int]:
    return record.fs_hz, record.leads, record.num_samples


def _stacked(group: list[EcgRecord]) -> tuple[npt.NDArray[np.float32], float, tuple[str, ...]]:
    return np.stack([record.signal_mv for record in group]).astype(np.float32), group[0].fs_hz, group[0].leads


def _facts(array: npt.NDArray[Any], fs_hz: float | None, leads: Sequence[str] | None) -> tuple[float, tuple[str, ...]]:
    if array.ndim != 3:
        raise InputError(f"records of shape {array.shape}; accepted: EcgRecord objects or an array (n, lead, time)")
    if fs_hz is None or not fs_hz > 0:
        raise InputError(f"fs_hz={fs_hz}: an array needs its sampling rate in Hz")
    if leads is None:
        known = {8: LEADS_8, 12: LEADS_12}
        if array.shape[1] not in known:
            raise InputError(f"{array.shape[1]} leads without names; accepted: 8 or 12 leads, or leads=")
        return float(fs_hz), known[array.shape[1]]
    names = canonical_leads(leads)
    if len(names) != array.shape[1]:
        raise InputError(f"{array.shape[1]} leads, but {len(names)} names")
    return float(fs_hz), names
