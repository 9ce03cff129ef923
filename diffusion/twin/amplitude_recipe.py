"""Measures `diffusion.twin.amplitudes`: ``physiogen train diffusion/amplitudes``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion.twin.amplitudes import ALL, LEAST, SHARE, Range, heights
from gen.files import replace_folder, write_json
from gen.leads import LEADS_8
from gen.records import InputError
from gen.training.declared import Declared
from gen.training.recipe import Fit, OfCache, Recipe
from metrics.measurement.records import measure_records

ABOUT = Declared("diffusion").about("amplitudes")


@dataclass(frozen=True)
class AmplitudeRecipe:
    """``diffusion/amplitudes`` has no settings."""


class _Amplitudes(OfCache[AmplitudeRecipe], Fit[AmplitudeRecipe]):
    """A JSON table."""

    split = "measured on folds 1-8"

    def fit(self, card: Mapping[str, Any]) -> dict[str, Any]:
        del card  # a table has none
        rows = self.cache.split("train")
        if not len(rows):
            raise InputError(f"{self.data}: no record in the training split; accepted: a cache with one")
        found: dict[str, list[np.ndarray]] = {ALL: []}
        for start in range(0, len(rows), 64):
            chosen = rows[start : start + 64]
            signal = self.cache.batch(chosen)
            for row, p in zip(chosen, measure_records(signal, fs_hz=self.cache.fs_hz, leads=LEADS_8), strict=True):
                if p.failure is not None:
                    continue
                said = json.loads(self.cache.table["statements"].iloc[int(row)] or "{}")
                for code in (ALL, *(code for code, percent in said.items() if percent == 0 or percent >= 50)):
                    found.setdefault(code, []).append(heights(p))
        ranges = {
            code: Range.of(np.stack(many)).as_dict() for code, many in sorted(found.items()) if len(many) >= LEAST
        }
        about = {"recipe": ABOUT.name, "data_digest": self.cache.digest, "split": "train", "share": SHARE}
        with replace_folder(self.out) as folder:
            write_json(folder / "amplitudes.json", {"about": about, "ranges": ranges})
        return {"table": str(self.out / "amplitudes.json"), "findings": len(ranges) - 1, "records": len(found[ALL])}


amplitudes = Recipe(ABOUT, AmplitudeRecipe, _Amplitudes)
