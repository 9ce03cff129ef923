"""Builds a signal cache: resumable, atomic, and with memory for one block of records, whatever the size of the set.

While building everything lives in ``OUT/build``: the signals so far, and one small journal file per block of
records, written after the block's signals have reached the disk. A killed build leaves whole blocks and at most a
tail without a journal; the next run cuts the tail off and goes on, so it ends with the same bytes. Only at the very
end are the files moved to their names, the manifest last.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gen import __version__
from gen.datasets.base import SPLITS, Source
from gen.datasets.cache_format import (
    BLOCK,
    DTYPE,
    FORMAT,
    LENGTH_RULE,
    MANIFEST,
    MISSING,
    RECORDS,
    SIGNALS,
    VERSION,
    file_sha256,
    manifest_digest,
    table_sha256,
)
from gen.datasets.cache_reader import SignalCache
from gen.datasets.own_labels import MEANINGS
from gen.files import move, replacing, write_json
from gen.leads import LEADS_8, LeadError
from gen.quality import quality_report
from gen.records import EcgRecord, InputError

_SHORTEST_S = 1.0
_SETTINGS = "settings.json"
#: What reading a record adds to its row. The order is written down because a journal does not keep one.
_FACTS = {
    "source_index": "int64",
    "stored_fs_hz": "float64",
    "stored_s": "float64",
    "recorded_samples": "int64",
    "missing_samples": "int64",
    "clipped_values": "int64",
    "quality_ok": "bool",
    "quality_reasons": "object",
    "quality_warnings": "object",
    "limb_residual_mv": "float64",
}
Progress = Callable[[int, int], None]


def prepare(
    source: Source,
    out: str | Path,
    *,
    fs_hz: float = 500,
    duration_s: float = 10,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SignalCache:
    """Build the cache of a source; a build that was killed goes on where it was.

    Records are resampled to ``fs_hz``; of longer ones the first ``duration_s`` seconds are kept, shorter ones are
    padded at the end with 'not recorded'. A record that cannot be read, lacks one of the eight independent leads, is
    shorter than one second or holds no sample is left out and listed in the manifest with the reason. Values beyond
    32.767 mV are cut to that and counted.

    Args:
        source: what to read.
        out: folder of the cache.
        fs_hz: rate of the cache.
        duration_s: length of every record.
        overwrite: replace a finished cache, or an unfinished one of other settings.
        progress: called with (records done, records in all).

    Raises:
        InputError: the folder holds something else, or no record of the source is usable.
    """
    folder = Path(out)
    settings = _settings(source, fs_hz, duration_s)
    if _published(folder, settings):
        shutil.rmtree(folder / "build")
        return SignalCache.open(folder)
    build = _enter(folder, settings, overwrite)
    with _only_one(build):
        tally = _read_blocks(source, build, settings, progress)
        if not tally.rows:
            shutil.rmtree(build)
            if not any(folder.iterdir()):
                folder.rmdir()
            reason = tally.skipped[0]["reason"] if tally.skipped else "it holds no records"
            raise InputError(f"{source.root}: no usable record; first reason: {reason}")
        manifest = _finish(source, build, settings, tally)
        _publish(build, folder, manifest)
    shutil.rmtree(build)
    return SignalCache.open(folder)


@dataclasses.dataclass
class _Tally:
    """What the journal says so far."""

    done: int = 0
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    skipped: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def add(self, journal: Mapping[str, Any]) -> None:
        self.done = journal["done"]
        self.rows += journal["rows"]
        self.skipped += journal["skipped"]


def _settings(source: Source, fs_hz: float, duration_s: float) -> dict[str, Any]:
    """Everything the bytes depend on; a build is continued only under the same settings."""
    if not fs_hz > 0 or not duration_s >= _SHORTEST_S:
        raise InputError(f"rate {fs_hz} Hz and length {duration_s} s are not possible; accepted: > 0 Hz, >= 1 s")
    meanings = {label: each.as_dict() for label, each in sorted(source.label_meanings.items())}
    return {
        "format": FORMAT,
        "version": VERSION,
        "source": {**dataclasses.asdict(source.info), "label_level": source.label_level},
        "source_table_sha256": table_sha256(source.table),
        "source_records": len(source),
        "fs_hz": float(fs_hz),
        "duration_s": float(duration_s),
        "num_samples": round(fs_hz * duration_s),
        "leads": list(LEADS_8),
        "unit": "uV",
        "dtype": "<i2",
        "missing_value": MISSING,
        "length_rule": LENGTH_RULE,
        **({MEANINGS: meanings} if meanings else {}),
    }


def _enter(folder: Path, settings: dict[str, Any], overwrite: bool) -> Path:
    """The build folder, fresh or with the unfinished build of the same settings in it."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; accepted: a new or empty folder")
    build = folder / "build"
    ours = (folder / MANIFEST).is_file() or (build / _SETTINGS).is_file()
    if folder.is_dir() and not ours and any(child.name != "build" for child in folder.iterdir()):
        raise InputError(f"{folder}: holds files that are no signal cache; accepted: a new or empty folder")
    if (folder / MANIFEST).is_file() and not overwrite:
        raise InputError(f"{folder}: exists already; accepted: a new folder, or --overwrite")
    if (build / _SETTINGS).is_file() and json.loads((build / _SETTINGS).read_text()) != settings:
        if not overwrite:
            raise InputError(f"{folder}: holds an unfinished cache of another source or setting; use --overwrite")
        shutil.rmtree(build)
    (build / "blocks").mkdir(parents=True, exist_ok=True)
    if not (build / _SETTINGS).is_file():
        write_json(build / _SETTINGS, settings, sort_keys=True, durable=True)
    return build


def _published(folder: Path, settings: dict[str, Any]) -> bool:
    """Whether a build of these settings was killed after its manifest was in place and only the tidying is left."""
    build = folder / "build"
    if not (folder / MANIFEST).is_file() or not (build / _SETTINGS).is_file() or (build / SIGNALS).exists():
        return False
    manifest = json.loads((folder / MANIFEST).read_text())
    same = {key: manifest.get(key) for key in settings} == settings
    return same and any((build / "blocks").iterdir())


@contextlib.contextmanager
def _only_one(build: Path) -> Iterator[None]:
    """Hold the build folder's lock; it goes by itself when the process is killed."""
    try:
        import fcntl
    except ImportError:  # Windows: two builds at once are not detected there
        yield
        return
    with (build / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{build.parent}: another process is building this cache") from error
        yield


def _read_blocks(source: Source, build: Path, settings: dict[str, Any], progress: Progress | None) -> _Tally:
    record_bytes = len(LEADS_8) * settings["num_samples"] * DTYPE.itemsize
    tally = _Tally()
    number = 0
    _take_back(build)
    while (journal := build / "blocks" / f"{number:08d}.json").is_file():
        tally.add(json.loads(journal.read_text()))
        number += 1
    with (build / SIGNALS).open("ab") as file:
        if file.tell() < len(tally.rows) * record_bytes:
            raise InputError(f"{build}: shorter than its journal says; delete this folder and run again")
        file.truncate(len(tally.rows) * record_bytes)  # the tail may hold a block whose journal was never written
    with (build / SIGNALS).open("ab") as file:
        while tally.done < len(source):
            if progress is not None:
                progress(tally.done, len(source))
            last = min(tally.done + BLOCK, len(source))
            rows, skipped = [], []
            for index in range(tally.done, last):
                try:
                    samples, facts = _convert(source, index, settings)
                except InputError as error:
                    name = source.table["record_id"].iat[index]
                    skipped.append({"record_id": name, "path": source.table["path"].iat[index], "reason": str(error)})
                    continue
                file.write(samples.tobytes())
                rows.append(facts)
            file.flush()
            os.fsync(file.fileno())
            block = {"done": last, "rows": rows, "skipped": skipped}
            write_json(build / "blocks" / f"{number:08d}.json", block, sort_keys=True, durable=True)
            tally.add(block)
            number += 1
    if progress is not None:
        progress(len(source), len(source))
    return tally


def _take_back(build: Path) -> None:
    """Undo a publication that was cut short between moving the signals and writing the manifest."""
    published = build.parent / SIGNALS
    if not (build / SIGNALS).exists() and published.exists() and not (build.parent / MANIFEST).exists():
        move(published, build / SIGNALS)


def _convert(source: Source, index: int, settings: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """(8, time) int16 microvolt of one record and the facts that go into its row."""
    record = source.stored(index)
    path = source.root / source.table["path"].iat[index]
    try:
        eight = record.to_8().at(settings["fs_hz"]).signal_mv
    except LeadError as error:
        raise InputError(f"{path}: {error}; accepted: records with the eight independent leads") from error
    if record.duration_s < _SHORTEST_S:
        raise InputError(f"{path}: only {record.duration_s:.2f} s long; accepted: at least {_SHORTEST_S:g} s")
    if np.isnan(eight).all():
        raise InputError(f"{path}: no sample was recorded")
    length = settings["num_samples"]
    kept = min(eight.shape[1], length)
    scaled = np.rint(eight[:, :kept].astype(np.float64) * 1e3)
    missing = np.isnan(scaled)
    over = np.abs(scaled) > 2**15 - 1
    samples = np.full((len(LEADS_8), length), MISSING, dtype=DTYPE)
    samples[:, :kept] = np.where(missing, MISSING, np.clip(scaled, 1 - 2**15, 2**15 - 1)).astype(DTYPE)
    return samples, {
        "source_index": index,
        "stored_fs_hz": float(record.metadata.get("stored_fs_hz", record.fs_hz)),
        "stored_s": round(record.duration_s, 6),
        "recorded_samples": kept,
        "missing_samples": int((samples == MISSING).sum()),
        "clipped_values": int(over.sum()),
        **_quality_columns(record),
    }


def _quality_columns(record: EcgRecord) -> dict[str, Any]:
    report = quality_report(record)
    residual = report.limb_residual_mv
    return {
        "quality_ok": report.ok,
        "quality_reasons": "; ".join(report.reasons),
        "quality_warnings": "; ".join(report.warnings),
        "limb_residual_mv": None if residual is None else round(residual, 6),
    }


def _finish(source: Source, build: Path, settings: dict[str, Any], tally: _Tally) -> dict[str, Any]:
    """Write the table beside the signals and return the manifest."""
    facts = pd.DataFrame(tally.rows)[list(_FACTS)].astype(_FACTS)
    table = source.table.iloc[facts["source_index"].to_numpy()].reset_index(drop=True)
    table = pd.concat([table, facts], axis=1)
    with replacing(build / RECORDS) as temporary:
        table.to_parquet(temporary, index=False)
    manifest = {
        **settings,
        "num_records": len(table),
        "splits": {name: _split_counts(table, name) for name in SPLITS},
        "skipped": tally.skipped,
        "clipped_values": int(facts["clipped_values"].sum()),
        "clipped_records": int((facts["clipped_values"] > 0).sum()),
        "cropped_records": int((facts["stored_s"] > settings["duration_s"]).sum()),
        "padded_records": int((facts["recorded_samples"] < settings["num_samples"]).sum()),
        "poor_quality_records": int((~facts["quality_ok"]).sum()),
        "warnings": list(source.warnings),
        "table_sha256": table_sha256(table),
        "signals": _signal_digests(build / SIGNALS, settings),
        "parquet": {"sha256": file_sha256(build / RECORDS)},
        "software": {"physiogen": __version__},
    }
    return {**manifest, "digest": manifest_digest(manifest)}


def _split_counts(table: pd.DataFrame, name: str) -> dict[str, int]:
    part = table[table["split"] == name]
    return {"records": len(part), "patients": int(part["patient_id"].nunique())}


def _signal_digests(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    size = BLOCK * len(LEADS_8) * settings["num_samples"] * DTYPE.itemsize
    digests = []
    with path.open("rb") as file:
        while chunk := file.read(size):
            digests.append(hashlib.sha256(chunk).hexdigest())
    return {"bytes": path.stat().st_size, "block_bytes": size, "block_sha256": digests}


def _publish(build: Path, folder: Path, manifest: dict[str, Any]) -> None:
    """Move the files to their names; until the manifest is there, the folder is no cache."""
    (folder / MANIFEST).unlink(missing_ok=True)
    write_json(build / MANIFEST, manifest, sort_keys=True, durable=True)
    for name in (SIGNALS, RECORDS, MANIFEST):
        move(build / name, folder / name)
