"""A record with everything that a format may lose."""

import numpy as np

from gen.leads import LEADS_12
from gen.records import EcgRecord, Patient


def make_record(rng, record_id="r1", leads=LEADS_12, num_samples=1000, fs_hz=500.0, **changes):
    signal = rng.normal(0, 0.5, (len(leads), num_samples)).astype(np.float32)
    facts = {
        "patient": Patient(id="p 01", age=63.0, sex="F", height_cm=171.0, weight_kg=70.5),
        "report": "Sinusrhythmus, übliche Lage\nkein Anhalt für Ischämie",
        "statements": {"NORM": 100.0, "SR": 0.0},
        "synthetic": True,
        "metadata": {"seed": [3, 7], "model": {"hash": "ab"}, "none": None, "long": "x y " * 500},
    }
    return EcgRecord(signal, fs_hz, leads, record_id, **{**facts, **changes})
