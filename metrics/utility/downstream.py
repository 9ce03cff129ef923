"""What synthetic ECGs are good for: classifiers trained on them, or with them, tested on real patients.

Names follow Esteban et al. 2017: *TRTR* trains and tests on real records (the ceiling), *TSTR* trains on synthetic and
tests on real ones, *TRTS* the converse. ``real+1x`` adds as many synthetic records as there are real ones, ``pretrain``
trains on synthetic records first. A gain counts only where the interval of the paired difference, over patients, lies
above zero, and it should also stand beside the controls: what class weights, oversampling, classical augmentation or
mixup do with the real records alone, at the same number of training steps.

    report = utility(train=..., validation=..., test=..., synthetic=..., classes=("NORM", "MI"))
    print(report["TSTR"].scores.auroc)
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gen.io.kept import Kept
from gen.records import InputError
from metrics.judges.classifier.scores import (
    Scores,
    average_precision,
    choose_thresholds,
    f1,
    macro_difference,
    score,
    without_nan,
)
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import Difference
from metrics.statistics.ranking import weighted_auroc
from metrics.utility.fit import CONTROLS, Control, FitConfig, LabelledSet, PreparedSet, SmallClassifier, fit, predict

Kind = Literal["real", "synthetic", "both", "pretrain"]


@dataclass(frozen=True)
class Setting:
    """What is trained on, and what is tested on.

    Attributes:
        name: in the report.
        kind: 'real', 'synthetic', 'both' (together), or 'pretrain' (synthetic for half the steps, then real).
        real_share: share of the real training patients that is used.
        ratio: synthetic records per real record used, for 'both'; the others take all of them.
        control: what is done with the real records.
        test: 'real' or 'synthetic'.
    """

    name: str
    kind: Kind
    real_share: float = 1.0
    ratio: float = 1.0
    control: Control = "none"
    test: Literal["real", "synthetic"] = "real"

    def __post_init__(self) -> None:
        if not 0 < self.real_share <= 1 or self.ratio <= 0:
            raise InputError(f"setting {self.name!r}: real_share must be in (0, 1], ratio above 0")


@dataclass(frozen=True)
class Result:
    """How a setting did.

    Attributes:
        setting: what it was.
        scores: of all its seeds together; intervals over the patients tested.
        records: trained on, real and synthetic, in the first seed.
        differences: reference setting -> 'auroc', 'auprc', 'f1' -> this setting minus the reference, on the same
            patients; TRTR at the same share of real records, and for synthetic data the controls as well.
        seconds: of training, per seed.
    """

    setting: Setting
    scores: Scores
    records: tuple[int, int]
    differences: Mapping[str, Mapping[str, Difference]]
    seconds: float

    @property
    def gains(self) -> bool:
        """Whether macro AUROC is above the real records alone with an interval above zero."""
        return any(
            found["auroc"].interval.low > 0 for name, found in self.differences.items() if name.startswith("TRTR")
        )

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values; NaN becomes None."""
        differences = {name: {key: asdict(d) for key, d in found.items()} for name, found in self.differences.items()}
        values = {
            "setting": asdict(self.setting),
            "scores": asdict(self.scores),
            "records": {"real": self.records[0], "synthetic": self.records[1]},
            "differences": differences,
            "gains": self.gains,
            "seconds": self.seconds,
        }
        return without_nan(values)


def standard_settings(
    *,
    shares: Sequence[float] = (0.01, 0.1, 1.0),
    ratios: Sequence[float] = (1.0,),
    controls: Sequence[Control] = CONTROLS,  # type: ignore[assignment]
) -> tuple[Setting, ...]:
    """TRTR, TSTR, TRTS; for every share of the real records: with synthetic ones, pretrained, and the controls."""
    settings = [Setting("TSTR", "synthetic"), Setting("TRTS", "real", test="synthetic")]
    for share in sorted(shares, reverse=True):
        mark = "" if share == 1 else f"@{100 * share:g}%"
        settings.append(Setting(f"TRTR{mark}", "real", share))
        settings += [Setting(f"real+{ratio:g}x{mark}", "both", share, ratio) for ratio in ratios]
        settings.append(Setting(f"pretrain{mark}", "pretrain", share))
        settings += [Setting(f"{control}{mark}", "real", share, control=control) for control in controls]
    return tuple(settings)


def utility(
    *,
    train: LabelledSet,
    validation: LabelledSet,
    test: LabelledSet,
    synthetic: LabelledSet,
    classes: Sequence[str],
    settings: Sequence[Setting] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    config: FitConfig | None = None,
    replicates: int = 1000,
    progress: Callable[[str], None] = lambda line: None,
    kept: Kept | None = None,
) -> dict[str, Result]:
    """Run all settings.

    Args:
        train, validation, test: real records of disjoint patients. Thresholds come from ``validation`` alone.
        synthetic: labelled by what was asked of the generator, which must not have seen validation or test.
        classes: names of the labels' columns.
        settings: `standard_settings` by default.
        seeds: a training each; at least three for figures to be reported.
        config: of the small classifier.
        replicates: bootstrap draws.
        progress: called with a line after every training.
        kept: what a run before this one has trained already.

    Returns:
        Name of the setting -> result.

    Raises:
        InputError: a patient is in two of the real sets, classes do not fit, or two settings have one name.
    """
    chosen = standard_settings() if settings is None else tuple(settings)
    _check(train, validation, test, synthetic, classes, chosen, seeds)
    config = config or FitConfig()
    predictions: dict[str, Array] = {}
    results: dict[str, Result] = {}
    for setting in chosen:
        tested = test if setting.test == "real" else synthetic
        runs, cuts, sizes, began = [], [], (0, 0), time.perf_counter()
        for number, seed in enumerate(seeds):

            def trained(
                setting: Setting = setting, tested: LabelledSet = tested, seed: int = seed
            ) -> Mapping[str, Any]:
                model, used = _train(setting, train.prepared, synthetic.prepared, config, seed)
                cut = choose_thresholds(predict(model, validation.prepared), validation.labels)
                return {"run": predict(model, tested.prepared), "cut": cut, "used": np.array(used)}

            found = (kept or Kept()).arrays(f"{setting.name}, seed {seed}", trained)
            sizes = sizes if number else (int(found["used"][0]), int(found["used"][1]))
            cuts.append(found["cut"])
            runs.append(found["run"])
            progress(
                f"{setting.name}: seed {seed} ({len(results) * len(seeds) + number + 1}/{len(chosen) * len(seeds)})"
            )
        seconds = (time.perf_counter() - began) / len(seeds)
        groups = tested.patients
        scores = score(runs, tested.labels, thresholds=cuts, classes=classes, groups=groups, replicates=replicates)
        results[setting.name] = Result(setting, scores, sizes, {}, seconds)
        predictions[setting.name] = np.stack([np.asarray(runs), _decided(runs, cuts)])
    return {
        name: replace(r, differences=_differences(r, results, predictions, test, replicates))
        for name, r in results.items()
    }


def _decided(runs: Sequence[Array], cuts: Sequence[Array]) -> Array:
    return (np.asarray(runs) >= np.asarray(cuts)[:, None]).astype(np.float64)


def _train(
    setting: Setting, train: PreparedSet, synthetic: PreparedSet, config: FitConfig, seed: int
) -> tuple[SmallClassifier, tuple[int, int]]:
    """Train one seed; returns the model and how many real and synthetic records it saw."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, 3)))
    if setting.kind == "synthetic":
        return fit([synthetic], config=config, seed=seed, control=setting.control), (0, len(synthetic))
    # The smaller share is part of the larger one, and the same for every setting of a seed.
    real = train.part(_subset(train, setting.real_share, seed)) if setting.real_share < 1 else train
    if setting.kind == "real":
        return fit([real], config=config, seed=seed, control=setting.control), (len(real), 0)
    if setting.kind == "pretrain":
        half = replace(config, steps=max(1, config.steps // 2))
        first = fit([synthetic], config=half, seed=seed)
        return fit([real], config=half, seed=seed, control=setting.control, start=first), (len(real), len(synthetic))
    wanted = max(1, round(setting.ratio * len(real)))
    added = synthetic.part(np.sort(rng.permutation(len(synthetic))[:wanted]))
    return fit([real, added], config=config, seed=seed, control=setting.control), (len(real), wanted)


def _subset(data: PreparedSet, share: float, seed: int) -> npt.NDArray[np.int64]:
    """Records of the first patients, in an order that only the seed decides, until the share is reached."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, 4)))
    position = rng.permutation(int(data.patients.max()) + 1)
    return np.sort(np.argsort(position[data.patients], kind="stable")[: max(1, round(share * len(data)))])


def _differences(
    result: Result, results: Mapping[str, Result], predictions: Mapping[str, Array], test: LabelledSet, replicates: int
) -> dict[str, dict[str, Difference]]:
    """A setting minus each setting it is to be compared with."""
    found: dict[str, dict[str, Difference]] = {}
    for name, other in results.items():
        if not _comparable(result.setting, other.setting):
            continue
        pairs = {
            "auroc": (0, weighted_auroc),
            "auprc": (0, average_precision),
            "f1": (1, f1),
        }
        found[name] = {
            key: macro_difference(
                predictions[name][which], predictions[result.setting.name][which], test.labels,
                groups=test.patients, statistic=statistic, replicates=replicates,
            )
            for key, (which, statistic) in pairs.items()
        }  # fmt: skip
    return found


def _comparable(setting: Setting, reference: Setting) -> bool:
    """Plain real records are the reference of everything, controls that of what uses synthetic records."""
    if setting.name == reference.name or "synthetic" in (setting.test, reference.test) or reference.kind != "real":
        return False
    if setting.real_share != reference.real_share:
        return False
    return reference.control == "none" or setting.kind != "real"


def _check(
    train: LabelledSet,
    validation: LabelledSet,
    test: LabelledSet,
    synthetic: LabelledSet,
    classes: Sequence[str],
    settings: Sequence[Setting],
    seeds: Sequence[int],
) -> None:
    for name, data in (("train", train), ("validation", validation), ("test", test), ("synthetic", synthetic)):
        if data.labels.shape[1] != len(classes):
            raise InputError(f"{name}: {data.labels.shape[1]} labels; accepted: {len(classes)}, one per class")
    real = {"train": train, "validation": validation, "test": test}
    patients = {n: set(map(str, np.asarray(d.patients))) for n, d in real.items() if d.patients is not None}
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        shared = patients.get(first, set()) & patients.get(second, set())
        if shared:
            raise InputError(f"{len(shared)} patients are in both {first} and {second}; accepted: disjoint patients")
    names = [setting.name for setting in settings]
    if len(set(names)) != len(names) or not names or not seeds:
        raise InputError("utility: no setting, no seed, or two settings of one name")
    for setting in settings:
        wanted = round(setting.ratio * round(setting.real_share * len(train)))
        if setting.kind == "both" and wanted > len(synthetic):
            raise InputError(f"setting {setting.name!r}: {wanted} synthetic records wanted; there are {len(synthetic)}")


__all__ = ["CONTROLS", "FitConfig", "LabelledSet", "Result", "Setting", "standard_settings", "utility"]
