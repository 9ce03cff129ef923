"""Do the intervals of ``physiogen cmr`` hold for one's own hearts? ``physiogen evaluate cmr-check --help``.

The table that ``cmr`` writes is laid beside one of volumes measured on the same people. Of each quantity: how many
intervals hold the measured value, with Wilson's interval, and whether fewer do than 90 % allows (exact binomial test).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flow.evaluation.settings import CmrCheck
from gen.evaluations import Progress
from gen.records import InputError
from gen.results import Data, Results, Value
from gen.signals import pearson
from gen.synthesis.table import cells
from metrics.statistics.proportion import wilson

#: Quantities that can be checked -> title, unit and the range that a measured value lies in.
QUANTITIES = {
    "edv_ml": ("EDV", "ml", (10.0, 900.0)),
    "esv_ml": ("ESV", "ml", (2.0, 800.0)),
    "sv_ml": ("SV", "ml", (2.0, 400.0)),
    "ef_percent": ("EF", "points", (2.0, 95.0)),
    "mass_g": ("LV mass", "g", (15.0, 800.0)),
}
COVERAGE = 0.9
FEWEST = 5
_REBUILT = "reconstructed leads"


@dataclass(frozen=True)
class Paired:
    """One quantity of people in both tables: measured value, median and interval, each (n,); group of each."""

    truth: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    group: tuple[str, ...]
    rebuilt: np.ndarray

    def part(self, chosen: np.ndarray) -> "Paired":
        """Some of them."""
        groups = tuple(name for name, there in zip(self.group, chosen, strict=True) if there)
        truth, median, low, high = (x[chosen] for x in (self.truth, self.median, self.low, self.high))
        return Paired(truth, median, low, high, groups, self.rebuilt[chosen])

    @property
    def held(self) -> np.ndarray:
        """(n,) bool."""
        return (self.truth >= self.low) & (self.truth <= self.high)


def run(settings: CmrCheck, progress: Progress) -> Results:
    """Coverage, width and error of every quantity that was measured; apart for groups and for rebuilt leads."""
    del progress
    place = settings.hearts / "metadata.csv" if settings.hearts.is_dir() else settings.hearts
    made, measured = _rows(place, "record"), _rows(settings.truth, "record")
    there = [name for name in QUANTITIES if name in next(iter(measured.values()))]
    if not there:
        raise InputError(f"{settings.truth}: no column of volumes; accepted: record and {', '.join(QUANTITIES)}")
    both = [record for record in measured if record in made]
    if len(both) < FEWEST:
        raise InputError(
            f"{settings.truth}: {len(both)} of its {len(measured)} records are in {place}; accepted: at least {FEWEST}"
        )
    pairs = {name: _paired(name, both, made, measured, (place, settings.truth)) for name in there}
    values: dict[str, dict[str, dict[str, Value]]] = {"all": {}}
    notes = [
        "Intervals are calibrated on simulated hearts: what they hold of other hearts is what this measures.",
        f"{len(both)} of {len(measured)} measured records and of {len(made)} hearts are in both tables.",
    ]
    for name, found in pairs.items():
        title, unit, _ = QUANTITIES[name]
        values["all"][title] = _figures(found, unit)
        notes += _doubt(title, found)
        kinds = {"whole ECGs": ~found.rebuilt, "rebuilt leads": found.rebuilt} if 0 < found.rebuilt.mean() < 1 else {}
        groups = {group: np.array([each == group for each in found.group]) for group in sorted(set(found.group) - {""})}
        for kind, chosen in {**kinds, **groups}.items():
            if chosen.sum() >= FEWEST:
                values.setdefault(kind, {})[title] = _figures(found.part(chosen), unit)
    return settings.results(values, data=[Data(settings.truth.name)], n=len(both), notes=notes)


def _figures(found: Paired, unit: str) -> dict[str, Value]:
    n = len(found.truth)
    gap = found.median - found.truth
    out = {
        "90 % intervals hold the truth": Value.of(wilson(found.held), n=n, better="higher"),
        "mean width": Value(float((found.high - found.low).mean()), n=n, unit=unit, better="lower"),
        "bias of the median": Value(float(gap.mean()), n=n, unit=unit),
        "mean absolute error": Value(float(np.abs(gap).mean()), n=n, unit=unit, better="lower"),
    }
    r = float(pearson(found.median, found.truth))
    return out | ({"r of the median": Value(r, n=n, better="higher")} if math.isfinite(r) else {})


def _doubt(title: str, found: Paired) -> list[str]:
    """A sentence where fewer are held than the intervals promise."""
    from scipy.stats import binom

    n, held = len(found.truth), int(found.held.sum())
    chance = float(binom.cdf(held, n, COVERAGE))
    if chance >= 0.025:
        return []
    return [f"{title}: {held} of {n} are held, fewer than {COVERAGE:.0%} allows by chance (p = {chance:.2g})."]


def _rows(path: Path, key: str) -> dict[str, dict[str, str]]:
    """Rows of a table by their record.

    Raises:
        InputError: no such column, a row that does not fit, no name, or a name twice.
    """
    header, rows = cells(path)
    if key not in header:
        raise InputError(f"{path}: no column {key}; it has {', '.join(header)}")
    out: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, 2):
        if row is None:
            raise InputError(f"{path}: row {number} has another number of columns than the header")
        cell = {name: "" if value is None else str(value).strip() for name, value in zip(header, row, strict=True)}
        name = cell[key]
        if not name or name in out:
            raise InputError(f"{path}: row {number}: {f'record {name} is there twice' if name else 'no record'}")
        out[name] = cell
    if not out:
        raise InputError(f"{path}: no rows; accepted: one row a heart")
    return out


def _paired(
    name: str,
    records: list[str],
    made: Mapping[str, Mapping[str, str]],
    measured: Mapping[str, Mapping[str, str]],
    places: tuple[Path, Path],
) -> Paired:
    ours = [f"{name}_median", f"{name}_low", f"{name}_high"]
    first = made[records[0]]
    if lacking := [column for column in ours if column not in first]:
        raise InputError(f"{places[0]}: no column {lacking[0]}; accepted: metadata.csv as `physiogen cmr` writes it")
    known = [record for record in records if measured[record][name]]
    if len(known) < FEWEST:
        raise InputError(f"{places[1]}: {name} of {len(known)} records; accepted: at least {FEWEST}, or no such column")
    truth = np.array([_number(measured[record][name], f"{places[1]}: {record}: {name}") for record in known])
    low, high = QUANTITIES[name][2]
    if name == "ef_percent" and truth.max() <= 1.0:
        raise InputError(f"{places[1]}: ef_percent up to {truth.max():g} look like shares of 1; accepted: percent")
    odd = np.flatnonzero((truth < low) | (truth > high))
    if len(odd):
        where = f"{places[1]}: {known[odd[0]]}: {name} {truth[odd[0]]:g}"
        raise InputError(f"{where}: no such heart; accepted: {low:g} to {high:g}, in the unit that the column names")
    columns = []
    for column in ours:
        if empty := [record for record in known if not made[record][column]]:
            raise InputError(f"{places[0]}: {empty[0]}: no {column}; draw two hearts or more (cmr --samples 8)")
        columns.append(np.array([_number(made[r][column], f"{places[0]}: {r}: {column}") for r in known]))
    rebuilt = np.array([_REBUILT in made[record].get("warnings", "") for record in known])
    groups = tuple(measured[record].get("group", "") for record in known)
    return Paired(truth, columns[0], columns[1], columns[2], groups, rebuilt)


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where} {text!r}: not a number; accepted: a decimal number, or nothing where unknown")
    return value
