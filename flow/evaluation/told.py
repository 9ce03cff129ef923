"""Measures a reader of ECGs on simulated hearts it has never seen: ``physiogen evaluate cmr-reader --help``.

The ECG alone speaks. Correlations stand beside those of the best regressor that learned from the same hearts, of
another heart's ECG, and of networks on real cohorts; intervals are counted over all hearts, with few leads, and within
every disease group.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flow.evaluation.scores import correlation_estimate, mean_estimate, r_difference, r_ratio
from flow.evaluation.sections import USUAL_EF, regress
from flow.evaluation.settings import CmrReader
from flow.networks.ecg_reader import quantities
from flow.reading import HeartReader, load
from flow.training.pair_cache import PairCache, Part
from flow.training.reader import RealBeats, expectations, figures_of, read_real, read_rows, told_clouds
from gen.evaluations import Progress
from gen.records import InputError
from gen.results import Data, Results, Value
from gen.simulate.cine import GROUPS
from gen.simulate.cine.ceiling import CEILINGS
from metrics.statistics.proportion import wilson

#: Quantities -> title, unit, and what is known of real ECGs (`gen.simulate.cine.ceiling`), if anything is.
_SHOWN: dict[str, tuple[str, str, str | None]] = {
    "edv_ml": ("EDV", "ml", "lv_edv_ml"),
    "esv_ml": ("ESV", "ml", "lv_esv_ml"),
    "ef_percent": ("EF", "points", None),
    "mass_g": ("LV mass", "g", "lv_mass_g"),
    "wall_mm": ("wall", "mm", None),
}
#: A disease group of fewer hearts has no coverage of its own.
_FEWEST = 20
#: What networks reach on recorded ECGs of people with cardiac MRI.
REAL = {
    "LV mass, UK Biobank": Value(0.79, n=4903, better="reference"),
    "LV mass, Mass General Brigham": Value(0.60, n=1371, better="reference"),
}
REAL_ERRORS = {
    "RVEF, Mount Sinai": Value(7.8, n=3019, unit="points", better="reference"),
    "RVEDV, Mount Sinai": Value(17.6, n=3019, unit="ml/m²", better="reference"),
}
_SOURCES = (
    "Real ECGs: LV mass, Khurshid et al. 2021 (Circ Cardiovasc Imaging 14:e012281); right ventricle, Duong et al. 2024 "
    "(J Am Heart Assoc 13:e031671). The simulated ECG is made to tell no more than real ones do."
)


def run(settings: CmrReader, progress: Progress) -> Results:
    """Correlations, intervals, groups, and the reader on recordings."""
    cache, learned = PairCache.open(settings.data), PairCache.open(settings.learned)
    if cache.manifest["seed"] == learned.manifest["seed"]:
        raise InputError(f"{settings.data}: hearts of the cohort that was learned from; accepted: another --seed")
    reader, part = load(settings.checkpoint), cache.part("beats")
    rows = part.usable[: settings.number]
    progress(f"{len(rows)} hearts are read")
    clouds = {kind: told_clouds(reader.network, part, rows, few=kind == "few") for kind in ("whole", "few")}
    truth, group = quantities(figures_of(part)[rows]), part.fact("group")[rows].astype(int)
    means = {name: cloud.mean(axis=1) for name, cloud in clouds["whole"].items()}
    progress("regressors learn from the same hearts")
    values: dict[str, Any] = {
        "correlation with the truth": _correlations(means, truth, part, rows, learned.part("beats"), settings.seed),
        "correlation, networks on real cohorts": REAL,
        "mean absolute error, networks on real cohorts": REAL_ERRORS,
    }
    for kind, title in (("whole", "90 % intervals"), ("few", "90 % intervals, few leads recorded")):
        values[title] = _coverage(reader, kind, clouds[kind], truth, group)
    values["groups"] = _groups(means, truth, group, np.exp(read_rows(reader.network, part, rows).group.numpy()))
    data = [Data("simulated hearts", "beats", cache.digest)]
    if settings.real is not None:
        progress("recordings are read")
        values["recordings"] = _recordings(reader, settings.real, means)
        data.append(Data(settings.real.name, "test"))
    return settings.results(
        values,
        data=data,
        n=len(rows),
        notes=[
            f"The regressors learned from all {_learned(learned)} hearts of the reader's cohort, held-out ones too.",
            _SOURCES,
        ],
        headline=[f"correlation with the truth/{_SHOWN[name][0]}/expectation" for name in _SHOWN],
        learned=learned.digest,
    )


def _learned(cache: PairCache) -> int:
    return int(cache.manifest["counts"]["beats"])


def _correlations(
    means: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
    part: Part,
    rows: np.ndarray,
    learned: Part,
    seed: int,
) -> dict[str, dict[str, Value]]:
    """Of expectations, the best regressor's guesses and another heart's ECG, all on the same hearts."""
    usual = (part.fact("group")[rows] != GROUPS.index("MI")) & (part.fact("lbbb")[rows] == 0)
    others = np.roll(np.random.default_rng(seed).permutation(len(rows)), 1)
    targets = quantities(figures_of(learned)[learned.usable])
    guesses = regress([learned], [learned.usable], part, rows, {name: targets[name] for name in _SHOWN})
    everyone = np.ones(len(rows), dtype=bool)
    wanted = [(title, name, everyone, ceiling) for name, (title, _, ceiling) in _SHOWN.items()]
    wanted.append((USUAL_EF, "ef_percent", usual, "ef_outside_mi_lbbb"))
    out = {}
    for title, name, chosen, ceiling in wanted:
        true, told = truth[name][chosen], means[name][chosen]
        best = max(guesses[name].values(), key=lambda guess: correlation_estimate(guess[chosen], true).value)[chosen]
        other = means[name][others][chosen]
        n = int(chosen.sum())
        out[title] = {
            "expectation": Value.of(correlation_estimate(told, true), n=n, better="higher"),
            "best regressor": Value.of(correlation_estimate(best, true), n=n, better="reference"),
            "share of it": Value.of(r_ratio(told, best, true), n=n, better="higher"),
            "another heart's ECG": Value.of(correlation_estimate(other, true), n=n, better="reference"),
            "right minus other": Value.of(r_difference(told, other, true), n=n, better="higher"),
        }
        if ceiling is not None:
            out[title]["ceiling"] = Value(float(np.sqrt(CEILINGS[ceiling])), better="reference")
    return out


def _coverage(
    reader: HeartReader,
    kind: str,
    clouds: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
    group: np.ndarray,
) -> dict[str, dict[str, Value]]:
    """Share of hearts held, width, and width as a share of the range that holds 90 % of all hearts."""
    out = {}
    for name, (title, unit, _) in _SHOWN.items():
        low, high = reader.intervals.ends(name, clouds[name], kind)
        held, width = (truth[name] >= low) & (truth[name] <= high), high - low
        everyone = float(np.subtract(*np.quantile(truth[name], [0.95, 0.05])))
        out[title] = {
            "hold the truth": Value.of(wilson(held), better="higher"),
            "mean width": Value.of(mean_estimate(width), n=len(held), unit=unit, better="lower"),
            "of the width of all hearts": Value.of(mean_estimate(width / everyone), n=len(held), better="lower"),
        }
        for number, label in enumerate(GROUPS):
            if (group == number).sum() >= _FEWEST:
                out[title][label] = Value.of(wilson(held[group == number]), better="higher")
    return out


def _groups(
    means: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray], group: np.ndarray, chances: np.ndarray
) -> dict[str, dict[str, Value]]:
    """Means of truth and expectation in every disease group, and the chance that the reader gives to it."""
    out = {}
    for number, label in enumerate(GROUPS):
        there = group == number
        if not there.any():
            continue
        n = int(there.sum())
        out[label] = {"chance told": Value(float(chances[there, number].mean()), n=n, better="higher")}
        for name in ("edv_ml", "ef_percent", "mass_g"):
            title, unit, _ = _SHOWN[name]
            out[label][f"{title}, true"] = Value(float(truth[name][there].mean()), n=n, unit=unit, better="reference")
            out[label][f"{title}, told"] = Value(float(means[name][there].mean()), n=n, unit=unit)
    return out


def _recordings(reader: HeartReader, folder: Path, means: Mapping[str, np.ndarray]) -> dict[str, dict[str, Value]]:
    """How expectations for recordings lie beside those for simulated ECGs, whose middle 98 % are the usual range."""
    told = expectations(read_real(reader.network, RealBeats.load(folder, "test")))
    out = {}
    for name, (title, unit, _) in _SHOWN.items():
        low, high = np.quantile(means[name], [0.01, 0.99])
        outside, n = (told[name] < low) | (told[name] > high), len(told[name])
        out[title] = {
            "mean": Value(float(told[name].mean()), n=n, unit=unit),
            "mean, simulated": Value(float(means[name].mean()), n=len(means[name]), unit=unit, better="reference"),
            "spread": Value(float(told[name].std()), n=n, unit=unit),
            "spread, simulated": Value(float(means[name].std()), n=len(means[name]), unit=unit, better="reference"),
            "outside the usual range": Value.of(wilson(outside), better="lower"),
        }
    return out
