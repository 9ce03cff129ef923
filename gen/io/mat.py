"""MATLAB files with the samples in ``val``: the layout of the PhysioNet challenges and of hand-held strips.

A header (``.hea``) beside the file says all there is to know. Without one, a single int16 row is the strip of the
hand-held recorder of CinC 2017 (Clifford et al. 2017): lead I, 300 Hz, 1000 units per mV.
"""

from pathlib import Path
from typing import Any

import numpy as np

from gen.io.channels import assume, choose
from gen.io.common import Given, make_record, reading
from gen.io.wfdb import read_wfdb
from gen.io.wfdb_header import read_header
from gen.records import EcgRecord, InputError


def read_mat(path: Path, given: Given) -> EcgRecord:
    """One record; see `gen.io.read`."""
    header = path.with_suffix(".hea")
    signal = _load(path)
    if header.is_file() and any(line.file == path.name for line in read_header(header).signals):
        record = read_wfdb(header, given)
        if record.num_samples != signal.shape[1]:
            raise InputError(f"{path}: {signal.shape[1]} samples, but {header.name} announces {record.num_samples}")
        return record
    facts: dict[str, Any] = {}
    if signal.shape[0] == 1 and signal.dtype == np.int16 and given.unit is None:
        leads = choose(path, None if given.leads else ["I"], given, 1).leads
        fs_hz = given.rate(path, None) if given.fs_hz else 300.0
        assume(facts, "no header: 1000 units per mV, lead I, 300 Hz, as the hand-held recorder of CinC 2017 writes")
        return make_record(path, signal / 1000.0, fs_hz, leads, facts)
    leads = choose(path, None, given, signal.shape[0]).leads
    fs_hz = given.rate(path, None)
    return make_record(path, signal * np.float64(given.factor(path, None)), fs_hz, leads, facts)


def _load(path: Path) -> np.ndarray:
    """(lead, time) numbers of the variable ``val``."""
    with reading(path, "MATLAB"):
        from scipy.io import loadmat

        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty")
        found = loadmat(path, variable_names=["val"]).get("val")
    if found is None:
        raise InputError(f"{path}: no variable 'val' with the samples (the PhysioNet challenges' layout)")
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu" or found.ndim != 2 or found.size == 0:
        raise InputError(f"{path}: no samples in 'val'; expected (lead, time) numbers")
    return found
