"""How large QRS complexes are in recordings with a finding, lead by lead: what a twin is held against.

Of R and of S the largest that are usual count, of the larger of the two in a lead also the smallest: a lead without R
or without S is nothing unusual.

The table (``amplitudes.json``) is measured by ``physiogen train diffusion/amplitudes`` on training folds.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gen.files import read_json
from gen.leads import LEADS_12
from metrics.measurement.parameters import Parameters

Array = npt.NDArray[np.float64]

TABLE = Path(__file__).with_name("amplitudes.json")
#: Every recording, whatever it shows.
ALL = "ALL"
#: Recordings that a finding needs; share of them between the limits.
LEAST, SHARE = 20, 0.99
WAVES = ("R", "S")
_ROUNDING = 5e-4
#: Two ECGs of a person differ so much in an amplitude.
_AS_BEFORE = 1.25


@dataclass(frozen=True, eq=False)
class Range:
    """Where the amplitudes of most recordings lie.

    Attributes:
        n: recordings.
        high: (2, 12) mV, of `WAVES` and `LEADS_12`.
        low: (12,) mV, of the larger wave of each lead.
    """

    n: int
    low: Array
    high: Array

    @classmethod
    def of(cls, heights_mv: Array) -> "Range":
        """Of heights (n, 2, 12), NaN where not measurable."""
        high = np.nanquantile(heights_mv, 0.5 + SHARE / 2, axis=0)
        return cls(len(heights_mv), np.nanquantile(larger(heights_mv), 0.5 - SHARE / 2, axis=0), high)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"n": self.n, "low": np.round(self.low, 3).tolist(), "high": np.round(self.high, 3).tolist()}


def heights(measured: Parameters) -> Array:
    """(2, 12) mV of R, and of the deeper of Q and S."""
    return np.stack([measured.r_mv, np.fmax(measured.s_mv, measured.q_mv)])


def larger(heights_mv: Array) -> Array:
    """(..., 12) mV of the larger of R and S, from (..., 2, 12)."""
    return np.fmax(heights_mv[..., 0, :], heights_mv[..., 1, :])


@cache
def read_amplitudes(path: Path = TABLE) -> Mapping[str, Range]:
    """Finding -> range; `ALL` is of all recordings."""
    rows = read_json(path)["ranges"]
    return {code: Range(row["n"], np.array(row["low"]), np.array(row["high"])) for code, row in rows.items()}


def allowed(codes: Collection[str], table: Mapping[str, Range] | None = None) -> tuple[Range, str]:
    """The range for findings, and its name: the widest of those that are known, or that of all recordings."""
    table = read_amplitudes() if table is None else table
    known = sorted(set(codes) & set(table)) or [ALL]
    ranges = [table[code] for code in known]
    low, high = (np.min([r.low for r in ranges], axis=0), np.max([r.high for r in ranges], axis=0))
    return Range(min(r.n for r in ranges), low, high), " with ".join(known)


def outside(
    measured: Parameters,
    codes: Collection[str],
    table: Mapping[str, Range] | None = None,
    *,
    unless: Parameters | None = None,
) -> list[str]:
    """What lies outside the range of recordings with some findings, the farthest first; empty where nothing does.

    Args:
        measured: what is held against recordings.
        codes: its findings.
        table: instead of the shipped one.
        unless: another ECG of the person; amplitudes as large or small as there are nothing new.
    """
    limits, name = allowed(codes, table)
    found = heights(measured)
    if unless is not None:
        own = heights(unless)
        widest = np.fmax(limits.high, _AS_BEFORE * own)
        limits = Range(limits.n, np.fmin(limits.low, larger(own) / _AS_BEFORE), widest)
    said = "recordings" if name == ALL else f"recordings with {name}"
    faults = []
    with np.errstate(invalid="ignore"):
        beyond = found - limits.high
        below = limits.low - larger(found)
    for wave, lead in zip(*np.nonzero(beyond > _ROUNDING), strict=True):
        words = f"{WAVES[wave]} of {found[wave, lead]:.2f} mV in {LEADS_12[lead]}"
        faults.append((beyond[wave, lead], f"{words}; {said} have up to {limits.high[wave, lead]:.2f}"))
    for lead in np.flatnonzero(below > _ROUNDING):
        words = f"QRS of {larger(found)[lead]:.2f} mV in {LEADS_12[lead]}"
        faults.append((below[lead], f"{words}; {said} have {limits.low[lead]:.2f} or more"))
    return [line for _, line in sorted(faults, key=lambda fault: -fault[0])]
