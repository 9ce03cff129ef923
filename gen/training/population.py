"""``physiogen train gen/population``: fits the population of the simulator to real ECGs, see `gen.simulate.fit`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gen.files import write_text
from gen.simulate.fit import FS_HZ, fit, load_training
from gen.simulate.measure import measure
from gen.training.declared import Declared
from gen.training.ptbxl import OfPtbxl
from gen.training.recipe import Recipe

DECLARED = Declared("gen")


@dataclass(frozen=True)
class PopulationRecipe:
    """``gen/population`` has no settings."""


class _Population(OfPtbxl[PopulationRecipe]):
    """A JSON file, ``--out``."""

    def fit(self, card: Mapping[str, Any]) -> dict[str, Any]:
        del card  # the file states its source
        rows, signals = load_training(self.root)
        model = fit(rows, [measure(signal, FS_HZ) for signal in signals])
        model["source"] = "PTB-XL 1.0.3 (CC BY 4.0), folds 1-8; physiogen train gen/population --data .data/ptb-xl"
        write_text(self.out, json.dumps(model))
        return {"population": str(self.out), "records": model["records"], "kib": self.out.stat().st_size // 1024}


population = Recipe(DECLARED.about("population"), PopulationRecipe, _Population)
