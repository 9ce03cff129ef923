"""ECG parameters of a set, measured once and shared by the sections that need them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gen.records import InputError
from metrics.statistics.arrays import Array
from metrics.suite.aligned import blocks
from metrics.suite.job import Job

if TYPE_CHECKING:
    from metrics.measurement.parameters import Parameters


@dataclass(frozen=True, eq=False)
class Measured:
    """Parameters of each record.

    Attributes:
        parameters: of each record, in the order of the set.
        values: scalar name -> (n,), NaN where it could not be measured.
        method: what measured them.
    """

    parameters: "tuple[Parameters, ...]"
    values: Mapping[str, Array]
    method: str


def measured(job: Job, which: str) -> Measured | str:
    """Parameters of the ``real`` or ``generated`` set, or in words why there are none."""
    key = f"measured:{which}"
    if key not in job.pictures:
        try:
            job.pictures[key] = _measure(job, which)
        except (InputError, ImportError) as error:
            job.pictures[key] = f"no delineation: {' '.join(str(error).split())}"
    return job.pictures[key]


def _measure(job: Job, which: str) -> Measured:
    from metrics.measurement.parameters import SCALARS
    from metrics.measurement.records import measure_records

    each = {"real": job.real, "generated": job.generated}[which]
    found: list[Parameters] = []
    for part in blocks(len(each)):
        found += measure_records(each.block(part), each.fs_hz, each.leads)
    values = {name: np.array([float(getattr(one, name)) for one in found]) for name in SCALARS}
    failed = np.array([one.failure is not None for one in found])
    for name in values:
        values[name][failed] = np.nan
    return Measured(tuple(found), values, "metrics.measurement.records")
