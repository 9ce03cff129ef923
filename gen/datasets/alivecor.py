"""AliveCor strips of the CinC 2017 challenge: lead I from a hand-held device, 9-60 s, 300 Hz (Clifford et al. 2017)."""

import json
from pathlib import Path

import pandas as pd

from gen.datasets import ALIVECOR
from gen.datasets.base import Source, SourceInfo

INFO = SourceInfo(
    name="alivecor",
    licence="Open Data Commons Attribution License v1.0",
    citation="Clifford GD et al. AF classification from a short single lead ECG recording. Comput Cardiol (2017)",
)
_REFERENCE = ALIVECOR
#: N normal rhythm, A atrial fibrillation, O other rhythm, ~ too noisy; the last two name no statement.
_CODES = {"N": {"SR": 100.0}, "A": {"AFIB": 100.0}}
NOISY = "too noisy to read"
_REPORTS = {"N": "sinus rhythm", "A": "atrial fibrillation", "O": "other rhythm", "~": NOISY}


def detect(root: Path) -> bool:
    """Whether the folder is a CinC 2017 tree: labels, and .mat files with one signal."""
    if not (root / _REFERENCE).is_file():
        return False
    header = next(root.glob("*.hea"), None)
    return header is not None and header.read_text(errors="replace").split()[1:2] == ["1"]


def open_alivecor(root: Path, *, fs_hz: float | None = 500, label_level: str = "sub") -> Source:
    """The strips with a seeded split by record: the set does not say whose a strip is."""
    reference = pd.read_csv(root / _REFERENCE, header=None, names=["name", "class"], dtype=str)
    classes = reference["class"].str.strip()
    table = pd.DataFrame(
        {
            "record_id": reference["name"],
            "patient_id": reference["name"],
            "report": classes.map(_REPORTS),
            "statements": [json.dumps(_CODES.get(label, {})) for label in classes],
            "path": reference["name"] + ".mat",
            "rhythm_class": classes,
        }
    )
    warning = "patients are not known: the split is by record"
    return Source(root, INFO, table, fs_hz=fs_hz, label_level=label_level, warnings=[warning])
