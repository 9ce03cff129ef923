"""``physiogen train gen/quality``: fits the model of `gen.quality.acceptance` to the graders of CinC 2011."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from gen.card import Source, source_of
from gen.datasets.cinc2011 import INFO, SPLIT_SEED, read_graded
from gen.files import write_text
from gen.quality.acceptance import FARTHEST, AcceptanceModel, stretches
from gen.training.declared import Declared
from gen.training.recipe import Fit, Recipe

Array = npt.NDArray[np.float64]

DECLARED = Declared("gen")


@dataclass(frozen=True, kw_only=True)
class QualityRecipe:
    """Settings of ``gen/quality``; ``--set key=value`` changes any of them."""

    seed: int = SPLIT_SEED
    """Of the split into thirds: learned from, chosen on, held out."""
    penalties: tuple[float, ...] = (0.01, 0.03, 0.1)
    """Variances of the weights' prior that are tried."""
    softness: tuple[float, ...] = (0.5, 1.0)
    """Softnesses of the maximum over leads that are tried."""


class _Quality(Fit[QualityRecipe]):
    """A JSON file, ``--out``."""

    needs = "the folder of CinC 2011's set-a with its labels"

    @cached_property
    def _graded(self) -> tuple[Array, npt.NDArray[np.bool_], npt.NDArray[np.str_]]:
        """Features (record, lead, feature), whether unacceptable, and part; the held-out third is not looked at."""
        assert self.data is not None
        features, bad, parts = [], [], []
        for item in read_graded(self.data, self.settings.seed):
            if item.part != "test":
                features.append(stretches(item.record.signal_mv, item.record.fs_hz)[0])
                bad.append(not item.acceptable)
                parts.append(item.part)
        return np.stack(features), np.array(bad), np.array(parts)

    def inputs(self) -> dict[str, str]:
        features, bad, _ = self._graded
        return {"data": sha256(features.tobytes() + bad.tobytes()).hexdigest()}

    def sources(self) -> list[Source]:
        split = "a third learned from, a third chosen on, a third held out; equal copies counted once"
        return [source_of(asdict(INFO), split=split, digest=self.inputs()["data"])]

    def fit(self, card: Mapping[str, Any]) -> dict[str, Any]:
        del card  # the file states its source
        features, bad, parts = self._graded
        learn, choose = parts == "learn", parts == "choose"
        settings = self.settings
        best, chosen = -1.0, (settings.penalties[0], settings.softness[0])
        for pair in product(settings.penalties, settings.softness):
            model = fit_model(features[learn], bad[learn], *pair)
            score = _auroc(model.record(model.leads(features[choose])), bad[choose])
            if score > best:
                best, chosen = score, pair
        about = {
            "source": f"{INFO.name} ({INFO.licence}); physiogen train {ABOUT.name} --data .data/cinc2011",
            "split": f"two thirds by seed {settings.seed}, equal copies counted once; the last third is held out",
            "records": {"accepted": int((~bad).sum()), "not accepted": int(bad.sum())},
            "penalty": chosen[0],
            "auroc_chosen_on": round(best, 4),
        }
        model = fit_model(features, bad, *chosen, about=about)
        model = replace(model, accepted_from=working_point(features, bad, *chosen, seed=settings.seed))
        write_text(self.out, json.dumps(model.as_dict(), indent=1) + "\n")
        return {"model": str(self.out), **about}


ABOUT = DECLARED.about("quality")
quality = Recipe(ABOUT, QualityRecipe, _Quality)


def fit_model(
    features: Array,
    bad: npt.NDArray[np.bool_],
    variance: float,
    softness: float,
    about: Mapping[str, Any] | None = None,
) -> AcceptanceModel:
    """Weights of greatest posterior probability, by L-BFGS.

    Args:
        features: (record, lead, feature).
        bad: (record,) not accepted.
        variance: of the weights' normal prior.
        softness: of the maximum over leads.
        about: kept with the model.
    """
    width = features.shape[-1]
    flat = features.reshape(-1, width)
    mean, scale = flat.mean(axis=0), flat.std(axis=0) + 1e-6
    z = np.clip((features - mean) / scale, -FARTHEST, FARTHEST)
    inputs = np.concatenate([np.maximum(z, 0), np.maximum(-z, 0)], axis=-1)

    def model(theta: Array) -> AcceptanceModel:
        return AcceptanceModel(
            mean, scale, theta[:width], theta[width:-1], float(theta[-1]), softness, 0.5, about or {}
        )

    def loss(theta: Array) -> tuple[float, Array]:
        lead = inputs @ theta[:-1] + theta[-1]
        share = np.exp((lead - lead.max(axis=1, keepdims=True)) / softness)
        share /= share.sum(axis=1, keepdims=True)
        score = model(theta).record(lead)
        nll = np.logaddexp(0, np.where(bad, -score, score)).sum() + 0.5 * (theta[:-1] ** 2).sum() / variance
        slope = (expit(score) - bad)[:, None] * share
        gradient = np.append(np.einsum("rl,rlf->f", slope, inputs) + theta[:-1] / variance, slope.sum())
        return float(nll), gradient

    found = minimize(loss, np.zeros(2 * width + 1), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return model(found.x)


def working_point(
    features: Array, bad: npt.NDArray[np.bool_], variance: float, softness: float, *, seed: int, folds: int = 10
) -> float:
    """Probability of acceptance from which on a recording is best called accepted.

    That of the greatest balanced accuracy where every recording is judged by a model of the others; the middle of
    the recordings' probabilities on either side. Arguments as for `fit_model`; ``seed`` and ``folds`` of the parts.
    """
    rng = np.random.default_rng(seed)
    part = np.zeros(len(bad), dtype=int)
    for verdict in (False, True):
        rows = np.flatnonzero(bad == verdict)
        part[rng.permutation(rows)] = np.arange(len(rows)) % folds
    accepted = np.zeros(len(bad))
    for k in range(folds):
        model = fit_model(features[part != k], bad[part != k], variance, softness)
        accepted[part == k] = expit(-model.record(model.leads(features[part == k])))
    edges = np.unique(np.clip(accepted, 0.01, 0.99))
    points = (edges[1:] + edges[:-1]) / 2
    balanced = [(accepted[bad] < point).mean() + (accepted[~bad] >= point).mean() for point in points]
    return round(float(points[int(np.argmax(balanced))]), 3)


def _auroc(scores: Array, bad: npt.NDArray[np.bool_]) -> float:
    above = scores[bad][:, None] - scores[~bad][None]
    return float(((above > 0) + 0.5 * (above == 0)).mean())
