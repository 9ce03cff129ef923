"""Settings of the floor's evaluations; light, so that listing them and their help loads no model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gen.evaluations import Evaluation, setting


@dataclass(frozen=True, kw_only=True)
class Text(Evaluation):
    """Statements read from PTB-XL's reports against its own codes: precision, recall and F1.

    Which reports count: those that a person wrote or signed. Left out are device reports that nobody confirmed (their
    codes come from a later reader), "trace only requested" (no content), reports with an appended "Edit: ..." or
    "consensus" (that part *is* the codes), and those that PTB-XL cuts off (their conclusion, which comes last, is
    lost). `--reports all` keeps everything.

    Which codes count: all, on both sides, that are not negated; with `--likelihood L` those of at least that likelihood
    (0, in PTB-XL only, is unstated and counts). Codes that the reports do not mention count as misses, statements that
    the report makes and the codes lack count as extras: nothing is left out because the two readers differ.
    """

    name = "text"
    function = "gen.evaluation.text:run"
    needs = "PTB-XL"
    example = "--data .data/ptb-xl --fold 9"

    data: Path = setting("PTB-XL folder", metavar="PTB-XL")
    fold: tuple[int, ...] = setting("strat_fold", (9,), least=1)
    reports: Literal["human", "machine", "all"] = setting("which reports count", "human")
    likelihood: float = setting("least likelihood of a code", 0.0, least=0)
    errors: int = setting("show about that many reports with their differences (on stderr)", 0, least=0)
    phrases: Path | None = setting("also a table of phrases: language, text, expected, round, first", None)
    ceiling: bool = setting("also a classifier that learns the codes from the words of folds 1-8", False)


@dataclass(frozen=True, kw_only=True)
class Cohort(Evaluation):
    """The simulated cohort beside PTB-XL: intervals, amplitudes and the relation between leads.

    Both sides are measured by the same rule (`gen.simulate.measure`). Only the training folds of PTB-XL are used.
    """

    name = "cohort"
    function = "gen.evaluation.cohort:run"
    needs = "PTB-XL"
    example = "--data .data/ptb-xl"

    data: Path = setting("PTB-XL folder", metavar="PTB-XL")
    number: int = setting("records of each side", 600, least=2, short="-n")
    seed: int = setting("of the cohort and of the choice of records", 0, least=0)
    statement: str | None = setting("only records with this SCP-ECG code, such as NORM", None)


@dataclass(frozen=True, kw_only=True)
class CineCohort(Evaluation):
    """Simulated hearts per disease group against reference figures, and how fast cines are made.

    References: Petersen et al., J Cardiovasc Magn Reson 2017;19:18 (normal), Sunnybrook's table (LVH = hypertrophy,
    DCM = heart failure without infarct), the Cardiac Atlas Project (MI), ACDC's inclusion rules (HCM, DCM).
    `--picture` draws a contact sheet: simulated short axes beside real ones, end-diastole and end-systole.
    """

    name = "cine-cohort"
    function = "gen.evaluation.cine_cohort:run"
    example = "-n 2000 --picture cine-contact-sheet.png --real .data/sunnybrook"

    number: int = setting("hearts for the distributions", 2000, least=10, short="-n")
    cines: int = setting("cines to time; 0 for none", 6, least=0)
    seed: int = setting("of the cohort", 0, least=0)
    picture: Path | None = setting("also draw a contact sheet here (PNG)", None, output=True, metavar="FILE")
    picture_seed: int = setting("of the hearts on the sheet", 3, least=0)
    real: Path | None = setting("folder of the Sunnybrook set, for the sheet", None, metavar="FOLDER")


@dataclass(frozen=True, kw_only=True)
class EcgCeiling(Evaluation):
    """How much a simulated ECG tells about its simulated heart, against what real ECGs tell about real hearts.

    The ceilings are those of real cohorts: ECG networks reach r = .79 (UK Biobank) and .60 (Mass General Brigham) for
    left-ventricular mass (Khurshid et al. 2021, Circulation), about a third of the variance of volumes and a fifth of
    that of systolic function (ARIC). A simulation beyond them would teach a model what no ECG holds.
    """

    name = "ecg-ceiling"
    function = "gen.evaluation.ecg_ceiling:run"
    example = "-n 3000"

    number: int = setting("hearts", 3000, least=50, short="-n")
    seed: int = setting("of the cohort", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class Speed(Evaluation):
    """How long models and measures take, side by side in one run.

    Published networks are timed at their own size with random weights, which decide nothing about time. Measures run in
    a process of their own each, so that time and peak memory are their own.
    """

    name = "speed"
    function = "gen.evaluation.speed:run"
    example = "--of vae --of diffusion"

    of: tuple[str, ...] = setting(
        "what to time: commands, diffusion, latency, metrics, reading, vae; all by default", (), metavar="PACKAGE"
    )
    repeats: int = setting("runs, of which the median counts", 3, least=1)
    threads: int = setting("of the processor", 2, least=1)
    sizes: tuple[int, ...] = setting("batch sizes of models; sample counts of measures", (), least=1)
    only: tuple[str, ...] = setting("these measures, or commands, only", (), metavar="MEASURE")
    beside: Path | None = setting(
        "Python of another installation, whose commands run in turn with these", None, metavar="FILE"
    )
    float32: bool = setting("commands without autocast, where a build would compute in emulated bfloat16", False)


@dataclass(frozen=True, kw_only=True)
class LongRecordings(Evaluation):
    """A day of one lead through reconstruct, measure and cmr: peak memory, time, and runs that were killed.

    A process that is killed behind its first note and the same command again must end with the bytes of an undisturbed
    run.
    """

    name = "long-recordings"
    function = "gen.evaluation.long_recordings:run"
    example = "--hours 2 --killed-hours 2"

    hours: float = setting("of the recording; 0 for none", 24.0, least=0)
    killed_hours: float = setting("of the recording whose runs are killed; 0 for none", 2.5, least=0)
    lead: str = setting("that was recorded", "II")
    fs: float = setting("its rate in Hz", 250.0, least=50)
    seed: int = setting("of the simulated heart", 0, least=0)
    only: tuple[str, ...] = setting("these commands; all by default", (), metavar="COMMANDS")


@dataclass(frozen=True, kw_only=True)
class Bulk(Evaluation):
    """What a large set costs: time, peak memory of all processes together, bytes; and millions of ECGs by arithmetic.

    `physiogen synthesize` runs with a table of seven findings in turn. Memory that processes share counts once.
    """

    name = "bulk"
    function = "gen.evaluation.bulk:run"
    example = "--number 1000,20000 --format parquet"

    number: tuple[int, ...] = setting("ECGs of a set", (1000, 20000), least=1, short="-n")
    format: tuple[str, ...] = setting(
        "wfdb, parquet, webdataset or npz; parquet and webdataset by default",
        ("parquet", "webdataset"),
        metavar="FORMAT",
    )
    engine: tuple[str, ...] = setting("local, ray; each in turn", ("local",), metavar="ENGINE")
    workers: int = setting("processes; as many as there are cores by default", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class EngineFaults(Evaluation):
    """Bulk jobs while workers, drivers and all processes are killed: shards lost, twice, other bytes, by engine.

    The job draws noise and waits, so that the kills fall on the engine and not on a network. A set that is finished is
    compared with one that a single process made undisturbed.
    """

    name = "engine-faults"
    function = "gen.evaluation.engine_faults:run"
    example = "--engine local --kills 5"

    engine: tuple[str, ...] = setting("local, ray or slurm; all by default", (), metavar="ENGINE")
    kills: int = setting("under each engine", 50, least=1)
    number: int = setting("samples of a set", 64, least=1, short="-n")
    workers: int = setting("of an engine", 2, least=1)
    seconds: float = setting("that a block of 4 samples takes", 0.1, least=0)
    format: Literal["wfdb", "parquet", "webdataset", "npz"] = setting("of the shards", "wfdb")
    seed: int = setting("of noise, moments and victims", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class Robustness(Evaluation):
    """Damaged files of every format: read, or refused in one line; tracebacks, hangs, half-written files and memory.

    Damaged: bytes changed, cut, doubled or lost, numbers in text replaced by extreme ones, lines exchanged. What could
    be read is written again in a format drawn at random and read back.
    """

    name = "robustness"
    function = "gen.evaluation.robustness:run"
    example = "-n 200"

    number: int = setting("damaged files", 20000, least=1, short="-n")
    seed: int = setting("of the damage; file k of a seed is the same whatever the number", 0, least=0)
    files: tuple[Path, ...] = setting("also damage these files (or folders, searched through)", (), metavar="FILES")
    limit: float = setting("seconds a reader may take", 10.0, least=0)
    memory: float = setting("GiB that the process may take", 2.0, least=0)


@dataclass(frozen=True, kw_only=True)
class Manners(Evaluation):
    """How soon every command speaks, what a mistyped name costs, and what Ctrl-C gives."""

    name = "manners"
    function = "gen.evaluation.manners:run"
    example = "--only measure"

    only: tuple[str, ...] = setting("these commands; all by default", (), metavar="COMMAND")
    seconds: float = setting("after which Ctrl-C is pressed", 15.0, least=1)
    number: int = setting("simulated recordings to work on", 100, least=4, short="-n")


@dataclass(frozen=True, kw_only=True)
class Web(Evaluation):
    """The page in a browser: first paint, an ECG after Generate, many visitors at once, pictures of its rooms.

    Chromium opens `physiogen web` on this machine, whose models are loaded before anything is timed.
    """

    name = "web"
    function = "gen.evaluation.web:run"
    needs = "Chromium and playwright"
    example = "--visitors 2 --repeats 1"

    repeats: int = setting("times that one visitor comes", 5, least=1)
    visitors: int = setting("that ask at the same time; 0 for none", 20, least=0)
    pictures: Path | None = setting("folder for a picture of every room", None, output=True, metavar="FOLDER")
    recordings: tuple[Path, ...] = setting("files of a recording for the rooms that need one", (), metavar="FILES")
