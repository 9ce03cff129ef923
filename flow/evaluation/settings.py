"""Settings of this package's evaluation; light, so that listing it and its help loads no model."""

from dataclasses import dataclass
from pathlib import Path

from gen.evaluations import Evaluation, setting


@dataclass(frozen=True, kw_only=True)
class Cmr(Evaluation):
    """Cines generated from the ECGs of simulated hearts never seen: volumes, timing, groups, realism, speed.

    The ECG alone speaks unless `--patient` is given. Every interval is drawn over hearts; the control takes the ECG of
    another heart, all else equal.
    """

    name = "cmr"
    function = "flow.evaluation.cmr:run"
    needs = "a cache of simulated pairs (`physiogen data pairs`)"
    example = "--data PAIRS --samples 6 --real .data/sunnybrook"

    data: Path = setting("cache made by `physiogen data pairs`", metavar="PAIRS")
    checkpoint: Path | None = setting("pipeline folder; the shipped one by default", None, metavar="FOLDER")
    learned: Path | None = setting(
        "cache whose beats the reader learned from, for the regressors; train and ecgs of --data by default",
        None,
        metavar="BEATS",
    )
    real: Path | None = setting("folder of real short-axis cines (Sunnybrook)", None, metavar="FOLDER")
    number: int = setting("hearts at most", 300, least=4, short="-n")
    samples: int = setting("hearts drawn per ECG", 6, least=2)
    seed: int = setting("of the samples", 0, least=0)
    patient: bool = setting("tell age, sex, height and weight too", False)
    only: tuple[str, ...] = setting("section of the report; all by default", (), metavar="SECTION")


@dataclass(frozen=True, kw_only=True)
class CmrCheck(Evaluation):
    """Whether the intervals of `cmr` hold the volumes that were measured on the same people.

    Both tables name people in a column `record`; the measured one has one or more of edv_ml, esv_ml, sv_ml, ef_percent
    and mass_g, and a column `group` where groups are to be told apart.
    """

    name = "cmr-check"
    function = "flow.evaluation.check:run"
    needs = "the table of `physiogen cmr` and one of volumes measured on the same people"
    example = "--hearts HEART/metadata.csv --truth mri.csv"

    hearts: Path = setting("metadata.csv of `physiogen cmr`, or its folder", metavar="TABLE")
    truth: Path = setting("CSV, TSV or Parquet of measured volumes", metavar="TABLE")


@dataclass(frozen=True, kw_only=True)
class CmrReader(Evaluation):
    """What a reader tells of simulated hearts never seen, from the ECG alone: correlations, intervals, groups.

    Beside it stand the best regressor that learned from the same hearts, another heart's ECG, and real cohorts.
    """

    name = "cmr-reader"
    function = "flow.evaluation.told:run"
    needs = "a trained reader (`train flow/reader`), and beats of another cohort (`data pairs --beats`)"
    example = "--learned BEATS --data OTHER --real CACHE"

    data: Path = setting("cache of `physiogen data pairs --beats`, of another seed", metavar="BEATS")
    checkpoint: Path | None = setting("folder that `train flow/reader` leaves; the shipped one by default", None)
    learned: Path = setting("cache that the reader learned from", metavar="BEATS")
    real: Path | None = setting("cache of recorded ECGs, whose test part is read as well", None, metavar="CACHE")
    number: int = setting("hearts at most", 20000, least=100, short="-n")
    seed: int = setting("of the shuffling", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class CmrUtility(Evaluation):
    """What generated cines are good for: disease groups and phenotypes read with and without them, beside controls.

    Small networks are pretrained on 0 to 400 % generated cines and trained on few real ones: simulated hearts held
    out, and Sunnybrook's studies. Takes half an hour of one core; more `--hearts` narrow the intervals.
    """

    name = "cmr-utility"
    function = "flow.evaluation.utility:run"
    needs = "nothing; Sunnybrook for real studies"
    example = "--real .data/sunnybrook"

    checkpoint: Path | None = setting("pipeline folder; the shipped one by default", None, metavar="FOLDER")
    real: Path | None = setting("folder of Sunnybrook with `edes_png`", None, metavar="FOLDER")
    hearts: int = setting("simulated hearts that stand for real ones", 250, least=25, short="-n")
    folds: int = setting("of patients", 5, least=2)
    seeds: int = setting("networks of each way and fold", 3, least=1)
    pretrain: int = setting("steps of pretraining, 24 cines each", 120, least=1)
    steps: int = setting("steps on the real cines", 50, least=1)
    replicates: int = setting("bootstrap draws of patients", 1000, least=100)
    seed: int = setting("of hearts, folds and networks", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class CmrStack(Evaluation):
    """Stacks of simulated hearts never seen: slices against the truth, volumes by discs against figures, time.

    From the true mid slice it is known what the others show; from an ECG they shall be one heart.
    """

    name = "cmr-stack"
    function = "flow.evaluation.stack:run"
    needs = "nothing"
    example = "-n 60"

    checkpoint: Path | None = setting("pipeline folder; the shipped one by default", None, metavar="FOLDER")
    number: int = setting("hearts", 60, least=4, short="-n")
    cohort: int = setting("seed of the hearts; another than the weights learned from", 2730, least=0)
    seed: int = setting("of what is drawn", 0, least=0)
    picture: Path | None = setting("PNG of one heart's stack, end-diastole and end-systole", None, metavar="FILE")
