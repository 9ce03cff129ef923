"""Any folder of WFDB records; what is known of the patients is read from the headers' comments."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from gen.datasets.base import Source, SourceInfo


def detect(root: Path) -> bool:
    """Whether there is a WFDB header anywhere below the folder."""
    return next(root.rglob("*.hea"), None) is not None


def open_wfdb_folder(root: Path, *, fs_hz: float | None = 500, label_level: str = "sub") -> Source:
    """Every record below the folder, in the order of the paths, with a seeded split by patient.

    Comments such as ``#Age: 63``, ``#Sex: Female``, ``#patient_id: 17``, ``#report: ...`` and the challenges' SNOMED CT
    codes (``#Dx: 164889003``) are understood; what is not is counted in the source's warnings. A record
    without a patient counts as a patient of its own, which the source's warnings say. A header that cannot be read
    stays in the table, so that its record is reported when its turn comes.
    """
    headers = sorted(path for path in root.rglob("*.hea") if path.is_file())
    rows, unmapped, unread = [], Counter[str](), Counter[str]()
    for header in headers:
        facts = _facts(header)
        rows.append(_row(root, header, facts))
        unmapped.update(set(facts.get("metadata", {}).get("unmapped_dx", [])))
        unread.update(_keys(facts.get("metadata", {}).get("comments", [])))
    table, warnings = own_patients(pd.DataFrame(rows))
    warnings += _warnings(len(rows), unmapped, unread)
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


def _warnings(records: int, unmapped: Counter[str], unread: Counter[str]) -> list[str]:
    """What of the headers' facts did not become labels."""
    found = []
    if unmapped:
        shown = ", ".join(f"{code} ({count})" for code, count in unmapped.most_common(12))
        more = f" and {len(unmapped) - 12} more" if len(unmapped) > 12 else ""
        found.append(f"Dx codes without a statement, with their records: {shown}{more}")
    if unread:
        shown = ", ".join(f"{key} ({count} of {records})" for key, count in unread.most_common(8))
        found.append(f"comments of the headers that are not understood, kept as text: {shown}")
    return found


def _keys(comments: list[str]) -> set[str]:
    """Keys of comments that say something."""
    pairs = [re.fullmatch(r"\s*([A-Za-z][\w ]{0,20}?)\s*[:=]\s*(\S.*)", text) for text in comments]
    return {m[1] for m in pairs if m and m[2].strip().lower() not in ("unknown", "nan", "none", "n/a", "no", "?")}


def _facts(header: Path) -> dict[str, Any]:
    from gen.io.comments import from_comments
    from gen.io.wfdb_header import read_header
    from gen.records import InputError

    try:
        return from_comments(read_header(header).comments)
    except InputError:
        return {}


def _row(root: Path, header: Path, facts: dict[str, Any]) -> dict[str, Any]:
    path = header.relative_to(root).as_posix()
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
