"""The training set of the PhysioNet/CinC Challenge 2011: recordings of twelve leads with the graders' verdicts.

Silva I, Moody GB, Celi L: Improving the quality of ECGs collected using mobile phones. Comput Cardiol 2011;38:273-276.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np

from gen.datasets.base import SourceInfo
from gen.datasets.wfdb_folder import open_wfdb_folder
from gen.records import EcgRecord, InputError

INFO = SourceInfo(
    name="PhysioNet/CinC Challenge 2011, set-a",
    licence="ODC-By 1.0",
    citation="Silva I, Moody GB, Celi L. Comput Cardiol 2011;38:273-276",
)
Part = Literal["learn", "choose", "test"]
PARTS: tuple[Part, ...] = ("learn", "choose", "test")
#: Seed of the split into thirds.
SPLIT_SEED = 2011
_LABELS = "labels.csv"
_LISTS = {"RECORDS-acceptable": True, "RECORDS-unacceptable": False}


@dataclass(frozen=True, eq=False)
class Graded:
    """A recording and what the graders said of it."""

    record: EcgRecord
    acceptable: bool
    part: Part


def read_graded(root: str | Path, seed: int = SPLIT_SEED) -> Iterator[Graded]:
    """Graded recordings, one of each set of equal copies; those that the graders did not agree on are left out.

    Recordings of each verdict fall into thirds by ``seed``, in the order of their names.

    Args:
        root: folder with the WFDB records and ``labels.csv`` (record, label) or the challenge's two lists.
        seed: of the split.

    Raises:
        InputError: no labels there, or a record cannot be read.
    """
    root = Path(root)
    labels = _labels(root)
    source = open_wfdb_folder(root)
    names = [Path(str(name)).name for name in source.table["record_id"]]
    rows = {name: row for row, name in enumerate(names) if name in labels}
    if not rows:
        raise InputError(f"{root}: holds none of the labelled records; accepted: set-a of CinC 2011")
    seen: set[str] = set()
    kept = []
    for name in sorted(rows):
        digest = sha256(np.ascontiguousarray(source[rows[name]].signal_mv).tobytes()).hexdigest()
        if digest not in seen:
            seen.add(digest)
            kept.append(name)
    parts = _thirds([labels[name] for name in kept], seed)
    for name, part in zip(kept, parts, strict=True):
        yield Graded(source[rows[name]], labels[name], part)


def _thirds(acceptable: list[bool], seed: int) -> list[Part]:
    rng = np.random.default_rng(seed)
    parts = np.zeros(len(acceptable), dtype=int)
    for verdict in (False, True):
        rows = np.flatnonzero(np.array(acceptable) == verdict)
        parts[rng.permutation(rows)] = np.arange(len(rows)) % len(PARTS)
    return [PARTS[k] for k in parts]


def _labels(root: Path) -> dict[str, bool]:
    if (root / _LABELS).is_file():
        with (root / _LABELS).open(encoding="utf-8") as file:
            rows = {row["record"]: row["label"] for row in csv.DictReader(file)}
        return {name: label == "acceptable" for name, label in rows.items() if label in ("acceptable", "unacceptable")}
    if all((root / name).is_file() for name in _LISTS):
        return {
            Path(line).name: verdict
            for name, verdict in _LISTS.items()
            for line in (root / name).read_text(encoding="utf-8").split()
        }
    raise InputError(f"{root}: no {_LABELS} and no {' and '.join(_LISTS)}; accepted: set-a of CinC 2011")
