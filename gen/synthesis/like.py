"""Requests drawn from a real set: whole rows (report, age, sex, statements), so that they stay coherent."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gen.datasets.own_labels import JOINT, Meaning, labels_of, meanings_of
from gen.quantities import MEASURED, QUANTITIES
from gen.randomness import Purpose
from gen.records import InputError
from gen.synthesis.classes import Plan, class_counts, fill_up, plan_of
from gen.synthesis.labels import Classes, classes
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
        open: texts of each of its labels that leaves open which finding it is -> how often; one of each is asked for.
    """

    values: Mapping[str, Any]
    statements: Mapping[str, float]
    source: str
    group: str
    label: str | None = None
    open: tuple[Mapping[str, float], ...] = ()

    def content(self) -> dict[str, Any]:
        """JSON values that name it."""
        return {name: value for name, value in asdict(self).items() if name != "open" or value}

    def said(self, rng: np.random.Generator) -> dict[str, Any]:
        """Its conditions, with a finding for each label that leaves it open."""
        texts = [Meaning(each, frozenset()).text(rng) for each in self.open]
        known = [self.values["text"]] if "text" in self.values else []
        return {**self.values, "text": ", ".join([*known, *texts])} if texts else dict(self.values)


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
            digest.update(json.dumps(row.content(), sort_keys=True).encode())
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
        said = row.said(rng)
        # Where a finding was left open, the text that was drawn says all of them.
        statements = None if row.open else row.statements
        values = {**said, **self._rate(said, statements or {}, rng)}
        return Request(k, values, statements, row.source, row.label, row.group)

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
        labels: what labels of one's own stand for, before what a cache says of its own. Labels that the set has are
            taken from its records; others are told by their statements.
        verbatim: ask with the words of the recorded reports; otherwise what they say is put into other words.

    Raises:
        InputError: no set there, unknown balance, class or split, or no row that can be used.
    """
    if balance not in BALANCES:
        raise InputError(f"--balance {balance}: expected one of {', '.join(BALANCES)}")
    table, name, licence = _table(Path(folder))
    if split not in ("train", "val", "test", "all"):
        raise InputError(f"--split {split}: expected train, val, test or all")
    whole, table = table, table if split == "all" else table[table["split"] == split]
    values = {} if measured is None else _measurements(Path(measured))
    own = sorted({label for row in whole.to_dict("records") for label in labels_of(row)})
    meanings = {**meanings_of(Path(folder)), **(labels or {})}
    asked = bool(only or labels or per_class is not None or balance != "none")
    chosen = _chosen(name, own, only, labels, balance)
    rows, unusable = [], class_counts([])
    for row in table.to_dict("records"):
        # 'physiogen measure' names a record by its file, such as 00001_hr.
        file = Path(str(row.get("path") or "")).name
        found = _row(row, values.get(str(row["record_id"])) or values.get(file) or {}, name, verbatim, meanings)
        carried = _carried(row, found, chosen, own, meanings) if asked or own else ()
        texts = [found.values, *({**found.values, "text": text} for each in found.open for text in each)]
        if (found.values or found.open) and all(_accepted(each, check) for each in texts if each):
            rows.append(replace(found, label=JOINT.join(carried) or None))
        else:
            unusable.update(carried)
    if not rows:
        raise InputError(f"{folder}: no usable row with a report, age or sex in split {split!r}")
    patterns = [tuple(row.label.split(JOINT)) if row.label else () for row in rows]
    if asked and not any(patterns):
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


def _chosen(
    name: str, own: Sequence[str], only: Sequence[str], labels: Mapping[str, Meaning] | None, balance: str
) -> Classes:
    """The classes that are meant: of ``labels``, else the set's own labels, else those of PTB-XL."""
    if labels is not None:
        return classes(only, labels)
    if balance == "label" and not own and not only:
        raise InputError(
            f"--balance label: {name} has no labels of its own; accepted: --balance superclass, --only with SCP-ECG "
            "codes such as AFIB,CLBBB, or --labels TABLE"
        )
    if not own or (not only and balance == "superclass"):
        return classes(only, None)
    unknown = [each for each in only if each not in own]
    if unknown and len(unknown) == len(only):
        try:
            return classes(only, None)
        except InputError:
            pass
    if unknown:
        raise InputError(
            f"--only {unknown[0]}: no such label in {name}; there are {', '.join(own)}; accepted beside them, alone: "
            "superclasses or SCP-ECG codes"
        )
    return Classes(tuple(only) or tuple(own), {})


def _carried(
    row: Mapping[str, Any], found: Row, chosen: Classes, own: Sequence[str], meanings: Mapping[str, Meaning]
) -> tuple[str, ...]:
    """Classes of a row: its own label where the set has it, else those of its statements."""
    said = labels_of(row)
    if chosen.mapping == {}:
        return tuple(name for name in chosen.names if name in said)
    by_codes = set(chosen.of(_stated(found.values, found.statements)))
    for label in said:
        if label in meanings:
            by_codes |= meanings[label].classes(lambda code: chosen.of([code]))
    if chosen.mapping is None:
        return tuple(name for name in chosen.names if name in by_codes)
    return tuple(name for name in chosen.names if name in (said if name in own else by_codes))


def _table(folder: Path) -> tuple["pd.DataFrame", str, str]:
    if (folder / "manifest.json").is_file() and (folder / "records.parquet").is_file():
        from gen.datasets import SignalCache

        cache = SignalCache.open(folder)
        source = cache.manifest["source"]
        return cache.table, str(source["name"]), str(source.get("licence") or "unknown")
    from gen.datasets import open_source

    opened = open_source(folder)
    return opened.table, opened.info.name, opened.info.licence


def _row(
    row: Mapping[str, Any],
    measured: Mapping[str, float],
    name: str,
    verbatim: bool,
    meanings: Mapping[str, Meaning],
) -> Row:
    values: dict[str, Any] = {}
    report = row.get("report")
    statements = {str(code): float(value) for code, value in json.loads(row.get("statements") or "{}").items()}
    read = read_text(report.strip()) if isinstance(report, str) and report.strip() else None
    if read is not None and not read.empty:
        values["text"] = str(read.wording) if verbatim else worded(read)
    elif words_of(statements):
        values["text"] = words_of(statements)
    known = set(statements) if read is None or read.empty else {*statements, *read.codes(least=50)}
    meant = [meanings[label] for label in labels_of(row) if label in meanings]
    left = tuple(dict(each.texts) for each in meant if not each.codes & known)
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
    return Row(values | dict(measured), statements, str(row["record_id"]), group, open=left)


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
