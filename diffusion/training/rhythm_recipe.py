"""Fits the table of rhythms: ``physiogen train diffusion/rhythm``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffusion.rhythm.fit import Example, fit_table
from diffusion.rhythm.observed import observed_plans
from gen.files import replace_folder, write_json
from gen.records import InputError
from gen.training import apply_overrides

_BLOCK = 32
_OVER_89 = 90.0


@dataclass(frozen=True, kw_only=True)
class RhythmRecipe:
    """Settings of ``diffusion/rhythm``; ``--set key=value`` changes any of them."""

    candidates: int = 8192
    """Parameter sets that the likelihood of sinus variation is computed for; a power of two."""
    records: int = 0
    """Recordings of the training split that are used; 0 takes all."""


def rhythm(
    *, data: Path | None, out: Path, resume: bool = False, overrides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Fit the table of rhythms to the training split of a cache made by ``physiogen data prepare``.

    Raises:
        InputError: no cache, or too few recordings of a rhythm.
    """
    from gen.datasets import SignalCache

    recipe = apply_overrides(RhythmRecipe(), overrides or {})
    if data is None:
        raise InputError("this recipe needs --data: a cache made by `physiogen data prepare SOURCE --out DIR`")
    if recipe.candidates < 64 or recipe.candidates & (recipe.candidates - 1):
        raise InputError(f"candidates={recipe.candidates}: expected a power of two, 64 at least")
    if resume and (out / "rhythm.json").is_file():
        return {"table": str(out / "rhythm.json")}
    cache = SignalCache.open(data)
    rows = cache.split("train")
    if recipe.records:
        rows = rows[: recipe.records]
    about = {
        "recipe": "diffusion/rhythm",
        "settings": asdict(recipe),
        "data_digest": cache.digest,
        "split": "train",
        "textbook": "rates of mechanisms with fewer than 20 recordings: Surawicz and Knilans, Chou's "
        "Electrocardiography in Clinical Practice, 6th ed. 2008",
    }
    table = fit_table(list(_examples(cache, rows)), about, candidates=recipe.candidates)
    with replace_folder(out) as folder:
        write_json(folder / "rhythm.json", table.as_dict())
    return {"table": str(out / "rhythm.json"), **table.about["recordings"]}


def _examples(cache: Any, rows: np.ndarray) -> list[Example]:
    found = []
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        records = [cache.record(int(row)) for row in block]
        codes = [frozenset(json.loads(cache.table["statements"].iloc[int(row)] or "{}")) for row in block]
        for record, said, plan in zip(records, codes, observed_plans(records, list(codes)), strict=True):
            age = record.patient.age
            if plan is not None and len(plan) > 2:
                found.append(Example(plan, said, _OVER_89 if age is None else float(age)))
    return found
