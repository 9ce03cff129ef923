"""How much a simulated ECG tells about its simulated heart, against what real ECGs tell about real hearts.

    physiogen evaluate ecg-ceiling -n 3000 --seed 0

The ceilings are those of real cohorts: ECG networks reach r = .79 (UK Biobank) and .60 (Mass General Brigham) for
left-ventricular mass (Khurshid et al. 2021, Circ Cardiovasc Imaging 14:e012281), about a third of the variance of
volumes and a fifth of that of systolic function (ARIC). A simulation beyond them would teach a model what no ECG holds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gen.simulate.cine.anatomy import anatomy_of
from gen.simulate.cohort import SimulatedBatch, simulate

#: Largest share of variance (R²) an ECG may explain.
CEILINGS = {"lv_mass_g": 0.60, "lv_edv_ml": 0.35, "lv_esv_ml": 0.35, "ef_outside_mi_lbbb": 0.20}
_BEAT_S = (-0.25, 0.45)
_COMPONENTS = 40
Regressor = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Information:
    """What the regressors reach for one quantity, cross-validated over patients.

    Attributes:
        r2: best share of variance over the regressors; ``ridge`` and ``boosting`` one by one.
        r: correlation of the best prediction with the truth.
        shuffled: R² of the same regressor with another patient's ECG.
        ceiling: from real cohorts.
        n: hearts.
    """

    r2: float
    r: float
    ridge: float
    boosting: float | None
    shuffled: float
    ceiling: float
    n: int


def measure(n: int, seed: int, *, boosting: bool = True, folds: int = 5) -> dict[str, Information]:
    """Best regression from an ECG to mass, volumes and ejection fraction on ``n`` simulated hearts.

    The regressors see what a perfect reader sees: the averaged beat of all leads, intervals, voltages and statements.
    Age, sex and body size are not given: the ECG alone must tell.
    """
    batch = simulate(range(n), seed=seed, fs_hz=250.0, noise="light")
    x = ecg_features(batch)
    hearts = [anatomy_of(h) for h in batch.hearts]
    edv, ef = np.array([a.edv_ml for a in hearts]), np.array([a.ef for a in hearts])
    usual = np.array(
        [
            a.group != "MI" and not {"CLBBB", "PACE"} & set(h.disease.codes)
            for a, h in zip(hearts, batch.hearts, strict=True)
        ]
    )
    targets = {
        "lv_mass_g": (np.array([a.mass_g for a in hearts]), np.ones(n, bool)),
        "lv_edv_ml": (edv, np.ones(n, bool)),
        "lv_esv_ml": (edv * (1.0 - ef), np.ones(n, bool)),
        "ef_outside_mi_lbbb": (ef, usual),
    }
    return {
        name: _information(x[keep], y[keep], CEILINGS[name], seed, boosting, folds)
        for name, (y, keep) in targets.items()
    }


def ecg_features(batch: SimulatedBatch) -> np.ndarray:
    """(record, feature) numbers that a perfect reader takes from each recording; unknown intervals are the mean."""
    beats = np.stack([_mean_beat(s, [b.qrs[0] for b in t.beats if b.qrs[0] == b.qrs[0]], batch.fs_hz)
                      for s, t in zip(batch.signal_mv, batch.truth, strict=True)])  # fmt: skip
    flat = beats.reshape(len(beats), -1)
    flat = flat - flat.mean(axis=0)
    _, _, directions = np.linalg.svd(flat, full_matrices=False)
    components = flat @ directions[:_COMPONENTS].T
    sokolow = -beats[:, 2].min(axis=1) + np.maximum(beats[:, 6].max(axis=1), beats[:, 7].max(axis=1))
    cornell = (beats[:, 0] - 0.5 * beats[:, 1]).max(axis=1) - beats[:, 4].min(axis=1)
    turn = np.deg2rad([t.axis_deg for t in batch.truth])
    numbers = np.array([[t.hr_bpm, t.pr_ms, t.qrs_ms, t.qt_ms, t.qtc_ms] for t in batch.truth], dtype=np.float64)
    average = np.nanmean(numbers, axis=0)
    numbers = np.where(np.isfinite(numbers), numbers, average)
    codes = sorted({c for t in batch.truth for c in t.statements})
    stated = np.array([[c in t.statements for c in codes] for t in batch.truth], dtype=np.float64)
    return np.column_stack(
        [components, np.ptp(beats, axis=2), sokolow, cornell, np.cos(turn), np.sin(turn), numbers, stated]
    )


def _mean_beat(signal: np.ndarray, onsets: list[float], fs_hz: float) -> np.ndarray:
    """(8, time) median over the beats that lie inside; zeros without any."""
    low, high = (round(s * fs_hz) for s in _BEAT_S)
    starts = [round(o * fs_hz) for o in onsets]
    cuts = [signal[:, s + low : s + high] for s in starts if s + low >= 0 and s + high <= signal.shape[1]]
    beat = np.median(cuts, axis=0) if cuts else np.zeros((len(signal), high - low))
    return beat - beat[:, :10].mean(axis=1, keepdims=True)


def _information(x: np.ndarray, y: np.ndarray, ceiling: float, seed: int, boosting: bool, folds: int) -> Information:
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(y)) % folds
    guesses = {"ridge": _crossed(x, y, fold, _ridge)}
    if boosting:
        guesses["boosting"] = _crossed(x, y, fold, _boosting)
    scores = {name: _r2(y, guess) for name, guess in guesses.items()}
    best = max(scores, key=lambda name: scores[name])
    other = rng.permutation(len(y))
    return Information(
        r2=scores[best],
        r=float(np.corrcoef(y, guesses[best])[0, 1]),
        ridge=scores["ridge"],
        boosting=scores.get("boosting"),
        shuffled=_r2(y, _crossed(x[other], y, fold, _ridge)),
        ceiling=ceiling,
        n=len(y),
    )


def _r2(y: np.ndarray, guess: np.ndarray) -> float:
    return float(1.0 - ((y - guess) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def _crossed(x: np.ndarray, y: np.ndarray, fold: np.ndarray, fit: Regressor) -> np.ndarray:
    guess = np.empty(len(y))
    for k in range(int(fold.max()) + 1):
        held = fold == k
        guess[held] = fit(x[~held], y[~held], x[held])
    return guess


def _ridge(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread < 1e-9] = 1.0
    a, b = (x - mean) / spread, (new - mean) / spread
    strength = 0.1 * len(y)
    weight = np.linalg.solve(a.T @ a + strength * np.eye(a.shape[1]), a.T @ (y - y.mean()))
    return b @ weight + y.mean()


def _boosting(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(max_iter=120, learning_rate=0.05, max_leaf_nodes=12, random_state=0)
    return np.asarray(model.fit(x, y).predict(new))
