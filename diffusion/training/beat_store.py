"""Measured beats in one file of a run's folder, so that a run that is resumed measures nothing again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from diffusion.beats.code import Habits
from diffusion.beats.shape import BeatShape
from diffusion.training.beat_sets import BeatExample
from gen.files import replacing
from gen.records import InputError
from gen.text import ReadText, StatementRead

_TIMES = ("on_s", "off_s", "t_off_s", "pr_s", "rr_s")
_FORMS = ("own", "other")


class NoiseAgreement(NamedTuple):
    """How leads agree in noise: (BANDS, 8, 8) of recordings, and (n, BANDS, 8, 8) of each between its complexes."""

    mean: npt.NDArray[Any]
    quiet: npt.NDArray[Any]


def write_examples(
    path: Path, sets: "Mapping[str, Sequence[BeatExample]]", agreement: NoiseAgreement, facts: dict[str, Any]
) -> None:
    """Write sets of examples by name, how leads agree in noise, and ``facts`` that they were measured under."""
    arrays: dict[str, Any] = {"facts": np.array(json.dumps(facts, sort_keys=True))}
    arrays |= {f"agreement.{name}": array for name, array in agreement._asdict().items()}
    for name, examples in sets.items():
        rows = []
        for e in examples:
            texts = [None if t is None else asdict(t) for t in e.texts]
            row = {"person": e.person, "has_p": bool(e.has_p), "texts": texts, "facts": dict(e.facts)}
            rows.append(row | {"mixings": len(e.mixing)})
        arrays[f"{name}.rows"] = np.array(json.dumps(rows))
        arrays[f"{name}.mixing"] = _stacked([e.mixing for e in examples], (0, 64), joined=True)
        for form in _FORMS:
            shapes = [getattr(e, form) for e in examples]
            there = [s for s in shapes if s is not None]
            arrays[f"{name}.{form}"] = np.array([s is not None for s in shapes])
            for part in ("qrst", "p"):
                arrays[f"{name}.{form}.{part}"] = _stacked([getattr(s, part) for s in there], (0,))
            arrays[f"{name}.{form}.times"] = np.array([[getattr(s, t) for t in _TIMES] for s in there])
        habits = [e.habits for e in examples]
        arrays[f"{name}.habits"] = np.array([h is not None for h in habits])
        arrays[f"{name}.sizes"] = np.array([[h.mixing, h.swelling] for h in habits if h is not None])
        arrays[f"{name}.power"] = _stacked([h.power_mv2 for h in habits if h is not None], (0,))
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def read_examples(
    path: Path, names: Sequence[str], facts: dict[str, Any]
) -> "tuple[list[list[BeatExample]], NoiseAgreement]":
    """Sets of `write_examples`, and how leads agree in noise.

    Raises:
        InputError: the file is of something else, or was measured under other facts.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no beats measured by 'physiogen train diffusion/beats'") from error
    if "facts" not in arrays or json.loads(str(arrays["facts"])) != facts:
        raise InputError(f"{path}: measured on other data or hearts; give another --out, or --overwrite")
    agreement = NoiseAgreement(*(arrays[f"agreement.{name}"] for name in NoiseAgreement._fields))
    return [_examples(arrays, name) for name in names], agreement


def _examples(arrays: dict[str, npt.NDArray[Any]], name: str) -> list[BeatExample]:
    shapes = {form: iter(_shapes(arrays, f"{name}.{form}")) for form in _FORMS}
    habits = iter(zip(arrays[f"{name}.sizes"].tolist(), arrays[f"{name}.power"], strict=True))
    mixing, place, out = arrays[f"{name}.mixing"], 0, []
    for k, row in enumerate(json.loads(str(arrays[f"{name}.rows"]))):
        own, other = (next(shapes[form]) if arrays[f"{name}.{form}"][k] else None for form in _FORMS)
        assert own is not None
        kept = None
        if arrays[f"{name}.habits"][k]:
            (size, swelling), power = next(habits)
            kept = Habits(size, swelling, power)
        part = mixing[place : place + row["mixings"]]
        place += row["mixings"]
        texts = tuple(None if text is None else _text(text) for text in row["texts"])
        out.append(BeatExample(row["person"], own, other, row["has_p"], kept, part, texts, row["facts"]))
    return out


def _shapes(arrays: dict[str, npt.NDArray[Any]], name: str) -> list[BeatShape]:
    parts = zip(arrays[f"{name}.qrst"], arrays[f"{name}.p"], arrays[f"{name}.times"].tolist(), strict=True)
    return [BeatShape(qrst, p, *times) for qrst, p, times in parts]


def _text(said: dict[str, Any]) -> ReadText:
    statements = tuple(StatementRead(**statement) for statement in said.pop("statements"))
    unknown = tuple(said.pop("unknown"))
    return ReadText(statements, said.pop("numbers"), unknown, **said)


def _stacked(rows: "Sequence[npt.NDArray[Any]]", empty: tuple[int, ...], *, joined: bool = False) -> npt.NDArray[Any]:
    if not len(rows):
        return np.empty(empty)
    return np.concatenate(rows) if joined else np.stack(rows)
