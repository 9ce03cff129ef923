"""Reads filled answer sheets and scores them against the key."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from gen.files import read_json
from gen.records import InputError
from metrics.reader_study.kit import COLUMNS, REAL, SYNTHETIC, key_of
from metrics.reader_study.scores import cohen_kappa, detection, fleiss_interval
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import Interval, bootstrap_mean
from metrics.statistics.proportion import wilson


@dataclass(frozen=True)
class Answer:
    """One reader's opinion of one case; the grades from 1 to 5 are NaN where none was given."""

    reader: str
    case: str
    verdict: str
    quality: float
    text_agreement: float


def read_key(kit: str | Path, key: str | Path | None = None) -> dict[str, str]:
    """Case -> ``real`` or ``synthetic``.

    Raises:
        InputError: there is no key, or it is none of `metrics.reader_study`.
    """
    path = key_of(Path(kit)) if key is None else Path(key)
    cases = read_json(path).get("cases")
    if not isinstance(cases, Mapping) or not cases:
        raise InputError(f"{path}: no cases; accepted: the key that `physiogen study make` wrote")
    truth = {name: case.get("truth") if isinstance(case, Mapping) else None for name, case in cases.items()}
    if set(truth.values()) != {REAL, SYNTHETIC}:
        raise InputError(f"{path}: cases of {sorted(map(str, set(truth.values())))}; accepted: real and synthetic ones")
    return {name: str(group) for name, group in truth.items()}


def read_answers(sheets: Sequence[str | Path], truth: Mapping[str, str]) -> list[Answer]:
    """Answers of all sheets; a row without a verdict counts as not answered, a sheet without a reader as its file's.

    Raises:
        InputError: a sheet that is not readable or without any verdict, an unknown case, a verdict or grade that is
            not accepted, or two answers of a reader to one case.
    """
    out: dict[tuple[str, str], Answer] = {}
    for sheet in map(Path, sheets):
        found = [_answer(sheet, line, row, truth) for line, row in _rows(sheet)]
        given = [answer for answer in found if answer is not None]
        if not given:
            raise InputError(f"{sheet}: no verdict in it; accepted: real or synthetic in the column verdict")
        for answer in given:
            if (answer.reader, answer.case) in out:
                raise InputError(f"{sheet}: reader {answer.reader!r} answers {answer.case} twice; accepted: once")
            out[answer.reader, answer.case] = answer
    return list(out.values())


def score(
    answers: Sequence[Answer], truth: Mapping[str, str], *, replicates: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """All figures of a reader study as JSON values.

    Returns:
        ``accuracy``: of all answers, its interval over cases (for these readers); ``readers``: for each its accuracy
        with Wilson's interval and `Detection`; ``kappa``: Fleiss' over the cases that all answered, Cohen's for each
        pair of readers; ``groups``: mean quality and text agreement of real and synthetic cases; ``answered``.

    Raises:
        InputError: a reader saw one group only.
    """
    cases = np.array([answer.case for answer in answers])
    correct = np.array([float(answer.verdict == truth[answer.case]) for answer in answers])
    names = list(dict.fromkeys(answer.reader for answer in answers))
    readers = {name: _reader([a for a in answers if a.reader == name], truth) for name in names}
    draws: dict[str, Any] = {"replicates": replicates, "seed": seed, "method": "percentile"}
    overall = bootstrap_mean(correct, groups=cases, **draws)
    return {
        "cases": len(truth),
        "answered": len(answers),
        "accuracy": asdict(overall),
        "told_apart": not overall.low <= 0.5 <= overall.high,
        "readers": readers,
        "kappa": _kappas(answers, names, replicates, seed),
        "groups": {
            group: {
                grade: _mean([a for a in answers if truth[a.case] == group], grade, draws)
                for grade in ("quality", "text_agreement")
            }
            for group in (REAL, SYNTHETIC)
        },
    }


def _reader(answers: Sequence[Answer], truth: Mapping[str, str]) -> dict[str, Any]:
    called = {group: [a.verdict == SYNTHETIC for a in answers if truth[a.case] == group] for group in (REAL, SYNTHETIC)}
    if not all(called.values()):
        raise InputError(f"reader {answers[0].reader!r}: answers to one group only; accepted: cases of both groups")
    found = detection(
        hits=sum(called[SYNTHETIC]), synthetic=len(called[SYNTHETIC]), alarms=sum(called[REAL]), real=len(called[REAL])
    )
    right = wilson([float(a.verdict == truth[a.case]) for a in answers])
    return {"accuracy": asdict(right), **asdict(found)}


def _kappas(answers: Sequence[Answer], names: Sequence[str], replicates: int, seed: int) -> dict[str, Any]:
    said = {name: {a.case: a.verdict for a in answers if a.reader == name} for name in names}
    pairs: dict[str, float | None] = {}
    for one, two in combinations(names, 2):
        both = [case for case in said[one] if case in said[two]]
        kappa = cohen_kappa([said[one][c] for c in both], [said[two][c] for c in both]) if both else float("nan")
        pairs[f"{one} - {two}"] = kappa if np.isfinite(kappa) else None
    shared = [case for case in said[names[0]] if all(case in said[name] for name in names)]
    fleiss: Interval | None = None
    if len(names) > 1 and len(shared) > 1:
        synthetic = np.array([sum(said[name][case] == SYNTHETIC for name in names) for case in shared])
        fleiss = fleiss_interval(
            np.stack([synthetic, len(names) - synthetic], axis=1), replicates=replicates, seed=seed
        )
    known = fleiss is not None and np.isfinite(fleiss.value)
    return {"fleiss": asdict(fleiss) if fleiss is not None and known else None, "shared": len(shared), "cohen": pairs}


def _mean(answers: Sequence[Answer], grade: str, draws: Mapping[str, Any]) -> dict[str, Any] | None:
    values: Array = np.array([getattr(answer, grade) for answer in answers])
    cases = np.array([answer.case for answer in answers])
    if len(set(cases[np.isfinite(values)].tolist())) < 2:
        return None
    return asdict(bootstrap_mean(values, groups=cases, **draws))


def _rows(sheet: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells by column; spreadsheets write a mark in front, and semicolons in some countries."""
    try:
        text = sheet.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{sheet}: not readable as text; accepted: a filled {','.join(COLUMNS)} table") from error
    lines = text.splitlines()
    rows = csv.DictReader(lines, delimiter=";" if lines and lines[0].count(";") > lines[0].count(",") else ",")
    lacking = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if lacking:
        raise InputError(f"{sheet}: no column {lacking[0]!r}; accepted: {', '.join(COLUMNS)}")
    cells = [(rows.line_num, {name: (row[name] or "").strip() for name in COLUMNS}) for row in rows]
    return [(line, row) for line, row in cells if any(row.values())]


def _answer(sheet: Path, line: int, row: Mapping[str, str], truth: Mapping[str, str]) -> Answer | None:
    if row["id"] not in truth:
        raise InputError(
            f"{sheet}: line {line}: no case {row['id']!r} in this kit; accepted: {min(truth)} to {max(truth)}"
        )
    verdict = row["verdict"].lower()
    if not verdict:
        return None
    if verdict not in (REAL, SYNTHETIC):
        raise InputError(f"{sheet}: line {line}: verdict {row['verdict']!r}; accepted: {REAL} or {SYNTHETIC}")
    grades = {}
    for name in ("quality", "text_agreement"):
        if row[name] not in ("", "1", "2", "3", "4", "5"):
            raise InputError(f"{sheet}: line {line}: {name} {row[name]!r}; accepted: 1 to 5, or empty")
        grades[name] = float(row[name] or "nan")
    return Answer(row["reader"] or sheet.stem, row["id"], verdict, grades["quality"], grades["text_agreement"])
