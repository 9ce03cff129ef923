"""Fits the population of wave loops to real ECGs: ``physiogen train gen/population``.

For every record of PTB-XL's training folds (1-8) the representative beat is decomposed into the kernels of
`gen.simulate.waves`. Scales, durations and loop shapes form one vector a record; a ridge regression on sex, age, heart
rate and statements gives its mean, the residuals its covariance (leading components). Complete bundle branch block and
pacing have means and components of their own. Only these moments are written: nothing of a single patient.
"""

import ast
import base64
import csv
from pathlib import Path
from typing import Any

import numpy as np

from gen.simulate import waves
from gen.simulate.leadfield import LEADS_TO_SOURCE
from gen.simulate.measure import Measured
from gen.simulate.population import covariates

FS_HZ = 500.0
#: Rows of LEADS_12 that are LEADS_8, in PTB-XL's files.
ROWS_8 = (0, 1, 6, 7, 8, 9, 10, 11)
SCALARS = ("log_qrs_mv", "log_t_mv", "log_p_mv", "log_qrs_s", "log_p_s", "log_pq_s", "log_st_s")
REGIMES = ("CLBBB", "CRBBB", "PACE")
#: Rare statements read as their near neighbours.
NEIGHBOURS = {"ISCAN": "ISCAS", "INJLA": "INJAL"}
CODES = (
    "NORM",
    *("LVH", "VCLVH", "RVH", "LVOLT", "HVOLT", "LAO/LAE", "RAO/RAE", "SEHYP"),
    *("IMI", "ASMI", "AMI", "ALMI", "ILMI", "LMI", "QWAVE", "ABQRS", "ANEUR"),
    *("LAFB", "LPFB", "IRBBB", "ILBBB", "IVCD", "WPW", "1AVB", "LPR", "AFIB"),
    *("NDT", "NST_", "NT_", "STD_", "ISC_", "ISCAL", "ISCIN", "ISCIL", "ISCLA", "ISCAS", "INJAS", "INJAL"),
    *("INVT", "LOWT", "LNGQT", "DIG", "EL"),
)
COVARIATES = ("one", "female", "age", "age2", "female_age", "rate", "rate2")


def decompose(m: Measured) -> np.ndarray | None:
    """Scales, durations and unit-norm loop shapes of one representative beat; (scalars + 28 * 8,) or None.

    The P part is NaN where no P wave was found.
    """
    if not np.isfinite([m.qrs_on, m.qrs_off, m.t_off]).all() or m.t_off - m.qrs_off < 0.12:
        return None
    time = np.arange(m.beat_mv.shape[1]) / FS_HZ
    has_p = np.isfinite(m.p_on) and np.isfinite(m.p_off) and m.p_off - m.p_on > 0.05
    first = m.p_on - 0.03 if has_p else m.qrs_on - 0.03
    window = (time >= first) & (time <= m.t_off + 0.05)
    t = time[window]
    parts = [
        waves.QRS((t - m.qrs_on) / (m.qrs_off - m.qrs_on)),
        waves.STT((t - m.qrs_off) / (m.t_off - m.qrs_off)),
    ]
    if has_p:
        parts.append(waves.P((t - m.p_on) / (m.p_off - m.p_on)))
    design = np.concatenate(parts, axis=1)
    pr_level = np.median(m.beat_mv[:, (time > m.qrs_on - 0.02) & (time <= m.qrs_on)], axis=1)
    target = (m.beat_mv[:, window] - pr_level[:, None]).T @ LEADS_TO_SOURCE.T
    gram = design.T @ design
    loops = np.linalg.solve(gram + 0.02 * np.diag(np.diag(gram)), design.T @ target)
    q, s = waves.QRS.size, waves.STT.size
    blocks = [loops[:q], loops[q : q + s], loops[q + s :] if has_p else np.full((waves.P.size, 8), np.nan)]
    scale = [np.linalg.norm(b) for b in blocks]
    scalars = [
        *np.log(np.maximum(scale, 1e-3)),
        np.log(m.qrs_off - m.qrs_on),
        np.log(m.p_off - m.p_on) if has_p else np.nan,
        np.log(max(m.qrs_on - m.p_on, 0.06)) if has_p else np.nan,
        np.log(m.t_off - m.qrs_off),
    ]
    return np.concatenate([scalars, *[(b / n).ravel() for b, n in zip(blocks, scale, strict=True)]])


def load_training(root: Path, step: int = 1) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Every ``step``-th row of PTB-XL's training folds and its signal, (record, 8, 5000) mV float32."""
    with (root / "ptbxl_database.csv").open(encoding="utf-8") as handle:
        rows = [dict(r) for r in csv.DictReader(handle) if int(float(r["strat_fold"])) <= 8][::step]
    signals = np.empty((len(rows), 8, 5000), dtype=np.float32)
    for row, signal in zip(rows, signals, strict=True):
        raw = np.fromfile(root / f"{row['filename_hr']}.dat", dtype="<i2").reshape(5000, 12)
        signal[:] = raw.T[list(ROWS_8)] / 1000.0
        row["codes"] = set(ast.literal_eval(row["scp_codes"]))
    return rows, signals


def regressors(row: dict[str, Any], rate: float) -> np.ndarray:
    """Covariates and statement indicators of one record; (7 + codes,)."""
    age = float(row["age"] or 60)
    codes = {NEIGHBOURS.get(c, c) for c in row["codes"]}
    flags = [float(c in codes) for c in CODES]
    return np.concatenate([covariates("F" if float(row["sex"]) == 1 else "M", age, rate), flags])


def fit(rows: list[dict[str, Any]], measured: list[Measured], components: int = 96) -> dict[str, Any]:
    """Means, effects and components of the loop vectors."""
    vectors, design, regime = [], [], []
    for row, m in zip(rows, measured, strict=True):
        vector = decompose(m)
        if vector is None:
            continue
        rate = float(60.0 / np.median(m.rr_s))
        if row["codes"] & {"AFIB", "AFLT", "SVTAC", "PSVT", "3AVB"}:
            vector[_p_columns()] = np.nan
        vectors.append(vector)
        design.append(regressors(row, rate))
        regime.append(next((c for c in REGIMES if c in row["codes"]), ""))
    y, x, kind = np.array(vectors), np.array(design), np.array(regime)
    base = kind == ""
    effect, spread, filled = _ridge(x[base], y[base], penalty=4.0)
    model: dict[str, Any] = {"covariates": COVARIATES, "codes": CODES, "scalars": SCALARS, "records": len(y)}
    keep = _typical(spread)
    model["effect"] = _pack(effect)
    residual = filled - x[base] @ effect
    spread_of = _components(residual[keep], components)
    model["components"] = _pack(spread_of)
    rest = residual[keep] - _scores(residual[keep], spread_of) @ spread_of
    model["rest"] = _pack(rest.std(axis=0)[None])
    normal = keep & np.array([row[len(COVARIATES) + CODES.index("NORM")] == 1 for row in x[base]])
    model["normal_spread"] = _pack(_scores(residual[normal], spread_of).std(axis=0)[None])
    for name in REGIMES:
        inside = kind == name
        prior = x[inside].copy()
        prior[:, len(COVARIATES) :] = 0
        offset = _impute(y[inside], prior @ effect) - prior @ effect
        shift = offset.mean(axis=0) * inside.sum() / (inside.sum() + 1.0)
        model[name] = {
            "shift": _pack(shift[None]),
            "components": _pack(_components(offset - shift, min(16, inside.sum() // 2))),
            "records": int(inside.sum()),
        }
    return model


def _p_columns() -> np.ndarray:
    first = len(SCALARS) + 8 * (waves.QRS.size + waves.STT.size)
    return np.concatenate([[2, 4, 5], np.arange(first, first + 8 * waves.P.size)])


def _ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effects (regressor, column), residual size per record, and y with its holes filled by its own prediction."""
    ridge = np.diag([0.0] + [1.0] * (len(COVARIATES) - 1) + [penalty] * (x.shape[1] - len(COVARIATES)))
    there = np.isfinite(y)
    effect = np.zeros((x.shape[1], y.shape[1]))
    for columns in (there.all(axis=0), ~there.all(axis=0)):
        ok = there[:, columns].all(axis=1)
        effect[:, columns] = np.linalg.solve(x[ok].T @ x[ok] + ridge, x[ok].T @ y[ok][:, columns])
    filled = _impute(y, x @ effect)
    residual = filled - x @ effect
    return effect, np.sqrt(np.mean((residual / residual.std(axis=0)) ** 2, axis=1)), filled


def _impute(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(y), y, prediction)


def _typical(spread: np.ndarray) -> np.ndarray:
    """Records without gross measurement errors."""
    return spread < np.quantile(spread, 0.985)


def _weights() -> np.ndarray:
    """Column weights that make a component's share of variance a share of visible millivolts."""
    scalar = [0.35, 0.35, 0.15, 0.35, 0.10, 0.15, 0.35]
    blocks = [(1.0, waves.QRS.size), (0.7, waves.STT.size), (0.25, waves.P.size)]
    return np.concatenate([scalar, *[np.full(8 * n, w) for w, n in blocks]])


def _components(residual: np.ndarray, count: int) -> np.ndarray:
    """Leading components scaled to their standard deviation; (count, column)."""
    weight = _weights()
    _, size, direction = np.linalg.svd(residual * weight, full_matrices=False)
    return (direction[:count] * size[:count, None] / np.sqrt(max(len(residual) - 1, 1))) / weight


def _scores(residual: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Coordinates of residuals in the components, which are orthogonal under the column weights."""
    scaled = components * _weights()
    return (residual * _weights()) @ scaled.T / np.sum(scaled * scaled, axis=1)


def _pack(values: np.ndarray) -> dict[str, Any]:
    """Rows as base64 int16 with one scale a row: a small file that needs no pickle."""
    scale = np.maximum(np.abs(values).max(axis=1), 1e-12) / 32767.0
    data = np.rint(values / scale[:, None]).astype("<i2")
    return {"shape": list(values.shape), "scale": scale.tolist(), "int16": base64.b64encode(data.tobytes()).decode()}
