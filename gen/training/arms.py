"""``physiogen train gen/arms``: fits the suspicion of exchanged arm electrodes, see `gen.quality.electrodes`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gen.datasets import open_source
from gen.files import write_text
from gen.quality.electrodes import arm_features, exchange_arms
from gen.records import InputError
from gen.training.declared import Declared
from gen.training.ptbxl import OfPtbxl
from gen.training.recipe import Recipe

DECLARED = Declared("gen")


@dataclass(frozen=True, kw_only=True)
class ArmsRecipe:
    """Settings of ``gen/arms``; ``--set key=value`` changes any of them."""

    suspected_share: float = 0.001
    """Share of the recordings, as they are, that may be suspected."""
    penalty: float = 0.003
    """Inverse strength of the weights' penalty, as scikit-learn has it; chosen on fold 9."""


class _Arms(OfPtbxl[ArmsRecipe]):
    """A JSON file, ``--out``."""

    def fit(self, card: Mapping[str, Any]) -> dict[str, Any]:
        from sklearn.linear_model import LogisticRegression

        del card  # the file states its source
        settings = self.settings
        if not 0 < settings.suspected_share < 1:
            raise InputError(f"suspected_share={settings.suspected_share:g}: accepted: between 0 and 1")
        source = open_source(self.root)
        features, upright, exchanged = [], [], []
        for row in source.split("train"):
            record = source[int(row)].to_12()
            for one, turned in ((record, False), (exchange_arms(record), True)):
                found = arm_features(one)
                if found is not None:
                    features.append(found[0])
                    upright.append(found[1])
                    exchanged.append(turned)
        rows, truth = np.array(features), np.array(exchanged)
        # Without an offset: what tells neither for nor against decides nothing.
        model = LogisticRegression(C=settings.penalty, fit_intercept=False, max_iter=5000).fit(rows, truth)
        weights = np.round(model.coef_[0], 4)
        decision = np.where(upright, rows @ weights, -np.inf)
        recorded = np.sort(decision[~truth])[::-1]
        suspected = float(np.ceil(1e4 * recorded[int(settings.suspected_share * len(recorded))]) / 1e4)
        about = {
            "source": "PTB-XL 1.0.3 (CC BY 4.0), folds 1-8; physiogen train gen/arms --data .data/ptb-xl",
            "recordings": int((~truth).sum()),
            "found": round(float((decision[truth] > suspected).mean()), 4),
            "suspected": round(float((decision[~truth] > suspected).mean()), 5),
        }
        content = {"weights": weights.tolist(), "suspected": suspected, "about": about}
        write_text(self.out, json.dumps(content, indent=1) + "\n")
        return {"model": str(self.out), **about}


arms = Recipe(DECLARED.about("arms"), ArmsRecipe, _Arms)
