"""WebDataset shards: a tar of ``KEY.npy`` (lead, time) float32 millivolt and ``KEY.json`` (rate, leads, facts)."""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gen.files import printable
from gen.io.channels import choose
from gen.io.common import Given, dump_json, facts_of, make_record, reading
from gen.records import EcgRecord, InputError

#: Facts whose keys differ from record to record.
_OPEN = ("patient", "statements", "metadata")


class WebDatasetShard:
    """Writes one shard; owners and times are fixed, so equal records give equal bytes."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 (closed by close)

    def add(self, record: EcgRecord) -> None:
        """Append one record."""
        key = safe_name(record.record_id)
        info = {"fs_hz": record.fs_hz, "leads": list(record.leads), "report": "", "synthetic": False}
        info |= facts_of(record)
        # Libraries fix the keys and types of these files from the first few records: what differs from record to
        # record is text that holds JSON, as in our Parquet.
        info |= {name: dump_json(info.get(name, {})) for name in _OPEN}
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, record.signal_mv, allow_pickle=False)
        self._add(f"{key}.npy", buffer.getvalue())
        self._add(f"{key}.json", dump_json(info).encode())

    def _add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        member.mode = 0o644
        self._tar.addfile(member, io.BytesIO(data))

    def close(self) -> None:
        """Write the end of the archive."""
        self._tar.close()


def safe_name(record_id: str) -> str:
    """A record's name as a file name: WFDB and WebDataset allow letters, digits, ``_`` and ``-`` only.

    Raises:
        InputError: nothing is left of it.
    """
    name = re.sub(r"[^A-Za-z0-9_-]", "_", record_id)
    if not name.strip("_-"):
        raise InputError(f"record id {record_id!r} cannot name a file; use letters and digits")
    return name[:90]


def iter_webdataset(path: Path, given: Given) -> Iterator[EcgRecord]:
    """Every record of a shard; members of one record stand together, as the format demands."""
    key, parts, number = None, {}, 0
    for name, data in _members(path):
        stem, _, extension = name.rpartition("/")[2].partition(".")
        prefix = name[: len(name) - len(extension)]
        if key is not None and prefix != key:
            yield _record(path, key, parts, given)
            parts, number = {}, number + 1
        key = prefix
        parts[extension.lower()] = data
        if not stem:
            raise InputError(f"{path}: member {name!r} has no key")
    if key is None:
        raise InputError(f"{path}: no samples in it (an empty archive)")
    yield _record(path, key, parts, given)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with reading(path, "WebDataset"), path.open("rb") as handle:
        # Without its two closing blocks an archive may have lost whole records, which would go unnoticed.
        plain = handle.read(512)[257:262] == b"ustar"
        handle.seek(0, 2)
        handle.seek(max(0, handle.tell() - 1024))
        if plain and any(handle.read(1024)):
            raise InputError(f"{path}: truncated: the end of the archive is missing")
        tar = tarfile.open(path, "r:*")  # noqa: SIM115 (closed below, with errors named)
    with tar:
        while True:
            with reading(path, "WebDataset"):
                member = tar.next()
                data = tar.extractfile(member) if member is not None and member.isfile() else None
                content = data.read() if data is not None else b""
            if member is None:
                return
            if data is not None:
                if len(content) != member.size:
                    raise InputError(
                        f"{path}: truncated: {printable(member.name)} has {len(content)} of {member.size} bytes"
                    )
                yield member.name, content


def _record(path: Path, key: str, parts: dict[str, bytes], given: Given) -> EcgRecord:
    where = Path(f"{path}#{printable(key.rstrip('.'))}")
    arrays = [name for name in parts if name == "npy" or name.endswith(".npy")]
    if len(arrays) != 1 or "json" not in parts:
        raise InputError(f"{where}: a record is KEY.npy and KEY.json; found {printable(', '.join(parts))}")
    with reading(where, "WebDataset"):
        signal = np.lib.format.read_array(io.BytesIO(parts[arrays[0]]), allow_pickle=False)
        info: dict[str, Any] = dict(json.loads(parts["json"]))
        fs_hz = None if info.get("fs_hz") is None else float(info["fs_hz"])
        names = None if info.get("leads") is None else [str(name) for name in info["leads"]]
        facts = _facts(key, info)
    if signal.ndim != 2 or signal.dtype.kind not in "fiu" or signal.size == 0:
        raise InputError(f"{where}: no samples in it (shape {signal.shape}); expected (lead, time) numbers")
    if names is not None and len(names) != signal.shape[0]:
        raise InputError(f"{where}: {len(names)} lead names for {signal.shape[0]} rows of samples")
    chosen = choose(where, names, given, signal.shape[0])
    chosen.note(facts["metadata"])
    signal, leads = chosen.finish(signal[chosen.rows])
    return make_record(where, signal, given.rate(where, fs_hz), leads, facts)


def _facts(key: str, info: dict[str, Any]) -> dict[str, Any]:
    """Facts as `gen.io.common.facts_of` gives them; open ones may be objects (older shards) or JSON text."""
    facts = {"record_id": key.rstrip("."), **info, "report": info.get("report") or None}
    for name in _OPEN:
        value = facts.get(name)
        facts[name] = dict(json.loads(value) if isinstance(value, str) else value or {})
    return facts


def count_webdataset(path: Path) -> int:
    """Number of records, from the members' names."""
    with reading(path, "WebDataset"), tarfile.open(path, "r:*") as tar:
        return sum(member.isfile() and member.name.endswith(".npy") for member in tar)
