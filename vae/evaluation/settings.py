"""Settings of this package's evaluations; light, so that listing them and their help loads no model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gen.evaluations import Evaluation, setting

Split = Literal["train", "val", "test"]
_CACHE = "cache made by `physiogen data prepare`"
_LIMIT = "first N records only"
_SET = "input set such as II,V1,V5"
_METHOD = "default, wearecg, least-squares, fir, per-patient, nearest or dower"


@dataclass(frozen=True, kw_only=True)
class OfCache(Evaluation):
    """What evaluations on the records of a cache share."""

    data: Path = setting(_CACHE, metavar="CACHE")
    split: Split = setting("part that is scored", "val")
    limit: int | None = setting(_LIMIT, None, least=1)


@dataclass(frozen=True, kw_only=True)
class Reconstruction(OfCache):
    """Missing leads rebuilt from few, against the recorded ones: signal, amplitudes, axis, rate, bands.

    Scored are only the leads that were not observed. Records are the unit of every mean; intervals are drawn over
    patients.
    """

    name = "reconstruction"
    function = "vae.evaluation.reconstruction:run"
    needs = "a cache of real ECGs"
    example = "--data CACHE --split test --leads I --leads II,V1,V5 --methods default --methods least-squares"

    methods: tuple[str, ...] = setting(_METHOD, ("default",), metavar="METHOD")
    leads: tuple[str, ...] = setting(_SET, ("II,V1,V5",), metavar="LEADS")
    checkpoint: Path | None = setting("weights for the methods default and wearecg", None, metavar="FOLDER")
    offsets: float = setting(
        "mV; spread of constants added to every lead, as recorders without a high-pass write", 0.0, least=0
    )
    samples: int = setting("draws per record whose range is checked (default method)", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class Reference(Evaluation):
    """What an earlier twelve-lead ECG of the same person gives to reconstruction, and what a stranger's does.

    Ordered pairs of recordings of one patient, and pairs of simulated visits.
    """

    name = "reference"
    function = "vae.evaluation.reference:run"
    needs = "a cache of real ECGs with patients"
    example = "--data CACHE --splits val --splits test --leads II,V1,V5"

    data: Path = setting(_CACHE, metavar="CACHE")
    splits: tuple[str, ...] = setting("parts whose pairs are scored: train, val, test", ("val",), metavar="SPLIT")
    methods: tuple[str, ...] = setting("default, least-squares or fir", ("default",), metavar="METHOD")
    leads: tuple[str, ...] = setting(_SET, ("II,V1,V5",), metavar="LEADS")
    checkpoint: Path | None = setting("weights for the method default", None, metavar="FOLDER")
    persons: int = setting("simulated persons, two visits each", 30, least=2)
    seed: int = setting("of the simulated persons", 77, least=0)
    limit: int | None = setting("first N pairs only", None, least=1)


@dataclass(frozen=True, kw_only=True)
class Diagnosis(OfCache):
    """Whether a rebuilt ECG keeps the diagnosis: a frozen classifier reads the real record and the rebuilt one.

    The classifier was trained on complete ECGs (WearECG's question; `metrics.utility.retention`). The same through
    files: `physiogen reconstruct`, then `physiogen benchmark --preset reconstruction`.
    """

    name = "diagnosis"
    function = "vae.evaluation.diagnosis:run"
    needs = "a cache of real ECGs with statements"
    example = "--data CACHE --split test --leads II,V1,V5"

    leads: tuple[str, ...] = setting(_SET, ("II,V1,V5",), metavar="LEADS")
    methods: tuple[str, ...] = setting(_METHOD, ("default",), metavar="METHOD")
    checkpoint: Path | None = setting("weights for the methods default and wearecg", None, metavar="FOLDER")
    classifier: Path | None = setting("classifier that judges; the shipped one by default", None, metavar="FOLDER")


@dataclass(frozen=True, kw_only=True)
class Layouts(OfCache):
    """What a paper's layout costs a classifier, and what filling its holes gives back.

    A sheet shows each lead for a part of the time. The classifier was trained on complete ECGs; it reads each record
    whole, with holes as zeros, with what is there repeated, and after reconstruction has filled the holes. `blocks`
    is no layout: about half of every lead is gone, in stretches of its own.
    """

    name = "layouts"
    function = "vae.evaluation.layouts:run"
    needs = "a cache of real ECGs with statements"
    example = "--data CACHE --split test"

    layouts: tuple[str, ...] = setting(
        "of physiogen paper, or blocks", ("3x4", "3x4+1", "6x2", "blocks"), metavar="LAYOUT"
    )
    method: str = setting(_METHOD, "default")
    classifier: Path | None = setting("classifier that judges; the shipped one by default", None, metavar="FOLDER")
    seed: int = setting("of the blocks", 0, least=0)


@dataclass(frozen=True, kw_only=True)
class ExpectedError(OfCache):
    """What to expect of a lead set: each missing lead's error, and what a classifier loses class by class.

    The stored result ships as `vae/expected.json`: every reconstruction says from it how far it can be trusted.
    """

    name = "expected-error"
    function = "vae.evaluation.expected:run"
    needs = "a cache of real ECGs with statements"
    example = "--data CACHE --split test"

    leads: tuple[str, ...] = setting(
        _SET, ("I", "II", "I,II", "II,V5", "V1,V5", "I,II,V2", "II,V1,V5", "I,II,V1,V5"), metavar="LEADS"
    )


@dataclass(frozen=True, kw_only=True)
class Codec(OfCache):
    """The ECG codec: what decode of encode of a record loses, in the signal and in measured parameters."""

    name = "codec"
    function = "vae.evaluation.codec:run"
    needs = "a cache of real ECGs"
    example = "--data CACHE --split test"

    checkpoint: Path | None = setting("folder of the codec; the shipped one by default", None, metavar="FOLDER")
    threads: int = setting("of the speed test", 2, least=1)
    records: Path | None = setting(
        "also write what was decoded, as a record set for a benchmark", None, output=True, metavar="FOLDER"
    )


@dataclass(frozen=True, kw_only=True)
class Streaming(OfCache):
    """What a short delay costs: complete records streamed in chunks, beside the record rebuilt as a whole.

    Most of a ten-second record lies within the first window, where the network has seen less than a window yet; the
    second half is scored by itself as well. CPU time is that of all threads.
    """

    name = "streaming"
    function = "vae.evaluation.streaming:run"
    needs = "a cache of real ECGs"
    example = "--data CACHE --split test --hops 0.5,1,2"

    leads: str = setting("input set", "II,V1,V5", metavar="LEADS")
    hops: tuple[float, ...] = setting("seconds between windows", (0.5, 1.0, 2.0), metavar="S")
    window: float | None = setting("seconds that the network sees; 10 by default", None)
    guard: float | None = setting("newest seconds that are not used; 0.25 by default", None)
    fade: float | None = setting("seconds of cross-fade; 0.25 by default", None)
    checkpoint: Path | None = setting("weights of your own", None, metavar="FOLDER")
    threads: int = setting("more gain little on single windows", 1, least=1)


@dataclass(frozen=True, kw_only=True)
class Plausibility(Evaluation):
    """Whether reconstructions are plausible where nobody knows the truth: physics, heart rate, quality.

    Looked at are the limb-lead law, amplitudes, the heart rate in rebuilt leads against that in the recorded ones, and
    what `gen.quality` says of the recorded leads and of the twelve.
    """

    name = "plausibility"
    function = "vae.evaluation.plausibility:run"
    needs = "what `physiogen reconstruct` has written"
    example = "OUT"

    rebuilt: Path = setting("record set written by `physiogen reconstruct`", positional=True)
