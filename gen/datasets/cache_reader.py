"""Reads a signal cache: random batches at the speed of memory, whatever the size of the set."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gen.datasets.base import record_from_row, split_rows
from gen.datasets.cache_format import (
    DTYPE,
    FORMAT,
    MANIFEST,
    MISSING,
    RECORDS,
    SIGNALS,
    VERSION,
    file_sha256,
    manifest_digest,
)
from gen.leads import LEADS_8, canonical_leads, to_leads
from gen.records import EcgRecord, InputError


class SignalCache:
    """A prepared set of ECGs, memory-mapped.

        cache = SignalCache.open("CACHE")
        signal_mv = cache.batch(cache.split("train")[:32])      # (32, 8, 5000) float32

    Opening checks the manifest's digest, the sizes, the table, and the signals' first and last block;
    `verify` reads and checks every byte. The object can be sent to worker processes: each maps the file anew.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: str | Path) -> "SignalCache":
        """Open a cache folder.

        Raises:
            InputError: it is no cache, an unfinished one, of another version, or damaged.
        """
        folder = Path(path)
        manifest = _read_manifest(folder)
        cache = cls(folder, manifest)
        cache._check_files()
        for block in sorted({0, len(manifest["signals"]["block_sha256"]) - 1}):
            cache._check_block(block)
        return cache

    def __len__(self) -> int:
        return int(self.manifest["num_records"])

    @property
    def digest(self) -> str:
        """SHA-256 of the content: equal digests mean equal records, splits and labels."""
        return str(self.manifest["digest"])

    @property
    def fs_hz(self) -> float:
        """Sampling rate in Hz."""
        return float(self.manifest["fs_hz"])

    @property
    def num_samples(self) -> int:
        """Samples per lead."""
        return int(self.manifest["num_samples"])

    @property
    def leads(self) -> tuple[str, ...]:
        """The stored leads, in order."""
        return tuple(self.manifest["leads"])

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a record, in the order of the signals; columns as `gen.datasets.Source.table` plus quality."""
        return pd.read_parquet(self.path / RECORDS)

    @cached_property
    def signals_uv(self) -> np.ndarray:
        """(record, lead, time) int16 microvolt, memory-mapped, read-only; -32768 where nothing was recorded."""
        shape = (len(self), len(self.leads), self.num_samples)
        return np.asarray(np.memmap(self.path / SIGNALS, dtype=DTYPE, mode="r", shape=shape))

    def split(self, name: str) -> np.ndarray:
        """Record numbers of 'train', 'val' or 'test', ascending; raises `ValueError` for another name."""
        return split_rows(self.table, name)

    def batch(self, indices: Sequence[int] | np.ndarray, leads: Sequence[str] | None = None) -> np.ndarray:
        """Signals of some records.

        Args:
            indices: record numbers, in any order, repeats allowed; or a mask over all records.
            leads: names of the leads wanted (of the twelve); None gives the stored eight.

        Returns:
            (record, lead, time) float32 mV, a fresh array; NaN where nothing was recorded.

        Raises:
            LeadError: unknown lead.
            IndexError: no such record.
        """
        chosen = np.asarray(indices)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        raw = self.signals_uv[chosen]
        signal = np.multiply(raw, np.float32(1e-3), dtype=np.float32)
        if self._has_missing[chosen].any():
            signal[raw == MISSING] = np.nan
        return signal if leads is None else to_leads(signal, self.leads, canonical_leads(leads))

    def record(self, index: int) -> EcgRecord:
        """One record with its twelve leads and everything known about it."""
        row = self.table.iloc[int(index)].to_dict()
        stored = EcgRecord(
            self.batch([index])[0, :, : row["recorded_samples"]],
            self.fs_hz,
            self.leads,
            metadata={"source": self.manifest["source"]["name"], "stored_fs_hz": row["stored_fs_hz"]},
        )
        return record_from_row(row, stored).to_12()

    def verify(self) -> None:
        """Check every byte of the signals; raises `InputError` at the first damaged block."""
        for block in range(len(self.manifest["signals"]["block_sha256"])):
            self._check_block(block)

    @cached_property
    def _has_missing(self) -> np.ndarray:
        return self.table["missing_samples"].to_numpy() > 0

    def _check_files(self) -> None:
        expected = self.manifest["signals"]["bytes"]
        signals, records = self.path / SIGNALS, self.path / RECORDS
        for file in (signals, records):
            if not file.is_file():
                raise InputError(f"{file}: missing from the cache; prepare it again with --overwrite")
        if signals.stat().st_size != expected:
            raise InputError(f"{signals}: {signals.stat().st_size} bytes instead of {expected}; the cache is damaged")
        if file_sha256(records) != self.manifest["parquet"]["sha256"]:
            raise InputError(f"{records}: does not belong to {MANIFEST} beside it; the cache is damaged")

    def _check_block(self, block: int) -> None:
        size = self.manifest["signals"]["block_bytes"]
        with (self.path / SIGNALS).open("rb") as file:
            file.seek(block * size)
            found = hashlib.sha256(file.read(size)).hexdigest()
        if found != self.manifest["signals"]["block_sha256"][block]:
            raise InputError(f"{self.path / SIGNALS}: block {block} is damaged; prepare it again with --overwrite")

    def __getstate__(self) -> dict[str, Any]:
        # A pickled memory map would be copied in full into every worker process.
        return {"path": self.path, "manifest": self.manifest}


def _read_manifest(folder: Path) -> dict[str, Any]:
    file = folder / MANIFEST
    if not file.is_file():
        state = "an unfinished cache (run the same prepare again)" if (folder / "build").is_dir() else "no signal cache"
        raise InputError(f"{folder}: {state}; accepted: a folder written by 'physiogen data prepare'")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file}: not readable as JSON; the cache is damaged") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{file}: not the manifest of a signal cache; accepted: {FORMAT}")
    if manifest.get("version") != VERSION:
        raise InputError(f"{file}: cache version {manifest.get('version')}; accepted: {VERSION}; prepare it again")
    if manifest.get("leads") != list(LEADS_8) or manifest_digest(manifest) != manifest.get("digest"):
        raise InputError(f"{file}: the digest does not fit the content; the cache is damaged")
    return manifest
