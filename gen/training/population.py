"""``physiogen train gen/population``: fits the population of the simulator to real ECGs, see `gen.simulate.fit`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen.card import Source
from gen.files import write_text
from gen.records import InputError
from gen.simulate.fit import FS_HZ, fit, load_training
from gen.simulate.measure import measure
from gen.training.declared import Declared
from gen.training.recipe import Fit, Recipe

DECLARED = Declared("gen")
_TABLE = "ptbxl_database.csv"


@dataclass(frozen=True)
class PopulationRecipe:
    """``gen/population`` has no settings."""


class _Population(Fit[PopulationRecipe]):
    """A JSON file, ``--out``."""

    needs = "a folder of PTB-XL"

    def inputs(self) -> dict[str, str]:
        with (self._root / _TABLE).open("rb") as file:
            return {"data": hashlib.file_digest(file, "sha256").hexdigest()}

    def sources(self) -> list[Source]:
        return [
            Source(
                name="PTB-XL 1.0.3",
                licence="CC BY 4.0",
                citation="Wagner et al., Sci Data 2020;7:154",
                split="fitted to folds 1-8",
                digest=self.inputs()["data"],
            )
        ]

    @property
    def _root(self) -> Path:
        assert self.data is not None
        if not (self.data / _TABLE).is_file():
            raise InputError(f"{self.data}: no {_TABLE}; accepted: a folder of PTB-XL")
        return self.data

    def fit(self, card: Mapping[str, Any]) -> dict[str, Any]:
        del card  # the file states its source
        rows, signals = load_training(self._root)
        model = fit(rows, [measure(signal, FS_HZ) for signal in signals])
        model["source"] = "PTB-XL 1.0.3 (CC BY 4.0), folds 1-8; physiogen train gen/population --data .data/ptb-xl"
        write_text(self.out, json.dumps(model))
        return {"population": str(self.out), "records": model["records"], "kib": self.out.stat().st_size // 1024}


population = Recipe(DECLARED.about("population"), PopulationRecipe, _Population)
