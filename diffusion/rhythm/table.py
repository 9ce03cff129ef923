"""The fitted numbers of rhythms, ``rhythm.json``: made by ``physiogen train diffusion/rhythm``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from diffusion.rhythm.variation import NAMES, VariationModel
from gen.records import InputError

SHIPPED = Path(__file__).parent / "rhythm.json"
#: Mechanisms of which the fitted recordings held fewer than this keep the numbers of textbooks (`TEXTBOOK`).
LEAST = 20
#: Median rate in bpm and SD of its logarithm where recordings are too few to fit them: Surawicz and Knilans, Chou's
#: Electrocardiography in Clinical Practice (6th ed. 2008), chapters 14 to 19.
TEXTBOOK: dict[str, tuple[float, float]] = {
    "ventricular tachycardia": (160.0, 0.18), "pacing": (70.0, 0.10), "complete block": (40.0, 0.22),
    "fibrillation": (88.0, 0.27), "flutter": (120.0, 0.28), "second degree block": (56.0, 0.20),
    "supraventricular tachycardia": (165.0, 0.17), "junctional tachycardia": (95.0, 0.18),
    "idioventricular": (48.0, 0.30), "junctional": (48.0, 0.16),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class RhythmTable:
    """What was learned of rhythms.

    Attributes:
        variation: of sinus intervals among people.
        rates: mechanism (or ``sinus``, ``STACH``, ``SBRAD``, ``SARRH``) -> median bpm, SD of its logarithm.
        pr: logarithm of PR in ms: weights of 1, (age - 60) / 20, log(RR / .85 s), and SD; ``long`` of stated blocks:
            mean and SD of the logarithm.
        fibrillation: mean and SD of the log spread, its slope on log rate, memory, quantiles of the shape.
        flutter: share of changing conduction and its jitter in seconds.
        ectopy: for ``PVC`` and ``PAC``: median coupling, SD of it between and within people (logarithms), pause,
            mean share of beats.
        about: how it was made.
    """

    variation: VariationModel
    rates: Mapping[str, tuple[float, float]]
    pr: Mapping[str, list[float]]
    fibrillation: Mapping[str, Any]
    flutter: Mapping[str, float]
    ectopy: Mapping[str, Mapping[str, float]]
    about: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "about": dict(self.about),
            "variation": {
                "parts": list(NAMES),
                "weights": np.round(self.variation.weights, 4).tolist(),
                "covariance": np.round(self.variation.covariance, 5).tolist(),
            },
            "rates": {name: list(pair) for name, pair in self.rates.items()},
            "pr": dict(self.pr),
            "fibrillation": dict(self.fibrillation),
            "flutter": dict(self.flutter),
            "ectopy": {name: dict(values) for name, values in self.ectopy.items()},
        }


def read_table(path: str | Path | None = None) -> RhythmTable:
    """The shipped table, or the one in a file.

    Raises:
        InputError: no such file, or it is no table of rhythms.
    """
    return _shipped() if path is None else _read(Path(path))


@cache
def _shipped() -> RhythmTable:
    return _read(SHIPPED)


def _read(path: Path) -> RhythmTable:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        variation = VariationModel(np.array(found["variation"]["weights"]), np.array(found["variation"]["covariance"]))
        return RhythmTable(
            variation,
            {name: (float(m), float(s)) for name, (m, s) in found["rates"].items()},
            found["pr"],
            found["fibrillation"],
            found["flutter"],
            found["ectopy"],
            found["about"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: no table of rhythms, as 'physiogen train diffusion/rhythm' writes it") from error
