"""Recipe ``flow/reader``: learns from averaged beats of simulated hearts what an ECG tells about its heart.

    physiogen data pairs -n 0 --val 0 --test 0 --ecgs 0 --beats 300000 --seed 1919 --out BEATS
    physiogen train flow/reader --data BEATS --set real=CACHE --out RUN

The last hearts of the part are held out: half of them choose the weights, the other half calibrates the intervals.
Recordings have no truth: of some of their leads the network rebuilds the others, so that it has seen real beats too.
``RUN/reader`` is what `gen.load` opens.
"""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from flow.ecg.beats import BEAT_SAMPLES, ECG_HZ, RHYTHM, find_beats
from flow.networks.ecg_reader import FIGURES, PATIENT, POINTS, EcgReader, ToldHeart, quantities
from flow.networks.pamae import targets_of
from flow.reading import KIND
from flow.training.cohort import PATIENT_FACTS
from flow.training.pair_cache import Part
from flow.training.recipes import DECLARED, OfPairsAndRecordings
from flow.volumes.told import KINDS, ToldIntervals
from gen.card import Source
from gen.checkpoint import checkpoint_digest, load_model, model_config
from gen.files import replace_folder
from gen.leads import LEADS_8
from gen.records import InputError
from gen.signals import pearson, resample
from gen.simulate.cine import GROUPS
from gen.training import BatchSource, Job, Recipe, TrainingConfig, sample_generator, shuffled_indices
from gen.training.trainer import TrainingResult, Validate

if TYPE_CHECKING:
    from gen.training import Batch

#: Leads that people record where they do not record twelve.
USUAL_LEADS = (
    *(("I",), ("II",), ("I", "II"), ("V2",), ("V5",), ("I", "II", "V1"), ("I", "II", "V2"), ("I", "II", "V5")),
    *(("II", "V1", "V5"), ("I", "II", "V2", "V5"), ("I", "II", "V1", "V2", "V3")),
)
#: Shares of the simulated samples: all leads, and of the rest usual leads (the others are drawn lead by lead).
_ALL_LEADS, _USUAL = 0.6, 0.7
#: Shares of the samples without anything known of the patient, and of each number known otherwise.
_UNKNOWN, _KNOWN = 0.6, 0.75
#: Hearts whose distributions are worked out at a time.
_CLOUDS = 500


@dataclass(frozen=True, eq=False)
class RealBeats:
    """Averaged beats of recordings: (n, 8, 160) float32 mV, and their rhythm (n, 7)."""

    beat: np.ndarray
    rhythm: np.ndarray

    @classmethod
    def load(cls, folder: str | Path, split: str = "train", limit: int | None = None) -> "RealBeats":
        """Of a split of a cache made by ``physiogen data prepare``; recordings without beats are left out."""
        from gen.datasets.cache import SignalCache

        cache = SignalCache.open(folder)
        beats, rhythms = [], []
        rows = cache.split(split)[:limit]
        for start in range(0, len(rows), 64):
            block = np.nan_to_num(cache.batch(rows[start : start + 64]))
            for signal in resample(block, cache.fs_hz, ECG_HZ).astype(np.float32):
                try:
                    found = find_beats(signal, ECG_HZ)
                except InputError:
                    continue
                beats.append(found.average(signal, ECG_HZ))
                rhythms.append(found.rhythm)
        if not beats:
            raise InputError(f"{folder}: no recording of the part {split} has beats")
        return cls(np.stack(beats), np.stack(rhythms))


class BeatSource:
    """Averaged beats with the figures of their hearts, and of recordings without.

    Args:
        part: the part ``beats`` of a cache.
        rows: hearts of it.
        real: recordings, or None.
        real_share: of the samples, where there are any.
    """

    def __init__(self, part: Part, rows: np.ndarray, real: RealBeats | None = None, real_share: float = 0.15) -> None:
        self.part, self.rows, self.real = part, rows, real
        self.real_share = real_share if real is not None else 0.0
        self.figures, self.groups = figures_of(part), part.fact("group").astype(np.int64)
        self.patients = np.stack([part.fact(name) for name in PATIENT_FACTS], axis=1)

    def batch(self, numbers: np.ndarray, seed: int) -> "Batch":
        """See `gen.training.BatchSource`."""
        rows = self.rows[shuffled_indices(numbers, len(self.rows), seed)]
        out = _read_alone(self.part, rows) | {"figures": self.figures[rows], "group": self.groups[rows]}
        for place, number in enumerate(numbers):
            rng = sample_generator(seed, int(number))
            if rng.random() < self.real_share and self.real is not None:
                row = int(rng.integers(len(self.real.beat)))
                out["beat_mv"][place], out["rhythm"][place] = self.real.beat[row], self.real.rhythm[row]
                out["group"][place], out["recorded"][place] = -1, _some_leads(rng)
                continue
            if rng.random() >= _ALL_LEADS:
                out["recorded"][place] = _some_leads(rng)
            if rng.random() >= _UNKNOWN:
                known = rng.random(len(PATIENT)) < _KNOWN
                out["patient"][place] = np.where(known, self.patients[rows[place]], np.nan)
        return {key: torch.from_numpy(value) for key, value in out.items()}


def _read_alone(part: Part, rows: np.ndarray) -> dict[str, np.ndarray]:
    """What a reader is given of hearts of a part ``beats``: all leads, and nothing known of the patient."""
    return {
        "beat_mv": part.beat[rows].astype(np.float32),
        "rhythm": np.array(part.rhythm[rows]),
        "recorded": np.ones((len(rows), len(LEADS_8)), bool),
        "patient": np.full((len(rows), len(PATIENT)), np.nan, np.float32),
    }


def _some_leads(rng: np.random.Generator) -> np.ndarray:
    """(8,) bool, not all of them and not none."""
    if rng.random() < _USUAL:
        chosen = USUAL_LEADS[int(rng.integers(len(USUAL_LEADS)))]
        return np.isin(LEADS_8, chosen)
    recorded = rng.random(len(LEADS_8)) < 0.5
    if recorded.all() or not recorded.any():
        recorded = np.arange(len(LEADS_8)) == int(rng.integers(len(LEADS_8)))
    return recorded


def figures_of(part: Part) -> np.ndarray:
    """(n, len(FIGURES)) float32 of the hearts of a part ``beats``, see `flow.networks.ecg_reader.FIGURES`."""
    names = ("edv_ml", "mass_g", "ef", "es_share")
    told = targets_of(*(torch.from_numpy(np.array(part.fact(name))) for name in names)).numpy()
    return np.column_stack([told, np.log(part.wall)]).astype(np.float32)


@torch.no_grad()
def read_rows(reader: EcgReader, part: Part, rows: np.ndarray, recorded: np.ndarray | None = None) -> ToldHeart:
    """What the reader tells of hearts of a part ``beats``, the ECG alone; ``recorded`` (8,) bool, all leads if None."""
    told = []
    for at in range(0, len(rows), 1024):
        given = _read_alone(part, rows[at : at + 1024])
        if recorded is not None:
            given["recorded"][:] = recorded
        told.append(reader(*map(torch.from_numpy, given.values())))
    joined = {name: torch.cat([getattr(each, name) for each in told]) for name in ("group", "mean", "spread")}
    return ToldHeart(**joined, tie=told[0].tie)


@torch.no_grad()
def read_real(reader: EcgReader, real: RealBeats) -> ToldHeart:
    """What the reader tells of recordings, all leads and nothing known of the patients."""
    n = len(real.beat)
    patient = torch.full((n, len(PATIENT)), float("nan"))
    recorded = torch.ones(n, len(LEADS_8), dtype=torch.bool)
    return reader(torch.from_numpy(real.beat), torch.from_numpy(real.rhythm), recorded, patient)


def told_clouds(reader: EcgReader, part: Part, rows: np.ndarray, *, few: bool = False) -> dict[str, np.ndarray]:
    """Quantity -> (n, points) float32 told of hearts of a part ``beats``, the ECG alone.

    ``few``: of each ECG some leads were recorded, those of `USUAL_LEADS` in turn.
    """
    found = {name: np.empty((len(rows), POINTS), np.float32) for name in quantities(np.zeros((1, len(FIGURES))))}
    turn = np.arange(len(rows)) % len(USUAL_LEADS) if few else np.zeros(len(rows), int)
    for kind in np.unique(turn):
        recorded = np.isin(LEADS_8, USUAL_LEADS[kind]) if few else None
        chosen = np.flatnonzero(turn == kind)
        for start in range(0, len(chosen), _CLOUDS):
            block = chosen[start : start + _CLOUDS]
            cloud = read_rows(reader, part, rows[block], recorded).cloud().numpy()
            for name, values in quantities(cloud).items():
                found[name][block] = values
    return found


def calibrated(reader: EcgReader, part: Part, rows: np.ndarray, source: Mapping[str, Any]) -> ToldIntervals:
    """Intervals of a reader, calibrated on hearts of a part ``beats`` that it was not trained on."""
    clouds = {kind: told_clouds(reader, part, rows, few=kind == "few") for kind in KINDS}
    truth = quantities(figures_of(part)[rows])
    return ToldIntervals.fit(clouds, truth, part.fact("group")[rows].astype(int), source=source)


def expectations(told: ToldHeart, points: int = 256, block: int = 500) -> dict[str, np.ndarray]:
    """Means (n,) of the quantities over the distribution of each ECG, see `quantities`."""
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(told.group), block):
        rows = slice(start, start + block)
        cloud = told[rows].cloud(points)
        for name, values in quantities(cloud.numpy()).items():
            found.setdefault(name, []).append(values.mean(axis=1))
    return {name: np.concatenate(values) for name, values in found.items()}


def reader_validator(part: Part, rows: np.ndarray) -> Validate:
    """Likelihood of group and figures (monitored as ``loss``) and correlation of the expectations with the truth."""
    figures = figures_of(part)[rows]
    truth, group = quantities(figures), torch.from_numpy(part.fact("group")[rows].astype(np.int64))

    @torch.no_grad()
    def validate(model: torch.nn.Module) -> Mapping[str, float]:
        assert isinstance(model, EcgReader)
        told = read_rows(model, part, rows)
        chance = -told.group[torch.arange(len(group)), group].mean()
        density = told.log_likelihood(torch.from_numpy(figures), group) + model.target_spread.log().sum()
        means = expectations(told)
        return {
            "loss": float(chance - density.mean()),
            "group": float(chance),
            **{f"r_{name}": float(pearson(means[name], truth[name])) for name in truth},
        }

    return validate


@dataclass(frozen=True, kw_only=True)
class ReaderRecipe:
    """Settings of ``flow/reader``; ``--set key=value`` changes any of them."""

    training: TrainingConfig = field(default_factory=lambda: DECLARED.training("reader"))
    network: Any = field(default_factory=lambda: DECLARED.network("reader", EcgReader))
    validation: int = 6000
    """Hearts at the end of the part that are not learned from: half choose the weights, half calibrate intervals."""
    real: str = ""
    """Cache of recorded ECGs (``physiogen data prepare``) whose leads are rebuilt besides; empty for none."""
    real_share: float = 0.15
    """Share of samples that are recordings."""


class _Reader(OfPairsAndRecordings[ReaderRecipe], Job[ReaderRecipe]):
    """The reader, on the part ``beats``."""

    needs = "a cache made by `physiogen data pairs --beats 300000 --out DIR`"
    leaves = ("reader",)

    @cached_property
    def part(self) -> Part:
        """Averaged beats."""
        return self.cache.part("beats")

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Hearts to learn from, to choose on, and to calibrate on."""
        start = len(self.part) - self.settings.validation
        learned, held = self.part.usable[self.part.usable < start], self.part.usable[self.part.usable >= start]
        if len(learned) < 2 or len(held) < 4:
            raise InputError(
                f"{self.data}: {len(self.part)} beats, of which validation={self.settings.validation} are held out; "
                "accepted: at least 2 learned from and 4 held out"
            )
        return learned, held[: len(held) // 2], held[len(held) // 2 :]

    def build_model(self) -> torch.nn.Module:
        figures = figures_of(self.part)[self.rows[0]]
        return EcgReader(
            beat_samples=BEAT_SAMPLES,
            rhythm=len(RHYTHM),
            groups=len(GROUPS),
            **asdict(self.settings.network),
            target_mean=tuple(round(float(v), 5) for v in figures.mean(axis=0)),
            target_spread=tuple(round(float(v), 5) for v in figures.std(axis=0)),
        )

    def build_source(self, model: torch.nn.Module) -> BatchSource:
        real = RealBeats.load(self.settings.real) if self.settings.real else None
        return BeatSource(self.part, self.rows[0], real, self.settings.real_share)

    def build_validator(self, model: torch.nn.Module) -> Validate:
        return reader_validator(self.part, self.rows[1])

    def sources(self) -> list[Source]:
        cohort, *recorded = super().sources()
        name = "simulated cohort, averaged beats of the ECGs (gen.simulate)"
        split = f"part beats; of the last {self.settings.validation} hearts half choose weights, half calibrate"
        return [replace(cohort, name=name, split=split), *recorded]

    def checkpoint_config(self, model: torch.nn.Module) -> Mapping[str, Any]:
        return {**model_config(model), **KIND}

    def finish(self, result: TrainingResult, card: Mapping[str, Any]) -> dict[str, Any]:
        source = {"cohort": "physiogen simulated cohort, part beats", "data": self.cache.digest}
        source |= {"cohort_seed": self.cache.manifest["seed"], "conditions": "the ECG alone"}
        best = load_model(EcgReader, result.best_path)
        intervals = calibrated(best, self.part, self.rows[2], source)
        with replace_folder(self.out / "reader") as temporary:
            shutil.copytree(result.best_path, temporary, dirs_exist_ok=True)
            intervals.save(temporary, checkpoint_digest(temporary))
        return {"checkpoint": str(self.out / "reader"), "hearts": intervals.hearts}

    def facts(self) -> dict[str, Any]:
        return {"figures": list(FIGURES), "groups": list(GROUPS)}


reader = Recipe(DECLARED.about("reader"), ReaderRecipe, _Reader)
