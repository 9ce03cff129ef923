"""Sections of a benchmark as they are kept until the report is written, so that a stopped run goes on behind them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from gen.io.kept import Arrays
from metrics.report.entries import Entry
from metrics.suite.aligned import AlignedSet
from metrics.suite.job import Job, Section

_ARRAY = "array of the archive"
_PAIRS = ("ci", "floor_ci")


def kept_section(job: Job, name: str, run: Section) -> list[Entry]:
    """Run a section, or take what it gave in the run before: figures, warnings, and what pictures are drawn from."""
    drawn, warned = job.drawn, len(job.warnings)

    def make() -> Arrays:
        before = dict(vars(drawn))
        entries = run(job)
        new = {key: value for key, value in vars(drawn).items() if value is not before[key]}
        if "copies" in new:
            against, pairs = new["copies"]
            new["copies"] = ["real" if against is job.real else "train", pairs]
        return _packed({"entries": [vars(each) for each in entries], "warnings": job.warnings[warned:], "drawn": new})

    found = _unpacked(job.kept.arrays(f"section {name}", make))
    job.warnings[warned:] = found["warnings"]
    for key, value in found["drawn"].items():
        whole = (getattr(job, value[0]), [tuple(pair) for pair in value[1]]) if key == "copies" else value
        setattr(drawn, key, whole)
    return [_entry(facts) for facts in found["entries"]]


def _entry(facts: Mapping[str, Any]) -> Entry:
    pairs = {key: tuple(facts[key]) for key in _PAIRS if facts[key] is not None}
    return Entry(**{**facts, **pairs})


def _packed(value: Any) -> Arrays:
    arrays: dict[str, Any] = {}

    def pack(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {str(key): pack(each) for key, each in part.items()}
        if isinstance(part, list | tuple):
            return [pack(each) for each in part]
        if isinstance(part, np.ndarray):
            arrays[f"a{len(arrays)}"] = part
            return {_ARRAY: f"a{len(arrays) - 1}"}
        return part.item() if isinstance(part, np.generic) else part

    return {"json": np.array(json.dumps(pack(value))), **arrays}


def _unpacked(found: Arrays) -> Any:
    def unpack(part: Any) -> Any:
        if isinstance(part, dict):
            return found[part[_ARRAY]] if _ARRAY in part else {key: unpack(each) for key, each in part.items()}
        return [unpack(each) for each in part] if isinstance(part, list) else part

    return unpack(json.loads(str(found["json"])))


def digest_of_set(each: AlignedSet) -> str:
    """SHA-256 of all that a benchmark looks at in a set: signals, and what is said of the records."""
    digest = hashlib.sha256(f"{each.target} {each.stored_leads} {each.changes}".encode())
    for record, patient, signal in zip(each.facts, each.patients, each.signal_mv, strict=True):
        said = {f.name: getattr(record, f.name) for f in fields(record) if f.name != "signal_mv"}
        digest.update(f"{patient} {said}".encode())
        digest.update(np.ascontiguousarray(signal).tobytes())
    return digest.hexdigest()
