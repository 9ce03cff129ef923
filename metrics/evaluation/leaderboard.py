"""Several generators against the same recordings: ``physiogen evaluate leaderboard .data/ptb-xl --folder LEAGUE``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from gen.evaluations import Progress
from gen.files import folder_digest, read_json, write_json
from gen.records import InputError
from gen.results import Data, Node, Results, Value
from metrics.definitions import VERSION
from metrics.evaluation.generators import GENERATORS, Made, Work, check_libraries, made, write_measured
from metrics.evaluation.settings import Leaderboard
from metrics.report.entries import Entry
from metrics.report.lights import words
from metrics.suite import benchmark
from metrics.suite.presets import Preset
from metrics.suite.sets import open_set

#: Figures by their key.
Judged: TypeAlias = Mapping[str, Entry]

#: What is compared: figure of the benchmark -> heading. Places are taken in the first six, of two kinds of features
#: and of the waveform itself.
RANKED: Mapping[str, str] = {
    "fid": "FID",
    "recall": "recall",
    "coverage": "coverage",
    "two_sample_auroc": "two-sample AUROC",
    "fid@random-conv": "FID, random features",
    "waveform_auroc": "waveform AUROC",
}
SHOWN: Mapping[str, str] = {
    **RANKED,
    "precision": "precision",
    "kid": "KID",
    "waveform_auroc_rhythm": "rhythm AUROC",
    "waveform_auroc_beats": "beats AUROC",
    "statement_auroc": "statements AUROC",
    "hr_mae_bpm": "rate MAE",
}
_PRESET = Preset(
    "leaderboard",
    ("features", "waveform", "conditioning"),
    halvings=8,
    slow_halvings=4,
    raw_network=False,
    thorough=False,
)
#: Of these figures the best is .5: not told from recordings.
_HALF = {name for name in SHOWN if "auroc" in name and name != "statement_auroc"}


def run(settings: Leaderboard, progress: Progress) -> Results:
    """A line for each generator, best first, with what halves of fold 10 and recordings of other people score.

    Raises:
        InputError: an unknown system, a missing library, or a set that cannot be judged.
    """
    further = _further(settings)
    unknown = [name for name in settings.systems if name not in GENERATORS]
    if unknown:
        raise InputError(f"--systems {unknown[0]}: accepted: {', '.join(GENERATORS)}; sets of your own: --also")
    check_libraries(settings.systems)
    settings.folder.mkdir(parents=True, exist_ok=True)
    work = _work(settings, progress)
    sets = {name: made(name, work, settings.folder) for name in settings.systems}
    sets |= {name: Made(folder, "as given", None) for name, folder in further.items()}
    found = {name: _judged(name, each.folder, settings, progress) for name, each in sets.items()}
    places = {name: place for name, place in _places(found).items() if name in sets}
    order = sorted(sets, key=lambda name: (places[name], name))
    any_report = found[order[0]]
    table = {"two halves of fold 10": _floor_row(any_report)} | {
        name: {"mean place": Value(places[name], better="lower"), **_row(found[name])} for name in order
    }
    floor_n = any_report["fid"].floor_n
    verdicts = {name: {SHOWN[key]: words(found[name][key]) or "–" for key in RANKED} for name in order}
    about: dict[str, Node] = {
        name: {
            "asked by": GENERATORS[name].asked if name in GENERATORS else "unknown",
            "made": sets[name].note,
            "processor time an ECG": Value(_per_ecg(sets[name].cpu_s, settings.number), unit="s", better="lower"),
        }
        for name in order
    }
    return settings.results(
        {
            f"against fold 10, n = {settings.number}": table,
            f"inside the interval of the floor, n = {floor_n}": verdicts,
            "generators": about,
        },
        data=[Data(settings.real.resolve().name, "test")],
        n=settings.number,
        notes=_notes(settings, sets),
        systems=list(order),
    )


def _further(settings: Leaderboard) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in settings.also:
        name, sign, folder = text.partition("=")
        if not (sign and name and folder) or name in found or name in GENERATORS:
            raise InputError(f"--also {text}: accepted: NAME=FOLDER, every name once")
        if not Path(folder).is_dir():
            raise InputError(f"--also {text}: no such folder; accepted: a set of records")
        found[name] = Path(folder)
    return found


def _work(settings: Leaderboard, progress: Progress) -> Work:
    from gen.synthesis.like import like

    measured = settings.folder / "measured.csv"
    if not measured.is_file():
        progress("measuring fold 10")
        write_measured(f"{settings.real}:test", measured)
    requests = like(settings.real, settings.number, settings.seed, split="test", measured=measured)
    return Work(settings, requests, measured, progress)


def _judged(name: str, folder: Path, settings: Leaderboard, progress: Progress) -> Judged:
    """What the benchmark says; that of an earlier run where set and settings are the same."""
    chosen = replace(_PRESET, max_records=settings.number)
    facts = {"set": folder_digest(folder), "seed": settings.seed, "preset": asdict(chosen), "measures": VERSION}
    identity = json.loads(json.dumps(facts))
    file = settings.folder / f"{name}.judged.json"
    if file.is_file() and (known := read_json(file))["of"] == identity:
        return {key: Entry(**values) for key, values in known["figures"].items()}
    if (size := len(open_set(folder))) < settings.number:
        raise InputError(f"{name}: {size} records; accepted: at least as many as -n ({settings.number})")
    progress(f"{name}: judging")
    report = benchmark(real=f"{settings.real}:test", generated=folder, preset=chosen, seed=settings.seed)
    found = {key: replace(report.entries[key], records=None) for key in SHOWN if key in report.entries}
    write_json(file, {"of": identity, "figures": {key: asdict(each) for key, each in found.items()}})
    return found


def _row(report: Judged) -> dict[str, Value]:
    return {heading: _value(report[key]) for key, heading in SHOWN.items() if key in report}


def _value(each: Entry) -> Value:
    low, high = each.ci or (None, None)
    inside = each.value is not None and low is not None and high is not None and low <= each.value <= high
    unit = "" if each.name.startswith(("fid", "kid")) else each.unit
    return Value(each.value, *((low, high) if inside else (None, None)), unit=unit, better=each.better)


def _floor_row(report: Judged) -> dict[str, Value]:
    entries = {heading: report[key] for key, heading in SHOWN.items() if key in report}
    out = {}
    for heading, each in entries.items():
        if each.floor is not None:
            low, high = each.floor_ci or (None, None)
            out[heading] = Value(each.floor, low, high, better="reference")
    return out


def _places(found: Mapping[str, Judged]) -> dict[str, float]:
    """Mean place of each over the ranked figures; equal values share a place, what was not measured comes last."""
    places = np.zeros(len(found))
    for key in RANKED:
        away = np.array([_away(report[key]) for report in found.values()])
        places += (
            1 + (away[None, :] < away[:, None]).sum(axis=1) + 0.5 * ((away[None, :] == away[:, None]).sum(axis=1) - 1)
        )
    return dict(zip(found, (places / len(RANKED)).tolist(), strict=True))


def _away(each: Entry) -> float:
    """How far from what is best."""
    if each.value is None:
        return np.inf
    if each.name in _HALF:
        return abs(each.value - 0.5)
    return each.value if each.better == "lower" else -each.value


def _per_ecg(cpu_s: float | None, number: int) -> float | None:
    return None if cpu_s is None else cpu_s / number


def _notes(settings: Leaderboard, sets: Mapping[str, Made]) -> list[str]:
    notes = [
        "Mean place: over FID on two kinds of features, recall, coverage, two-sample AUROC and the AUROC of a forest "
        "on descriptors of the waveform (.5 is best of these two). Every set has as many records; all are judged "
        "against the same fold 10, which no generator has seen, with the same floor.",
        "Two halves of fold 10: half against half of its patients, at half the number of records; distances grow as "
        "records get fewer. `recorded` is what other people's recordings score at the number of all.",
    ]
    if "ecgen" in sets:
        notes.append(
            f"ecgen comes without weights. It was given {settings.minutes:g} minutes of processor time here, as long "
            "as the training of the shipped beats took: this says what can be had for that on a processor, and nothing "
            "of what it does with days of a graphics card."
        )
    return notes
