"""ECGs by number, for a `torch.utils.data.DataLoader`: any set, at the speed of memory from the second time on.

    loader = DataLoader(physiogen.dataset("AUG"), batch_size=64, shuffle=True)

A signal cache is memory-mapped and read at once. Other sets (Parquet, WebDataset, WFDB, ...) are decoded a block at a
time, as their format stores them, into a scratch file that all workers of a loader share; no record is decoded twice.
The file is removed at the end of the process that made it. Nothing here needs torch: items are NumPy arrays, which a
loader collates into tensors.
"""

import json
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gen.datasets.base import Source
from gen.datasets.cache_format import DTYPE, MISSING
from gen.datasets.cache_reader import SignalCache
from gen.datasets.own_labels import LABEL, Meaning, labels_of, meanings_of
from gen.datasets.scp import LABEL_LEVELS, aggregate, check_level, labels_at
from gen.leads import LEADS_8, LEADS_12, canonical_leads, to_leads
from gen.records import EcgRecord, InputError
from gen.signals import resample

Item = dict[str, Any]


class EcgDataset:
    """ECGs and their labels by number; what a map-style data set of torch is.

    Items are ``{"signal": (lead, time) float32 mV, "label": (class,) float32, "index": int}``; samples that were not
    recorded are 0, labels are 1 where the class is stated.

    Attributes:
        table: one row a record, in the order of the items.
        classes: names of the labels' columns.
        leads: of the signals.
        fs_hz: rate of the signals.
        num_samples: per lead; longer recordings are cut, shorter ones filled with 0.
        meanings: what labels of one's own stand for, as far as the set says it.
    """

    def __init__(
        self,
        store: "SignalCache | _Scratch",
        table: pd.DataFrame,
        rows: np.ndarray,
        labels: tuple[tuple[str, ...], np.ndarray],
        leads: Sequence[str],
        transform: Callable[[np.ndarray], np.ndarray] | None,
        meanings: Mapping[str, Meaning],
    ) -> None:
        self._store, self._rows, self._transform = store, rows, transform
        self.table = table.iloc[rows].reset_index(drop=True)
        self.leads = canonical_leads(leads)
        self.classes, self.labels = labels
        self.meanings = meanings
        self.fs_hz, self.num_samples = store.fs_hz, store.num_samples
        self._rule = _Rule(self.leads)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        """Several items at once, as a DataLoader asks for a batch.

        Raises:
            IndexError: no such record.
            InputError: a record cannot be read.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        if len(chosen) and not (-len(self) <= chosen.min() and chosen.max() < len(self)):
            raise IndexError(f"record {indices} of {len(self)}")
        chosen %= max(1, len(self))
        signals = self._signals(self._rows[chosen])
        if self._transform is not None:
            signals = np.stack([np.asarray(self._transform(signal), dtype=np.float32) for signal in signals])
        return [
            {"signal": signal, "label": self.labels[index], "index": int(index)}
            for signal, index in zip(signals, chosen, strict=True)
        ]

    def _signals(self, rows: np.ndarray) -> np.ndarray:
        """(record, lead, time) float32 mV, a fresh array; record by record, so that each stays in the fast memory."""
        out = np.empty((len(rows), len(self.leads), self.num_samples), dtype=np.float32)
        if isinstance(self._store, _Scratch):
            self._store.need(rows)
        read = self._store.uv if isinstance(self._store, _Scratch) else self._store.signals_uv
        for signal, row in zip(out, rows, strict=True):
            self._rule.apply(read[row], signal)
        return out


class _Rule:
    """How leads follow from the eight that are stored, in microvolt."""

    def __init__(self, leads: Sequence[str]) -> None:
        weights = to_leads(np.eye(len(LEADS_8), dtype=np.float32), LEADS_8, tuple(leads))
        self._terms = [[(int(k), np.float32(row[k])) for k in np.flatnonzero(row)] for row in weights]
        #: Row of the result that is a stored lead itself: what follows from it is computed there, in floats.
        self._place = {terms[0][0]: k for k, terms in enumerate(self._terms) if len(terms) == 1}

    def apply(self, stored_uv: np.ndarray, out: np.ndarray) -> None:
        """Millivolt of the leads, 0 where nothing was recorded.

        Args:
            stored_uv: (8, time) int16, `MISSING` where nothing was recorded.
            out: (lead, time) float32, filled.
        """
        for lead, row in self._place.items():
            np.multiply(stored_uv[lead], np.float32(1e-3), out=out[row], dtype=np.float32)
        for row, terms in zip(out, self._terms, strict=True):
            if len(terms) == 1:
                continue
            (first, a), (second, b) = terms
            x, y = (out[self._place[k]] if k in self._place else _millivolt(stored_uv[k]) for k in (first, second))
            if a == b:
                np.add(x, y, out=row)
                row *= a
            elif abs(a) == abs(b) == 1:
                np.subtract(*((y, x) if b > a else (x, y)), out=row)
            else:
                np.multiply(x, a, out=row)
                row += y if b == 1 else y * b
        if stored_uv.min() == MISSING:
            holes = stored_uv == MISSING
            for row, terms in zip(out, self._terms, strict=True):
                row[np.logical_or.reduce([holes[lead] for lead, _ in terms])] = 0.0


def _millivolt(stored_uv: np.ndarray) -> np.ndarray:
    return np.multiply(stored_uv, np.float32(1e-3), dtype=np.float32)


def dataset(
    path: str | Path,
    *,
    split: str | None = None,
    classes: str | Sequence[str] | None = None,
    leads: Sequence[str] | None = None,
    fs_hz: float = 500,
    seconds: float = 10,
    transform: Callable[[np.ndarray], np.ndarray] | None = None,
    meanings: Mapping[str, Meaning] | None = None,
) -> EcgDataset:
    """A set of ECGs by number, for a DataLoader.

    Args:
        path: a signal cache of ``physiogen data prepare``, a record set, or any folder of readable files.
        split: train, val or test; all records where not given.
        classes: labels: "super", "sub" or "all" of the SCP-ECG statements, "label" for the set's own labels, or names
            of either. Without it the set's own labels where it has any, else the five superclasses.
        leads: leads wanted; the twelve where not given.
        fs_hz: rate of the signals; a cache has one of its own.
        seconds: length of the signals; as for the rate.
        transform: applied to each (lead, time) signal.
        meanings: what labels of another set stand for (its `EcgDataset.meanings`): a class that this set has no label
            of is told by its statements then.

    Raises:
        InputError: no set there, or an unknown split or class.
        LeadError: an unknown lead.
    """
    folder = Path(path)
    store: SignalCache | _Scratch
    if (folder / "manifest.json").is_file() and (folder / "records.parquet").is_file():
        store = SignalCache.open(folder)
        table = store.table
    else:
        from gen.datasets import open_source

        source = open_source(folder, fs_hz=fs_hz)
        table = source.table
        store = _Scratch(source, fs_hz, round(fs_hz * seconds))
    if split is not None and split not in ("train", "val", "test"):
        raise InputError(f"split {split!r}: accepted: train, val, test, or none for all records")
    rows = np.arange(len(table)) if split is None else np.flatnonzero(table["split"].to_numpy() == split)
    if not len(rows):
        raise InputError(f"{folder}: no record in {'it' if split is None else f'split {split!r}'}")
    own = meanings_of(folder)
    labels = _labels(str(folder), table, rows, classes, {**(meanings or {}), **own}, own)
    return EcgDataset(store, table, rows, labels, LEADS_12 if leads is None else leads, transform, own)


def _labels(
    name: str,
    table: pd.DataFrame,
    rows: np.ndarray,
    classes: str | Sequence[str] | None,
    meanings: Mapping[str, Meaning],
    own_meanings: Mapping[str, Meaning],
) -> tuple[tuple[str, ...], npt.NDArray]:
    """Names of classes, and (record, class) float32.

    Args:
        name: of the set, for errors.
        table: of the whole set, so that a class does not depend on the split.
        rows: records of the split.
        classes: as `dataset` takes them.
        meanings: of labels that may stand in another set.
        own_meanings: of the set's labels.
    """
    every = [labels_of(row) for row in table.to_dict("records")]
    known = sorted({label for found in every for label in found})
    own = [every[row] for row in rows]
    if classes is None:
        classes = LABEL if known else "super"
    if classes == LABEL and not known:
        raise InputError(f"{name}: classes 'label': no record has a label; accepted: super, sub, all, or SCP-ECG codes")
    carried: list[set[str]]
    if classes == LABEL:
        names, carried = tuple(known), [set(each) for each in own]
    else:
        codes = [json.loads(text or "{}") for text in table["statements"].iloc[rows]]
        level = check_level(classes) if isinstance(classes, str) else None
        levels = LABEL_LEVELS if level is None else (level,)
        implied = {
            label: set().union(*(own_meanings[label].classes_at(each) for each in levels)) for label in own_meanings
        }
        carried = [
            set().union(*(aggregate(found, each) for each in levels), *(implied.get(label, ()) for label in said))
            for said, found in zip(own, codes, strict=True)
        ]
        if level is not None:
            names = labels_at(level)
        else:
            names = tuple(classes)
            elsewhere = {label: each for label, each in meanings.items() if label not in known}
            for said, found, place in zip(own, codes, carried, strict=True):
                place |= {*said, *(label for label, each in elsewhere.items() if each.codes & set(found))}
            unknown = set(names) - {*known, *elsewhere, *(label for each in LABEL_LEVELS for label in labels_at(each))}
            if unknown:
                raise InputError(
                    f"{name}: class {min(unknown)!r}: neither a label of the set nor a class of PTB-XL; its labels: "
                    f"{', '.join(known) or 'none'}"
                )
    return names, np.array([[label in each for label in names] for each in carried], dtype=np.float32)


class _Scratch:
    """Signals of a set in a scratch file, to the microvolt, decoded when they are first asked for."""

    def __init__(self, source: Source, fs_hz: float, num_samples: int) -> None:
        self.source, self.fs_hz, self.num_samples = source, float(fs_hz), num_samples
        handle, name = tempfile.mkstemp(prefix="physiogen-", suffix=".i16")
        os.close(handle)
        self._file = Path(name)
        self._size = len(source) * len(LEADS_8) * num_samples * np.dtype(DTYPE).itemsize
        os.truncate(self._file, self._size + len(source))  # sparse: takes room as it is filled
        weakref.finalize(self, _remove, self._file, os.getpid())

    @cached_property
    def uv(self) -> np.ndarray:
        """(record, lead, time) int16 microvolt of the eight leads, as in a signal cache; holes until `need`."""
        return np.memmap(self._file, dtype=DTYPE, mode="r+", shape=(len(self.source), len(LEADS_8), self.num_samples))

    @cached_property
    def _there(self) -> np.ndarray:
        count = len(self.source)
        return np.memmap(self._file, dtype=np.uint8, mode="r+", offset=self._size, shape=(count,))

    def need(self, rows: np.ndarray) -> None:
        """Decode what is not there yet."""
        for row in rows[self._there[rows] == 0]:
            if not self._there[row]:
                self._fill(int(row))

    def _fill(self, index: int) -> None:
        """Decode the block that a record is in."""
        for row, signal, fs_hz, names in self._block(index):
            if self._there[row]:
                continue
            kept = to_leads(signal, names, LEADS_8)
            kept = (kept if fs_hz == self.fs_hz else resample(kept, fs_hz, self.fs_hz))[:, : self.num_samples]
            out = np.full((len(LEADS_8), self.num_samples), MISSING, dtype=DTYPE)
            known = np.isfinite(kept)
            with np.errstate(invalid="ignore"):
                whole = np.clip(np.rint(1000 * kept), MISSING + 1, -MISSING - 1).astype(DTYPE)
            out[:, : kept.shape[1]][known] = whole[known]
            self.uv[row] = out
            self._there[row] = 1  # after the samples: another worker may look

    def _block(self, index: int) -> Iterator[tuple[int, np.ndarray, float, tuple[str, ...]]]:
        row = self.source.table.iloc[index]
        path = self.source.root / str(row["path"])
        if path.suffix == ".parquet" and "position" in self.source.table:
            from gen.io.parquet import row_group

            first, found = row_group(path, int(row["position"]))
            rows = self._rows_of(str(row["path"]))
            for place, (signal, fs_hz, names) in enumerate(found, first):
                yield rows[place], signal, fs_hz, names
            return
        record: EcgRecord = self.source.stored(index)
        yield index, record.signal_mv, record.fs_hz, record.leads

    def _rows_of(self, path: str) -> np.ndarray:
        """Rows of the table that lie in a file, in its order."""
        if path not in self._places:
            self._places[path] = np.flatnonzero(self.source.table["path"].to_numpy() == path)
        return self._places[path]

    @cached_property
    def _places(self) -> dict[str, np.ndarray]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        # A worker maps the file anew: a pickled memory map would be copied in full.
        return {k: v for k, v in self.__dict__.items() if k not in ("uv", "_there", "_places")}


def _remove(file: Path, process: int) -> None:
    if os.getpid() == process:  # a worker that ends leaves it to the one that made it
        file.unlink(missing_ok=True)
