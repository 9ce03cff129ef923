"""PTB-XL: 12 leads, 10 s, at 500 and 100 Hz, with SCP-ECG statements (Wagner et al. 2020, Sci Data 7:154)."""

import ast
import json
from pathlib import Path

import numpy as np
import pandas as pd

from gen.datasets import PTBXL
from gen.datasets.base import Source, SourceInfo
from gen.records import InputError

INFO = SourceInfo(
    name="ptb-xl",
    licence="CC BY 4.0",
    citation="Wagner P et al. PTB-XL, a large publicly available electrocardiography dataset. Sci Data 7:154 (2020)",
)
_TABLE = PTBXL
_NEEDED = ("ecg_id", "patient_id", "age", "sex", "report", "scp_codes", "strat_fold", "filename_lr", "filename_hr")
_EXTRA = ("recording_date", "device", "heart_axis", "infarction_stadium1", "infarction_stadium2", "pacemaker")
_NOISE = ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems", "extra_beats")
_OVER_89 = 300  # PTB-XL stores this age for everybody older than 89


def detect(root: Path) -> bool:
    """Whether the folder is a PTB-XL tree."""
    return (root / _TABLE).is_file()


def open_ptbxl(root: Path, *, fs_hz: float | None = 500, label_level: str = "sub") -> Source:
    """PTB-XL with its own folds (1-8 train, 9 validation, 10 test; patients are not split).

    The 100 Hz files are read when they suffice (``fs_hz`` <= 100), else the 500 Hz files; if only one of the two
    folders is there, that one is read and resampled.

    Raises:
        InputError: the table lacks a column, or neither folder of signals is there.
    """
    database = pd.read_csv(root / _TABLE)
    missing = [column for column in _NEEDED if column not in database]
    if missing:
        raise InputError(f"{root / _TABLE}: column {missing[0]} is missing; accepted: the table of PTB-XL 1.0.1-1.0.3")
    column, warning = _signal_column(root, fs_hz)
    age = database["age"].where(database["age"] < _OVER_89)
    table = pd.DataFrame(
        {
            "record_id": [f"{int(i):05d}" for i in database["ecg_id"]],
            "patient_id": [str(int(p)) for p in database["patient_id"]],
            "fold": database["strat_fold"].astype("int64"),
            "age": age,
            "age_over_89": database["age"] >= _OVER_89,
            "sex": database["sex"].map({0: "M", 1: "F"}),
            "height_cm": database.get("height", np.nan),
            "weight_kg": database.get("weight", np.nan),
            "report": database["report"],
            "statements": [json.dumps(_statements(codes)) for codes in database["scp_codes"]],
            "path": database[column],
        }
    )
    for name in (*_EXTRA, *_NOISE):
        if name in database:
            text = database[name].astype(object).where(database[name].notna(), None)
            table[name] = [None if value is None else str(value).strip() for value in text]
    return Source(root, INFO, table, fs_hz=fs_hz, label_level=label_level, warnings=warning)


def _signal_column(root: Path, fs_hz: float | None) -> tuple[str, list[str]]:
    fast, slow = (root / "records500").is_dir(), (root / "records100").is_dir()
    if not fast and not slow:
        raise InputError(f"{root}: neither records500 nor records100 is there")
    if slow and (not fast or (fs_hz is not None and fs_hz <= 100)):
        upsampled = fs_hz is None or fs_hz > 100
        return "filename_lr", ["only the 100 Hz files are there; nothing above 50 Hz is in them"] if upsampled else []
    return "filename_hr", []


def _statements(text: str) -> dict[str, float]:
    """The scp_codes cell, a Python dict literal such as ``{'NORM': 100.0, 'SR': 0.0}``."""
    return {str(code): float(likelihood) for code, likelihood in ast.literal_eval(text).items()}
