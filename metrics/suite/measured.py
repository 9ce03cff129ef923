"""ECG parameters of a set, measured once and shared by the sections that need them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gen.io.kept import Kept
from metrics.measurement.parameters import SCALARS, Parameters, Rhythm
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


def measure_set(each: AlignedSet, name: str = "", kept: Kept | None = None) -> Measured:
    """Measure every record of a set, or take what the run before has measured.

    Args:
        each: the set.
        name: under which it is kept.
        kept: of the run.

    Raises:
        InputError: its leads cannot be delineated.
    """

    def measure() -> list[dict[str, Any]]:
        from metrics.measurement.records import measure_records

        found: list[Parameters] = []
        for part in blocks(len(each)):
            found += measure_records(each.block(part), each.fs_hz, each.leads)
        return [asdict(one) for one in found]

    found = [_parameters(facts) for facts in (kept or Kept()).values(f"parameters of {name}", measure)]
    values = {name: np.array([float(getattr(one, name)) for one in found]) for name in SCALARS}
    failed = np.array([one.failure is not None for one in found])
    for scalar in values:
        values[scalar][failed] = np.nan
    return Measured(tuple(found), values, "metrics.measurement.records")


def _parameters(facts: Mapping[str, Any]) -> Parameters:
    arrays = {key: np.array(value, dtype=np.float64) for key, value in facts.items() if key.endswith("_mv")}
    kinds = tuple((onset, kind) for onset, kind in facts["beat_kinds"])
    return Parameters(**{**facts, **arrays, "rhythm": Rhythm(**facts["rhythm"]), "beat_kinds": kinds})
