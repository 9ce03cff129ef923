"""LUDB: 200 ECGs of 12 leads, 10 s, 500 Hz, delineated by cardiologists (Kalyakulina et al. 2020, IEEE Access 8)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gen.datasets import LUDB
from gen.datasets.base import Source, SourceInfo
from gen.leads import canonical_leads
from gen.records import EcgRecord

INFO = SourceInfo(
    name="ludb",
    licence="Open Data Commons Attribution License v1.0",
    citation="Kalyakulina AI et al. LUDB: a new open-access validation tool for ECG delineation. IEEE Access 8 (2020)",
)
_TABLE = LUDB
_NOT_FINDINGS = ("ID", "Sex", "Age")
#: What LUDB calls things, in SCP-ECG codes; the rest stays text.
_CODES = {
    "sinus rhythm": "SR",
    "sinus bradycardia": "SBRAD",
    "sinus tachycardia": "STACH",
    "sinus arrhythmia": "SARRH",
    "atrial fibrillation": "AFIB",
    "atrial flutter, typical": "AFLT",
    "i degree av block": "1AVB",
    "iii degree av-block": "3AVB",
    "incomplete right bundle branch block": "IRBBB",
    "complete right bundle branch block": "CRBBB",
    "incomplete left bundle branch block": "ILBBB",
    "complete left bundle branch block": "CLBBB",
    "left anterior hemiblock": "LAFB",
    "left ventricular hypertrophy": "LVH",
    "right ventricular hypertrophy": "RVH",
    "left atrial hypertrophy": "LAO/LAE",
    "left atrial overload": "LAO/LAE",
    "right atrial hypertrophy": "RAO/RAE",
    "right atrial overload": "RAO/RAE",
}


def detect(root: Path) -> bool:
    """Whether the folder is a LUDB tree."""
    return (root / _TABLE).is_file()


def open_ludb(root: Path, *, fs_hz: float | None = 500, label_level: str = "sub") -> Source:
    """LUDB with a seeded split; one record a patient.

    The headers give every lead a gain of its own that scales it below 1 mV, so Einthoven's law fails on the physical
    values. The stored integers are microvolt and obey it; they are what is read.
    """
    database = pd.read_csv(root / _TABLE, dtype=str).map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
    if (root / "RECORDS").is_file():
        listed = {Path(line).name for line in (root / "RECORDS").read_text().split()}
        database = database[database["ID"].isin(listed)].reset_index(drop=True)
    findings = [column for column in database if column not in _NOT_FINDINGS]
    lines = [
        [line.strip() for cell in row if isinstance(cell, str) for line in cell.splitlines() if line.strip()]
        for row in database[findings].itertuples(index=False)
    ]
    table = pd.DataFrame(
        {
            "record_id": database["ID"],
            "patient_id": database["ID"],
            "age": pd.to_numeric(database["Age"], errors="coerce"),
            "age_over_89": database["Age"] == ">89",
            "sex": database["Sex"].where(database["Sex"].isin(["F", "M"])),
            "report": [". ".join(texts) + "." if texts else None for texts in lines],
            "statements": [json.dumps(_statements(texts)) for texts in lines],
            "path": "data/" + database["ID"],
        }
    )
    return Source(root, INFO, table, _read, fs_hz=fs_hz, label_level=label_level)


def _statements(texts: list[str]) -> dict[str, float]:
    return {_CODES[text.lower()]: 100.0 for text in texts if text.lower() in _CODES}


def _read(root: Path, row: Mapping[str, Any]) -> EcgRecord:
    """The stored integers as microvolt, past the headers' gains."""
    from gen.io.common import reading
    from gen.io.wfdb import read_digital
    from gen.io.wfdb_header import read_header

    header = read_header(root / row["path"])
    with reading(header.path, "LUDB"):
        leads = canonical_leads([line.name for line in header.signals])
        return EcgRecord(read_digital(header) * np.float32(1e-3), header.fs_hz or 500.0, leads)
