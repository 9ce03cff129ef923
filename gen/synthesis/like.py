"""Requests drawn from a real set: whole rows (report, age, sex, statements), so that they stay coherent."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gen.datasets.scp import SUPERCLASSES, aggregate
from gen.quantities import MEASURED, QUANTITIES
from gen.randomness import Purpose
from gen.records import InputError
from gen.synthesis.requests import Request
from gen.text import read_text
from gen.text.phrases import rate_of

if TYPE_CHECKING:
    import pandas as pd

BALANCES = ("none", "superclass")
#: Rate at rest where nothing is known of the rhythm, bpm: mean, SD, lowest, highest.
_OTHER = (74.0, 14.0, 45.0, 120.0)


@dataclass(frozen=True, eq=False)
class LikeRequests:
    """Rows of a set, drawn at random; draw k of a seed is the same whatever the number of samples.

    Attributes:
        rows: one `Request`'s values, statements and source for each usable row.
        groups: rows by what is balanced; one group of all where nothing is.
        rate_jitter: standard deviation, relative, by which a measured heart rate is varied.
    """

    name: str
    rows: list[tuple[dict[str, Any], dict[str, float], str]]
    groups: Mapping[str, np.ndarray]
    count: int
    seed: int
    facts: Mapping[str, Any]
    rate_jitter: float = 0.05

    @property
    def digest(self) -> str:
        """Names the content."""
        digest = hashlib.sha256(json.dumps([self.count, self.seed, self.rate_jitter, sorted(self.groups)]).encode())
        for row in self.rows:
            digest.update(json.dumps(row, sort_keys=True).encode())
        return digest.hexdigest()

    @property
    def about(self) -> dict[str, Any]:
        """For the data card."""
        return {"kind": "like", "set": self.name, **self.facts, "rows": len(self.rows)}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, k: int) -> Request:
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, k), spawn_key=(Purpose.LIKE,)))
        names = sorted(self.groups)
        members = self.groups[names[int(rng.integers(len(names)))]]
        values, statements, source = self.rows[int(members[int(rng.integers(len(members)))])]
        return Request(k, {**values, **self._rate(values, statements, rng)}, statements, source)

    def _rate(self, values: Mapping[str, Any], statements: Mapping[str, float], rng: np.random.Generator) -> dict:
        """A heart rate around the measured one, or one that fits the rhythm; none where the text gives one."""
        normal = float(rng.standard_normal())
        if "heart_rate" in values:
            return {"heart_rate": _rounded(np.clip(values["heart_rate"] * (1 + self.rate_jitter * normal), 20, 300))}
        if "text" in values and "heart_rate" in read_text(values["text"]).numbers:
            return {}
        rate = rate_of(_stated(values, statements))
        mean, spread, low, high = _OTHER if rate is None else (rate.mean, rate.sd, rate.usual_low, rate.usual_high)
        return {"heart_rate": _rounded(np.clip(mean + spread * normal, low, high))}


def like(
    folder: str | Path,
    count: int,
    seed: int,
    *,
    balance: str = "none",
    split: str = "train",
    measured: str | Path | None = None,
    check: Callable[[Mapping[str, Any]], None] | None = None,
) -> LikeRequests:
    """Requests with the joint distribution of a set's reports, ages, sexes and statements.

    Args:
        folder: a data set (its table is enough) or a signal cache.
        count: samples wanted.
        seed: of the draws.
        balance: "superclass" draws the five diagnostic superclasses of PTB-XL equally often; "none" draws rows.
        split: train, val, test or all; the training split by default, so that nothing of the others leaks.
        measured: CSV of ``physiogen measure`` on the set, for its heart rates, intervals and axes.
        check: raises `InputError` for values that cannot be asked for; such rows are not drawn.

    Raises:
        InputError: no set there, unknown balance or split, or no row that can be used.
    """
    if balance not in BALANCES:
        raise InputError(f"--balance {balance}: expected one of {', '.join(BALANCES)}")
    table, name = _table(Path(folder))
    if split not in ("train", "val", "test", "all"):
        raise InputError(f"--split {split}: expected train, val, test or all")
    table = table if split == "all" else table[table["split"] == split]
    values = {} if measured is None else _measurements(Path(measured))
    rows = []
    for row in table.to_dict("records"):
        # 'physiogen measure' names a record by its file, such as 00001_hr.
        file = Path(str(row.get("path") or "")).name
        found = _row(row, values.get(str(row["record_id"])) or values.get(file) or {})
        if found[0] and _accepted(found[0], check):
            rows.append(found)
    if not rows:
        raise InputError(f"{folder}: no usable row with a report, age or sex in split {split!r}")
    groups = {"all": np.arange(len(rows))}
    if balance == "superclass":
        labels = [set(aggregate(_stated(values, statements), "super")) for values, statements, _ in rows]
        groups = {c: np.array([k for k, own in enumerate(labels) if c in own], dtype=np.int64) for c in SUPERCLASSES}
        groups = {c: members for c, members in groups.items() if len(members)}
        if not groups:
            raise InputError(f"{folder}: no statement of a diagnostic superclass in it; use --balance none")
    facts = {"split": split, "balance": balance, "measured": measured is not None}
    return LikeRequests(name, rows, groups, count, seed, facts)


def _table(folder: Path) -> tuple["pd.DataFrame", str]:
    if (folder / "manifest.json").is_file() and (folder / "records.parquet").is_file():
        from gen.datasets import SignalCache

        cache = SignalCache.open(folder)
        return cache.table, str(cache.manifest["source"]["name"])
    from gen.datasets import open_source

    source = open_source(folder)
    return source.table, source.info.name


def _row(row: Mapping[str, Any], measured: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, float], str]:
    values: dict[str, Any] = {}
    report = row.get("report")
    if isinstance(report, str) and report.strip() and not read_text(report).empty:
        values["text"] = report.strip()
    age = row.get("age")
    if age is not None and np.isfinite(age):
        values["age"] = float(age)
    elif row.get("age_over_89"):
        values["age"] = 90.0
    if row.get("sex") in ("F", "M"):
        values["sex"] = row["sex"]
    for name, column in MEASURED.items():
        value = row.get(column)
        if value is not None and np.isfinite(value) and QUANTITIES[name].low <= value <= QUANTITIES[name].high:
            values[name] = float(value)
    statements = {str(code): float(value) for code, value in json.loads(row.get("statements") or "{}").items()}
    return values | dict(measured), statements, str(row["record_id"])


def _stated(values: Mapping[str, Any], statements: Mapping[str, float]) -> dict[str, float]:
    """Statements of a row; those of its report where it has no codes."""
    if statements or "text" not in values:
        return dict(statements)
    return dict.fromkeys(read_text(values["text"]).codes(least=50), 100.0)


def _measurements(path: Path) -> dict[str, dict[str, float]]:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype={"record": str})
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable CSV file ({' '.join(str(error).split())})") from error
    missing = [column for column in ("record", "hr_bpm") if column not in table]
    if missing:
        raise InputError(f"{path}: column {missing[0]} is missing; accepted: the table of 'physiogen measure'")
    return {
        row["record"]: {
            name: float(row[column]) for name, column in MEASURED.items() if column in row and np.isfinite(row[column])
        }
        for row in table.to_dict("records")
    }


def _accepted(values: Mapping[str, Any], check: Callable[[Mapping[str, Any]], None] | None) -> bool:
    try:
        if check is not None:
            check(values)
    except InputError:
        return False
    return True


def _rounded(value: float) -> float:
    return round(float(value), 1)
