"""Distributions of simulated hearts per group against reference figures, and how fast cines are made.

    physiogen evaluate cine-cohort -n 2000 --seed 0 --cines 6

References: Petersen et al., J Cardiovasc Magn Reson 2017;19:18 (normal), Sunnybrook's table (LVH = hypertrophy, DCM =
heart failure without infarct), the Cardiac Atlas Project (MI), ACDC's inclusion rules (HCM, DCM).
"""

import time

import numpy as np

from gen.evaluation.cine_sheet import draw_sheet, tiles
from gen.evaluation.settings import CineCohort
from gen.evaluations import Progress
from gen.results import Data, Node, Results, Value
from gen.simulate.cine.anatomy import GROUPS, anatomy_of
from gen.simulate.cine.cohort import cines_of
from gen.simulate.cohort import simulate
from gen.simulate.heart import draw_heart

#: Statements drawn more often, so that rare groups have numbers.
RARE = {"SEHYP": 30.0, "CLBBB": 4.0}
#: Group and quantity -> what is reported of real hearts.
REFERENCE = {
    ("normal M", "edv_ml"): "166±32",
    ("normal M", "esv_ml"): "69±16",
    ("normal M", "ef"): "58±5 %",
    ("normal M", "mass_g"): "103±21",
    ("normal M", "rv_edv_ml"): "182±36",
    ("normal F", "edv_ml"): "124±21",
    ("normal F", "esv_ml"): "49±11",
    ("normal F", "ef"): "61±5 %",
    ("normal F", "mass_g"): "70±13",
    ("normal F", "rv_edv_ml"): "130±24",
    ("LVH", "edv_ml"): "114±50",
    ("LVH", "ef"): "63±9 %",
    ("LVH", "mass_g"): "176±86",
    ("HCM", "ef"): "> 55 %",
    ("HCM", "mass_index"): "> 110",
    ("DCM", "edv_ml"): "234±63",
    ("DCM", "ef"): "33±13; < 40 %",
    ("DCM", "mass_g"): "194±39",
    ("DCM", "edv_index"): "> 100",
    ("MI", "edv_index"): "96.5±25",
    ("MI", "ef"): "41±11 %",
    ("MI", "shortening"): "8.1±3.3 %",
}


def group_table(n: int, seed: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Mean and standard deviation of every quantity per group over ``n`` drawn hearts; ``"n"`` is the count."""
    values: dict[str, list[dict[str, float]]] = {}
    for index in range(n):
        heart = draw_heart(seed, index, oversample=RARE)
        a = anatomy_of(heart)
        row = {
            "edv_ml": a.edv_ml,
            "esv_ml": a.edv_ml * (1.0 - a.ef),
            "ef": a.ef * 100.0,
            "mass_g": a.mass_g,
            "rv_edv_ml": a.rv_edv_ml,
            "edv_index": a.edv_ml / heart.bsa_m2,
            "mass_index": a.mass_g / heart.bsa_m2,
            "shortening": a.shortening * 100.0,
        }
        healthy = "NORM" in heart.disease.codes
        name = f"normal {heart.sex}" if a.group == "normal" and healthy else "other" if a.group == "normal" else a.group
        values.setdefault(name, []).append(row)
    order = ["normal M", "normal F", "other", *GROUPS[1:]]
    table: dict[str, dict[str, tuple[float, float]]] = {}
    for name in (g for g in order if g in values):
        rows = values[name]
        table[name] = {k: (float(np.mean([r[k] for r in rows])), float(np.std([r[k] for r in rows]))) for k in rows[0]}
        table[name]["n"] = (float(len(rows)), 0.0)
    return table


def speed(count: int, seed: int) -> dict[str, float]:
    """Mid-slice cines (50 frames of 96 x 96) per second of one core, ECG included, and per second of the clock."""
    simulate([0], seed=seed)  # warm up
    wall, cpu = time.perf_counter(), time.process_time()
    cines_of(simulate(range(count), seed=seed, fs_hz=250.0))
    return {
        "cines_per_cpu_s": count / (time.process_time() - cpu),
        "cines_per_s": count / (time.perf_counter() - wall),
    }


#: Name and unit of each quantity in the results.
_SHOWN = {
    "edv_ml": ("EDV", "ml"),
    "esv_ml": ("ESV", "ml"),
    "ef": ("EF", "%"),
    "mass_g": ("LV mass", "g"),
    "rv_edv_ml": ("RV EDV", "ml"),
    "edv_index": ("EDV of the body surface", "ml/m²"),
    "mass_index": ("LV mass of the body surface", "g/m²"),
    "shortening": ("long-axis shortening", "%"),
}


def run(settings: CineCohort, progress: Progress) -> Results:
    """A line for each group and quantity, the speed, and the contact sheet where one is asked for."""
    quantities: dict[str, dict[str, Node]] = {title: {} for title, _ in _SHOWN.values()}
    for group, row in group_table(settings.number, settings.seed).items():
        for name, (mean, spread) in row.items():
            if name != "n":
                n, (title, unit) = int(row["n"][0]), _SHOWN[name]
                quantities[title][group] = {
                    "mean": Value(mean, n=n, unit=unit),
                    "SD": Value(spread, n=n, unit=unit),
                    "real hearts": REFERENCE.get((group, name), ""),
                }
    values: dict[str, Node] = {**quantities}
    if settings.cines:
        progress("hearts drawn; timing cines")
        timing = speed(settings.cines, settings.seed)
        values["cines"] = {
            "per second of one core": Value(timing["cines_per_cpu_s"], n=settings.cines, better="higher"),
            "per second": Value(timing["cines_per_s"], n=settings.cines, better="higher"),
        }
    if settings.picture is not None:
        pictures = tiles(settings.picture_seed, settings.real, RARE)
        progress(f"contact sheet in {draw_sheet(pictures, settings.picture)}")
    return settings.results(values, data=[Data("simulated hearts")], n=settings.number)
