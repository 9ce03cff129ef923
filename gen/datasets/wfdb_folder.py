"""Any folder of WFDB records; what is known of the patients is read from the headers' comments."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from gen.datasets.base import Source, SourceInfo


def detect(root: Path) -> bool:
    """Whether there is a WFDB header anywhere below the folder."""
    return next(root.rglob("*.hea"), None) is not None


def open_wfdb_folder(root: Path, *, fs_hz: float | None = 500, label_level: str = "sub") -> Source:
    """Every record below the folder, in the order of the paths, with a seeded split by patient.

    Comments such as ``#Age: 63``, ``#Sex: Female``, ``#patient_id: 17``, ``#report: ...`` are understood. A record
    without a patient counts as a patient of its own, which the source's warnings say. A header that cannot be read
    stays in the table, so that its record is reported when its turn comes.
    """
    headers = sorted(path for path in root.rglob("*.hea") if path.is_file())
    table = pd.DataFrame([_row(root, header) for header in headers])
    table, warnings = own_patients(table)
    info = SourceInfo(name=f"wfdb:{root.resolve().name}")
    return Source(root, info, table, fs_hz=fs_hz, label_level=label_level, warnings=warnings)


def own_patients(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table with a patient for every record, and the warning that some are made up."""
    unknown = table["patient_id"].isna()
    if not unknown.any():
        return table, []
    named = table["patient_id"].astype(object).where(~unknown, "record " + table["record_id"])
    text = f"{int(unknown.sum())} of {len(table)} records name no patient: each counts as a patient of its own"
    return table.assign(patient_id=named), [text]


def _row(root: Path, header: Path) -> dict[str, Any]:
    from gen.io.comments import from_comments
    from gen.io.wfdb import read_header
    from gen.records import InputError

    path = header.relative_to(root).as_posix()
    try:
        facts = from_comments(read_header(header).comments)
    except InputError:
        facts = {}
    patient = facts.get("patient", {})
    return {
        "record_id": path.removesuffix(".hea").replace("/", "_"),
        "patient_id": patient.get("id"),
        "age": patient.get("age"),
        "sex": patient.get("sex"),
        "height_cm": patient.get("height_cm"),
        "weight_kg": patient.get("weight_kg"),
        "report": facts.get("report"),
        "statements": json.dumps(facts.get("statements", {})),
        "synthetic": bool(facts.get("synthetic", False)),
        "path": path,
    }
