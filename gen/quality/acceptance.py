"""How likely readers would accept a recording, and every lead of it: a small model of the graders of CinC 2011.

A lead's score is linear in its features above and below their usual value; the recording's is the soft maximum of its
leads' scores, so that the label of a whole recording teaches what is wrong with single leads (multiple-instance
learning, Maron and Lozano-Pérez 1998). Scores are log odds: at 0 a lead is as likely unacceptable as not. The weights
are plain numbers, made by ``physiogen train gen/quality``; ``physiogen evaluate quality`` says how good they are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logsumexp

from gen.quality.features import LEAD_FEATURES, lead_features
from gen.signals import fill_gaps

Array = npt.NDArray[np.float64]

#: Length of the stretches that are judged, as the graders' recordings; a shorter one than `SHORTEST_S` is not judged.
WINDOW_S, SHORTEST_S = 10.0, 5.0
#: Stretches of a long recording that are judged, evenly spread.
MOST_WINDOWS = 30
#: Least share of recorded samples in a stretch of a lead.
RECORDED = 0.8
#: Features in standard deviations are cut here: one that is far out says no more.
FARTHEST = 4.0


@dataclass(frozen=True, eq=False)
class AcceptanceModel:
    """Weights of the model.

    Attributes:
        mean, scale: (feature,) of `LEAD_FEATURES`.
        above, below: (feature,) weight of a standard deviation above and below the mean.
        offset: of every lead.
        softness: of the maximum over leads.
        accepted_from: probability that sorts best, by balanced accuracy in cross-validation on what it was made from.
        about: what it was made from.
    """

    mean: Array
    scale: Array
    above: Array
    below: Array
    offset: float
    softness: float
    accepted_from: float
    about: Mapping[str, Any]

    def leads(self, features: Array) -> Array:
        """Scores (..., lead) of features (..., lead, feature)."""
        z = np.clip((features - self.mean) / self.scale, -FARTHEST, FARTHEST)
        return np.maximum(z, 0) @ self.above + np.maximum(-z, 0) @ self.below + self.offset

    def record(self, scores: Array) -> Array:
        """Score (...) of recordings from those of their leads (..., lead): what counts is the worst, softly."""
        soft = self.softness
        return soft * (logsumexp(scores / soft, axis=-1) - np.log(scores.shape[-1]))

    def as_dict(self) -> dict[str, Any]:
        """As JSON values, which `model_from` reads."""
        return {
            "features": list(LEAD_FEATURES),
            **{
                name: [round(v, 5) for v in getattr(self, name).tolist()]
                for name in ("mean", "scale", "above", "below")
            },
            "offset": round(self.offset, 5),
            "softness": self.softness,
            "accepted_from": self.accepted_from,
            "about": dict(self.about),
        }


def model_from(values: Mapping[str, Any]) -> AcceptanceModel:
    """The model of `AcceptanceModel.as_dict`.

    Raises:
        ValueError: it was made for other features.
    """
    if tuple(values["features"]) != LEAD_FEATURES:
        raise ValueError("acceptance model: made for other features; run physiogen train gen/quality again")
    mean, scale, above, below = (
        np.array(values[name], dtype=np.float64) for name in ("mean", "scale", "above", "below")
    )
    offset, softness, accepted_from = (float(values[name]) for name in ("offset", "softness", "accepted_from"))
    return AcceptanceModel(mean, scale, above, below, offset, softness, accepted_from, values["about"])


@cache
def shipped() -> AcceptanceModel:
    """The model that comes with the package."""
    return model_from(json.loads(files("gen.quality").joinpath("acceptance.json").read_text(encoding="utf-8")))


@dataclass(frozen=True, eq=False)
class Acceptance:
    """What the model says of one recording.

    Attributes:
        scores: (lead,) log odds that a lead is unacceptable, median over the stretches; NaN where not judged.
        features: (lead, feature) by `LEAD_FEATURES`, median over the stretches; NaN where not judged.
        probability: that readers accept the recording; NaN where no lead was judged.
    """

    scores: Array
    features: Array
    probability: float

    def lead(self, row: int) -> tuple[float, Array]:
        """Score and features of one lead."""
        return float(self.scores[row]), self.features[row]


def judge(signal_mv: npt.NDArray[np.floating], fs_hz: float, model: AcceptanceModel | None = None) -> Acceptance:
    """Judge a recording of any leads.

    Args:
        signal_mv: (lead, time) in mV, NaN where missing.
        fs_hz: its rate.
        model: another model than the shipped one.
    """
    found = stretches(signal_mv, fs_hz)
    leads = len(signal_mv)
    if not len(found):
        return Acceptance(np.full(leads, np.nan), np.full((leads, len(LEAD_FEATURES)), np.nan), float("nan"))
    model = model if model is not None else shipped()
    known = np.isfinite(found[..., 0])
    each = np.where(known, model.leads(np.nan_to_num(found)), np.nan)
    judged = known.any(axis=0)
    scores, features = np.full(leads, np.nan), np.full(found.shape[1:], np.nan)
    scores[judged] = np.nanmedian(each[:, judged], axis=0)
    features[judged] = np.nanmedian(found[:, judged], axis=0)
    probability = float(expit(-model.record(scores[judged]))) if judged.any() else float("nan")
    return Acceptance(scores, features, probability)


def stretches(signal_mv: npt.NDArray[np.floating], fs_hz: float) -> Array:
    """Features (stretch, lead, feature) of the stretches of a recording; NaN where too much of a lead is missing."""
    time = signal_mv.shape[-1]
    if time < SHORTEST_S * fs_hz or not len(signal_mv):
        return np.zeros((0, len(signal_mv), len(LEAD_FEATURES)))
    count = max(1, round(time / (WINDOW_S * fs_hz)))
    edges = np.rint(np.linspace(0, time, count + 1)).astype(int)
    chosen = np.unique(np.rint(np.linspace(0, count - 1, min(count, MOST_WINDOWS))).astype(int))
    return np.stack([_features(signal_mv[:, edges[k] : edges[k + 1]], fs_hz) for k in chosen])


def _features(part: npt.NDArray[np.floating], fs_hz: float) -> Array:
    finite = np.isfinite(part)
    there = finite.mean(axis=1) >= RECORDED
    found = np.full((len(part), len(LEAD_FEATURES)), np.nan)
    if there.any():
        rows = np.where(finite[there], part[there], np.nan).astype(np.float64)
        # Beyond this nothing is an ECG, and its square would leave the numbers.
        found[there] = lead_features(np.clip(fill_gaps(rows), -1e6, 1e6), fs_hz)[0]
    return found
