"""Monitors of single persons: what each goes on with after the general training, and how it does later on."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.judges.classifier.scores import f1, macro_difference, mean_of_runs
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import Difference, Interval, bootstrap
from metrics.statistics.ranking import weighted_auroc
from metrics.utility.fit import Control, FitConfig, LabelledSet, PreparedSet, SmallClassifier, fit, predict

#: The general classifier goes on from there.
GENERAL = FitConfig(steps=300, batch_size=64)
PERSONAL = FitConfig(steps=60, batch_size=32, lr=1e-3)


@dataclass(frozen=True)
class Way:
    """How a monitor comes about.

    Attributes:
        general: what the general classifier's training does against rare classes.
        personal: set whose recordings of the person it goes on with ("twins", "references", "own"), "strangers" (the
            next person's twins), "nobody" (population alone, at equal cost), or None: the general classifier itself.
        control: what is done while it goes on.
    """

    general: Control = "none"
    personal: str | None = None
    control: Control = "none"


WAYS: Mapping[str, Way] = {
    "general": Way(),
    "general, class weights": Way("class-weights"),
    "general, augmentation": Way("augmentation"),
    "longer": Way(personal="nobody"),
    "own reference, augmentation": Way(personal="references", control="augmentation"),
    "stranger's twins": Way(personal="strangers"),
    "twins": Way(personal="twins"),
    "twins, class weights": Way(personal="twins", control="class-weights"),
    "twins, augmentation": Way(personal="twins", control="augmentation"),
    "own recordings (ceiling)": Way(personal="own"),
}
#: Ways that the others are compared with, where they were run.
BASES = ("general", "longer", "stranger's twins")


@dataclass(frozen=True)
class Result:
    """How a way did on the visits of all people, mean of its seeds; intervals over people.

    Attributes:
        auroc: macro mean over normal and events, one against the rest.
        macro_f1, weighted_f1: of the likeliest class; the second weighs classes by how often they occur.
        classes: AUROC of each class.
        differences: way of `BASES` -> "auroc" and "macro_f1" -> this way minus that one, on the same visits.
    """

    auroc: Interval
    macro_f1: Interval
    weighted_f1: Interval
    classes: Mapping[str, float]
    differences: Mapping[str, Mapping[str, Difference]]


def monitors(
    sets: Mapping[str, LabelledSet],
    *,
    classes: Sequence[str],
    ways: Mapping[str, Way] = WAYS,
    seeds: Sequence[int] = (0, 1, 2),
    general: FitConfig = GENERAL,
    personal: FitConfig = PERSONAL,
    replicates: int = 1000,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Result]:
    """Train and score monitors.

    Args:
        sets: by the names in the text of `metrics.evaluation.personal_monitor`; labels are one class each,
        ``patients`` are given.
        classes: names of the labels' columns.
        ways: what is compared; those that need a set which is not there are left out.
        seeds: a training of every monitor each.
        general, personal: settings of the two trainings.
        replicates: bootstrap draws.
        progress: called with a line after every monitor.

    Raises:
        InputError: a set is missing, a person is in the population as well, or a person has no twins or reference.
    """
    people = _people(sets)
    chosen = {name: way for name, way in ways.items() if way.personal != "own" or "own" in sets}
    prepared = {name: one.prepared for name, one in sets.items()}
    rows = {name: _rows_of(one, people) for name, one in sets.items() if name != "population"}
    labels = prepared["visits"].labels
    runs: dict[str, list[Array]] = {name: [] for name in chosen}
    for seed in seeds:
        starts = {control: fit([prepared["population"]], config=general, seed=seed, control=control)
                  for control in dict.fromkeys(way.general for way in chosen.values())}  # fmt: skip
        for name, way in chosen.items():
            found = np.full(labels.shape, np.nan)
            for k in range(len(people)):
                model = _personal(starts[way.general], way, prepared, rows, k, personal, seed)
                found[rows["visits"][k]] = predict(model, prepared["visits"].part(rows["visits"][k]))
            runs[name].append(found)
            progress(f"seed {seed}: {name}")
    groups = np.asarray(sets["visits"].patients)
    predictions = {name: np.stack(many) for name, many in runs.items()}
    return {name: _scored(name, predictions, labels, groups, classes, replicates) for name in predictions}


def _personal(
    start: SmallClassifier,
    way: Way,
    prepared: Mapping[str, PreparedSet],
    rows: Mapping[str, Sequence[npt.NDArray[np.int64]]],
    person: int,
    config: FitConfig,
    seed: int,
) -> SmallClassifier:
    """The monitor of a person: population and personal ECGs, equally many, as many as the person has twins."""
    if way.personal is None:
        return start
    count = len(rows["twins"][person])
    rng = np.random.default_rng(np.random.SeedSequence((seed, person, 5)))
    replay = rng.permutation(len(prepared["population"]))
    if way.personal == "nobody":
        shown = [prepared["population"].part(replay[: 2 * count])]
    else:
        source = "twins" if way.personal == "strangers" else way.personal
        whose = (person + 1) % len(rows["twins"]) if way.personal == "strangers" else person
        own = rows[source][whose]
        shown = [prepared["population"].part(replay[:count]), prepared[source].part(np.resize(own, count))]
        if source != "references":  # the one true recording is known to everybody who has twins
            shown.append(prepared["references"].part(rows["references"][whose]))
    return fit(shown, config=config, seed=seed, control=way.control, start=copy.deepcopy(start))


def weighted_f1(decisions: Array, labels: npt.NDArray[np.bool_], weights: Array) -> Array:
    """F1 (replicates,) of decisions (n, class) 0/1, a mean over classes weighted by how often each occurs."""
    each = np.stack([f1(decisions[:, i], labels[:, i], weights) for i in range(labels.shape[1])], axis=1)
    frequency = weights @ labels.astype(np.float64)
    return np.where(frequency > 0, np.nan_to_num(each) * frequency, 0).sum(axis=1) / frequency.sum(axis=1)


def decided(runs: Array) -> Array:
    """Probabilities (run, n, class) -> 1 at the likeliest class and 0 elsewhere."""
    return np.eye(runs.shape[-1])[runs.argmax(axis=-1)]


def _scored(
    name: str,
    predictions: Mapping[str, Array],
    labels: npt.NDArray[np.bool_],
    groups: npt.NDArray,
    classes: Sequence[str],
    replicates: int,
) -> Result:
    runs, decisions = predictions[name], decided(predictions[name])

    def over_people(statistic: Callable[[Array], Array]) -> Interval:
        return bootstrap(statistic, len(labels), groups=groups, replicates=replicates, method="percentile")

    one = np.ones((1, len(labels)))
    each = {
        label: float(mean_of_runs(weighted_auroc, runs[:, :, [i]], labels[:, [i]], one)[0])
        for i, label in enumerate(classes)
    }
    differences = {
        base: {
            key: macro_difference(
                change(predictions[base]), change(runs), labels, groups=groups, statistic=statistic,
                replicates=replicates,
            )
            for key, change, statistic in (("auroc", np.asarray, weighted_auroc), ("macro_f1", decided, f1))
        }
        for base in BASES
        if base in predictions and base != name
    }  # fmt: skip
    return Result(
        auroc=over_people(lambda weights: mean_of_runs(weighted_auroc, runs, labels, weights)),
        macro_f1=over_people(lambda weights: mean_of_runs(f1, decisions, labels, weights)),
        weighted_f1=over_people(
            lambda weights: np.mean([weighted_f1(run, labels, weights) for run in decisions], axis=0)
        ),
        classes=each,
        differences=differences,
    )


def _people(sets: Mapping[str, LabelledSet]) -> list[str]:
    """People who are scored, after the checks of `monitors`."""
    for name in ("population", "references", "visits", "twins"):
        if name not in sets:
            raise InputError(f"{name}: no such set; accepted: population, references, visits, twins and, optional, own")
        if sets[name].patients is None:
            raise InputError(f"{name}: no patient ids; accepted: one for each recording")
    known = {name: set(map(str, np.asarray(one.patients))) for name, one in sets.items()}
    people = sorted(known["visits"])
    if len(people) < 2:
        raise InputError(f"visits: {len(people)} person; accepted: at least two")
    shared = known["population"] & known["visits"]
    if shared:
        raise InputError(f"population: holds {len(shared)} scored people, such as {min(shared)}; accepted: none")
    for name in ("references", "twins", *(("own",) if "own" in sets else ())):
        lost = sorted(set(people) - known[name])
        if lost:
            raise InputError(f"{name}: nothing of {len(lost)} scored people, such as {lost[0]}; accepted: all of them")
    return people


def _rows_of(data: LabelledSet, people: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    who = np.asarray([str(patient) for patient in np.asarray(data.patients)])
    return [np.flatnonzero(who == person) for person in people]
