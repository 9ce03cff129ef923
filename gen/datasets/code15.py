"""CODE-15 %: 345,779 ECGs of 233,770 patients, 12 leads, 400 Hz, in HDF5 shards (Ribeiro et al. 2021).

Recordings of 7 s are centred in the 4,096 samples of a row, with zeros before and after; those are cut off. Samples are
in units of 0.1 mV (the set's description: "scale 1e-4 V").
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gen.datasets import CODE15
from gen.datasets.base import Source, SourceInfo
from gen.leads import LEADS_12
from gen.records import EcgRecord, InputError

INFO = SourceInfo(
    name="code-15",
    licence="CC BY 4.0",
    citation="Ribeiro AH et al. CODE-15%: a large scale annotated dataset of 12-lead ECGs. Zenodo (2021)",
)
FS_HZ = 400.0
_TABLE = CODE15
_NEEDED = ("exam_id", "patient_id", "trace_file")
_MILLIVOLT = 0.1
#: Columns with findings, and what they are.
_CODES = {"1dAVb": "1AVB", "RBBB": "CRBBB", "LBBB": "CLBBB", "SB": "SBRAD", "ST": "STACH", "AF": "AFIB"}


def detect(root: Path) -> bool:
    """Whether the folder is a CODE-15 % tree: its table, and a shard beside it."""
    if not (root / _TABLE).is_file() or next(root.glob("*.hdf5"), None) is None:
        return False
    return set(_NEEDED) <= set(pd.read_csv(root / _TABLE, nrows=0).columns)


def open_code15(root: Path, *, fs_hz: float | None = 500, label_level: str = "sub") -> Source:
    """The exams whose shard is there, with a seeded split by patient.

    Raises:
        InputError: the table lacks a column, or no shard is there.
    """
    exams = pd.read_csv(root / _TABLE)
    missing = [column for column in _NEEDED if column not in exams]
    if missing:
        raise InputError(f"{root / _TABLE}: column {missing[0]} is missing; accepted: the table of CODE-15 %")
    there = exams["trace_file"].map(lambda name: (root / str(name)).is_file())
    warnings = [] if there.all() else [f"{int((~there).sum())} of {len(exams)} exams have no shard here, left out"]
    exams = exams[there].reset_index(drop=True)
    if exams.empty:
        raise InputError(f"{root}: none of the shards of {_TABLE} is there; accepted: exams_part0.hdf5 and so on")
    # Exported as 'True' and 'False'; the column says male, the opposite is female.
    male = exams.get("is_male", pd.Series(None, exams.index, dtype=object)).map(_truth)
    table = pd.DataFrame(
        {
            "record_id": exams["exam_id"].astype(str),
            "patient_id": exams["patient_id"].astype(str),
            "age": pd.to_numeric(exams.get("age", pd.Series(np.nan, exams.index)), errors="coerce"),
            "sex": male.map({True: "M", False: "F"}),
            "statements": [json.dumps(_statements(row)) for row in exams.to_dict("records")],
            "path": exams["trace_file"].astype(str),
        }
    )
    return Source(root, INFO, table, _Reader(), fs_hz=fs_hz, label_level=label_level, warnings=warnings)


def _truth(value: Any) -> bool | None:
    word = str(value).strip().lower()
    return True if word in ("true", "1", "1.0") else False if word in ("false", "0", "0.0") else None


def _statements(row: Mapping[str, Any]) -> dict[str, float]:
    found = {code: 100.0 for column, code in _CODES.items() if _truth(row.get(column))}
    if not found and _truth(row.get("normal_ecg")):
        found["NORM"] = 100.0
    return found


class _Reader:
    """Rows of the shards; where each exam lies in its shard is looked up once."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, int]] = {}

    def __call__(self, root: Path, row: Mapping[str, Any]) -> EcgRecord:
        from gen.io.common import library, reading

        h5py = library("h5py", "code15")
        path, exam = root / row["path"], int(row["record_id"])
        with reading(path, "HDF5"), h5py.File(path, "r") as shard:
            if row["path"] not in self._rows:
                self._rows[row["path"]] = {int(one): place for place, one in enumerate(shard["exam_id"][:])}
            place = self._rows[row["path"]].get(exam)
            if place is None:
                raise InputError(f"{path}: exam {exam} is in {_TABLE} but not in this shard")
            samples = np.asarray(shard["tracings"][place], dtype=np.float64)
        if samples.ndim != 2 or samples.shape[1] != len(LEADS_12):
            raise InputError(f"{path}: exam {exam} of shape {samples.shape}; accepted: (time, 12)")
        recorded = np.flatnonzero(samples.any(axis=1))
        if not recorded.size:
            raise InputError(f"{path}: exam {exam} holds zeros only")
        signal = samples[recorded[0] : recorded[-1] + 1].T * _MILLIVOLT
        return EcgRecord(signal, FS_HZ, LEADS_12)
