"""MIMIC-IV-ECG: 800,035 ECGs of 161,352 patients, 12 leads, 10 s, 500 Hz (Gow et al. 2023).

The files store aVF before aVL; leads are taken by the names in each header, so that order never matters.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gen.datasets import MIMIC
from gen.datasets.base import Source, SourceInfo
from gen.records import InputError

INFO = SourceInfo(
    name="mimic-iv-ecg",
    licence="Open Data Commons Open Database License v1.0",
    citation="Gow B et al. MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset. PhysioNet (2023)",
)
_LIST, _MEASURED, _PATIENTS = MIMIC, "machine_measurements.csv", "patients.csv"
_NEEDED = ("subject_id", "study_id", "path")
#: The cart writes this where it measured nothing.
_NOT_MEASURED = 29999
_OVER_89 = 91  # MIMIC-IV stores this anchor age for everybody older than 89


def detect(root: Path) -> bool:
    """Whether the folder is a MIMIC-IV-ECG tree."""
    return (root / _LIST).is_file()


def open_mimic(root: Path, *, fs_hz: float | None = 500, label_level: str = "sub") -> Source:
    """MIMIC-IV-ECG with a seeded patient-wise split (80/10/10).

    The machine's statements (``report_0`` .. ``report_17``) are joined to the report. Age and sex come from
    MIMIC-IV's ``patients.csv`` (or ``.csv.gz``, also under ``hosp/``) where it has been put beside the list; the age is
    the anchor age plus the years since the anchor year. The cart's measurements become ``hr_bpm, pr_ms, qrs_ms,
    qt_ms, p_axis_deg, qrs_axis_deg, t_axis_deg``; empty where it measured nothing.

    Raises:
        InputError: the list lacks a column.
    """
    listed = _read_csv(root / _LIST)
    missing = [column for column in _NEEDED if column not in listed]
    if missing:
        raise InputError(f"{root / _LIST}: column {missing[0]} is missing; accepted: the list of MIMIC-IV-ECG 1.0")
    table = pd.DataFrame(
        {
            "record_id": listed["study_id"].astype(str),
            "patient_id": listed["subject_id"].astype(str),
            "path": listed["path"].str.removesuffix(".hea"),
            "ecg_time": listed.get("ecg_time", pd.Series(None, listed.index, dtype=object)),
        }
    )
    warnings = []
    if (root / _MEASURED).is_file():
        table = pd.concat([table, _measurements(root / _MEASURED, listed["study_id"])], axis=1)
    else:
        warnings.append(f"no {_MEASURED}: records have no report")
    patients = _find_patients(root)
    if patients is None:
        warnings.append(f"no {_PATIENTS}: age and sex are unknown")
    else:
        table = pd.concat([table, _demographics(patients, listed["subject_id"], table["ecg_time"])], axis=1)
    return Source(root, INFO, table, fs_hz=fs_hz, label_level=label_level, warnings=warnings)


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, low_memory=False)


def _measurements(path: Path, study_id: pd.Series) -> pd.DataFrame:
    """Report and intervals of each study, in the order of the list."""
    measured = (
        _read_csv(path).drop_duplicates("study_id").set_index("study_id").reindex(study_id).reset_index(drop=True)
    )
    numbered = [c for c in measured if re.fullmatch(r"report_\d+", str(c))]
    reports = measured[sorted(numbered, key=lambda name: int(name.removeprefix("report_")))]

    def value(name: str) -> pd.Series:
        column = pd.to_numeric(measured.get(name, pd.Series(np.nan, measured.index)), errors="coerce")
        return column.where(column.abs() < _NOT_MEASURED)

    rr_ms = value("rr_interval")
    return pd.DataFrame(
        {
            "report": [_join(row) for row in reports.itertuples(index=False)],
            "rr_ms": rr_ms.where(rr_ms > 0),
            "hr_bpm": 60_000 / rr_ms.where(rr_ms > 0),
            "pr_ms": _positive(value("qrs_onset") - value("p_onset")),
            "qrs_ms": _positive(value("qrs_end") - value("qrs_onset")),
            "qt_ms": _positive(value("t_end") - value("qrs_onset")),
            "p_axis_deg": value("p_axis"),
            "qrs_axis_deg": value("qrs_axis"),
            "t_axis_deg": value("t_axis"),
        }
    )


def _positive(interval_ms: pd.Series) -> pd.Series:
    """An end before its beginning is a failed measurement."""
    return interval_ms.where(interval_ms > 0)


def _join(parts: tuple[Any, ...]) -> str | None:
    """Machine statements as one text; each ends with a full stop."""
    texts = [str(part).strip().rstrip(".") for part in parts if isinstance(part, str) and part.strip()]
    return ". ".join(texts) + "." if texts else None


def _find_patients(root: Path) -> Path | None:
    candidates = [folder / (_PATIENTS + end) for folder in (root, root / "hosp") for end in ("", ".gz")]
    return next((path for path in candidates if path.is_file()), None)


def _demographics(path: Path, subject_id: pd.Series, ecg_time: pd.Series) -> pd.DataFrame:
    patients = _read_csv(path).drop_duplicates("subject_id").set_index("subject_id").reindex(subject_id)
    patients = patients.reset_index(drop=True)
    over_89 = patients["anchor_age"] >= _OVER_89
    age = patients["anchor_age"] + pd.to_datetime(ecg_time, errors="coerce").dt.year - patients["anchor_year"]
    sex = patients["gender"].where(patients["gender"].isin(["F", "M"]))
    return pd.DataFrame({"age": age.where(~over_89), "age_over_89": over_89, "sex": sex})
