"""What generated cines are good for: ``physiogen evaluate cmr-utility``.

Small networks that tell disease groups and phenotypes off a cine are pretrained on 0 to 400 % generated cines, then
trained on few real ones. (a) Simulated hearts stand for the real ones; (b) Sunnybrook's studies are real. Ways of
equal cost stand beside: the same steps on the few alone, classical augmentation, phantoms that no ECG asked for, and
the generated cines with the labels of other patients' ECGs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flow.evaluation import utility_sets as sets
from flow.evaluation.settings import CmrUtility
from flow.pipeline import load
from gen.evaluations import Progress
from gen.precision import in_threads
from gen.records import InputError
from gen.results import Data, Results, Value
from metrics.statistics.arrays import Array
from metrics.utility.cine_scores import gains, interval, score_draws, weights_of
from metrics.utility.cines import CineSet, FitConfig, Way, read_folds

SHARES = (1, 2, 3, 4)
#: What every other way is compared with: the few cines alone, for as many steps.
ALONE = "0 %"
#: The way that the headline is of.
MAIN = "300 %"
#: What the main way is compared with, too.
CONTROLS = (
    "0 %, its own steps alone",
    "classical augmentation",
    "labels of other ECGs, 300 %",
    "phantoms without ECG, 300 %",
)
_MAIN_SCORES = ("ACC", "AUC", "F1", "R²")
_PAPER = {
    "coronary disease (5,464)": {"ACC, 100 %": 0.716, "AUC, 100 %": 0.787, "ACC, 300 %": 0.730},
    "cardiomyopathy (196)": {"ACC, 100 %": 0.806, "AUC, 100 %": 0.837, "ACC, 300 %": 0.826},
    "heart failure (578)": {"ACC, 100 %": 0.808, "AUC, 100 %": 0.876, "ACC, 300 %": 0.826},
    "82 phenotypes": {"mean R², 0 %": 0.454, "mean R², 100 %": 0.470, "mean R², 300 %": 0.499},
}


@dataclass(frozen=True, eq=False)
class _Task:
    """Real cines, how they are split, and what can be pretrained on."""

    real: CineSet
    groups: int
    few: bool
    number: int
    ways: Mapping[str, Way]


def run(settings: CmrUtility, progress: Progress) -> Results:
    """Both tasks, the gains, and the paper's rows."""
    if settings.hearts % (len(sets.GROUPS) * settings.folds):
        raise InputError(
            f"--hearts {settings.hearts}: accepted: a multiple of {len(sets.GROUPS) * settings.folds}, so that every "
            "fold has as many of each group"
        )
    with in_threads(1):  # small networks: more threads cost more than they bring
        return _measured(settings, progress)


def _measured(settings: CmrUtility, progress: Progress) -> Results:
    pipeline = load(settings.checkpoint)
    few = settings.hearts // settings.folds
    real = sets.simulated(settings.hearts, seed=settings.seed, first=sets.REAL, progress=progress)
    drawn = sets.generated(pipeline, max(SHARES) * few, seed=settings.seed, progress=progress)
    phantoms = sets.simulated(3 * few, seed=settings.seed, first=sets.PHANTOMS, progress=progress)
    tasks = {"a": _Task(real.loops(), len(sets.GROUPS), True, few, _ways(drawn, phantoms, few, settings.seed))}
    if settings.real is not None:
        study = sets.sunnybrook(settings.real)
        number = round(len(study) * (1 - 1 / settings.folds))
        ways = _ways(drawn, phantoms, number, settings.seed, two=True)
        tasks["b"] = _Task(study, len(sets.FEWER_GROUPS), False, number, ways)
    values: dict[str, Any] = {}
    notes = []
    for letter, task in tasks.items():
        draws = _scored(letter, task, settings, progress)
        title = f"({letter}) {'simulated hearts' if letter == 'a' else 'Sunnybrook'}"
        values |= _tables(title, task, draws)
        notes.append(f"({letter}) {_in_words(draws)}")
    values["the paper, real patients of UK Biobank"] = {
        name: {column: Value(value, better="reference") for column, value in row.items()}
        for name, row in _PAPER.items()
    }
    notes += _explained(settings, tasks, drawn.refused)
    return settings.results(
        values,
        data=[Data("simulated hearts", "drawn for this"), *([Data("Sunnybrook")] if settings.real else [])],
        n=settings.hearts,
        notes=notes,
        headline=[f"(a) simulated hearts/{MAIN}/gain {name}" for name in ("AUC", "R²")],
        weights=pipeline.digest,
        pretrain_steps=settings.pretrain,
        steps=settings.steps,
    )


def _ways(drawn: sets.Hearts, phantoms: sets.Hearts, number: int, seed: int, *, two: bool = False) -> dict[str, Way]:
    """All ways; 100 % are ``number`` cines."""
    of = sets.Hearts.two if two else sets.Hearts.loops
    if len(drawn.frames) < max(SHARES) * number or len(phantoms.frames) < 3 * number:
        raise InputError(f"--hearts: too few for 100 % of {number} cines ({len(drawn.frames)}); accepted: more")
    main = of(drawn, 3 * number)
    return {
        ALONE: Way(),
        CONTROLS[0]: Way(whole=False),
        **{f"{100 * share} %": Way(of(drawn, share * number)) for share in SHARES},
        CONTROLS[1]: Way(augment=True),
        "300 % and augmentation": Way(main, augment=True),
        CONTROLS[2]: Way(main.relabelled(seed)),
        CONTROLS[3]: Way(of(phantoms, 3 * number)),
    }


def _scored(letter: str, task: _Task, settings: CmrUtility, progress: Progress) -> dict[str, dict[str, Array]]:
    config = FitConfig(pretrain=settings.pretrain, steps=settings.steps)
    weights = weights_of(len(task.real), replicates=settings.replicates, seed=settings.seed)
    out = {}
    for name, way in task.ways.items():
        progress(f"({letter}) {name}")
        read = read_folds(
            task.real,
            way,
            groups=task.groups,
            folds=settings.folds,
            few=task.few,
            seeds=range(settings.seed, settings.seed + settings.seeds),
            config=config,
        )
        out[name] = score_draws(read, task.real, sets.PHENOTYPES, weights, groups=task.groups)
    return out


def _tables(title: str, task: _Task, draws: Mapping[str, Mapping[str, Array]]) -> dict[str, Any]:
    n = len(task.real)
    shown = _shown(draws)
    main: dict[str, Any] = {}
    for name, found in draws.items():
        before = task.ways[name].before
        row = {"cines before": Value(0 if before is None else len(before)), "real cines": Value(task.number)}
        row |= {score: interval(found[score], n) for score in shown}
        if name != ALONE:
            row |= {f"gain {score}": value for score, value in gains(found, draws[ALONE], shown, n).items()}
        main[name] = row
    out = {title: main}
    phenotypes = [score for score in draws[ALONE] if score.startswith("R² ")]
    if len(phenotypes) > 1:
        out[f"{title}, R² of phenotypes"] = {
            name: {score.removeprefix("R² "): interval(found[score], n) for score in phenotypes}
            for name, found in draws.items()
        }
    out[f"{title}, {MAIN} against other ways"] = {name: gains(draws[MAIN], draws[name], shown, n) for name in CONTROLS}
    return out


def _shown(draws: Mapping[str, Mapping[str, Array]]) -> list[str]:
    """The main scores; where there is one phenotype, that one's R²."""
    there = draws[ALONE]
    return [*(s for s in _MAIN_SCORES if s in there), *([] if "R²" in there else [s for s in there if s[:3] == "R² "])]


def _in_words(draws: Mapping[str, Mapping[str, Array]]) -> str:
    """Which gains over the few alone lie above zero, which below, which neither."""
    verdicts: dict[str, list[str]] = {"helps": [], "harms": [], "no difference told": []}
    for name, found in draws.items():
        if name == ALONE:
            continue
        for score in _shown(draws):
            value = interval(found[score] - draws[ALONE][score], 1)
            low, high = (value.low or 0.0), (value.high or 0.0)
            verdicts["helps" if low > 0 else "harms" if high < 0 else "no difference told"].append(f"{name}: {score}")
    return "; ".join(f"{word}: {_joined(names)}" for word, names in verdicts.items() if names) + "."


def _joined(names: Sequence[str]) -> str:
    """``"100 %: ACC, AUC"``: the scores of a way together."""
    together: dict[str, list[str]] = {}
    for each in names:
        way, score = each.rsplit(": ", 1)
        together.setdefault(way, []).append(score)
    return " / ".join(f"{way} ({', '.join(scores)})" for way, scores in together.items())


def _explained(settings: CmrUtility, tasks: Mapping[str, _Task], refused: int) -> list[str]:
    notes = [
        f"(a) {len(tasks['a'].real)} simulated hearts held out stand for real ones, in {settings.folds} folds by "
        f"patient: trained on one fold ({tasks['a'].number} hearts), read in the others; {settings.seeds} seeds; "
        f"{refused} ECGs refused. Phantoms without ECG come from the same simulator as these hearts: more of the "
        "real ones, a ceiling."
    ]
    if "b" in tasks:
        notes.append(
            f"(b) {len(tasks['b'].real)} real studies, trained on {tasks['b'].number}: end-diastole and end-systole of "
            "one slice, pixels taken for 1.3 mm, ejection fraction by areas. Few studies, wide intervals."
        )
    notes.append(
        "The network sees 12 frames of 48 x 48 from the R peak on; a generated cine has its patient's group and the "
        "figures of the generated heart. Gains are over the few real cines alone for as many steps, on the same draws "
        "of patients. The paper: Fang et al. 2026 (arXiv 2601.20904), its patients, networks and sizes are others."
    )
    return notes
