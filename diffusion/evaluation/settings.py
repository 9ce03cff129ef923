"""Settings of this package's evaluations; light, so that listing them and their help loads no model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gen.evaluations import Evaluation, setting

_TWIN = "folder of a twin pipeline; the shipped one by default"
_STEPS = "sampling steps; the weights' own by default"
_RECORDS = "recordings of people the encoder never saw: FOLDER or FOLDER:SPLIT"


@dataclass(frozen=True, kw_only=True)
class Twins(Evaluation):
    """Twins of simulated hearts that no training saw: identity, heart rate, shape of the beat, added findings.

    Each heart is examined twice under different conditions. Its first ECG is the reference, the condition of the second
    is asked for. Identity is judged by the pipeline's own encoder (the benchmark has an independent one): retrieval of
    the other visit, and separation of the persons when each is given by the other visit and the ECG that is judged.
    Intervals are drawn over hearts; every heart's twin has noise of its own.
    """

    name = "twins"
    function = "diffusion.evaluation.twins:run"
    example = "--hearts 100"

    checkpoint: Path | None = setting(_TWIN, None, metavar="FOLDER")
    hearts: int = setting("simulated people", 100, least=2)
    steps: int | None = setting(_STEPS, None, least=1)
    seed: int = setting("of the twins", 0, least=0)
    base_noise: float = setting("noise on the identity embeddings, in units of their length", 0.0, least=0)


@dataclass(frozen=True, kw_only=True)
class Edits(Evaluation):
    """Whether an edit of a twin changes what was asked for, and nothing else.

    Each simulated heart is seen as *reference* (visit 0, before), as *edit* (what the pipeline makes of the reference),
    and as *repeat* (visit 1, before). What an edit should not change may differ from the reference as much as the
    repeat does: the error of measuring a person twice. `within` is the share of edits that differ by no more than the
    95th percentile of the repeats, `excess` the mean paired difference of edit and repeat. Three more say what to
    expect: the *perfect* edit (visit 1, simulated in the condition asked for), the *same day* (visit 0 in that
    condition: how much the quantity truly moves), and a *stranger* (the next heart, before).
    """

    name = "edits"
    function = "diffusion.evaluation.edits:run"
    example = "--hearts 40"

    checkpoint: Path | None = setting(_TWIN, None, metavar="FOLDER")
    hearts: int = setting("simulated people", 40, least=2)
    seed: int = setting("of the edits", 0, least=0)
    strength: float = setting("of the edits, see `physiogen twin`", 1.0, least=0)
    steps: int | None = setting(_STEPS, None, least=1)
    only: tuple[str, ...] = setting("name of an edit; all by default", (), metavar="NAME")


@dataclass(frozen=True, kw_only=True)
class RecordedTwins(Evaluation):
    """Twins of recorded people: found again among all people, and amplitudes held against recordings.

    Of everybody with several recordings a twin is made from one under the condition of another one, and the other one
    is looked for among all people by the identity encoder; the recording itself is searched with too. Then people are
    asked for findings and rates in turn: share whose amplitudes lie outside the 99 % range of recordings with the
    finding, share that was flagged, findings shown, rates.
    """

    name = "recorded-twins"
    function = "diffusion.evaluation.recorded_twins:run"
    needs = "recordings of people, some with several"
    example = "--real .data/ptb-xl:test --real .data/ptb-xl:val"

    real: tuple[str, ...] = setting(_RECORDS, location=True, metavar="FOLDER")
    checkpoint: Path | None = setting(_TWIN, None, metavar="FOLDER")
    people: int = setting("people who are asked for findings", 100, least=2)
    seed: int = setting("of the twins", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class Ablation(Evaluation):
    """Several twin pipelines in one table, each on the same hearts with the same seed.

    Each is NAME=FOLDER (RUN/pipeline of `physiogen train diffusion/twin`) or NAME=FILE.json, what `physiogen evaluate
    twins --out` wrote. With `--store` the results of each folder are kept in STORE/NAME.json and are not computed again
    while weights and settings are the same.
    """

    name = "ablation"
    function = "diffusion.evaluation.ablation:run"
    needs = "twin pipelines of your own"
    example = "adax=RUN1/pipeline unet=RUN2/pipeline --store FIGURES"

    pipelines: tuple[str, ...] = setting("pipelines, or their results", positional=True, metavar="NAME=PATH")
    hearts: int = setting("simulated people", 100, least=2)
    steps: int | None = setting(_STEPS, None, least=1)
    seed: int = setting("of the twins", 0, least=0)
    store: Path | None = setting("folder in which results are kept", None, output=True, metavar="FOLDER")


@dataclass(frozen=True, kw_only=True)
class PersonalMonitor(Evaluation):
    """Whether a monitor is better for being adapted to its person with that person's twins.

    A classifier of ten-second ECGs (normal, or one of several events) is trained on a population and then goes on, for
    each person apart, with ECGs of that person: synthetic twins in every condition, a stranger's twins, the one real
    recording varied in simple ways, or nothing personal at all; at equal cost, scored on later recordings of the same
    people (after ECGTwin's pECGMonitor, Lai et al. 2025, arXiv 2508.02720).

    `--sets` holds the record sets population, references, visits, twins and (optional) own, matched by patient id; they
    are made there of simulated hearts unless they are there already.
    """

    name = "personal-monitor"
    function = "diffusion.evaluation.personal_monitor:run"
    example = "--sets SETS --persons 20"

    sets: Path = setting("folder of the record sets", output=True, metavar="SETS")
    checkpoint: Path | None = setting(_TWIN, None, metavar="FOLDER")
    persons: int = setting("simulated people", 20, least=1)
    hearts: int = setting("of the population", 700, least=1)
    count: int = setting("twins of each person for each event", 8, least=1)
    normal: int = setting("normal twins of each person", 16, least=1)
    seed: int = setting("of rates and twins", 0, least=0)
    steps: int | None = setting(_STEPS, None, least=1)
    events: str = setting("statements to be told apart, by comma", "AFIB,PVC,STD_,IMI")
    only: tuple[str, ...] = setting("name of a way to train; all by default", (), metavar="NAME")
    seeds: int = setting("trainings of each monitor", 3, least=1)
    general_steps: int | None = setting("steps of the general training", None, least=1)
    personal_steps: int | None = setting("steps of going on with a person", None, least=1)


@dataclass(frozen=True, kw_only=True)
class Membership(Evaluation):
    """Whether the denoiser's loss gives its training patients away (membership inference).

    Training recordings (folds 1-8) and those of folds 9 and 10 get the training loss, the squared error of v, at fixed
    noise levels under fixed noise: the same noise for every recording. A network fits the samples it was trained on
    better, so whoever holds it and a patient's ECG can accuse the patient of having been in the training set when the
    loss is low (Yeom et al. 2018; for diffusion models at fixed noise levels, Matsumoto et al. 2023). 0.5 is chance;
    validation against test is the control.

    `--losses FILE.npz` attacks the losses of any model instead of measuring.
    """

    name = "membership"
    function = "diffusion.evaluation.membership:run"
    needs = "the cache that the weights were trained on"
    example = "--data CACHE -n 330"

    data: Path | None = setting("cache made by `physiogen data prepare`", None, metavar="CACHE")
    losses: Path | None = setting("losses of a model, written by --save or by you", None, metavar="FILE")
    checkpoint: Path | None = setting("pipeline of the denoiser; the shipped one by default", None, metavar="FOLDER")
    number: int = setting("recordings of each split at most", 330, least=2, short="-n")
    levels: tuple[float, ...] = setting(
        "noise levels above 0 and below 1", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), least=0
    )
    draws: int = setting("noises per level", 2, least=1)
    variants: int = setting("variations of a recording, as training drew them", 0, least=0)
    seed: int = setting("of noise, choice of recordings and bootstrap", 0, least=0)
    replicates: int = setting("bootstrap draws", 1000, least=100)
    save: Path | None = setting("also write the losses here", None, output=True, metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class Identity(Evaluation):
    """How well identity embeddings tell real people apart, beside features that no generator has seen.

    People with several recordings are looked for among all people of the sets, by the twin pipeline's embeddings and,
    as a baseline, by the PTB-XL classifier's features. Probes ask what else the embeddings tell.
    """

    name = "identity"
    function = "diffusion.evaluation.identity:run"
    needs = "recordings of people, some with several"
    example = "--real .data/ptb-xl:test --real .data/ptb-xl:val"

    real: tuple[str, ...] = setting(_RECORDS, location=True, metavar="FOLDER")
    checkpoint: Path | None = setting(_TWIN, None, metavar="FOLDER")


@dataclass(frozen=True, kw_only=True)
class IdentityLeakage(Evaluation):
    """What an identity embedding gives away, and what noise or a bottleneck takes from it.

    Attacks by somebody who has learned from other people's embeddings: re-identification among known recordings,
    inference of age, sex, rate and of a normal ECG by a linear probe, and inversion to the median beat; against the
    embedding as it is, with noise, through a bottleneck, and made by an encoder that was not told age and sex.
    `conditions alone` are age, sex and measured numbers without any embedding.
    """

    name = "identity-leakage"
    function = "diffusion.evaluation.identity_leakage:run"
    needs = "recordings of people, some with several"
    example = "--real .data/ptb-xl:test --real .data/ptb-xl:val"

    real: tuple[str, ...] = setting(_RECORDS, location=True, metavar="FOLDER")
    checkpoint: Path | None = setting(_TWIN, None, metavar="FOLDER")
    seed: int = setting("of noise, folds and bootstrap", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class FineTuning(Evaluation):
    """What fine-tuning on a finding does that the weights had never seen: it is shown, and the rest is not lost.

    ECGs are asked for with the statements of recordings of the training part, with and without the finding, of the
    weights before and after tuning. A linear classifier on the features of the PTB-XL classifier learns from them
    alone, and is scored on recordings of the held-out part: the finding, and every superclass. The same recordings in
    place of generated ones are the ceiling. `asked for and shown` is the AUROC of the PTB-XL classifier's own
    probability of the finding, between ECGs that were asked for it and others.
    """

    name = "fine-tuning"
    function = "diffusion.evaluation.fine_tuning:run"
    needs = "a prepared cache, weights without a finding, and the same tuned on it"
    example = "--data CACHE --before WITHOUT --after TUNED -n 20"

    data: Path = setting("cache made by `physiogen data prepare`", metavar="CACHE")
    before: Path = setting("weights of diffusion/beats that never saw the finding", metavar="WITHOUT")
    after: Path = setting("those weights after diffusion/beats-tune on it", metavar="TUNED")
    finding: tuple[str, ...] = setting(
        "SCP-ECG statements that are the finding", ("IMI", "ILMI", "IPMI", "IPLMI"), metavar="CODE"
    )
    number: int = setting("ECGs asked for with the finding, and as many without", 250, least=2, short="-n")
    split: Literal["val", "test"] = setting("part that is scored", "test")
    seed: int = setting("of the samples and of the bootstrap", 0, least=0)
