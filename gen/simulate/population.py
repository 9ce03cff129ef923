"""The fitted population: mean, statement effects and spread of the wave loops (see `gen.simulate.fit`)."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from gen.simulate import waves

#: Latent dimensions of one patient's loops.
LATENT = 96
#: Length of a loop vector: the scalars and 28 kernels of 8 source components.
COLUMNS = 7 + 8 * sum(wave.size for wave in waves.WAVES)
#: Leading scalar columns: log scale of QRS, ST-T, P; log seconds of QRS, P, P onset to QRS onset, J point to T end.
SCALARS = 7


@dataclass(frozen=True, eq=False)
class Loops:
    """Wave loops of one heart in one state; arrays (kernel, 8 source components) in mV, durations in seconds."""

    qrs: np.ndarray
    stt: np.ndarray
    p: np.ndarray
    qrs_s: float
    p_s: float
    pq_s: float
    st_s: float


@dataclass(frozen=True, eq=False)
class Population:
    """Moments of the loop vectors; see `loops_of`."""

    codes: Mapping[str, int]  #: statement -> row of ``effect``
    covariates: int  #: first rows of ``effect``: what everybody has
    effect: np.ndarray
    components: np.ndarray
    rest: np.ndarray  #: (column,) standard deviation of what the components leave out
    normal_spread: np.ndarray  #: (96,) share of each component's spread that hearts without disease show
    regimes: Mapping[str, tuple[np.ndarray, np.ndarray]]  #: CLBBB, CRBBB, PACE -> (shift, components)


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """Numbers of the fitted file: int16 rows with one scale each; (rows, columns) float64."""
    data = np.frombuffer(base64.b64decode(packed["int16"]), dtype="<i2").reshape(packed["shape"])
    return data * np.asarray(packed["scale"])[:, None]


@cache
def population() -> Population:
    """The shipped population."""
    raw = json.loads(files("gen.simulate").joinpath("population.json").read_text(encoding="utf-8"))
    first = len(raw["covariates"])
    regimes = {
        name: (unpack(raw[name]["shift"])[0], unpack(raw[name]["components"])) for name in ("CLBBB", "CRBBB", "PACE")
    }
    return Population(
        codes={code: first + row for row, code in enumerate(raw["codes"])},
        covariates=first,
        effect=unpack(raw["effect"]),
        components=unpack(raw["components"]),
        rest=unpack(raw["rest"])[0],
        normal_spread=unpack(raw["normal_spread"])[0],
        regimes=regimes,
    )


def covariates(sex: str, age: float, rate: float) -> np.ndarray:
    """Regressors that everybody has; (7,). PTB-XL's age 300 (over 89) counts as 92."""
    female = float(sex == "F")
    a, r = (min(age, 92.0) - 60.0) / 15.0, (float(np.clip(rate, 40, 140)) - 70.0) / 15.0
    return np.array([1.0, female, a, a * a, female * a, r, r * r])


def loops_of(
    latent: np.ndarray,
    detail: np.ndarray,
    sex: str,
    age: float,
    rate: float,
    severity: Mapping[str, float],
    regime: str | None,
) -> Loops:
    """Loops of a heart.

    Args:
        latent: (96,) standard normal, the patient.
        detail: (231,) standard normal, the fine structure of the patient's loops.
        sex, age: 'F' or 'M', years.
        rate: heart rate in 1/min, to which repolarisation is adapted.
        severity: statement -> how strongly it shows; 1 is the average in the fitted data.
        regime: ``"CLBBB"``, ``"CRBBB"`` or ``"PACE"`` for ventricles excited that way, else None.
    """
    pop = population()
    vector = covariates(sex, age, rate) @ pop.effect[: pop.covariates]
    damping = 0.4 if regime else 1.0
    for code, strength in severity.items():
        row = pop.codes.get(code)
        if row is not None:
            vector = vector + (damping * (1.0 if code == "NORM" else strength)) * pop.effect[row]
    if regime:
        shift, spread = pop.regimes[regime]
        vector = vector + shift + latent[: len(spread)] @ spread
    else:
        own = latent * pop.normal_spread if "NORM" in severity else latent
        vector = vector + own @ pop.components
    vector = vector + pop.rest * detail
    return _loops(vector)


def _loops(vector: np.ndarray) -> Loops:
    blocks, first = [], SCALARS
    for index, wave in enumerate(waves.WAVES):
        block = vector[first : first + 8 * wave.size].reshape(wave.size, 8)
        blocks.append(block * (np.exp(vector[index]) / np.linalg.norm(block)))
        first += 8 * wave.size
    qrs_s, p_s, pq_s, st_s = np.exp(vector[3:SCALARS])
    qrs, stt, p = blocks
    return Loops(qrs, stt, p, float(qrs_s), float(p_s), float(pq_s), float(st_s))
