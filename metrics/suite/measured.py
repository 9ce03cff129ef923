"""ECG parameters of a set, measured once and shared by the sections that need them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metrics.measurement.parameters import SCALARS, Parameters
from metrics.statistics.arrays import Array
from metrics.suite.aligned import AlignedSet, blocks


@dataclass(frozen=True, eq=False)
class Measured:
    """Parameters of each record.

    Attributes:
        parameters: of each record, in the order of the set.
        values: scalar name -> (n,), NaN where it could not be measured.
        method: what measured them.
    """

    parameters: tuple[Parameters, ...]
    values: Mapping[str, Array]
    method: str


def measure_set(each: AlignedSet) -> Measured:
    """Measure every record of a set.

    Raises:
        InputError: its leads cannot be delineated.
    """
    from metrics.measurement.records import measure_records

    found: list[Parameters] = []
    for part in blocks(len(each)):
        found += measure_records(each.block(part), each.fs_hz, each.leads)
    values = {name: np.array([float(getattr(one, name)) for one in found]) for name in SCALARS}
    failed = np.array([one.failure is not None for one in found])
    for name in values:
        values[name][failed] = np.nan
    return Measured(tuple(found), values, "metrics.measurement.records")
