"""Fits the table of rhythms: ``physiogen train diffusion/rhythm``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from diffusion.rhythm.fit import Example, fit_table
from diffusion.rhythm.observed import observed_plans
from gen.files import replace_folder, write_json
from gen.records import InputError
from gen.training.declared import Declared
from gen.training.recipe import Fit, OfCache, Recipe

_BLOCK = 32
_OVER_89 = 90.0


@dataclass(frozen=True, kw_only=True)
class RhythmRecipe:
    """Settings of ``diffusion/rhythm``; ``--set key=value`` changes any of them."""

    candidates: int = 8192
    """Parameter sets that the likelihood of sinus variation is computed for; a power of two."""
    records: int = 0
    """Recordings of the training split that are used; 0 takes all."""


class _Rhythm(OfCache[RhythmRecipe], Fit[RhythmRecipe]):
    """The table of rhythms, fitted to the training split."""

    split = "folds 1-8"

    def fit(self, card: Mapping[str, Any]) -> dict[str, Any]:
        del card  # a table, not weights
        settings = self.settings
        if settings.candidates < 64 or settings.candidates & (settings.candidates - 1):
            raise InputError(f"candidates={settings.candidates}: expected a power of two, 64 at least")
        rows = self.cache.split("train")
        if settings.records:
            rows = rows[: settings.records]
        about = {
            "recipe": rhythm.about.name,
            "settings": asdict(settings),
            "data_digest": self.cache.digest,
            "split": "train",
            "textbook": "rates of mechanisms with fewer than 20 recordings: Surawicz and Knilans, Chou's "
            "Electrocardiography in Clinical Practice, 6th ed. 2008",
        }
        table = fit_table(list(_examples(self.cache, rows)), about, candidates=settings.candidates)
        with replace_folder(self.out) as folder:
            write_json(folder / "rhythm.json", table.as_dict())
        return {"table": str(self.out / "rhythm.json"), **table.about["recordings"]}


DECLARED = Declared("diffusion")
rhythm = Recipe(DECLARED.about("rhythm"), RhythmRecipe, _Rhythm)


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
