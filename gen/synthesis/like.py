"""Requests drawn from a real set: whole rows (report, age, sex, statements), so that they stay coherent."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gen.quantities import MEASURED, QUANTITIES
from gen.randomness import Purpose
from gen.records import InputError
from gen.synthesis.classes import Plan, class_counts, fill_up, plan_of
from gen.synthesis.labels import JOINT, Classes, Meaning, classes
from gen.synthesis.requests import Request
from gen.text import read_text, worded, words_of
from gen.text.phrases import rate_of

if TYPE_CHECKING:
    import pandas as pd

BALANCES = ("none", "superclass", "label", "fill")
#: Rate at rest where nothing is known of the rhythm, bpm: mean, SD, lowest, highest.
_OTHER = (74.0, 14.0, 45.0, 120.0)


@dataclass(frozen=True)
class Row:
    """A usable row of a set.

    Attributes:
        values: conditions.
        statements: code -> likelihood in percent.
        source: its name in the set.
        group: names the person without telling who it is.
        label: its classes, joined, where there are any.
    """

    values: Mapping[str, Any]
    statements: Mapping[str, float]
    source: str
    group: str
    label: str | None = None


@dataclass(frozen=True, eq=False)
class LikeRequests:
    """Rows of a set; draw k of a seed is the same whatever the number of samples.

    Attributes:
        name: of the set.
        rows: the usable ones.
        count: samples.
        seed: of the draws.
        facts: for the data card.
        order: which row each draw takes; at random where None.
        classes: class -> samples, where classes are balanced.
        rate_jitter: standard deviation, relative, by which a measured heart rate is varied.
    """

    name: str
    rows: list[Row]
    count: int
    seed: int
    facts: Mapping[str, Any]
    order: np.ndarray | None = None
    classes: Mapping[str, int] | None = None
    rate_jitter: float = 0.05

    @property
    def digest(self) -> str:
        """Names the content."""
        order = None if self.order is None else [int(k) for k in self.order]
        digest = hashlib.sha256(json.dumps([self.count, self.seed, self.rate_jitter, order]).encode())
        for row in self.rows:
            digest.update(json.dumps(asdict(row), sort_keys=True).encode())
        return digest.hexdigest()

    @property
    def about(self) -> dict[str, Any]:
        """For the data card."""
        counts = {} if self.classes is None else {"classes": dict(self.classes)}
        return {"kind": "like", "set": self.name, **self.facts, "rows": len(self.rows), **counts}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, k: int) -> Request:
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, k), spawn_key=(Purpose.LIKE,)))
        row = self.rows[int(rng.integers(len(self.rows)) if self.order is None else self.order[k])]
        values = {**row.values, **self._rate(row.values, row.statements, rng)}
        return Request(k, values, row.statements, row.source, row.label, row.group)

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
    count: int | None,
    seed: int,
    *,
    balance: str = "none",
    split: str = "train",
    measured: str | Path | None = None,
    check: Callable[[Mapping[str, Any]], None] | None = None,
    only: Sequence[str] = (),
    per_class: int | None = None,
    labels: Mapping[str, Meaning] | None = None,
    verbatim: bool = False,
) -> LikeRequests:
    """Requests with the joint distribution of a set's reports, ages, sexes and statements.

    Args:
        folder: a data set (its table is enough) or a signal cache.
        count: samples wanted; one where neither it nor the classes say.
        seed: of the draws.
        balance: "superclass" or "label" makes the classes (PTB-XL's five superclasses, or the labels) equally frequent;
            "fill" makes as many of each as the set lacks beside its most frequent class; "none" draws rows.
        split: train, val, test or all; the training split by default, so that nothing of the others leaks.
        measured: CSV of ``physiogen measure`` on the set, for its heart rates, intervals and axes.
        check: raises `InputError` for values that cannot be asked for; such rows are not drawn.
        only: classes to make: superclasses, SCP-ECG codes, or labels; all where empty.
        per_class: samples of each class.
        labels: what labels of one's own stand for; without it a column ``label`` of the set goes before its statements.
        verbatim: ask with the words of the recorded reports; otherwise what they say is put into other words.

    Raises:
        InputError: no set there, unknown balance, class or split, or no row that can be used.
    """
    if balance not in BALANCES:
        raise InputError(f"--balance {balance}: expected one of {', '.join(BALANCES)}")
    table, name, licence = _table(Path(folder))
    if split not in ("train", "val", "test", "all"):
        raise InputError(f"--split {split}: expected train, val, test or all")
    table = table if split == "all" else table[table["split"] == split]
    values = {} if measured is None else _measurements(Path(measured))
    own = "label" in table and table["label"].notna().any()
    sorted_by = bool(only or labels or own or per_class is not None or balance != "none")
    own = own and balance != "superclass" and labels is None
    chosen = _own_classes(table["label"], only) if own else classes(only, labels)
    rows, unusable = [], class_counts([])
    for row in table.to_dict("records"):
        # 'physiogen measure' names a record by its file, such as 00001_hr.
        file = Path(str(row.get("path") or "")).name
        found = _row(row, values.get(str(row["record_id"])) or values.get(file) or {}, name, verbatim)
        carried = _carried(row, found, chosen, own) if sorted_by else ()
        if found.values and _accepted(found.values, check):
            rows.append(replace(found, label=JOINT.join(carried) or None))
        else:
            unusable.update(carried)
    if not rows:
        raise InputError(f"{folder}: no usable row with a report, age or sex in split {split!r}")
    patterns = [tuple(row.label.split(JOINT)) if row.label else () for row in rows]
    if sorted_by and not any(patterns):
        raise InputError(f"{folder}: no record of {', '.join(chosen.names)} in split {split!r}; use --balance none")
    plan = _plan(patterns, unusable, chosen.names, count, seed, bool(only), balance, per_class)
    facts = {"split": split, "balance": balance, "measured": measured is not None, "licence": licence}
    facts |= {"only": list(only)} if only else {}
    facts |= {"reports": "as recorded" if verbatim else "in other words"}
    made = (1 if count is None else count) if plan is None else len(plan.rows)
    if plan is None:
        return LikeRequests(name, rows, made, seed, facts)
    return LikeRequests(name, rows, made, seed, facts, plan.rows, dict(plan.classes))


def _plan(
    patterns: list[tuple[str, ...]],
    unusable: Mapping[str, int],
    names: Sequence[str],
    count: int | None,
    seed: int,
    some: bool,
    balance: str,
    per_class: int | None,
) -> Plan | None:
    """Which rows are taken; what cannot be asked for counts where a set is to be filled up."""
    known = class_counts(patterns)
    there = [name for name in names if known[name]]
    filled = None
    if balance == "fill":
        filled = fill_up([*patterns, *((name,) for name, often in unusable.items() for _ in range(often))], there)
    wanted = 1 if count is None and per_class is None and balance != "fill" else count
    plan = plan_of(patterns, there, wanted, balance=balance, per_class=per_class, seed=seed, filled=filled)
    if plan is None and some:  # the rows of some classes, as often as they are there
        members = np.flatnonzero([bool(pattern) for pattern in patterns])
        rng = np.random.default_rng(np.random.SeedSequence((seed, len(patterns)), spawn_key=(Purpose.LIKE,)))
        rows = rng.choice(members, wanted or 1)
        return Plan(rows, class_counts(patterns[k] for k in rows))
    return plan


def _own_classes(column: "pd.Series", only: Sequence[str]) -> Classes:
    """The labels that a set's own column holds."""
    found = sorted({name for text in column.dropna() for name in str(text).split(JOINT) if name})
    unknown = [name for name in only if name not in found]
    if unknown:
        raise InputError(f"--only {unknown[0]}: no such label in the set; there are {', '.join(found)}")
    return Classes(tuple(only) or tuple(found), {})


def _carried(row: Mapping[str, Any], found: Row, chosen: Classes, own: bool) -> tuple[str, ...]:
    """Classes of a row: its own label where the set has them, else those of its statements."""
    if own:
        said = row.get("label")
        return tuple(name for name in chosen.names if isinstance(said, str) and name in said.split(JOINT))
    return chosen.of(_stated(found.values, found.statements))


def _table(folder: Path) -> tuple["pd.DataFrame", str, str]:
    if (folder / "manifest.json").is_file() and (folder / "records.parquet").is_file():
        from gen.datasets import SignalCache

        cache = SignalCache.open(folder)
        source = cache.manifest["source"]
        return cache.table, str(source["name"]), str(source.get("licence") or "unknown")
    from gen.datasets import open_source

    opened = open_source(folder)
    return opened.table, opened.info.name, opened.info.licence


def _row(row: Mapping[str, Any], measured: Mapping[str, float], name: str, verbatim: bool) -> Row:
    values: dict[str, Any] = {}
    report = row.get("report")
    statements = {str(code): float(value) for code, value in json.loads(row.get("statements") or "{}").items()}
    read = read_text(report.strip()) if isinstance(report, str) and report.strip() else None
    if read is not None and not read.empty:
        values["text"] = str(read.wording) if verbatim else worded(read)
    elif words_of(statements):
        values["text"] = words_of(statements)
    age = row.get("age")
    if age is not None and np.isfinite(age):
        values["age"] = float(age)
    elif row.get("age_over_89"):
        values["age"] = 90.0
    if row.get("sex") in ("F", "M"):
        values["sex"] = row["sex"]
    for quantity, column in MEASURED.items():
        value, usual = row.get(column), QUANTITIES[quantity]
        if value is not None and np.isfinite(value) and usual.low <= value <= usual.high:
            values[quantity] = float(value)
    person = row.get("patient_id")
    person = str(row["record_id"]) if person is None or person != person else str(person)
    group = "like-" + hashlib.sha256(f"{name}/{person}".encode()).hexdigest()[:12]
    return Row(values | dict(measured), statements, str(row["record_id"]), group)


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
