"""Pairs of ECGs of one person: split by person first, then paired, in both directions, with the time between them.

Published pairs go from the earlier to the later ECG only, and all of them are taken, so that whoever has many ECGs
dominates (ECGTwin, Lai et al. 2025). Here both directions count and a person gives a limited number.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gen.files import replacing
from gen.randomness import Purpose, name_number
from gen.records import InputError

if TYPE_CHECKING:
    import pandas as pd

    from gen.datasets import SignalCache

#: Columns of a cache's table that may say when an ECG was taken.
DATE_COLUMNS = ("recording_date", "ecg_time", "date")
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, eq=False)
class Visits:
    """Recordings, or windows of them, and whose they are.

    Attributes:
        persons: (n,) names.
        recordings: (n,) names; windows of one recording share it.
        years: (n,) time of each in years from any origin, NaN where unknown.
        splits: (n,) "train", "val" or "test".

    Raises:
        InputError: lengths differ, or a person is in two splits.
    """

    persons: np.ndarray
    recordings: np.ndarray
    years: np.ndarray
    splits: np.ndarray

    def __post_init__(self) -> None:
        sizes = {len(self.persons), len(self.recordings), len(self.years), len(self.splits)}
        if len(sizes) != 1:
            raise InputError(f"visits: columns of different lengths {sorted(sizes)}; expected one entry a recording")
        seen: dict[str, str] = {}
        for person, split in zip(self.persons.tolist(), self.splits.tolist(), strict=True):
            if seen.setdefault(person, split) != split:
                raise InputError(
                    f"visits: person {person} is in splits {seen[person]} and {split}; expected a split by person"
                )

    def __len__(self) -> int:
        return len(self.persons)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Ordered pairs of rows of `Visits`.

    Attributes:
        reference, target: (pair,) int64 rows.
        gap_years: (pair,) float32, target minus reference; negative back in time, NaN where unknown.
        weak: (pair,) bool, two windows of one recording.
        manifest: what they were made from; JSON values with a ``digest`` of content and settings.
    """

    reference: np.ndarray
    target: np.ndarray
    gap_years: np.ndarray
    weak: np.ndarray
    manifest: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.reference)


def build_pairs(visits: Visits, *, split: str = "train", cap: int = 24, seed: int = 0, windows: bool = True) -> Pairs:
    """Pair the ECGs of each person of a split.

    Args:
        visits: the recordings; rows of the same recording are windows of it.
        split: whose persons.
        cap: pairs of one person at most, both directions counted; which ones depends on seed and person alone.
        seed: of that choice.
        windows: also pair windows of one recording; such pairs come last where a person has more than ``cap``.

    Raises:
        InputError: the cap is below 2, or no person of the split has two ECGs.
    """
    if cap < 2:
        raise InputError(f"cap {cap}: expected 2 or more, a pair in both directions")
    rows = np.flatnonzero(visits.splits == split)
    order = rows[np.argsort(visits.persons[rows], kind="stable")]
    chosen = [pair for own in _persons(visits.persons, order) for pair in _of_person(visits, own, cap, seed, windows)]
    if not chosen:
        raise InputError(f"split {split!r}: no person has two ECGs, so there is no pair")
    once = np.array(chosen, dtype=np.int64)
    both = np.stack([once, once[:, ::-1]], axis=1).reshape(-1, 2)
    gap = (visits.years[both[:, 1]] - visits.years[both[:, 0]]).astype(np.float32)
    weak = visits.recordings[both[:, 0]] == visits.recordings[both[:, 1]]
    settings = {"split": split, "cap": cap, "seed": seed, "windows": windows}
    manifest = settings | {
        "pairs": len(both),
        "weak_pairs": int(weak.sum()),
        "persons": len({visits.persons[row] for row in once[:, 0].tolist()}),
        "digest": _digest(visits, both, gap, settings),
    }
    return Pairs(both[:, 0], both[:, 1], gap, weak, manifest)


def visits_of_cache(cache: "SignalCache") -> Visits:
    """Recordings of a cache (PTB-XL, MIMIC-IV-ECG or a folder with patient ids), in its order.

    A recording without a patient's id is taken as its own person, and so gives no pair with another.
    """
    table = cache.table
    names = [
        str(patient) if isinstance(patient, str) and patient else f"record:{record}"
        for patient, record in zip(table["patient_id"], table["record_id"], strict=True)
    ]
    return Visits(
        np.array(names, dtype=object),
        table["record_id"].astype(str).to_numpy(dtype=object),
        _years(table),
        table["split"].astype(str).to_numpy(dtype=object),
    )


def visits_of_cohort(names: Sequence[str], visits: int, years: np.ndarray, split: str = "train") -> Visits:
    """Examinations of simulated hearts, all hearts of visit 0 first.

    Args:
        names: of the hearts.
        visits: examinations of each.
        years: (visits * hearts,) age at each examination.
        split: of them all.
    """
    persons = np.array([name for _ in range(visits) for name in names], dtype=object)
    recordings = np.array([f"{name}-{visit}" for visit in range(visits) for name in names], dtype=object)
    return Visits(persons, recordings, np.asarray(years, float), np.full(len(persons), split, dtype=object))


def _years(table: "pd.DataFrame") -> np.ndarray:
    import pandas as pd

    column = next((name for name in DATE_COLUMNS if name in table), None)
    if column is None:
        return np.full(len(table), np.nan)
    dates = pd.to_datetime(table[column], errors="coerce")
    days = (dates - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    return days.to_numpy(dtype=float) / DAYS_PER_YEAR


def _persons(persons: np.ndarray, order: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of one person after another; ``order`` has them side by side."""
    if len(order):
        names = persons[order]
        yield from np.split(order, np.flatnonzero(names[1:] != names[:-1]) + 1)


def _of_person(visits: Visits, own: np.ndarray, cap: int, seed: int, windows: bool) -> list[tuple[int, int]]:
    """Unordered pairs (i < j) of one person, at most ``cap // 2``."""
    first, second = np.triu_indices(len(own), 1)
    first, second = own[first], own[second]
    weak = visits.recordings[first] == visits.recordings[second]
    key = name_number(str(visits.persons[own[0]])) if len(own) else 0
    rng = np.random.default_rng(np.random.SeedSequence((seed, key), spawn_key=(Purpose.PAIRS,)))
    order = rng.permutation(len(first))
    order = order[np.argsort(weak[order], kind="stable")]
    kept = np.sort(order[: cap // 2]) if windows else np.sort(order[~weak[order]][: cap // 2])
    return list(zip(first[kept].tolist(), second[kept].tolist(), strict=True))


def _digest(visits: Visits, both: np.ndarray, gap: np.ndarray, settings: Mapping[str, Any]) -> str:
    """Names of what is paired, not row numbers: the same set in another order of rows has another content."""
    digest = hashlib.sha256(repr(sorted(settings.items())).encode())
    for (i, j), years in zip(both.tolist(), gap.tolist(), strict=True):
        names = (visits.persons[i], visits.recordings[i], visits.recordings[j], i, j, f"{years:.4f}")
        digest.update("\t".join(map(str, names)).encode() + b"\n")
    return digest.hexdigest()


def write_manifest(pairs: Pairs, visits: Visits, file: Path) -> Path:
    """Write the pairs as CSV (reference, target, person, gap) with the manifest in its first line, whole or not."""
    with replacing(file) as temporary, temporary.open("w", encoding="utf-8") as handle:
        handle.write("# " + json.dumps(dict(pairs.manifest)) + "\n")
        handle.write("person,reference,target,reference_row,target_row,gap_years,weak\n")
        for i, j, gap, weak in zip(pairs.reference, pairs.target, pairs.gap_years, pairs.weak, strict=True):
            years = "" if np.isnan(gap) else f"{gap:.4f}"
            names = f"{visits.persons[i]},{visits.recordings[i]},{visits.recordings[j]}"
            handle.write(f"{names},{i},{j},{years},{int(weak)}\n")
    return file
