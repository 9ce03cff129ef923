"""Settings of this package's evaluations; light, so that listing them and their help loads no model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gen.evaluations import Evaluation, setting

_CACHE = "cache made by `physiogen data prepare`"
_RECORDS = "records as for physiogen benchmark: FOLDER or FOLDER:SPLIT"


@dataclass(frozen=True, kw_only=True)
class Adherence(Evaluation):
    """Whether generated ECGs show the statement and the heart rate that were asked for.

    Each statement has a criterion that a reader would apply, read off the delineated ECG; and the shipped classifier's
    AUROC for the statement among all records of the set. The same figures of real ECGs with that statement stand beside
    them, since criteria are not met by every real one either.

    `--criteria AFIB,CLBBB,LVH` asks another question: how many of ALL records meet a criterion, whatever they were
    asked for. After "no atrial fibrillation" that share should be near 0.
    """

    name = "adherence"
    function = "metrics.evaluation.adherence:run"
    needs = "a set of generated ECGs"
    example = "GEN --real .data/ptb-xl:test"

    generated: str = setting(_RECORDS, positional=True, location=True)
    real: str | None = setting("real records with statements, to compare with", None, location=True, metavar="FOLDER")
    criteria: str | None = setting("statements by comma: share of all records that meet each criterion", None)


@dataclass(frozen=True, kw_only=True)
class BeatVariability(Evaluation):
    """How much the beats of one ECG differ from each other, in generated and recorded sets.

    Generators of whole recordings may draw every beat anew. For each beat: the energy of its QRS complex's difference
    from the median beat, as a share of the median beat's energy; of these the median over the beats of a record.
    """

    name = "beat-variability"
    function = "metrics.evaluation.beat_variability:run"
    needs = "sets of ECGs"
    example = "GEN .data/ptb-xl:test"

    sets: tuple[str, ...] = setting(_RECORDS, positional=True, location=True, metavar="FOLDER")


@dataclass(frozen=True, kw_only=True)
class Fidelity(Evaluation):
    """Reports of `physiogen benchmark` as one table: several sets against the same recordings, and their floor.

    A line for each set, or for each measure where more measures than sets are asked for. The floor is what two halves
    of the recordings score against each other, at half their number: a distance is compared with it at the same number
    only, which stands in a column of its own where one report is given.
    """

    name = "fidelity"
    function = "metrics.evaluation.fidelity:run"
    needs = "reports of physiogen benchmark"
    example = "ours=REPORT1 simulated=REPORT2 --figures fid,coverage,two_sample_auroc"

    reports: tuple[str, ...] = setting(
        "report.json of benchmark, or the folder that holds it", positional=True, metavar="NAME=PATH"
    )
    figures: str | None = setting("names of figures by comma; the usual ones by default", None)


@dataclass(frozen=True, kw_only=True)
class Paper(Evaluation):
    """Pictures of paper ECGs: what a plain digitiser reads back from the truth's boxes, and pictures per second.

    Undegraded sheets, one value a column of pixels; the digitiser proves that picture and truth belong together and is
    no contribution of its own. Leads that cross on paper are scored as they are.
    """

    name = "paper"
    function = "metrics.evaluation.paper:run"
    example = "-n 50"

    set: str | None = setting(
        "records of your own: FOLDER or FOLDER:SPLIT; simulated ones by default", None, location=True, metavar="FOLDER"
    )
    number: int = setting("records", 50, least=2, short="-n")
    layouts: tuple[str, ...] = setting("layouts of physiogen paper", ("3x4", "3x4+1", "6x2", "12x1"))
    widths: tuple[int, ...] = setting("pixels of a sheet's width", (1700, 3400))
    timed: int = setting("undegraded sheets that are timed; 0 for none", 40, least=0)
    seed: int = setting("of the simulated records", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class Classifier(Evaluation):
    """The PTB-XL classifier that judges generated ECGs: AUROC, AUPRC, F1 and calibration on real ones.

    Macro means of both label levels with intervals over patients, and each class. F1 uses the thresholds stored with
    the weights, which were chosen on fold 9.
    """

    name = "classifier"
    function = "metrics.evaluation.classifier:run"
    needs = "a cache of PTB-XL"
    example = "--data CACHE"

    data: Path = setting(_CACHE, metavar="CACHE")
    split: Literal["val", "test"] = setting("part that is scored", "test")
    checkpoint: Path | None = setting(
        "classifier's folder; the shipped one by default", None, short="--weights", metavar="FOLDER"
    )
    replicates: int = setting("bootstrap draws", 1000, least=100)


@dataclass(frozen=True, kw_only=True)
class Clip(Evaluation):
    """The judge of text against ECG: agreement with own and others' reports, retrieval, zero-shot AUROC."""

    name = "clip"
    function = "metrics.evaluation.clip:run"
    needs = "a cache of PTB-XL"
    example = "--data CACHE"

    data: Path = setting(_CACHE, metavar="CACHE")
    split: Literal["train", "val", "test"] = setting("part that is scored", "test")
    checkpoint: Path | None = setting(
        "judge's folder; the shipped one by default", None, short="--model", metavar="FOLDER"
    )
    seed: int = setting("of the candidates that texts are retrieved among", 0)


@dataclass(frozen=True, kw_only=True)
class Delineation(Evaluation):
    """Wave onsets, peaks and offsets against the marks of LUDB's cardiologists, beside neurokit2.

    The shipped weights have learned from records 1 to 50; the figures are those of records 51 and above.
    """

    name = "delineation"
    function = "metrics.evaluation.delineation:run"
    needs = "LUDB"
    example = "--data .data/ludb"

    data: Path = setting("folder of LUDB", metavar="LUDB")
    first: int = setting("first record (LUDB's number)", 51, least=1)
    last: int = setting("last record", 200, least=1)
    leads: str = setting("all, or names such as II,V2", "all")
    checkpoint: Path | None = setting("weights instead of the shipped ones", None, metavar="FOLDER")
    systems: str = setting("which to score, by comma: network, single, neurokit2", "network,single,neurokit2")
    no_consensus: bool = setting("leave out the intervals of the consensus", False)


@dataclass(frozen=True, kw_only=True)
class Measurement(Evaluation):
    """Measured ECG parameters against the truth of simulated ECGs, and how fast they are measured."""

    name = "measurement"
    function = "metrics.evaluation.measurement:run"
    example = "-n 300"

    number: int = setting("simulated records", 300, least=2, short="-n")
    seed: int = setting("of the cohort; training used 0 and 1", 2024, least=0)
    noise: str = setting("none, light or wearable", "light")
    tachycardias: int = setting("simulated sinus tachycardias, for PR where P lies on T; 0 for none", 96, least=0)
    rhythms: int = setting(
        "simulated records of each rhythm, for statements and kinds of beats; 0 for none", 30, least=0
    )
    timed: int = setting("records whose measuring is timed; 0 for none", 256, least=0)


@dataclass(frozen=True, kw_only=True)
class Quality(Evaluation):
    """Signal quality against the graders of CinC 2011, on the third of its recordings that nothing has learned from.

    Also whether faults that are put on one lead are found and named; strips of a hand-held device that its readers
    called too noisy; and how many recordings that cardiologists read would be refused.
    """

    name = "quality"
    function = "metrics.evaluation.quality:run"
    needs = "CinC 2011, set-a"
    example = "--data .data/cinc2011 --alivecor .data/alivecor --clinical .data/ptb-xl"

    data: Path = setting("folder of CinC 2011's set-a with its labels", metavar="CINC2011")
    alivecor: Path | None = setting("also strips of CinC 2017", None, metavar="ALIVECOR")
    clinical: Path | None = setting("also PTB-XL, or another set with a training split", None, metavar="PTB-XL")
    seed: int = setting("of the faults put on leads", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class Utility(Evaluation):
    """What synthetic records are worth as training data: classifiers trained with and without them.

    Real records are trained on (folds 1-8), thresholds chosen (9) and tested on (10); of the synthetic cache every
    record is used, whatever its split. Labels are the five superclasses of the statements.
    """

    name = "utility"
    function = "metrics.evaluation.utility:run"
    needs = "a cache of PTB-XL, and one of synthetic records"
    example = "--data CACHE --synthetic SYNTHETIC"

    data: Path = setting("cache of real records with train, val and test", metavar="CACHE")
    synthetic: Path = setting("cache of synthetic records", metavar="SYNTHETIC")
    shares: tuple[float, ...] = setting("shares of the real records", (0.01, 0.1, 1.0), least=0)
    ratios: tuple[float, ...] = setting("synthetic records per real one", (1.0,), least=0)
    only: tuple[str, ...] = setting("name of a setting to run; all by default", (), metavar="NAME")
    seeds: int = setting("trainings of each setting", 3, least=1)
    steps: int | None = setting("steps of each training", None, least=1)


@dataclass(frozen=True, kw_only=True)
class FidBias(Evaluation):
    """How far the Fréchet distance of equal sets is from zero, by sample size; and the error of its streaming form.

    Two sets of n draws from one normal distribution of d dimensions; beside each value d²/(2n) + 2d/n.
    """

    name = "fid-bias"
    function = "metrics.evaluation.fid_bias:run"
    example = "--sizes 500,1000,2000"

    widths: tuple[int, ...] = setting("dimensions d", (64, 1024), least=1)
    sizes: tuple[int, ...] = setting("samples n", (500, 1000, 2000, 5000, 10000), least=2)
    streamed: int = setting("samples for the error of the streaming form; 0 for none", 20_000, least=0)
    seed: int = setting("of the draws", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class Waveform(Evaluation):
    """Whether judges that look at the waveform itself tell generated ECGs from recorded ones.

    Random forests on descriptors of one family at a time (spectrum, rhythm, beats, coherence, amplitude, quantisation)
    and of all, and a small network on the raw signal, whole and below 40 Hz: AUROC on patients that the judge did not
    see, .5 is best. The floor is the same test of the real set against `--reference`, or of one half of its patients
    against the other.
    """

    name = "waveform"
    function = "metrics.evaluation.waveform:run"
    needs = "a set of generated ECGs and a real one"
    example = "GEN --real .data/ptb-xl:test --reference .data/ptb-xl:val"

    generated: str = setting(_RECORDS, positional=True, location=True)
    real: str = setting("real records that they are told from", location=True, metavar="FOLDER")
    reference: str | None = setting(
        "real records of other people, for the floor", None, location=True, metavar="FOLDER"
    )
    seconds: float | None = setting("cut every record to its first seconds", None, least=2)
    no_network: bool = setting("leave out the network on the raw waveform", False)
    seed: int = setting("of folds, forests, network and bootstrap", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class Leaderboard(Evaluation):
    """Several generators of ECGs against the same recordings, with equally many records and one floor.

    Each is asked for what PTB-XL's fold 10 holds, as far as it can be asked, and judged against fold 10; nothing has
    seen that fold. `recorded` is fold 9: what other people's recordings would score. Sets stay in `--folder`, and a run
    that was stopped goes on with them. Generators of your own: `--also NAME=FOLDER`.
    """

    name = "leaderboard"
    function = "metrics.evaluation.leaderboard:run"
    needs = "PTB-XL; neurokit2, ecgen"
    example = ".data/ptb-xl --folder LEAGUE"

    real: Path = setting("folder of PTB-XL", positional=True, metavar="PTB-XL")
    folder: Path = setting("where the sets are kept", output=True)
    systems: tuple[str, ...] = setting(
        "of physiogen, simulated, ecgen, neurokit2, noise, recorded",
        ("recorded", "physiogen", "simulated", "ecgen", "neurokit2", "noise"),
    )
    also: tuple[str, ...] = setting("further sets", (), metavar="NAME=FOLDER")
    number: int = setting("records of each", 330, least=50, short="-n")
    minutes: float = setting(
        "processor time of what is trained here; that of the shipped beats by default", 13.6, least=0
    )
    seed: int = setting("of generators and judges", 10, least=0)
