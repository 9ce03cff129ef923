"""Measures a cmr pipeline on simulated hearts it has never seen: ``physiogen evaluate cmr --help``.

    physiogen evaluate cmr --checkpoint RUN/pipeline --data PAIRS --samples 6 --real .data/sunnybrook

The ECG alone speaks unless ``--patient`` is given. Every interval is a 95 %
bootstrap interval over hearts; the control takes the ECG of another heart, all else equal.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flow.evaluation import agreement
from flow.evaluation import sections as figures
from flow.evaluation.generate import generate, told_of
from flow.evaluation.sections import QUANTITIES
from flow.evaluation.settings import Cmr
from flow.pipeline import ECGToCMRPipeline, load
from flow.training.latents import encode_ecgs
from flow.training.pair_cache import PairCache
from gen.evaluations import Progress, silent
from gen.records import InputError
from gen.results import Better, Data, Results, Value

#: Sections of the report, in its order.
SECTIONS = ("information", "timing", "volumes", "groups", "swap", "realism", "codec", "speed")


def evaluate(
    pipeline: ECGToCMRPipeline,
    cache: PairCache,
    *,
    n: int = 300,
    num_samples: int = 6,
    seed: int = 0,
    patient: bool = False,
    learned: PairCache | None = None,
    real: Path | None = None,
    sections: tuple[str, ...] = SECTIONS,
    progress: Progress = silent,
) -> dict[str, Any]:
    """All figures of a pipeline; `Interval` values, tables and settings by name.

    Args:
        pipeline: what is measured.
        cache: simulated pairs; hearts of part ``test`` are scored.
        n: hearts at most.
        num_samples: hearts drawn per ECG.
        seed: of the samples and of the shuffling.
        patient: tell network and regressors age, sex, height and weight too.
        learned: cache that the regressors learn from; the other parts of ``cache`` where None.
        real: folder of real short-axis cines, a further reference.
        sections: which of `SECTIONS`; the drawn hearts, and so the figures, are the same whichever are asked for.
        progress: called with what is under way.
    """
    part = cache.part("test")
    rows = part.usable[:n]
    read = encode_ecgs(pipeline.encoder, part, rows)
    told = told_of(pipeline, part, rows, patient=patient)
    progress(f"{len(rows)} hearts, {num_samples} samples each")
    right = generate(pipeline, read, num_samples=num_samples, told=told, seed=seed, patient=patient, keep_loops=True)
    report: dict[str, Any] = {
        "settings": {
            "hearts": len(rows),
            "not_usable": len(part) - len(part.usable),
            "samples": num_samples,
            "seed": seed,
            "patient": patient,
            "model": pipeline.digest,
            "data": cache.digest,
            "steps": pipeline.steps,
        }
    }

    def information() -> dict[str, Any]:
        other = _derangement(len(rows), seed)
        swapped = {"tokens": read["tokens"][other], "summary": read["summary"][other], "numbers": read["numbers"]}
        swapped["numbers"] = np.where(np.arange(read["numbers"].shape[1]) == 0, read["numbers"][other], read["numbers"])
        progress("the same with another heart's ECG")
        others = told_of(pipeline, part, rows, patient=patient, of=other)
        wrong = generate(pipeline, swapped, num_samples=num_samples, told=others, seed=seed, patient=patient)
        return figures.information(cache, part, rows, right, wrong, patient, learned)

    measures: dict[str, Callable[[], Any]] = {
        "information": information,
        "timing": lambda: figures.timing(pipeline, part, rows, right),
        "volumes": lambda: agreement.volumes(pipeline, part, rows, right, told),
        "groups": lambda: figures.groups(part, rows, right),
        "swap": lambda: figures.swap_test(pipeline, part, rows[: min(len(rows), 80)]),
        "realism": lambda: figures.realism(pipeline, part, rows, right, real),
        "codec": lambda: figures.codec_results(pipeline, part, rows, real),
        "speed": lambda: figures.speed(pipeline, read, told),
    }
    for name in SECTIONS:
        if name in sections:
            progress(name)
            report[name] = measures[name]()
    return report


def _derangement(n: int, seed: int) -> np.ndarray:
    """A permutation that leaves nobody in place."""
    order = np.random.default_rng(seed).permutation(n)
    out = np.empty(n, dtype=int)
    out[order] = np.roll(order, 1)
    return out


#: Endings of names that are units.
_UNITS = {"ml": "ml", "g": "g", "deg": "degrees", "db": "dB", "frames": "frames", "percent": "%"}
_OF_QUANTITY = {"edv_ml": "ml", "esv_ml": "ml", "ef": "", "mass_g": "g"}
_TITLES = {"edv_ml": "EDV", "esv_ml": "ESV", "ef": "EF", "mass_g": "LV mass", figures.USUAL_EF: figures.USUAL_EF}
#: Names of `flow.evaluation.sections.information` -> columns, and which way is better.
_OF_ECG: dict[str, tuple[str, Better | None]] = {
    "r_generated": ("mean of the samples", "higher"),
    "r_single_sample": ("one sample", "higher"),
    "r_expectation": ("expectation", "higher"),
    "r_best_regressor": ("best regressor", "reference"),
    "best_regressor": ("which", None),
    "share_of_regressor": ("share of it, mean of the samples", "higher"),
    "share_of_expectation": ("share of it, expectation", "higher"),
    "r_other_ecg": ("another heart's ECG", "reference"),
    "right_minus_other": ("right minus other", "higher"),
    "ceiling_r": ("ceiling", "reference"),
}
_LOWER, _HIGHER = (
    ("mae", "error", "distance", "gap", "width", "limits"),
    ("r2", "dice", "ssim", "psnr", "r_", "coverage"),
)


def tables(report: Mapping[str, Any]) -> dict[str, Any]:
    """What `evaluate` gives, in groups."""
    hearts = report["settings"]["hearts"]
    out: dict[str, Any] = {}
    if "information" in report:
        out["correlation with the truth"] = {_TITLES[name]: _told(row) for name, row in report["information"].items()}
    if "volumes" in report:
        out["volumes"] = {_TITLES[name]: _of_one(name, report["volumes"]) for name in QUANTITIES}
    for section, title in (("timing", "time and shape"), ("swap", "swap of motion"), ("realism", "distances")):
        if section in report:
            out[title] = _plain(report[section], hearts)
    if "codec" in report:
        out["codec"] = {name: _plain(row, None) for name, row in report["codec"].items()}
    if "speed" in report:
        found = report["speed"]
        seconds = Value(found["seconds_per_loop"], unit="s", better="lower")
        out["speed"] = {"per loop": seconds, **{name: Value(found[name]) for name in ("batch", "threads", "steps")}}
    if "groups" in report:
        rows = {}
        for row in report["groups"]:
            cells = {}
            for name in QUANTITIES:
                truth, made = row[name]
                unit, title = _OF_QUANTITY[name], _TITLES[name]
                cells[f"{title}, true"] = Value(truth, n=row["n"], unit=unit, better="reference")
                cells[f"{title}, generated"] = Value(made, n=row["n"], unit=unit)
            rows[str(row["group"])] = cells
        out["groups"] = rows
    return out


def _told(row: Mapping[str, Any]) -> dict[str, Value | str]:
    """Correlations of one quantity."""
    named = {name: value for name, value in row.items() if name in _OF_ECG}
    return {
        _OF_ECG[name][0]: value if isinstance(value, str) else Value.of(value, better=_OF_ECG[name][1])
        for name, value in named.items()
    }


def _plain(found: Mapping[str, Any], n: int | None) -> dict[str, Value | str]:
    """Figures by name, with the unit that the name ends in."""
    out: dict[str, Value | str] = {}
    for name, value in found.items():
        if isinstance(value, str):
            out[name.replace("_", " ")] = value
            continue
        head, _, last = name.rpartition("_")
        title, unit = (head, _UNITS[last]) if last in _UNITS else (name, "")
        out[title.replace("_", " ")] = Value.of(value, n=n, unit=unit, better=_better(name))
    return out


#: Measures of `flow.evaluation.agreement` -> columns.
_AGREEMENT = {
    "mae": "mean absolute error",
    "bland altman low": "limits of agreement, low",
    "bland altman high": "limits of agreement, high",
    "bland altman slope": "slope of the difference",
    "r2": "R²",
    "coverage 90": "90 % intervals hold the truth",
    "own spread 90": "the samples' own spread holds it",
    "width 90": "mean width",
    "width share 90": "of the width of all hearts",
}
_PURE = ("r2", "coverage", "own_spread", "width_share", "slope")


def _of_one(quantity: str, found: Mapping[str, Any]) -> dict[str, Value]:
    """The figures of one quantity, without its name."""
    out = {}
    for name, value in found.items():
        parts = re.fullmatch(f"(.+)_{quantity}(_[A-Za-z]+)?", name)
        if parts and parts[1] + (parts[2] or "") != "bland_altman_limits":
            group = (parts[2] or "")[1:] if parts[1] == "coverage_90" else ""
            measure = (parts[1] + (parts[2] or "")).replace("_", " ")
            unit = "" if any(word in name for word in _PURE) else _OF_QUANTITY[quantity]
            out[group or _AGREEMENT.get(measure, measure)] = Value.of(value, unit=unit, better=_better(name))
    return out


def _better(name: str) -> Better | None:
    if name.endswith(("_truth", "_halves", "_sunnybrook")) or name.startswith("real"):
        return "reference"
    return "lower" if any(w in name for w in _LOWER) else "higher" if any(w in name for w in _HIGHER) else None


def run(settings: Cmr, progress: Progress) -> Results:
    """Every section that is asked for."""
    unknown = [name for name in settings.only if name not in SECTIONS]
    if unknown:
        raise InputError(f"--only {unknown[0]}: accepted: {', '.join(SECTIONS)}")
    cache = PairCache.open(settings.data)
    learned = None if settings.learned is None else PairCache.open(settings.learned)
    if learned is not None and learned.manifest["seed"] == cache.manifest["seed"]:
        raise InputError(f"{settings.data}: hearts of the cohort of {settings.learned}; accepted: another --seed")
    report = evaluate(
        load(settings.checkpoint),
        cache,
        n=settings.number,
        num_samples=settings.samples,
        seed=settings.seed,
        patient=settings.patient,
        learned=learned,
        real=settings.real,
        sections=settings.only or SECTIONS,
        progress=progress,
    )
    facts = report["settings"]
    return settings.results(
        tables(report),
        data=[Data("simulated pairs", "test", cache.digest)],
        n=facts["hearts"],
        notes=[f"{facts['not_usable']} hearts could not be used; {facts['samples']} samples each."],
        headline=[f"correlation with the truth/{_TITLES[name]}/expectation" for name in QUANTITIES]
        if "information" in report
        else (),
        weights=facts["model"],
        steps=facts["steps"],
    )
